"""The patterns in which labels of one style are written: alone, in lists, at the head of a line."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

__all__ = ["LabelShapes", "label_shapes", "label_style"]

CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"
STEMS = "甲乙丙丁戊己庚辛壬癸"
# What may stand between a cue and its label. Possessive, so that no text makes it try twice.
_FILLER = (
    r"(?:[\U0001f300-\U0001faff\s:;,=>~\"'`*_#$({\[<|-]|\\[({\[,!]|\\(?:text(?:bf|rm|it|sf)?"
    r"|math(?:rm|bf|sf|bb)|boxed|fbox|quad|bf|rm)|选项|第(?=\s?[\dA-Za-z一二三四五六七八九十])|(?i:options?|choices?"
    r"|letter|number|the|answer|is|be)\b){0,16}+"
)
_SEPARATOR = (
    r"\s{0,2}(?:[、,/&+;](?:\s?(?:和|与|及|(?i:and|or)\b))?|和|与|及|以及|跟|或者?|还是"
    r"|(?i:\bor\b|\band\b))\s{0,2}"
)
_MEASURES = "个条年月日号天次人倍万千百亿种米秒分度岁元公克毫厘吨升小时周瓶位名件张层楼点"


@dataclass(frozen=True, slots=True)
class LabelShapes:
    """The patterns of one label style; they are compiled once for all questions that share it.

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


def label_style(names: list[str]) -> str:
    """The style of folded label names: letters, digits, one of the two sets above, or other."""
    if all(re.fullmatch("[A-Za-z]", name) for name in names):
        capitals = {name.upper() for name in names}
        return "letters" if len(capitals) == len(names) else "other"
    if all(re.fullmatch(r"\d{1,2}", name) for name in names):
        return "digits"
    for style in (CIRCLED, STEMS):
        if all(len(name) == 1 and name in style for name in names):
            return style
    return "other"


@functools.lru_cache(maxsize=512)
def label_shapes(style: str, forms: tuple[str, ...], small: bool) -> LabelShapes:
    """The patterns for labels of a style.

    Args:
        style: As :func:`label_style` names it.
        forms: Everything that names an option, labels of the style and other words.
        small: Whether the question's own labels are small letters.
    """
    if style == "letters":
        capitals = sorted({form for form in forms if len(form) == 1 and form.isupper()})
        near = "A-H" if capitals[-1] <= "H" else "A-Z"
        token = rf"[{near}{near.lower()}]"
        plain = rf"(?<![A-Za-z0-9])[{near}{near.lower()}](?![A-Za-z0-9]|['’][a-z])"
        glued = rf"(?<![A-Za-z0-9])[{''.join(capitals)}]{{2,}}(?![A-Za-z0-9])"
        single = f"(?:{plain}|{glued})"
        # The look-behind comes second: a pattern that begins with a set is searched for faster.
        heads = near + near.lower() if small else near
        mention = rf"[{heads}](?<![A-Za-z0-9\\].)(?![A-Za-z0-9]|['’][a-z])"
    elif style == "digits":
        token = r"\d{1,2}"  # noqa: S105 - no secret, a token of text
        single = (
            rf"(?<![\d.])\d{{1,2}}(?!\d|\.\d|\s?[A-Za-z%°℃²³^/+×÷=]|\s?\*\s?\d|\s?[{_MEASURES}])"
        )
        mention = single
    elif style in (CIRCLED, STEMS):
        token = f"[{style}]"
        single = f"[{style}]+"
        mention = token
    else:
        token = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        ends = r"[\s,.。;!?、:/&+)\]\"'*_}$<>|-]|的|项|选|和|与|或|及|是|为|符|\Z"
        single = rf"(?<![A-Za-z0-9])(?:{token})(?={ends})"
        mention = single
    extra = [form for form in forms if style != "other" and not re.fullmatch(token, form)]
    if extra:  # letters A and B over 對 and 錯: both name an option
        words = "|".join(re.escape(form) for form in sorted(extra, key=len, reverse=True))
        token = f"{words}|{token}"
        single = rf"(?:(?:{words})(?=[\s,.。;!?、)\]\"'*_}}$<-]|的|\Z)|{single})"
    head = f"[{heads}]" if style == "letters" else token
    one_before = r"\d" if style == "digits" else "."
    number = "" if style == "digits" else r"(?:第?\s?\d{1,3}\s?题?\s?[.、:)]\s{0,3})?"
    again = rf"(?:{_SEPARATOR}|[\])\"'*_}}$]{{0,3}}{_SEPARATOR}[\[(\"'*_{{$]{{0,3}})"
    if style == "letters":  # A C D and (A)(C)(D)
        again = rf"(?:{again}|\s(?=[{near}](?![A-Za-z.:)、]))|[)\]]\s?[(\[](?=[{near}][)\]]))"
    if number:
        again = rf"(?:{again}|[\s,;.、]{{1,4}}\d{{1,3}}\s?[.、:)]\s{{0,3}})"
    one = rf"(?:选项)?{single}(?:项|选项)?"
    run = rf"{_FILLER}{number}{_FILLER}(?P<run>{single}(?:项|选项)?(?:{again}{one}){{0,25}})"
    return LabelShapes(
        filler=re.compile(_FILLER),
        token=re.compile(token),
        run=re.compile(run),
        mention=re.compile(mention),
        item=re.compile(
            rf"{head}(?:(?<=[(\[]{one_before})\s?[)\]]"
            rf"|(?<![^\s*#>项:,;。、]{one_before})\s?(?:[.、:)](?!\d)|(?:选项|项)\s?[:,]))"
        ),
    )
