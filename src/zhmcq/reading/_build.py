"""Drafts → questions, or the problems that keep a row from being one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from zhmcq.errors import QuestionError
from zhmcq.questions import MAX_OPTIONS, Kind, Question, RowProblem, Severity, default_labels
from zhmcq.reading._convention import Convention
from zhmcq.reading._drafts.draft import NOTES, Draft
from zhmcq.reading._drafts.key_text import is_label_set, key_and_page_text
from zhmcq.reading._drafts.option_cells import (
    is_image_only,
    labels_begin_again,
    misprinted_prefix,
    prefix_of,
    reordered_labels,
    strip_prefixes,
    without_prefixes,
)
from zhmcq.reading._ids import UniqueIds
from zhmcq.reading._keys import Key, read_index, read_key
from zhmcq.reading._other_kinds import DOUBTFUL, NEVER_CHOICES, is_plainly_choice
from zhmcq.reading._stem_keys import beside_held_key, take_held_key
from zhmcq.zh._fold import normal_text
from zhmcq.zh._kinds import asks_order, kind_of, says_multiple
from zhmcq.zh._labels import label_index
from zhmcq.zh._truth import is_no_key, true_false_options, truth_of

__all__ = ["Outcome", "QuestionFactory"]


class Outcome(NamedTuple):
    """The result of a draft: a question or none, and its problems.

    Attributes:
        question: The question; ``None`` where the draft can't be one.
        problems: What is wrong with the draft: an error where there is no question.
    """

    question: Question | None
    problems: list[RowProblem]


class QuestionFactory:
    """Turns the drafts of a file into questions with unique ids.

    Args:
        convention: How the file writes its keys.

    Attributes:
        made: How many questions were made so far.
    """

    def __init__(self, convention: Convention) -> None:
        self._convention = convention
        self._ids = UniqueIds()
        self.made = 0

    def make(self, draft: Draft) -> Outcome:
        """Make a question of a draft, or say why it can't be one."""
        attempt = _Attempt(draft, self._convention)
        question = attempt.question()
        origin = draft.origin
        problems = [
            RowProblem(
                origin.row, column, code, message, severity, origin.file, origin.sheet,
                draft.source_id, self.made,
            )
            for column, code, message, severity in attempt.remarks
        ]  # fmt: skip
        if question is not None:
            self.made += 1
            unique = self._ids.take(question.id, origin.sheet, origin.sheet)
            question = question if unique == question.id else replace(question, id=unique)
        return Outcome(question, problems)


class _Remark(NamedTuple):
    """What a problem will say, before its row and position are known."""

    column: str
    code: str
    message: str
    severity: Severity


class _RejectError(Exception):
    """A row has an error; caught where the row is built."""


@dataclass
class _Attempt:
    """One attempt to make a question of a draft, with what is remarked on the way."""

    draft: Draft
    convention: Convention
    remarks: list[_Remark] = field(default_factory=list)
    _doubtful: list[int] = field(default_factory=list)

    def question(self) -> Question | None:
        """The question; ``None`` after an error."""
        try:
            return self._question()
        except _RejectError:
            return None
        except QuestionError as error:
            self.remarks.append(_Remark("", "contradiction", str(error), "error"))
            return None

    def _question(self) -> Question:
        draft = self.draft
        self._cell_notes()
        if not draft.stem:
            self._reject("stem", "no_stem", "the stem is empty")
        stated = kind_of(draft.kind)
        if stated in NEVER_CHOICES:
            self._reject("kind", stated, f"this is {NEVER_CHOICES[stated]}")
        held = take_held_key(draft, self.convention)
        if held is not None and held.reading == "unclear":
            self._reject(
                "stem",
                "unclear_key",
                f"{held.stem_key.mark.strip()[:40]!r} may be the key, or a part of the stem; put "
                "the keys in a column of their own (答案), or take the brackets out",
            )
        stem, options, labels = self._options(stated)
        self._unusable(options)
        several = stated == "multiple" or says_multiple(draft.stem)
        key = self._key(options, labels, several=several)
        if held is not None:
            key = beside_held_key(key, held, draft, options, labels, self.convention)
            stem = draft.stem
        if stated in DOUBTFUL and not is_plainly_choice(stated, draft, key):
            code, name = DOUBTFUL[stated]
            self._reject("kind", code, f"this is {name}, and no key names one of its options")
        if key.code == "no_key":
            if draft.has_key_field or "key" in self.convention.stem_keys.values():
                self._warn("answer", key.code, key.message)
        elif key.indexes is None:
            self._reject("answer", key.code, key.message)
        elif key.code:
            self._warn("answer", key.code, key.message)
        self._misprinted_key(key)
        kind = self._kind(stated, options, key)
        options, labels, answer = self._close_gaps(options, labels, key)
        answer = self._equal_options(options, labels, answer)
        return Question(
            id=self._id(),
            stem=stem,
            options=tuple(options),
            passage=draft.passage,
            labels=labels,
            answer=answer,
            kind=kind,
            group=draft.group,
            subject=draft.subject,
            explanation=draft.explanation,
            source=draft.source,
            source_id=draft.source_id,
            origin=draft.origin,
        )

    def _key(self, options: Sequence[str], labels: tuple[str, ...], *, several: bool) -> Key:
        """The key, which the options' own marks must not contradict."""
        draft = self.draft
        if draft.key_is_index:
            key = read_index(draft.answer, options, self.convention.index_base)
        else:
            key = read_key(draft.answer, options, labels, self.convention, several=several)
        if draft.right is not None and key.indexes is not None:
            marked = [index for index, right in enumerate(draft.right) if right]
            if sorted(key.indexes) != marked:
                message = (
                    f"the key {str(draft.answer)[:40]!r} names another option than the one that "
                    "is marked as right"
                )
                return Key(None, "ambiguous_answer", message)
        return key

    def _id(self) -> str:
        given = self.draft.source_id
        if given is None or given == "":
            base = f"row{self.draft.origin.row}"
        elif isinstance(given, float) and given.is_integer():
            base = str(int(given))
        else:
            base = str(given).strip() or f"row{self.draft.origin.row}"
        return f"{base}-{self.draft.sub}" if self.draft.sub else base

    def _cell_notes(self) -> None:
        bad = False
        for header, code in self.draft.notes:
            severity, message = NOTES[code]
            level: Severity = "error" if severity == "error" else "warning"
            self.remarks.append(_Remark(header, code, f"{header} {message}".strip(), level))
            bad |= severity == "error"
        if bad:
            raise _RejectError

    def _options(self, stated: str) -> tuple[str, list[str], tuple[str, ...]]:
        """Stem, options (``""`` for gaps) and the labels the source gives them."""
        draft = self.draft
        options = list(draft.options)
        while options and not options[-1]:
            options.pop()
        labels = draft.labels[: len(options)]
        filled = [option for option in options if option]
        if len(filled) >= 2:
            if labels_begin_again(options):
                message = "the options' labels begin again (A, B … A, B …): these are two questions"
                self._reject("options", "damaged_options", message)
            return draft.stem, *self._without_labels(options, labels)
        if len(filled) == 1:
            self._reject("options", "one_option", f"only one option: {filled[0][:40]!r}")
        head, _ = key_and_page_text(draft.answer)
        given = draft.answer if truth_of(head) is None else head
        if stated == "true_false" or (truth_of(given) is not None and stated not in DOUBTFUL):
            texts, names = true_false_options(given, draft.stem)
            return draft.stem, list(texts), names
        if stated in DOUBTFUL:
            code, name = DOUBTFUL[stated]
            self._reject("kind", code, f"this is {name} without options")
        if not isinstance(given, str) or is_label_set(given) or is_no_key(given):
            given = ""
        if len(given) > 1 or given.isdigit():
            self._reject("answer", "fill_in", f"no options, and the key is a text: {given[:40]!r}")
        self._reject("options", "no_options", "there are no options, in columns or in the stem")
        raise AssertionError

    def _without_labels(
        self, options: list[str], labels: tuple[str, ...]
    ) -> tuple[list[str], tuple[str, ...]]:
        """The options without the labels in front of them, and their labels."""
        stripped, carried = strip_prefixes(options)
        if carried:
            return stripped, labels or carried
        moved = reordered_labels(options)
        if moved and labels and labels[0] != "A":
            # Under 選項1, 選項2 … a letter can only mean these; a number means the headers.
            letters = any(char.isascii() and char.isalpha() for char in str(self.draft.answer))
            return self._reordered(options, (), moved) if letters else (options, labels)
        if moved:
            return self._reordered(options, labels, moved)
        return self._misprint(options), labels

    def _reordered(
        self, options: list[str], labels: tuple[str, ...], moved: tuple[str, ...]
    ) -> tuple[list[str], tuple[str, ...]]:
        """Labels in another order than the options: a key means them, unless headers differ."""
        message = f"the options bear their labels in the order {', '.join(moved)}"
        if not labels:
            self._warn("options", "label_misprint", f"{message}; the key is read by them")
            return without_prefixes(options), moved
        self._doubtful += [index for index, label in enumerate(moved) if label != labels[index]]
        self._warn("options", "label_misprint", message)
        return options, labels

    def _misprint(self, options: list[str]) -> list[str]:
        """One label prefix that breaks the sequence: the key must not depend on it."""
        index = misprinted_prefix(options)
        if index is None:
            return options
        message = f"option {index + 1} bears another label: {options[index][:30]!r}"
        self._doubtful.append(index)
        self._warn("options", "label_misprint", message)
        return without_prefixes(options)

    def _unusable(self, options: Sequence[str]) -> None:
        filled = [option for option in options if option]
        if len(filled) < 2:
            self._reject("options", "one_option", "fewer than two options hold a text")
        if len(filled) > MAX_OPTIONS:
            self._reject("options", "too_many_options", f"{len(filled)} options; 26 are the most")
        pictures = [option for option in filled if is_image_only(option)]
        if len(pictures) > len(filled) // 2:
            self._reject(
                "options",
                "image_options",
                f"the options are pictures ({pictures[0][:40]!r}), which a text model can't see",
            )

    def _misprinted_key(self, key: Key) -> None:
        """A key that names the misprinted option, or the one whose label was printed twice."""
        given = self.draft.options
        for index in self._doubtful:
            match = label_index(prefix_of(given[index]))
            if set(key.indexes or ()) & {index, match}:
                message = "the key depends on a label that is misprinted in the options"
                self._reject("answer", "label_misprint", message)

    def _kind(self, stated: str, options: Sequence[str], key: Key) -> Kind:
        filled = [option for option in options if option]
        chosen = key.indexes or ()
        unsorted = list(chosen) != sorted(chosen)
        if len(chosen) == len(filled) > 2 and (unsorted or asks_order(self.draft.stem)):
            self._reject("answer", "ordering", f"this is {NEVER_CHOICES['ordering']}")
        pair = len(filled) == 2 and {truth_of(option) for option in filled} == {True, False}
        if stated == "true_false" and len(filled) != 2:
            self._reject(
                "kind",
                "kind_contradicts_options",
                f"true/false, but there are {len(filled)} options",
            )
        if stated == "single" and len(chosen) > 1:
            self._reject(
                "kind", "kind_contradicts_answer", f"single choice, but {len(chosen)} keys"
            )
        if stated == "multiple" or len(chosen) > 1 or says_multiple(self.draft.stem):
            return "multiple"
        return "true_false" if len(filled) == 2 and (pair or stated == "true_false") else "single"

    def _close_gaps(
        self, options: list[str], labels: tuple[str, ...], key: Key
    ) -> tuple[list[str], tuple[str, ...], tuple[int, ...] | None]:
        """Leave empty options out; the others keep the names they had."""
        labels = self._styled(labels, len(options))
        answer = None if key.indexes is None else tuple(sorted(key.indexes))
        gaps = [index for index, option in enumerate(options) if not option]
        if not gaps:
            return options, labels, answer
        names = ", ".join(labels[gap] for gap in gaps)
        if answer and any(gap in answer for gap in gaps):
            self._reject("options", "option_gap", f"the key names the empty option {names}")
        self._warn(
            "options",
            "option_gap",
            f"the option {names} is empty; the others keep their labels, so check that the key "
            "did not count without it",
        )
        filled = [index for index, option in enumerate(options) if option]
        moved = None if answer is None else tuple(filled.index(index) for index in answer)
        return [options[i] for i in filled], tuple(labels[i] for i in filled), moved

    def _styled(self, labels: tuple[str, ...], count: int) -> tuple[str, ...]:
        """The options' names in the style in which the file writes its keys."""
        numeric = tuple(str(index + self.convention.base) for index in range(count))
        if len(labels) < count:
            return numeric if self.convention.labels == "number" else default_labels(count)
        written = normal_text(str(self.draft.answer)).upper()
        if written in labels or [label_index(label) for label in labels] != list(range(count)):
            return labels
        if self.convention.labels == "number":
            return numeric
        letters = labels[0].isascii() and labels[0].isalpha()
        if self.convention.labels == "letter" and not letters:
            return default_labels(count)
        return labels

    def _equal_options(
        self, options: list[str], labels: tuple[str, ...], answer: tuple[int, ...] | None
    ) -> tuple[int, ...] | None:
        indexes: dict[str, list[int]] = {}
        for index, option in enumerate(options):
            indexes.setdefault(normal_text(option), []).append(index)
        for text, same in indexes.items():
            if len(same) < 2:
                continue
            names = " and ".join(labels[index] for index in same)
            message = f"the options {names} have the same text {text[:40]!r}"
            if answer and any(index in answer for index in same):
                self._reject("options", "equal_options", f"{message}, and the key is one of them")
            self._warn("options", "equal_options", message)
        return answer

    def _column(self, name: str) -> str:
        return self.draft.heading.header(name)

    def _warn(self, name: str, code: str, message: str) -> None:
        self.remarks.append(_Remark(self._column(name), code, message, "warning"))

    def _reject(self, name: str, code: str, message: str) -> None:
        self.remarks.append(_Remark(self._column(name), code, message, "error"))
        raise _RejectError
