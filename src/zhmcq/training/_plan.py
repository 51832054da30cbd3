"""Which questions each optimizer step has, in which order and packed how; and what a run takes.

Steps and tokens of a run are counted by packing its steps. Time cannot be known beforehand:
:class:`zhmcq.training._watch.TimedSteps` logs it once a few steps are done.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from typing import Self

from zhmcq._phrases import records, summaries
from zhmcq.encoding import EncodedQuestion, Encoder
from zhmcq.encoding._batch import Layout
from zhmcq.encoding._passes import PassPlan, pass_tokens
from zhmcq.encoding._tree import PackedRow
from zhmcq.questions import Question
from zhmcq.settings import Objective, TrainingSettings
from zhmcq.training._memory_estimate import MemoryEstimate
from zhmcq.zh import fixed_order_reason, shuffle_options

__all__ = [
    "RunEstimate",
    "ShuffledEpochs",
    "StepPlan",
    "StepSampler",
]

logger = logging.getLogger(__name__)

# How far ahead to look for a passage that fills a step. Further would pull the same small
# passages to the front of each epoch; nearer would cut more passages in two.
LOOK_AHEAD = 64
RAISED = 1.5  # times the token budget, for a question that is a little larger
MAX_PACKED = 100  # steps; a longer run is estimated from this many of its steps
WORTH_SAYING = 0.1  # of the tokens computed: what wider forward passes must save to be mentioned


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """What each optimizer step computes, for the training loop and for its estimate alike.

    Attributes:
        objective: ``"next_token"`` computes the key alone, ``"contrastive"`` all candidates.
        passes: How a step's rows are put into forward passes.
        questions_per_step: How many questions a step of one process has.
        epochs: How often the training questions are gone through.
        max_steps: The number of steps where it is given, in place of ``epochs``; else -1.
        seed: Seed of the order of the questions.
        shuffles_options: Whether the options of a question change their order between epochs.
        passes_can_be_wider: Whether a step can have the same questions in half as many passes.
    """

    objective: Objective
    passes: PassPlan
    questions_per_step: int
    epochs: float
    max_steps: int
    seed: int
    shuffles_options: bool
    passes_can_be_wider: bool

    @classmethod
    def of(cls, settings: TrainingSettings, layout: Layout | None = None) -> Self:
        """The plan of a run.

        Args:
            settings: Settings of the run.
            layout: How the model reads rows; as the settings' packing says if ``None``.
        """
        return cls(
            objective=settings.objective,
            passes=PassPlan(layout or settings.packing, settings.train_budget),
            questions_per_step=settings.questions_per_step,
            epochs=settings.num_train_epochs,
            max_steps=getattr(settings, "max_steps", -1),
            seed=settings.seed,
            shuffles_options=settings.shuffle_options,
            passes_can_be_wider=settings.gradient_accumulation_steps % 2 == 0,
        )

    def within(self, budget: int) -> Self:
        """The same steps, in forward passes of another token budget."""
        return replace(self, passes=replace(self.passes, budget=budget))

    def sampler(
        self, questions: Sequence[EncodedQuestion], *, processes: int = 1, process: int = 0
    ) -> StepSampler:
        """Draws the questions of each step.

        Args:
            questions: Encoded training questions.
            processes: How many processes share the run.
            process: The 0-based index of this process.
        """
        passages = [question.passage for question in questions]
        return StepSampler(passages, self.questions_per_step, self.seed, processes, process)

    def groups(self, questions: Sequence[EncodedQuestion]) -> Iterator[list[list[PackedRow]]]:
        """The rows of each forward pass of one step, by the passes whose loss is one term.

        Args:
            questions: The step's questions, with keys.

        Yields:
            One forward pass; several where one question's candidates exceed the token budget and
            the objective compares them.
        """
        if self.objective == "next_token":
            keys = [[question.key_index] for question in questions]
            return ([rows] for rows in self.passes.groups(questions, keys))
        passes = replace(self.passes, budget=self._joint_budget(questions))
        return passes.joint_groups(questions)

    def _joint_budget(self, questions: Sequence[EncodedQuestion]) -> int:
        """The token budget of a step, raised where that keeps a question with its candidates whole.

        A prompt with one candidate has ``max_length`` tokens at most, and the others add a few.
        Cut for their sake, the prompt would be computed again, and all pieces but one twice.
        """
        budget = self.passes.budget
        # Their last tokens are in no row.
        largest = max(len(q.prompt) + sum(len(ids) - 1 for ids in q.candidates) for q in questions)
        return largest if budget < largest <= budget * RAISED else budget

    def loss_terms(self, questions: Sequence[EncodedQuestion]) -> int:
        """How many terms the loss of one step has: tokens of keys, or questions.

        Args:
            questions: The step's questions, with keys.
        """
        if self.objective == "next_token":
            return sum(len(q.candidates[q.key_index]) for q in questions)
        return len(questions)

    def steps(self, questions: int, processes: int = 1) -> int:
        """How many optimizer steps the run has, counted as transformers does.

        Args:
            questions: How many training questions there are.
            processes: How many processes share each step.
        """
        if self.max_steps > 0:
            return self.max_steps
        per_epoch = math.ceil(questions / (self.questions_per_step * processes))
        return math.ceil(self.epochs * per_epoch)

    def estimate(
        self,
        questions: Sequence[EncodedQuestion],
        processes: int = 1,
        *,
        validation: Sequence[EncodedQuestion] = (),
        eval_budget: int = 1,
    ) -> RunEstimate:
        """Pack the steps of the run as the training loop will, without a model.

        Args:
            questions: Encoded training questions, with keys.
            processes: How many processes share the run; tokens are those of all of them.
            validation: Encoded validation questions.
            eval_budget: The most tokens of a forward pass over these.
        """
        sampler = self.sampler(questions)
        steps = self.steps(len(questions), processes)
        stride = math.ceil(steps * processes / MAX_PACKED)
        twice_as_wide = self.within(2 * self.passes.budget)
        given = computed = if_wider = largest = longest = positions = packed = 0
        for step in islice(_all_steps(sampler), 0, steps * processes, stride):
            packed += 1
            members = [questions[index] for index in step]
            if self.passes_can_be_wider:
                wider = chain(*twice_as_wide.groups(members))
                if_wider += sum(sum(map(len, rows)) for rows in wider)
            for rows in chain(*self.groups(members)):
                given += sum(row.given for row in rows)
                computed += sum(map(len, rows))
                longest = max(longest, *map(len, rows))
                largest = max(largest, len(rows) * max(map(len, rows)))
                positions = max(positions, sum(map(_predicting_positions, rows)))
        passes = PassPlan(self.passes.layout, eval_budget)
        evaluated = list(passes.groups(validation)) if validation else []
        share = steps * processes / packed
        return RunEstimate(
            steps=steps,
            tokens_given=round(given * share),
            tokens_computed=round(computed * share),
            tokens_if_wider=round(if_wider * share) if self.passes_can_be_wider else None,
            # Options in another order have other tokens in common.
            exact=stride == 1 and processes == 1 and not self.shuffles_options,
            largest_pass=largest,
            longest_row=longest,
            head_positions=positions,
            evaluated_pass=max(map(pass_tokens, evaluated), default=0),
            evaluated_positions=max(
                (sum(map(_predicting_positions, rows)) for rows in evaluated), default=0
            ),
        )


def _all_steps(sampler: StepSampler) -> Iterator[list[int]]:
    for epoch in count():
        sampler.set_epoch(epoch)
        yield from sampler


def _predicting_positions(row: PackedRow) -> int:
    """How many positions of a row predict a token of a candidate."""
    return len({index for branch in row.branches for index in branch.predictors})


class StepSampler:
    """Yields the question indexes of each step, for this process.

    A step has ``questions_per_step`` questions (the last one of an epoch may have fewer), made up
    of whole passages as far as that is possible, so that what they share is computed once. The
    order depends on the seed and the epoch alone, so that a run can be resumed anywhere.

    Args:
        passages: For each question its passage; questions with ``""`` stand alone.
        questions_per_step: How many questions a step of one process has.
        seed: Seed of the shuffling.
        processes: How many processes share each step's questions.
        process: The 0-based index of this process.
    """

    def __init__(
        self,
        passages: Sequence[str],
        questions_per_step: int,
        seed: int,
        processes: int = 1,
        process: int = 0,
    ) -> None:
        self.epoch = 0
        self._seed = seed
        self._size = questions_per_step * processes
        self._processes = processes
        self._process = process
        groups: dict[str | int, list[int]] = {}
        for index, passage in enumerate(passages):
            groups.setdefault(passage or index, []).append(index)
        self._groups = list(groups.values())
        self._count = len(passages)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration has."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self._count / self._size)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps():
            # Whole runs of neighbours, so that a passage stays within one process where it can;
            # a short last step is shared evenly, so that as few processes as can be idle.
            start, end = (
                len(step) * number // self._processes
                for number in (self._process, self._process + 1)
            )
            yield step[start:end]

    def steps(self) -> Iterator[list[int]]:
        """The question indexes of each step of this epoch, of all processes together."""
        shuffle = random.Random(f"{self._seed}-{self.epoch}")
        waiting = [list(group) for group in self._groups]
        shuffle.shuffle(waiting)
        for group in waiting:
            shuffle.shuffle(group)
        waiting.reverse()  # take from the end
        while waiting:
            step: list[int] = []
            while waiting and len(step) < self._size:
                room = self._size - len(step)
                start = max(0, len(waiting) - LOOK_AHEAD)
                fitting = [i for i in range(start, len(waiting)) if len(waiting[i]) <= room]
                if fitting:
                    step += waiting.pop(fitting[-1])
                else:
                    step += waiting[-1][:room]
                    del waiting[-1][:room]
            yield step


class ShuffledEpochs:
    """Encodes the training questions of each epoch with their options in that epoch's order.

    The orders depend on the seed, the epoch and the question's id alone: a resumed run and every
    process of several have the same ones. Only the last epoch's questions are held in memory.

    Args:
        questions: The training questions.
        encoded: The same questions, encoded in their own order.
        encoder: What encoded them.
        seed: Seed of the orders.
    """

    def __init__(
        self,
        questions: Sequence[Question],
        encoded: Sequence[EncodedQuestion],
        encoder: Encoder,
        seed: int,
    ) -> None:
        self._questions = questions
        self._encoded = encoded
        self._encoder = encoder
        self._seed = seed
        self._epoch: int | None = None
        self._shuffled: Sequence[EncodedQuestion] = encoded

    def __call__(self, epoch: int) -> Sequence[EncodedQuestion]:
        """The questions of an epoch, by its 0-based number, at the indexes they were given at."""
        if epoch != self._epoch:
            self._shuffled = self._encode(epoch)
            self._epoch = epoch
        return self._shuffled

    def _encode(self, epoch: int) -> list[EncodedQuestion]:
        shuffled = [
            shuffle_options(question, f"{self._seed}-{epoch}") for question in self._questions
        ]
        encoded, problems = self._encoder.encode(shuffled)
        # Another order can be a token longer. A question that no longer fits stays in its own.
        unencoded = {problem.index for problem in problems}
        following = iter(encoded)
        return [
            self._encoded[index] if index in unencoded else next(following)
            for index in range(len(shuffled))
        ]

    def log_what_changes(self) -> None:
        """Log how many questions are shuffled, and a warning if that changes nothing."""
        reasons = ((q.id, fixed_order_reason(q)) for q in self._questions)
        fixed = [(name, reason) for name, reason in reasons if reason is not None]
        count = len(self._questions)
        example = fixed[0] if fixed else None
        logger.info("%s", records.shuffled_options(count - len(fixed), count, example))
        if all(map(_teach_the_same, self._encoded, self(0))):
            logger.warning(
                "shuffle_options changes nothing of what is learned: the prompt does not list the "
                "options"
            )


def _teach_the_same(first: EncodedQuestion, second: EncodedQuestion) -> bool:
    """Whether prompt, key and wrong candidates are the same, the candidates in any order."""
    return (
        first.prompt == second.prompt
        and first.candidates[first.key_index] == second.candidates[second.key_index]
        and sorted(first.candidates) == sorted(second.candidates)
    )


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run will compute.

    Attributes:
        steps: Optimizer steps in all.
        tokens_given: Tokens that would be computed if each sequence had a row of its own.
        tokens_computed: Tokens that go through the model, padding left out.
        exact: Whether tokens were counted by packing all steps, not only some of them.
        largest_pass: Tokens of the largest forward pass, padding included.
        longest_row: Tokens of the longest row.
        head_positions: The most positions of a forward pass that go through the output head.
        memory: The memory it needs; ``None`` where there was no model to count it from.
        evaluated_pass: Tokens of the largest forward pass over validation questions.
        evaluated_positions: The most positions of one that go through the output head.
        dtype: The name of the dtype that the base model computes in, such as ``"bfloat16"``: before
            a run the first that would be tried. Empty where there was no model.
        tokens_if_wider: Tokens that would go through the model if a forward pass had up to twice as
            many at once, padding left out: what the questions of one passage share is computed
            again for each pass that they are in. ``None`` where half the
            ``gradient_accumulation_steps`` is no whole number.
    """

    steps: int
    tokens_given: int
    tokens_computed: int
    exact: bool
    largest_pass: int
    longest_row: int
    head_positions: int
    memory: MemoryEstimate | None = None
    evaluated_pass: int = 0
    evaluated_positions: int = 0
    dtype: str = ""
    tokens_if_wider: int | None = None

    def text(self) -> str:
        """One line, one more on memory and one on wider forward passes where they save much."""
        lines = [
            summaries.run_summary(
                self.steps,
                self.tokens_given,
                self.tokens_computed,
                self.largest_pass,
                exact=self.exact,
            )
        ]
        if self.memory is not None:
            lines.append(self.memory.text())
        if self.saved_if_wider >= WORTH_SAYING:
            lines.append(summaries.wider_passes(self.saved_if_wider))
        return "\n".join(lines)

    @property
    def saved_if_wider(self) -> float:
        """The share of the tokens computed that passes of twice as many tokens would not compute.

        0 where it was not counted.
        """
        if self.tokens_if_wider is None or not self.tokens_computed:
            return 0.0
        return 1 - self.tokens_if_wider / self.tokens_computed
