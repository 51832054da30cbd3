"""How a file writes its keys, worked out from all of them together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from zhmcq.errors import ReadError
from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.key_text import key_and_page_text
from zhmcq.reading._drafts.stem_keys import StemKeys, StemKeyTally
from zhmcq.zh._fold import normal_text, tidy

__all__ = ["Convention", "KeyTally", "convention_of", "index_numbers", "last_filled"]

Style = Literal["label", "text", "unknown"]

_PLAIN_NUMBER = re.compile(r"[(\[]?(\d{1,3})(?:\.0+)?[)\]]?\.?")
_PLAIN_LETTER = re.compile(r"[(\[]?[A-Za-z][)\].、]?")
# One reading is the file's style when the other one occurs in fewer than one of twenty keys.
_MAJORITY = 20


@dataclass(frozen=True, slots=True)
class Convention:
    """How a file writes its keys.

    Attributes:
        base: The number of the first option.
        style: Whether a key that can be read as a label and as an option's text is a label.
        labels: How labels are written: ``"number"``, ``"letter"``, or ``""`` where the file does
            not show it.
        joined: Whether the keys prove that ``134`` is three labels.
        stem_keys: Whether the brackets inside stems are keys, by where they are.
        index_base: The number of the first option in fields that are named as indexes.
        base_is_known: Whether the file shows ``base``; if not, most of its keys are letters, and
            a number among them may be one option or the next.
    """

    base: int = 1
    style: Style = "unknown"
    labels: str = ""
    joined: bool = False
    stem_keys: StemKeys = field(default_factory=dict)
    index_base: int = 0
    base_is_known: bool = True


def last_filled(options: Sequence[str]) -> int:
    """How many options there are up to the last one with a text."""
    return max((count for count, text in enumerate(options, 1) if text), default=0)


@dataclass
class KeyTally:
    """Counts of what the keys of a file look like, draft by draft."""

    zero: int = 0
    highest: int = 0
    numbers: int = 0
    letters: int = 0
    labels_only: int = 0
    texts_only: int = 0
    sets: int = 0
    long_sets: int = 0
    other_numbers: int = 0
    numbered_from: set[str] | None = None
    stem_keys: StemKeyTally = field(default_factory=StemKeyTally)
    index_zero: int = 0
    index_highest: int = 0
    index_named: int = 0

    def see(self, draft: Draft) -> None:
        """Count the keys of one draft."""
        self.stem_keys.see(draft)
        answer = draft.answer
        if last_filled(draft.options) < 2:
            return
        if draft.key_is_index:
            self._see_indexes(draft)
            return
        for value in answer if isinstance(answer, list | tuple) else (answer,):
            if isinstance(value, int | float | str) and not isinstance(value, bool):
                head, _ = key_and_page_text(value)
                self._see_key(head or value, draft)

    def _see_indexes(self, draft: Draft) -> None:
        count = last_filled(draft.options)
        for number in index_numbers(draft.answer):
            self.index_zero += number == 0
            self.index_highest += number == count
        self.index_named += draft.labels[:1] in (("1",), ("一",))

    def _see_key(self, value: float | str, draft: Draft) -> None:
        text = f"{value:g}" if isinstance(value, float) else tidy(str(value))
        is_text = text in draft.options
        number = _number(value)
        count = last_filled(draft.options)
        if number is None:
            is_label = bool(_PLAIN_LETTER.fullmatch(normal_text(text))) if len(text) < 9 else False
        else:
            is_label = 0 <= number <= count
            self._see_joined(number, count, is_text=is_text)
        self.labels_only += is_label and not is_text
        self.texts_only += is_text and not is_label
        if is_label and not is_text:
            if number is None:
                self.letters += 1
            else:
                self._see_number(number, count, draft.labels)

    def _see_joined(self, number: int, count: int, *, is_text: bool) -> None:
        digits = str(number)
        if number <= max(count, 9):
            return
        rising = list(digits) == sorted(set(digits)) and int(digits[-1]) <= count
        self.sets += rising and not is_text
        self.long_sets += rising and not is_text and len(digits) > 2
        self.other_numbers += is_text or not rising

    @property
    def joined(self) -> bool:
        """Whether all numbers above the options' are digits in their order, often and at length.

        Two digits alone prove nothing: 12 and 13 may be numbers that are too high.
        """
        return self.sets > 2 and self.long_sets > 0 and not self.other_numbers

    def _see_number(self, number: int, count: int, labels: Sequence[str]) -> None:
        self.numbers += 1
        self.zero += number == 0
        self.highest += number == count > 0
        first = "1" if labels and labels[0] == "一" else labels[0] if labels else ""
        if first in ("0", "1"):
            self.numbered_from = (self.numbered_from or set()) | {first}

    @property
    def style(self) -> Style:
        """Whether keys that may be labels or texts are one or the other."""
        if self.labels_only and self.texts_only * _MAJORITY <= self.labels_only:
            return "label"
        if self.texts_only and self.labels_only * _MAJORITY <= self.texts_only:
            return "text"
        return "unknown"

    def convention(self, answer_base: int | None, where: str) -> Convention:
        """How the file writes its keys, once all of them are counted.

        Args:
            answer_base: The number of the first option, where the caller says so.
            where: How messages call the file.

        Raises:
            ReadError: If there are numbers that may count from 0 or from 1.
        """
        letters = "letter" if self.letters else ""
        labels = "number" if self.numbers > self.letters else letters or self.stem_keys.labels()
        known = answer_base is not None or self._shows_base() or self.letters <= self.numbers
        base = answer_base if answer_base is not None else self.base(where) if known else 1
        index_base = self.index_base(where) if answer_base is None else answer_base
        return Convention(
            base, self.style, labels, self.joined, self.stem_keys.readings(), index_base, known
        )

    def index_base(self, where: str) -> int:
        """The number of the first option in fields named as indexes (answerIndex).

        The name says 0. The number of the last option proves 1, if no 0 occurs. Options that are
        numbered from 1 themselves leave it open.
        """
        if self.index_zero:
            return 0
        if self.index_highest:
            return 1
        if self.index_named:
            raise ReadError(
                f"{where}: the keys are in a field that is named as an index, which counts from 0, "
                "but the options are numbered from 1, and neither 0 nor the number of the last "
                "option occurs; say which: answer_base=1 (the first option is 1) or answer_base=0"
            )
        return 0

    def _shows_base(self) -> bool:
        """Whether the keys or the headers prove where numbers begin, or none are labels."""
        shown = self.zero or self.highest or self.numbered_from
        return bool(shown) or not self.numbers or self.style == "text"

    def base(self, where: str) -> int:
        """The number of the first option, where the data or the headers prove it."""
        if self.numbered_from == {"0"} or (self.zero and not self.highest):
            return 0
        if self._shows_base():
            return 1
        raise ReadError(
            f"{where}: the keys are numbers, but neither 0 nor the number of the last option "
            "occurs among them, so they may count from 0 or from 1; say which: answer_base=1 "
            "(the first option is 1) or answer_base=0"
        )


def index_numbers(answer: Any) -> list[int]:
    """The numbers of a key in a field that is named as an index."""
    values = answer if isinstance(answer, list | tuple) else [answer]
    return [int(float(value)) for value in values]


def _number(answer: Any) -> int | None:
    """A key that is a plain number."""
    if isinstance(answer, int):
        return answer
    if isinstance(answer, float):
        return int(answer) if answer.is_integer() else None
    match = _PLAIN_NUMBER.fullmatch(normal_text(answer)) if len(answer) < 12 else None
    return int(match.group(1)) if match else None


def convention_of(drafts: Iterable[Draft], answer_base: int | None, where: str) -> Convention:
    """Work out from all keys of a file how it writes them.

    Numbers are 0-based only when the data prove it (a 0 occurs and the highest never does), or
    the caller says so; 1-based when the highest occurs or the options' headers are numbered.

    Raises:
        ReadError: If there are numbers and both readings are possible.
    """
    tally = KeyTally()
    for draft in drafts:
        tally.see(draft)
    return tally.convention(answer_base, where)
