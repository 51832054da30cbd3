"""Who answers which questions, and how the answers of all come together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace

from zhmcq.prediction._engines import Engine, EngineStep, PreparedQuestion, Record
from zhmcq.prediction._predictions import PredictionStats
from zhmcq.prediction._processes.team import Team

__all__ = ["AnswersOfOthers", "share_out", "shared_steps"]


@dataclass(frozen=True, slots=True)
class AnswersOfOthers:
    """Stands for a journal in a process that has none, or does not write it.

    Attributes:
        finished: The answers that the journal held, by the question's id.
    """

    finished: dict[str, Record] = field(default_factory=dict)

    def add(self, records: list[Record]) -> None:
        """Nothing: the first process writes."""


def shared_steps(
    team: Team, engine: Engine, questions: Sequence[PreparedQuestion], finished: dict[str, Record]
) -> Iterator[EngineStep]:
    """Compute a share of the questions, and give the records of all of them.

    Args:
        team: The processes.
        engine: How questions are answered.
        questions: What no process has answered yet, the same in all of them.
        finished: The records that there are, to which those of a phase are added at its end.

    Yields:
        In the first process each step, its own and those of others; in the others the records of
        a phase at once, when all have computed theirs. The last one has the statistics of all.
    """
    stats, count = PredictionStats(), 0
    for phase in engine.phases(questions):
        computed: dict[str, Record] = {}
        for step in engine.stream(share_out(phase, team.count)[team.rank]):
            stats = step.stats
            if team.is_first:
                yield EngineStep(_added(computed, [*step.records, *team.received()]), stats)
            else:
                team.send(step.records)
            team.refuse_if_failed()
        for _ in team.coming():  # in the first process
            if records := team.received():
                yield EngineStep(_added(computed, records), stats)
        if team.is_first:
            yield EngineStep(_added(computed, team.received()), stats)
        merged = team.same(list(computed.values()))
        finished.update((record["id"], record) for record in merged)
        count += len({record["id"] for record in merged}.intersection(q.id for q in phase))
        yield EngineStep([] if team.is_first else merged, stats)
    parts = [PredictionStats(*values) for values in team.gathered(astuple(stats))]
    yield EngineStep([], replace(_sum(parts), questions=count))


def _added(computed: dict[str, Record], records: Iterable[Record]) -> list[Record]:
    """The records that are new: a label prior gives its questions the same ones in each process."""
    fresh = [record for record in records if computed.get(record["id"]) != record]
    computed.update((record["id"], record) for record in fresh)
    return fresh


def share_out(questions: Sequence[PreparedQuestion], count: int) -> list[list[PreparedQuestion]]:
    """Whole passages for each process, so that all have about as many tokens to compute.

    The longest first, each to who has the least: no share exceeds the best possible one by more
    than a third (Graham, 1969, "Bounds on Multiprocessing Timing Anomalies").

    Args:
        questions: The questions; each share has them in this order.
        count: How many shares.
    """
    passages: dict[tuple[str, int], list[int]] = {}
    for index, question in enumerate(questions):
        passage = question.encoded.passage
        passages.setdefault((passage, -1 if passage else index), []).append(index)
    sized = [(_tokens([questions[i] for i in members]), members) for members in passages.values()]
    loads, shares = [0] * count, [list[int]() for _ in range(count)]
    for tokens, members in sorted(sized, key=lambda item: (-item[0], item[1][0])):
        rank = loads.index(min(loads))
        loads[rank] += tokens
        shares[rank] += members
    return [[questions[index] for index in sorted(share)] for share in shares]


def _tokens(questions: Sequence[PreparedQuestion]) -> int:
    """About what the questions of a passage take, whose beginning is computed once."""
    lengths = [question.length for question in questions]
    shared = min(len(question.encoded.prompt) for question in questions)
    if len(questions) > 1:
        texts = [question.encoded.prompt for question in questions]
        first = texts[0]
        shared = min(_common(first, text) for text in texts[1:])
    return sum(lengths) - shared * (len(questions) - 1)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two prompts begin with alike."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _sum(parts: Sequence[PredictionStats]) -> PredictionStats:
    """The statistics of all processes, which compute at the same time."""
    return PredictionStats(
        sum(part.questions for part in parts),
        max(part.seconds for part in parts),
        sum(part.tokens_given for part in parts),
        sum(part.tokens_computed for part in parts),
        sum(part.orders for part in parts),
    )
