"""Adapters as peft itself writes them, without anything of zhmcq."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from zhmcq._warnings import ignored_warnings

Weights = dict[str, torch.Tensor]


def load_base(base: Path, dtype: torch.dtype = torch.float32) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    return model.eval()


def write_peft_adapter(base: Path, folder: Path, seed: int = 0, **fields: Any) -> Path:
    """Have peft write an adapter with random weights, none of them zero."""
    values = {"r": 4, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    torch.manual_seed(seed)
    with ignored_warnings():
        model = get_peft_model(load_base(base), LoraConfig(**{**values, **fields}))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(str(folder))
    return folder


def logits_of_peft(
    base: Path, folder: Path, ids: torch.Tensor, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """The logits of peft's own model, as people load an adapter without zhmcq."""
    with ignored_warnings(), torch.no_grad():
        model: Any = PeftModel.from_pretrained(load_base(base, dtype), str(folder))
        logits: torch.Tensor = model.eval()(ids).logits
    return logits


def change_config(folder: Path, **fields: Any) -> Path:
    path = folder / "adapter_config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**values, **fields}), encoding="utf-8")
    return folder


def change_weights(folder: Path, change: Any) -> Path:
    """Write the weights that ``change`` makes of the dictionary of weights."""
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    save_file(change(weights) or weights, path, metadata={"format": "pt"})
    return folder
