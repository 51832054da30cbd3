"""Questions of validation that are trained on are refused; shared passages are counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import zhmcq
from zhmcq import errors
from zhmcq.questions import Origin, Question
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}今天一早就出門了。", answer=(i % 4,))
    for i, who in enumerate("子丑寅卯")
]
STORY = "從前有一個老人住在山腳下，他每天早上都要走很遠的路到河邊去打水，村裡的人都很尊敬他。"
VALID = Question("v", "辰在哪裡？", PLACES, "辰昨天留在村子裡。", answer=(0,))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def test_the_same_questions_for_training_and_validation_are_refused(
    base: Path, tmp_path: Path
) -> None:
    with pytest.raises(errors.PreflightError) as caught:
        zhmcq.LoraTrainer(base).train(BANK, BANK, tmp_path / "run")
    assert "4 of 8 questions are for validation and trained on:" in str(caught.value)
    assert "  in_training: validation question 'q0': this question is in the training" in str(
        caught.value
    )
    assert [finding.id for finding in caught.value.report.findings] == ["q0", "q1", "q2", "q3"]
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_repeated_question_is_known_whatever_its_writing_and_the_order_of_its_options(
    base: Path,
) -> None:
    written = replace(
        BANK[1],
        id="other",
        stem="丑在哪里?",
        passage="丑今天一早就出门了",
        options=PLACES[::-1],
        answer=(2,),
        origin=Origin("valid.xlsx", "Sheet1", 9),
    )
    (finding,) = zhmcq.LoraTrainer(base).preflight(BANK, [VALID, written]).findings
    assert (finding.rule, finding.id) == ("in_training", "other")
    assert "valid.xlsx, sheet 'Sheet1', row 9" in finding.reason
    assert "question 'q1'" in finding.reason


@pytest.mark.parametrize(
    ("train", "valid"),
    [
        (
            replace(VALID, id="t", passage=STORY),
            replace(VALID, id="x", stem="他幾歲？", passage=STORY),
        ),
        (
            replace(VALID, id="t", passage=STORY),
            replace(VALID, id="x", stem="他幾歲？", passage=STORY.replace("老人", "老婦")),
        ),
        (
            replace(VALID, id="t", passage=STORY),
            replace(VALID, id="x", stem=f"「{STORY}」說的是誰？", passage="另一篇文章。"),
        ),
        (
            replace(VALID, id="t", stem=f"「{STORY}」說的是誰？", passage=""),
            replace(VALID, id="x", stem="他幾歲？", passage=STORY),
        ),
    ],
    ids=["passage", "near-copy", "quoted in validation", "quoted in training"],
)
def test_validation_questions_about_passages_of_the_training_are_a_warning(
    base: Path, caplog: pytest.LogCaptureFixture, train: Question, valid: Question
) -> None:
    report = zhmcq.LoraTrainer(base).preflight([*BANK, train], [VALID, valid])
    assert report.findings == ()
    assert report.validation_sharing == 1
    assert "1 of the validation questions share a passage with training questions" in str(report)
    assert "1 of 2 validation questions share a passage" in caplog.text


def test_questions_of_other_passages_are_passed_without_a_word(
    base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = zhmcq.LoraTrainer(base).preflight(BANK, [VALID])
    assert (report.findings, report.validation_sharing) == ((), 0)
    assert "share a passage" not in caplog.text + str(report)
