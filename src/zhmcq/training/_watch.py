"""What is watched during a run: time, signals, non-finite numbers, and when to stop early."""

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
from typing import Any, Literal, Self

import torch
from transformers import TrainerCallback

from zhmcq._phrases import records
from zhmcq._progress import Progress
from zhmcq.encoding import EncodedQuestion
from zhmcq.errors import CheckpointError, SettingsError, TrainingError
from zhmcq.modeling._finite import NonFiniteScoresError
from zhmcq.modeling._forward import model_dtype

__all__ = [
    "EarlyStopping",
    "ReportedSteps",
    "StopOnInterrupt",
    "TimedSteps",
    "refuse_non_finite_step",
    "refuse_non_finite_weights",
    "refuse_without_gradient",
    "refusing_non_finite_scores",
    "resuming",
]

logger = logging.getLogger(__name__)

TIMED_STEPS = 3  # after a first step that warms up
MAX_SHOWN = 20


class TimedSteps(TrainerCallback):
    """Logs how long the run will take, once its first steps are done."""

    def __init__(self) -> None:
        self._done = 0
        self._start = self._seconds = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Start the clock."""
        self._start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Stop the clock, and log the time once enough steps were timed."""
        if 0 < self._done <= TIMED_STEPS:
            self._seconds += time.perf_counter() - self._start
        left = state.max_steps - state.global_step
        if self._done == TIMED_STEPS and left and state.is_world_process_zero:
            each = self._seconds / TIMED_STEPS
            logger.info("%s", records.time_left(left, each, TIMED_STEPS))
        self._done += 1


class ReportedSteps(TrainerCallback):
    """While the block runs, reports the steps that are done, as stage ``"train"``.

    Where the report of a step raises, training ends as after Ctrl-C: with a checkpoint of that
    step. Of several processes the first would leave the others waiting for it: there the exception
    ends the process at once, and with it the run.

    Args:
        trainer: The transformers ``Trainer``.
        report: Where reports go.
    """

    def __init__(self, trainer: Any, report: Progress) -> None:
        self._trainer = trainer
        self._report = report
        self._raised: BaseException | None = None

    def __enter__(self) -> Self:
        self._trainer.add_callback(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._raised is not None and kind is None:
            raise self._raised

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Report the steps that a resumed run has done already."""
        if state.is_world_process_zero:
            self._report(state.global_step, state.max_steps, "train")

    def on_step_end(self, args: Any, state: Any, control: Any, **_kwargs: Any) -> None:
        """Report the step; have it saved and training stopped, if that raises."""
        if not state.is_world_process_zero or self._raised is not None:
            return
        try:
            self._report(state.global_step, state.max_steps, "train")
        except BaseException as error:
            if args.world_size > 1:
                raise
            self._raised = error
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave out the evaluation and checkpoint of an epoch's end, if a report raised."""
        if self._raised is not None:
            control.should_evaluate = control.should_save = False


class StopOnInterrupt(TrainerCallback):
    """While the block runs, Ctrl-C ends training after the present step, with a checkpoint.

    So does SIGTERM, with which systems end a process that they will soon kill. A second signal ends
    it at once. Nothing is changed where a signal has another handler than the usual one, nor in a
    launched run of several processes, which their launcher ends.

    Args:
        trainer: The transformers ``Trainer`` to stop.
        resume_instruction: What to call to resume from the checkpoint, as part of a sentence.

    Raises:
        KeyboardInterrupt: At the block's end, if the run was stopped; it says how to resume.
    """

    def __init__(self, trainer: Any, resume_instruction: str) -> None:
        self._trainer = trainer
        self._resume_instruction = resume_instruction
        self._requested = False
        self._replaced: dict[int, Any] = {}

    def __enter__(self) -> Self:
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and self._trainer.args.world_size == 1:
            for number, handler in usual.items():
                if signal.getsignal(number) is handler:
                    self._replaced[number] = handler
                    signal.signal(number, self._handle)
        if self._replaced:
            self._trainer.add_callback(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._replaced.items():
            if signal.getsignal(number) == self._handle:  # else the application has set its own
                signal.signal(number, handler)
        state = self._trainer.state
        if self._requested and kind is None and state.global_step < state.max_steps:
            raise KeyboardInterrupt(
                f"training was stopped after step {state.global_step} of {state.max_steps}; a "
                f"checkpoint was saved, and {self._resume_instruction}"
            )

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        logger.warning(
            "training stops after the present step, with a checkpoint; %s once more stops it at "
            "once, without one",
            "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name,
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Have the step saved and training stopped, if a signal came."""
        if self._requested:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave out the evaluation and checkpoint of an epoch's end, if a signal came."""
        if self._requested:
            # The epoch is cut short. An evaluation that the uninterrupted run does not have could
            # make another adapter the best one.
            control.should_evaluate = control.should_save = False


class EarlyStopping(TrainerCallback):
    """Stops after ``patience`` evaluations in a row without a better value of a metric.

    Evaluations are counted in the history, which is part of each checkpoint, so that a resumed run
    continues the interrupted run's count. transformers' own callback counts by what it calls the
    best checkpoint, which is not how the best adapter is chosen here.

    Args:
        patience: How many evaluations to wait for a better one.
        metric: ``"accuracy"`` or ``"loss"``.
    """

    def __init__(self, patience: int, metric: Literal["accuracy", "loss"]) -> None:
        self._patience = patience
        self._name = f"eval_{metric}"
        self._sign = 1 if metric == "accuracy" else -1

    def is_over(self, history: Sequence[dict[str, Any]]) -> bool:
        """Whether the evaluations in ``history`` are reason to stop."""
        values = [self._sign * entry[self._name] for entry in history if self._name in entry]
        return bool(values) and len(values) - 1 - values.index(max(values)) >= self._patience

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Request the end of training, with a checkpoint, if the evaluations are reason to stop."""
        if self.is_over(state.log_history):
            # A run that is cut off before its adapter is saved must not train on when resumed.
            control.should_save = control.should_training_stop = True


def refuse_non_finite_step(
    loss: torch.Tensor, trainer: Any, questions: Sequence[EncodedQuestion]
) -> None:
    """Stop a run before a step that would spoil its weights.

    Args:
        loss: The step's loss.
        trainer: The transformers ``Trainer``; its model has the step's gradients.
        questions: The questions that the step learns from.

    Raises:
        TrainingError: If the loss or, without a scaler of fp16 losses, a gradient is not finite.
    """
    problem = None
    if not torch.isfinite(loss):
        problem = f"the loss is {float(loss)}"
    elif trainer.accelerator.scaler is None:
        gradients = {
            name: parameter.grad
            for name, parameter in trainer.model.named_parameters()
            if parameter.grad is not None
        }
        # One number for all of them: on a GPU the processor waits for each number that it reads.
        largest = torch.nn.utils.get_total_norm(gradients.values(), norm_type=math.inf)
        if not torch.isfinite(largest):
            name = next(n for n, values in gradients.items() if not torch.isfinite(values).all())
            problem = f"a gradient of {name} is not finite"
    if problem is None:
        return
    raise TrainingError(
        f"step {trainer.state.global_step + 1}: {problem}. The step was not taken, and the "
        "checkpoints before it are complete. This process's questions of the step: "
        f"{_shown([question.id for question in questions])}. Check them, or "
        f"{_remedy(trainer.model)}"
    )


def refuse_without_gradient(loss: torch.Tensor, model: Any) -> None:
    """Refuse to train layers that the loss does not depend on.

    Args:
        loss: The loss of a forward pass.
        model: The model that is trained.

    Raises:
        SettingsError: If no trained layer took part in the forward pass.
    """
    if loss.requires_grad:
        return
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    raise SettingsError(
        "the loss does not depend on any of the layers that are trained, which may belong to "
        f"another part of the model than its text: {_shown(trained)}. Name layers of the text "
        "model in LoraSettings(target_modules=[…])"
    )


@contextlib.contextmanager
def refusing_non_finite_scores(step: int, model: Any) -> Iterator[None]:
    """Stop a run whose validation scores are not finite: their accuracy would look like one.

    Args:
        step: The step after which questions are scored in the block.
        model: The model that scores them.

    Raises:
        TrainingError: If scores in the block are not finite.
    """
    try:
        yield
    except NonFiniteScoresError as error:
        raise TrainingError(
            f"after step {step}, {error.facts}. The checkpoints before it are complete. Check the "
            f"questions, or {_remedy(model)}"
        ) from error


def refuse_non_finite_weights(model: Any, step: int) -> None:
    """Stop a run before weights that are not finite are saved.

    Args:
        model: The model with the trained weights.
        step: The optimizer step that made them.

    Raises:
        TrainingError: If a trained weight is not finite.
    """
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not torch.isfinite(parameter).all():
            raise TrainingError(
                f"step {step} made weights that are not finite ({name}): they are not saved, and "
                f"the checkpoints before it are complete; {_remedy(model)}"
            )


def _remedy(model: Any) -> str:
    """What to do about numbers that are not finite; fp32 for a base model that is not in it."""
    in_float32 = model_dtype(model) == torch.float32
    other = "" if in_float32 else ", or train in dtype='float32'"
    return f"lower learning_rate{other} (another run: overwrite=True, or another output_dir)"


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return f"{', '.join(ids[:MAX_SHOWN])}{more}"


@contextlib.contextmanager
def resuming(checkpoint: Path | None) -> Iterator[None]:
    """Name the checkpoint in the error, where torch refuses to load what is in it.

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
            "This run did not write it: remove it, or pass overwrite=True to start anew"
        ) from error
