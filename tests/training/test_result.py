"""The result of a run, and what it says of the questions."""

from __future__ import annotations

from pathlib import Path

from outcomes import outcome

from zhmcq.evaluation import evaluate_outcomes
from zhmcq.manifest import BaseIdentity, Manifest, PromptRecord
from zhmcq.training import PreflightReport, TokenLengths, TrainingResult
from zhmcq.training._result import lengths_in_words

REPORT = PreflightReport(
    questions=300,
    validation_questions=100,
    findings=(),
    shortened=7,
    validation_shortened=2,
    lengths=TokenLengths(median=210, p90=330, p99=490, longest=512),
    example="",
)


def test_the_lengths_of_its_questions_are_said_for_the_card() -> None:
    assert lengths_in_words(REPORT, 512) == (
        "tokens of a prompt with its answer: median 210, 90 % up to 330, longest 512;\n"
        "  7 questions with a passage shortened to fit 512"
    )


def test_an_evaluation_is_added_to_the_card_of_its_adapter(tmp_path: Path) -> None:
    base = BaseIdentity(
        name="a/b", config={}, weights_sha256="", tokenizer_sha256="", chat_template_sha256=""
    )
    prompt = PromptRecord(name="zh-exam", sha256="")
    Manifest(kind="adapter", base=base, prompt=prompt, max_length=9).write(tmp_path)
    result = TrainingResult(
        tmp_path, None, 1, 1, [], questions_per_second=1.0, tokens_given=1, tokens_computed=1,
        preflight=REPORT,
    )  # fmt: skip
    card = result.add_evaluation(evaluate_outcomes([outcome("1", True)]), data="期中考")
    assert card == tmp_path / "README.md"
    assert "| 期中考 | 1 of 1 | **100.0%** |" in card.read_text(encoding="utf-8")
