"""The fields that settings take over from peft and transformers, frozen so that neither is loaded.

Type checkers and editors read them as arguments of the settings. ``tests/test_library_fields.py``
compares them with the installed versions and prints the lines to add or to delete. Fields with a
reason to be refused are not here but in ``REFUSED``, ``REFUSED_LORA`` and ``REFUSED_GENERATION``
of :mod:`zhmcq._refused_fields`.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

__all__ = [
    "GenerationConfigFields",
    "LoraConfigFields",
    "SchedulerName",
    "TrainingArgumentsFields",
    "fields_in_source",
]

# transformers' ``SchedulerType``, by value.
SchedulerName = Literal[
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "reduce_lr_on_plateau",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
    "greedy",
]


class LoraConfigFields(TypedDict, total=False):
    """Fields of peft's ``LoraConfig`` (0.21) that ``LoraSettings`` does not have itself."""

    alpha_pattern: Mapping[str, Any] | None
    base_model_name_or_path: str | None
    bias: Literal["none", "all", "lora_only"]
    ensure_weight_tying: bool
    exclude_modules: Sequence[str] | str | None
    fan_in_fan_out: bool
    layers_pattern: Sequence[str] | str | None
    layers_to_transform: Sequence[int] | int | None
    lora_bias: bool
    megatron_core: str | None
    modules_to_save: Sequence[str] | None
    peft_type: Any
    peft_version: str | None
    qalora_group_size: int
    rank_pattern: Mapping[str, Any] | None
    revision: str | None
    runtime_config: Any
    target_parameters: Sequence[str] | None
    task_type: Any
    trainable_token_indices: Any
    use_dora: bool
    use_rslora: bool


class TrainingArgumentsFields(TypedDict, total=False):
    """Fields of transformers' ``TrainingArguments`` (5.23) that ``TrainingSettings`` passes on."""

    accelerator_config: Any
    activation_checkpointing: bool | None
    activation_checkpointing_kwargs: Any
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    average_tokens_across_devices: bool
    batch_eval_metrics: bool
    bf16: bool
    bf16_full_eval: bool
    dataloader_in_order: bool
    dataloader_multiprocessing_context: str | None
    dataloader_persistent_workers: bool
    dataloader_pin_memory: bool
    dataloader_prefetch_factor: int | None
    ddp_backend: str | None
    ddp_broadcast_buffers: bool | None
    ddp_bucket_cap_mb: int | None
    ddp_find_unused_parameters: bool | None
    ddp_static_graph: bool | None
    ddp_timeout: int
    debug: Any
    deepspeed: Any
    disable_tqdm: bool | None
    do_eval: bool
    do_predict: bool
    do_train: bool
    enable_jit_checkpoint: bool
    eval_accumulation_steps: int | None
    eval_delay: float
    eval_do_concat_batches: bool
    eval_on_start: bool
    eval_strategy: Literal["no", "steps", "epoch"]
    eval_use_gather_object: bool
    fp16: bool
    fp16_full_eval: bool
    fsdp: Any
    fsdp_config: Any
    full_determinism: bool
    gradient_checkpointing: bool | None
    gradient_checkpointing_kwargs: Any
    greater_is_better: bool | None
    hub_always_push: bool
    hub_model_id: str | None
    hub_private_repo: bool | None
    hub_revision: str | None
    hub_strategy: str
    hub_token: str | None
    include_for_metrics: Sequence[str]
    include_num_input_tokens_seen: bool | str
    label_names: Sequence[str] | None
    length_column_name: str
    liger_kernel_config: Any
    local_rank: int
    log_level: str
    log_level_replica: str
    log_on_each_node: bool
    logging_first_step: bool
    logging_nan_inf_filter: bool
    logging_strategy: Literal["no", "steps", "epoch"]
    lr_scheduler_kwargs: Any
    max_steps: int
    neftune_noise_alpha: float | None
    optim: str
    optim_args: str | None
    optim_target_modules: Sequence[str] | str | None
    parallelism_config: Any
    prediction_loss_only: bool
    project: str
    restore_callback_states_from_checkpoint: bool
    run_name: str | None
    save_on_each_node: bool
    save_strategy: Literal["no", "steps", "epoch", "best"]
    save_total_limit: int | None
    skip_memory_metrics: bool
    tf32: bool | None
    torch_empty_cache_steps: int | None
    trackio_bucket_id: str | None
    trackio_space_id: str | None
    trackio_static_space_id: Any
    use_cache: bool
    use_cpu: bool
    use_liger_kernel: bool
    weight_decay: float


class GenerationConfigFields(TypedDict, total=False):
    """Fields of transformers' ``GenerationConfig`` (5.23) that ``GenerateSettings`` passes on.

    Their ranges are those of the classes that transformers makes of them.
    """

    bad_words_ids: Sequence[Sequence[int]] | None
    begin_suppress_tokens: Sequence[int] | None
    cache_config: Mapping[str, Any] | None
    cache_implementation: str | None
    disable_compile: bool | None
    do_sample: bool | None
    early_stopping: bool | Literal["never"] | None
    encoder_no_repeat_ngram_size: Annotated[int, Field(ge=0)] | None
    encoder_repetition_penalty: Annotated[float, Field(gt=0)] | None
    epsilon_cutoff: Annotated[float, Field(gt=0, lt=1)] | None
    eta_cutoff: Annotated[float, Field(gt=0, lt=1)] | None
    exponential_decay_length_penalty: (
        Annotated[Sequence[float], Field(min_length=2, max_length=2)] | None
    )
    guidance_scale: Annotated[float, Field(gt=0)] | None
    length_penalty: float | None
    max_cache_len: Annotated[int, Field(gt=0)] | None
    min_new_tokens: Annotated[int, Field(ge=0)] | None
    min_p: Annotated[float, Field(ge=0, le=1)] | None
    no_repeat_ngram_size: Annotated[int, Field(ge=0)] | None
    num_beams: Annotated[int, Field(ge=1)] | None
    prefill_chunk_size: Annotated[int, Field(gt=0)] | None
    renormalize_logits: bool | None
    repetition_penalty: Annotated[float, Field(gt=0)] | None
    sequence_bias: Sequence[Any] | None
    stop_strings: Sequence[str] | str | None
    suppress_tokens: Sequence[int] | None
    temperature: Annotated[float, Field(gt=0)] | None
    top_h: Annotated[float, Field(gt=0, le=1)] | None
    top_k: Annotated[int, Field(ge=0)] | None
    top_p: Annotated[float, Field(gt=0, le=1)] | None
    typical_p: Annotated[float, Field(gt=0, le=1)] | None
    use_cache: bool | None


def fields_in_source(package: str, file: str, class_name: str) -> set[str]:
    """Fields of a class of an installed package, read without importing it.

    A field is an annotated name in the body of the class or, as in ``GenerationConfig``, an
    argument that its ``__init__`` takes out of its keywords: ``kwargs.pop("name", …)``.

    A newer version of a library may have fields that the lists above lack: this finds them, so
    that they are taken nevertheless. It reads about a hundred kilobytes, so it is called only
    where a name is on no list.

    Args:
        package: A top-level package, such as ``"peft"``.
        file: The file within the package.
        class_name: The class in it.

    Returns:
        The names; none if the package, the file or the class is not there.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return set()
    path = Path(spec.submodule_search_locations[0], file)
    if not path.is_file():
        return set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return {
                statement.target.id
                for statement in node.body
                if isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and not statement.target.id.startswith("_")
            } | _popped_keywords(node)
    return set()


def _popped_keywords(node: ast.ClassDef) -> set[str]:
    """Names that a class's ``__init__`` takes out of its keywords, private ones left out."""
    names = set()
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or method.name != "__init__":
            continue
        for call in ast.walk(method):
            match call:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="kwargs"), attr="pop"),
                    args=[ast.Constant(value=str(name)), *_],
                ) if not name.startswith("_"):
                    names.add(name)
    return names
