"""What is watched while a run goes on: its time, its numbers, and Ctrl-C."""

from __future__ import annotations

import contextlib
import logging
import math
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

import torch
from transformers import TrainerCallback

from zhmcq.encoding.encode import EncodedQuestion
from zhmcq.errors import CheckpointError, TrainingError
from zhmcq.training.metrics import Scored

__all__ = [
    "StopOnInterrupt",
    "TimedSteps",
    "refuse_non_finite",
    "refuse_spoilt_scores",
    "refuse_spoilt_weights",
    "resuming",
]

logger = logging.getLogger(__name__)

TIMED = 3  # steps, after a first one that warms up
MAX_SHOWN = 20
REMEDY = (
    "lower learning_rate, or train in dtype='float32' (another run: overwrite=True, or another "
    "output_dir)"
)


class TimedSteps(TrainerCallback):
    """Logs how long the run will take, once its first steps are done."""

    def __init__(self) -> None:
        self._done = 0
        self._start = self._seconds = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start the clock."""
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Stop the clock, and tell once it has been read often enough."""
        if 0 < self._done <= TIMED:
            self._seconds += time.perf_counter() - self._start
        if self._done == TIMED and state.is_world_process_zero:
            each, left = self._seconds / TIMED, state.max_steps - state.global_step
            logger.info(
                "about %.3g minutes for the %d steps that are left (%.3g s each, timed on %d), "
                "evaluations not counted",
                left * each / 60,
                left,
                each,
                TIMED,
            )
        self._done += 1


class StopOnInterrupt(TrainerCallback):
    """While the block runs, Ctrl-C ends training after the present step, with a checkpoint.

    A second Ctrl-C ends it at once. Where Ctrl-C has been given another meaning, or in a launched
    run of several processes (whose launcher ends them), it keeps that.

    Args:
        trainer: The trainer to stop.
        go_on: How a call goes on from the checkpoint.

    Raises:
        KeyboardInterrupt: At the block's end, if the run was stopped; it says how to resume.
    """

    def __init__(self, trainer: Any, go_on: str) -> None:
        self._trainer = trainer
        self._go_on = go_on
        self._asked = False
        self._ours = False

    def __enter__(self) -> Self:
        self._ours = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and self._trainer.args.world_size == 1
        )
        if self._ours:
            self._trainer.add_callback(self)
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._ours:
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        state = self._trainer.state
        if self._asked and kind is None and state.global_step < state.max_steps:
            raise KeyboardInterrupt(
                f"training was stopped after step {state.global_step} of {state.max_steps}; a "
                f"checkpoint was saved, and {self._go_on}"
            )

    def _ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        logger.warning(
            "training stops after the present step, with a checkpoint; Ctrl-C once more stops it "
            "at once, without one"
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Have the step saved and training stopped, if that was asked for."""
        if self._asked:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave out what belongs to the end of a whole epoch."""
        if self._asked:
            # The epoch is cut short: what the uninterrupted run does not evaluate, this one
            # must not either, or another adapter might be kept.
            control.should_evaluate = control.should_save = False


def refuse_non_finite(
    loss: torch.Tensor, trainer: Any, questions: Sequence[EncodedQuestion]
) -> None:
    """Stop a run before a step that would spoil its weights.

    Args:
        loss: Of the step.
        trainer: Whose model has the step's gradients.
        questions: What the step learns from.

    Raises:
        TrainingError: If the loss or, without a scaler of fp16 losses, a gradient is not finite.
    """
    found = None
    if not torch.isfinite(loss):
        found = f"the loss is {float(loss)}"
    elif trainer.accelerator.scaler is None:
        for name, parameter in trainer.model.named_parameters():
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                found = f"a gradient of {name} is not finite"
                break
    if found is None:
        return
    raise TrainingError(
        f"step {trainer.state.global_step + 1}: {found}. The step was not taken, and the "
        "checkpoints before it are whole. This process's questions of it: "
        f"{_shown([question.id for question in questions])}. Look at them; else {REMEDY}"
    )


def refuse_spoilt_scores(step: int, scored: Sequence[Scored], ids: Sequence[str]) -> None:
    """Stop a run whose validation scores are no numbers: their accuracy would be one.

    Args:
        step: After which they were scored.
        scored: Validation questions, answered.
        ids: Of all validation questions, by ``Scored.index``.

    Raises:
        TrainingError: If a question's scores are not finite.
    """
    spoilt = [ids[one.index] for one in scored if not math.isfinite(one.loss)]
    if spoilt:
        raise TrainingError(
            f"after step {step}, the scores of {len(spoilt)} validation questions are not finite "
            f"({_shown(spoilt)}). The checkpoints before it are whole. Look at the questions; "
            f"else {REMEDY}"
        )


def refuse_spoilt_weights(model: Any, step: int) -> None:
    """Stop a run before weights that are not finite are saved.

    Args:
        model: Whose trained weights are looked at.
        step: That they come from.

    Raises:
        TrainingError: If one is not finite.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not torch.isfinite(parameter).all():
            raise TrainingError(
                f"step {step} made weights that are not finite ({name}): they are not saved, and "
                f"the checkpoints before it are whole; {REMEDY}"
            )


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return f"{', '.join(ids[:MAX_SHOWN])}{more}"


@contextlib.contextmanager
def resuming(checkpoint: Path | None) -> Iterator[None]:
    """Say which checkpoint cannot be read, where torch refuses what is in it.

    transformers loads optimizer, scheduler and random states with ``weights_only``: tensors and
    plain values, never code.

    Raises:
        CheckpointError: If there is anything else in it.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{checkpoint} holds more than tensors and plain values, and was not loaded: {error}. "
            "It was not written by this run: remove it, or pass overwrite=True to start anew"
        ) from error
