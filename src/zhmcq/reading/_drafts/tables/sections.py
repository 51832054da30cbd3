"""Titles between tables and the names of sheets: what they say of the questions below them."""

from __future__ import annotations

import re

from zhmcq.zh._fold import fold_name, normal_text
from zhmcq.zh._kinds import kind_of

__all__ = ["is_section", "kind_of_title", "subject_of_sheet"]

_LONGEST_TITLE = 60
_SECTION = re.compile(
    r"(?:第?\s*[一二三四五六七八九十壹貳贰參叁肆伍陸陆柒捌玖拾IVX]{1,4}\s*[、.．)）部大]|"
    r"第\s*\d{1,2}\s*(?:部|大題|大题)|(?:part|section)\s+[\divxa-e]+\b)\s*",
    re.IGNORECASE,
)
_PART = re.compile(r"第|part|section", re.IGNORECASE)
_PAPER = re.compile(r"[題题]$|[題题]\s*[(:（：]")
_ASKS = re.compile(r"[?？]|_{2,}|[(（]\s*[)）]|下列|何者")
_PARTS = re.compile(r"[、,，/&+（()）:：;；]|及|與|与|和|\band\b")
_TRUE_OR_FALSE = re.compile(
    r"(?:true|yes|[對对是])\s*/\s*(?:false|no|[錯错非否])(?![a-z])", re.IGNORECASE
)
_OPEN = re.compile(r"非[選选][擇择]")
_BRACKETS = "【】[]《》<>〈〉「」『』*#=-—※◎●■◆ "
_BARE_KINDS = frozenset({"multiplechoice", "singlechoice", "truefalse", "trueorfalse"})
_CHOICE = re.compile(r"选择|choice")
# A title ends with the word for a kind, or goes on with how many there are and what they score.
_KIND_TITLE = re.compile(
    r"[^?？。]{0,12}(?:題|题|questions?)\s*(?:[(（【\[:：].*|[共每].*)?", re.IGNORECASE
)
_GENERIC_SHEET = re.compile(
    r"(?:sheet|工作表|工作表单|表|表格|feuil|feuille|tabelle|hoja|planilha|foglio|blad|лист|シート|시트|"
    r"table|worksheet|page|data|questions?|questionbank|bank|题库|题目|试题|问题|资料|main|train|test|"
    r"valid|validation|dev|export|result|results|csv|xlsx|总表|全部|建议格式|格式|范例|模板|template)?\d*"
)


def kind_of_title(title: str) -> str:
    """The kind of question that a section's title or a sheet's name says; ``""`` for none.

    「是非題與選擇題」 names two, and so none. 「選擇題」 is ``"choice"``, which leaves open how
    many options are right.

    Args:
        title: 「一、是非題（每題 2 分）」, 判断题, "Multiple response".
    """
    if not title or len(title) > _LONGEST_TITLE:
        return ""
    title = _TRUE_OR_FALSE.sub("truefalse", title)
    kinds = {_kind_of_part(part) for part in _PARTS.split(title)} - {""}
    if kinds - {"choice"} <= {"single", "multiple"} and len(kinds) > 1:
        kinds -= {"choice"}
    return kinds.pop() if len(kinds) == 1 else ""


def _kind_of_part(part: str) -> str:
    if _OPEN.search(part):
        return "essay"
    return kind_of(part) or ("choice" if _CHOICE.search(fold_name(part)) else "")


def is_section(text: str) -> bool:
    """Whether a text alone in its row is a section's title, such as 「二、選擇題（共 5 題）」."""
    if len(text) > _LONGEST_TITLE or _ASKS.search(text):
        return False
    text = normal_text(text).strip(_BRACKETS)
    name = fold_name(text)
    if name in _BARE_KINDS or (len(name) < 4 and _kind_of_part(name)):
        return True
    numbered = _SECTION.match(text)
    rest = text[numbered.end() :] if numbered else text
    if numbered and (_PART.match(text) or _PAPER.search(rest)):
        return True
    return bool(_kind_of_part(rest)) and (bool(numbered) or bool(_KIND_TITLE.fullmatch(text)))


def subject_of_sheet(name: str) -> str:
    """A sheet's name as a subject; ``""`` where it says nothing, as 工作表1 does."""
    return "" if _GENERIC_SHEET.fullmatch(fold_name(name)) else name.strip()
