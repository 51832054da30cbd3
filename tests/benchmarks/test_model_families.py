"""The script about model families: some of them in every run, and what the script's parts do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import model_families
from architectures.configs import (
    VARIANTS,
    ArchitectureRow,
    layers_of_every_kind,
    shrunk,
    tiny_config,
)
from architectures.measure import Outcome, measure, random_model, unchanged
from architectures.report import faults, rewritten
from zhmcq.errors import ModelError
from zhmcq.modeling._load import ModelSource, load_weights
from zhmcq.settings import LoraSettings
from zhmcq.training._lora import attach_adapter

ROWS = {row.name: row for row in VARIANTS}
DECIDED = {
    "bloom": "cached",  # ALiBi
    "gemma3_text": "tree",  # windows of eight tokens
    "llama": "tree",
    "llama, dynamic rope": "equal",
    "llama4_text": "cached",  # chunked attention
    "mamba2": "cached",  # no attention at all
    "mixtral, router outputs": "tree",
    "qwen3_moe": "tree",  # experts that LoRA adapts as parameters
    "qwen3_next": "cached",  # linear attention beside full attention
    "roberta, is_decoder": "cached",  # positions from 2 on
}


@pytest.mark.parametrize("name", DECIDED)
def test_scores_and_the_loss_of_a_step_are_those_of_one_sequence_at_a_time(name: str) -> None:
    outcome = measure(ROWS.get(name, ArchitectureRow(name)))
    assert (outcome.kind, outcome.untrained) == (DECIDED[name], "")
    assert outcome.difference < 1e-4
    assert outcome.loss_difference < 1e-4
    assert outcome.reach > 0.05


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ArchitectureRow("bert"), "it is an encoder: bert without is_decoder=True"),
        (ArchitectureRow("gemma4_assistant"), "a draft model"),
        (ROWS["rwkv, rescaled layers"], "set rescale_every to 0 in its config.json"),
    ],
)
def test_a_refused_family_is_refused_before_its_weights_are_read(
    row: ArchitectureRow, words: str, tmp_path: Path
) -> None:
    tiny_config(row.model_type, row.changes).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=words):
        load_weights(ModelSource(str(tmp_path)), dtype=torch.float32, device=torch.device("cpu"))
    outcome = measure(row)
    assert outcome.kind == "refused"
    assert words in outcome.words


@pytest.mark.parametrize(
    ("model_type", "left_out"),
    [("llama4_text", "router"), ("mamba", "x_proj")],
)
def test_all_linear_layers_are_those_that_an_adapter_can_be_added_to(
    model_type: str, left_out: str
) -> None:
    settings = LoraSettings(target_modules="all-linear", lora_dropout=0)
    adapted = attach_adapter(random_model(tiny_config(model_type)), settings)
    names = {name for name, module in adapted.named_modules() if hasattr(module, "lora_A")}
    assert names
    assert not any(name.endswith(left_out) for name in names)
    assert adapted(input_ids=torch.tensor([[1, 5, 6]])).logits.requires_grad


def test_what_is_not_expected_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise KeyError("linear_attention")

    monkeypatch.setattr("architectures.measure.load_weights", broken)
    outcome = measure(ArchitectureRow("llama"))
    assert (outcome.kind, outcome.words) == ("crash", "KeyError: 'linear_attention'")


def test_weights_that_change_are_noticed() -> None:
    model = torch.nn.Linear(2, 2)
    with pytest.raises(AssertionError, match="weights changed: bias"), unchanged(model):
        model.bias.data += 1


def test_the_first_layers_of_every_kind_are_kept() -> None:
    attention = ["linear", "linear", "linear", "full", "linear", "linear"]
    experts = ["dense", "sparse", "sparse", "sparse", "sparse", "sparse"]
    assert layers_of_every_kind({"layer_types": attention, "mlp_layer_types": experts}) == [0, 1, 3]
    assert layers_of_every_kind({"layer_types": ["full"] * 6}) == [0, 1]
    assert layers_of_every_kind({}) == [0, 1]


def test_a_configuration_is_shrunk_by_the_names_of_its_fields() -> None:
    values = {
        "model_type": "some",
        "vocab_size": 32000,
        "hidden_size": 4096,
        "num_hidden_layers": 3,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        "kept_layers": [0, 1, 2],
        "attention_dropout": 0.1,
        "sliding_window": None,
        "use_cache": True,
        "eos_token_id": 32001,
        "vision_config": {"model_type": "sight", "hidden_size": 1024, "patch_size": 14},
    }
    assert shrunk(values) == {
        "vocab_size": 128,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
        "attention_dropout": 0.0,
        "eos_token_id": 2,
        "vision_config": {"model_type": "sight", "hidden_size": 32},
    }


OUTCOMES = [
    Outcome("a", "tree", 4e-6, 5.5, 1e-7, 1.0),
    Outcome("b, window", "flat", 2e-3, 5.25, 1e-3, 1e-3, "layers | of type b"),
    Outcome("c", "equal", 1e-6, reach=1.0, words="layers | of type c", untrained="no layer"),
    Outcome("d", "refused", words="it is an encoder: d"),
    Outcome("e", "crash", words="KeyError: 'e'"),
]


def test_crashes_and_wrong_numbers_are_faults() -> None:
    assert faults(OUTCOMES) == [
        "b, window differs by 2.0e-03 a token",
        "the loss of b, window differs by 1.0e-03",
        "b, window would hide a fault: its reach is 1.0e-03",
        "e crashes: KeyError: 'e'",
    ]


def test_the_tables_of_a_page_are_rewritten_between_its_markers() -> None:
    page = "Before\n<!-- families: begin -->\nold\n<!-- families: end -->\nafter\n"
    new = rewritten(page, OUTCOMES, "torch 0")
    assert new.startswith("Before\n<!-- families: begin -->\n\n5 architectures and variants: ")
    assert ": 1 tree, 0 cached, 0 stepped, 1 flat, 1 equal, 1 refused" in new
    assert ", 0 not built. Measured with torch 0." in new
    assert new.endswith("\n\n<!-- families: end -->\nafter\n")
    assert "old" not in new
    assert "| a | tree | 4e-06 | 5.50 |\n| b, window | flat | 2e-03 | 5.25 |" in new
    assert "| c | equal | 1e-06 | refused |" in new
    assert "| layers \\| of type this type | b, window; c |" in new
    assert "Why not trained:\n\n| reason | architectures |\n|---|---|\n| no layer | c |" in new
    assert "| it is an encoder: this type | d |" in new
    assert rewritten(new, OUTCOMES, "torch 0") == new
    with pytest.raises(ValueError, match="expected a page with"):
        rewritten("no markers", OUTCOMES, "torch 0")


def test_code_in_a_reason_that_was_cut_off_has_an_end() -> None:
    page = "<!-- families: begin -->\n<!-- families: end -->\n"
    words = "layers: `torch.nn.Linear`, `" + "x" * 300
    outcome = Outcome("a", "flat", 0.0, loss=5.0, reach=1.0, words=words)
    assert "xxx…` | a |" in rewritten(page, [outcome], "torch 0")
    outcome = Outcome("a", "flat", 0.0, loss=5.0, reach=1.0, words="y" * 300)
    assert "yyy… | a |" in rewritten(page, [outcome], "torch 0")


def test_the_script_writes_the_rows_that_were_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "models.md"
    page.write_text("<!-- families: begin -->\n<!-- families: end -->\n", encoding="utf-8")
    assert model_families.main(["--only", "xlnet", "--write", str(page)]) == 0
    assert "| it does not predict from left to right: " in page.read_text(encoding="utf-8")
    assert capsys.readouterr().err.startswith("refused   xlnet: ")
