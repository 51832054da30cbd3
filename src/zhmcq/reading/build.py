"""Drafts → questions, or the problems that keep a row from being one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from zhmcq.errors import QuestionError
from zhmcq.questions import MAX_OPTIONS, Kind, Question, RowProblem, Severity, default_labels
from zhmcq.reading.answers import Key, read_key
from zhmcq.reading.convention import Convention
from zhmcq.reading.drafts import Draft
from zhmcq.reading.ids import UniqueIds
from zhmcq.reading.notes import NOTES
from zhmcq.reading.options import (
    is_image_only,
    misprinted_prefix,
    prefix_of,
    strip_prefixes,
    without_prefixes,
)
from zhmcq.zh.fold import normal_text
from zhmcq.zh.kinds import asks_order, kind_of, says_multiple
from zhmcq.zh.labels import label_index
from zhmcq.zh.truth import true_false_options, truth_of

__all__ = ["Builder"]

_UNUSABLE = {
    "ordering": "an ordering question, which has no option that is right",
    "fill_in": "a fill-in question without options",
    "essay": "an open question without options",
    "matching": "a matching question, which has no option that is right",
}


@dataclass
class Builder:
    """Turns drafts into questions with unique ids, and collects what is wrong with the others."""

    convention: Convention = field(default_factory=Convention)
    questions: list[Question] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    _taken: int = 0
    _ids: UniqueIds = field(default_factory=UniqueIds)

    def add(self, draft: Draft) -> None:
        """Make a question of a draft, or note why it can't be one."""
        row = _RowBuilder(draft, self.convention)
        question = row.build()
        if question is not None:
            unique = self._ids.take(question.id)
            same = unique == question.id
            self.questions.append(question if same else replace(question, id=unique))
        position = self._taken + len(self.questions) - (question is not None)
        for column, code, message, severity in row.found:
            self.problems.append(self._problem(draft, column, code, message, severity, position))

    def take(self) -> list[Question | RowProblem]:
        """Hand over what was added since the last time, and forget it."""
        taken: list[Question | RowProblem] = [*self.problems, *self.questions]
        self._taken += len(self.questions)
        self.problems.clear()
        self.questions.clear()
        return taken

    @staticmethod
    def _problem(
        draft: Draft, column: str, code: str, message: str, severity: Severity, position: int
    ) -> RowProblem:
        origin = draft.origin
        return RowProblem(
            origin.row, column, code, message, severity, origin.file, origin.sheet,
            draft.source_id, position,
        )  # fmt: skip


class _RejectError(Exception):
    """A row has an error; caught where the row is built."""


@dataclass
class _RowBuilder:
    draft: Draft
    convention: Convention
    found: list[tuple[str, str, str, Severity]] = field(default_factory=list)
    _doubtful: list[int] = field(default_factory=list)

    def build(self) -> Question | None:
        try:
            return self._build()
        except _RejectError:
            return None
        except QuestionError as error:
            self.found.append(("", "contradiction", str(error), "error"))
            return None

    def _build(self) -> Question:
        draft = self.draft
        self._cell_notes()
        if not draft.stem:
            self._reject("stem", "no_stem", "the stem is empty")
        said = kind_of(draft.kind)
        stem, options, labels = self._options(said)
        self._unusable(options)
        several = said == "multiple" or says_multiple(draft.stem)
        key = read_key(draft.answer, options, labels, self.convention, several=several)
        if key.code == "no_key":
            if draft.asks_key:
                self._warn("answer", key.code, key.message)
        elif key.code:
            self._reject("answer", key.code, key.message)
        self._misprinted_key(key)
        kind = self._kind(said, options, key)
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
            self.found.append((header, code, f"{header} {message}".strip(), level))
            bad |= severity == "error"
        if bad:
            raise _RejectError

    def _options(self, said: str) -> tuple[str, list[str], tuple[str, ...]]:
        """Stem, options (``""`` for gaps) and the labels the source gives them."""
        draft = self.draft
        options = list(draft.options)
        while options and not options[-1]:
            options.pop()
        labels = draft.labels[: len(options)]
        filled = [option for option in options if option]
        if said in ("ordering", "matching"):
            self._reject("kind", said, f"this is {_UNUSABLE[said]}")
        if len(filled) >= 2:
            stripped, carried = strip_prefixes(options)
            if not carried:
                stripped = self._misprint(options)
            return draft.stem, stripped, labels or carried
        if len(filled) == 1:
            self._reject("options", "one_option", f"only one option: {filled[0][:40]!r}")
        truth = truth_of(draft.answer)
        if said == "true_false" or (truth is not None and said not in ("essay", "fill_in")):
            texts, names = true_false_options(draft.answer, draft.stem)
            return draft.stem, list(texts), names
        if said in _UNUSABLE:
            self._reject("kind", said, f"this is {_UNUSABLE[said]}")
        given = draft.answer
        if isinstance(given, str) and (len(given) > 1 or given.isdigit()):
            self._reject("answer", "fill_in", f"no options, and the key is a text: {given[:40]!r}")
        self._reject("options", "no_options", "there are no options, in columns or in the stem")
        raise AssertionError

    def _misprint(self, options: list[str]) -> list[str]:
        """One label prefix that breaks the sequence: the key must not depend on it."""
        place = misprinted_prefix(options)
        if place is None:
            return options
        message = f"the option in place {place + 1} bears another label: {options[place][:30]!r}"
        self._doubtful.append(place)
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
        for place in self._doubtful:
            match = label_index(prefix_of(given[place]))
            if set(key.indexes or ()) & {place, match}:
                message = "the key depends on a label that is misprinted in the options"
                self._reject("answer", "label_misprint", message)

    def _kind(self, said: str, options: Sequence[str], key: Key) -> Kind:
        filled = [option for option in options if option]
        chosen = key.indexes or ()
        unsorted = list(chosen) != sorted(chosen)
        if len(chosen) == len(filled) > 2 and (unsorted or asks_order(self.draft.stem)):
            self._reject("answer", "ordering", f"this is {_UNUSABLE['ordering']}")
        pair = len(filled) == 2 and {truth_of(option) for option in filled} == {True, False}
        if said == "true_false" and len(filled) != 2:
            self._reject(
                "kind",
                "kind_contradicts_options",
                f"true/false, but there are {len(filled)} options",
            )
        if said == "single" and len(chosen) > 1:
            self._reject(
                "kind", "kind_contradicts_answer", f"single choice, but {len(chosen)} keys"
            )
        if said == "multiple" or len(chosen) > 1 or says_multiple(self.draft.stem):
            return "multiple"
        return "true_false" if len(filled) == 2 and (pair or said == "true_false") else "single"

    def _close_gaps(
        self, options: list[str], labels: tuple[str, ...], key: Key
    ) -> tuple[list[str], tuple[str, ...], tuple[int, ...] | None]:
        """Leave empty options out; the others keep the names they had."""
        labels = self._styled(labels, len(options))
        answer = None if key.indexes is None else tuple(sorted(key.indexes))
        gaps = [place for place, option in enumerate(options) if not option]
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
        kept = [place for place, option in enumerate(options) if option]
        places = {old: new for new, old in enumerate(kept)}
        moved = None if answer is None else tuple(places[index] for index in answer)
        return [options[i] for i in kept], tuple(labels[i] for i in kept), moved

    def _styled(self, labels: tuple[str, ...], count: int) -> tuple[str, ...]:
        """The options' names in the style in which the file writes its keys."""
        numeric = tuple(str(place + self.convention.base) for place in range(count))
        if len(labels) < count:
            return numeric if self.convention.labels == "number" else default_labels(count)
        own = normal_text(str(self.draft.answer)).upper()
        if own in labels or [label_index(label) for label in labels] != list(range(count)):
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
        places: dict[str, list[int]] = {}
        for place, option in enumerate(options):
            places.setdefault(normal_text(option), []).append(place)
        for text, same in places.items():
            if len(same) < 2:
                continue
            names = " and ".join(labels[place] for place in same)
            message = f"the options {names} have the same text {text[:40]!r}"
            if answer and any(place in answer for place in same):
                self._reject("options", "equal_options", f"{message}, and the key is one of them")
            self._warn("options", "equal_options", message)
        return answer

    def _column(self, name: str) -> str:
        return self.draft.names.get(name, "")

    def _warn(self, name: str, code: str, message: str) -> None:
        self.found.append((self._column(name), code, message, "warning"))

    def _reject(self, name: str, code: str, message: str) -> None:
        self.found.append((self._column(name), code, message, "error"))
        raise _RejectError
