"""LoraTrainer on a tiny model: what it keeps, refuses and goes on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zhmcq
from zhmcq import errors
from zhmcq.modeling.load import ModelSource, load_model
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(
        f"q{i}",
        f"{who}在哪裡？",
        PLACES,
        f"{'甲乙丙丁'[i // 2]}和他的朋友今天都出門了。",
        answer=(i % 4,),
    )
    for i, who in enumerate("子丑寅卯辰巳午未")
]
FAST = {"num_train_epochs": 1, "learning_rate": 1e-3, "logging_steps": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def trainer(base: Path, callbacks: Any = (), **settings: Any) -> zhmcq.LoraTrainer:
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_dropout=0.0),
        training=zhmcq.TrainingSettings(**{**FAST, **settings}),
        callbacks=callbacks,
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return loaded


def test_tree_and_flat_training_have_the_same_loss_curve(base: Path, tmp_path: Path) -> None:
    curves = {}
    for packing in ("tree", "flat"):
        result = trainer(base, packing=packing, num_train_epochs=3, gradient_accumulation_steps=4)
        done = result.train(BANK, BANK[:4], tmp_path / packing)
        curves[packing] = [h["loss"] for h in done.history if "loss" in h]
        if packing == "tree":
            assert done.tokens_computed < done.tokens_given
        else:
            assert done.tokens_computed == done.tokens_given
    assert len(curves["tree"]) == 6
    assert curves["tree"] == pytest.approx(curves["flat"], abs=1e-4)


def test_the_same_seed_gives_the_same_adapter_bytes(base: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        trainer(base).train(BANK, BANK[:2], tmp_path / name)
    one, two = ((tmp_path / n / "adapter_model.safetensors").read_bytes() for n in ("one", "two"))
    assert one == two
    trainer(base, seed=7).train(BANK, BANK[:2], tmp_path / "three")
    assert one != (tmp_path / "three" / "adapter_model.safetensors").read_bytes()


def test_the_manifest_says_what_the_adapter_is(base: Path, tmp_path: Path) -> None:
    result = trainer(base).train(BANK, BANK[:2], tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "zhmcq_manifest.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "adapter"
    assert manifest["prompt"]["name"] == "zh-exam"
    assert manifest["prompt"]["options"] == {"labels": ""}
    assert manifest["max_length"] == 512
    assert manifest["settings"]["lora"]["r"] == 4
    assert manifest["training"]["steps"] == result.steps == 1
    assert manifest["training"]["metrics"]["accuracy"] == result.accuracy
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(
        manifest["files"]
    )
    assert {"zhmcq", "torch", "transformers", "peft"} <= set(manifest["versions"])


def test_the_adapter_of_the_best_evaluation_is_kept(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zhmcq.training.trainer import PackedTrainer

    accuracies = iter([0.25, 0.75, 0.5])
    kept: list[dict[str, torch.Tensor]] = []

    def pretend(self: Any) -> dict[str, float]:
        from peft import get_peft_model_state_dict

        state = get_peft_model_state_dict(self.model)
        kept.append({name: tensor.clone() for name, tensor in state.items()})
        return {"accuracy": next(accuracies), "loss": 1.0}

    monkeypatch.setattr(PackedTrainer, "_evaluate_share", pretend)
    result = trainer(base, num_train_epochs=3).train(BANK, BANK[:2], tmp_path / "run")
    assert (result.best_step, result.steps, result.accuracy) == (2, 3, 0.75)
    saved = weights(tmp_path / "run")
    assert saved.keys() == kept[1].keys()
    assert all(torch.equal(saved[name], kept[1][name]) for name in saved)
    assert not all(torch.equal(saved[name], kept[2][name]) for name in saved)


def test_without_validation_questions_the_last_adapter_is_kept(base: Path, tmp_path: Path) -> None:
    result = trainer(base).train(BANK, output_dir=tmp_path / "run")
    assert result.accuracy is None
    assert result.best_step == result.steps == 1


class Interrupt:
    """Stops a run after a step, as a user's Ctrl-C does."""

    def __init__(self, step: int) -> None:
        from transformers import TrainerCallback

        class Stop(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.global_step == step:
                    raise KeyboardInterrupt

        self.callback = Stop()


def test_an_interrupted_run_goes_on_to_the_same_weights(base: Path, tmp_path: Path) -> None:
    settings = {
        "num_train_epochs": 3,
        "gradient_accumulation_steps": 4,
        "save_steps": 2,
        "eval_steps": 1,
    }
    trainer(base, **settings).train(BANK, BANK[:2], tmp_path / "straight")
    with pytest.raises(KeyboardInterrupt):
        trainer(base, [Interrupt(5).callback], **settings).train(BANK, BANK[:2], tmp_path / "cut")
    assert not (tmp_path / "cut" / "zhmcq_manifest.json").exists()
    with pytest.raises(errors.CheckpointError, match="other training"):
        trainer(base, **{**settings, "seed": 1}).train(BANK, BANK[:2], tmp_path / "cut")
    with pytest.raises(errors.CheckpointError, match="other train_sha256"):
        trainer(base, **settings).train(BANK[:6], BANK[:2], tmp_path / "cut")
    with pytest.raises(errors.OutputExistsError, match="interrupted run"):
        trainer(base, **settings).train(BANK, BANK[:2], tmp_path / "cut", resume=False)
    resumed = trainer(base, **settings).train(BANK, BANK[:2], tmp_path / "cut")
    assert resumed.steps == 6
    straight, cut = weights(tmp_path / "straight"), weights(tmp_path / "cut")
    assert all(torch.equal(straight[name], cut[name]) for name in straight)


def test_a_folder_of_other_files_is_left_alone(base: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    for overwrite in (False, True):
        with pytest.raises(errors.OutputExistsError, match=r"holds other files|not written by"):
            trainer(base).train(BANK, BANK[:2], tmp_path, overwrite=overwrite)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_overwrite_replaces_a_finished_run(base: Path, tmp_path: Path) -> None:
    trainer(base).train(BANK, BANK[:2], tmp_path / "run")
    before = (tmp_path / "run" / "adapter_model.safetensors").read_bytes()
    trainer(base, seed=3).train(BANK, BANK[:2], tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "adapter_model.safetensors").read_bytes() != before
    zhmcq.MCQPredictor(base, adapter=tmp_path / "run")


def test_questions_that_teach_nonsense_are_refused_by_name(base: Path, tmp_path: Path) -> None:
    keyless = Question("no-key", "誰？", ("甲", "乙"))
    long = Question("long", "誰" * 600, ("甲", "乙"), answer=(0,))
    with pytest.raises(errors.PreflightError) as caught:
        trainer(base).train([*BANK, keyless, long], None, tmp_path / "run")
    assert "2 of 10 questions would teach the model nonsense" in str(caught.value)
    assert "no_key: question 'no-key'" in str(caught.value)
    assert "too_long: question 'long' has" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_two_wrong_options_alike_do_no_harm_but_a_key_must_be_unique(base: Path) -> None:
    harmless = Question("harmless", "誰？", ("甲", "乙", "乙"), answer=(0,))
    unclear = Question("unclear", "誰？", ("甲", "乙", "乙"), answer=(1,))
    cloze = zhmcq.LoraTrainer(base, prompt="zh-cloze")
    assert cloze.preflight([harmless]).findings == ()
    (finding,) = cloze.preflight([harmless, unclear]).findings
    assert (finding.rule, finding.id) == ("answer_not_unique", "unclear")


def test_preflight_shows_what_is_supervised(base: Path) -> None:
    report = trainer(base).preflight(BANK)
    assert report.findings == ()
    assert report.questions == 8
    assert report.example.startswith("<s>文章：")
    assert report.example.endswith("答案：⟦A</s>⟧")


def test_no_base_model_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(errors.ModelError, match=r"expected a folder with config.json and"):
        trainer(tmp_path / "nothing").train(BANK, None, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_unknown_prompt_or_setting_is_refused_before_anything_is_loaded(base: Path) -> None:
    with pytest.raises(errors.UnknownNameError, match="Did you mean 'zh-exam'"):
        zhmcq.LoraTrainer(base, prompt="zh-exm")
    with pytest.raises(errors.SettingsError, match="no field 'alpha'; did you mean 'lora_alpha'"):
        zhmcq.LoraTrainer(base, lora=zhmcq.LoraSettings(alpha=16))


def test_activation_checkpointing_trains_the_same_adapter(base: Path, tmp_path: Path) -> None:
    for name, checkpointing in (("plain", False), ("saved", True)):
        settings = {"activation_checkpointing": checkpointing, "num_train_epochs": 2}
        trainer(base, **settings).train(BANK, BANK[:2], tmp_path / name)
    plain, saved = weights(tmp_path / "plain"), weights(tmp_path / "saved")
    assert any(float(plain[name].abs().max()) > 0 for name in plain if "lora_B" in name)
    for name, tensor in plain.items():
        assert torch.allclose(tensor, saved[name], atol=1e-5)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_a_quantised_base_is_trained_without_upcasting_its_embeddings(
    base: Path, tmp_path: Path, kind: Any
) -> None:
    pytest.importorskip("bitsandbytes")
    settings = zhmcq.QuantizationSettings(kind=kind)
    model, _ = load_model(ModelSource(str(base)), quantization=settings.config(torch.float32))
    embeddings: Any = model.get_input_embeddings()
    size = embeddings.weight.element_size()
    quantised = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4),
        training=zhmcq.TrainingSettings(**FAST, dtype="float32"),
        quantization=settings,
    )
    result = quantised.train(BANK, BANK[:4], tmp_path / "run")
    assert size == 4
    assert result.steps == 1
    tensors = weights(result.adapter_dir)
    assert any(
        float(tensor.abs().max()) > 0 for name, tensor in tensors.items() if "lora_B" in name
    )
    assert zhmcq.Merger().merge(result.adapter_dir, tmp_path / "merged", verify_with=BANK).verified
