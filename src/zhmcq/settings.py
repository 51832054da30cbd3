"""Settings of training, quantisation and prediction; a mistake in them is refused at once.

Nothing here loads torch, transformers or peft. Fields of peft's ``LoraConfig`` and transformers'
``TrainingArguments`` and ``GenerationConfig`` are accepted by their own names, which
:mod:`zhmcq._library_fields` lists; the libraries themselves check the values of those fields when a
trainer is made or questions are answered.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from zhmcq._library_fields import (
    GenerationConfigFields,
    LoraConfigFields,
    SchedulerName,
    TrainingArgumentsFields,
    fields_in_source,
)
from zhmcq._refused_fields import (
    BEAM_FIELDS,
    COMPUTING_FIELDS,
    REFUSED,
    REFUSED_GENERATION,
    REFUSED_LORA,
    SAMPLING_FIELDS,
)
from zhmcq.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Unpack

    from zhmcq.parsers import Parser
else:
    Parser = Any  # the field is checked by its method, so that no parser has to be loaded

__all__ = [
    "DtypeName",
    "GenerateSettings",
    "LoraSettings",
    "Objective",
    "Packing",
    "QuantizationSettings",
    "ScoreSettings",
    "TrainingSettings",
]

DtypeName = Literal["auto", "float32", "float16", "bfloat16"]
Objective = Literal["next_token", "contrastive"]
Packing = Literal["tree", "flat"]
Names = Annotated[tuple[str, ...], Field(strict=False)]  # a list is taken as well

# All orders of five options. More bring nothing that can be seen, and each costs time.
MAX_ORDERS = 120

# Ways of initialising an adapter that need no data and leave the base model as it was.
INITIALISATIONS = re.compile(r"True|False|gaussian|orthogonal|olora|pissa(_niter_\d+)?")

# What people call them elsewhere, where the names are not alike.
OTHER_NAMES = {
    "bits": "kind",
    "epochs": "num_train_epochs",
    "load_in_4bit": "kind",
    "load_in_8bit": "kind",
    "lr": "learning_rate",
    "rank": "r",
}


class _Settings(BaseModel):
    """Values that never change, and whose mistakes are :class:`zhmcq.errors.SettingsError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    if not TYPE_CHECKING:  # type checkers see the fields of each class as its arguments

        def __init__(self, /, **values: Any) -> None:
            values = {name: _without_numpy(value) for name, value in values.items()}
            problems = self._problems_of_names(values)
            if problems:
                raise SettingsError("; ".join(problems))
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise SettingsError("; ".join(self._refusals(error))) from error
            self._check()

    @classmethod
    def _problems_of_names(cls, values: Mapping[str, Any]) -> list[str]:
        return [
            _no_field(cls, name, set(cls.model_fields))
            for name in values
            if name not in cls.model_fields
        ]

    @classmethod
    def _refusals(cls, error: ValidationError) -> list[str]:
        """What pydantic refuses, each field once, even where it may have several types."""
        messages: dict[str, list[str]] = {}
        for problem in error.errors():
            name = str(problem["loc"][0])
            # An access token must not stand in a log.
            value = "…" if name.endswith("_token") else repr(problem["input"])
            call = f"{cls.__name__}({name}={value})"
            messages.setdefault(call, []).append(problem["msg"])
        return [f"{call}: {' or '.join(reasons)}" for call, reasons in messages.items()]

    def _check(self) -> None:
        """Refuse values that contradict each other."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with some fields changed, which are checked as if it were made anew.

        Raises:
            SettingsError: If ``update`` has an unknown name or a wrong value.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return super(_Settings, type(self)(**{**given, **(update or {})})).model_copy(deep=deep)

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """The same as the class itself: settings are never made without being checked."""
        return cls(**values)


class _LibrarySettings(_Settings):
    """Settings that also take the fields of a class of another library."""

    model_config = ConfigDict(extra="allow")

    library_fields: ClassVar[type]
    library_source: ClassVar[tuple[str, str, str]]
    refused_fields: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def _problems_of_names(cls, values: Mapping[str, Any]) -> list[str]:
        problems = []
        known = {*cls.model_fields, *cls.library_fields.__annotations__}
        for name in values:
            if name in cls.refused_fields:
                # Their defaults are no harm: settings may be made of a whole dump. But 0 is an id.
                if values[name] not in (None, False, {}) or (
                    name.endswith("_token_id") and values[name] is not None
                ):
                    problems.append(
                        f"{cls.__name__}: {name} is not accepted: {cls.refused_fields[name]}"
                    )
            elif name not in known and name not in fields_in_source(*cls.library_source):
                problems.append(_no_field(cls, name, known))
        return problems

    def _check(self) -> None:
        listed = self.library_fields.__annotations__
        given = {k: v for k, v in (self.model_extra or {}).items() if k in listed}
        if not given:
            return
        try:
            _checker_of(self.library_fields)(**given)
        except ValidationError as error:
            raise SettingsError("; ".join(self._refusals(error))) from error
        for name, value in given.items():
            try:
                TypeAdapter(Any).dump_python(value, mode="json")
            except ValueError as error:  # pydantic's error of what json cannot hold is one
                raise SettingsError(
                    f"{type(self).__name__}({name}={value!r:.80}) cannot be written to the run's "
                    f"record: {error}"
                ) from error


@cache
def _checker_of(fields: type) -> type[BaseModel]:
    """A model that has these fields, none of them required, to check their types only."""
    hints = get_type_hints(fields, include_extras=True)
    types: dict[str, Any] = {name: (kind, None) for name, kind in hints.items()}
    return create_model(
        fields.__name__,
        __config__=ConfigDict(strict=True, allow_inf_nan=False, protected_namespaces=()),
        **types,
    )


def _without_numpy(value: Any) -> Any:
    """The value with Python's own numbers in place of numpy's, as a table or a sweep gives them."""
    if isinstance(value, dict):
        return {key: _without_numpy(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_without_numpy, value))
    is_number = type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0
    return value.item() if is_number else value


class LoraSettings(_LibrarySettings):
    """LoRA by the names of peft's ``LoraConfig``; its other fields are accepted as well.

    Attributes:
        r: Rank of the update matrices.
        lora_alpha: Scale of the update: it is multiplied by ``lora_alpha / r``.
        lora_dropout: Probability of dropout on the adapter's input, from 0 to below 1. In a row
            of a prefix tree the branches share their prefix, and so its dropout mask.
        target_modules: Names of the layers to adapt, whole or their ends after a dot, or
            ``"all-linear"``. Where a model has none of the default names, or not those of its
            attention, all its linear layers are adapted, and the log says so; a name that was
            given and that the model lacks is refused.
        init_lora_weights: How the adapter begins: ``True`` (it changes nothing yet), or
            ``"pissa"``, ``"pissa_niter_4"``, ``"olora"``, which compute its initial weights from
            the base model's. The adapter is saved so that it fits the base model as it was; it
            then has twice the rank. Initialisations that need data, or that change the base
            model's weights (``"loftq"``, ``"corda"``, ``"eva"``), are refused, as are fields
            whose adapter could not be merged or detached exactly.
        loraplus_lr_ratio: LoRA+: the learning rate of ``B`` divided by that of ``A``, at least 1;
            ``None`` gives both the same.
    """

    library_fields = LoraConfigFields
    library_source = ("peft", "tuners/lora/config.py", "LoraConfig")
    refused_fields = REFUSED_LORA

    r: int = Field(default=32, gt=0)
    lora_alpha: int = Field(default=16, gt=0)
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    target_modules: Names | str = Field(
        default=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
    )
    init_lora_weights: bool | str = True
    loraplus_lr_ratio: float | None = Field(default=None, ge=1)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            r: int = 32,
            lora_alpha: int = 16,
            lora_dropout: float = 0.05,
            target_modules: Sequence[str] | str = (
                "q_proj",
                "k_proj",
                "v_proj",
                "o_proj",
                "gate_proj",
                "up_proj",
                "down_proj",
            ),
            init_lora_weights: bool | str = True,
            loraplus_lr_ratio: float | None = None,
            **library_fields: Unpack[LoraConfigFields],
        ) -> None: ...

    @property
    def changes_base(self) -> bool:
        """Whether the adapter's first weights are taken out of the base model's."""
        return str(self.init_lora_weights).startswith(("pissa", "olora"))

    def _check(self) -> None:
        super()._check()
        if not INITIALISATIONS.fullmatch(str(self.init_lora_weights)):
            raise SettingsError(
                f"LoraSettings(init_lora_weights={self.init_lora_weights!r}): expected True, "
                "False, 'gaussian', 'orthogonal', 'pissa', 'pissa_niter_4' (any number) or 'olora'"
            )
        self._check_token_indices()
        if self.changes_base and (lost := self._lost_by_conversion()):
            raise SettingsError(
                f"LoraSettings(init_lora_weights={self.init_lora_weights!r}) cannot be joined "
                f"with {', '.join(lost)}: the saved adapter would be another model than was trained"
            )

    def _check_token_indices(self) -> None:
        """Refuse ids that peft would update in another order, or not at all."""
        given = (self.model_extra or {}).get("trainable_token_indices")
        for ids in given.values() if isinstance(given, dict) else [given or ()]:
            plain = all(type(index) is int and index >= 0 for index in ids)
            if not plain or len(set(ids)) < len(ids):
                raise SettingsError(
                    f"LoraSettings(trainable_token_indices={given!r}): expected ids of tokens, "
                    "each 0 or more, without repetition"
                )

    def _lost_by_conversion(self) -> list[str]:
        """Fields that peft's conversion drops: it keeps A and B only, and scales them all alike."""
        extra = self.model_extra or {}
        lost = ["use_dora", "modules_to_save", "trainable_token_indices"]
        if extra.get("use_rslora"):
            lost += ["rank_pattern", "alpha_pattern"]
        named = [name for name in lost if extra.get(name)]
        return [*named, "bias"] if extra.get("bias", "none") != "none" else named


class TrainingSettings(_LibrarySettings):
    """A run by the names of transformers' ``TrainingArguments``; its other fields work as well.

    The few that would be passed over, or would undo what is promised here, are refused with a
    reason. The first eight fields below are meant for models of about 3 billion parameters.

    Attributes:
        per_device_train_batch_size: Times ``max_length``, the token budget of a forward pass,
            however many questions that is. A question that exceeds it by more than half is cut
            between its candidates.
        gradient_accumulation_steps: Times the batch size, how many questions a step learns from.
        num_train_epochs: How often the training questions are gone through.
        learning_rate: The highest learning rate, which is reached after the warm-up.
        save_steps: Steps between checkpoints.
        eval_steps: Steps between evaluations on the validation questions. Each epoch's end has
            one as well, and the only one with ``eval_strategy="no"``.
        logging_steps: Steps between records in the history.
        max_length: The most tokens of a prompt with its answer; longer ones lose the end of
            their passage.
        per_device_eval_batch_size: The same as ``per_device_train_batch_size``, for evaluation.
        lr_scheduler_type: How the learning rate falls after the warm-up, by transformers' name.
        warmup_steps: Warm-up steps: the learning rate rises to its highest value during these.
        max_grad_norm: Gradients with a larger norm are scaled down to it.
        report_to: Names of transformers' logging integrations, or ``"none"``.
        seed: Decides the order of the passages, dropout and the adapter's first weights.
        packing: ``"tree"`` computes what questions share once, ``"flat"`` gives each sequence a
            row of its own. Loss and gradients are the same.
        objective: ``"next_token"``: cross-entropy of the right answer's tokens and its end.
            ``"contrastive"``: cross-entropy of the right candidate among all candidates of its
            question, by the scores that the predictor compares.
        valid_metric: What the best adapter is chosen by, on the validation questions.
        early_stopping_patience: Stop after this many evaluations in a row without a better
            ``valid_metric``; ``None`` never stops early.
        shuffle_options: Whether each epoch shows the options of a question in another order, the
            key moved along.
        dtype: Dtype of the base model's weights; ``"auto"`` takes the dtype that the device is
            fast in, if it is proven on the first questions, else float32. Whether a CPU is fast in
            bfloat16 is measured. The adapter, its optimizer and the loss are in float32.
    """

    library_fields = TrainingArgumentsFields
    library_source = ("transformers", "training_args.py", "TrainingArguments")
    refused_fields = REFUSED

    per_device_train_batch_size: int = Field(default=1, gt=0)
    gradient_accumulation_steps: int = Field(default=8, gt=0)
    num_train_epochs: float = Field(default=2, gt=0)
    learning_rate: float = Field(default=1e-4, gt=0)
    save_steps: int = Field(default=1000, gt=0)
    eval_steps: int = Field(default=500, gt=0)
    logging_steps: int = Field(default=100, gt=0)
    max_length: int = Field(default=512, gt=8)
    per_device_eval_batch_size: int = Field(default=4, gt=0)
    lr_scheduler_type: SchedulerName = "linear"
    warmup_steps: int = Field(default=0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    report_to: str | Names = "none"
    seed: int = 42
    packing: Packing = "tree"
    objective: Objective = "next_token"
    valid_metric: Literal["accuracy", "loss"] = "accuracy"
    early_stopping_patience: int | None = Field(default=None, gt=0)
    shuffle_options: bool = False
    dtype: DtypeName = "auto"

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            per_device_train_batch_size: int = 1,
            gradient_accumulation_steps: int = 8,
            num_train_epochs: float = 2,
            learning_rate: float = 1e-4,
            save_steps: int = 1000,
            eval_steps: int = 500,
            logging_steps: int = 100,
            max_length: int = 512,
            per_device_eval_batch_size: int = 4,
            lr_scheduler_type: SchedulerName = "linear",
            warmup_steps: int = 0,
            max_grad_norm: float = 1.0,
            report_to: str | Sequence[str] = "none",
            seed: int = 42,
            packing: Packing = "tree",
            objective: Objective = "next_token",
            valid_metric: Literal["accuracy", "loss"] = "accuracy",
            early_stopping_patience: int | None = None,
            shuffle_options: bool = False,
            dtype: DtypeName = "auto",
            **library_fields: Unpack[TrainingArgumentsFields],
        ) -> None: ...

    @property
    def questions_per_step(self) -> int:
        """Questions that one optimizer step of one process learns from."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps

    @property
    def train_budget(self) -> int:
        """Token budget of a forward pass in training."""
        return self.per_device_train_batch_size * self.max_length

    @property
    def eval_budget(self) -> int:
        """Token budget of a forward pass in evaluation on the validation questions."""
        return self.per_device_eval_batch_size * self.max_length


class QuantizationSettings(_Settings):
    """Loading the base model in 4 or 8 bits, to train LoRA on it and answer with less memory.

    Attributes:
        kind: ``"nf4"`` (4 bits, as in QLoRA) or ``"int8"`` (LLM.int8(), whose products take their
            input in fp16, whatever the dtype).
        double_quant: Whether the scales of nf4 are quantised as well.
    """

    kind: Literal["nf4", "int8"] = "nf4"
    double_quant: bool = True


class ScoreSettings(_Settings):
    """Answering by the scores of all candidates: what belongs to that mode alone.

    Attributes:
        packing: ``"tree"`` computes what questions share once, ``"flat"`` gives each candidate a
            row of its own. The scores are the same.
        orders: In how many orders the options of a question are shown: the given one, then its
            cyclic shifts, then others by chance. An answer has the highest mean of the orders'
            log-probabilities. ``"prior"`` shows the options of a few questions in two orders,
            estimates from them how probable each label is whatever stands behind it, and divides
            that out of all answers (after PriDe; Zheng et al., 2024).
        prior_share: With ``orders="prior"``, the share of the questions that the prior is
            estimated on; 20 questions at least.
        seed: With several orders, decides those that are drawn by chance; with
            ``orders="prior"``, which questions the prior is estimated on.
    """

    packing: Packing = "tree"
    orders: Annotated[int, Field(ge=1, le=MAX_ORDERS)] | Literal["prior"] = 1
    prior_share: float = Field(default=0.05, gt=0, le=1)
    seed: int = 42


class GenerateSettings(_LibrarySettings):
    """Answering by a generated reply that a parser reads: what belongs to that mode alone.

    Replies are decoded greedily. Nothing of the model's own ``generation_config`` is used but the
    ids that end a reply. Other decoding is set by the fields of transformers' ``GenerationConfig``,
    as in ``GenerateSettings(repetition_penalty=1.1)``. Those that would have no effect, or would
    contradict what is promised here, are refused with a reason. With ``constrain`` they apply to
    the reasoning; the answer is decoded greedily among the candidates.

    Attributes:
        parser: How replies are read: a registered name or an instance.
        max_new_tokens: The most tokens of a reply; fewer where the model has no positions for
            more.
        constrain: Whether a reply may only be one of the question's candidates.
        reasoning_tokens: With ``constrain``, the most tokens that the model may write freely
            before its answer.
    """

    library_fields = GenerationConfigFields
    library_source = ("transformers", "generation/configuration_utils.py", "GenerationConfig")
    refused_fields = REFUSED_GENERATION

    parser: str | Parser = "zh"
    max_new_tokens: int = Field(default=256, gt=0)
    constrain: bool = False
    reasoning_tokens: int = Field(default=0, ge=0)

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            parser: str | Parser = "zh",
            max_new_tokens: int = 256,
            constrain: bool = False,
            reasoning_tokens: int = 0,
            **library_fields: Unpack[GenerationConfigFields],
        ) -> None: ...

    @property
    def generation_fields(self) -> dict[str, Any]:
        """The fields of transformers' ``GenerationConfig`` that were given, as json holds them."""
        given = {k: v for k, v in (self.model_extra or {}).items() if v is not None}
        fields: dict[str, Any] = TypeAdapter(Any).dump_python(given, mode="json")
        return {k: v for k, v in fields.items() if k not in REFUSED_GENERATION}

    def _check(self) -> None:
        super()._check()
        if not isinstance(self.parser, str) and not callable(getattr(self.parser, "parse", None)):
            raise SettingsError(
                f"GenerateSettings(parser={self.parser!r}): expected the name of a parser or an "
                "object with a method parse(text, question)"
            )
        if self.reasoning_tokens and not self.constrain:
            raise SettingsError(
                f"GenerateSettings(reasoning_tokens={self.reasoning_tokens}) needs "
                "constrain=True: a reply that is not constrained may reason as it likes, within "
                "max_new_tokens"
            )
        problems = list(self._passed_over())
        if problems:
            raise SettingsError("; ".join(problems))

    def _passed_over(self) -> Iterator[str]:
        """What is wrong with fields that would have no effect together with the others."""
        fields = self.generation_fields

        def problem(name: str, reason: str) -> str:
            return f"GenerateSettings({name}={fields[name]!r}): {reason}"

        longest = self.reasoning_tokens if self.constrain else self.max_new_tokens
        for name, value in fields.items():
            if (name, value) in (("do_sample", False), ("num_beams", 1)):
                continue
            if self.constrain and not self.reasoning_tokens and name not in COMPUTING_FIELDS:
                yield problem(
                    name,
                    "with constrain=True it applies to the reasoning only, since the answer is "
                    "decoded greedily: give reasoning_tokens as well, or leave it out",
                )
            elif name in SAMPLING_FIELDS and not fields.get("do_sample"):
                yield problem(name, "it needs do_sample=True: otherwise decoding is greedy")
            elif name in BEAM_FIELDS and fields.get("num_beams", 1) < 2:
                yield problem(name, "it needs num_beams of 2 or more")
            elif name == "min_new_tokens" and value > longest:
                yield problem(name, f"expected at most {longest}, the most tokens of a reply")
            elif name.startswith("cache_") and fields.get("use_cache") is False:
                yield problem(name, "it needs a cache, but use_cache=False was given")
            elif value == "paged":
                yield problem(name, "batches are made by batch_size of MCQPredictor")


def _no_field(settings: type[_Settings], name: str, known: set[str]) -> str:
    """Say that ``name`` is no field, and which may be meant; documented ones come first."""
    wanted = name.casefold()
    usual = OTHER_NAMES.get(wanted, "")
    documented = [
        field
        for field in settings.model_fields
        if field == usual or (len(wanted) > 2 and wanted in field)
    ]
    near = documented or difflib.get_close_matches(wanted, sorted(known), n=1, cutoff=0.55)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{settings.__name__} has no field {name!r}{hint}"
