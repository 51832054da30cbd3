from __future__ import annotations

import datetime
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zhmcq.errors import OutputError, PredictionError
from zhmcq.manifest import BaseIdentity
from zhmcq.prediction._journal import Journal, JournalRun, recorded_date

BASE = BaseIdentity(
    name="tiny",
    config={"model_type": "llama", "vocab_size": 9},
    weights_sha256="aa",
    tokenizer_sha256="bb",
    chat_template_sha256="",
)
FIELDS = {"mode": "score", "questions": [["甲", [1, 2]]]}
RUN = JournalRun(BASE, chat=False, fields=FIELDS)
TODAY = replace(RUN, template_date="2026-11-26")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


def finished_in(path: Path, run: JournalRun = RUN) -> dict[str, dict[str, Any]]:
    with Journal(path, run) as journal:
        return journal.finished


def fill(path: Path, *records: dict[str, Any]) -> None:
    with Journal(path, RUN) as journal:
        journal.begin("float32")
        journal.add(list(records))


def test_answers_are_found_again_by_the_same_run(path: Path) -> None:
    fill(path, {"id": "甲", "scores": [-1.5, -0.25]})
    fill(path, {"id": "2", "scores": [0.0, 1e-300]})
    assert finished_in(path) == {
        "甲": {"id": "甲", "scores": [-1.5, -0.25]},
        "2": {"id": "2", "scores": [0.0, 1e-300]},
    }


def test_the_file_is_a_head_and_one_json_line_an_answer(path: Path) -> None:
    fill(path, {"id": "1", "reply": "A"}, {"id": "2", "reply": "B"})
    head, *answers = map(json.loads, path.read_text(encoding="ascii").splitlines())
    assert (head["zhmcq_journal"], head["dtype"]) == (1, "float32")
    assert answers == [{"id": "1", "reply": "A"}, {"id": "2", "reply": "B"}]


@pytest.mark.parametrize(
    "reply", ["a\nb", "a\r\nb", "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb\x1cc", "\ud800", "\x00"]
)
def test_no_character_of_a_reply_breaks_the_journal(path: Path, reply: str) -> None:
    fill(path, {"id": "1", "reply": reply}, {"id": "2", "reply": "B"})
    assert [record["reply"] for record in finished_in(path).values()] == [reply, "B"]


@pytest.mark.parametrize("end", [b"\r\n", b" \n"])
def test_a_journal_whose_line_ends_were_rewritten_is_continued(path: Path, end: bytes) -> None:
    fill(path, {"id": "1", "reply": "A"})
    path.write_bytes(path.read_bytes().replace(b"\n", end))
    fill(path, {"id": "2", "reply": "B"})
    assert [record["reply"] for record in finished_in(path).values()] == ["A", "B"]


def test_the_order_of_a_runs_fields_does_not_matter(path: Path) -> None:
    fill(path, {"id": "1"})
    assert finished_in(path, replace(RUN, fields=dict(reversed(FIELDS.items())))) == {
        "1": {"id": "1"}
    }


def test_a_torn_last_line_is_dropped_wherever_it_was_torn(path: Path) -> None:
    fill(path, {"id": "1", "reply": "好"}, {"id": "2", "reply": "壞"})
    complete_file = path.read_bytes()
    ends = [index for index, byte in enumerate(complete_file) if byte == ord("\n")]
    near_ends = {end + step for end in ends for step in (-1, 0, 1)}
    for length in sorted(near_ends | set(range(0, len(complete_file), 9))):
        path.write_bytes(complete_file[:length])
        with Journal(path, RUN) as journal:
            complete = sum(end < length for end in ends)
            assert list(journal.finished) == ["1", "2"][: max(0, complete - 1)]
            assert journal.dtype == ("float32" if complete else None)
            journal.begin("float32")
            journal.add([{"id": "3"}])
        assert list(finished_in(path))[-1] == "3"


def test_the_date_of_the_chats_is_in_the_first_line(path: Path) -> None:
    assert recorded_date(path) is None
    with Journal(path, TODAY) as journal:
        journal.begin("float32")
    assert recorded_date(path) == datetime.date(2026, 11, 26)
    assert json.loads(path.read_bytes())["template_date"] == "2026-11-26"


def test_a_first_line_that_was_torn_yesterday_is_begun_anew_today(path: Path) -> None:
    with Journal(path, TODAY) as journal:
        journal.begin("float32")
    head = path.read_bytes()
    for length in [*range(30, 60), 90, len(head) - 1]:
        path.write_bytes(head[:length])
        date = recorded_date(path) or datetime.date(2026, 11, 27)
        with Journal(path, replace(RUN, template_date=date.isoformat())) as journal:
            journal.begin("float32")
        assert recorded_date(path) == date


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"zhmcq_journal": 1, "template_date": "no"}', '{"zhmcq_journal": 1}', "\x00"],
)
def test_a_file_without_a_date_has_none(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert recorded_date(path) is None


def test_a_journal_of_another_run_is_refused_and_kept(path: Path) -> None:
    fill(path, {"id": "1"})
    before = path.read_bytes()
    with pytest.raises(PredictionError, match=r"it is of another run \(other questions, adapter"):
        Journal(path, replace(RUN, fields={**FIELDS, "mode": "generate"}))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "chat", "message"),
    [
        ({"name": "moved"}, True, None),
        ({"config": {**BASE.config, "rms_norm_eps": 1e-6}}, True, None),  # the default
        ({"config": {**BASE.config, "vocab_size": 8}}, False, "vocab_size: expected 9, found 8"),
        ({"weights_sha256": "ab"}, False, r"the weights \(SHA-256: expected aa…, found ab…\)"),
        ({"tokenizer_sha256": "bc"}, False, r"the tokenizer \(SHA-256: expected bb…, found bc…\)"),
        ({"chat_template_sha256": "cc"}, False, None),
        ({"chat_template_sha256": "cc"}, True, "the chat template .* expected none, found cc…"),
    ],
)
def test_a_journal_of_another_model_is_refused_with_what_differs(
    path: Path, changes: dict[str, Any], chat: bool, message: str | None
) -> None:
    with Journal(path, replace(RUN, chat=chat)) as journal:
        journal.begin("float32")
    other = replace(RUN, base=BASE.model_copy(update=changes), chat=chat)
    if message is None:
        assert finished_in(path, other) == {}
        return
    with pytest.raises(PredictionError, match=f"it is of another model, .*{message}.*give another"):
        Journal(path, other)


@pytest.mark.parametrize(
    "head",
    [
        b'{"zhmcq_journal": 1, "run": "aa", "dtype": "float32"}\n',
        b'{"zhmcq_journal": 1, "base": 3}\n',
        b'{"zhmcq_journal": ' + b"[" * 99_999 + b"\n",
        b'{"zhmcq_journal": 2',
    ],
)
def test_a_first_line_that_does_not_say_of_which_model_is_refused(path: Path, head: bytes) -> None:
    path.write_bytes(head)
    with pytest.raises(PredictionError, match="of another version of zhmcq, or damaged"):
        Journal(path, RUN)
    assert path.read_bytes() == head


@pytest.mark.parametrize(
    "content", [b"my notes", b"my notes\n", b"PK\x03\x04\xff\xfe\x00", b"\n", b"{}\n[]\n"]
)
def test_a_file_that_is_no_journal_is_refused_and_kept(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(PredictionError, match=r"but it is none: give another file"):
        Journal(path, RUN)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "line", [b"{broken}", b"[1]", b'{"reply": "A"}', b'{"id": 1}', b'{"id": []}', b"\xff", b""]
)
def test_a_damaged_line_is_named_with_the_remedy(path: Path, line: bytes) -> None:
    fill(path, {"id": "1"})
    path.write_bytes(path.read_bytes() + line + b"\n")
    fill_again = path.read_bytes()
    with pytest.raises(PredictionError, match=r"answers\.jsonl, line 3: .*remove the line"):
        Journal(path, RUN)
    assert path.read_bytes() == fill_again


def test_a_record_with_a_fault_is_named_with_the_fault_and_the_remedy(path: Path) -> None:
    fill(path, {"id": "1", "reply": "A"}, {"id": "2", "reply": "B"})
    message = r"answers\.jsonl, line 3: expected a C, found b'.*B\"}': remove the line"

    def fault(record: dict[str, Any]) -> str | None:
        return "expected a C" if record["reply"] == "B" else None

    with pytest.raises(PredictionError, match=message):
        Journal(path, RUN, fault)


def test_a_journal_remembers_the_dtype_that_it_was_begun_in(path: Path) -> None:
    fill(path)
    with Journal(path, RUN) as journal:
        assert journal.dtype == "float32"
        journal.begin("bfloat16")
        assert journal.dtype == "float32"
        assert str(journal.of_other_dtype("float16")) == (
            f"{path} was begun in dtype 'float32', and dtype='float16' was given: give "
            "dtype='float32' or 'auto' to continue it, or another file to start anew"
        )
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.parametrize("dtype", [b"auto", b"int8", b""])
def test_a_journal_of_no_known_dtype_is_refused_and_kept(path: Path, dtype: bytes) -> None:
    fill(path, {"id": "1"})
    changed = path.read_bytes().replace(b"float32", dtype)
    path.write_bytes(changed)
    with pytest.raises(PredictionError, match="it is of another run"):
        Journal(path, RUN)
    assert path.read_bytes() == changed


def test_an_empty_file_becomes_a_journal_and_folders_are_made(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert finished_in(empty) == {}
    assert finished_in(tmp_path / "runs" / "1" / "answers.jsonl") == {}


def test_answers_are_on_the_disk_before_add_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    with Journal(path, RUN) as journal:
        journal.begin("float32")
        sizes = [path.stat().st_size]
        for name in ("1", "2"):
            journal.add([{"id": name}])
            sizes.append(path.stat().st_size)
        assert synced == sizes
        assert sizes == sorted(set(sizes))


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: it is a folder"):
        Journal(tmp_path, RUN)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_in_the_way_is_an_output_error_and_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    assert recorded_date(path) is None
    with pytest.raises(OutputError, match="cannot be written: it is a folder, a device or a pipe"):
        Journal(path, RUN)
    assert path.is_fifo()


@pytest.mark.parametrize("content", [b"my own words", b"[package]\nname = 'x'\n"])
def test_a_file_of_the_locks_name_is_neither_emptied_nor_removed(
    path: Path, content: bytes
) -> None:
    lock = path.with_name(f"{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_bytes(content)
    with pytest.raises(OutputError, match="is no lock file of zhmcq"):
        Journal(path, RUN)
    assert lock.read_bytes() == content
    lock.write_bytes(b"")  # as a killed process leaves it
    with Journal(path, RUN):
        pass
    assert not lock.exists()


def test_a_disk_that_fills_up_keeps_what_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    fill(path, {"id": "1"})
    journal = Journal(path, RUN)
    monkeypatch.setattr(os, "fsync", full)
    with journal, pytest.raises(OutputError, match="No space left on device"):
        journal.add([{"id": "2"}])
    monkeypatch.undo()
    assert "1" in finished_in(path)


def test_a_second_prediction_with_the_same_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with (
        Journal(path, RUN),
        pytest.raises(OutputError, match=r"another prediction is writing to .*journal\.jsonl"),
    ):
        Journal(path, RUN)
    with Journal(path, RUN) as journal:
        assert journal.finished == {}
    assert [file.name for file in tmp_path.iterdir()] == ["journal.jsonl"]
