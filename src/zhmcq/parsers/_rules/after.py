"""Rules whose words stand after a label or an option text: B 才是正確答案, B is wrong."""

from __future__ import annotations

from zhmcq.parsers._rules.rule import Rule

__all__ = ["AFTER"]

# A negation of a word that negates: 並非不正確, 沒有錯誤.
_NEGATIONS = (
    *("不是", "并非", "并不是", "绝非", "没有", "没", "无", "并无", "并没有", "不会"),
    *("不能说", "不能算", "不算", "非"),
)
_WRONG = (
    "错",
    "错误",
    "有误",
    "不正确",
    "不对",
    "不合题意",
    "不符合",
    "不成立",
    "不恰当",
    "不合适",
)

AFTER: tuple[Rule, ...] = (
    Rule(
        name="is_the_answer",
        position="after",
        words="正确答案|标准答案|答案|正解|正确选择|选择|正确选项|最佳选项|首选",
        link="is",
        weight=90,
        example="(B)才是正確答案。",
        answer="B",
    ),
    Rule(
        name="is_not_wrong",
        position="after",
        words="|".join(f"{no}{wrong}" for no in _NEGATIONS for wrong in _WRONG),
        link="judged",
        weight=70,
        example="B 並非不正確。",
        answer="B",
    ),
    Rule(
        name="is_better",
        position="after",
        words="优于|胜过|好过|强过|更胜一筹",
        link="judged",
        weight=66,
        example="B比A更合適。",
        answer="B",
    ),
    Rule(
        name="is_wrong",
        position="after",
        words="错|×|有误|不正确|不太正确|不对|不成立|不符|不合|不当|不恰当|不准确",
        link="judged",
        effect="false",
        weight=70,
        example="A项错误。",
    ),
    Rule(
        name="is_out",
        position="after",
        words="不是|并非|排除|不可能|不太可能",
        link="judged",
        effect="false",
        weight=70,
        example="A不是答案。",
    ),
    Rule(
        name="is_right",
        position="after",
        words="正确|√|对的|对,|对;|对。|才对|才是|都是,|都是。|皆是,|皆是。|成立|无误|符合|满足"
        "|佳|好|合适|恰当|适当|合理|准确|贴切|贴近|妥当",
        unless="于",
        link="judged",
        weight=70,
        example="经分析，选项B正确。",
        answer="B",
    ),
    Rule(
        name="is_not_wrong_en",
        position="after",
        words="incorrect|wrong|false|untrue",
        link="judged_not_en",
        weight=70,
        example="B is not incorrect.",
        answer="B",
    ),
    Rule(
        name="is_better_en",
        position="after",
        words="better|more appropriate|more suitable|more accurate|more reasonable|more sense"
        "|more plausible|more fitting|preferable|stronger choice|stronger answer|stronger option",
        link="compared_en",
        weight=66,
        example="B fits better than A.",
        answer="B",
    ),
    Rule(
        name="is_left_en",
        position="after",
        words="remains|is left",
        unless=" ",
        weight=78,
        example="Only B remains.",
        answer="B",
    ),
    Rule(
        name="is_right_en",
        position="after",
        words="correct|right|best|appropriate|accurate|answer|first choice"
        "|my choice|my pick|my top choice|my top pick|my final choice",
        link="judged_en",
        weight=84,
        example="Option B is the correct one.",
        answer="B",
    ),
    Rule(
        name="is_wrong_en",
        position="after",
        words="not|incorrect|wrong|false",
        link="judged_en",
        effect="false",
        weight=70,
        example="Option A is incorrect.",
    ),
)
