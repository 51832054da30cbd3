"""Answering with adapters of other tools and of the hub: the prompt, the warning, the scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from peft_adapters import change_config, logits_of_peft, write_peft_adapter

import zhmcq
from zhmcq.encoding import Encoder
from zhmcq.errors import AdapterMismatchError, ManifestError, PredictionError, PromptMismatchError
from zhmcq.prompts import ClozePrompt, ExamPrompt
from zhmcq.questions import Question
from zhmcq.settings import ScoreSettings
from zhmcq.testing import tiny_llama

BANK = [
    Question(f"q{n}", f"第{n}題？", ("甲", "乙", "丙"), "文章。" * n, answer=(0,)) for n in range(3)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("adapters") / "base", hidden_size=32)


@pytest.fixture(scope="module")
def plain(base: Path) -> Path:
    return write_peft_adapter(base, base.parent / "plain")


def test_scores_through_it_are_the_log_likelihoods_of_peft(base: Path, plain: Path) -> None:
    predictor = zhmcq.MCQPredictor(base, plain, prompt="zh-exam")
    present = predictor.predict(BANK, ScoreSettings(packing="flat"))
    as_trees = predictor.predict(BANK)
    untuned = zhmcq.MCQPredictor(base, prompt="zh-exam").predict(BANK)
    encoder = Encoder(predictor.tokenizer, ExamPrompt(), 2048)
    for question, prediction, tree, before in zip(BANK, present, as_trees, untuned, strict=True):
        encoded = encoder.encode([question])[0][0]
        expected = []
        for candidate in encoded.candidates:
            ids = torch.tensor([[*encoded.prompt, *candidate]])
            logits = logits_of_peft(base, plain, ids)[0].log_softmax(-1)
            ends = range(len(encoded.prompt), ids.shape[1])
            expected.append(sum(float(logits[end - 1, ids[0, end]]) for end in ends))
        assert prediction.scores == pytest.approx(expected, abs=1e-4)
        assert tree.scores == pytest.approx(expected, abs=1e-4)
        assert prediction.scores != pytest.approx(before.scores, abs=1e-2)


def test_it_needs_a_prompt_and_is_marked_as_unverified(
    base: Path, plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    message = r"made by another tool, .*: give the prompt that it was trained with \(prompt=…\)"
    with pytest.raises(PromptMismatchError, match=message):
        zhmcq.MCQPredictor(base, plain)
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam")
    assert predictor.predict(BANK).answered_by.unverified is False  # type: ignore[union-attr]
    assert "was not made by zhmcq" not in caplog.text
    predictor.use_adapter(plain)
    assert caplog.text.count("was not made by zhmcq") == 1
    assert f"It is used on {str(base)!r}, and its adapter_config.json names" in caplog.text
    assert "quantised" not in caplog.text
    predictions = predictor.predict(BANK)
    assert predictions.answered_by is not None
    assert predictions.answered_by.unverified
    assert not any(prediction.calibrated for prediction in predictions)


def test_a_predictor_without_a_prompt_keeps_what_it_has(base: Path, plain: Path) -> None:
    predictor = zhmcq.MCQPredictor(base)
    before = predictor.predict(BANK)
    with pytest.raises(PromptMismatchError, match="give the prompt"):
        predictor.use_adapter(plain)
    assert isinstance(predictor.prompt, ExamPrompt)
    assert list(predictor.predict(BANK)) == list(before)


def test_the_base_model_is_the_same_after_it_is_detached(
    base: Path, plain: Path, tmp_path: Path
) -> None:
    predictor = zhmcq.MCQPredictor(base, prompt="zh-exam")
    before = predictor.predict(BANK)
    refused = Path(shutil.copytree(plain, tmp_path / "refused"))
    change_config(refused, r=3)
    pattern = Path(shutil.copytree(plain, tmp_path / "pattern"))
    change_config(pattern, target_modules="(")
    for adapter, error in ((refused, AdapterMismatchError), (pattern, ManifestError)):
        predictor.use_adapter(plain)
        assert list(predictor.predict(BANK)) != list(before)
        with pytest.raises(error):
            predictor.use_adapter(adapter)
        assert list(predictor.predict(BANK)) == list(before)


def test_an_interrupt_while_it_is_attached_leaves_the_base_with_its_prompt(
    base: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = zhmcq.MCQPredictor(base)
    before = predictor.predict(BANK)
    lora = zhmcq.LoraSettings(r=2, lora_dropout=0.0)
    training = zhmcq.TrainingSettings(max_steps=1, disable_tqdm=True)
    trainer = zhmcq.LoraTrainer(base, lora=lora, training=training, prompt="zh-cloze")
    trained = trainer.train(BANK, None, tmp_path / "trained").adapter_dir

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("peft.set_peft_model_state_dict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        predictor.use_adapter(trained)
    assert isinstance(predictor.prompt, ExamPrompt)
    assert list(predictor.predict(BANK)) == list(before)


def test_a_path_that_is_missing_is_no_name_on_the_hub(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("went to the hub")
    )
    with pytest.raises(ManifestError, match=r"runs.adapter has no zhmcq_manifest"):
        zhmcq.MCQPredictor(base, Path("runs/adapter"), prompt="zh-exam")


def test_a_journal_belongs_to_the_adapters_files(base: Path, plain: Path, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    predictor = zhmcq.MCQPredictor(base, plain, prompt="zh-exam")
    predictor.predict(BANK, journal=journal)
    moved = Path(shutil.copytree(plain, tmp_path / "moved"))
    predictor.use_adapter(moved)
    assert predictor.predict(BANK, journal=journal).stats.questions == 0
    predictor.use_adapter(write_peft_adapter(base, tmp_path / "other", seed=1))
    with pytest.raises(PredictionError, match="of another run"):
        predictor.predict(BANK, journal=journal)


def test_an_adapter_is_named_on_the_hub(
    base: Path, plain: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def download(name: str, **fields: object) -> str:
        calls.append((name, fields["revision"], fields["token"], fields["local_files_only"]))
        return str(plain)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    predictor = zhmcq.MCQPredictor(
        base,
        "someone/adapter@v1",
        prompt="zh-exam",
        token="hf_x",  # noqa: S106
        local_files_only=True,
    )
    predictor.use_adapter("someone/adapter")
    assert calls == [("someone/adapter", r, "hf_x", True) for r in ("v1", None)]
    assert "someone/adapter@v1 was not made by zhmcq" in caplog.text


def test_a_merged_model_of_the_hub_is_used_as_it_was_trained(
    base: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged = zhmcq.Merger().merge(plain, tmp_path / "m", base_model=base, prompt="zh-cloze")
    calls = []

    def download(name: str, **_: object) -> str:
        calls.append(name)
        return str(merged.output_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    (merged.output_dir / "README.md").unlink()  # it is not fetched
    predictor = zhmcq.MCQPredictor("someone/merged")
    assert isinstance(predictor.prompt, ClozePrompt)
    fetched = len(calls)
    predictor.use_adapter(None)
    assert list(predictor.predict(BANK[:1]))
    assert len(calls) == fetched  # a prediction fetches nothing
