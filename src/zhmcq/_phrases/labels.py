"""Words in tables: what is shown of a result in a notebook, and by ``print``."""

from __future__ import annotations

from collections.abc import Mapping

from zhmcq._phrases._language import say

__all__ = ["between", "grouped_by", "label", "line"]

# By what they are in English. Where files have the same word, a test compares them.
_CHINESE: Mapping[str, str] = {
    # Questions and problems
    "id": "題號",
    "subject": "科目",
    "kind": "題型",
    "passage": "文章",
    "stem": "題幹",
    "option": "選項",
    "options": "選項",
    "key": "正確答案",
    "sheet": "工作表",
    "position": "正確答案的位置",
    "severity": "程度",
    "error": "錯誤",
    "warning": "警告",
    "problem": "代碼",
    "times": "次數",
    "first row": "第一列",
    "what is wrong there": "說明",
    "Problems": "問題",
    "single": "單選",
    "multiple": "多選",
    "true_false": "是非",
    "(none)": "（未註明）",
    # Answers
    "answer": "答案",
    "correct": "對／錯",
    "yes": "對",
    "no": "錯",
    "confidence": "信心",
    "status": "狀態",
    "reason": "原因",
    "withheld": "保留不答",
    "unusable": "無法作答",
    "none": "未作答",
    "ambiguous": "多個答案不明",
    "out_of_range": "超出選項",
    "missing": "缺少回覆",
    "Promise": "保證",
    # Evaluations and comparisons
    "Evaluation": "評估",
    "Comparison": "比較",
    "figure": "項目",
    "value": "數值",
    "base": "微調前",
    "tuned": "微調後",
    "questions": "題數",
    "right": "答對",
    "accuracy": "正確率",
    "95 % interval": "95% 信賴區間",
    "by chance": "猜測正確率",
    "answered": "作答比例",
    "calibration error": "校準誤差",
    "uncalibrated": "未校準",
    "difference": "差異",
    "p-value": "符號翻轉檢定 p 值",
    "second answer": "第二次的答案",
    "Right only in the second": "只有第二次答對",
    "Right only in the first": "只有第一次答對",
}


def label(english: str) -> str:
    """A word in the language of the terminal.

    Raises:
        KeyError: If it has none in Chinese.
    """
    return say(en=english, zh=_CHINESE[english])


def line(name: str, text: str) -> str:
    """A name and what it is the name of."""
    return say(en=f"{name}: {text}", zh=f"{name}：{text}")


def grouped_by(name: str) -> str:
    """The header of groups: those of a sheet, a subject, a kind or a position."""
    return say(en=f"by {name}", zh=label(name))


def between(low: str, high: str) -> str:
    """An interval, as the report page has it in Chinese."""
    return say(en=f"{low} to {high}", zh=f"{low} – {high}")
