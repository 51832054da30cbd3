"""From a training to a calibrated confidence: fitted, kept, merged, applied, promised with."""

from __future__ import annotations

from pathlib import Path

import pytest

import zhmcq
from zhmcq.checks import fingerprints
from zhmcq.errors import PredictionError
from zhmcq.manifest import Manifest, SeenQuestions
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def questions() -> list[zhmcq.Question]:
    return [
        zhmcq.Question(f"q{n}", f"第{n}個人在哪裡？", PLACES, f"第{n}天。", answer=(n * 7 % 4,))
        for n in range(70)
    ]


@pytest.fixture(scope="module")
def adapter(
    base: Path, questions: list[zhmcq.Question], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4),
        training=zhmcq.TrainingSettings(num_train_epochs=1, max_length=256),
    )
    folder = tmp_path_factory.mktemp("run") / "adapter"
    return trainer.train(questions[:8], questions[8:60], folder).adapter_dir


def test_an_adapter_remembers_its_calibration_and_its_questions(
    adapter: Path, questions: list[zhmcq.Question]
) -> None:
    calibration = Manifest.read(adapter).calibration
    assert calibration is not None
    assert calibration.questions == 52
    seen = SeenQuestions.read(adapter)
    assert seen is not None
    assert seen.train == set(fingerprints(questions[:8]))
    assert seen.validation == set(fingerprints(questions[8:60]))


def test_a_merged_model_gives_the_same_confidences(
    base: Path, adapter: Path, questions: list[zhmcq.Question], tmp_path: Path
) -> None:
    ours = zhmcq.MCQPredictor(base, adapter).predict(questions[60:])
    assert ours.calibrated
    assert all(sum(item.probabilities) == pytest.approx(1.0) for item in ours)
    merged = zhmcq.Merger().merge(adapter, tmp_path / "merged").output_dir
    theirs = zhmcq.MCQPredictor(merged).predict(questions[60:])
    assert theirs.calibrated
    for item, other in zip(ours, theirs, strict=True):
        assert item.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_another_prompt_or_no_adapter_is_uncalibrated(
    base: Path, adapter: Path, questions: list[zhmcq.Question]
) -> None:
    assert not zhmcq.MCQPredictor(base).predict(questions[:1]).calibrated
    other = zhmcq.MCQPredictor(base, adapter, prompt="zh-cloze").predict(questions[:1])
    assert not other.calibrated


def test_calibration_changes_no_answer(
    base: Path, adapter: Path, questions: list[zhmcq.Question]
) -> None:
    predictions = zhmcq.MCQPredictor(base, adapter).predict(questions[60:])
    for item in predictions:
        assert item.answer == (max(range(4), key=lambda index: item.scores[index]),)


def test_trained_questions_are_no_calibration(
    base: Path, adapter: Path, questions: list[zhmcq.Question]
) -> None:
    predictor = zhmcq.MCQPredictor(base, adapter)
    trained, asked = predictor.predict(questions[:8]), predictor.predict(questions[60:])
    with pytest.raises(PredictionError, match="trained on 8 of 8 calibration questions"):
        asked.withhold(calibrated_on=trained)
    given = asked.withhold(calibrated_on=predictor.predict(questions[8:60]))
    assert given.promise is not None
    assert given.promise.questions == 52
