"""Papers of numbered questions with lettered options → drafts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from zhmcq.questions import Origin, RowProblem
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._drafts.texts.label_keys import key_of_labels
from zhmcq.reading._drafts.texts.labelled_options import (
    LabelledOptions,
    labelled_options,
)
from zhmcq.reading._drafts.texts.paper import Paper
from zhmcq.reading._drafts.texts.paper_items import PaperItem
from zhmcq.reading._drafts.texts.paper_lines import (
    KEY_CHARACTERS,
    answer_and_reason,
    final_truth,
    without_stem_title,
)
from zhmcq.reading._drafts.texts.paper_reader import PaperReader
from zhmcq.reading._drafts.texts.stem_fronts import cut_front
from zhmcq.reading._drafts.texts.text_problems import in_order, skipped_lines
from zhmcq.reading._formats.plain_text import Line
from zhmcq.zh._fold import fold_name, half_width, normal_text
from zhmcq.zh._kinds import kind_of
from zhmcq.zh._labels import LETTERS
from zhmcq.zh._truth import truth_of

__all__ = ["numbered_drafts"]

_LEADING_KEY = re.compile(
    rf"[(（\[【]\s{{0,20}}(?P<key>[{KEY_CHARACTERS}]{{0,12}})\s{{0,20}}[)）\]】]\s*"
)
_STEM_KEY = re.compile(r"[(（]\s{0,10}(?P<key>[A-HＡ-Ｈ]{1,8})\s{0,10}[)）]")
_LETTER_KEY = re.compile(r"[(（]?\s*[A-HＡ-Ｈa-h]{1,8}\s*[)）]?")
_LONGEST_KEY = 10
_NOT_LETTER = re.compile(r"[^A-Z]")
_EMPTY_BRACKETS = "（　）"
_MARKED_SHARE = 0.9
_PICTURE = re.compile(r"!\[[^\]]{0,200}\]\([^)]{0,2000}\)")


def numbered_drafts(paper: Paper, file: str, unit: str) -> list[DraftItem]:
    """The questions of a paper, and what it holds beside them.

    Args:
        paper: Its lines.
        file: The file's name as it was given.
        unit: What the lines' numbers count: ``"line"`` or ``"paragraph"``.
    """
    reader = PaperReader(paper)
    reader.read()
    drafts = _Drafts(reader, file)
    items: list[DraftItem] = [*drafts.make(), *drafts.problems]
    return in_order([*items, *skipped_lines(paper.lines, reader.used_lines(), file, unit)])


class _Drafts:
    """Makes drafts of the questions of a paper.

    Args:
        reader: What was read of it.
        file: The file's name as it was given.
    """

    def __init__(self, reader: PaperReader, file: str) -> None:
        self._reader = reader
        self._file = file
        self._digits = reader.paper.digits
        self._lettered = False
        self._keys_in_front = False
        self._numbers: set[int] = set()
        self.problems: list[RowProblem] = []

    def make(self) -> list[Draft]:
        """All drafts; what is wrong with the keys of all is then in ``problems``."""
        items = self._reader.items
        parts: list[LabelledOptions] = []
        self._numbers = {item.start.number for item in items}
        # 「答案：」 with nothing after it is a place for a key, too.
        expected = any(item.key is not None or item.start.key is not None for item in items)
        for item in items:
            item.key = item.key or item.start.key or None
            part = self._parts(item)
            part.stem, kind = cut_front(part.stem)
            item.kind = kind if kind_of(kind) else item.kind
            parts.append(part)
        if self._keys_in_front:
            for index, item in enumerate(items):
                parts[index] = item.blank or parts[index]
        self._take_final_truths(items, parts)
        self._take_final_labels(items, parts)
        if not any(item.key for item in items) and not self._reader.key_list.keys:
            self._take_stem_keys(items, parts)
        self._refuse_joint_key(items, parts)
        listed = self._listed_keys(items, parts)
        series = [part.labels[0] in LETTERS.characters for part in parts if part.labels]
        self._lettered = len(series) > 3 and sum(series) >= _MARKED_SHARE * len(series)
        drafts = [
            self._draft(item, part, listed.get(index))
            for index, (item, part) in enumerate(zip(items, parts, strict=True))
        ]
        has_keys = any(draft.answer is not None for draft in drafts)
        if not has_keys and not self._reader.key_list.keys:
            has_keys = self._take_format(drafts, parts)
        expected |= any(item.start.key is not None for item in items)
        for draft in drafts:
            draft.has_key_field = has_keys or expected or bool(self._reader.key_list.keys)
        return drafts

    def _parts(self, item: PaperItem) -> LabelledOptions:
        """Stem and options; a key before the stem is taken out of it."""
        parts = labelled_options(item.body, digits=self._digits, key=item.key)
        first = item.body[0]
        leading = _LEADING_KEY.match(first.text)
        if leading is None or leading.end() == len(first.text):
            return parts
        rest = Line(first.number, first.text[leading.end() :])
        without = labelled_options([rest, *item.body[1:]], digits=self._digits, key=item.key)
        key = leading["key"].strip()
        if not key:
            # A place for a key, or a blank of the sentence: the other questions tell.
            item.blank = without if without.stem else None
            return parts
        if key.isdecimal() and set(half_width(key)) <= set(without.labels):
            key = ",".join(half_width(key))  # (34) before options (1) to (4) is two keys.
        named = bool(without.options) and isinstance(key_of_labels(key, without.labels), list)
        true_false = not without.options and truth_of(key) is not None
        if item.key is None and without.stem and (named or true_false):
            item.key = key
            self._keys_in_front = True
            return without
        return parts

    def _take_stem_keys(self, items: Sequence[PaperItem], parts: Sequence[LabelledOptions]) -> None:
        """Keys in the brackets that stems leave for them: 「……是（ B ）。」, if nearly all do."""
        brackets = [list(_STEM_KEY.finditer(part.stem)) for part in parts]
        fits = [
            len(matches) == 1 and isinstance(key_of_labels(matches[0]["key"], part.labels), list)
            for matches, part in zip(brackets, parts, strict=True)
        ]
        if len(items) < 2 or sum(fits) < _MARKED_SHARE * len(items):
            return
        for item, part, matches, fit in zip(items, parts, brackets, fits, strict=True):
            if fit:
                (match,) = matches
                item.key = match["key"]
                part.stem = part.stem[: match.start()] + _EMPTY_BRACKETS + part.stem[match.end() :]

    def _take_final_truths(
        self, items: Sequence[PaperItem], parts: Sequence[LabelledOptions]
    ) -> None:
        """The signs at the ends of statements: 「……。（√）」, if nearly all have one."""
        plain = [
            (item, part)
            for item, part in zip(items, parts, strict=True)
            if not part.options and not item.key
        ]
        cuts = [final_truth(part.stem) for _, part in plain]
        usual = sum(map(bool, cuts)) >= _MARKED_SHARE * len(cuts)
        for (item, part), cut in zip(plain, cuts, strict=True):
            stated = kind_of(item.kind) == "true_false"
            if cut and (stated or usual):
                part.stem, item.key = cut

    def _take_final_labels(
        self, items: Sequence[PaperItem], parts: Sequence[LabelledOptions]
    ) -> None:
        """Keys after the last options: 「(D) 丁 A」, as a table's last column, if nearly all do."""
        if any(item.key for item in items) or self._reader.key_list.keys:
            return
        choices = [(item, part) for item, part in zip(items, parts, strict=True) if part.options]
        ends = [_final_label(option) for _, part in choices for option in part.options[:-1]]
        if any(ends):
            return  # 「維生素 A」 and 「維生素 B」 are options.
        cuts = []
        for item, part in choices:
            waits = item.after_options[:1]
            if cut := _final_label(part.options[-1]):
                cuts.append(cut)
            elif waits and _LETTER_KEY.fullmatch(waits[0].text):
                cuts.append((part.options[-1], waits[0].text))
            else:
                cuts.append(("", ""))
        fits = [
            bool(text) and isinstance(key_of_labels(key, part.labels), list)
            for (text, key), (_, part) in zip(cuts, choices, strict=True)
        ]
        if len(choices) < 2 or sum(fits) < _MARKED_SHARE * len(choices):
            return
        for (item, part), (text, key), fit in zip(choices, cuts, fits, strict=True):
            if fit:
                if text == part.options[-1]:
                    item.used_lines.append(item.after_options[0])
                part.options[-1], item.key = text, key

    def _refuse_joint_key(
        self, items: Sequence[PaperItem], parts: Sequence[LabelledOptions]
    ) -> None:
        """``答案：BAAB`` after the last of four questions may be the keys of all of them."""
        if len(items) < 2 or any(item.key for item in items[:-1]):
            return
        last = items[-1]
        letters = _NOT_LETTER.sub("", normal_text(last.key or "").upper())
        if len(letters) == len(items) and all(part.options for part in parts):
            self.problems.append(
                RowProblem(
                    last.used_lines[-1].number, "", "key_list",
                    f"the key {(last.key or '')[:40]!r} may be that of the last question or those "
                    "of all; write them with numbers (1.B 2.A), or each under its question",
                    "error", self._file,
                )
            )  # fmt: skip
            last.key = None

    def _listed_keys(
        self, items: Sequence[PaperItem], parts: Sequence[LabelledOptions]
    ) -> dict[int, str]:
        """The key of each question from the list, by index; a problem where they can't be told."""
        key_list = self._reader.key_list
        if not key_list.keys:
            return {}
        numbers = [item.start.number for item in items]
        repeated = next((n for n, count in Counter(numbers).items() if count > 1), 0)
        if not repeated and not key_list.repeated():
            keys = dict(key_list.keys)
            missing = [
                item.start.number
                for item, part in zip(items, parts, strict=True)
                if part.options and item.start.number not in keys
            ]
            unknown = [number for number in keys if number not in numbers]
            if not missing and not unknown:
                return {i: keys[n] for i, n in enumerate(numbers) if n in keys}
            reason = (
                f"it has no key for question {missing[0]}"
                if missing
                else f"it has a key for question {unknown[0]}, which is not there"
            )
        else:
            runs = _runs(numbers)
            lists = key_list.runs()
            if [[numbers[i] for i in run] for run in runs] == [list(keys) for keys in lists]:
                return {
                    i: keys[numbers[i]] for run, keys in zip(runs, lists, strict=True) for i in run
                }
            number = repeated or key_list.repeated()
            reason = f"the number {number} occurs twice, so its keys can't be told apart"
        self.problems.append(
            RowProblem(
                key_list.lines[0].number, "", "key_list",
                f"the list of keys was not used: {reason}; give each question one number and one "
                "key, or write the keys under the questions",
                "error", self._file,
            )
        )  # fmt: skip
        return {}

    def _draft(self, item: PaperItem, parts: LabelledOptions, listed: str | None) -> Draft:
        passage = item.passage
        draft = Draft(
            Origin(self._file, "", item.used_lines[0].number),
            without_stem_title(parts.stem),
            list(parts.options),
            labels=parts.labels,
            kind=item.kind,
            explanation="\n".join(text for text in item.explanation if text),
            source=item.source,
            subject=item.subject,
            source_id=item.start.number if item.start.style != "titled" else None,
        )
        if passage is not None:
            draft.passage = "\n".join(passage.texts)
            low, high, _ = passage.range
            draft.group = f"{low}-{high}" if low else passage.title[:40]
            number = str(item.start.number)
            if not draft.stem and re.search(rf"(?<!\d){number}(?!\d)", draft.passage):
                draft.stem = number  # A blank of the passage bears its number.
        key = item.key
        given = [fold_name(k) for k in (item.start.key, key, listed) if k]
        if len(set(given)) > 1:
            draft.notes.append(("", "contradicting_keys"))
        if listed and not key:
            reason = self._reader.key_list.explanations.get(item.start.number, "")
            draft.explanation = draft.explanation or reason
        self._take_key(draft, key or listed)
        if parts.damaged or self._other_labels(draft, key or listed):
            draft.notes.append(("", "damaged_options"))
        elif parts.options and not all(parts.options):
            draft.notes.append(("", "image_options"))
        if not draft.notes and (item.doubtful or self._holds_next(item, parts.stem)):
            draft.notes.append(("", "sub_questions"))
        if _PICTURE.search(draft.stem):
            draft.notes.append(("stem", "picture"))
        return draft

    def _holds_next(self, item: PaperItem, stem: str) -> bool:
        """Whether a stem holds the number of the next question, which begins nowhere else."""
        following = item.start.number + 1
        pattern = rf"\s{following}\s?[.．、](?![0-9])"
        marked = item.start.style == "marked" and following not in self._numbers
        return marked and bool(re.search(pattern, stem))

    def _take_key(self, draft: Draft, key: str | None) -> None:
        """The key as a list of booleans where it is made of labels; a reason after it is none."""
        draft.answer = key_of_labels(key, draft.labels) if key else None
        if not isinstance(draft.answer, str) or not draft.options:
            return
        cut = answer_and_reason(draft.answer)
        texts = {normal_text(option) for option in draft.options}
        if cut and normal_text(cut[1]).strip("()") not in texts:
            named = key_of_labels(cut[0], draft.labels)
            if isinstance(named, list):
                draft.answer = named
                draft.explanation = "\n".join(t for t in (cut[1], draft.explanation) if t)

    def _other_labels(self, draft: Draft, key: str | None) -> bool:
        """Whether what bears labels may be statements of the stem, and the options are missing.

        The options of nearly all questions bear letters, and these don't; or the key is a letter.
        """
        if not draft.labels or draft.labels[0] in LETTERS.characters:
            return False
        letter = bool(key and isinstance(draft.answer, str) and _LETTER_KEY.fullmatch(key.strip()))
        return letter or self._lettered

    def _take_format(self, drafts: Sequence[Draft], parts: Sequence[LabelledOptions]) -> bool:
        """Keys by format: in nearly all questions one option alone is bold, red or underlined."""
        styles = Counter(style for part in parts for option in part.styles for style in option)
        for style, _ in styles.most_common(8):
            marked = [[style in option for option in part.styles] for part in parts]
            fits = [sum(of_question) == 1 for of_question in marked]
            if len(fits) < 2 or sum(fits) < _MARKED_SHARE * len(fits):
                continue
            for draft, of_question, fit in zip(drafts, marked, fits, strict=True):
                draft.answer = of_question if fit else None
            first = drafts[fits.index(True)].origin.row
            self.problems.append(
                RowProblem(
                    first, "", "key_by_format",
                    f"the text gives no keys, but in {sum(fits)} of {len(fits)} questions one "
                    f"option alone is {style}: it was read as the key; check that it is",
                    "warning", self._file,
                )
            )  # fmt: skip
            return True
        return False


def _final_label(option: str) -> tuple[str, str] | None:
    """An option without the letter after it, and that letter: 「丁 A」."""
    text, _, last = option.replace("\u3000", " ").replace("\n", " ").rpartition(" ")
    if len(last) > _LONGEST_KEY or not text.strip() or not _LETTER_KEY.fullmatch(last):
        return None
    return option[: len(text)].rstrip(), last


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Indexes of numbers, cut where a number is not higher than the one before it."""
    runs: list[list[int]] = []
    for index, number in enumerate(numbers):
        if not runs or number <= numbers[index - 1]:
            runs.append([])
        runs[-1].append(index)
    return runs
