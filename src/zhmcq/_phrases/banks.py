"""Banks and their parts: what ``print`` and ``zhmcq.checks.describe`` show."""

from __future__ import annotations

from zhmcq._phrases._language import say
from zhmcq._phrases._numbers import counted
from zhmcq._phrases.labels import label
from zhmcq._phrases.problem_words import PROBLEMS, WARNINGS

__all__ = [
    "bank_summary",
    "described",
    "kinds_line",
    "length_line",
    "lengths_header",
    "more_rows",
    "options_line",
    "passages_line",
    "positions_line",
    "problem_line",
    "problem_text",
    "problems_header",
    "shares_line",
    "splits_summary",
    "token_lines",
]


def bank_summary(questions: int, left_out: int) -> str:
    """A bank in a line."""
    return say(
        en=f"QuestionBank: {counted(questions, 'question')}, {counted(left_out, 'row')} left out",
        zh=f"題庫：{questions:,} 題，{left_out:,} 列沒有用到",
    )


def splits_summary(train: int, valid: int, fraction: float, without_key: int) -> str:
    """How a bank was split.

    Args:
        train: Questions to train on.
        valid: Questions of validation.
        fraction: The share of these.
        without_key: Questions in neither part.
    """
    rest = ""
    if without_key:
        rest = say(en=f", {without_key} without a key", zh=f"，{without_key} 題沒有正確答案")
    return say(
        en=f"{counted(train, 'question')} to train on, {valid:,} for validation "
        f"({fraction:.1%}){rest}",
        zh=f"{train:,} 題用於訓練，{valid:,} 題用於驗證（{fraction:.1%}）{rest}",
    )


def problem_text(code: str, message: str) -> str:
    """What is wrong with a row: in Chinese by its code, with the details as they are in English."""
    words = PROBLEMS[code][0] if code in PROBLEMS else WARNINGS.get(code, "")
    chinese_message = f"{words}（{message}）" if words else message
    return say(en=message, zh=chinese_message)


def more_rows(count: int) -> str:
    """How many rows of a table are not shown."""
    return say(en=f"… {count:,} more", zh=f"… 還有 {count:,} 列")


# A description on a page


def described(questions: int, keyed: int, left_out: int) -> str:
    """The first line of a description.

    Args:
        questions: How many there are.
        keyed: How many have a key.
        left_out: How many rows are none.
    """
    return say(
        en=f"{counted(questions, 'question')}, {keyed:,} with a key; "
        f"{counted(left_out, 'row')} left out",
        zh=f"{questions:,} 題，{keyed:,} 題有正確答案；{left_out:,} 列沒有用到",
    )


def kinds_line(counts: str) -> str:
    """Questions by their kind."""
    return say(en=f"kinds: {counts}", zh=f"題型：{counts}")


def options_line(counts: str) -> str:
    """Questions by the number of their options."""
    return say(en=f"options: {counts}", zh=f"選項數：{counts}")


def shares_line(shares: str) -> str:
    """Keys by their label."""
    return say(en=f"keys by label: {shares}", zh=f"正確答案的代號：{shares}")


def positions_line() -> str:
    """That keys are uneven."""
    return say(
        en="  the right option's position is uneven: a model can learn it instead of reading",
        zh="  正確答案的位置不平均：模型可能只學會位置，而不是讀懂題目",
    )


def passages_line(passages: int, questions: int, copies: int) -> str:
    """How many passages there are.

    Args:
        passages: Different ones; 0 if no question has one.
        questions: Questions that have one.
        copies: How many passages are near-copies of another.
    """
    if not passages:
        return say(en="passages: none", zh="文章：沒有")
    rest = ""
    if copies:
        rest = say(
            en=f"; {copies} are near-copies of another", zh=f"；其中 {copies} 篇與別篇近乎相同"
        )
    return say(
        en=f"passages: {counted(passages, 'different one')} for "
        f"{counted(questions, 'question')}{rest}",
        zh=f"文章：{passages:,} 篇不同的文章，共 {questions:,} 題{rest}",
    )


def lengths_header() -> str:
    """What stands above the lengths."""
    return say(
        en="length in characters (median, 95 % at most, longest):",
        zh="字數（中位數、95% 不超過、最長）：",
    )


def length_line(part: str, sizes: str) -> str:
    """The lengths of passages, stems or options."""
    name = label(part)
    return say(en=f"  {name:8} {sizes}", zh=f"  {name} {sizes}")


def token_lines(sizes: str, over: int, questions: int, maximum: int) -> list[str]:
    """How many tokens questions have.

    Args:
        sizes: Median, what 95 % do not exceed, and the most.
        over: How many questions have more than the maximum.
        questions: Of so many.
        maximum: How many tokens a question may have.
    """
    header = say(
        en="length in tokens of passage, stem and options (median, 95 % at most, longest):",
        zh="文章、題幹與選項的 token 數（中位數、95% 不超過、最長）：",
    )
    line = say(
        en=f"  question {sizes}; {over} of {questions} have more than {maximum}",
        zh=f"  每題 {sizes}；{questions} 題中有 {over} 題超過 {maximum}",
    )
    return [header, line]


def problems_header() -> str:
    """What stands above the problems."""
    return say(en="problems:", zh="問題：")


def problem_line(code: str, severity: str, times: int, rows: str, example: str) -> str:
    """How often a problem occurs.

    Args:
        code: The problem's code.
        severity: ``"error"`` or ``"warning"``.
        times: How often.
        rows: Some of the rows.
        example: The message of the first.
    """
    name, text = label(severity), problem_text(code, example)
    return say(
        en=f"  {name:7} {code:22} {times:6}  rows {rows}: {text}",
        zh=f"  {name} {code:22} {times:6} 次，第 {rows} 列：{text}",
    )
