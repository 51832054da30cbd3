"""Log records of level INFO: what is done, and what was decided.

Reasons are quoted in English, as they stand in warnings and exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from zhmcq._phrases._language import say
from zhmcq._phrases._numbers import counted, duration

__all__ = [
    "answered",
    "bf16_is_faster",
    "bf16_not_computed",
    "bf16_not_measured",
    "bundled_by_length",
    "computes_in",
    "converting_demo",
    "evaluation_record",
    "label_prior",
    "length_lowered",
    "merged_into",
    "no_checkpoint",
    "no_packing",
    "orders_dropped",
    "preflight_record",
    "prior_sample",
    "read_argument",
    "read_files",
    "replies_cut",
    "resumes_from",
    "rows_are_copied",
    "several_orders",
    "shuffled_options",
    "step_record",
    "time_left",
    "training_ended",
    "waits_for_training",
]

MANY_FILES = 3

# Figures of a training by transformers' names, and by ours in curve.md of the documentation.
_FIGURES: Mapping[str, tuple[str, str]] = {
    "loss": ("loss", "損失"),
    "grad_norm": ("gradient norm", "梯度範數"),
    "learning_rate": ("learning rate", "學習率"),
    "candidate_mass": ("candidate mass", "候選答案的機率"),
}

# Reading


def read_files(files: Sequence[str], questions: int, left_out: int) -> str:
    """What was read of files; more than three of them are counted.

    Args:
        files: Their names.
        questions: How many questions they hold.
        left_out: How many rows are none.
    """
    shown = ", ".join(files)
    if not files:
        shown = say(en="no file", zh="沒有檔案")
    elif len(files) > MANY_FILES:
        shown = say(en=f"{len(files)} files", zh=f"{len(files)} 個檔案")
    return read_argument(shown, questions, left_out)


def read_argument(name: str, questions: int, left_out: int) -> str:
    """What was read of a source."""
    return say(
        en=f"{name}: {counted(questions, 'question')}, {counted(left_out, 'row')} left out",
        zh=f"{name}：{questions:,} 題，{left_out:,} 列沒有用到",
    )


def rows_are_copied(reason: str) -> str:
    """Why problems are marked in a new workbook."""
    return say(
        en=f"its cells can't be marked in place, the rows read are written: {reason}",
        zh=f"無法在原來的儲存格上標記，改為寫出讀到的各列：{reason}",
    )


# Models


def converting_demo(folder: object) -> str:
    """The demo model is made."""
    return say(
        en=f"converting the demo model once, to {folder} (about a minute)",
        zh=f"第一次使用：轉換示範模型，存到 {folder}（約一分鐘）",
    )


def computes_in(dtype: str, device: object, reason: str) -> str:
    """The dtype of a model."""
    return say(
        en=f"the model computes in {dtype} on {device}{reason}",
        zh=f"模型以 {dtype} 在 {device} 上計算{reason}",
    )


def bf16_is_faster(speed: float) -> str:
    """The reason for a dtype, which ends :func:`computes_in`."""
    return say(
        en=f": bf16 products are {speed:.2g} times as fast as fp32 here",
        zh=f"：這裡 bf16 的乘法速度是 fp32 的 {speed:.2g} 倍",
    )


def bf16_not_measured(error: object) -> str:
    """The speed of bfloat16 is not known."""
    return say(
        en=f"how fast this CPU is in bfloat16 is not measured: {error}",
        zh=f"沒有量測這個 CPU 計算 bfloat16 的速度：{error}",
    )


def bf16_not_computed(error: object) -> str:
    """The CPU has no bfloat16."""
    return say(
        en=f"this CPU does not compute in bfloat16: {error}",
        zh=f"這個 CPU 不能計算 bfloat16：{error}",
    )


def no_packing(reason: str, *, stepped: bool) -> str:
    """How candidates are scored without prefix-tree packing.

    Args:
        reason: Why it is off.
        stepped: Whether the copies of the cache take one token a pass.
    """
    return say(
        en=f"prefix-tree packing is off for this model ({reason}): in scoring, what candidates "
        "share is computed once, and they go on from copies of the model's cache"
        f"{', one token a pass' if stepped else ''}",
        zh=f"這個模型不使用前綴樹打包（{reason}）：計分時，候選答案共用的部分只算一次，"
        f"再各自接著快取的副本計算{'，每次一個 token' if stepped else ''}",
    )


def length_lowered(wanted: int, positions: int, model: str) -> str:
    """The maximum length is that of the model."""
    return say(
        en=f"the maximum length is lowered from {wanted} to {positions}, the number of positions "
        f"of {model}",
        zh=f"最大長度從 {wanted} 降為 {positions}，也就是 {model} 的位置數",
    )


def replies_cut(cut: int, replies: int, wanted: int, positions: int) -> str:
    """Replies have less room than requested."""
    return say(
        en=f"{cut} of {replies} replies have room for fewer than {wanted} tokens: the model has "
        f"{positions} positions",
        zh=f"{replies} 則回覆中，有 {cut} 則放不下 {wanted} 個 token：模型只有 {positions} 個位置",
    )


def bundled_by_length(reason: str) -> str:
    """Prompts are not padded."""
    return say(
        en=f"only prompts of the same length are answered together: {reason}",
        zh=f"只有長度相同的提示詞會一起作答：{reason}",
    )


# Training


def preflight_record(report: str) -> str:
    """The check before training."""
    return say(en=f"preflight: {report}", zh=f"訓練前檢查：{report}")


def shuffled_options(shuffled: int, questions: int, example: tuple[str, str] | None) -> str:
    """In how many questions options are shuffled.

    Args:
        shuffled: In so many.
        questions: Of so many.
        example: A question whose options stay as they are, and why they do.
    """
    shown = _such_as(example)
    return say(
        en=f"options are shuffled in {shuffled} of {questions} questions; in the others their "
        f"order matters{shown}",
        zh=f"{questions} 題中有 {shuffled} 題會打亂選項；其餘各題的選項順序有意義{shown}",
    )


def _such_as(example: tuple[str, str] | None) -> str:
    if example is None:
        return ""
    name, reason = example
    return say(en=f" (such as {name!r}: {reason})", zh=f"（例如 {name!r}：{reason}）")


def waits_for_training() -> str:
    """Another thread trains."""
    return say(
        en="another training runs in this process: this one waits until it has ended",
        zh="這個行程裡有另一個訓練正在執行：等它結束才開始",
    )


def resumes_from(checkpoint: object) -> str:
    """A run goes on."""
    return say(en=f"resuming from {checkpoint}", zh=f"從 {checkpoint} 接續訓練")


def no_checkpoint(folder: object) -> str:
    """A run begins again."""
    return say(
        en=f"{folder} holds no complete checkpoint: the run begins again",
        zh=f"{folder} 裡沒有完整的檢查點：重新開始訓練",
    )


def time_left(steps: int, each: float, timed: int) -> str:
    """How long a run will take.

    Args:
        steps: The steps that are left.
        each: Seconds of a step.
        timed: How many steps were timed.
    """
    left, pace = duration(steps * each), duration(each)
    return say(
        en=f"about {left} for the {counted(steps, 'step that is', 'steps that are')} left "
        f"({pace} each, timed on {timed}), evaluations not counted",
        zh=f"還有 {steps:,} 步，約需 {left}（每步 {pace}，量了 {timed} 步），不含評估",
    )


def step_record(step: int, steps: int, figures: Mapping[str, str]) -> str:
    """What was logged after a step.

    Args:
        step: The number of the step.
        steps: How many the run has.
        figures: By transformers' names.
    """
    where, listed = _step(step, steps), _figures(figures)
    return say(en=f"{where}: {listed}", zh=f"{where}：{listed}")


def evaluation_record(
    step: int,
    steps: int,
    accuracy: float,
    interval: tuple[float, float] | None,
    figures: Mapping[str, str],
    recalls: Mapping[str, float],
) -> str:
    """What an evaluation gave.

    Args:
        step: The number of the step.
        steps: How many the run has.
        accuracy: The share of right answers.
        interval: Its 95 % interval, if there is one.
        figures: The other figures by transformers' names.
        recalls: For each option, by its number, the share of the keys there that was answered.
    """
    where, others = _step(step, steps), _figures(figures)
    between = ""
    if interval is not None:
        low, high = f"{interval[0]:.1%}", f"{interval[1]:.1%}"
        between = say(en=f" (95 % interval {low} to {high})", zh=f"（95% 信賴區間 {low} – {high}）")
    shares = say(en=", ", zh="、").join(
        say(en=f"{share:.0%} of {option}", zh=f"{option} 是 {share:.0%}")
        for option, share in recalls.items()
    )
    return say(
        en=f"{where}, validation: accuracy {accuracy:.1%}{between}{others and f', {others}'}"
        f"{shares and f'; keys recalled by option: {shares}'}",
        zh=f"{where}，驗證：正確率 {accuracy:.1%}{between}{others and f'，{others}'}"
        f"{shares and f'；各選項的召回率：{shares}'}",
    )


def training_ended(step: int, steps: int, seconds: float, loss: str) -> str:
    """How long a training took."""
    where, time = _step(step, steps), duration(seconds)
    return say(
        en=f"{where}: this call took {time}, evaluations included; mean loss {loss}",
        zh=f"{where}：這次呼叫花了 {time}，包含評估；平均損失 {loss}",
    )


def _step(step: int, steps: int) -> str:
    return say(en=f"step {step} of {steps}", zh=f"第 {step} 步，共 {steps} 步")


def _figures(figures: Mapping[str, str]) -> str:
    named = {name: _FIGURES.get(name, (name.replace("_", " "),) * 2) for name in figures}
    shown = (say(en=named[name][0], zh=named[name][1]) + f" {figures[name]}" for name in figures)
    return say(en=", ", zh="，").join(shown)


# Merging and answering


def merged_into(
    base: Literal["full", "dequantized"],
    questions: int,
    flips: Mapping[Literal["full", "dequantized"], int],
) -> str:
    """Which base model an adapter was merged into.

    Args:
        base: What it was merged into.
        questions: How many were answered to decide it.
        flips: How many were answered differently, by the base model.
    """
    english_name = {"full": "full-precision", "dequantized": "dequantised"}[base]
    chinese_names = {"full": "完整精度", "dequantized": "解除量化"}
    chinese_name = chinese_names[base]
    english_counts = " and ".join(f"{count} ({kind})" for kind, count in flips.items())
    chinese_counts = "、".join(
        f"{count} 題（{chinese_names[kind]}）" for kind, count in flips.items()
    )
    return say(
        en=f"merged into the {english_name} base model: of {counted(questions, 'question')}, "
        f"{english_counts} are answered differently from the adapter on its quantised base model",
        zh=f"合併到{chinese_name}的基礎模型：{questions:,} 題中，與 adapter 在量化的基礎模型上"
        f"答案不同的有 {chinese_counts}",
    )


def answered(questions: int, seconds: float) -> str:
    """Questions were answered."""
    time = duration(seconds)
    return say(
        en=f"answered {counted(questions, 'question')} in {time}",
        zh=f"作答 {questions:,} 題，共 {time}",
    )


def several_orders(
    several: int,
    questions: int,
    orders: int,
    fixed: int,
    example: tuple[str, str] | None,
    unlisted: int,
) -> str:
    """In how many questions the options are shown in several orders.

    Args:
        several: In so many.
        questions: Of so many.
        orders: In how many orders at most.
        fixed: How many must keep their order.
        example: One of these, and why it must.
        unlisted: For how many the prompt is the same in any order.
    """
    rest = ""
    if fixed:
        shown = _such_as(example)
        rest += say(
            en=f"; {fixed} must keep their order{shown}",
            zh=f"；{fixed} 題的選項必須維持順序{shown}",
        )
    if unlisted:
        rest += say(
            en=f"; the prompt is the same in any order for {unlisted}",
            zh=f"；{unlisted} 題的提示詞不受順序影響",
        )
    return say(
        en=f"{several} of {counted(questions, 'question')} are answered in up to {orders} orders"
        f"{rest}",
        zh=f"{questions:,} 題中有 {several} 題以最多 {orders} 種選項順序作答{rest}",
    )


def orders_dropped(dropped: int) -> str:
    """Orders of options that do not fit."""
    english_dropped = counted(
        dropped, "of the added orders of options is", "of the added orders of options are"
    )
    return say(
        en=f"{english_dropped} left out: the prompt refuses them, or they are too long",
        zh=f"略過 {dropped:,} 種增加的選項順序：提示詞不接受，或太長",
    )


def prior_sample(sample: int, questions: int) -> str:
    """How many questions a label prior is estimated on."""
    return say(
        en=f"a label prior is estimated on {sample} of {counted(questions, 'question')}",
        zh=f"以 {questions:,} 題中的 {sample} 題估計選項代號的先驗",
    )


def label_prior(questions: int, shares: str) -> str:
    """A label prior.

    Args:
        questions: How many it was estimated on.
        shares: The probability of each label.
    """
    return say(
        en=f"label prior, estimated on {counted(questions, 'question')}: {shares}",
        zh=f"以 {questions:,} 題估計的選項代號先驗：{shares}",
    )
