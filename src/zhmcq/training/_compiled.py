"""Decoder layers compiled by torch: what is neither product nor attention goes through memory once.

Norms, gates, activation functions and rotary positions are dozens of small operations a layer, each
of which reads and writes as much as the layer's output. torch joins them into a few. Numbers are
rounded differently then, and nothing else may change: before a run begins, each layer computes
once compiled and once as it is, with gradients, and the two are compared.

Layers of one class share what is compiled, for rows of any number and length; passes of a single
row are compiled separately.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_map

from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import SettingsError
from zhmcq.modeling._forward import base_of
from zhmcq.modeling._memory import is_out_of_memory
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.modeling._support import tree_reason
from zhmcq.settings import Packing
from zhmcq.training._gradients import random_state

__all__ = ["compiled_layers", "prove_compiled"]

SAMPLE = 8  # questions: more than one row, in a few passes
# The greatest difference that is rounding, as a share of the size of what is compared.
TOLERANCE = {torch.float32: 1e-3}
TOLERANCE_OF_16_BITS = 0.05
# Kinds of passes times kinds of layers: beyond that many torch goes on without compiling.
MOST_VARIANTS = 64
MAX_QUOTED = 300
REMEDY = "leave torch_compile out"

Call = tuple[tuple[Any, ...], Mapping[str, Any]]


def prove_compiled(model: Any, questions: Sequence[EncodedQuestion], packing: Packing) -> None:
    """Compile the decoder layers, and compare what they compute with what they compute as they are.

    Args:
        model: The model with its new adapter.
        questions: The training questions; the layers read the first few.
        packing: How they are packed into rows.

    Raises:
        SettingsError: If the model has no layers of transformers' kind, or cannot read prefix-tree
            rows, as recurrent ones; if torch cannot compile its layers; if compiled ones compute
            something else.
    """
    base = base_of(model)
    if (reason := tree_reason(base)) is not None:
        raise _refusal("a model that can read prefix-tree rows", reason)
    layers = _decoder_layers(model)
    if not layers:
        raise _refusal("decoder layers of transformers", f"none in {type(base).__name__}")
    engine = ScoringEngine(model, packing)
    calls = _first_calls(layers, lambda: engine.scores(questions[:SAMPLE]))
    restore = random_state(next(model.parameters()).device)
    training = model.training
    model.train()  # with dropout, as in the steps: else torch compiles once more for these
    try:
        with _settings():
            for layer, (args, kwargs) in calls.items():
                _prove(layer, args, kwargs)
                if len(args[0]) > 1:
                    _prove(layer, *_first_row(args, kwargs))
    finally:
        model.train(training)
        restore()


@contextlib.contextmanager
def compiled_layers(model: Any) -> Iterator[None]:
    """In the block, the decoder layers of a model compute compiled wherever they learn.

    Args:
        model: A model for which :func:`prove_compiled` returned.
    """
    layers = _decoder_layers(model)
    before = [layer.__dict__.get("forward") for layer in layers]
    with _settings():
        for layer in layers:
            layer.forward = _CompiledForward(layer)
        try:
            yield
        finally:
            for layer, forward in zip(layers, before, strict=True):
                del layer.forward
                if forward is not None:
                    layer.forward = forward
            torch._dynamo.reset()  # else what was compiled stays in memory


class _CompiledForward:
    """The forward pass of one layer: compiled where it learns, else as it is."""

    def __init__(self, layer: Any) -> None:
        self._forward = layer.forward
        self._compiled = _compile(layer.forward)
        self._trains = any(parameter.requires_grad for parameter in layer.parameters())

    def __call__(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """The layer's output."""
        learns = torch.is_grad_enabled() and (self._trains or hidden_states.requires_grad)
        if not learns:
            return self._forward(hidden_states, *args, **kwargs)
        if not hidden_states.requires_grad:
            # The first layer that is trained would be compiled separately, for half a minute.
            hidden_states = hidden_states.detach().requires_grad_()
        try:
            return self._compiled(hidden_states, *args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            raise _not_compiled(error) from error


@contextlib.contextmanager
def _settings() -> Iterator[None]:
    import torch._dynamo

    with torch._dynamo.config.patch(recompile_limit=MOST_VARIANTS):
        yield


def _compile(forward: Callable[..., Any]) -> Callable[..., Any]:
    # With torch's own random numbers dropout is the same as without compiling.
    return torch.compile(
        forward, dynamic=True, options={"fallback_random": True}
    )


def _decoder_layers(model: Any) -> list[Any]:
    from transformers.modeling_layers import GradientCheckpointingLayer as DecoderLayer

    return [module for module in model.modules() if isinstance(module, DecoderLayer)]


def _first_calls(layers: Sequence[Any], compute: Callable[[], object]) -> dict[Any, Call]:
    """What each layer is given in its first call, copied; the hidden states stand first."""
    calls: dict[Any, Call] = {}

    def keep(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if layer not in calls:
            named = dict(kwargs)
            if not args:
                args = (named.pop("hidden_states"),)
            calls[layer] = (args, named)

    handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
    try:
        compute()
    finally:
        for handle in handles:
            handle.remove()
    # Copied afterwards: what is made where no gradients are wanted cannot have any.
    return {
        layer: tree_map(lambda part: part.clone() if torch.is_tensor(part) else part, call)
        for layer, call in calls.items()
    }


def _first_row(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
    """A call with the first of its rows only."""
    rows = len(args[0])

    def first(part: Any) -> Any:
        return part[:1] if torch.is_tensor(part) and part.shape[:1] == (rows,) else part

    return tree_map(first, args), tree_map(first, dict(kwargs))


def _prove(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse a layer that cannot be compiled, or computes something else when it is."""
    hidden, *others = args
    trained = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    zero = [parameter for parameter in trained if not parameter.any()]
    restore = random_state(hidden.device)
    with torch.no_grad():  # a new adapter adds nothing, which any code would compute
        for parameter in zero:
            parameter.normal_(std=0.02)
    numbers = []
    try:
        for forward in (layer.forward, _compile(layer.forward)):
            restore()
            numbers.append(_numbers(forward, hidden, others, kwargs, trained))
    except (RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            raise
        raise _not_compiled(error) from error
    finally:
        with torch.no_grad():
            for parameter in zero:
                parameter.zero_()
    tolerance = TOLERANCE.get(hidden.dtype, TOLERANCE_OF_16_BITS)
    differences = [_difference(*pair) for pair in zip(*numbers, strict=True)]
    if not all(difference <= tolerance for difference in differences):
        raise _refusal(
            "of compiled layers the numbers that they compute as they are",
            f"others (differences of {', '.join(f'{share:.2g}' for share in differences)} of "
            f"their size; {tolerance:g} would be rounding)",
        )


def _numbers(
    forward: Callable[..., Any],
    hidden: torch.Tensor,
    others: Sequence[Any],
    kwargs: Mapping[str, Any],
    trained: Sequence[torch.nn.Parameter],
) -> list[torch.Tensor]:
    """What a layer adds to its input, the gradient of its input, and those of what is trained.

    They are gradients of half the sum of the squares of what it computes.
    """
    hidden = hidden.detach().requires_grad_()
    output = forward(hidden, *others, **kwargs)
    first = output[0] if isinstance(output, tuple) else output
    gradients = torch.autograd.grad(
        first, [hidden, *trained], first.detach(), materialize_grads=True
    )
    together = [torch.cat([part.flatten() for part in gradients[1:]])] if trained else []
    return [(first - hidden).detach(), gradients[0], *together]


def _difference(expected: torch.Tensor, computed: torch.Tensor) -> float:
    """How far numbers are from others, as a share of their size."""
    size = torch.linalg.vector_norm(expected.float())
    difference = torch.linalg.vector_norm(computed.float() - expected.float())
    return float(difference / size) if size else float(difference)


def _not_compiled(error: Exception) -> SettingsError:
    reason = " ".join(str(error).split())[:MAX_QUOTED]
    return _refusal(
        "that torch can compile the model's layers, for which a CPU needs a C++ compiler",
        f"{type(error).__name__}: {reason}",
    )


def _refusal(expected: str, reality: str) -> SettingsError:
    return SettingsError(
        f"TrainingSettings(torch_compile=True): expected {expected}, found {reality}: {REMEDY}"
    )
