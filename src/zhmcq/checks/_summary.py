"""A bank on one page, and its problems counted by code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from zhmcq._phrases import banks
from zhmcq._phrases.labels import label
from zhmcq._visible import visible
from zhmcq.checks._near_copies import near_copy_clusters
from zhmcq.questions import QuestionBank, Severity, require_bank, require_questions

__all__ = ["ProblemCount", "answer_balance", "describe", "problem_table"]

# Positions are called uneven where one is off by a fifth or more, and chance would do so in less
# than one of a thousand banks.
UNEVEN = 0.2
CHANCE = 0.001


class ProblemCount(NamedTuple):
    """How often one kind of problem occurs.

    Attributes:
        code: The problem's code.
        severity: ``"error"`` or ``"warning"``.
        times: How many problems have both.
        rows: The first five rows that have it, as text.
        example: The message of the first.
    """

    code: str
    severity: Severity
    times: int
    rows: str
    example: str


def problem_table(bank: QuestionBank) -> list[ProblemCount]:
    """The problems of a bank counted by code, errors first, the most frequent first.

    Raises:
        QuestionError: If it is given no bank.
    """
    require_bank(bank, "problem_table")
    groups: dict[tuple[str, Severity], list[int]] = {}
    examples: dict[tuple[str, Severity], str] = {}
    for problem in bank.problems:
        key = (problem.code, problem.severity)
        groups.setdefault(key, []).append(problem.row)
        examples.setdefault(key, problem.message)
    counted = [
        ProblemCount(code, severity, len(rows), _few(rows), examples[code, severity])
        for (code, severity), rows in groups.items()
    ]
    return sorted(counted, key=lambda row: (row.severity, -row.times, row.code))


def _few(rows: Sequence[int]) -> str:
    distinct = list(dict.fromkeys(rows))
    return ", ".join(map(str, distinct[:5])) + (", …" if len(distinct) > 5 else "")


def answer_balance(bank: QuestionBank) -> dict[str, int]:
    """How often each label is a key, over the questions that have one right option.

    Raises:
        QuestionError: If it is given no bank.
    """
    require_questions(bank, "answer_balance")
    singles = [q for q in bank if q.answer and q.kind != "multiple"]
    labels = dict.fromkeys(label for question in singles for label in question.labels)
    counts = Counter(question.answer_label for question in singles)
    return {label: counts[label] for label in labels}


def describe(bank: QuestionBank, tokenizer: Any = None, max_length: int = 512) -> str:
    """A one-page summary in plain text.

    Args:
        bank: The bank.
        tokenizer: A tokenizer of transformers, to count tokens as well as characters.
        max_length: With a tokenizer, how many tokens of passage, stem and options may be.

    Returns:
        Questions by kind, options and keys, balance of the keys' positions, lengths, passages
        and their near-copies, and problems by code.

    Raises:
        QuestionError: If it is given no bank.
    """
    require_bank(bank, "describe")
    errors = sum(problem.severity == "error" for problem in bank.problems)
    keyed = sum(question.answer is not None for question in bank)
    lines = [banks.described(len(bank), keyed, errors)]
    if len(bank):
        lines.append(banks.kinds_line(_counts(label(question.kind) for question in bank)))
        lines.append(banks.options_line(_counts(len(question.options) for question in bank)))
        lines += _balance_lines(bank)
        lines += _passage_lines(bank)
        lines += _length_lines(bank)
        if tokenizer is not None:
            lines += _token_lines(bank, tokenizer, max_length)
    table = problem_table(bank)
    if table:
        lines.append(banks.problems_header())
        lines += [banks.problem_line(*row) for row in table]
    return visible("\n".join(lines))


def _counts(values: Iterable[object]) -> str:
    counted = sorted(Counter(values).items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{value}: {count}" for value, count in counted[:10])


def _balance_lines(bank: QuestionBank) -> list[str]:
    counts = answer_balance(bank)
    total = sum(counts.values())
    if not total:
        return []
    shares = ", ".join(f"{label}: {count / total:.1%}" for label, count in counts.items())
    lines = [banks.shares_line(shares)]
    positions = _positions(bank)
    if positions and min(positions[1]) >= 5:
        from scipy.stats import chisquare

        off = max(abs(observed / fair - 1) for observed, fair in zip(*positions, strict=True))
        if off >= UNEVEN and float(chisquare(*positions).pvalue) < CHANCE:
            lines.append(banks.positions_line())
    return lines


def _positions(bank: QuestionBank) -> tuple[list[float], list[float]] | None:
    """How often each position is right, and how often it would be by chance."""
    observed: list[float] = [0.0] * 26
    expected: list[float] = [0.0] * 26
    for question in bank:
        if question.answer and question.kind != "multiple":
            observed[question.answer[0]] += 1
            for position in range(len(question.options)):
                expected[position] += 1 / len(question.options)
    used = [position for position, value in enumerate(expected) if value]
    return ([observed[p] for p in used], [expected[p] for p in used]) if len(used) > 1 else None


def _passage_lines(bank: QuestionBank) -> list[str]:
    passages = list(dict.fromkeys(question.passage for question in bank if question.passage))
    if not passages:
        return [banks.passages_line(0, 0, 0)]
    clusters = near_copy_clusters(passages)
    with_one = sum(bool(question.passage) for question in bank)
    return [banks.passages_line(len(passages), with_one, len(passages) - len(set(clusters)))]


def _length_lines(bank: QuestionBank) -> list[str]:
    lines = [banks.lengths_header()]
    parts = {
        "passage": [len(question.passage) for question in bank if question.passage],
        "stem": [len(question.stem) for question in bank],
        "option": [len(option) for question in bank for option in question.options],
    }
    return lines + [
        banks.length_line(name, _spread(sizes)) for name, sizes in parts.items() if sizes
    ]


def _spread(sizes: list[int]) -> str:
    ordered = sorted(sizes)
    high = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{ordered[len(ordered) // 2]}, {high}, {ordered[-1]}"


def _token_lines(bank: QuestionBank, tokenizer: Any, max_length: int) -> list[str]:
    sizes: list[int] = []
    texts = ["\n".join((q.passage, q.stem, *q.options)) for q in bank]
    for start in range(0, len(texts), 1000):
        encoded = tokenizer(texts[start : start + 1000], add_special_tokens=False)
        sizes += [len(ids) for ids in encoded["input_ids"]]
    over = sum(size > max_length for size in sizes)
    return banks.token_lines(_spread(sizes), over, len(sizes), max_length)
