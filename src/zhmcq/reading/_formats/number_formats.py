"""Spreadsheet number formats: what a cell showed, from its stored value and its format code.

Covers the codes of ECMA-376 part 1, section 18.8.31, as far as banks use them: sections, literals,
digits, thousands, percent, exponent, fractions, dates, times, elapsed times, the Chinese day
halves and the Minguo year (``[$-404]e``).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from fractions import Fraction

__all__ = ["general", "render_date", "render_duration", "render_number"]

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_.|\*.|'
    r"\[\$(?P<currency>[^\]-]*)(?:-(?P<locale>[0-9A-Fa-f]+))?[^\]]*\]|"
    r"\[(?P<elapsed>[hH]+|[mM]+|[sS]+)\]|\[(?P<bracket>[^\]]*)\]|"
    r"(?P<half>AM/PM|am/pm|A/P|a/p|上午/下午)|(?P<date>[yYmMdDhHsS]+|[eE](?![+-])[eE]*|[gG]+)|"
    r"(?P<number>[0#?.,]+)|(?P<exponent>[eE][+-]0+)|(?P<other>.)",
    re.DOTALL,
)
_MINGUO_LOCALE = "404"
_SYSTEM_DATE = "F800"
_SYSTEM_TIME = "F400"


def general(value: float) -> str:
    """A number under the format General: integers whole, other numbers in 11 characters.

    Excel shows integers above 11 digits as 2.02E+15. They stay whole here: ids are such, and
    neighbouring ones must not become alike.
    """
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return str(int(value))
    text = format(value, ".15g")
    if "e" not in text and len(text.lstrip("-")) > 11:
        whole = len(str(int(abs(value))))
        text = f"{value:.{max(0, 10 - whole)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if not text.strip("-0."):
            text = format(value, ".6g")
    return text.replace("e+", "E+").replace("e-", "E-")


@functools.lru_cache(maxsize=512)
def _sections(code: str) -> tuple[str, ...]:
    return tuple(re.findall(r'(?:"[^"]*"?|\\.|\[[^\]]*\]|[^;])+', code)) or ("General",)


@functools.lru_cache(maxsize=512)
def _tokens(section: str) -> tuple[tuple[str, str], ...]:
    """Kind and text of each part of a section."""
    parts: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(section):
        kind = match.lastgroup
        if kind is None:
            continue
        text = match.group(kind)
        if kind == "locale":
            parts.append(("locale", text.upper().lstrip("0")[-4:]))
            text, kind = match.group("currency"), "currency"
        if kind in ("quoted", "escaped", "currency"):
            parts.append(("literal", text))
        elif kind == "date":
            parts += [("date", run.group()) for run in re.finditer(r"(.)\1*", text.lower())]
        else:
            parts.append((kind, text))
    return tuple(parts)


def render_number(value: float, code: str) -> str:
    """A number as a cell of this format shows it."""
    sections = _sections(code)
    section = sections[0]
    if value < 0 and len(sections) > 1:
        section, value = sections[1], -value
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    if "general" in section.lower():
        before, _, after = section.lower().partition("general")
        return _literals(before) + general(value) + _literals(after)
    tokens = _tokens(section)
    if not any(kind == "number" for kind, _ in tokens):
        shown = "".join(text for kind, text in tokens if kind in ("literal", "other"))
        return shown.replace("@", general(value)) if "@" in shown or shown else general(value)
    if any(kind == "other" and text == "/" for kind, text in tokens):
        return _render_fraction(value)
    return _render_digits(value, tokens)


def _literals(section: str) -> str:
    return "".join(text for kind, text in _tokens(section) if kind in ("literal", "other"))


def _render_digits(value: float, tokens: tuple[tuple[str, str], ...]) -> str:
    pattern = "".join(text for kind, text in tokens if kind == "number")
    whole, _, decimals = pattern.partition(".")
    bare = pattern.rstrip(",")
    value /= 1000 ** (len(pattern) - len(bare))
    decimals = decimals.rstrip(",")
    percents = sum(kind == "other" and text == "%" for kind, text in tokens)
    value *= 100**percents
    exponent = next((text for kind, text in tokens if kind == "exponent"), "")
    if exponent:
        shown = f"{value:.{len(decimals)}E}"
    else:
        comma = "," if "," in whole.rstrip(",") else ""
        # Excel rounds the decimal number it shows, not the binary one it stores: 0.125 -> 0.13.
        rounded = Fraction(repr(abs(value)) if abs(value) < 1e15 else int(abs(value)))
        scaled = int(rounded * 10 ** len(decimals) + Fraction(1, 2))
        integer, fraction = divmod(scaled, 10 ** len(decimals))
        digits = f"{integer:{comma}}"
        wanted = whole.count("0")
        digits = digits.rjust(wanted, "0") if integer or wanted else ""
        tail = str(fraction).rjust(len(decimals), "0") if decimals else ""
        while tail and decimals[len(tail) - 1] in "#?" and tail.endswith("0"):
            tail = tail[:-1]
        point = "." if "." in pattern else ""
        minus = "-" if value < 0 and scaled else ""
        shown = minus + digits + point + tail
    parts: list[str] = []
    for kind, text in tokens:
        if kind == "number":
            parts.append(shown)
            shown = ""
        elif kind in ("literal", "other"):
            parts.append(text)
    return "".join(parts)


def _render_fraction(value: float) -> str:
    fraction = Fraction(value).limit_denominator(99)
    sign = "-" if fraction < 0 else ""
    whole, rest = divmod(abs(fraction.numerator), fraction.denominator)
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole or ''}{' ' if whole else ''}{rest}/{fraction.denominator}"


def render_date(value: dt.datetime | dt.date | dt.time, code: str) -> str:
    """A date or time as a cell of this format shows it."""
    if isinstance(value, dt.time):
        moment = dt.datetime.combine(dt.date(1899, 12, 31), value)
    elif isinstance(value, dt.datetime):
        moment = value
    else:
        moment = dt.datetime.combine(value, dt.time())
    tokens = _tokens(_sections(code)[0])
    locales = {text for kind, text in tokens if kind == "locale"}
    if _SYSTEM_DATE in locales:
        return f"{moment.year}年{moment.month}月{moment.day}日"
    if _SYSTEM_TIME in locales:
        return f"{moment:%H:%M:%S}"
    if code.lower() in ("mm-dd-yy", "general"):
        # Format 14 is the short date of the reader's own country: 2024/5/1 in Chinese Excel.
        return f"{moment.year}/{moment.month}/{moment.day}"
    halves = any(kind == "half" for kind, _ in tokens)
    minguo = _MINGUO_LOCALE in {locale[-3:] for locale in locales}
    parts: list[str] = []
    for index, (kind, text) in enumerate(tokens):
        if kind == "date":
            minute = text in ("m", "mm") and _is_minute(tokens, index)
            parts.append(_date_part(moment, text, minute, halves, minguo))
        elif kind == "half":
            morning = text.split("/")
            parts.append(morning[moment.hour >= 12])
        elif kind in ("literal", "other"):
            parts.append(text)
    shown = "".join(parts).replace("@", "").strip()
    return shown or moment.isoformat(sep=" ")


def _is_minute(tokens: tuple[tuple[str, str], ...], index: int) -> bool:
    """``m`` is a minute after an hour or before a second, else a month."""
    before = next((t for k, t in reversed(tokens[:index]) if k in ("date", "elapsed")), "")
    after = next((t for k, t in tokens[index + 1 :] if k == "date"), "")
    return before[:1].lower() == "h" or after[:1] == "s"


def _date_part(moment: dt.datetime, code: str, minute: bool, halves: bool, minguo: bool) -> str:
    letter, width = code[0], len(code)
    if minute:
        return str(moment.minute).rjust(width, "0")
    if letter == "y":
        return f"{moment.year % 100:02}" if width <= 2 else str(moment.year)
    if letter == "e":
        return str(moment.year - 1911 if minguo else moment.year)
    if letter == "m" and width > 2:
        return moment.strftime("%b" if width == 3 else "%B")[: 1 if width == 5 else None]
    if letter == "d" and width > 2:
        return moment.strftime("%a" if width == 3 else "%A")
    hour = moment.hour % 12 or 12 if halves else moment.hour
    number = {"m": moment.month, "d": moment.day, "h": hour, "s": moment.second}.get(letter)
    return "" if number is None else str(number).rjust(min(width, 2), "0")


def render_duration(value: dt.timedelta, code: str) -> str:
    """An elapsed time (``[h]:mm:ss``) as a cell of this format shows it."""
    total = round(value.total_seconds())
    sign, total = ("-", -total) if total < 0 else ("", total)
    elapsed = re.search(r"\[(h+|m+|s+)\]", code.lower())
    unit = elapsed.group(1)[0] if elapsed else "h"
    if unit == "s":
        return f"{sign}{total}"
    if unit == "m":
        return f"{sign}{total // 60}:{total % 60:02}"
    seconds = f":{total % 60:02}" if "s" in code.lower() else ""
    return f"{sign}{total // 3600}:{total // 60 % 60:02}{seconds}"
