"""transformers' Trainer over prefix-tree rows: steps, loss and evaluation count questions."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState

from zhmcq.encoding.batch import PackedBatch, batches, collate
from zhmcq.encoding.encode import EncodedQuestion
from zhmcq.encoding.tree import pack, pack_flat
from zhmcq.errors import PredictionError
from zhmcq.modeling.forward import branch_scores, token_log_likelihoods
from zhmcq.modeling.scoring import ScoringEngine
from zhmcq.settings import Objective, Packing
from zhmcq.training.checkpoints import complete, remove_older
from zhmcq.training.metrics import score, summarise
from zhmcq.training.steps import StepSampler
from zhmcq.training.stopping import StopEarly
from zhmcq.training.watch import (
    refuse_non_finite,
    refuse_spoilt_scores,
    refuse_spoilt_weights,
)

__all__ = ["PackedTrainer", "objective_sum"]


logger = logging.getLogger(__name__)

TRAINER_STATE = "trainer_state.json"


class _Indexes(torch.utils.data.Dataset[int]):
    """Stands for the training questions: each item is its own index."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return index


class _StepLoader(DataLoader[int]):
    def set_epoch(self, epoch: int) -> None:
        sampler: Any = self.batch_sampler
        sampler.set_epoch(epoch)


def objective_sum(
    model: Any, batch: PackedBatch, questions: Sequence[EncodedQuestion], objective: Objective
) -> torch.Tensor:
    """The loss of the rows in a batch, summed: over tokens, or over questions.

    Args:
        model: The model that is trained.
        batch: Rows with the right candidates (``"next_token"``) or with all candidates
            (``"contrastive"``) of whole questions, on the model's device.
        questions: What ``batch.questions`` counts through.
        objective: ``"next_token"``: minus the log-likelihood of each supervised token.
            ``"contrastive"``: for each question the cross-entropy of its right candidate under
            a softmax over its candidates' scores.
    """
    tokens = token_log_likelihoods(model, batch)
    if objective == "next_token":
        return -tokens.sum()
    sums = branch_scores(tokens, batch, mean=False)
    means = branch_scores(tokens, batch, mean=True)
    total = tokens.new_zeros(())
    members: dict[int, list[int]] = {}
    for branch, question in enumerate(batch.questions):
        members.setdefault(question, []).append(branch)
    for index, branches in members.items():
        asked = questions[index]
        scores = (means if asked.normalization == "mean" else sums)[branches]
        right = [batch.candidates[branch] for branch in branches].index(asked.target or 0)
        total = total - torch.log_softmax(scores, dim=0)[right]
    return total


class PackedTrainer(Trainer):
    """A transformers ``Trainer`` whose batch is one optimizer step's questions.

    Callbacks, logging integrations, schedulers, checkpoints and accelerate are transformers' own.
    Within a step the questions are packed into rows, forward passes take at most ``budget``
    tokens, and the loss is one sum divided by what the whole step supervises, so that it does
    not depend on how the questions fell into forward passes.

    Args:
        train_questions: Encoded training questions, with keys.
        asked_in: The same questions as they are asked in an epoch, by its 0-based number: in the
            same places, of the same passages.
        valid_questions: Encoded validation questions, with keys; may be empty.
        objective: See :func:`objective_sum`.
        packing: ``"tree"`` or ``"flat"``.
        budget: The most tokens of a forward pass, padding included.
        engine: Scores the validation questions.
        on_evaluated: Called with the step and the metrics after each evaluation.
        stop: When to stop before the last step; ``None`` for never.
        questions_per_step: Questions of a step of this process.
        kwargs: Arguments of ``Trainer``.
    """

    def __init__(
        self,
        *,
        train_questions: Sequence[EncodedQuestion],
        asked_in: Callable[[int], Sequence[EncodedQuestion]],
        valid_questions: Sequence[EncodedQuestion],
        objective: Objective,
        packing: Packing,
        budget: int,
        engine: ScoringEngine,
        on_evaluated: Callable[[int, dict[str, float]], None],
        stop: StopEarly | None,
        questions_per_step: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            train_dataset=_Indexes(len(train_questions)),
            eval_dataset=_Indexes(len(valid_questions)) if valid_questions else None,
            **kwargs,
        )
        self.train_questions = train_questions
        self.asked_in = asked_in
        self.valid_questions = valid_questions
        self.objective: Objective = objective
        self.packing = packing
        self.budget = budget
        self.engine = engine
        self.on_evaluated = on_evaluated
        self.questions_per_step = questions_per_step
        self.tokens_given = 0
        self.tokens_computed = 0
        self.questions_seen = 0
        self._evaluated_at = -1
        self.add_callback(_EvaluateAtEpochEnd(self))
        self.remove_callback(PrinterCallback)  # a library logs; it does not print
        self.add_callback(_LogRecords())
        self.stop = stop
        if stop is not None:
            self.add_callback(stop)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as transformers does, unless the checkpoint's run had stopped early already."""
        checkpoint = kwargs.get("resume_from_checkpoint")
        if checkpoint is not None and self.stop is not None:
            saved = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE))
            if self.stop.is_over(saved.log_history):
                self.state = saved
                return None
        return super().train(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One item a step: the indexes of its questions, for this process."""
        sampler = StepSampler(
            [question.passage for question in self.train_questions],
            self.questions_per_step,
            self.args.seed,
            self.args.world_size,
            self.args.process_index,
        )
        return _StepLoader(
            _Indexes(len(self.train_questions)),
            batch_sampler=sampler,
            # A resumed epoch has a loader of accelerate's own; the sampler always knows its epoch.
            collate_fn=lambda indexes: {"indexes": indexes, "epoch": sampler.epoch},
        )

    def training_step(
        self,
        model: Any,
        inputs: dict[str, Any],
        num_items_in_batch: Any = None,  # noqa: ARG002  counted here, from the packed rows
    ) -> torch.Tensor:
        """Forward and backward over one step's questions; returns its loss."""
        model.train()
        asked = self.asked_in(inputs["epoch"])
        chosen = [asked[index] for index in inputs["indexes"]]
        # At an epoch's end a process may have no question left. It still has to take part in
        # the others' exchange of gradients, with a loss of nothing.
        weight = 1.0 if chosen else 0.0
        chosen = chosen or [asked[0]]
        groups, amount = self._groups(chosen)
        total = torch.tensor(amount * weight, device=self.args.device)
        if self.args.world_size > 1:
            torch.distributed.all_reduce(total)
        loss = torch.zeros((), device=self.args.device)
        for place, batch in enumerate(groups):
            last = place == len(groups) - 1
            sync = contextlib.nullcontext() if last else self.accelerator.no_sync(model)
            with sync:
                with self.compute_loss_context_manager():
                    part = objective_sum(model, batch.to(self.args.device), chosen, self.objective)
                    # Data-parallel gradients are averaged over processes: times their number
                    # makes that the sum that the division by the whole step's total wants.
                    part = part / total * (self.args.world_size * weight)
                self.accelerator.backward(part)
            loss += part.detach()
        refuse_non_finite(loss, self, chosen)
        self.questions_seen += len(inputs["indexes"])
        return loss

    def _groups(self, chosen: Sequence[EncodedQuestion]) -> tuple[list[PackedBatch], int]:
        """The forward passes of one step, and how many tokens or questions it supervises."""
        if self.objective == "next_token":
            candidates: list[Sequence[int]] = [[question.target or 0] for question in chosen]
            amount = sum(len(q.candidates[q.target or 0]) for q in chosen)
        else:
            candidates = [range(len(question.candidates)) for question in chosen]
            amount = len(chosen)
        units = (
            pack(chosen, candidates, self.budget)
            if self.packing == "tree"
            else pack_flat(chosen, candidates)
        )
        pad_id = self.engine.pad_id
        groups = [collate(rows, pad_id) for rows in batches(units, self.budget)]
        self.tokens_given += sum(batch.given for batch in groups)
        self.tokens_computed += sum(batch.computed for batch in groups)
        return groups, amount

    def evaluate(
        self, *_args: Any, metric_key_prefix: str = "eval", **_kwargs: Any
    ) -> dict[str, float]:
        """Score the validation questions and log what :func:`summarise` says of them."""
        found = self._evaluate_share()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self._evaluated_at = self.state.global_step
        if self.is_world_process_zero():
            self.on_evaluated(self.state.global_step, found)
        self.accelerator.wait_for_everyone()
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _evaluate_share(self) -> dict[str, float]:
        """Score this process's passages; figures of all processes' questions together."""
        passages = list(dict.fromkeys(q.passage or q.id for q in self.valid_questions))
        mine = set(passages[self.args.process_index :: self.args.world_size])
        indexes = [i for i, q in enumerate(self.valid_questions) if (q.passage or q.id) in mine]
        scored = score(self.engine, self.valid_questions, indexes)
        ids = [question.id for question in self.valid_questions]
        refuse_spoilt_scores(self.state.global_step, scored, ids)
        if self.args.world_size > 1:
            scored = gather_object(scored)
        if sorted(one.index for one in scored) != list(range(len(self.valid_questions))):
            raise PredictionError(
                f"expected each of {len(self.valid_questions)} validation questions once, "
                f"found {len(scored)} scored"
            )
        return summarise(scored)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save as transformers does; then say that it is whole, and only then drop older ones."""
        refuse_spoilt_weights(model, self.state.global_step)
        keep, self.args.save_total_limit = self.args.save_total_limit, None
        super()._save_checkpoint(model, trial)
        self.args.save_total_limit = keep
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            folder = Path(str(self.args.output_dir))
            complete(folder / f"checkpoint-{self.state.global_step}")
            if keep is not None:
                remove_older(folder, keep)

    def floating_point_ops(self, _inputs: dict[str, Any]) -> int:
        """Not estimated: the result reports tokens given and computed instead."""
        return 0


class _EvaluateAtEpochEnd(TrainerCallback):
    def __init__(self, trainer: PackedTrainer) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        # With the epoch's last step, and so before its checkpoint: a run resumed from there has
        # that evaluation in its history.
        last = state.epoch == int(state.epoch) or state.global_step >= state.max_steps
        if self._trainer.valid_questions and last:
            control.should_evaluate = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        # Where another callback ended the epoch early; and once only with eval_strategy="epoch",
        # which asks again for what the epoch's last step has had.
        done = self._trainer._evaluated_at == state.global_step
        control.should_evaluate = bool(self._trainer.valid_questions) and not done


class _LogRecords(TrainerCallback):
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        if logs and state.is_world_process_zero:
            figures = ", ".join(f"{name} {value:.4g}" for name, value in logs.items())
            logger.info("step %d of %d: %s", state.global_step, state.max_steps, figures)
