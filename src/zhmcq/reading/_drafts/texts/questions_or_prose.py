"""Whether numbered lines are questions, or the points of another text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from zhmcq.reading._drafts.draft import Draft, DraftItem

__all__ = ["are_questions"]

_ASKS = re.compile(
    r"[?？]|_{2,}|＿|[(（][\s\u3000.．。]{0,12}[)）]|下列|何[者種种項项為为時时處处人事以]|哪|什[麼么]|甚[麼么]|多少|幾|几[个種种]|誰|谁|如何|"
    r"為何|为何|是否|正[確确]|[錯错][誤误]|不包括|不包含|[選选]出|[應应][為为]|計算|计算|求[出證证]?|[是為为][:：。]?$|"
    r"\b(?:which|what|who|when|where|why|how|choose|select|find|calculate|solve)\b|!\[",
    re.IGNORECASE | re.MULTILINE,
)
_ASKING_SHARE = 0.2
_ALIKE_SHARE = 0.8


def are_questions(items: Sequence[DraftItem]) -> bool:
    """Whether drafts of numbered lines are questions, and no minutes, laws, recipes or contents.

    Questions have keys or places for them, or words and signs that ask, or all the same number of
    options; a list with points below some of its items has none of these.
    """
    drafts = [item for item in items if isinstance(item, Draft)]
    if any(draft.has_key_field for draft in drafts):
        return True
    counts = Counter(len(draft.options) for draft in drafts if draft.options)
    count, usual = counts.most_common(1)[0] if counts else (0, 0)
    if count > 2 and usual > 2 and usual >= _ALIKE_SHARE * len(drafts):
        return True
    choices = [draft for draft in drafts if draft.options] or drafts
    asking = sum(bool(_ASKS.search(draft.stem) or draft.passage) for draft in choices)
    return asking > _ASKING_SHARE * len(choices)
