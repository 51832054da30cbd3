"""How a table writes its keys, so that answers can be written alike: 1, (A), 選項1, 甲, a text."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from zhmcq.questions import Question
from zhmcq.reading._drafts.vocabulary import field_of
from zhmcq.zh._fold import tidy
from zhmcq.zh._labels import ALPHABETS, LETTERS, label_index, plain_label
from zhmcq.zh._truth import true_false_options, truth_of

__all__ = ["LABELS", "KeyStyle", "key_headers", "key_style", "option_numbers"]

_LONGEST = 200  # characters of a cell that may be a label with something around it
_AROUND = 12  # characters before or after a label
# fmt: off
_JOINTS = (
    "", ",", "、", "，", ", ", ";", "；", "; ", " ", "/", "|", "\n", "+", "&", "， ",
    "和", "與", "与", "及",
)
# fmt: on
_WIDE = 0xFEE0  # from a character of ASCII to its full-width form

Series = Callable[[Question, int], str]


@lru_cache(maxsize=1024)
def _numbers(labels: tuple[str, ...]) -> tuple[int, ...]:
    """The number of each option by its label, from 0: a question may lack the option B."""
    numbers = []
    for index, label in enumerate(labels):
        if label.isascii() and label.isdigit():
            number = int(label) - ("0" not in labels)
        else:
            number = label_index(plain_label(label))
        numbers.append(index if number < 0 else number)
    return tuple(numbers)


def _number(question: Question, index: int) -> int:
    return _numbers(question.labels)[index]


def option_numbers(question: Question) -> Sequence[int]:
    """The number of each option among those that its table has columns for, from 0.

    By the labels, since a question may lack the option B; by the order of the options where labels
    are no series, as in true/false questions.
    """
    numbers, count = _numbers(question.labels), len(question.labels)
    rising = all(low < high for low, high in itertools.pairwise(numbers))
    # O and X are letters too, but far apart.
    if question.kind != "true_false" and rising and numbers[-1] < 2 * count + 2:
        return numbers
    return range(count)


def _series(characters: str) -> Series:
    return lambda question, index: characters[(number := _number(question, index)) : number + 1]


def _widened(text: str) -> str:
    return "".join(chr(ord(character) + _WIDE) for character in text)


def _own_label(question: Question, index: int) -> str:
    return question.labels[index]


# What may name an option in a cell. The first that explains most keys is the table's.
_SERIES: Mapping[str, Series] = {
    "label": _own_label,
    "number from 1": lambda question, index: str(_number(question, index) + 1),
    "number from 0": lambda question, index: str(_number(question, index)),
    "small letter": _series(LETTERS.characters.lower()),
    "wide letter": _series(_widened(LETTERS.characters)),
    "wide small letter": _series(_widened(LETTERS.characters.lower())),
    "wide number": lambda question, index: _widened(str(_number(question, index) + 1)),
    "parenthesized numeral": _series("㈠㈡㈢㈣㈤㈥㈦㈧㈨㈩"),
    **{alphabet.name: _series(alphabet.characters) for alphabet in ALPHABETS},
}


class _Form(NamedTuple):
    """How one option is named.

    Attributes:
        series: A name in ``_SERIES``; ``""`` where the option's text alone is written.
        before: What stands before the label.
        after: What follows it, up to the text where there is one.
        with_text: Whether the option's text follows.
    """

    series: str
    before: str = ""
    after: str = ""
    with_text: bool = False

    def name(self, question: Question, index: int) -> str:
        """An option as this form names it; ``""`` beyond the end of its alphabet."""
        if not self.series:
            return question.options[index]
        label = _SERIES[self.series](question, index)
        text = question.options[index] if self.with_text else ""
        return f"{self.before}{label}{self.after}{text}" if label else ""

    def around_all(self, question: Question, answer: Sequence[int], joint: str) -> str:
        """Options with what stands before and after a label around all of them: ``(AC)``."""
        if not self.series or self.with_text:
            return ""
        labels = [_SERIES[self.series](question, index) for index in answer]
        return f"{self.before}{joint.join(labels)}{self.after}" if all(labels) else ""


_BY_LABEL = _Form("label")


@dataclass(frozen=True, slots=True)
class KeyStyle:
    """How keys are written.

    Attributes:
        form: How one option is named.
        joint: What stands between several; ``None`` where the question's labels decide.
        around_all: Whether what stands before and after a label stands around several together:
            (AC), and not (A)(C).
        is_number: Whether a number is stored as a number, and not as text.
        are_numbers: The same for the numbers of several options, such as 124.
        truths: What stands for true and for false, where the table says either in a word.
    """

    form: _Form = _BY_LABEL
    joint: str | None = None
    around_all: bool = False
    is_number: bool = True
    are_numbers: bool = False
    truths: Mapping[bool, str] = field(default_factory=dict)

    def written(self, question: Question, answer: Sequence[int]) -> str | int:
        """An answer as the table's keys are written.

        Args:
            question: The question.
            answer: 0-based indexes of options, at least one.
        """
        if question.kind == "true_false" and self.truths and len(answer) == 1:
            truth = truth_of(question.options[answer[0]])
            if truth is not None and truth in self.truths:
                return self.truths[truth]
        if self.around_all and self.joint is not None and len(answer) > 1:
            text = self.form.around_all(question, answer, self.joint)
            return text or question.label_of(tuple(answer))
        names = [self.form.name(question, index) for index in answer]
        if not all(names):  # more options than the alphabet has
            return question.label_of(tuple(answer))
        if self.joint is None and self.form == _BY_LABEL:
            text = question.label_of(tuple(answer))
        else:
            text = (self._joint(names)).join(names)
        as_number = self.is_number if len(answer) == 1 else self.are_numbers
        return int(text) if as_number and _is_plain(text) else text

    def _joint(self, names: Sequence[str]) -> str:
        if self.joint is not None:
            return self.joint
        if not self.form.series or self.form.with_text:
            return "；"  # options hold commas as often
        return "" if all(len(name) == 1 for name in names) else ","


#: The labels of the questions, with numbers as numbers: where no keys show more.
LABELS = KeyStyle()


def key_headers(columns: Mapping[str, str], headers: Iterable[str]) -> list[str]:
    """The headers of a table that name a column of keys, the preferred one first.

    Args:
        columns: Field → header, of the bank.
        headers: The table's headers.
    """
    headers = list(headers)
    ranked = sorted(
        (match[1], header)
        for header in headers
        if (match := field_of(header)) is not None and match[0] == "answer"
    )
    chosen = columns.get("answer")
    first = [chosen] if chosen in headers and chosen is not None else []
    return list(dict.fromkeys([*first, *(header for _, header in ranked)]))


def key_style(keyed: Iterable[tuple[Question, Any]]) -> KeyStyle | None:
    """How keys are written, by what explains most of them.

    Args:
        keyed: Questions that have a key, each with the cell that it was read from.

    Returns:
        The style; ``None`` where no way to name options explains any cell.
    """
    pairs = [(question, cell, str(cell).strip()) for question, cell in keyed]
    pairs = [pair for pair in pairs if pair[2] and len(pair[2]) <= _LONGEST * 10]
    forms: Counter[_Form] = Counter()
    for question, _, text in pairs:
        forms.update(_forms_of(question, text))
    if not forms:
        return None
    order = list(_SERIES)
    most = max(forms.values())
    best = min(
        (form for form, count in forms.items() if count == most),
        key=lambda form: (
            form.with_text,
            len(form.before + form.after),
            order.index(form.series) if form.series else 1,
        ),
    )
    joints: Counter[tuple[str, bool]] = Counter()  # with whether brackets are around all
    truths: dict[bool, Counter[str]] = {}
    numbers = texts = lists_as_numbers = lists_as_texts = 0
    for question, cell, text in pairs:
        answer = question.answer or ()
        if len(answer) > 1:
            lists_as_numbers += isinstance(cell, int | float)
            lists_as_texts += isinstance(cell, str)
            names = [best.name(question, index) for index in answer]
            joints.update((joint, False) for joint in _JOINTS if joint.join(names) == text)
            if best.before or best.after:
                joints.update(
                    (joint, True)
                    for joint in _JOINTS
                    if best.around_all(question, answer, joint) == text
                )
        elif text == best.name(question, answer[0]):
            numbers += isinstance(cell, int | float)
            texts += isinstance(cell, str)
        elif question.kind == "true_false" and (truth := truth_of(text)) is not None:
            truths.setdefault(truth, Counter())[text] += 1
    words = {truth: counts.most_common(1)[0][0] for truth, counts in truths.items()}
    if len(words) == 1:  # all keys are true, or all false
        ((truth, word),) = words.items()
        _, (true, false) = true_false_options(word, "")
        if truth_of(true) and word in (true, false):
            words = {True: true, False: false}
    joint, around_all = joints.most_common(1)[0][0] if joints else (None, False)
    return KeyStyle(
        best,
        joint,
        around_all,
        numbers >= texts,
        lists_as_numbers > lists_as_texts,
        words,
    )


def _forms_of(question: Question, text: str) -> set[_Form]:
    """All forms that would name a question's key as its cell does."""
    answer = question.answer or ()
    if len(answer) > 1:
        return _forms_of_several(question, answer, text)
    option = question.options[answer[0]]
    forms = {_Form("")} if tidy(text) == tidy(option) else set()
    if len(text) > _LONGEST + len(option):
        return forms
    head = text.removesuffix(option)
    for series, label_of in _SERIES.items():
        label = label_of(question, answer[0])
        if around := _around(text, label):
            forms.add(_Form(series, *around))
        if head != text and (around := _around(head, label)):
            forms.add(_Form(series, *around, with_text=True))
    return forms


def _forms_of_several(question: Question, answer: Sequence[int], text: str) -> set[_Form]:
    forms = set()
    for series, label_of in _SERIES.items():
        labels = [label_of(question, index) for index in answer]
        if not all(labels) or labels[0] not in text[:_LONGEST] or labels[-1] not in text:
            continue
        before = text[: text.index(labels[0])]
        after = text[text.rindex(labels[-1]) + len(labels[-1]) :]
        names = [f"{before}{label}{after}" for label in labels]
        form = _Form(series, before, after)
        if max(len(before), len(after)) <= _AROUND and any(
            text in (joint.join(names), form.around_all(question, answer, joint))
            for joint in _JOINTS
        ):
            forms.add(form)
    texts = [question.options[index] for index in answer]
    if any(joint.join(texts) == text for joint in _JOINTS):
        forms.add(_Form(""))
    return forms


def _around(text: str, label: str) -> tuple[str, str] | None:
    """What stands before and after a label in a short text that holds it once."""
    if not label or text.count(label) != 1:
        return None
    before, _, after = text.partition(label)
    return (before, after) if max(len(before), len(after)) <= _AROUND else None


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text and len(text) < 10
