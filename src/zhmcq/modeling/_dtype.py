"""The dtype that a model computes in: chosen by the device, and proven on the first questions.

A model that was trained in bf16 may have activations beyond the largest number of fp16, 65,504:
Gemma 3 270M gives NaN from its eighth layer on. Others saturate and give finite scores that are
wrong. So training, scoring, generation and merging all use :class:`DtypeChoice`, which accepts a
dtype only if the log-likelihoods of real text in it are near those of fp32 arithmetic. On a CPU
bf16 is tried where it was measured to be faster (:mod:`zhmcq.modeling._probe`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch

from zhmcq._phrases import records
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import collate
from zhmcq.encoding._tree import PackedRow, plain_row
from zhmcq.errors import ModelError
from zhmcq.modeling._device import choose_device, dtype_name, dtypes_to_try
from zhmcq.modeling._forward import FORWARD_ERRORS, evaluated, token_log_likelihoods
from zhmcq.modeling._load import ModelSource, load_tokenizer, load_weights, quantization_config
from zhmcq.modeling._memory import free_memory, once_more
from zhmcq.modeling._probe import ENOUGH, bf16_speed
from zhmcq.settings import DtypeName, QuantizationSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "DtypeChoice",
    "ProvenModel",
    "load_model",
    "load_proven",
    "sample_questions",
]

logger = logging.getLogger(__name__)

QUESTIONS = 4  # of the first questions, what the proof computes
ROW = 1024  # tokens of a row at most: fp16 overflows at a prompt's beginning, where it does at all
SCORED = 32  # tokens at the end of each row whose log-likelihoods are compared

# The largest mean difference of a token's log-likelihood, in nats, to fp32 arithmetic on the same
# weights. Gemma 3 270M, whose activations are large, differs in bf16 by 0.025 on average (0.042 in
# the worst of 8 rows, 0.24 at the worst token); a mean over rows varies little, so rounding does
# not reach eight times that. fp16 has three bits more, and its limit is an eighth of it. A model
# whose activations saturate differs by one and more: it predicts other text.
TOLERANCE = {torch.bfloat16: 0.2, torch.float16: 0.025}

SAMPLE = (
    "閱讀下面的文章，選出最適當的答案。文章：春天到了，小明和家人一起到山上賞花。山路兩旁開滿了"
    "櫻花，遠遠望去像一片粉紅色的雲。問題：小明和家人到哪裡賞花？(A)海邊 (B)山上 (C)公園 (D)學校"
    "。答案：B"
)


@dataclass(frozen=True, slots=True)
class ProvenModel:
    """A base model in a dtype that it was proven to work in.

    Attributes:
        model: The model, in evaluation mode.
        dtype: The dtype of its weights; of a quantised model, the one that it computes in.
    """

    model: PreTrainedModel
    dtype: torch.dtype


class DtypeChoice:
    """The dtype to load a model in, which changes to the next one if it proves unfit.

    Args:
        dtype: A dtype by name, or ``"auto"`` for the device's candidates in their order.
        device: The device that the model is to be on.
        recorded: With ``"auto"``, the name of the dtype that an earlier part of the same work
            was done in; it is then the only candidate.
        speed: With ``"auto"`` on a CPU, how many times as fast as fp32 bf16 was measured to be;
            from 1.3 on it is the first candidate. ``None`` if it was not measured.

    Attributes:
        current: The dtype to load the model in.
        proven: Whether the model was found to work in it.

    Raises:
        SettingsError: If there is no such dtype.
    """

    def __init__(
        self,
        dtype: DtypeName,
        device: torch.device,
        recorded: DtypeName | None = None,
        *,
        speed: float | None = None,
    ) -> None:
        self.name = dtype
        self.device = device
        recorded = recorded if dtype == "auto" else None
        self._candidates = dtypes_to_try(recorded or dtype, device)
        self._speed: float | None = None  # what the dtype was chosen by
        if speed is not None and dtype == "auto" and recorded is None:
            self._speed = speed
            if speed >= ENOUGH:
                others = (c for c in self._candidates if c != torch.bfloat16)
                self._candidates = (torch.bfloat16, *others)
        self.proven = False

    @property
    def current(self) -> torch.dtype:
        """The dtype to load the model in."""
        return self._candidates[0]

    def accepts(self, model: Any, questions: Sequence[EncodedQuestion]) -> bool:
        """Whether the model works in the current dtype; if not, ``current`` becomes the next one.

        fp32 is accepted without a comparison, and once a dtype is accepted nothing is computed any
        more. A log line says which dtype is used, or why it is not and which is next.

        Args:
            model: The model, in the dtype ``current``, with or without an adapter on it.
            questions: The first questions that it is used on; one or more.

        Raises:
            ModelError: If it does not work, and there is no other dtype to try.
        """
        if self.proven:
            return True
        # Scores that are not finite in fp32 are refused where they are computed, with the ids of
        # their questions.
        fault = _fault(model, self.current, questions) if self.current in TOLERANCE else None
        if fault is None:
            self.proven = True
            name = dtype_name(self.current)
            reason = "" if self._speed is None else records.bf16_is_faster(self._speed)
            logger.info("%s", records.computes_in(name, self.device, reason))
            return True
        name, others = dtype_name(self.current), self._candidates[1:]
        if not others:
            raise ModelError(f"the model cannot be used in dtype {name!r}: {fault}. {self._remedy}")
        logger.warning(
            "the model cannot be used in %s, in which this device is fast (%s): it is loaded again "
            "in %s",
            name,
            fault,
            dtype_name(others[0]),
        )
        self._candidates = others
        return False

    @property
    def _remedy(self) -> str:
        if self.name == "auto":
            return (
                "The earlier part of this work was computed in this dtype: start anew, or continue "
                "it on the machine where it was begun"
            )
        return "Give dtype='float32', or dtype='auto' for a dtype that is proven first"


def load_proven(
    source: ModelSource,
    questions: Sequence[EncodedQuestion],
    *,
    dtype: DtypeName,
    device: torch.device,
    quantization: QuantizationSettings | None = None,
    recorded: DtypeName | None = None,
    speed: float | None = None,
) -> ProvenModel:
    """Load a base model in a dtype that works on the first questions.

    Args:
        source: Where it comes from.
        questions: The first questions that it is used on; without any, a built-in one is used.
        dtype: A dtype by name, or ``"auto"`` for the device's candidates in their order.
        device: Where to put it.
        quantization: How to quantise it; ``None`` leaves it as it is stored.
        recorded: With ``"auto"``, the name of the dtype that an earlier part of the same work
            was done in.
        speed: With ``"auto"``, what :func:`bf16_speed` measured; ``None`` leaves a CPU at fp32,
            as merging does: it computes little, and what it saves is rounded for good.

    Raises:
        ModelError: If it cannot be loaded, or works in none of these dtypes.
        GatedModelError: If the model's owner has to grant access first.
        SettingsError: If there is no such dtype.
    """
    questions = questions or sample_questions(load_tokenizer(source))
    choice = DtypeChoice(dtype, device, recorded, speed=speed)
    while True:
        model = load_weights(
            source,
            dtype=choice.current,
            device=device,
            quantization=quantization and quantization_config(quantization, choice.current),
        )
        if choice.accepts(model, questions):
            return ProvenModel(model, choice.current)
        del model
        free_memory()  # before the weights are read a second time


def load_model(
    source: ModelSource, *, dtype: DtypeName = "auto", device: torch.device | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer; see :func:`load_proven`.

    Raises:
        ModelError: If either cannot be loaded.
        GatedModelError: If the model's owner has to grant access first.
    """
    tokenizer = load_tokenizer(source)
    device = choose_device() if device is None else device
    proven = load_proven(
        source,
        sample_questions(tokenizer),
        dtype=dtype,
        device=device,
        speed=bf16_speed(source, dtype=dtype, device=device),
    )
    return proven.model, tokenizer


def sample_questions(tokenizer: PreTrainedTokenizerBase) -> list[EncodedQuestion]:
    """A question to prove a dtype on, where there are no others."""
    ids: list[int] = list(tokenizer(SAMPLE)["input_ids"])
    return [
        EncodedQuestion(
            id="sample",
            passage="",
            prompt=tuple(ids[:-1]),
            candidates=(tuple(ids[-1:]),),
            answers=((0,),),
            target=None,
            normalization="sum",
        )
    ]


def _fault(model: Any, dtype: torch.dtype, questions: Sequence[EncodedQuestion]) -> str | None:
    """What is wrong with the model's log-likelihoods in ``dtype``, or ``None``."""
    rows = [_row(question) for question in questions[:QUESTIONS]]
    results = []
    for question, row in zip(questions, rows, strict=False):
        try:
            results.append(once_more(partial(_log_likelihoods, model, row)))
        except FORWARD_ERRORS as error:
            return f"its forward method raises {type(error).__name__}: {error}"
        if not results[-1].isfinite().all():
            return f"its log-likelihoods are not finite, as of question {question.id!r}"
    return _difference(model, dtype, rows, torch.cat(results))


def _difference(
    model: Any, dtype: torch.dtype, rows: Sequence[PackedRow], computed: torch.Tensor
) -> str | None:
    """Why log-likelihoods in ``dtype`` are too far from those in fp32, or ``None``."""

    def in_float32() -> torch.Tensor:
        with _WeightsInFloat32(model):
            return torch.cat([_log_likelihoods(model, row) for row in rows])

    try:
        exact = once_more(in_float32)
    except (*FORWARD_ERRORS, MemoryError) as error:
        # Kernels for 16-bit numbers only (some quantised models), or no memory is left.
        reason = f"in which its forward method raises {type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            reason = "for which there is too little memory"
        logger.warning(
            "the model's log-likelihoods in %s are finite, but cannot be compared with float32, %s",
            dtype_name(dtype),
            reason,
        )
        return None
    difference = float((computed - exact).abs().mean())
    if difference <= TOLERANCE[dtype]:
        return None
    return (
        f"the log-likelihood of a token differs from float32 arithmetic by {difference:.2g} on "
        f"average, expected {TOLERANCE[dtype]} or less"
    )


def _row(question: EncodedQuestion) -> PackedRow:
    """The beginning of the question in a row of its own, of which the last tokens are scored."""
    ids = (*question.prompt, *question.candidates[0])[:ROW]
    return plain_row(ids, min(SCORED, len(ids) - 1))


def _log_likelihoods(model: Any, row: PackedRow) -> torch.Tensor:
    """Of the scored tokens of a row, computed as every causal model reads it; on the CPU."""
    batch = collate([row], "equal").to(model.device)
    return evaluated(model, lambda: token_log_likelihoods(model, batch).cpu())


class _WeightsInFloat32(contextlib.AbstractContextManager["_WeightsInFloat32"]):
    """Lets forward passes compute in fp32, without a second copy of the weights.

    Hooks convert the weights to fp32 before they are used and put the same tensors back afterwards:
    those of a layer while it runs, and those of each other module (embedding, last norm, head)
    while that one runs. Since the embedding gives fp32, so does everything after it; what a model
    converts to the dtype of a module's weights before it calls that module is converted back. At no
    time is more than a layer or the head in memory twice; on a CPU a layer, and embedding and head.

    In a quantised model, weights of 4 bits stay as they are and are multiplied in fp32
    (bitsandbytes reads the dtype from its layer's ``compute_dtype``), so that the arithmetic is
    compared and not the quantisation. bitsandbytes' 8-bit layers compute in int8 and fp16 for every
    input dtype; there the comparison covers everything around them.

    Args:
        model: The model, whose weights are as they were when the block ends, also by an error.
    """

    def __init__(self, model: Any) -> None:
        self._blocks = _blocks(model)
        inside = {id(part) for block in self._blocks for part in block.modules()}
        self._others = [part for part in model.modules() if id(part) not in inside]
        self._quantised = {
            part: part.compute_dtype
            for part in model.modules()
            if getattr(part, "compute_dtype", None) in TOLERANCE
        }
        self._saved: dict[Any, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        self._copies: dict[torch.Tensor, torch.Tensor] = {}
        self._hooks = contextlib.ExitStack()

    def __enter__(self) -> Self:
        for layer in self._quantised:
            layer.compute_dtype = torch.float32
        for recurse, parts in ((True, self._blocks), (False, self._others)):
            for part in parts:
                enter = partial(self._enter, recurse=recurse)
                self._hooks.callback(part.register_forward_pre_hook(enter).remove)
                self._hooks.callback(part.register_forward_hook(self._leave).remove)
        return self

    def __exit__(self, *_error: object) -> None:
        self._hooks.close()
        self._copies.clear()
        for module in list(reversed(self._saved)):  # of a forward pass that failed
            self._leave(module)
        for layer, dtype in self._quantised.items():
            layer.compute_dtype = dtype

    def _enter(self, module: Any, inputs: tuple[Any, ...], *, recurse: bool) -> tuple[Any, ...]:
        tensors = [*module.parameters(recurse), *module.buffers(recurse)]
        self._saved[module] = [
            (tensor, tensor.data) for tensor in tensors if tensor.dtype in TOLERANCE
        ]
        for tensor, data in self._saved[module]:
            # On a CPU new memory is slower than arithmetic. The table of a large vocabulary is
            # converted once for all rows, and for embedding and head where they share it.
            lasts = not recurse and data.device.type == "cpu"
            tensor.data = self._copies.get(tensor, data) if lasts else data
            tensor.data = tensor.data.float()
            if lasts:
                self._copies[tensor] = tensor.data
        return tuple(
            value.float() if isinstance(value, torch.Tensor) and value.dtype in TOLERANCE else value
            for value in inputs
        )

    def _leave(self, module: Any, *_arguments: Any) -> None:
        for tensor, data in self._saved.pop(module, ()):
            tensor.data = data


def _blocks(model: Any) -> list[Any]:
    """The layers: what is listed in a ``ModuleList`` that is in no other.

    A layer may use the weights of its submodules without calling them (experts, convolutions), so
    its weights have to be converted together.
    """
    lists = {
        name: part for name, part in model.named_modules() if isinstance(part, torch.nn.ModuleList)
    }
    outer = [
        part
        for name, part in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists if other != name)
    ]
    return list(dict.fromkeys(block for part in outer for block in part))
