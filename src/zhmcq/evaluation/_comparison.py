"""Two sets of answers to the same questions, compared question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from zhmcq._phrases import terminal_language
from zhmcq.errors import PredictionError
from zhmcq.evaluation._evaluation import Evaluation, evaluate_outcomes
from zhmcq.evaluation._outcomes import Outcome, clusters_of
from zhmcq.evaluation._report import listed_outcomes, write_comparison_page
from zhmcq.evaluation._sentences import comparison_sentence
from zhmcq.evaluation._statistics import Interval, paired_interval, sign_flip_test
from zhmcq.evaluation._views import comparison_html
from zhmcq.reports._page import WORDS, AnswerList
from zhmcq.zh._language import Language

__all__ = ["Comparison", "HasOutcomes", "compare"]


class HasOutcomes(Protocol):
    """Answers whose outcomes can be compared, such as ``Predictions``."""

    def outcomes(self) -> list[Outcome]:
        """One outcome for each question that has a key."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sets of answers to the same questions, compared question by question.

    Attributes:
        base: The evaluation of the first set, say of the base model.
        tuned: The evaluation of the second set, say of the tuned model.
        difference: The accuracy of the second less that of the first.
        interval: 95 % interval of the difference for paired answers, with questions of one group
            or passage taken as alike as their answers are (:func:`paired_interval`).
        p_value: How often chance alone would make a difference at least this large, either way:
            the sign-flip test, which swaps both sets' answers for whole passages
            (:func:`sign_flip_test`).
        gained: Outcomes of the second set where it alone is right.
        lost: Outcomes of the second set where the first alone is right.
    """

    base: Evaluation
    tuned: Evaluation
    difference: float
    interval: Interval
    p_value: float
    gained: tuple[Outcome, ...]
    lost: tuple[Outcome, ...]
    # As the page lists them: with what is known of answers beside their outcomes, and with the
    # questions that have no key.
    _answers: tuple[AnswerList, AnswerList] = field(repr=False, compare=False)

    def __repr__(self) -> str:  # the fields list every question that changed
        return f"<Comparison: {self._in_english()}>"

    def __str__(self) -> str:
        if terminal_language() == "zh-Hant":
            return comparison_sentence(self, WORDS["zh-Hant"])
        return self._in_english()

    def _in_english(self) -> str:
        low, high = self.interval
        return (
            f"{self.base.accuracy:.1%} → {self.tuned.accuracy:.1%} on {self.base.count} questions "
            f"({self.difference:+.1%}; 95 % interval {low:+.1%} to {high:+.1%}; "
            f"sign-flip p = {self.p_value:.2g})"
        )

    def _repr_html_(self) -> str:  # what a notebook shows
        return comparison_html(self)

    def to_html(self, path: str | Path, *, language: Language | None = None) -> None:
        """Write the comparison as one html page that lists every question.

        The page needs no network. It filters questions by what became of them (gained, lost, right
        or wrong both times), confidence, status, subject, kind and sheet, searches and sorts them,
        and opens each with its passage, its options and both sides' probabilities.

        Args:
            path: The file; an older one is replaced, but for one that the questions came from.
            language: The language that the page starts in, ``"zh-Hant"``, ``"zh-Hans"`` or
                ``"en"``; it has a switch. ``None`` for the language of the questions.

        Raises:
            OutputExistsError: If the questions were read from that file.
            OutputError: If it cannot be written.
            SettingsError: If the language is none of these.
        """
        write_comparison_page(path, self, language)


def compare(base: HasOutcomes, tuned: HasOutcomes) -> Comparison:
    """Compare two sets of answers to the same questions, question by question.

    Args:
        base: The first set, say the base model's predictions.
        tuned: The second set, say the tuned model's predictions for the same questions.

    Raises:
        PredictionError: If the questions, their passages, options or keys are not the same, or
            none has a key; if one set is no predictions.
    """
    for side in (base, tuned):
        if not callable(getattr(side, "outcomes", None)):
            raise PredictionError(
                f"compare(…): expected Predictions, such as predict(…) returns, found "
                f"{side!r:.60} ({type(side).__name__})"
            )
    first = {outcome.id: outcome for outcome in base.outcomes()}
    second = {outcome.id: outcome for outcome in tuned.outcomes()}
    if first.keys() != second.keys():
        unmatched = sorted(first.keys() ^ second.keys())
        raise PredictionError(
            f"expected answers to the same questions, found {len(unmatched)} answered by one side "
            f"only ({', '.join(unmatched[:5])}): predict the same bank with both"
        )
    for name, left in first.items():
        _refuse_other_question(name, left, second[name])
    pairs = [(left, second[name]) for name, left in first.items()]
    gained = [right.correct and not left.correct for left, right in pairs]
    lost = [left.correct and not right.correct for left, right in pairs]
    clusters = clusters_of([left.question for left, _ in pairs])
    changes = [int(up) - int(down) for up, down in zip(gained, lost, strict=True)]
    return Comparison(
        base=evaluate_outcomes([left for left, _ in pairs]),
        tuned=evaluate_outcomes([right for _, right in pairs]),
        difference=sum(changes) / len(pairs),
        interval=paired_interval(gained, lost, clusters),
        p_value=sign_flip_test(changes, clusters),
        gained=tuple(right for (_, right), up in zip(pairs, gained, strict=True) if up),
        lost=tuple(right for (_, right), down in zip(pairs, lost, strict=True) if down),
        _answers=(_listed(base, first), _listed(tuned, second)),
    )


@runtime_checkable
class _ListsAnswers(Protocol):
    """Answers that know more of themselves than outcomes do, such as ``Predictions``."""

    def _answer_list(self) -> AnswerList: ...


def _listed(side: HasOutcomes, outcomes: Mapping[str, Outcome]) -> AnswerList:
    if isinstance(side, _ListsAnswers):
        return side._answer_list()
    return listed_outcomes(list(outcomes.values()))


def _refuse_other_question(name: str, left: Outcome, right: Outcome) -> None:
    """Refuse what shares no more than an id: another stem, passage, options or key."""
    compared = {
        "stem": (left.stem, right.stem),
        "passage": (left.question.passage, right.question.passage),
        "options": (left.question.options, right.question.options),
        "key": (left.key, right.key),
    }
    for what, (ours, theirs) in compared.items():
        if ours != theirs:
            raise PredictionError(
                f"expected answers to the same questions, but {name!r} has the {what} "
                f"{_shown(ours)} on one side and {_shown(theirs)} on the other: predict the same "
                "bank with both"
            )


def _shown(value: str | Sequence[str]) -> str:
    return repr(value[:40]) if isinstance(value, str) else " / ".join(value)[:80]
