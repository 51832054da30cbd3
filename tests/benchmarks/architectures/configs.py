"""Tiny configurations of every causal architecture of the installed transformers.

A configuration is shrunk by rules over the names of its fields, so that a new architecture needs
no lines here; where the rules do not do, :data:`SPECIAL` has the values. Of the layers, the first
of every kind are kept: a hybrid keeps a layer of attention and a recurrent one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VOCABULARY = 128
WINDOW = 8
LAYERS = 2  # at least: what one layer gets wrong shows in the next

_BY_SIZE: dict[int, tuple[str, ...]] = {
    VOCABULARY: ("vocab_size", "decoder_vocab_size", "vocab_size_per_layer_input"),
    32: (
        *("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embedding_dim", "embedding_size"),
        *("word_embed_proj_dim", "input_embedding_size", "output_embedding_size", "lru_width"),
        *("attention_hidden_size", "kv_lora_rank", "q_lora_rank", "mamba_d_ssm"),
    ),
    4: (
        *("num_attention_heads", "n_head", "n_heads", "attention_heads", "num_heads"),
        *("decoder_attention_heads", "encoder_attention_heads", "num_encoder_attention_heads"),
        *("num_decoder_attention_heads", "linear_num_value_heads", "mamba_num_heads"),
        *("linear_num_heads", "swa_num_attention_heads"),
        *("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    ),
    2: (
        *("num_key_value_heads", "num_kv_heads", "kv_n_heads", "swa_num_key_value_heads"),
        *("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "moe_top_k"),
        *("linear_num_key_heads", "num_query_groups"),
    ),
    1: (
        *("n_group", "topk_group", "num_expert_group", "n_groups", "mamba_n_groups", "o_groups"),
        *("mamba_ngroups", "num_nextn_predict_layers", "n_shared_experts", "num_shared_experts"),
        *("moe_num_shared_experts", "first_k_dense_replace", "num_dense_layers"),
    ),
    8: (
        *("head_dim", "d_head", "kv_channels", "attention_head_size", "dim_head", "d_kv"),
        *("v_head_dim", "qk_nope_head_dim", "qk_rope_head_dim", "linear_head_dim"),
        *("linear_key_head_dim", "linear_value_head_dim", "swa_head_dim", "swa_v_head_dim"),
        *("mamba_head_dim", "mamba_d_state", "state_size", "ssm_state_size", "index_head_dim"),
        *("mamba_d_head", "time_step_rank", "mamba_dt_rank", "hidden_size_per_layer_input"),
        *("laurel_rank", "adapter_rank", "router_hidden_size", "d_rel", "rotary_dim"),
        *("chunk_size", "mamba_chunk_size", "block_size", "index_topk", "o_lora_rank"),
        *("sliding_window", "window_size", "attention_window_size", "sliding_window_size"),
        *("attention_chunk_size", "local_attention", "rel_extent"),
    ),
    48: (
        *("intermediate_size", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim", "dff", "dim_ff"),
        *("ffn_hidden_size", "feed_forward_size", "d_inner", "n_inner", "intermediate_size_mlp"),
        *("dense_intermediate_size",),
    ),
    16: (
        *("moe_intermediate_size", "shared_expert_intermediate_size", "expert_ffn_hidden_size"),
        *("shared_experts_intermediate_size", "moe_shared_expert_intermediate_size"),
        # An indexer with few heads scores many tokens 0, and takes any of them.
        *("shared_intermediate_size", "index_n_heads"),
    ),
    256: (
        *("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "context_length"),
        *("model_max_length", "max_target_positions", "original_max_position_embeddings"),
    ),
}
SIZES = {name: size for size, names in _BY_SIZE.items() for name in names}
LAYER_COUNTS = (
    *("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"),
    *("encoder_layers", "num_encoder_layers", "num_decoder_layers", "num_blocks"),
)
OFF = ("drop", "pdrop", "jitter_noise")  # chance, which would hide a difference

TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}

Changes = dict[str, Any]

SPECIAL: dict[str, Changes] = {
    "bamba": {"mamba_n_heads": 4, "mamba_d_head": 16, "attn_layer_indices": [1]},
    "blt": {
        "vocab_size": 260,
        "patch_in_forward": True,
        "encoder_hash_byte_group_vocab": 64,
        "encoder_hash_byte_group_size": [3, 4],
        "use_cache": False,  # its own default fails
    },
    "blt_local_encoder": {"hidden_size_global": 64, "num_hidden_layers": 1, "vocab_size": 260},
    "blt_local_decoder": {"hidden_size_global": 64, "vocab_size": 260, "head_dim": 8},
    "blt_global_transformer": {"hidden_size": 64, "head_dim": 16},
    "blt_patcher": {"vocab_size": 260},
    "cohere": {"logit_scale": 1.0},
    "cohere2": {"logit_scale": 1.0},
    "cohere2_moe": {"logit_scale": 1.0},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 10000.0}
            for kind in ("sliding_attention", "full_attention")
        },
    },
    "dbrx": {
        "num_key_value_heads": 2,
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_v4": {
        "num_key_value_heads": 1,
        "compress_rates": {"compressed_sparse_attention": 2, "heavily_compressed_attention": 4},
    },
    "dots1": {
        "n_shared_experts": 1,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "dots3_note_vision_encoder": {"adapter_in_dim": 32, "adapter_out_dim": 32},
    "dots3_note_audio_encoder": {"adapter_input_size": 32, "adapter_out_dim": 32},
    "dots3_note_text": {"head_dim": 16, "per_layer_config": {}},
    "exaone4": {"layer_types": ["sliding_attention", "full_attention"]},
    "falcon_h1": {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_ssm": 64},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "num_kv_shared_layers": 2,
        "intermediate_size": [48] * 4,
        "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
    },
    "gemma4_assistant": {
        "default": {
            "text_config": {
                "model_type": "gemma4_text",
                "hidden_size_per_layer_input": 0,
                "vocab_size_per_layer_input": 0,
            }
        },
    },
    "gemma4_text": {"per_layer_config": {}},
    "gemma4_unified_text": {"per_layer_config": {}},
    "granitemoehybrid": {
        "mamba_n_heads": 4,
        "mamba_d_head": 16,
        "layer_types": ["linear_attention", "full_attention"],
    },
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "laguna": {
        "num_attention_heads_per_layer": [4, 4],
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "lfm2": {"full_attn_idxs": [1], "layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "llama4_text": {
        "num_hidden_layers": 2,
        "no_rope_layers": [1, 0],
        "moe_layers": [1],
        "layer_types": ["chunked_attention", "full_attention"],
    },
    "longcat_flash": {"zero_expert_num": 2},
    "mamba2": {"num_heads": 8, "head_dim": 8},
    "mellum": {"layer_types": ["sliding_attention", "full_attention"]},
    "minimax_m3_vl_text": {
        "index_block_size": 2,
        "index_topk_blocks": 2,
        "layer_types": ["full_attention", "minimax_m3_sparse"],
        "mlp_layer_types": ["dense", "sparse"],
    },
    "ministral": {"head_dim": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "nemotron": {"num_key_value_heads": 2},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
        "hc_lowrank": 8,
    },
    "recurrent_gemma": {"num_hidden_layers": 3},
    "smollm3": {"no_rope_layers": [1, 0]},
    "xlstm": {"hidden_size": 128, "embedding_dim": 128, "num_blocks": 2, "chunk_size": 16},
    "xmod": {"default_language": "en_XX"},
    "zamba": {
        "num_hidden_layers": 4,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "zamba2": {
        "num_hidden_layers": 4,
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "num_key_value_heads": 4,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid"],
    },
    "zaya": {"layer_types": ["hybrid", "hybrid_sliding"], "sliding_window": WINDOW},
}
for _kind in ("hunyuan_v1_dense", "hunyuan_v1_moe"):
    SPECIAL[_kind] = {"head_dim": 8}


def tiny_config(model_type: str, changes: Mapping[str, Any] | None = None) -> Any:
    """A tiny configuration of an architecture.

    Args:
        model_type: Its name, as ``config.json`` has it.
        changes: Values that go before those of the rules and of :data:`SPECIAL`.

    Raises:
        Exception: Whatever the configuration class raises where the rules do not do.
    """
    from transformers import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[model_type]
    known = SPECIAL.get(model_type, {}).get("default", {})
    values = shrunk(config_class(**known).to_dict())
    special = {k: v for k, v in SPECIAL.get(model_type, {}).items() if k != "default"}
    return config_class(**{**values, **special, **(changes or {})})


def shrunk(values: Mapping[str, Any]) -> Changes:
    """The values of a configuration that are to change, by the names of its fields.

    Args:
        values: A configuration as a dictionary.
    """
    changes: Changes = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and "model_type" in value:
            changes[name] = _shrunk_part(value)
        elif name in SIZES and isinstance(value, int) and not isinstance(value, bool):
            changes[name] = min(value, SIZES[name])
        elif isinstance(value, float) and any(word in name for word in OFF):
            changes[name] = 0.0
        elif name in TOKENS:
            changes[name] = TOKENS[name]
    changes |= _few_layers(values)
    if values.get("kv_lora_rank") and "num_key_value_heads" in values:  # latent attention
        changes["num_key_value_heads"] = SIZES["num_attention_heads"]
    return changes


def _shrunk_part(values: Mapping[str, Any]) -> Changes:
    """A configuration within another one."""
    kind = values["model_type"]
    special = {k: v for k, v in SPECIAL.get(kind, {}).items() if k != "default"}
    return {"model_type": kind, **shrunk(values), **special}


def _few_layers(values: Mapping[str, Any]) -> Changes:
    """The number of layers, and what a configuration says of each."""
    counts = [name for name in LAYER_COUNTS if isinstance(values.get(name), int)]
    if not counts:
        return {}
    depth = values[counts[0]]
    per_layer = {
        name: value
        for name, value in values.items()
        # Indexes of layers are a list of another kind: none of them comes twice.
        if isinstance(value, list | tuple) and len(value) == depth and len(set(value)) < depth
    }
    kept = layers_of_every_kind(per_layer)
    changes: Changes = dict.fromkeys(counts, len(kept))
    return changes | {name: [value[i] for i in kept] for name, value in per_layer.items()}


def layers_of_every_kind(per_layer: Mapping[str, Any]) -> list[int]:
    """Indexes of few layers that have every kind of layer between them, at least two.

    Args:
        per_layer: For each field with a value for each layer, those values.
    """
    seen: dict[str, list[Any]] = {name: [] for name in per_layer}
    kept = []
    for index in range(max((len(value) for value in per_layer.values()), default=LAYERS)):
        new = [name for name in per_layer if per_layer[name][index] not in seen[name]]
        for name in new:
            seen[name].append(per_layer[name][index])
        if new:
            kept.append(index)
    return kept if len(kept) >= LAYERS else list(range(LAYERS))


@dataclass(frozen=True, slots=True)
class ArchitectureRow:
    """A row of the table.

    Attributes:
        model_type: The architecture, as ``config.json`` names it.
        changes: What its configuration has otherwise than by default.
        note: The difference in few words.
    """

    model_type: str
    changes: Changes = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        """The architecture, with what is changed."""
        return f"{self.model_type}, {self.note}" if self.note else self.model_type


def _rope(kind: str, **values: Any) -> Changes:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **values}}


_LONG = {
    "short_factor": [1.0] * 4,
    "long_factor": [3.0] * 4,
    "original_max_position_embeddings": 24,
}
VARIANTS = [
    ArchitectureRow("bert", {"is_decoder": True}, "is_decoder"),
    ArchitectureRow("roberta", {"is_decoder": True}, "is_decoder"),
    ArchitectureRow("bart", {"is_encoder_decoder": False, "is_decoder": True}, "decoder alone"),
    ArchitectureRow("xlm", {"causal": True}, "causal"),
    ArchitectureRow(
        "big_bird", {"is_decoder": True, "attention_type": "original_full"}, "is_decoder"
    ),
    ArchitectureRow(
        "reformer",
        {
            "is_decoder": True,
            "attn_layers": ["local", "lsh"],
            "axial_pos_shape": [16, 16],
            "axial_pos_embds_dim": [16, 16],
            "local_attn_chunk_length": 8,
            "lsh_attn_chunk_length": 8,
        },
        "is_decoder",
    ),
    ArchitectureRow("falcon", {"alibi": True}, "ALiBi"),
    ArchitectureRow("falcon", {"new_decoder_architecture": True}, "new decoder"),
    ArchitectureRow("gemma2", {"use_bidirectional_attention": True}, "bidirectional"),
    ArchitectureRow("gemma3_text", {"use_bidirectional_attention": True}, "bidirectional"),
    ArchitectureRow("granitemoehybrid", {"position_embedding_type": "rope"}, "rope"),
    ArchitectureRow(
        "llama", {**_rope("dynamic", factor=2.0), "max_position_embeddings": 16}, "dynamic rope"
    ),
    ArchitectureRow("llama", _rope("linear", factor=2.0), "linear rope"),
    ArchitectureRow(
        "llama",
        _rope(
            "llama3",
            factor=4.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=64,
        ),
        "llama3 rope",
    ),
    ArchitectureRow(
        "llama", _rope("yarn", factor=4.0, original_max_position_embeddings=64), "yarn rope"
    ),
    ArchitectureRow(
        "phi3",
        {
            **_rope("longrope", **_LONG),
            "max_position_embeddings": 128,
            "original_max_position_embeddings": 24,
        },
        "longrope",
    ),
    ArchitectureRow("mixtral", {"output_router_logits": True}, "router outputs"),
    ArchitectureRow("phi3", {"sliding_window": WINDOW}, "window"),
    ArchitectureRow(
        "qwen2",
        {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}
        | {"layer_types": ["full_attention", "sliding_attention"]},
        "window",
    ),
    ArchitectureRow("rwkv", {"rescale_every": 1}, "rescaled layers"),
    ArchitectureRow("xlnet", {"attn_type": "uni"}, "uni"),
    ArchitectureRow("zamba2", {"use_mem_rope": True}, "rope"),
]
