"""Rules without words: the shape of a reply decides. Each is looked for by its name."""

from __future__ import annotations

from zhmcq.parsers._rules.rule import Rule

__all__ = ["FORM"]

FORM: tuple[Rule, ...] = (
    Rule(
        name="only_label",
        position="form",
        weight=95,
        example="(B)",
        answer="B",
    ),
    Rule(
        name="only_text",
        position="form",
        weight=92,
        example="夏天。",
        answer="B",
    ),
    Rule(
        name="closing",
        position="form",
        weight=85,
        example="气温最高的季节。\n\n**B**",
        answer="B",
    ),
    Rule(
        name="confirmed",
        position="form",
        weight=84,
        example="最热的是B吗？是的。",
        answer="B",
    ),
    Rule(
        name="all_but",
        position="form",
        weight=80,
        example="除了B以外都错。",
        answer="B",
    ),
    Rule(
        name="statement_is",
        position="form",
        weight=80,
        example="这个说法是错误的。",
    ),
    Rule(
        name="opening",
        position="form",
        weight=75,
        example="(B) 夏天，因为气温最高。",
        answer="B",
    ),
    Rule(
        name="marks",
        position="form",
        weight=72,
        example="| A | × |\n| B | √ |\n| C | × |\n| D | × |",
        answer="B",
    ),
    Rule(
        name="label_and_text",
        position="form",
        weight=60,
        example="气温最高，大概在 (B) 夏天吧",
        answer="B",
    ),
    Rule(
        name="shares",
        position="form",
        weight=60,
        example="A：5%\nB：80%\nC：10%\nD：5%",
        answer="B",
    ),
    Rule(
        name="verdicts",
        position="form",
        weight=55,
        example="A. 太冷，错误\nB. 最热，正确\nC. 不热，错误\nD. 最冷，错误",
        answer="B",
    ),
    Rule(
        name="text_at_end",
        position="form",
        weight=50,
        example="一年中气温最高的季节是夏天",
        answer="B",
    ),
    Rule(
        name="text_once",
        position="form",
        weight=40,
        example="夏天的时候气温最高，人人都想去海边。",
        answer="B",
    ),
)
