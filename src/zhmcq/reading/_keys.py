"""A key in whatever form the source has it → indexes of options; never a guess between two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zhmcq.reading._convention import Convention, index_numbers, last_filled
from zhmcq.reading._drafts.key_text import key_and_page_text, plain_key
from zhmcq.zh._fold import fold_texts, normal_text, tidy
from zhmcq.zh._labels import (
    ALPHABETS,
    ENCLOSED,
    LABEL,
    LABEL_BEFORE_TEXT,
    label_index,
    plain_label,
)
from zhmcq.zh._truth import is_negative, is_no_key, truth_of

__all__ = ["Key", "read_index", "read_key"]

_ENCLOSED = re.compile(ENCLOSED)
_INTRODUCTION = re.compile(
    r"^(?:(?:正確|正确|標準|标准|參考|参考)?(?:答案|答|正解|[選选](?![項项擇择]))(?:選|选|是|為|为)?|"
    r"(?:the )?(?:correct )?(?:answer|ans)(?: is)?|故選|故选)[:\s]*(?=\S)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"[(\[【「『<《]*\s*第?\s*(?:(?P<named>選項|选项|選擇|选择|option|choice|opt|選|选)\s*[(\[_#-]?|"
    r"[(\[_#]|-(?!\s*\d))?\s*"
    rf"(?P<label>{LABEL})(?:\.0)?\s*"
    r"(?:項|项|個|个|選項|选项)?\s*[)\]】」』>》]*\s*[.、:,;。)]*",
    re.IGNORECASE,
)
_WITH_TEXT = re.compile(
    rf"(?P<label>[(\[]\s*(?:{LABEL_BEFORE_TEXT})\s*[)\]]|(?:{LABEL_BEFORE_TEXT})\s*[.、:)])"
    r"\s*(?P<text>.+)",
    re.DOTALL,
)
_SEPARATOR = re.compile(r"\s*(?:[;,、/|&+，；]|\band\b|[和與与及])\s*|\s+|(?<=[)\]])(?=[(\[])")
_TEXT_SEPARATORS = (re.compile(r"[;；|\n]|###"), re.compile(r"[;；|\n,，、/]"))
_WORDS = tuple("".join(a.characters for a in ALPHABETS if a.are_words))
# What is copied along with a key is a few lines.
_PAGE_LINES = 50
_NUMBERS = re.compile(r"[\d\s,;/&()\[\].]+")
_LETTERS = re.compile(r"[A-Za-z]{2,26}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was read, or why it could not be.

    Attributes:
        indexes: 0-based, in the order written; None where there is no key or it is unreadable.
        code: ``""``, a warning (``"no_key"``, or ``"key_with_text"`` where there are indexes), or
            the code of an error.
        message: What was expected and found, for the code.
    """

    indexes: tuple[int, ...] | None = None
    code: str = ""
    message: str = ""


def _tidied(texts: Sequence[str]) -> list[str]:
    return [tidy(text) for text in texts]


def _normalised(texts: Sequence[str]) -> list[str]:
    return [normal_text(text) for text in texts]


class _Options:
    """The options of one question, as a key may name them."""

    def __init__(self, options: Sequence[str], labels: Sequence[str], base: int) -> None:
        self.options = options
        self.labels = {label.upper(): index for index, label in enumerate(labels)}
        self.base = base
        self.count = last_filled(options)
        # Names such as 11, 12 are ids: they don't count the options, from 0 or from 1.
        numbers = [int(label) for label in labels if label.isascii() and label.isdigit()]
        self.ids = bool(numbers) and numbers != list(range(numbers[0], numbers[0] + len(labels)))
        self.ids |= bool(numbers) and numbers[0] > 1

    def by_label(self, label: str, *, named: bool) -> int:
        """The index that a label stands for; -1 where there is no such option."""
        label = label.upper()
        if label.isdecimal():
            label = str(int(label))
            if (named or self.ids) and label in self.labels:
                return self.labels[label]
            if self.ids:
                return -1
            index = int(label) - (1 if named else self.base)
        elif label in self.labels:
            index = self.labels[label]
        else:
            index = label_index(label)
        return index if 0 <= index < self.count else -1

    def by_text(self, text: str) -> tuple[int, ...]:
        """The options of that text: exactly, else normalised, else folded; several if equal."""
        for forms in (_tidied, _normalised, fold_texts):
            wanted, *texts = forms([tidy(text), *self.options])
            pairs = enumerate(zip(self.options, texts, strict=True))
            if matching := tuple(i for i, (option, form) in pairs if option and form == wanted):
                return matching
        return ()


def read_key(
    answer: Any,
    options: Sequence[str],
    labels: Sequence[str],
    convention: Convention,
    *,
    several: bool = False,
) -> Key:
    """Read one key.

    Args:
        answer: The key as the source has it.
        options: The options, ``""`` where one is empty.
        labels: Their names as the source has them; ``()`` where it has none.
        convention: How the file writes its keys.
        several: Whether the row says that several options may be right, so that ``134`` may be
            three labels.
    """
    if is_no_key(answer) and not (isinstance(answer, str) and answer.strip() in options):
        return _no_key(answer)
    known = _Options(options, labels, convention.base)
    if is_negative(answer):
        return _read_negative(answer, known, convention)
    if isinstance(answer, Mapping):
        answer = _from_mapping(answer)
    if isinstance(answer, list | tuple):
        return _read_list(answer, known, convention, several=several)
    truth = truth_of(answer)
    if truth is not None and known.count == 2:
        matching = [i for i, option in enumerate(options) if option and truth_of(option) is truth]
        if len(matching) == 1:
            return Key((matching[0],))
    if isinstance(answer, bool):
        return _unreadable(answer, known)
    key = _read_text(_written(answer), known, convention, several=several)
    if key.indexes is None and key.code != "ambiguous_answer":
        head, rest = key_and_page_text(answer)
        if head:
            return _with_page_text(head, rest, options, labels, convention, several=several) or key
    return key


def _with_page_text(
    head: str,
    rest: str,
    options: Sequence[str],
    labels: Sequence[str],
    convention: Convention,
    *,
    several: bool,
) -> Key | None:
    """The key before text of its page; ``None`` where a line of that is another key."""
    key = read_key(head, options, labels, convention, several=several)
    if key.indexes is None:
        return key if key.code == "answer_out_of_range" else None
    known = _Options(options, labels, convention.base)
    for line in rest.split("\n")[:_PAGE_LINES]:
        other = known.by_text(line)
        if plain_key(line):
            other = read_key(line, options, labels, convention, several=several).indexes or ()
        if other and set(other) != set(key.indexes):
            return None
    return Key(key.indexes, "key_with_text", f"other text follows the key: {rest[:40]!r}")


def read_index(answer: Any, options: Sequence[str], base: int) -> Key:
    """Read a key from a field that is named as an index: a number, or several.

    Args:
        answer: The number or numbers, as numbers or digits.
        options: The options, ``""`` where one is empty.
        base: The number of the first option.
    """
    indexes = [number - base for number in index_numbers(answer)]
    if all(0 <= index < last_filled(options) for index in indexes):
        return _several(indexes, answer)
    if indexes == [-1 - base]:
        return _no_key(answer)
    message = (
        f"the index {str(answer)[:40]!r} names none of the {last_filled(options)} options, if the "
        f"first is {base}"
    )
    return Key(None, "answer_out_of_range", message)


def _written(answer: Any) -> str:
    return f"{answer:g}" if isinstance(answer, float) else str(answer)


def _no_key(answer: Any) -> Key:
    stated = tidy(str(answer)) if answer not in (None, [], "") else ""
    return Key(
        None, "no_key", f"no key{f' ({stated!r})' if stated else ''}; it can't be trained on"
    )


def _read_negative(answer: Any, known: _Options, convention: Convention) -> Key:
    """A negative number is the text of an option, or no key."""
    text = _written(answer)
    by_text = known.by_text(text)
    if not by_text:
        return _no_key(answer)
    if len(by_text) == 1 and convention.style == "text":
        return Key(by_text)
    message = f"the key {text[:40]!r} may be the text of an option, or say that there is no key"
    return Key(None, "ambiguous_answer", message)


def _read_text(text: str, known: _Options, convention: Convention, *, several: bool) -> Key:
    several |= convention.joined
    by_label = _read_labels(text, known, several=several)
    plain = not _ENCLOSED.search(text) and _NUMBERS.fullmatch(normal_text(text))
    if by_label and plain and not convention.base_is_known:
        message = (
            f"the key {text[:40]!r} may count from 0 or from 1: most keys are letters, and those "
            "that are numbers do not show it; write a letter, or say answer_base=1 or answer_base=0"
        )
        return Key(None, "ambiguous_answer", message)
    # 甲 and 一 are labels in few files and words in many: they never win over a text.
    # Nor does a letter in a file that writes its labels as numbers, or the other way round.
    kind = "number" if re.search(r"\d", text) else "letter"
    usual = convention.labels in ("", kind) and text.strip()[:1] not in _WORDS
    # 12, 1,2 and AB (a blood group) are two labels only where they are the text of no option.
    usual &= len(by_label or ()) < 2
    if by_label and convention.style == "label" and usual:
        return Key(by_label)
    by_text = known.by_text(text)
    if by_label and by_text:
        return _choose(text, by_label, by_text, convention)
    if len(by_text) > 1:
        message = f"the key {text[:40]!r} is the text of {len(by_text)} options"
        return Key(None, "ambiguous_answer", message)
    if by_text or by_label:
        return Key(by_text or by_label)
    if by_label is None:
        message = f"the key {text[:40]!r} names none of the {known.count} options"
        return Key(None, "answer_out_of_range", message)
    return _read_mixed(text, known)


def _choose(
    text: str, by_label: tuple[int, ...], by_text: tuple[int, ...], convention: Convention
) -> Key:
    if by_label == by_text:
        return Key(by_label)
    if convention.style == "text" and len(by_text) == 1:
        return Key(by_text)
    return Key(
        None,
        "ambiguous_answer",
        f"the key {text[:40]!r} may be the label of one option or the text of another",
    )


def _from_mapping(answer: Mapping[Any, Any]) -> Any:
    if answer and all(isinstance(value, bool) for value in answer.values()):
        return [str(label) for label, chosen in answer.items() if chosen]
    for name in ("label", "key", "id", "index", "text", "value", "content", "answer"):
        if answer.get(name) is not None:
            return answer[name]
    return list(answer.values())


def _read_list(
    answer: Sequence[Any], known: _Options, convention: Convention, *, several: bool
) -> Key:
    if len(answer) == len(known.options) and all(isinstance(value, bool) for value in answer):
        chosen = tuple(i for i, right in enumerate(answer) if right)
        return Key(chosen) if chosen else Key(None, "no_key", "no option is marked as right")
    indexes: list[int] = []
    message = ""
    for value in answer:
        if isinstance(value, list | tuple | Mapping | bool) or value is None:
            return _unreadable(answer, known)
        alone = several and len(answer) == 1
        key = read_key(value, known.options, tuple(known.labels), convention, several=alone)
        if key.code == "no_key" and len(answer) > 1:
            return _unreadable(answer, known)
        if key.indexes is None:
            return key
        indexes += key.indexes
        message = message or key.message
    several_keys = _several(indexes, answer)
    if message and several_keys.indexes is not None:
        return Key(several_keys.indexes, "key_with_text", message)
    return several_keys


def _several(indexes: Sequence[int], answer: Any) -> Key:
    if len(set(indexes)) != len(indexes):
        return Key(
            None, "unreadable_answer", f"the key {str(answer)[:40]!r} names one option twice"
        )
    return Key(tuple(indexes))


def _unreadable(answer: Any, known: _Options) -> Key:
    return Key(
        None,
        "unreadable_answer",
        f"the key {str(answer)[:40]!r} is neither a label nor the text of one of the "
        f"{known.count} options",
    )


def _read_labels(text: str, known: _Options, *, several: bool) -> tuple[int, ...] | None:
    """Indexes named by labels; ``()`` if the text is no label, None if no such option exists."""
    enclosed = bool(_ENCLOSED.search(text))
    if enclosed:
        text = _ENCLOSED.sub(lambda match: f"({plain_label(match.group())})", text)
    text = _INTRODUCTION.sub("", normal_text(text))
    if len(text) > 120:
        return ()
    single = _NAMED.fullmatch(text)
    if not enclosed and _are_joined(text, known):
        # Without another word for it, 12 is a number that is too high, not options 1 and 2.
        if not several:
            return None
        parts = _label_parts(" ".join(text.strip("()[].")), known)
    else:
        parts = [single] if single else _label_parts(text, known)
    if not parts:
        return ()
    indexes = []
    for part in parts:
        index = known.by_label(part.group("label"), named=bool(part.group("named")))
        if index < 0:
            return None
        indexes.append(index)
    return tuple(indexes) if len(set(indexes)) == len(indexes) else ()


def _label_parts(text: str, known: _Options) -> list[re.Match[str]]:
    """Several labels: ``A;B;D``, ``(A)(B)``, ``ABD``, ``1, 3``."""
    pieces = [p.strip("'\"") for p in _SEPARATOR.split(text.strip("()[]「」.。;,、")) if p]
    if len(pieces) == 1 and _LETTERS.fullmatch(pieces[0]):
        pieces = list(pieces[0])
        if any(known.by_label(piece, named=False) < 0 for piece in pieces):
            return []
    parts = [_NAMED.fullmatch(piece) for piece in pieces]
    return [part for part in parts if part] if all(parts) and len(parts) > 1 else []


def _are_joined(text: str, known: _Options) -> bool:
    """Whether digits may be several labels in their order: ``13`` where no option 13 exists."""
    digits = text.strip("()[].")
    return (
        1 < len(digits) < 11
        and digits.isascii()
        and digits.isdecimal()
        and int(digits) > known.count
        and digits not in known.labels
        and list(digits) == sorted(set(digits))
        and all(known.by_label(digit, named=False) >= 0 for digit in digits)
    )


def _read_mixed(text: str, known: _Options) -> Key:
    """``B. 台北`` (a label with its text), or several option texts."""
    mixed = _WITH_TEXT.fullmatch(normal_text(text))
    if mixed:
        index = known.by_label(mixed.group("label").strip("()[].、: "), named=False)
        by_text = known.by_text(mixed.group("text"))
        if index >= 0 and index in by_text:
            return Key((index,))
        if index >= 0 and by_text:
            return Key(
                None,
                "ambiguous_answer",
                f"the key {text[:40]!r} names one option and repeats the text of another",
            )
    for separator in _TEXT_SEPARATORS:
        pieces = [piece for piece in separator.split(text) if piece.strip()]
        if not 1 < len(pieces) <= known.count:
            continue
        named = [known.by_text(piece) for piece in pieces]
        if all(len(indexes) == 1 for indexes in named):
            return _several([indexes[0] for indexes in named], text)
    return _unreadable(text, known)
