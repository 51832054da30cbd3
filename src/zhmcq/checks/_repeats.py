"""Checks across rows: the same question twice, with two keys, or in two banks."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from zhmcq.checks._clusters import FoldedQuestions, sets_by_text
from zhmcq.questions import (
    Question,
    QuestionBank,
    RowProblem,
    Severity,
    require_bank,
    require_questions,
)
from zhmcq.zh._fold import fold_text, fold_texts, normal_text, tidy

__all__ = ["find_overlap", "settle_repeats"]

MANY = 5


def settle_repeats(bank: QuestionBank) -> QuestionBank:
    """Leave out questions that occur with different keys, and warn of repeated ones.

    :func:`zhmcq.reading.read_bank` does this itself; it is for banks that were put together.

    Two questions are the same when passage, stem and options are, whatever the order of the
    options, after folding width, Traditional and Simplified characters, case, whitespace and
    punctuation. Where their keys differ, that is an error only if they are the same letter by
    letter: Co and CO are two questions.

    Returns:
        A bank in which a question that repeats another has the warning ``duplicate``. Questions
        of one text that have two different keys are gone from it, each with the error
        ``two_keys``; those that differ in width or blanks only, or have a picture, stay with it
        as a warning.

    Raises:
        QuestionError: If it is given no bank.
    """
    require_bank(bank, "settle_repeats")
    noticed: list[tuple[int, RowProblem]] = []
    contradicting: set[int] = set()
    pictured = {problem.origin for problem in bank.problems if problem.code == "picture"}
    for same in _same_questions(bank):
        for exact in _alike(bank, same, tidy):
            plain = not any(bank[index].origin in pictured for index in exact)
            if plain and len(_keys(bank, exact, tidy)) > 1:
                contradicting.update(exact)
                noticed += _contradictions(bank, exact, "both are left out", "error")
        left = [index for index in same if index not in contradicting]
        agreeing: list[list[int]] = []
        for alike in _alike(bank, left, normal_text):
            if len(_keys(bank, alike, normal_text)) > 1:
                why = "their writing differs, or a picture: look which key is right"
                noticed += _contradictions(bank, alike, why, "warning")
            else:
                agreeing.append(alike)
        whole = [index for alike in agreeing for index in alike]
        if len(_keys(bank, whole, fold_text)) < 2:
            agreeing = [sorted(whole)]
        for alike in agreeing:
            noticed += _duplicates(bank, alike)
    return _with_problems(bank, noticed, contradicting)


def _alike(
    bank: QuestionBank, indexes: Iterable[int], form: Callable[[str], str]
) -> list[list[int]]:
    """The questions parted by their texts in some form, whatever the order of the options."""
    parted: dict[Hashable, list[int]] = {}
    for index in indexes:
        question = bank[index]
        options = tuple(sorted(map(form, question.options)))
        texts = (form(question.passage), form(question.stem), options)
        parted.setdefault(texts, []).append(index)
    return list(parted.values())


def _keys(
    bank: QuestionBank, indexes: Iterable[int], form: Callable[[str], str]
) -> set[tuple[str, ...]]:
    """The keys, as texts in some form, so that they compare although options change places."""
    keys = set()
    for question in (bank[index] for index in indexes):
        texts = (form(question.options[index]) for index in question.answer or ())
        keys.add(tuple(sorted(texts)))
    return keys - {()}


def _duplicates(bank: QuestionBank, same: Sequence[int]) -> list[tuple[int, RowProblem]]:
    problems = []
    for index in same[1:]:
        message = f"the same question is in {_rows(bank, same[:1], bank[index])} already"
        problems.append((index, _problem(bank, index, "duplicate", message, "warning")))
    return problems


def _contradictions(
    bank: QuestionBank, same: Sequence[int], what: str, severity: Severity
) -> list[tuple[int, RowProblem]]:
    problems = []
    for index in same:
        others = _rows(bank, (other for other in same if other != index), bank[index])
        message = f"the same question has another key in {others}; {what}"
        problems.append((index, _problem(bank, index, "two_keys", message, severity)))
    return problems


def _same_questions(questions: Sequence[Question]) -> list[list[int]]:
    """Indexes of equal questions, for those that occur twice or more.

    Options are compared where stems are equal, and passages, which are long, where both are.
    """

    def stems(indexes: Sequence[int]) -> Iterable[Hashable]:
        return fold_texts([questions[index].stem for index in indexes])

    def options(indexes: Sequence[int]) -> Iterable[Hashable]:
        folded = iter(fold_texts([text for index in indexes for text in questions[index].options]))
        # Sorted after folding: 臺 comes after 桃, and 台, to which it folds, before it.
        return [tuple(sorted(next(folded) for _ in questions[index].options)) for index in indexes]

    def passages(indexes: Sequence[int]) -> Iterable[Hashable]:
        return fold_texts([questions[index].passage for index in indexes])

    groups = [list(range(len(questions)))]
    for keys in (stems, options, passages):
        groups = _parted(groups, keys)
    return groups


def _parted(
    groups: Iterable[list[int]], keys: Callable[[Sequence[int]], Iterable[Hashable]]
) -> list[list[int]]:
    """The groups parted by a key of each index; those of two or more."""
    groups = list(groups)
    of_index = iter(keys([index for indexes in groups for index in indexes]))
    parted = []
    for indexes in groups:
        by_key: dict[Hashable, list[int]] = {}
        for index in indexes:
            by_key.setdefault(next(of_index), []).append(index)
        parted += [same for same in by_key.values() if len(same) > 1]
    return parted


def _rows(bank: QuestionBank, indexes: Iterable[int], relative_to: Question) -> str:
    """Name rows in a message about another question: with their file, where it is another one."""
    named = [_row(bank[index], relative_to) for index in indexes]
    more = f" and {len(named) - MANY} more" if len(named) > MANY else ""
    return ", ".join(named[:MANY]) + more


def _row(question: Question, relative_to: Question | None = None) -> str:
    origin = question.origin
    if origin is None:
        return f"question {question.id!r}"
    sheet = f" of sheet {origin.sheet!r}" if origin.sheet else ""
    same_file = (
        relative_to is None or relative_to.origin is None or relative_to.origin.file == origin.file
    )
    return f"row {origin.row}{sheet}{'' if same_file else f' of {origin.file}'}"


def _problem(
    bank: Sequence[Question], index: int, code: str, message: str, severity: Severity
) -> RowProblem:
    question = bank[index]
    origin = question.origin
    return RowProblem(
        row=origin.row if origin else 0,
        column=bank.columns.get("stem", "") if isinstance(bank, QuestionBank) else "",
        code=code,
        message=message,
        severity=severity,
        file=origin.file if origin else "",
        sheet=origin.sheet if origin else "",
        source_id=question.source_id,
        position=index,
    )


def _with_problems(
    bank: QuestionBank, noticed: Sequence[tuple[int, RowProblem]], gone: set[int]
) -> QuestionBank:
    remaining = [question for index, question in enumerate(bank) if index not in gone]
    before = [0]
    for index in range(len(bank)):
        before.append(before[-1] + (index in gone))
    problems = [*bank.problems, *(problem for _, problem in noticed)]
    problems.sort(key=lambda problem: problem.position)
    problems = [replace(p, position=p.position - before[p.position]) for p in problems]
    return QuestionBank(remaining, problems, bank.columns, bank.table)


def find_overlap(train: Sequence[Question], other: Sequence[Question]) -> list[RowProblem]:
    """Find the questions of a bank that a model trained on another bank has seen already.

    Args:
        train: The bank that was trained on.
        other: The bank to be answered or measured with.

    Returns:
        Warnings about rows of ``other``: ``overlap_question`` where passage, stem and options are
        those of a question in ``train``, else ``overlap_passage`` where the passage, or the stem
        of a question without one, is one of ``train``, a near-copy or an excerpt of one, or is
        quoted by a stem or an option there, or the other way round.

    Raises:
        QuestionError: If it is given no questions.
    """
    require_questions(train, "find_overlap")
    require_questions(other, "find_overlap")
    joined = [*train, *other]
    sets = sets_by_text(joined, FoldedQuestions.of(joined))
    seen: dict[int, tuple[str, int]] = {}
    firsts: dict[int, int] = {}
    for index in range(len(joined)):
        if index < len(train):
            firsts.setdefault(sets[index], index)
        elif sets[index] in firsts:
            seen[index] = ("overlap_passage", firsts[sets[index]])
    for same in _same_questions(joined):
        for index in same:
            if same[0] < len(train) <= index:
                seen[index] = ("overlap_question", same[0])
    what = {
        "overlap_question": "this question",
        "overlap_passage": "this passage, a near-copy or a quotation of it",
    }
    return [
        _problem(
            other,
            index - len(train),
            code,
            f"{what[code]} is in the training bank: {_row(joined[match])}",
            "warning",
        )
        for index, (code, match) in sorted(seen.items())
    ]
