"""Questions that must stay together when a bank is split: what one teaches answers the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from zhmcq.checks._near_copies import clusters_of_folded, quotations
from zhmcq.questions import Question, require_questions
from zhmcq.zh._fold import fold_texts

if TYPE_CHECKING:
    from scipy.cluster.hierarchy import DisjointSet

__all__ = ["FoldedQuestions", "QuestionCluster", "question_clusters", "sets_by_text"]

# Characters of all options together from which they are no mere labels of truth or number.
INFORMATIVE = 16


@dataclass(frozen=True, slots=True)
class QuestionCluster:
    """Questions that belong on one side of a split.

    Attributes:
        indexes: The 0-based indexes of its questions in the bank, in order.
        texts: What they are about, each text once, folded: their passages, and the stems of
            those without a passage.
    """

    indexes: tuple[int, ...]
    texts: frozenset[str]


def question_clusters(questions: Sequence[Question]) -> list[QuestionCluster]:
    """Which questions must stay together, directly or through others.

    Together belong questions

    - about one passage, or about near-copies or excerpts of one; the stem of a question without
      a passage counts as its passage;
    - whose stem or one of whose options quotes another question's whole passage;
    - of one source item (the same ``group`` in the same file);
    - that repeat each other, whatever the order of their options.

    Texts are compared after folding width, script, case, whitespace and punctuation. The order of
    the questions makes no difference, and further questions do not part those that belong
    together (but for an excerpt of nothing but phrases that come to be in a hundred texts).

    Args:
        questions: A bank, or other questions; their ids may repeat.

    Returns:
        The clusters in the order of their first questions; each question is in exactly one.

    Raises:
        QuestionError: If it is given no questions.
    """
    require_questions(questions, "question_clusters")
    folded = FoldedQuestions.of(questions)
    sets = sets_by_text(questions, folded)
    for together in (*_of_one_item(questions), *_repeats(questions, folded)):
        for index in together[1:]:
            sets.merge(together[0], index)
    members: dict[int, list[int]] = {}
    for index in range(len(questions)):
        members.setdefault(sets[index], []).append(index)
    return [
        QuestionCluster(tuple(indexes), frozenset(folded.texts[index] for index in indexes))
        for indexes in members.values()
    ]


@dataclass(frozen=True, slots=True)
class FoldedQuestions:
    """The texts of questions, folded; each list has one item a question.

    Attributes:
        texts: What each question is about: its passage, or its stem without one.
        stems: The stems.
        options: The options of each.
    """

    texts: list[str]
    stems: list[str]
    options: list[list[str]]

    @classmethod
    def of(cls, questions: Sequence[Question]) -> Self:
        """Fold all of them in a few goes, which is faster than one by one."""
        options = iter(fold_texts([option for q in questions for option in q.options]))
        return cls(
            fold_texts([question.passage or question.stem for question in questions]),
            fold_texts([question.stem for question in questions]),
            [[next(options) for _ in question.options] for question in questions],
        )


def sets_by_text(questions: Sequence[Question], folded: FoldedQuestions) -> DisjointSet:
    """Join questions by their passages: near-copies, excerpts and quotations.

    Args:
        questions: The questions.
        folded: The same ones, folded.

    Returns:
        Disjoint sets of the questions' indexes.
    """
    from scipy.cluster.hierarchy import DisjointSet

    sets = DisjointSet(range(len(questions)))
    for index, first in enumerate(clusters_of_folded(folded.texts)):
        sets.merge(index, first)
    for first, second in _quoting(questions, folded):
        sets.merge(first, second)
    return sets


def _quoting(questions: Sequence[Question], folded: FoldedQuestions) -> Iterator[tuple[int, int]]:
    """Pairs of questions: one with a passage, and one whose stem or an option quotes it."""
    passages = [
        text if question.passage else ""
        for question, text in zip(questions, folded.texts, strict=True)
    ]
    owners: dict[str, list[int]] = {}
    for index, stem in enumerate(folded.stems):
        for text in {stem, *folded.options[index]}:
            owners.setdefault(text, []).append(index)
    quoting = list(owners)
    for passage, number in quotations(passages, quoting):
        for owner in owners[quoting[number]]:
            yield passage, owner


def _of_one_item(questions: Sequence[Question]) -> Iterable[list[int]]:
    by_item: dict[tuple[str, str], list[int]] = {}
    for index, question in enumerate(questions):
        if question.group:
            file = question.origin.file if question.origin else ""
            by_item.setdefault((file, question.group), []).append(index)
    return by_item.values()


def _repeats(questions: Sequence[Question], folded: FoldedQuestions) -> Iterator[list[int]]:
    """Indexes of questions with one stem and the same options, which therefore have one key.

    Where all of them have passages and their options say nothing by themselves (true and false,
    numbers), it is one question about several passages, and no repetition.
    """
    by_text: dict[tuple[str, ...], list[int]] = {}
    for index, stem in enumerate(folded.stems):
        by_text.setdefault((stem, *sorted(folded.options[index])), []).append(index)
    for (_, *texts), indexes in by_text.items():
        informative = sum(map(len, texts)) >= INFORMATIVE
        if informative or any(not questions[index].passage for index in indexes):
            yield indexes
