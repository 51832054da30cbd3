"""What papers print before a stem: its kind and its points, 「【單選題】(2分)」."""

from __future__ import annotations

import re

from zhmcq.zh._fold import simplified

__all__ = ["cut_front"]

_KIND = (
    r"(?:单项?选择?|多项?选择?|不定项选?择?|复选|选择|判断|是非|对错|填空|填充|简答|问答|论述|名词解释|计算)"
    r"题?"
)
_POINTS = r"(?:[本每][题小]{1,2}|共)?\s{0,3}\d{1,3}(?:\.\d{1,2})?\s{0,3}分"
_BETWEEN = r"[\s,，、;；:：/|-]{0,4}"
_FRONT = re.compile(
    rf"\s{{0,9}}(?:[(（【\[〔]\s{{0,3}}(?:(?P<kind>{_KIND})(?:{_BETWEEN}{_POINTS})?|{_POINTS})\s{{0,3}}[)）】\]〕]"
    rf"|(?P<bare>{_KIND}(?<=题))(?=\s{{0,3}}(?:[(（【\[]\s{{0,3}}{_POINTS}|\n|$)))[:：.．、]?\s{{0,9}}"
)
_HEAD = 80
_FRONTS = 4


def cut_front(text: str) -> tuple[str, str]:
    """The text after the kind and the points before it, and the kind in Simplified characters.

    ``"(單選題, 1.0 分) (1分) 下列何者…"`` gives ``"下列何者…"`` and ``"单选题"``.
    """
    kind = ""
    for _ in range(_FRONTS):
        head = simplified(text[:_HEAD])
        match = _FRONT.match(head) if len(head) == min(len(text), _HEAD) else None
        if match is None:
            break
        kind = kind or match["kind"] or match["bare"] or ""
        text = text[match.end() :]
    return text, kind
