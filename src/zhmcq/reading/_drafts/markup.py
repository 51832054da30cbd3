"""The texts of a draft as plain text, and the warning that one of them holds a picture."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from zhmcq.reading._drafts.draft import Draft
from zhmcq.reading._drafts.embedded import options_of_text
from zhmcq.reading._drafts.html_text import (
    is_wrapped,
    picture_link,
    plain_text,
    shortened_links,
)
from zhmcq.reading._drafts.option_cells import is_image_only
from zhmcq.zh._fold import tidy
from zhmcq.zh._truth import is_no_key, truth_of

__all__ = ["take_markup"]

# A question about html shows tags that are meant to be read.
_ABOUT_TAGS = re.compile(r"HTML|超文本|超文字|[標标][籤签記记]|網頁|网页|\btags?\b", re.IGNORECASE)
_ABOUT_MARKS = re.compile(
    r"[畫劃划][線线]|[底下][線线]|粗[體体]|加粗|黑[體体]字|斜[體体]|加[點点]字|"
    r"underlin|\bbold|italic",
    re.IGNORECASE,
)
_PICTURE = re.compile(
    r"!\[[^\]\n]{0,300}\]\([^()\n]*+\)|!\[\[[^\[\]\n]{1,200}\]\]|\\includegraphics|DISPIMG\(|"
    r"https?://[^\s<>()\"']{1,400}?\.(?:png|jpe?g|gif|bmp|svg|webp)(?![A-Za-z])",
    re.IGNORECASE,
)
_PICTURE_SIGNS = ("![", "\\includegraphics", "DISPIMG", "://")
_LONG = 2000
_EMPTY = re.compile(r"(?:\s|<(?:p|div|span)\b[^<>]{0,500}>|</(?:p|div|span)>|<br\s*/?>|&nbsp;)*")


def take_markup(draft: Draft) -> None:
    """Give a draft its texts without html, its pictures as links, and a note about these."""
    if draft.is_plain:
        return
    draft.is_plain = True
    if _has_markup(draft):
        _take_html(draft)
    for name, text in (("stem", draft.stem), ("passage", draft.passage)):
        if _holds_picture(text):
            _note(draft, name)
    if _holds_picture("\n".join(draft.options)):
        filled = [option for option in draft.options if option]
        # Options that are pictures are an error of their own.
        if sum(map(is_image_only, filled)) * 2 <= len(filled):
            _note(draft, "options")
    if draft.picture:
        _take_picture_field(draft)


def _holds_picture(text: str) -> bool:
    return _holds_one(text) if len(text) < _LONG else _holds_one_long(text)


def _holds_one(text: str) -> bool:
    for sign in _PICTURE_SIGNS:
        if sign in text:
            return bool(_PICTURE.search(text))
    return False


# Many questions share one long passage.
_holds_one_long = lru_cache(maxsize=4)(_holds_one)
_plain_long = lru_cache(maxsize=4)(plain_text)


def _note(draft: Draft, name: str) -> None:
    note = (draft.heading.header(name) or name, "picture")
    if note not in draft.notes:
        draft.notes.append(note)


def _take_picture_field(draft: Draft) -> None:
    """What a field for a picture holds comes after the stem, so that stems differ where it does."""
    for line in draft.picture.split("\n"):
        source = line.strip()
        if is_no_key(source) or truth_of(source) is False or source == "0":
            continue
        if truth_of(source) is not True and source != "1":
            link = shortened_links(source) if "](" in source else picture_link(source)
            link = plain_text(source) if source.startswith("<") else link
            draft.stem = f"{draft.stem}\n{link}" if draft.stem else link
        _note(draft, "picture")


def _has_markup(draft: Draft) -> bool:
    texts = (draft.stem, draft.passage, draft.explanation, draft.subject, *draft.options)
    text = "\n".join(texts)
    if "<" in text or "&" in text or "](" in text:
        return True
    answers = draft.answer if isinstance(draft.answer, list) else (draft.answer,)
    return any(isinstance(text, str) and ("<" in text or "&" in text) for text in answers)


def _take_html(draft: Draft) -> None:
    about_tags = bool(_ABOUT_TAGS.search(draft.stem))
    all_meant = about_tags and not is_wrapped(draft.stem)
    marks = bool(_ABOUT_MARKS.search(draft.stem) or _ABOUT_MARKS.search(draft.passage[-500:]))

    def plain(text: str) -> str:
        if about_tags and not is_wrapped(text):
            return text
        shown = (plain_text if len(text) < _LONG else _plain_long)(text, marks=marks)
        if not about_tags and "<" not in text and shown != text and is_wrapped(shown):
            # Html whose own signs were escaped: &lt;p&gt;
            shown = plain_text(shown, marks=marks)
        return shortened_links(shown)

    def plain_option(text: str) -> str:
        shown = plain(text)
        # A tag alone is the answer to a question about tags, unless it is an empty paragraph.
        empty = ("</" in text or "<" not in text) and _EMPTY.fullmatch(text)
        return shown if shown or empty else text

    draft.passage = plain(draft.passage)
    draft.explanation = plain(draft.explanation)
    draft.subject = plain(draft.subject)
    if all_meant:
        return
    draft.stem = plain(draft.stem)
    given = draft.options
    draft.options = [plain_option(text) if text else text for text in given]
    if len(given) == 1 and draft.options != given:
        texts, labels = options_of_text(draft.options[0])
        if len(texts) > 1:
            draft.options, draft.labels = texts, labels
    draft.answer = _plain_key(draft.answer, plain_option)


def _plain_key(answer: Any, plain: Any) -> Any:
    if isinstance(answer, str):
        return tidy(plain(answer)) if "<" in answer or "&" in answer else answer
    if isinstance(answer, list):
        return [_plain_key(part, plain) if isinstance(part, str) else part for part in answer]
    return answer
