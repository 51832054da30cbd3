"""What merging takes and refuses: quantised bases, numbers that are not finite, other models."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

import zhmcq
from zhmcq import errors
from zhmcq.cards import add_evaluation
from zhmcq.manifest import Manifest
from zhmcq.merging import _bases
from zhmcq.merging._verify import Answers
from zhmcq.questions import Question
from zhmcq.testing import tiny_llama

PLACES = ("山上", "海邊", "家裡", "學校")
BANK = [
    Question(f"q{i}", f"{who}在哪裡？", PLACES, f"{who}今天出門了。", answer=(i % 4,))
    for i, who in enumerate("子丑寅卯")
]
LORA: dict[str, Any] = {"r": 4, "target_modules": ("q_proj", "down_proj")}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(
        tmp_path_factory.mktemp("base") / "llama", hidden_size=32, num_hidden_layers=1
    )


@pytest.fixture(scope="module")
def stored(base: Path) -> Path:
    """The same model, saved in 4 bits."""
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    model = AutoModelForCausalLM.from_pretrained(
        base, quantization_config=config, dtype=torch.float32, device_map={"": "cpu"}
    )
    folder = base.parent / "stored"
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((base / name).read_bytes())
    return folder


def train(base: Path, folder: Path, **settings: Any) -> Path:
    lora = {**LORA, **settings.pop("lora", {})}
    dtype = settings.pop("dtype", "auto")
    trainer = zhmcq.LoraTrainer(
        base,
        lora=zhmcq.LoraSettings(**lora),
        training=zhmcq.TrainingSettings(
            max_steps=1, learning_rate=5e-3, disable_tqdm=True, dtype=dtype
        ),
        **settings,
    )
    return trainer.train(BANK, None, folder).adapter_dir


@pytest.fixture(scope="module")
def adapter(base: Path) -> Path:
    return train(base, base.parent / "adapter")


@pytest.fixture(scope="module")
def quantised(base: Path) -> Path:
    """An adapter that was trained on a base model quantised when it was loaded."""
    return train(base, base.parent / "quantised", quantization=zhmcq.QuantizationSettings())


def test_the_merged_model_has_a_card_with_the_evaluations_of_its_adapter(
    base: Path, tmp_path: Path
) -> None:
    trained = train(base, tmp_path / "adapter")
    evaluation = zhmcq.MCQPredictor(base, adapter=trained).predict(BANK).evaluate()
    add_evaluation(trained, evaluation, data="四題")
    merged = zhmcq.Merger().merge(trained, tmp_path / "merged", verify_with=BANK).output_dir
    card = (merged / "README.md").read_text(encoding="utf-8")
    assert "base model; 0 of 4 answers were changed by merging.\n" in card
    assert f"| 四題 | {evaluation.correct} of 4 |" in card
    assert "- Answers by the scores of the options of the adapter, before merging." in card
    assert "**4 of these questions were trained on**" in card
    add_evaluation(merged, evaluation, data="四題")
    assert "before merging" not in (merged / "README.md").read_text(encoding="utf-8")
    zhmcq.MCQPredictor(merged)
    zhmcq.Merger().merge(trained, merged, overwrite=True)
    assert "before merging" in (merged / "README.md").read_text(encoding="utf-8")


def test_a_base_stored_in_four_bits_is_merged_into_its_dequantised_weights(
    stored: Path, tmp_path: Path
) -> None:
    run = train(stored, tmp_path / "run")
    merged = zhmcq.Merger().merge(run, tmp_path / "merged", verify_with=BANK)
    assert (merged.base, merged.verified, merged.answer_flips) == ("dequantized", 4, 0)
    # nf4 multiplies by the very weights that it is dequantised to
    assert merged.max_logit_difference < 1e-4
    config = json.loads((tmp_path / "merged" / "config.json").read_text(encoding="utf-8"))
    assert "quantization_config" not in config
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert type(plain.model.layers[0].self_attn.q_proj) is torch.nn.Linear
    message = r"into='full': .*stored' is stored quantised, so that .* into 'dequantized' only"
    with pytest.raises(errors.MergeError, match=message):
        zhmcq.Merger().merge(run, tmp_path / "full", into="full")


def test_a_base_stored_in_four_bits_is_not_quantised_again(stored: Path) -> None:
    trainer = zhmcq.LoraTrainer(stored, quantization=zhmcq.QuantizationSettings())
    with pytest.raises(errors.ModelError, match=r"stored quantised already \(bitsandbytes\)"):
        trainer.train(BANK, None, stored.parent / "twice")


def test_an_adapter_of_a_quantised_base_goes_into_either(
    quantised: Path, adapter: Path, tmp_path: Path
) -> None:
    results = {
        into: zhmcq.Merger().merge(quantised, tmp_path / into, into=into, verify_with=BANK)
        for into in ("full", "dequantized")
    }
    assert [result.base for result in results.values()] == ["full", "dequantized"]
    # The adapter was trained on the dequantised weights: there is no difference but rounding.
    assert results["full"].max_logit_difference > 1e-3
    assert results["dequantized"].max_logit_difference < 1e-4
    with pytest.raises(errors.MergeError, match="was not quantised in training"):
        zhmcq.Merger().merge(adapter, tmp_path / "none", into="dequantized")
    with pytest.raises(errors.MergeError, match="into='int8': expected one of"):
        zhmcq.Merger().merge(adapter, tmp_path / "none", into="int8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flips", "chosen"),
    [([2, 1], "dequantized"), ([1, 2], "full"), ([1, 1], "full"), ([0], "full")],
)
def test_the_base_with_fewer_flips_is_taken(
    flips: list[int],
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    counted = iter(flips)
    monkeypatch.setattr(_bases.Bases, "merged", lambda *_: (None, None))
    monkeypatch.setattr(_bases, "answers_of", lambda *_: None)
    monkeypatch.setattr(_bases, "free_memory", lambda: None)
    monkeypatch.setattr(Answers, "flips", lambda *_: next(counted))
    bases: Any = _bases.Bases(*[()] * 6)  # type: ignore[arg-type]
    before = Answers(np.zeros(0, dtype=np.int64), torch.zeros(0))
    assert bases.closest(("full", "dequantized"), before) == chosen
    assert next(counted, None) is None
    assert f"{flips[0]} (full)" in caplog.text


def test_whole_modules_and_biases_are_trained_beside_a_bf16_base(tmp_path: Path) -> None:
    base = tiny_llama(tmp_path / "m", hidden_size=32, num_hidden_layers=1, attention_bias=True)
    lora = {"modules_to_save": ["lm_head", "norm"], "bias": "lora_only"}
    run = train(base, tmp_path / "run", lora=lora, dtype="bfloat16")
    merged = zhmcq.Merger(dtype="bfloat16").merge(run, tmp_path / "merged", verify_with=BANK)
    assert merged.answer_flips == 0
    weights = load_file(tmp_path / "merged" / "model.safetensors")
    assert not torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    assert weights["lm_head.weight"].dtype == torch.bfloat16
    bias = weights["model.layers.0.self_attn.q_proj.bias"]
    assert float(bias.abs().max()) == pytest.approx(5e-3, rel=0.01)  # a step of AdamW


def test_a_merge_that_is_another_model_leaves_nothing(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(tuned: Any, _: object) -> Any:
        return tuned.unload()

    monkeypatch.setattr(_bases, "merge_weights", forgetful)
    with pytest.raises(errors.MergeError, match="is another model than the adapter on its base"):
        zhmcq.Merger().merge(adapter, tmp_path / "merged")
    assert not list(tmp_path.iterdir())


def test_scores_that_are_not_finite_are_no_answers(adapter: Path, tmp_path: Path) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    folder = tmp_path / "inf"
    folder.mkdir()
    for path in adapter.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    weights = {name: torch.full_like(tensor, 1e30) for name, tensor in weights.items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    Manifest.read(folder, verify=False).write(folder)
    for questions in (BANK, None):
        with pytest.raises(errors.MergeError, match="not finite"):
            zhmcq.Merger().merge(folder, tmp_path / "merged", verify_with=questions)
        assert not (tmp_path / "merged").exists()


def test_a_merge_reports_its_parts_and_the_questions_it_answers(
    adapter: Path, tmp_path: Path
) -> None:
    calls: list[tuple[int, int, str]] = []
    merger = zhmcq.Merger()
    merger.merge(
        adapter, tmp_path / "a", verify_with=BANK, progress=lambda *call: calls.append(call)
    )
    assert [call for call in calls if call[2] == "merge"] == [(n, 3, "merge") for n in range(4)]
    assert calls.count((4, 4, "verification")) == 2
    assert {stage for _, _, stage in calls} == {
        *("merge", "loading weights", "verification", "writing model shards")
    }


@pytest.mark.parametrize("last", [(1, "merge"), (2, "merge"), (4, "verification")])
def test_a_progress_function_that_raises_leaves_no_folder(
    adapter: Path, tmp_path: Path, last: tuple[int, str]
) -> None:
    error = RuntimeError("the display is out of memory")  # which is no lack of it here

    def progress(done: int, total: int, stage: str) -> None:
        if (done, stage) == last:
            raise error

    with pytest.raises(RuntimeError, match="the display") as raised:
        zhmcq.Merger().merge(adapter, tmp_path / "a", verify_with=BANK, progress=progress)
    assert raised.value is error
    assert list(tmp_path.iterdir()) == []


def test_the_device_is_chosen_by_name(adapter: Path, tmp_path: Path) -> None:
    merged = zhmcq.Merger(device="cpu").merge(adapter, tmp_path / "merged")
    assert (merged.base, merged.verified, merged.answer_flips) == ("full", 0, 0)
    assert 0 <= merged.max_logit_difference < 1e-4
    with pytest.raises(errors.SettingsError, match="device='tpu'"):
        zhmcq.Merger(device="tpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"adapter": None}, r"merge\(adapter=None\): expected a path"),
        ({"output_dir": 3}, r"merge\(output_dir=3\): expected a path"),
        ({"base_model": 3}, r"merge\(base_model=3\): expected a path"),
        ({"verify_with": "bank.xlsx"}, r"expected questions as a QuestionBank"),
        ({"verify_with": ["q0"]}, r"expected questions as a QuestionBank"),
        ({"verify_with": 3}, r"expected questions as a QuestionBank"),
        ({"progress": 3}, r"progress=3: expected a function"),
    ],
)
def test_arguments_of_other_types_are_refused(
    adapter: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"adapter": adapter, "output_dir": tmp_path / "merged", **arguments}
    with pytest.raises(errors.SettingsError, match=message):
        zhmcq.Merger().merge(**given)


def test_a_dtype_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(errors.SettingsError, match="dtype='float64'"):
        zhmcq.Merger(dtype="float64")  # type: ignore[arg-type]
