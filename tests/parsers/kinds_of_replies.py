"""Replies of fifteen kinds, each with the answer that a careful reader takes from it.

They were written, with their answers, before the parser read them. A line of
``kinds_of_replies.tsv`` is a kind, whether its rule has to fire (``fires``) or not (``near``), a
question of :data:`QUESTIONS`, the label or labels expected (``-`` for no answer) and the reply,
with ⏎ for a line break.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zhmcq.parsers import get_parser
from zhmcq.questions import Kind, Question


def _question(
    stem: str, *options: str, labels: str = "", kind: Kind = "single", passage: str = ""
) -> Question:
    return Question("q", stem, options, labels=tuple(labels), kind=kind, passage=passage)


_SEASONS = ("春天", "夏天", "秋天", "冬天")
_ITEMS = "下列敘述正確的是？①水會結冰 ②火很冷 ③冰會融化 ④雨不會停"

QUESTIONS = {
    "season": _question("一年中哪個季節最熱？", *_SEASONS),
    "planet": _question("太陽系中體積最大的行星是哪一顆？", "火星", "土星", "地球", "木星"),
    "planet_s": _question("太阳系中体积最大的行星是哪一颗？", "火星", "土星", "地球", "木星"),
    "planet_en": _question("Which planet is the largest?", "Mars", "Saturn", "Earth", "Jupiter"),
    "xiaoming": _question("小明最後買了哪一種水果？", "蘋果", "香蕉", "橘子", "西瓜"),
    "cells": _question("下列何者會產生抗體？", "B細胞", "T細胞", "紅血球", "血小板"),
    "percent": _question("空氣中氮氣約占多少？", "10%", "30%", "50%", "80%"),
    "digits": _question("太陽系中體積最大的行星？", "火星", "土星", "地球", "木星", labels="1234"),
    "false": _question(
        "關於夏天的敘述，下列何者錯誤？", "氣溫最高", "白天最長", "常有颱風", "會下大雪"
    ),
    "false_s": _question(
        "关于夏天，下列说法不正确的是", "气温最高", "白天最长", "常有台风", "会下大雪"
    ),
    "false_en": _question("Which of these is NOT a mammal?", "whale", "bat", "shark", "dolphin"),
    "mammals": _question(
        "下列哪些是哺乳類？", "鯨魚", "鯊魚", "蝙蝠", "企鵝", "海豚", kind="multiple"
    ),
    "mammals_s": _question(
        "下列哪些是哺乳动物？", "鲸鱼", "鲨鱼", "蝙蝠", "企鹅", "海豚", kind="multiple"
    ),
    "mammals_en": _question(
        "Which are mammals?", "whale", "shark", "bat", "penguin", "dolphin", kind="multiple"
    ),
    "circled": _question("一年中哪個季節最熱？", *_SEASONS, labels="①②③④"),
    "circled_s": _question("一年中哪个季节最热？", *_SEASONS, labels="①②③④"),
    "circled_en": _question(
        "Which season is hottest?", "spring", "summer", "autumn", "winter", labels="①②③④"
    ),
    "circled_numbers": _question("2 + 2 = ?", "2", "4", "6", "8", labels="①②③④"),
    "stems": _question("一年中哪個季節最熱？", *_SEASONS, labels="甲乙丙丁"),
    "combined": _question(_ITEMS, "①②", "①③", "②④", "③④"),
    "leaf": _question(
        "葉子上的氣孔有什麼功能？",
        "促進光合作用以累積養分",
        "降低蒸散作用以保存水分",
        "分解有機物質並釋放能量",
        "調節氣孔的開合以交換氣體",
    ),
    "negated": _question(
        "施肥過多會怎樣？", "不會增加養分的吸收", "使土壤中的水分減少", "讓根部死亡", "沒有影響"
    ),
    "law_s": _question(
        "下列哪一项条约结束了这场战争？",
        "威斯特伐利亚和约（1648年）",
        "凡尔赛条约（1919年）",
        "维也纳会议最后议定书（1815年）",
        "南京条约（1842年）",
    ),
    "law_en": _question(
        "Which treaty ended the war?",
        "Peace of Westphalia (1648)",
        "Treaty of Versailles (1919)",
        "Final Act of the Congress of Vienna (1815)",
        "Treaty of Nanking (1842)",
    ),
}


@dataclass(frozen=True)
class Case:
    """A reply with the answer expected.

    Attributes:
        kind: The kind of reply.
        fires: Whether it is of that kind, and not only like it.
        question: The key of its question.
        expected: Labels; ``""`` where the reply commits to nothing.
        reply: The reply.
    """

    kind: str
    fires: bool
    question: str
    expected: str
    reply: str

    def read(self) -> str:
        """The labels that the default parser reads."""
        question = QUESTIONS[self.question]
        return question.label_of(get_parser("zh").parse(self.reply, question).answer)


def load_cases(path: Path | None = None) -> list[Case]:
    """The cases of a file, by default of the one beside this module."""
    path = path or Path(__file__).with_suffix(".tsv")
    cases = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, fires, question, expected, reply = line.split("\t")
        reply = reply.replace("⏎", "\n")
        cases.append(Case(kind, fires == "fires", question, expected.strip("-"), reply))
    return cases


def count_by_kind(cases: list[Case]) -> dict[tuple[str, bool], Counter[str]]:
    """How many replies of each kind are read right, wrong, or not at all though they answer."""
    counts: dict[tuple[str, bool], Counter[str]] = {}
    for case in cases:
        read = case.read()
        outcome = "right" if read == case.expected else "wrong" if read else "abstained"
        counts.setdefault((case.kind, case.fires), Counter())[outcome] += 1
    return counts
