"""Settings of a training run, with the recipe's defaults.

Every other field of peft's and transformers' own classes can be set by its own name.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zhmcq.errors import SettingsError

__all__ = ["LoraSettings", "QuantizationSettings", "TrainingSettings"]

Objective = Literal["next_token", "contrastive"]

KNOWN_STARTS = re.compile(r"True|False|gaussian|orthogonal|olora|pissa(_niter_\d+)?")

# Fields of TrainingArguments that would be passed over, or would undo what is promised here.
REFUSED = {
    "auto_find_batch_size": "lower per_device_train_batch_size or max_length instead",
    "data_seed": "the order of the questions comes from seed",
    "dataloader_drop_last": "no question is left out",
    "dataloader_num_workers": "questions are encoded once, before the first step",
    "ignore_data_skip": "a resumed run goes on in the order of its data",
    "label_smoothing_factor": "the objectives have no smoothing",
    "load_best_model_at_end": "the best adapter is always the one that is kept",
    "metric_for_best_model": "give valid_metric",
    "push_to_hub": "call push_to_hub() of the result",
    "save_only_model": "a checkpoint without its optimizer cannot be resumed from",
    "train_sampling_strategy": "questions of one passage are always taken together",
}

# What people call them elsewhere, where the names are not alike.
OTHER_NAMES = {"lr": "learning_rate", "rank": "r", "bits": "kind"}


class _Settings(BaseModel):
    """Settings whose mistakes are told as :class:`zhmcq.errors.SettingsError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            what, known = type(self), set(type(self).model_fields)
            wrong = []
            for one in error.errors():
                where = ".".join(map(str, one["loc"]))
                if one["type"] == "extra_forbidden":
                    wrong.append(_no_field(what, where, known))
                else:
                    wrong.append(f"{what.__name__}({where}={one['input']!r}): {one['msg']}")
            raise SettingsError("; ".join(wrong)) from error


class LoraSettings(_Settings):
    """LoRA by the names of peft's ``LoraConfig``; its other fields are taken as well.

    Attributes:
        r: Rank of the update matrices.
        lora_alpha: Scale of the update: it is multiplied by ``lora_alpha / r``.
        lora_dropout: Dropout on the adapter's input. In a prefix-tree row the branches share
            their prefix, and so its dropout mask.
        target_modules: Names of the layers to adapt, whole or their ends after a dot, or
            ``"all-linear"``. Where a model has none of the default names, or not those of its
            attention, all its linear layers are taken, and the log says so; a name that was
            given and that the model lacks is refused.
        init_lora_weights: How the adapter begins: ``True`` (it changes nothing yet), or
            ``"pissa"``, ``"pissa_niter_4"``, ``"olora"``, which take its first weights out of
            the base model's. The adapter is saved so that it fits the base model as it was; it
            then has twice the rank. Ways that first have to look at data, or that change the
            base model for good (``"loftq"``, ``"corda"``, ``"eva"``), are refused.
        loraplus_lr_ratio: LoRA+: the learning rate of ``B`` divided by that of ``A``; ``None``
            gives both the same.
    """

    model_config = ConfigDict(extra="allow")

    r: int = Field(default=32, gt=0)
    lora_alpha: int = Field(default=16, gt=0)
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    target_modules: tuple[str, ...] | str = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
    )
    init_lora_weights: bool | str = True
    loraplus_lr_ratio: float | None = Field(default=None, ge=1)

    def __init__(self, **values: Any) -> None:
        # Spelled out, so that type checkers take the fields of peft and transformers as well.
        super().__init__(**values)

    @property
    def changes_base(self) -> bool:
        """Whether the adapter's first weights are taken out of the base model's."""
        return str(self.init_lora_weights).startswith(("pissa", "olora"))

    def config(self, *, initialised: bool = True) -> Any:
        """The ``LoraConfig`` of these settings.

        Args:
            initialised: Whether the adapter's weights are to be set, or are never looked at.

        Raises:
            SettingsError: If a field has no counterpart in peft, or a value that peft refuses.
        """
        from peft import LoraConfig

        values = self.model_dump(exclude={"loraplus_lr_ratio"})
        if not initialised:
            values["init_lora_weights"] = False
        known = {f.name for f in dataclasses.fields(LoraConfig)}
        _check_names(LoraSettings, values, known)
        self._check_start()
        if not isinstance(self.target_modules, str):
            values["target_modules"] = list(self.target_modules)
        try:
            return LoraConfig(**{"task_type": "CAUSAL_LM", **values})
        except (TypeError, ValueError) as error:
            raise SettingsError(f"LoraSettings: peft refuses them: {error}") from error

    def _check_start(self) -> None:
        """Refuse beginnings that peft finds wrong late, or that would be saved as another model."""
        start = str(self.init_lora_weights)
        if not KNOWN_STARTS.fullmatch(start):
            raise SettingsError(
                f"LoraSettings(init_lora_weights={self.init_lora_weights!r}): expected True, "
                "False, 'gaussian', 'orthogonal', 'pissa', 'pissa_niter_4' (any number) or 'olora'"
            )
        if not self.changes_base:
            return
        # peft's conversion keeps A and B only, and scales them all alike.
        extra = self.model_extra or {}
        lost = [
            name
            for name in ("use_dora", "modules_to_save", "trainable_token_indices", "use_qalora")
            if extra.get(name)
        ]
        lost += ["bias"] if extra.get("bias", "none") != "none" else []
        if extra.get("use_rslora"):
            lost += [name for name in ("rank_pattern", "alpha_pattern") if extra.get(name)]
        if lost:
            raise SettingsError(
                f"LoraSettings(init_lora_weights={start!r}) cannot be joined with "
                f"{', '.join(lost)}: the saved adapter would be another model than was trained"
            )


class TrainingSettings(_Settings):
    """A run by the names of transformers' ``TrainingArguments``; its other fields work as well.

    The few that would be passed over, or would undo what is promised here, are refused with a
    reason. The first eight fields below are meant for models of about 3 billion parameters.

    Attributes:
        per_device_train_batch_size: With ``max_length``, the budget of a forward pass: it has at
            most this many times ``max_length`` tokens, however many questions that is.
        gradient_accumulation_steps: Times the batch size, how many questions a step learns from.
        num_train_epochs: Passes over the training questions.
        learning_rate: Its highest value.
        save_steps: Steps between checkpoints.
        eval_steps: Steps between evaluations; each epoch's end has one besides, and the only one
            with ``eval_strategy="no"``.
        logging_steps: Steps between records in the history.
        max_length: The most tokens of a prompt with its answer; longer ones lose the end of
            their passage.
        per_device_eval_batch_size: Questions of a forward pass in evaluation, likewise.
        lr_scheduler_type: How the learning rate falls.
        warmup_steps: Steps in which it rises.
        max_grad_norm: Gradients are clipped to this norm.
        report_to: Logging integrations of transformers.
        seed: Of the order of the passages, of dropout and of the adapter's first weights.
        packing: ``"tree"`` computes what questions share once, ``"flat"`` gives each sequence a
            row of its own. Loss and gradients are the same.
        objective: ``"next_token"``: cross-entropy of the right answer's tokens and its end.
            ``"contrastive"``: cross-entropy of the right candidate among all candidates of its
            question, by the scores that the predictor compares.
        valid_metric: What the best adapter is chosen by, on the validation questions.
        early_stopping_patience: Stop after this many evaluations in a row without a better
            ``valid_metric``; ``None`` never stops early.
        shuffle_options: Ask each question with its options in another order in each epoch, the
            key moved along (:func:`zhmcq.zh.shuffle_options`).
        dtype: Dtype of the base model's weights; ``"auto"`` takes what the device is fast in.
    """

    model_config = ConfigDict(extra="allow")

    per_device_train_batch_size: int = Field(default=1, gt=0)
    gradient_accumulation_steps: int = Field(default=8, gt=0)
    num_train_epochs: float = Field(default=2, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    save_steps: int = Field(default=1000, gt=0)
    eval_steps: int = Field(default=500, gt=0)
    logging_steps: int = Field(default=100, gt=0)
    max_length: int = Field(default=512, gt=8)
    per_device_eval_batch_size: int = Field(default=4, gt=0)
    lr_scheduler_type: str = "linear"
    warmup_steps: int = Field(default=0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    report_to: str | tuple[str, ...] = "none"
    seed: int = 42
    packing: Literal["tree", "flat"] = "tree"
    objective: Objective = "next_token"
    valid_metric: Literal["accuracy", "loss"] = "accuracy"
    early_stopping_patience: int | None = Field(default=None, gt=0)
    shuffle_options: bool = False
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"

    def __init__(self, **values: Any) -> None:
        # Spelled out, so that type checkers take the fields of peft and transformers as well.
        super().__init__(**values)

    @property
    def questions_per_step(self) -> int:
        """Questions that one optimizer step of one process learns from."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    def arguments(self, output_dir: str, *, evaluate: bool = True) -> Any:
        """The ``TrainingArguments`` of these settings.

        Accumulation happens within a step of the trainer, since how many forward passes a step
        needs depends on what its questions share; transformers is told of one batch a step.

        Args:
            output_dir: Where transformers writes checkpoints.
            evaluate: Whether there are validation questions.

        Raises:
            SettingsError: If a field has no counterpart in transformers, or a value it refuses,
                or is one that cannot be taken here, or if stopping early is asked for without
                validation questions.
        """
        from transformers import TrainingArguments

        if self.early_stopping_patience is not None and not evaluate:
            raise SettingsError(
                "TrainingSettings: early_stopping_patience needs validation questions: give "
                "them to train(), or leave it out"
            )
        own = {"max_length", "packing", "objective", "valid_metric", "dtype"}
        own |= {"early_stopping_patience", "shuffle_options"}
        values = self.model_dump(exclude=own)
        if "output_dir" in values:
            raise SettingsError("TrainingSettings: output_dir is given to LoraTrainer.train()")
        known = {f.name for f in dataclasses.fields(TrainingArguments)} | own
        _check_names(TrainingSettings, values, known)
        for name, reason in REFUSED.items():
            if values.get(name) not in (None, False):
                raise SettingsError(f"TrainingSettings: {name} is not taken: {reason}")
        values |= {
            "per_device_train_batch_size": self.questions_per_step,
            "gradient_accumulation_steps": 1,
            "remove_unused_columns": False,
        }
        values.setdefault("eval_strategy", "steps")
        if not evaluate:
            values["eval_strategy"] = "no"
        values.setdefault("disable_tqdm", not sys.stderr.isatty())
        if not isinstance(self.report_to, str):
            values["report_to"] = list(self.report_to)
        try:
            arguments = TrainingArguments(output_dir=output_dir, **values)
        except (TypeError, ValueError, ImportError) as error:
            raise SettingsError(f"TrainingSettings: transformers refuses them: {error}") from error
        # One process with several GPUs would have its rows cut up by DataParallel, which knows
        # nothing of masks; a launcher gives each GPU a process of its own.
        arguments._n_gpu = min(arguments.n_gpu, 1)
        return arguments


class QuantizationSettings(_Settings):
    """Loading the base model in 4 or 8 bits, to train LoRA on it with less memory.

    Attributes:
        kind: ``"nf4"`` (4 bits, as in QLoRA) or ``"int8"``.
        double_quant: Quantise the scales of nf4 as well.
    """

    kind: Literal["nf4", "int8"] = "nf4"
    double_quant: bool = True

    def config(self, compute_dtype: Any) -> Any:
        """The ``BitsAndBytesConfig`` of these settings, computing in ``compute_dtype``."""
        from transformers import BitsAndBytesConfig

        values: dict[str, Any] = {"load_in_8bit": True}
        if self.kind == "nf4":
            values = {
                "load_in_4bit": True,
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": self.double_quant,
                "bnb_4bit_compute_dtype": compute_dtype,
            }
        return BitsAndBytesConfig(**values)  # type: ignore[no-untyped-call]


def _check_names(what: type[_Settings], values: dict[str, Any], known: set[str]) -> None:
    for name in values:
        if name not in known:
            raise SettingsError(_no_field(what, name, known))


def _no_field(what: type[_Settings], name: str, known: set[str]) -> str:
    """That ``name`` is no field, and which may be meant; the documented ones come first."""
    meant = OTHER_NAMES.get(name, "")
    own = [field for field in what.model_fields if field == meant or name in field]
    near = own or difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.55)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{what.__name__} has no field {name!r}{hint}"
