"""How many positions a model has, by its configuration alone."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import (
    BloomConfig,
    FalconConfig,
    Gemma3Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MptConfig,
    OPTConfig,
    Qwen2Config,
    RobertaConfig,
)

from zhmcq.errors import SettingsError
from zhmcq.modeling._support import position_limit, refuse_beyond_positions


def scaled(kind: str, factor: float, limit: int, **more: Any) -> LlamaConfig:
    rope = {"rope_type": kind, "factor": factor, "rope_theta": 10000.0, **more}
    return LlamaConfig(max_position_embeddings=limit, rope_parameters=rope)


LLAMA3 = {
    "original_max_position_embeddings": 8192,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
}


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (LlamaConfig(max_position_embeddings=4096), 4096),
        (GPT2Config(n_positions=512), 512),
        (OPTConfig(max_position_embeddings=100), 100),
        (MptConfig(max_seq_len=300), 300),
        (RobertaConfig(max_position_embeddings=514, pad_token_id=1), 512),
        (FalconConfig(max_position_embeddings=2048, alibi=False), 2048),
        (FalconConfig(max_position_embeddings=2048, alibi=True), None),
        (BloomConfig(), None),
        (MambaConfig(), None),
        (Gemma3Config(text_config=Gemma3TextConfig(max_position_embeddings=999)), 999),
    ],
    ids=lambda value: getattr(value, "model_type", value),
)
def test_the_limit_is_what_the_configuration_gives_by_whatever_name(
    config: Any, limit: int | None
) -> None:
    assert position_limit(config) == limit


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (scaled("llama3", 8.0, 131072, **LLAMA3), 131072),
        (scaled("yarn", 4.0, 32768, original_max_position_embeddings=32768), 131072),
        (scaled("yarn", 4.0, 131072, original_max_position_embeddings=32768), 131072),
        (scaled("linear", 4.0, 4096), 16384),
        (scaled("dynamic", 2.0, 4096), 8192),
    ],
)
def test_rotary_scaling_counts_whether_the_limit_has_it_already_or_not(
    config: Any, limit: int
) -> None:
    assert position_limit(config) == limit


def test_a_length_beyond_the_positions_is_refused_with_both_numbers() -> None:
    config = Qwen2Config(max_position_embeddings=64)
    refuse_beyond_positions(64, config, "TrainingSettings(max_length=64)")
    with pytest.raises(
        SettingsError,
        match=r"^TrainingSettings\(max_length=65\): expected at most 64, .*\(qwen2\), found 65; "
        r"give max_length=64 or less$",
    ):
        refuse_beyond_positions(65, config, "TrainingSettings(max_length=65)")
