"""LoRA's variants: what is saved gives the trained model's answers on an untouched base."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import zhmcq
from conftest import unseen
from zhmcq import errors
from zhmcq.encoding import Encoder
from zhmcq.encoding._batch import PackedBatch, collate
from zhmcq.encoding._tree import pack_flat
from zhmcq.modeling import ModelSource, load_model, load_tokenizer
from zhmcq.modeling._adapter_folder import read_adapter
from zhmcq.modeling._adapters import attach_trained
from zhmcq.modeling._forward import token_logits
from zhmcq.prompts import get_prompt
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama
from zhmcq.training._loop import TrainingLoop

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}今天出門了。", answer=(i % 4,))
    for i, who in enumerate("子丑寅卯辰巳午未")
]
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "DoRA": {"use_dora": True},
    "rsLoRA": {"use_rslora": True},
    "PiSSA": {"init_lora_weights": "pissa"},
    "PiSSA, fast": {"init_lora_weights": "pissa_niter_4"},
    "PiSSA with rsLoRA": {"init_lora_weights": "pissa", "use_rslora": True},
    "OLoRA": {"init_lora_weights": "olora"},
    "LoRA+": {"loraplus_lr_ratio": 16.0},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("base") / "llama")


def trainer(base: Path, variant: dict[str, Any], callbacks: Any = ()) -> zhmcq.LoraTrainer:
    settings: dict[str, Any] = {
        "num_train_epochs": 1,
        "gradient_accumulation_steps": 4,
        "learning_rate": 5e-3,
    }
    return zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(r=4, lora_alpha=8, **variant),
        training=zhmcq.TrainingSettings(**settings, save_steps=1, eval_steps=1, logging_steps=1),
        callbacks=callbacks,
    )


def batch_of(base: Path) -> PackedBatch:
    encoder = Encoder(load_tokenizer(ModelSource(str(base))), get_prompt("zh-exam"))
    encoded, _ = encoder.encode(BANK[:2])
    units = pack_flat(encoded, [range(4)] * 2)
    return collate([row for unit in units for row in unit], "flat")


def logits_on_pristine_base(base: Path, adapter: Path) -> torch.Tensor:
    source = ModelSource(str(base))
    model, _ = load_model(source)
    tuned = attach_trained(model, read_adapter(adapter), source.identity(load_tokenizer(source)))
    with torch.inference_mode():
        return token_logits(tuned, batch_of(base))


class Keep:
    """Keeps the model that is trained, to compare it with what was saved of it."""

    def __init__(self, interrupt_after: int = -1) -> None:
        from transformers import TrainerCallback

        keep = self
        self.model: Any = None

        class Callback(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                keep.model = kwargs["model"]
                if state.global_step == interrupt_after:
                    raise KeyboardInterrupt

        self.callback = Callback()


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_is_trained_kept_resumed_and_merged(
    base: Path,
    tmp_path: Path,
    variant: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    seen: list[torch.Tensor] = []

    def first_is_best(self: Any) -> dict[str, float]:
        with torch.inference_mode():
            seen.append(token_logits(self.model.eval(), batch_of(base)))
        return {"accuracy": 0.5 if self.state.global_step == 1 else 0.25, "loss": 1.0}

    monkeypatch.setattr(TrainingLoop, "_validation_figures", first_is_best)
    keep = Keep()
    before = (base / "model.safetensors").read_bytes()
    run = trainer(base, variant, [keep.callback]).train(BANK, unseen(BANK[:4]), tmp_path / "run")
    assert (run.steps, run.best_step, len(seen)) == (2, 1, 2)
    first, second = seen
    assert float((first - second).abs().max()) > 1e-2

    with torch.inference_mode():
        trained = token_logits(keep.model.eval(), batch_of(base))
        with keep.model.disable_adapter():
            beneath = token_logits(keep.model, batch_of(base))
    assert torch.equal(trained, first)
    reloaded = logits_on_pristine_base(base, run.adapter_dir)
    assert torch.allclose(trained, reloaded, atol=1e-4)
    assert (base / "model.safetensors").read_bytes() == before
    untrained = load_model(ModelSource(str(base)))[0]
    with torch.inference_mode():
        plain = token_logits(untrained, batch_of(base))
    assert float((trained - plain).abs().max()) > 1e-2
    changes = "init_lora_weights" in variant
    assert torch.allclose(beneath, plain, atol=1e-4) is not changes

    merged = zhmcq.Merger().merge(run.adapter_dir, tmp_path / "merged", verify_with=BANK)
    assert merged.answer_flips == 0
    assert merged.max_logit_difference < 1e-4

    interrupted = trainer(base, variant, [Keep(1).callback])
    with pytest.raises(KeyboardInterrupt):
        interrupted.train(BANK, unseen(BANK[:4]), tmp_path / "cut")
    assert "resuming from" not in caplog.text
    trainer(base, variant).train(BANK, unseen(BANK[:4]), tmp_path / "cut")
    assert "resuming from" in caplog.text
    names = ("run", "cut")
    straight, resumed = (load_file(tmp_path / n / "adapter_model.safetensors") for n in names)
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_lora_plus_gives_b_a_higher_rate(base: Path, tmp_path: Path) -> None:
    keep = Keep()
    rates: list[set[float]] = []

    class Rates(type(keep.callback)):  # type: ignore[misc]
        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            groups = kwargs["optimizer"].param_groups
            rates.append({group["lr"] for group in groups if group["params"]})

    variant = VARIANTS["LoRA+"]
    trainer(base, variant, [Rates()]).train(BANK, None, tmp_path / "run")
    assert rates[0] == {5e-3, 5e-3 * 16}


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_a_variant_that_changes_the_base_is_refused_on_a_quantised_one(
    base: Path, init: str
) -> None:
    with pytest.raises(errors.SettingsError, match="a quantised base cannot give exactly"):
        zhmcq.LoraTrainer(
            base,
            lora=zhmcq.LoraSettings(init_lora_weights=init),
            quantization=zhmcq.QuantizationSettings(),
        )


SMALL = {"num_hidden_layers": 1, "num_attention_heads": 4, "bos_token_id": 1, "eos_token_id": 2}
OTHERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "gpt_neox": (
        {"hidden_size": 32, "intermediate_size": 48, **SMALL},
        {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    ),
    "gpt2": ({"n_embd": 32, **SMALL}, {"c_attn", "c_proj", "c_fc"}),
    "phi3": (
        {"hidden_size": 32, "intermediate_size": 48, "pad_token_id": 0, **SMALL},
        {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_model_without_the_recipes_layers_is_adapted_in_all_linear_layers(
    base: Path, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    values, layers = OTHERS[kind]
    size = load_model(ModelSource(str(base)))[0].config.vocab_size
    config = AutoConfig.for_model(kind, vocab_size=size, **values)
    other = tmp_path / "other"
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(other)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / name, other / name)
    plain = zhmcq.LoraTrainer(other, training=zhmcq.TrainingSettings(num_train_epochs=1))
    result = plain.train(BANK, unseen(BANK[:2]), tmp_path / "run")
    assert "all its linear layers are adapted" in caplog.text
    saved = load_file(result.adapter_dir / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in saved} == layers
    predictor = zhmcq.MCQPredictor(other, adapter=result.adapter_dir)
    right = sum(
        p.answer == q.answer for p, q in zip(predictor.predict(BANK[:2]), BANK, strict=False)
    )
    assert right / 2 == result.accuracy


@pytest.mark.parametrize(
    "other",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"modules_to_save": ["lm_head"]},
        {"use_rslora": True, "rank_pattern": {"q_proj": 2}},
    ],
)
@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_what_a_converted_adapter_would_lose_is_refused(
    base: Path, start: str, other: dict[str, Any]
) -> None:
    trainer(base, other)
    with pytest.raises(errors.SettingsError, match="another model than was trained"):
        trainer(base, {"init_lora_weights": start, **other})


@pytest.mark.parametrize("start", ["PiSSA", "pissa_niter_x", "loftq", "corda", "eva", "olara"])
def test_a_beginning_that_is_not_known_is_refused_before_a_model_is_loaded(
    base: Path, start: str
) -> None:
    with pytest.raises(errors.SettingsError, match="'pissa_niter_4'"):
        trainer(base, {"init_lora_weights": start})


def test_a_model_card_may_be_edited_and_holds_no_token(base: Path, tmp_path: Path) -> None:
    settings = zhmcq.TrainingSettings(max_steps=1, hub_token="hf_secret")  # noqa: S106
    done = zhmcq.LoraTrainer(base, training=settings).train(BANK, None, tmp_path / "run")
    for name in ("README.md", "zhmcq_manifest.json", "run.json"):
        assert "hf_secret" not in (done.adapter_dir / name).read_text(encoding="utf-8")
    with (done.adapter_dir / "README.md").open("a", encoding="utf-8") as card:
        card.write("License: CC BY 4.0")
    zhmcq.MCQPredictor(base, adapter=done.adapter_dir)
