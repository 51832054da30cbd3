"""What a line of an exam paper is: the start of a question, a key, a title, a note."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from zhmcq.zh._fold import normal_text, simplified

__all__ = [
    "KEY_CHARACTERS",
    "KeyLine",
    "Note",
    "Range",
    "Start",
    "answer_and_reason",
    "final_truth",
    "inline_key",
    "is_furniture",
    "is_key_alone",
    "is_truth_option",
    "key_line",
    "note_of",
    "passage_range",
    "section_kind",
    "start_of",
    "start_without_number",
    "titles_options",
    "without_stem_title",
]

_DIGIT = "[0-9０-９]"
_NUMERAL = "[一二三四五六七八九十百]"
#: What stands in the brackets before a question where its key does, or will: ``( B ) 1.``
KEY_CHARACTERS = "A-Za-zＡ-Ｚａ-ｚ1-9１-９①-⑩○×〇◯✓✗√╳甲乙丙丁戊對錯对错是非,，、 \u3000\t"
_KEY_BEFORE = re.compile(
    rf"(?:[(（\[【]\s{{0,20}}(?P<key>[{KEY_CHARACTERS}]{{0,12}})\s{{0,20}}[)）\]】]|"
    r"[_＿]{2,20}(?P<blank>[A-Za-zＡ-ＺOX○×]{0,5})[_＿]{0,20}|(?P<cell>[A-HＡ-ＨOX○×]{1,5})\t)"
    r"\s{0,20}(?=\S)"
)
_NUMBER = re.compile(
    rf"第\s{{0,3}}(?:(?P<word>{_DIGIT}{{1,6}})|(?P<word_han>{_NUMERAL}{{1,4}}))\s{{0,3}}[題题]"
    rf"\s{{0,3}}[.．、:：)）]?|"
    rf"[【\[]?(?:Q(?:uestion)?|問題|题目|題目|試題|试题)[】\]]?\s{{0,3}}[.#]?\s{{0,3}}(?P<named>{_DIGIT}{{1,6}})"
    rf"\s{{0,3}}(?:[.．、:：)）]|(?=\s)|$)|"
    rf"[(（【\[]\s{{0,3}}(?P<bracketed>{_DIGIT}{{1,4}})\s{{0,3}}[)）】\]]\s{{0,3}}[.．、:：]?|"
    rf"(?P<marked>{_DIGIT}{{1,6}})\s{{0,3}}(?:[.．、)）]|[:：](?!{_DIGIT}))|"
    rf"(?P<numeral>{_NUMERAL}{{1,4}})\s{{0,3}}[、.．]|"
    rf"(?P<bare>{_DIGIT}{{1,4}})(?=\s)"
)
_STYLES = {
    "word": "word",
    "word_han": "word",
    "named": "named",
    "bracketed": "bracketed",
    "marked": "marked",
    "numeral": "numeral",
    "bare": "bare",
}
_HAN_DIGITS = "一二三四五六七八九"


@dataclass(frozen=True, slots=True)
class Start:
    """A line that may begin a question.

    Attributes:
        number: Its number.
        style: How the number is written: ``"marked"`` (1.), ``"bracketed"`` ((1)), ``"word"``
            (第1題), ``"named"`` (Q1), ``"numeral"`` (一、) or ``"bare"`` (1 and a blank).
        end: Where the text after the number begins.
        key: What stands in the brackets before it; ``None`` without brackets.
        weak: Whether a digit follows, so that it may be a number such as 1.5.
    """

    number: int
    style: str
    end: int
    key: str | None = None
    weak: bool = False


def start_of(text: str) -> Start | None:
    """The start of a question that a line may be; None where it can't be one."""
    before = _KEY_BEFORE.match(text)
    key = None
    match = _NUMBER.match(text, before.end()) if before else None
    # 「(1)3 (2)4」 are options; a bare number has its key in a cell of its own.
    unsure = match is not None and match.lastgroup in ("numeral", "bare")
    if before and match and not (unsure and before["cell"] is None):
        key = (before["key"] or before["blank"] or before["cell"] or "").strip()
    else:
        match = _NUMBER.match(text)
    if match is None:
        return None
    name = match.lastgroup or ""
    number = _number(match[name])
    if not number:
        return None
    end = match.end()
    weak = text[end : end + 1].isdecimal() and text[end - 1] in ".．:："
    end += len(text) - end - len(text[end:].lstrip(" \t\u3000"))
    return Start(number, _STYLES[name], end, key, weak)


_TITLED = re.compile(r"[【\[]?(?:題目|题目|問題|问题|題幹|题干)(?:[】\]]\s?[:：]?|[:：])\s*(?=\S)")


def start_without_number(text: str, number: int) -> Start | None:
    """A line 「題目：…」 as the start of a question with this number; None for other lines."""
    match = _TITLED.match(text)
    return Start(number, "titled", match.end()) if match else None


def _number(text: str) -> int:
    text = normal_text(text)
    if text.isascii():
        return int(text)
    value = 0
    digit = 0
    for char in text:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS.index(char) + 1
        else:
            value += (digit or 1) * (100 if char == "百" else 10)
            digit = 0
    return value + digit


# Titles of sections. In Simplified characters, as simplified() leaves them.
_KIND_WORD = re.compile(
    r"(?:单一?选?择?|单项选择|多重?选择?|多项选择|复选|不定项选?择?|选择|是非|判断|对错|填空|填充|简答|问答|申论"
    r"|论述|名词解释|配合|配对|连连看|计算|题组|综合|克漏字|作文|翻译|实作)(?:题|選擇題)"
    r"|阅读测验|题组|非选择题"
)
_SECTION = re.compile(
    r"\s*(?:[(（]?(?:[一二三四五六七八九十]{1,3}|[壹贰叁肆伍陆]|[IVX]{1,4}|[ⅠⅡⅢⅣⅤ])[)）]?"
    r"\s{0,3}[、.．:： ]|"
    r"第\s{0,3}[一二三四五六七八九十0-9壹贰]{1,3}\s{0,3}(?:大题|部分|部份|单元|节|篇|章|讲|课)|"
    r"[【\[〔〈《◎※●■]|"
    r"(?:Part|Section)\s+\w{1,4}\b)"
)
_SHORT_TITLE = 16
_LONGEST_TITLE = 120


def section_kind(text: str) -> str | None:
    """The word for a kind in the title of a section; ``""`` in a title without one, else None.

    ``"一、單選題（每題2分）"`` gives ``"單選題"`` in Simplified characters.
    """
    if len(text) > _LONGEST_TITLE or "?" in text or "？" in text:
        return None
    plain = simplified(text)
    numbered = _SECTION.match(plain)
    word = _KIND_WORD.search(plain)
    if word and word.start() <= 12 and (numbered or len(plain) <= _SHORT_TITLE):
        return word.group()
    divided = numbered and re.match(r"\s*(?:第|Part|Section)", plain)
    return "" if divided and len(plain) <= _SHORT_TITLE * 2 else None


_RANGE = re.compile(
    rf"第?\s{{0,3}}(?P<low>{_DIGIT}{{1,4}})\s{{0,3}}題?\s{{0,3}}(?:[-~～—–－〜至到]|、|及|和|與)"
    rf"\s{{0,3}}第?\s{{0,3}}(?P<high>{_DIGIT}{{1,4}})\s{{0,3}}[題题]?"
)
_PASSAGE_WORDS = re.compile(
    r"[題题][組组]|[閱阅][讀读]|回答|依據|依据|根據|根据|短文|下文|上文|文章|[圖图]表|作答|passage|questions",
    re.IGNORECASE,
)
_ASKS_ABOUT = re.compile(
    r"(?:[閱阅][讀读]|依據|依据|根據|根据|[參参]考).{0,30}(?:回答|作答|完成).{0,12}(?:[問问][題题]|[題题])"
)
_GROUP_TITLE = re.compile(
    r"\s*[【\[(（〈《]?\s*[題题][組组]\s{0,3}[一二三四五六七八九十0-9A-Z]{0,3}\s*[】\])）〉》]?\s*[:：]?\s*"
)
_AFTER_RANGE = re.compile(r"[^。：:\n]{0,40}?[。：:]\s*")


class Range(NamedTuple):
    """The questions that a passage belongs to.

    Attributes:
        low: The first number; 0 where the text names none.
        high: The last number; 0 likewise.
        rest: The part of the line that belongs to the passage itself.
    """

    low: int
    high: int
    rest: str


def passage_range(text: str) -> Range | None:
    """Which questions a line announces a passage for: 「閱讀下文，回答3-5題」; None for others."""
    head = text[:200]
    if match := _GROUP_TITLE.fullmatch(head):
        return Range(0, 0, "")
    match = _RANGE.search(head)
    named = match and ("題" in match.group() or "题" in match.group() or "uestion" in head)
    if match and named and _PASSAGE_WORDS.search(head):
        low, high = _number(match["low"]), _number(match["high"])
        if low < high <= low + 50:
            return Range(low, high, _rest(text, match.end()))
    if (
        not match
        and (announced := _ASKS_ABOUT.search(head))
        and "?" not in head
        and "？" not in head
    ):
        return Range(0, 0, _rest(text, announced.end()))
    return None


def _rest(text: str, start: int) -> str:
    """What follows the announcement in its own line."""
    match = _AFTER_RANGE.match(text, start)
    return text[match.end() :].strip() if match else ""


class KeyLine(NamedTuple):
    """A line that gives the key of the question before it."""

    key: str
    rest: str


_KEY_WORD = (
    r"(?:(?:正確|正确|標準|标准|參考|参考|本題|本题)?(?:答案|解答|答)|正解|Ans(?:wer)?|Key|"
    r"Correct\s{1,3}answer)"
)
_KEY_LINE = re.compile(
    rf"[【\[(（〔]?\s{{0,3}}{_KEY_WORD}\s{{0,3}}(?:[】\])）〕]\s{{0,3}}[:：]?|"
    rf"\s{{0,3}}[:：]|[是為为]|(?=[(（]\s{{0,3}}[A-Za-zＡ-Ｚ0-9]))"
    r"\s{0,20}(?P<key>.*)",
    re.IGNORECASE,
)
_INLINE = re.compile(
    rf"[(（【\[]?\s{{0,3}}{_KEY_WORD}\s{{0,3}}[:：】\])）]{{1,2}}\s{{0,20}}", re.IGNORECASE
)
_INLINE_KEY = re.compile(
    rf"(?P<key>[(（]?[{KEY_CHARACTERS}OXTF]{{1,14}}[)）]?|正[確确]|[錯错][誤误]|True|False)"
    r"\s{0,3}[)）\]】]?[。.]?",
    re.IGNORECASE,
)
_INLINE_TAIL = 60
_EXPLAINS = re.compile(
    r"(?:^|[\s。；;，,)）】\]]|(?=[【\[]))[【\[(（]?\s{0,3}(?:解析|詳解|详解|解說|解说|說明|说明|理由)\s{0,3}[】\])）]?\s{0,3}"
    r"(?:[:：]|(?<=[】\])）]))\s*"
)


# 「A,C (少選不得分)」 says how the key is marked; 「B（更正為C）」 says something of the key.
_KEY_POINTS = re.compile(
    rf"(?P<key>[{KEY_CHARACTERS}]{{1,20}}?)\s*[(（][^()（）A-Za-z]{{0,20}}分[^()（）A-Za-z]{{0,10}}[)）]"
)


def key_line(text: str) -> KeyLine | None:
    """The key that a line gives, and the explanation after it; None for other lines."""
    match = _KEY_LINE.fullmatch(text)
    if match is None:
        return None
    key = match["key"].strip()
    if explained := _EXPLAINS.search(key):
        return KeyLine(key[: explained.start()].strip(), key[explained.end() :].strip())
    if points := _KEY_POINTS.fullmatch(key):
        return KeyLine(points["key"], "")
    return KeyLine(key, "")


def inline_key(text: str) -> tuple[str, KeyLine] | None:
    """A line without the key at its end, and that key: 「…？（答案：B）」; None without one."""
    last = None
    for match in _INLINE.finditer(text):
        last = match
    if last is None or last.start() == 0:
        return None
    key, rest = text[last.end() :].strip(), ""
    if explained := _EXPLAINS.search(key):
        key, rest = key[: explained.start()].strip(), key[explained.end() :].strip()
    whole = _INLINE_KEY.fullmatch(key)
    if whole is None or not whole["key"].strip():
        return None
    return text[: last.start()].rstrip(), KeyLine(whole["key"].strip(), rest)


_FINAL_TRUTH = re.compile(r"[(（]\s{0,9}(?P<key>[√×✓✗○〇OX對錯对错TF])\s{0,9}[)）]\s{0,3}[。.]?$")


def final_truth(text: str) -> tuple[str, str] | None:
    """A statement without the sign in brackets at its end, and that sign: 「……。（√）」."""
    match = _FINAL_TRUTH.search(text, max(0, len(text) - _INLINE_TAIL))
    return (text[: match.start()].rstrip(), match["key"]) if match else None


_REASONED = re.compile(
    r"[(（]?\s*(?P<key>[A-HＡ-Ｈ]{1,8}|[①-⑩])\s*[)）]?[\s。.；;，,:：]+(?P<rest>\S.*)", re.DOTALL
)
_LABEL_ALONE = re.compile(r"(?<![A-Za-z])[A-HＡ-Ｈ①-⑩](?![A-Za-z])")


def answer_and_reason(text: str) -> tuple[str, str] | None:
    """The key and the reason after it: ``(B)。因為……``; None where there is no more or less."""
    match = _REASONED.fullmatch(text)
    if match is None or _LABEL_ALONE.search(match["rest"][:20]):
        return None
    return match["key"], match["rest"]


class Note(NamedTuple):
    """A line that says something about a question.

    Attributes:
        field: ``"explanation"``, ``"source"``, ``"subject"``, or ``""`` for what no question has.
        text: What it says.
    """

    field: str
    text: str


_NOTE = re.compile(
    r"[【\[(（〔]?\s{0,3}(?:(?P<explanation>(?:試題|试题|答案)?(?:解析|分析)|詳解|详解|解說|解说|"
    r"說明|说明|理由|Explanation|Rationale)|(?P<source>出處|出处|來源|来源|資料來源)|"
    r"(?P<subject>科目|章節|章节|單元|单元|知識點|知识点|考點|考点)|"
    r"(?P<other>難易度?|难易度?|難度|难度|認知\w{0,4}|年度|學年度?|分值|分數|配分|題號|編號|命題\w{0,4}|題型|题型|"
    r"Difficulty|Level))\s{0,3}(?:[】\])）〕]\s{0,3}[:：]?|[:：])\s*(?P<text>.*)",
    re.IGNORECASE,
)


def note_of(text: str) -> Note | None:
    """What a line says about the question before it; None for other lines."""
    match = _NOTE.fullmatch(text)
    if match is None:
        return None
    name = next(n for n in ("explanation", "source", "subject", "other") if match[n])
    return Note("" if name == "other" else name, match["text"].strip())


_FURNITURE = re.compile(
    r"[-—–－=_＿*~～.．·…\s|:]{2,}|[-—–\s]*\d{1,4}[-—–\s]*|"
    r"(?:第\s{0,3}\d{1,3}\s{0,3}[頁页](?:[,，/ 共].{0,20})?|"
    r".{0,30}第\s{0,3}\d{1,3}\s{0,3}[頁页](?:[,，/ ].{0,20})?)|"
    r"Page\s+\d{1,3}.{0,20}|.{0,20}(?:背面|後面|后面|下頁|下页)[尚還还]?有.{0,20}|"
    r".{0,8}(?:請|请)?(?:翻頁|翻页|續背面|翻面).{0,20}|"
    r".{0,6}(?:以下空白|試題結束|试题结束|試題到此|全卷完).{0,6}",
    re.IGNORECASE,
)


_OPTIONS_TITLE = re.compile(
    r"[【\[(（]?\s?(?:選項|选项|Options?|Choices)\s?[】\])）]?\s?[:：]?", re.IGNORECASE
)
_STEM_TITLE = re.compile(
    r"(?:#\s?\d{1,6}\s{0,3})?[【\[]?(?:題目|题目|問題|问题|題幹|题干|問|Q|Question|Stem)(?:[】\]]\s?[:：]?|[:：])\s*",
    re.IGNORECASE,
)
_KEY_ALONE = re.compile(rf"[(（]?[{KEY_CHARACTERS}OXTF]{{1,10}}[)）]?[。.]?")


def titles_options(text: str) -> bool:
    """Whether a line says only that options follow: 「選項：」."""
    return bool(_OPTIONS_TITLE.fullmatch(text))


def without_stem_title(text: str) -> str:
    """A stem without the word for it: 「題目：」, ``Q:``."""
    match = _STEM_TITLE.match(text)
    return text[match.end() :] if match else text


_TRUTH_OPTION = re.compile(
    r"(?:true|false|[TF])\s?[.．、:：)]\s{0,3}(?:正[確确]|[錯错][誤误]|[對对錯错是否]|true|false)",
    re.IGNORECASE,
)


def is_truth_option(text: str) -> bool:
    """Whether a line is one of the two options of a statement: ``true. 正確``."""
    return bool(_TRUTH_OPTION.fullmatch(text))


def is_key_alone(text: str) -> bool:
    """Whether a line holds a key and nothing else, as it may below 「答案：」."""
    return bool(_KEY_ALONE.fullmatch(text))


def is_furniture(text: str) -> bool:
    """Whether a line is a rule, a page's number, or says to turn the page."""
    return len(text) <= 60 and bool(_FURNITURE.fullmatch(text))
