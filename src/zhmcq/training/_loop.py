"""The training loop: transformers' Trainer over packed rows, with steps that count questions."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate.utils import gather_object
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState

from zhmcq._files import writing
from zhmcq.encoding import EncodedQuestion
from zhmcq.encoding._batch import PackedBatch, collate
from zhmcq.encoding._tree import PackedRow
from zhmcq.errors import PredictionError
from zhmcq.modeling._attention import attention_without_plans
from zhmcq.modeling._forward import branch_scores, token_log_likelihoods
from zhmcq.modeling._memory import Budget, errors_of_others
from zhmcq.modeling._process_memory import KeptMemory, return_to_system
from zhmcq.modeling._scoring import ScoringEngine
from zhmcq.settings import Objective
from zhmcq.training._checkpoints import Budgets, Checkpoints, budgets_of
from zhmcq.training._gradients import StepGradients, sum_over_processes
from zhmcq.training._log_lines import log_line
from zhmcq.training._metrics import score_questions, summarise
from zhmcq.training._plan import StepPlan
from zhmcq.training._watch import (
    EarlyStopping,
    refuse_non_finite_step,
    refuse_non_finite_weights,
    refuse_without_gradient,
    refusing_non_finite_scores,
)

__all__ = ["TrainingLoop", "objective_sum"]

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


class _Term(NamedTuple):
    """Forward passes whose loss is one term: its share of the loss, and their tokens."""

    loss: torch.Tensor
    given: int
    computed: int


class _StepLoader(DataLoader[int]):
    def set_epoch(self, epoch: int) -> None:
        sampler: Any = self.batch_sampler
        sampler.set_epoch(epoch)


def objective_sum(
    model: Any,
    batches: Sequence[PackedBatch],
    questions: Sequence[EncodedQuestion],
    objective: Objective,
) -> torch.Tensor:
    """The loss of rows, summed over tokens or over questions.

    Args:
        model: The model that is trained.
        batches: Forward passes, on the model's device, with the keys (``"next_token"``) or with
            all candidates (``"contrastive"``) of whole questions. All passes but the last are
            computed again in the backward pass, so that the memory is that of one of them.
        questions: The questions that ``batch.questions`` are indexes of.
        objective: ``"next_token"``: minus the log-likelihood of each supervised token.
            ``"contrastive"``: for each question the cross-entropy of its key under a softmax over
            its candidates' scores, which are minus their log-likelihoods where the key is to be
            the least likely candidate.

    Returns:
        A scalar in nats, not divided by the number of tokens or questions.
    """
    tokens = _token_log_likelihoods(model, batches)
    if objective == "next_token":
        return -torch.cat(tokens).sum()
    sums, means = (
        torch.cat(
            [
                branch_scores(values, batch, mean=mean)
                for values, batch in zip(tokens, batches, strict=True)
            ]
        )
        for mean in (False, True)
    )
    candidates = [candidate for batch in batches for candidate in batch.candidates]
    total = sums.new_zeros(())
    members: dict[int, list[int]] = {}
    for branch, index in enumerate(index for batch in batches for index in batch.questions):
        members.setdefault(index, []).append(branch)
    for index, branches in members.items():
        question = questions[index]
        scores = (means if question.normalization == "mean" else sums)[branches]
        if question.least_likely:
            scores = -scores
        key = [candidates[branch] for branch in branches].index(question.key_index)
        total = total - torch.log_softmax(scores, dim=0)[key]
    return total


def _token_log_likelihoods(model: Any, batches: Sequence[PackedBatch]) -> list[torch.Tensor]:
    """Log-likelihoods of the scored tokens of each forward pass."""
    # What distributes a model counts its forward passes, and must not see one in the backward pass.
    alone = getattr(model, "module", model)
    recomputed = [
        checkpoint(token_log_likelihoods, alone, batch, use_reentrant=False)
        for batch in batches[:-1]
    ]
    return [*recomputed, token_log_likelihoods(model, batches[-1])]


class TrainingLoop(Trainer):
    """A transformers ``Trainer`` whose batch is one optimizer step's questions.

    Callbacks, logging integrations, schedulers, checkpoints and accelerate are transformers' own.
    Within a step the questions are packed into rows and forward passes as the plan says, and the
    loss is one sum divided by what the whole step supervises, so that it does not depend on how
    the questions fell into forward passes.

    Args:
        train_questions: Encoded training questions, with keys.
        epoch_questions: The same questions as an epoch shows them, by its 0-based number: at the
            same indexes, of the same passages.
        validation_questions: Encoded validation questions, with keys; may be empty.
        validation_clusters: The number of the cluster of each, for intervals.
        plan: What each step computes.
        budget: The most tokens of its forward passes. It is lowered when memory runs out.
        memory: Keeps the process near its estimate after each step.
        engine: Scores the validation questions.
        checkpoints: The checkpoints, in the ``output_dir`` of the training arguments.
        on_evaluated: Called with the step and the metrics after each evaluation.
        early_stopping: When to stop before the last step; ``None`` for never.
        kwargs: Arguments of ``Trainer``.

    Attributes:
        tokens_computed: Tokens that went through the model in training so far.
        tokens_given: What they would be if each sequence had a row of its own.
        questions_seen: Training questions of this process so far, those of each epoch counted.
    """

    def __init__(
        self,
        *,
        train_questions: Sequence[EncodedQuestion],
        epoch_questions: Callable[[int], Sequence[EncodedQuestion]],
        validation_questions: Sequence[EncodedQuestion],
        validation_clusters: Sequence[int],
        plan: StepPlan,
        budget: Budget,
        memory: KeptMemory,
        engine: ScoringEngine,
        checkpoints: Checkpoints,
        on_evaluated: Callable[[int, dict[str, float]], None],
        early_stopping: EarlyStopping | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            train_dataset=_Indexes(len(train_questions)),
            eval_dataset=_Indexes(len(validation_questions)) if validation_questions else None,
            **kwargs,
        )
        self.train_questions = train_questions
        self.epoch_questions = epoch_questions
        self.validation_questions = validation_questions
        self.validation_clusters = validation_clusters
        self.plan = plan
        self.budget = budget
        self.memory = memory
        self.engine = engine
        self.checkpoints = checkpoints
        self.on_evaluated = on_evaluated
        self.tokens_given = 0
        self.tokens_computed = 0
        self.questions_seen = 0
        self._evaluated_at = -1
        # No callback of ours computes anything: what they raise is of the caller's ones.
        events: Any = self.callback_handler
        events.call_event = errors_of_others()(events.call_event)
        self.add_callback(_EvaluateAtEpochEnd(self))
        self.remove_callback(PrinterCallback)  # a library logs; it does not print
        self.add_callback(_LogRecords())
        self.early_stopping = early_stopping
        if early_stopping is not None:
            self.add_callback(early_stopping)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as transformers does, unless the checkpoint's run had stopped early already."""
        checkpoint = kwargs.get("resume_from_checkpoint")
        if checkpoint is not None:
            saved_budgets = budgets_of(Path(checkpoint))
            self.budget.size = min(self.budget.size, saved_budgets.training)
            self.engine.budget.size = min(self.engine.budget.size, saved_budgets.evaluation)
        limit = self.args.save_total_limit
        if checkpoint is not None and limit is not None and self.is_world_process_zero():
            # A run that was killed after a checkpoint, before it removed older ones.
            self.checkpoints.remove_older(limit, Path(checkpoint))
        if checkpoint is not None and self.early_stopping is not None:
            saved = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE))
            if self.early_stopping.is_over(saved.log_history):
                self.state = saved
                return None
        return super().train(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One item for each step: the indexes of its questions, for this process."""
        sampler = self.plan.sampler(
            self.train_questions,
            processes=self.args.world_size,
            process=self.args.process_index,
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
        epoch = self.epoch_questions(inputs["epoch"])
        questions = [epoch[index] for index in inputs["indexes"]]
        # At an epoch's end a process may have no question left. It still has to take part in
        # the others' exchange of gradients, with a loss of nothing.
        weight = 1.0 if questions else 0.0
        questions = questions or [epoch[0]]
        # In a dtype by name: another thread that loads a model changes torch's default one.
        exact: dict[str, Any] = {"dtype": torch.float32, "device": self.args.device}
        total = torch.tensor(self.plan.loss_terms(questions) * weight, **exact)
        processes = self.args.world_size
        if processes > 1:
            torch.distributed.all_reduce(total)
        # Without the wrapper that exchanges gradients within the last backward pass: it is done
        # after all passes. What else distributes a model gives the mean of them over processes.
        apart = isinstance(model, DistributedDataParallel)
        local = model.module if apart else model
        share = weight if apart else weight * processes

        def learn(passes: list[list[PackedRow]], is_last: bool) -> _Term:
            parts = [collate(rows, self.plan.passes.layout) for rows in passes]
            with (
                contextlib.nullcontext() if is_last else self.accelerator.no_sync(local),
                attention_without_plans(),  # layers that are computed again in the backward pass
            ):
                with self.compute_loss_context_manager():
                    here = [batch.to(self.args.device) for batch in parts]
                    loss = objective_sum(local, here, questions, self.plan.objective)
                    refuse_without_gradient(loss, local)
                    loss = loss / total * share
                self.accelerator.backward(loss)
            given, computed = (sum(getattr(b, n) for b in parts) for n in ("given", "computed"))
            return _Term(loss.detach(), given, computed)

        gradients = StepGradients(
            self.plan, self.budget, local, self.args.device, again=apart or processes == 1
        )
        terms = gradients.compute(questions, learn)
        if apart:
            sum_over_processes(local)
        loss = torch.stack([term.loss for term in terms]).sum()
        if apart:
            loss = loss * processes  # transformers logs the mean over processes
        self.tokens_given += sum(term.given for term in terms)
        self.tokens_computed += sum(term.computed for term in terms)
        refuse_non_finite_step(loss, self, questions)
        self.questions_seen += len(inputs["indexes"])
        self.memory.keep()
        return loss

    def evaluate(
        self, *_args: Any, metric_key_prefix: str = "eval", **_kwargs: Any
    ) -> dict[str, float]:
        """Score the validation questions and log the figures of :func:`summarise`."""
        return_to_system()  # an evaluation takes other sizes, which would come on top
        figures = self._validation_figures()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        self.log(metrics)
        self._evaluated_at = self.state.global_step
        if self.is_world_process_zero():
            self.on_evaluated(self.state.global_step, figures)
        self.accelerator.wait_for_everyone()
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _validation_figures(self) -> dict[str, float]:
        """Score this process's passages; figures of all processes' questions together."""
        questions = self.validation_questions
        passages = list(dict.fromkeys(q.passage or q.id for q in questions))
        mine = set(passages[self.args.process_index :: self.args.world_size])
        indexes = [i for i, q in enumerate(questions) if (q.passage or q.id) in mine]
        with refusing_non_finite_scores(self.state.global_step, self.model):
            answers = score_questions(self.engine, questions, indexes)
        if self.args.world_size > 1:
            answers = gather_object(answers)
        if sorted(answer.index for answer in answers) != list(range(len(questions))):
            raise PredictionError(
                f"expected each of {len(questions)} validation questions once, "
                f"found {len(answers)} scored"
            )
        return summarise(answers, self.validation_clusters)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save as transformers does, mark it complete, and only then remove older ones."""
        refuse_non_finite_weights(model, self.state.global_step)
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        with writing(self.checkpoints.folder):
            super()._save_checkpoint(model, trial)
        self.args.save_total_limit = limit
        # Of processes with different memory the smallest fits in all.
        sizes = gather_object([(self.budget.size, self.engine.budget.size)])
        if self.is_world_process_zero():
            training, evaluation = (min(of_all) for of_all in zip(*sizes, strict=True))
            budgets = Budgets(training, evaluation)
            self.checkpoints.mark_complete(self.state.global_step, budgets)
            if limit is not None:
                self.checkpoints.remove_older(limit)

    def floating_point_ops(self, _inputs: dict[str, Any]) -> int:
        """Not estimated: the result reports tokens given and computed instead."""
        return 0


class _EvaluateAtEpochEnd(TrainerCallback):
    def __init__(self, loop: TrainingLoop) -> None:
        self._loop = loop

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        # With the epoch's last step, and so before its checkpoint: a run resumed from there has
        # that evaluation in its history.
        last = state.epoch == int(state.epoch) or state.global_step >= state.max_steps
        if self._loop.validation_questions and last:
            control.should_evaluate = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        # Where another callback ended the epoch early; and once only with eval_strategy="epoch",
        # which requests again the evaluation that the epoch's last step has had.
        done = self._loop._evaluated_at == state.global_step
        control.should_evaluate = bool(self._loop.validation_questions) and not done


class _LogRecords(TrainerCallback):
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        if logs and state.is_world_process_zero:
            logger.info("%s", log_line(state.global_step, state.max_steps, logs))
