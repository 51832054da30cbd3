"""Evaluations are added to a model card, and everything else in it stays."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import metadata_load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import outcome, paired

from zhmcq.cards import add_evaluation
from zhmcq.cards._card import model_card
from zhmcq.cards._records import read_records
from zhmcq.checks import fingerprints
from zhmcq.errors import ManifestError, OutputError, PredictionError, SettingsError
from zhmcq.evaluation import compare, evaluate_outcomes
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord, SeenQuestions

RIGHT = [outcome(str(number), number % 4 > 0, confidence=0.5) for number in range(40)]


def write_folder(folder: Path, **fields: Any) -> Path:
    values: dict[str, Any] = {
        "kind": "adapter",
        "base": BaseIdentity(
            name="someone/a-model",
            config={},
            weights_sha256="w",
            tokenizer_sha256="t",
            chat_template_sha256="",
        ),
        "prompt": PromptRecord(name="zh-exam", sha256="p"),
        "max_length": 512,
        "training": {"questions": 300, "validation_questions": 0, "best_step": 40, "steps": 40},
        **fields,
    }
    (folder / "weights").write_text("abc")
    manifest = Manifest(**values).write(folder)
    (folder / "README.md").write_text(model_card(manifest), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path)


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_card_has_figure_interval_questions_and_coverage(folder: Path) -> None:
    assert "Not measured: there were no validation questions." in card_of(folder)
    assert add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考") == folder / "README.md"
    text = card_of(folder)
    assert (
        "\n\n| Data | Right | Accuracy | 95 % interval | Answered | By chance |\n"
        "| --- | --: | --: | --: | --: | --: |\n"
        "| 期中考 | 30 of 40 | **75.0%** | 59.8% to 85.8% | 100.0% | 25.0% |\n\n"
    ) in text
    assert "- Answers by the scores of the options.\n" in text
    assert "In training nothing was measured: there were no validation questions." in text
    assert "Not measured" not in text


def test_a_comparison_adds_the_base_model_and_the_difference(folder: Path) -> None:
    add_evaluation(folder, compare(*paired(30, 70, 9, 11)), data="GSAT")
    text = card_of(folder)
    assert "| Base model | Difference | p |\n" in text
    assert (
        "| GSAT | 100 of 120 | **83.3%** | 75.7% to 88.9% | 100.0% | 25.0% | "
        "32.5% (24.8% to 41.3%) | +50.8% (+38.7% to +61.3%) | 4.4e-13 |\n"
    ) in text
    assert "- Answers read from replies.\n" in text
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert "| 期中考 | 30 of 40 | **75.0%** | 59.8% to 85.8% | 100.0% | 25.0% |  |  |  |\n" in (
        card_of(folder)
    )


def test_the_hub_is_told_the_accuracy(folder: Path) -> None:
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    metadata = metadata_load(folder / "README.md")
    assert metadata is not None
    assert metadata["base_model"] == "someone/a-model"
    assert metadata["model-index"] == [
        {
            "name": "LoRA adapter for someone/a-model",
            "results": [
                {
                    "task": {"type": "multiple-choice", "name": "Multiple choice"},
                    "dataset": {"name": "期中考", "type": "期中考"},
                    "metrics": [{"type": "accuracy", "value": 0.75, "name": "Accuracy"}],
                }
            ],
        }
    ]


def test_an_evaluation_of_the_same_name_is_replaced_where_it_stands(folder: Path) -> None:
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="甲")
    add_evaluation(folder, evaluate_outcomes(RIGHT[:8]), data="乙")
    add_evaluation(folder, evaluate_outcomes(RIGHT[:4]), data=" 甲\n")
    assert [(record.data, record.questions) for record in read_records(folder)] == [
        ("甲", 4),
        ("乙", 8),
    ]
    assert card_of(folder).count("| 甲 |") == 1
    once = card_of(folder)
    add_evaluation(folder, evaluate_outcomes(RIGHT[:4]), data="甲")
    assert card_of(folder) == once


def test_what_a_user_wrote_elsewhere_in_the_card_stays(folder: Path) -> None:
    path = folder / "README.md"
    text = card_of(folder).replace("language: [zh]\n", "language: [zh]  # 台灣\nlicense: mit\n")
    path.write_text(
        text.replace("## Data\n", "## 我的說明\n\n很好。\n\n## Data\n") + "謝謝", "utf-8"
    )
    before = card_of(folder)
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    after = card_of(folder)
    assert "language: [zh]  # 台灣\nlicense: mit\n# zhmcq: evaluations." in after
    assert (
        after[after.index("<!-- zhmcq: end of accuracy") :]
        == (before[before.index("<!-- zhmcq: end of accuracy") :])
    )
    assert metadata_load(path)["license"] == "mit"  # type: ignore[index]


def test_line_ends_of_windows_stay_what_they_are(folder: Path) -> None:
    path = folder / "README.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    written = path.read_bytes()
    assert written.count(b"\r\n") == written.count(b"\n")
    assert b"\r\r" not in written
    assert "| 期中考 | 30 of 40 |".encode() in written


def test_a_head_without_marks_gets_them_and_a_foreign_model_index_stays(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "README.md"
    lines = [line for line in card_of(folder).split("\n") if not line.startswith("# zhmcq:")]
    path.write_text("\n".join(lines), encoding="utf-8")
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    metadata = metadata_load(path)
    assert metadata is not None
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.75

    text = "\n".join(lines).replace("language: [zh]", "model-index: []")
    path.write_text(text, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert "a model-index of its own there: the hub's metadata stays as it is" in caplog.text
    assert metadata_load(path)["model-index"] == []  # type: ignore[index]
    assert "| 期中考 | 30 of 40 |" in card_of(folder)


def test_a_card_that_is_missing_is_written_anew(folder: Path) -> None:
    (folder / "README.md").unlink()
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert card_of(folder).startswith("---\nbase_model: someone/a-model\n")
    assert "| 期中考 | 30 of 40 |" in card_of(folder)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (b"# My card\n", r"README\.md has no section for the figures: expected the lines '<!-- z"),
        ("說明".encode("big5"), r"README\.md cannot be read: .*; save it as UTF-8, or remove it"),
    ],
)
def test_a_card_that_is_not_ours_is_refused_and_nothing_is_written(
    folder: Path, card: bytes, expected: str
) -> None:
    (folder / "README.md").write_bytes(card)
    with pytest.raises(OutputError, match=expected):
        add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert (folder / "README.md").read_bytes() == card
    assert read_records(folder) == ()


def test_a_card_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    path, elsewhere = folder / "README.md", tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(OutputError, match=r"README\.md is a link.*cp -L"):
        add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")


def test_questions_that_were_trained_on_are_counted_on_the_card(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marks = fingerprints(o.question for o in RIGHT)
    SeenQuestions(train=frozenset(marks[:3]), validation=frozenset(marks[3:10])).write(folder)
    with caplog.at_level(logging.WARNING):
        add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert "3 of the 40 questions were trained on, so that the figure is too high" in caplog.text
    text = card_of(folder)
    assert "**3 of these questions were trained on**, so that the figure is too high." in text
    assert "7 of these questions were the validation questions of the training" in text


def test_passages_and_what_was_answered_are_noted(folder: Path) -> None:
    rows = [
        outcome("1", True, passage="甲", confidence=0.9),
        outcome("2", False, passage="甲", confidence=0.8),
        outcome("3", False, passage="乙", label="", confidence=0.3, withheld=True),
    ]
    add_evaluation(folder, evaluate_outcomes(rows), data="期中考")
    assert "; 3 questions about 2 passages; 50.0% right of what was answered.\n" in card_of(folder)
    assert "| 66.7% | 25.0% |\n" in card_of(folder)


def test_the_manifest_does_not_mind(folder: Path) -> None:
    add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    manifest = Manifest.read(folder)
    assert manifest.files.keys() == {"weights"}
    assert Manifest.names_in(folder) == {
        "weights", "README.md", "zhmcq_evaluations.json", "zhmcq_manifest.json",
    }  # fmt: skip
    manifest.write(folder)
    assert Manifest.read(folder).files.keys() == {"weights"}


def test_figures_of_an_adapter_are_named_so_on_the_card_of_its_merged_model(tmp_path: Path) -> None:
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    for path, kind in ((adapter, "adapter"), (merged, "merged")):
        path.mkdir()
        write_folder(path, kind=kind)
    add_evaluation(adapter, evaluate_outcomes(RIGHT), data="甲")
    (merged / "zhmcq_evaluations.json").write_bytes(
        (adapter / "zhmcq_evaluations.json").read_bytes()
    )
    add_evaluation(merged, evaluate_outcomes(RIGHT), data="乙")
    text = card_of(merged)
    assert "- 甲: answers by the scores of the options of the adapter, before merging.\n" in text
    assert "- 乙: answers by the scores of the options.\n" in text


def test_figures_that_are_no_figures_are_refused(folder: Path) -> None:
    with pytest.raises(PredictionError, match=r"Evaluation, such as predictions\.eval"):
        add_evaluation(folder, 0.75, data="期中考")  # type: ignore[arg-type]
    evaluation = evaluate_outcomes(RIGHT)
    for data in ("", " \n", None, 3):
        with pytest.raises(SettingsError, match="expected a name of the questions"):
            add_evaluation(folder, evaluation, data=data)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="expected the path of a folder"):
        add_evaluation(None, evaluation, data="期中考")  # type: ignore[arg-type]


def test_a_folder_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"a folder written by LoraTrainer\.train"):
        add_evaluation(tmp_path, evaluate_outcomes(RIGHT), data="期中考")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"\xff", b"{", b'[{"data": "x"}]', b'[{"accuracy": NaN}]', b"[" * 100_000]
)
def test_damaged_evaluations_are_refused(folder: Path, content: bytes) -> None:
    (folder / "zhmcq_evaluations.json").write_bytes(content)
    before = card_of(folder)
    with pytest.raises(ManifestError, match=r"zhmcq_evaluations\.json cannot be read: .*; copy"):
        add_evaluation(folder, evaluate_outcomes(RIGHT), data="期中考")
    assert card_of(folder) == before


@given(
    data=st.one_of(
        st.text(min_size=1, max_size=80).filter(str.strip),
        st.sampled_from(
            [
                "# zhmcq: end of evaluations", "<!-- zhmcq: end of accuracy -->", "a|b", "---",
                "\ud800", "\u202e<script>", "x: [y", "'\"", "=1+1", "![a](b)", "\u2028---\u2028",
            ]
        ),
    )
)  # fmt: skip
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_name_stands_in_its_cell_and_in_the_metadata(folder: Path, data: str) -> None:
    (folder / "zhmcq_evaluations.json").unlink(missing_ok=True)
    untouched = model_card(Manifest.read(folder))
    (folder / "README.md").write_text(untouched, encoding="utf-8")
    evaluation = evaluate_outcomes(RIGHT)
    add_evaluation(folder, evaluation, data=data)
    record = json.loads((folder / "zhmcq_evaluations.json").read_text(encoding="utf-8"))[0]
    metadata = metadata_load(folder / "README.md")
    assert metadata is not None
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == record["data"]
    (row,) = [line for line in card_of(folder).split("\n") if "30 of 40" in line]
    assert row.replace("\\|", "").count("|") == 7
    assert "<" not in row
    once = card_of(folder)
    add_evaluation(folder, evaluation, data=data)
    assert card_of(folder) == once
    assert once.endswith(untouched[untouched.index("## Data") :])
