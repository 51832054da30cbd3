"""The patterns in which labels of one alphabet are written: alone, in lists, before an option."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from zhmcq.zh._labels import (
    CHINESE_NUMERALS,
    DIGITS,
    LETTERS,
    Alphabet,
    alphabet_of,
)

__all__ = ["LabelPatterns", "label_alphabet", "label_patterns"]

# What may stand between a cue and its label. Possessive, so that no text makes it try twice.
_FILLER = (
    r"(?:[\U0001f300-\U0001faff\s:;,=>~\"'`*_#$({\[<|-]|\\[({\[,!]|\\(?:text(?:bf|rm|it|sf)?"
    r"|math(?:rm|bf|sf|bb)|boxed|fbox|quad|bf|rm)|选项"
    rf"|第(?=\s?[\dA-Za-z{CHINESE_NUMERALS.characters}])|(?i:options?|choices?"
    r"|letter|number|the|answer|is|be)\b){0,16}+"
)
_SEPARATOR = (
    r"\s{0,2}(?:[、,/&+;](?:\s?(?:和|与|及|还有|(?i:and|or)\b))?|还有|和|与|及|以及|跟|或者?|还是"
    r"|(?i:\bor\b|\band\b))\s{0,2}"
)
# A number before one of these counts something.
_MEASURES = "个条年月日号天次人倍万千百亿种米秒分度岁元公克毫厘吨升小时周瓶位名件张层楼点"
# What ends a label that might be part of a longer word.
_ENDS = r"[\s,.。;!?、:/&+)\]\"'*_}$<>|-]|的|项|选|和|与|或|及|是|为|符|\Z"


@dataclass(frozen=True, slots=True)
class LabelPatterns:
    """The patterns of the labels of one alphabet, compiled once for all questions that share it.

    Attributes:
        filler: What may stand between words that lead to an answer and the label itself.
        token: One label.
        run: A filler, then one label or several in a list, as the group ``run``.
        mention: A label anywhere in running text.
        item: A label that heads something: ``A)`` after a bracket, ``A.`` after a space.
    """

    filler: re.Pattern[str]
    token: re.Pattern[str]
    run: re.Pattern[str]
    mention: re.Pattern[str]
    item: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class _Spelling:
    """Regular expressions of one label, from which the other patterns are made.

    Attributes:
        token: The label itself.
        single: The label, or several without anything between them, where no word goes on.
        mention: The label in running text.
        head: The label where it heads something.
    """

    token: str
    single: str
    mention: str
    head: str


def label_alphabet(labels: Sequence[str]) -> Alphabet | None:
    """The alphabet whose labels can be found without knowing which of them the question has.

    Args:
        labels: Folded labels without brackets.

    Returns:
        ``None`` for words, for letters that differ in case only, and for an alphabet of words
        that no paper writes before its options (一 and 二 are numerals in most places).
    """
    alphabet = alphabet_of(labels)
    if alphabet is None or not alphabet.before_options:
        return None
    if alphabet is LETTERS and len({label.upper() for label in labels}) < len(labels):
        return None
    return alphabet


@functools.lru_cache(maxsize=512)
def label_patterns(alphabet: Alphabet | None, forms: tuple[str, ...], small: bool) -> LabelPatterns:
    """The patterns for the labels of one question.

    Args:
        alphabet: What :func:`label_alphabet` returned.
        forms: Everything that names an option: its labels, and other words.
        small: Whether the question's own labels are small letters.
    """
    spelling = _spelling(alphabet, forms, small)
    number = "" if alphabet is DIGITS else r"(?:第?\s?\d{1,3}\s?题?\s?[.、:)]\s{0,3})?"
    again = _next_in_list(alphabet, forms)
    single = spelling.single
    listed = rf"(?:选项\s?)?{single}(?:项|选项)?"
    run = rf"{_FILLER}{number}{_FILLER}(?P<run>{single}(?:项|选项)?(?:{again}{listed}){{0,25}})"
    character = r"\d" if alphabet is DIGITS else "."
    before_number = "" if alphabet is DIGITS else r"|:(?=\d)"  # 3:8 is a ratio, A:8 is none
    return LabelPatterns(
        filler=re.compile(_FILLER),
        token=re.compile(spelling.token),
        run=re.compile(run),
        mention=re.compile(spelling.mention),
        item=re.compile(
            rf"{spelling.head}(?:(?<=[(\[]{character})\s?[)\]]"
            rf"|(?<![^\s*#>项:,;。、]{character})\s?(?:[.、:)](?!\d){before_number}|(?:选项|项)\s?[:,]))"
        ),
    )


def _letter_range(forms: Sequence[str]) -> str:
    """The range of capitals in which a letter is taken as a label, if perhaps of no option."""
    last = max(form for form in forms if len(form) == 1 and form.isupper())
    return "A-H" if last <= "H" else "A-Z"


def _spelling(alphabet: Alphabet | None, forms: Sequence[str], small: bool) -> _Spelling:
    if alphabet is None:
        token = _either(forms)
        single = rf"(?<![A-Za-z0-9])(?:{token})(?={_ENDS})"
        return _Spelling(token, single, mention=single, head=token)
    if alphabet is LETTERS:
        spelling = _letters(forms, small)
    elif alphabet is DIGITS:
        single = (
            rf"(?<![\d.])\d{{1,2}}(?!\d|\.\d|\s?[A-Za-z%°℃²³^/+×÷=]|\s?\*\s?\d|\s?[{_MEASURES}])"
        )
        spelling = _Spelling(r"\d{1,2}", single, mention=single, head=r"\d{1,2}")
    else:
        token = alphabet.pattern
        single = f"{token}+" if alphabet.anywhere else f"{token}+(?={_ENDS})"
        spelling = _Spelling(token, single, mention=token, head=token)
    words = [form for form in forms if not re.fullmatch(spelling.token, form)]
    return _with_words(spelling, words, alphabet) if words else spelling


def _letters(forms: Sequence[str], small: bool) -> _Spelling:
    capitals = sorted({form for form in forms if len(form) == 1 and form.isupper()})
    near = _letter_range(forms)
    token = rf"[{near}{near.lower()}]"
    alone = rf"(?<![A-Za-z0-9]){token}(?![A-Za-z0-9]|['’][a-z])"
    glued = rf"(?<![A-Za-z0-9])[{''.join(capitals)}]{{2,}}(?![A-Za-z0-9])"
    heads = near + near.lower() if small else near
    # The look-behind comes second: a pattern that begins with a set is searched for faster.
    mention = rf"[{heads}](?<![A-Za-z0-9\\].)(?![A-Za-z0-9]|['’][a-z])"
    return _Spelling(token, f"(?:{alone}|{glued})", mention, head=f"[{heads}]")


def _with_words(spelling: _Spelling, words: Sequence[str], alphabet: Alphabet) -> _Spelling:
    """Letters A and B over 對 and 錯: both name an option."""
    either = _either(words)
    token = f"{either}|{spelling.token}"
    ends = r"[\s,.。;!?、)\]\"'*_}$<-]|的|\Z"
    single = rf"(?:(?:{either})(?={ends})|{spelling.single})"
    head = spelling.head if alphabet is LETTERS else token
    return _Spelling(token, single, spelling.mention, head)


def _next_in_list(alphabet: Alphabet | None, forms: Sequence[str]) -> str:
    """What stands between two labels of a list."""
    again = rf"(?:{_SEPARATOR}|[\])\"'*_}}$]{{0,3}}{_SEPARATOR}[\[(\"'*_{{$]{{0,3}})"
    if alphabet is LETTERS:  # A C D and (A)(C)(D)
        near = _letter_range(forms)
        again = rf"(?:{again}|\s(?=[{near}](?![A-Za-z.:)、]))|[)\]]\s?[(\[](?=[{near}][)\]]))"
    if alphabet is not DIGITS:  # 1. A 2. C: the numbers of several questions
        again = rf"(?:{again}|[\s,;.、]{{1,4}}\d{{1,3}}\s?[.、:)]\s{{0,3}})"
    return again


def _either(forms: Sequence[str]) -> str:
    return "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
