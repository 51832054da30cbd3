"""Fields of the libraries' settings that are refused, or taken together with others only."""

from __future__ import annotations

__all__ = [
    "BEAM_FIELDS",
    "COMPUTING_FIELDS",
    "REFUSED",
    "REFUSED_GENERATION",
    "REFUSED_LORA",
    "SAMPLING_FIELDS",
]

# Fields of LoraConfig that would be passed over, or give what cannot be merged or detached exactly.
REFUSED_LORA = {
    "alora_invocation_tokens": "an adapter for a part of the tokens cannot be merged",
    "arrow_config": "routing between several adapters cannot be merged",
    "auto_mapping": "the base model's class comes from its configuration",
    "corda_config": "give init_lora_weights='pissa' or 'olora', which need no data",
    "eva_config": "give init_lora_weights='pissa' or 'olora', which need no data",
    "inference_mode": "an adapter that is frozen cannot be trained",
    "kasa_config": "it changes the base model's weights",
    "layer_replication": "its base model is another one: save a model with these layers first",
    "loftq_config": "it changes the base model's weights",
    "lora_ga_config": "give init_lora_weights='pissa' or 'olora', which need no data",
    "megatron_config": "models of Megatron are not loaded here",
    "monteclora_config": "it draws weights at random: there is no single model to merge into",
    "use_bdlora": "its blocks are for serving on several GPUs; a lower r gives a smaller adapter",
    "use_qalora": "it needs a base model that was quantised by GPTQ",
    "velora_config": "it changes gradients by a sample of the data",
}

# Measured: steps 1.00 to 1.27 times as fast on a CPU, after a minute of compiling (benchmarks.md).
_COMPILED = "what torch compiles is not proven to train the same, and hardly faster on a CPU"

# Fields of TrainingArguments that would be passed over, or would undo what is promised here.
REFUSED = {
    "auto_find_batch_size": "lower per_device_train_batch_size or max_length instead",
    "data_seed": "the order of the questions comes from seed",
    "dataloader_drop_last": "no question is left out",
    "dataloader_num_workers": "questions are encoded once, before the first step",
    "ignore_data_skip": "a resumed run continues in the order of its data",
    "label_smoothing_factor": "the objectives have no smoothing",
    "load_best_model_at_end": "the best adapter is always the one that is saved",
    "metric_for_best_model": "give valid_metric",
    "output_dir": "give it to LoraTrainer.train()",
    "push_to_hub": "call push_to_hub() of the result",
    "remove_unused_columns": "questions have no columns to remove",
    "resume_from_checkpoint": "give resume to LoraTrainer.train()",
    "save_only_model": "a checkpoint without its optimizer cannot be resumed from",
    "torch_compile": _COMPILED,
    "torch_compile_backend": _COMPILED,
    "torch_compile_mode": _COMPILED,
    "train_sampling_strategy": "questions of one passage are always taken together",
}

_ASSISTED = "assisted generation cannot compute prompts in batches"
_FROM_HUB = "transformers supports it only by code that it fetches from the hub, if at all"
_IDS = "the ids that begin, end and pad a reply are the tokenizer's and the model's"
_OUTPUTS = "only the text of a reply is used"

# Fields of GenerationConfig that would be passed over, or would undo what is promised here.
REFUSED_GENERATION = {
    "assistant_confidence_threshold": _ASSISTED,
    "assistant_early_exit": _ASSISTED,
    "assistant_ensemble_weight": _ASSISTED,
    "assistant_lookbehind": _ASSISTED,
    "bos_token_id": _IDS,
    "compile_config": "a journal cannot store such an object; disable_compile is accepted",
    "constraints": _FROM_HUB,
    "continuous_batching_config": "batches are made by batch_size of MCQPredictor",
    "decoder_start_token_id": _IDS,
    "diversity_penalty": _FROM_HUB,
    "dola_layers": _FROM_HUB,
    "eos_token_id": _IDS,
    "force_words_ids": _FROM_HUB,
    "forced_bos_token_id": "it would replace the first token of the reply",
    "forced_eos_token_id": "a reply that reaches max_new_tokens is cut off there",
    "is_assistant": _ASSISTED,
    "low_memory": _FROM_HUB,
    "max_length": "prompts are of several lengths; give max_new_tokens",
    "max_matching_ngram_size": _ASSISTED,
    "max_time": "an answer must not depend on the machine's speed; lower max_new_tokens",
    "min_length": "prompts are of several lengths; give min_new_tokens",
    "num_assistant_tokens": _ASSISTED,
    "num_assistant_tokens_schedule": _ASSISTED,
    "num_beam_groups": _FROM_HUB,
    "num_return_sequences": "a question has one reply",
    "output_attentions": _OUTPUTS,
    "output_hidden_states": _OUTPUTS,
    "output_logits": _OUTPUTS,
    "output_scores": _OUTPUTS,
    "pad_token_id": _IDS,
    "penalty_alpha": _FROM_HUB,
    "prompt_lookup_num_tokens": _ASSISTED,
    "remove_invalid_values": "numbers that are not finite are an error, never an answer",
    "return_dict_in_generate": _OUTPUTS,
    "speculation_type": _ASSISTED,
    "target_lookbehind": _ASSISTED,
    "token_healing": "it would remove the end of the prompt",
    "transformers_version": "it is that of the installed version",
    "use_mtp": _ASSISTED,
    "watermarking_config": "a watermark changes which tokens are likely",
}

# Fields that have an effect only together with do_sample=True, and with num_beams.
SAMPLING_FIELDS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "top_h",
    "typical_p",
    "epsilon_cutoff",
    "eta_cutoff",
)
BEAM_FIELDS = ("early_stopping", "length_penalty")
# Fields that say how replies are computed, and not which; constrained answers take them as well.
COMPUTING_FIELDS = (
    "cache_config",
    "cache_implementation",
    "disable_compile",
    "max_cache_len",
    "prefill_chunk_size",
    "use_cache",
)
