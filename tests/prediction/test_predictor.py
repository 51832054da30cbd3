"""MCQPredictor: what it takes and refuses, what it passes on, and how often it reads files."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import zhmcq
from conftest import with_swapped_ids
from zhmcq import manifest
from zhmcq.encoding import Encoder
from zhmcq.errors import (
    AdapterMismatchError,
    ManifestError,
    ModelError,
    PredictionError,
    PromptMismatchError,
    SettingsError,
    UnknownNameError,
)
from zhmcq.modeling._load import ModelSource
from zhmcq.parsers import ParsedAnswer
from zhmcq.prediction import _answering_model as answering_module
from zhmcq.prediction import _arguments
from zhmcq.prompts import ClozePrompt, ExamPrompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.settings import GenerateSettings, ScoreSettings
from zhmcq.testing import tiny_llama

QUESTIONS = [
    Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文章。" * n, answer=(0,)) for n in range(4)
]
BANK = QuestionBank(QUESTIONS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("predictor") / "base")


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(
            num_train_epochs=1, learning_rate=1e-2, max_length=600, disable_tqdm=True
        ),
        prompt="zh-cloze",
    )
    return trainer.train(BANK, None, base.parent / "adapter").adapter_dir


@pytest.fixture(scope="module")
def predictor(base: Path) -> zhmcq.MCQPredictor:
    return zhmcq.MCQPredictor(base, prompt="zh-exam")


class AlwaysB:
    def parse(self, text: str, question: Question) -> ParsedAnswer:
        return ParsedAnswer((1,), "answered", reason=f"{len(question.options)} options")


# --- modes -------------------------------------------------------------------------------


def test_settings_say_what_the_name_says(predictor: zhmcq.MCQPredictor) -> None:
    by_name, by_settings = predictor.predict(BANK), predictor.predict(BANK, ScoreSettings())
    assert [item.scores for item in by_name] == [item.scores for item in by_settings]


def test_the_parser_of_the_short_form_and_of_the_settings_read_alike(
    predictor: zhmcq.MCQPredictor,
) -> None:
    short = predictor.predict(BANK[:2], mode="generate", parser=AlwaysB())
    settings = predictor.predict(BANK[:2], mode=GenerateSettings(parser=AlwaysB()))
    assert list(short) == list(settings)
    assert {(item.answer, item.reason) for item in short} == {((1,), "3 options")}


def test_a_reply_has_at_most_max_new_tokens(predictor: zhmcq.MCQPredictor) -> None:
    replies = predictor.predict(BANK, mode=GenerateSettings(max_new_tokens=3))
    assert {len(item.reply) <= 3 for item in replies} == {True}


def test_fields_that_transformers_refuses_are_refused_before_any_reply(
    predictor: zhmcq.MCQPredictor,
) -> None:
    with pytest.raises(SettingsError, match=r"transformers refuses the fields .*'paper'.*Choose"):
        predictor.predict(BANK, GenerateSettings(cache_implementation="paper"))


@pytest.mark.parametrize("mode", ["score", ScoreSettings(), GenerateSettings()])
def test_a_parser_goes_with_the_short_form_only(predictor: zhmcq.MCQPredictor, mode: Any) -> None:
    message = r"parser='zh' goes with mode='generate' alone.*mode=GenerateSettings\(parser=…\)"
    with pytest.raises(PredictionError, match=message):
        predictor.predict(BANK, mode, parser="zh")


@pytest.mark.parametrize("mode", [3, "scores", None, ScoreSettings])
def test_another_mode_is_refused_with_what_there_is(
    predictor: zhmcq.MCQPredictor, mode: Any
) -> None:
    message = r"expected mode 'score', 'generate', ScoreSettings\(…\) or GenerateSettings\(…\)"
    with pytest.raises(PredictionError, match=message):
        predictor.predict(BANK, mode)


def test_an_unknown_parser_is_said_before_the_file_is_read(predictor: zhmcq.MCQPredictor) -> None:
    with pytest.raises(UnknownNameError, match="zhh"):
        predictor.predict("nowhere.xlsx", mode="generate", parser="zhh")


# --- other arguments ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("questions", "expected"),
    [
        (3, r"the path of a file, .*found 3 \(int\)"),
        (None, r"the path of a file, .*found None"),
        ([QUESTIONS[0], 7], r"found 7 \(int\)"),
        (b"bank", r"found bytes: give io\.BytesIO"),
        ({"q1"}, "found a set, which has no order"),
    ],
)
def test_what_is_no_questions_is_refused(
    predictor: zhmcq.MCQPredictor, questions: Any, expected: str
) -> None:
    with pytest.raises(PredictionError, match=f"expected questions as a QuestionBank .*{expected}"):
        predictor.predict(questions)


def test_a_progress_or_journal_of_another_type_is_refused(predictor: zhmcq.MCQPredictor) -> None:
    wrong: Any = "x"
    message = r"progress='x': expected a function progress\(done, total, stage\), or None"
    with pytest.raises(PredictionError, match=message):
        predictor.predict(BANK, progress=wrong)
    wrong = 3
    with pytest.raises(PredictionError, match="journal=3: expected the path of a file, or None"):
        predictor.predict(BANK, journal=wrong)


def test_progress_begins_at_nothing_and_ends_at_all(predictor: zhmcq.MCQPredictor) -> None:
    for mode in (ScoreSettings(), GenerateSettings(max_new_tokens=2)):
        calls: list[tuple[int, int, str]] = []
        predictor.predict(BANK, mode, progress=lambda *call, to=calls: to.append(call))
        assert calls[0] == (0, 4, "answering")
        assert calls[-1] == (4, 4, "answering")
        assert calls == sorted(calls)


def test_what_is_read_first_is_reported_too(predictor: zhmcq.MCQPredictor, tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("題目,選項1,選項2\n誰？,甲,乙\n", encoding="utf-8")
    calls: list[tuple[int, int, str]] = []
    predictor.predict(path, progress=lambda *call: calls.append(call))
    assert list(dict.fromkeys(stage for _, _, stage in calls)) == [
        *("reading bank.csv", "checking bank.csv", "answering")
    ]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError, OSError])
def test_a_progress_function_that_raises_ends_the_call_and_the_journal_has_what_was_done(
    base: Path, tmp_path: Path, kind: type[BaseException]
) -> None:
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam", batch_size=1)
    journal = tmp_path / "journal.jsonl"

    def progress(done: int, total: int, stage: str) -> None:
        if done == 2:
            raise kind("enough")

    with pytest.raises(kind, match="enough") as caught:
        predictor.predict(BANK, journal=journal, progress=progress)
    assert caught.value.__context__ is None
    calls: list[tuple[int, int, str]] = []
    answers = predictor.predict(BANK, journal=journal, progress=lambda *call: calls.append(call))
    assert calls == [(done, 4, "answering") for done in (2, 3, 4)]
    assert [a.scores for a in answers] == [a.scores for a in predictor.predict(BANK)]


def test_the_arguments_of_reading_go_to_the_reader_of_a_path(
    predictor: zhmcq.MCQPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, dict[str, Any]]] = []

    def read_bank(path: Any, **reading: Any) -> QuestionBank:
        calls.append((path, reading))
        return BANK

    monkeypatch.setattr(_arguments, "read_bank", read_bank)
    predictor.predict("a.xlsx", columns={"stem": "題目"}, answer_base=0, sheets=["一"])
    predictor.predict(Path("b.xlsx"))
    assert calls == [
        (
            "a.xlsx",
            {"columns": {"stem": "題目"}, "answer_base": 0, "sheets": ["一"], "header": None},
        ),
        (Path("b.xlsx"), {"columns": None, "answer_base": None, "sheets": None, "header": None}),
    ]


def test_a_path_is_read_and_checked_as_by_the_builder_of_data_sets(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    path = tmp_path / "bank.csv"
    rows = ["甲？,是,否,A", "甲？,是,否,A", "乙？,是,否,B", "丙？,是,,A"]
    path.write_text("題目,A,B,答案\n" + "\n".join(rows) + "\n", encoding="utf-8")
    bank = zhmcq.DatasetBuilder().read(path)
    predictions = predictor.predict(path)
    assert predictions.bank == bank
    assert [item.id for item in predictions] == [question.id for question in bank]
    assert [problem.code for problem in predictions.bank.problems]


def test_what_is_in_memory_is_read_as_a_file_is(predictor: zhmcq.MCQPredictor) -> None:
    record = {"題目": "甲？", "A": "是", "B": "否", "答案": "A"}
    predictions = predictor.predict([record, {**record, "題目": "乙？"}], sheets=None)
    assert [(item.id, item.source_id) for item in predictions] == [("row1", None), ("row2", None)]
    assert len(predictor.predict(QUESTIONS[0])) == 1
    assert len(predictor.predict(io.BytesIO("題目,A,B,答案\n甲？,是,否,A\n".encode()))) == 1
    assert len(predictor.predict([])) == 0


def test_the_arguments_of_reading_go_to_what_is_read_of_a_list(
    predictor: zhmcq.MCQPredictor,
) -> None:
    record = {"內容": "甲？", "A": "是", "B": "否", "答案": "A"}
    predictions = predictor.predict([BANK, record], columns={"stem": "內容"})
    assert [question.stem for question in predictions.bank][-1] == "甲？"
    assert len(predictions) == 5


def test_results_of_what_is_no_file_are_written_with_its_cells(
    predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {"題號": [7, 8, 9], "題目": ["甲？", "乙？", ""], "A": ["是"] * 3, "B": ["否"] * 3}
    )
    predictions = predictor.predict(frame, journal=tmp_path / "journal.jsonl")
    predictions.to_xlsx(tmp_path / "out.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0].values)
    assert [row[:4] for row in rows] == [
        ("題號", "題目", "A", "B"),
        (7, "甲？", "是", "否"),
        (8, "乙？", "是", "否"),
        (9, None, "是", "否"),
    ]
    assert [str(cell) for cell in predictions.to_pandas()["id"]] == ["7", "8", "9"]
    again = predictor.predict(frame, journal=tmp_path / "journal.jsonl")
    assert again.stats.questions == 0


@pytest.mark.parametrize(
    ("reading", "names"),
    [
        ({"columns": {"stem": "題目"}}, "columns"),
        ({"answer_base": 0}, "answer_base"),
        ({"answer_base": 1, "sheets": ["一"]}, "answer_base, sheets"),
    ],
)
def test_the_arguments_of_reading_are_refused_with_questions_that_were_read(
    predictor: zhmcq.MCQPredictor, reading: dict[str, Any], names: str
) -> None:
    message = f"{names}: only for what is still to be read, .*DatasetBuilder\\("
    with pytest.raises(PredictionError, match=message):
        predictor.predict(BANK, **reading)


def test_only_a_journal_takes_the_hashes_of_the_model(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ModelSource
    calls: list[str] = []
    identity = source.identity

    def counted(self: Any, tokenizer: Any) -> Any:
        calls.append(self.name)
        return identity(self, tokenizer)

    monkeypatch.setattr(source, "identity", counted)
    predictor = zhmcq.MCQPredictor(base)
    predictor.predict(BANK)
    assert calls == []
    for name in ("1", "2"):
        predictor.predict(BANK, journal=tmp_path / name)
    assert calls == [str(base)]


def test_a_journal_knows_the_base_model_and_says_what_differs(
    base: Path, predictor: zhmcq.MCQPredictor, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    answers = [item.scores for item in predictor.predict(BANK, journal=journal)]
    swapped = with_swapped_ids(base, tmp_path / "swapped", "甲", "乙")
    other = zhmcq.MCQPredictor(swapped, prompt="zh-exam")
    before = journal.read_bytes()
    with pytest.raises(
        PredictionError, match=r"of another model, which differs in the tokenizer \("
    ):
        other.predict(BANK, journal=journal)
    assert journal.read_bytes() == before
    changed = [item.scores for item in other.predict(BANK)]
    assert all(one != two for one, two in zip(answers, changed, strict=True))


def test_a_chat_template_counts_for_adapters_of_chats_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = tiny_llama(tmp_path / "base", chat=True, hidden_size=8, num_hidden_layers=1)
    adapters = {}
    for prompt in ("zh-exam", "zh-chat"):
        trainer = zhmcq.LoraTrainer(
            base,
            lora=zhmcq.LoraSettings(r=1),
            training=zhmcq.TrainingSettings(max_steps=1, disable_tqdm=True),
            prompt=prompt,
        )
        adapters[prompt] = trainer.train(BANK[:1], None, tmp_path / prompt).adapter_dir
    predictor = zhmcq.MCQPredictor(base, adapters["zh-chat"])
    predictor.use_adapter(adapters["zh-exam"])
    assert "chat template" not in caplog.text
    other = shutil.copytree(base, tmp_path / "other")
    template = (other / "chat_template.jinja").read_text(encoding="utf-8")
    (other / "chat_template.jinja").write_text("{# #}" + template, encoding="utf-8")
    zhmcq.MCQPredictor(other, adapters["zh-exam"])
    assert caplog.text.count("has another chat template than when") == 1
    with pytest.raises(AdapterMismatchError, match=r"from it in the chat template \(SHA-256"):
        zhmcq.MCQPredictor(other, adapters["zh-chat"])


# --- positions ---------------------------------------------------------------------------


def test_lengths_stay_within_the_positions_of_the_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = tiny_llama(tmp_path / "base", max_position_embeddings=90)
    with pytest.raises(
        SettingsError, match=r"MCQPredictor\(max_length=91\): .* most 90, .*found 91"
    ):
        zhmcq.MCQPredictor(base, max_length=91)
    with caplog.at_level("INFO", logger="zhmcq"):
        predictor = zhmcq.MCQPredictor(base, prompt="zh-exam")
    assert (
        f"the maximum length is lowered from 2048 to 90, the number of positions of {base}"
        in caplog.text
    )
    long = Question("long", "誰？", ("甲", "乙"), "文" * 200)
    scored, *_ = predictor.predict([long, *QUESTIONS])
    assert (scored.status, scored.answer is None) == ("answered", False)
    replies = predictor.predict([long], GenerateSettings(max_new_tokens=80, min_new_tokens=80))
    (prompt,), _ = Encoder(predictor.tokenizer, predictor.prompt, 90).encode([long])
    assert 0 < len(replies[0].reply) <= 90 - len(prompt.prompt)
    for _ in range(2):  # the second time from the journal
        reasoned = predictor.predict(
            [long],
            GenerateSettings(constrain=True, reasoning_tokens=9),
            journal=tmp_path / "journal.jsonl",
        )
        assert (reasoned[0].status, reasoned[0].answer) == ("unusable", None)
        assert "no room for reasoning with an answer after it among the 90" in reasoned[0].reason


# --- adapters ----------------------------------------------------------------------------


def test_the_files_of_an_adapter_are_hashed_once(
    base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: Counter[str] = Counter()
    file_sha256 = manifest.file_sha256

    def counted(path: Path) -> str:
        hashed[path.name] += 1
        return file_sha256(path)

    monkeypatch.setattr(manifest, "file_sha256", counted)
    predictor = zhmcq.MCQPredictor(base, adapter)
    assert hashed["adapter_model.safetensors"] == 1
    assert set(hashed.values()) == {1}
    predictor.use_adapter(adapter)
    assert set(hashed.values()) == {2}


def test_prompt_and_length_limit_follow_the_adapter(base: Path, adapter: Path) -> None:
    predictor = zhmcq.MCQPredictor(base)
    seen = []
    for folder in (adapter, None, adapter):
        predictor.use_adapter(folder)
        seen.append((type(predictor.prompt), predictor._answering.length_limit))
    assert seen == [(ClozePrompt, 600), (ExamPrompt, 2048), (ClozePrompt, 600)]
    predictor = zhmcq.MCQPredictor(base, adapter, prompt="zh-exam", max_length=99)
    assert isinstance(predictor.prompt, ExamPrompt)
    assert predictor._answering.length_limit == 99


def test_an_adapter_that_is_refused_leaves_everything_as_it_was(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    predictor = zhmcq.MCQPredictor(base, adapter)
    before = predictor.predict(BANK)
    with pytest.raises(ManifestError, match="has no zhmcq_manifest"):
        predictor.use_adapter(tmp_path)
    renamed = changed_manifest(adapter, tmp_path / "renamed", ("prompt", "name"), "gone")
    with pytest.raises(PromptMismatchError, match="gone"):
        predictor.use_adapter(renamed)
    other = changed_manifest(adapter, tmp_path / "other", ("base", "weights_sha256"), "0" * 64)
    with pytest.raises(AdapterMismatchError, match="differs from it in the weights"):
        predictor.use_adapter(other)
    assert list(predictor.predict(BANK)) == list(before)


def test_an_adapter_that_cannot_be_loaded_leaves_the_model_without_one(
    base: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = zhmcq.MCQPredictor(base).predict(BANK)
    predictor = zhmcq.MCQPredictor(base, adapter)

    def broken(*_arguments: Any) -> Any:
        raise ModelError("peft cannot load it")

    monkeypatch.setattr(answering_module, "attach_trained", broken)
    with pytest.raises(ModelError, match="peft cannot load it"):
        predictor.use_adapter(adapter)
    assert isinstance(predictor.prompt, ExamPrompt)
    assert list(predictor.predict(BANK)) == list(plain)


def changed_manifest(adapter: Path, copy: Path, names: tuple[str, str], value: str) -> Path:
    import shutil

    shutil.copytree(adapter, copy)
    path = copy / "zhmcq_manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record[names[0]][names[1]] = value
    path.write_text(json.dumps(record), encoding="utf-8")
    return copy


def test_a_journal_of_another_adapter_prompt_or_mode_is_refused(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam")
    predictor.predict(BANK, journal=journal)
    again = predictor.predict(BANK, ScoreSettings(packing="flat"), journal=journal)
    assert again.stats.questions == 0  # packing changes no answer, so the run is the same
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict(BANK, mode="generate", journal=journal)
    replies = tmp_path / "replies.jsonl"
    penalised = GenerateSettings(max_new_tokens=2, repetition_penalty=1.5)
    predictor.predict(BANK, penalised, journal=replies)
    assert predictor.predict(BANK, penalised, journal=replies).stats.questions == 0
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict(BANK, GenerateSettings(max_new_tokens=2), journal=replies)
    predictor.use_adapter(adapter)
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict(BANK, journal=journal)
