"""What ``print`` shows of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zhmcq._phrases._language import TerminalLanguage, say, terminal_language
from zhmcq._phrases._numbers import counted

__all__ = [
    "PROMISED",
    "PROMISED_NOTHING",
    "answers_summary",
    "memory_summary",
    "order_lines",
    "order_words",
    "preflight_cuts",
    "preflight_example",
    "preflight_findings",
    "preflight_lengths",
    "preflight_more",
    "preflight_questions",
    "preflight_sharing",
    "promise_summary",
    "right_answers",
    "run_summary",
    "unusable_rows",
    "wider_passes",
]

#: What is promised of answers, where a threshold was certified; workbooks have the Chinese one too.
PROMISED: Mapping[TerminalLanguage, str] = {
    "zh-Hant": (
        "作答中最多 {max_error} 答錯（把握 {certainty}）：只作答信心 {threshold} 以上的題目；"
        "{questions} 題校準題中有 {answered} 題達到，其中 {errors} 題答錯。"
        "只適用於與校準題同類的題目"
    ),
    "en": (
        "at most {max_error} wrong, {certainty} sure: answers from a confidence of {threshold} on "
        "({errors} of {answered} wrong among {questions} calibration questions); for questions "
        "drawn like those"
    ),
}

#: The same where none was.
PROMISED_NOTHING: Mapping[TerminalLanguage, str] = {
    "zh-Hant": (
        "作答中最多 {max_error} 答錯（把握 {certainty}）：{questions} 題校準題不足以證明"
        "任何門檻，因此全部保留不答；至少需要 {required} 題全部答對"
    ),
    "en": (
        "at most {max_error} wrong, {certainty} sure: no threshold could be certified on "
        "{questions} calibration questions, so that every answer is withheld. It takes at least "
        "{required} answers without an error, and more with errors or with several questions a "
        "passage: answer more questions whose keys are known, or promise less"
    ),
}


def promise_summary(
    threshold: float | None,
    *,
    max_error: float,
    certainty: float,
    questions: int,
    answered: int,
    errors: int,
    required: int,
) -> str:
    """What is promised of answers: the fields of :class:`zhmcq.evaluation.Promise`."""
    sentences = PROMISED_NOTHING if threshold is None else PROMISED
    return sentences[terminal_language()].format(
        threshold="" if threshold is None else f"{threshold:.4g}",
        max_error=f"{max_error:.1%}",
        certainty=f"{certainty:.0%}",
        questions=questions,
        answered=answered,
        errors=errors,
        required=required,
    )


def answers_summary(answered: int, questions: int, *, calibrated: bool) -> str:
    """Predictions in a line."""
    note = "" if calibrated else say(en=", uncalibrated", zh="，未校準")
    return say(
        en=f"Predictions: {answered:,} of {counted(questions, 'question')} answered{note}",
        zh=f"作答結果：{questions:,} 題中作答 {answered:,} 題{note}",
    )


def right_answers(right: int, keyed: int) -> str:
    """How many answers are right."""
    return say(
        en=f"{right:,} of the {keyed:,} with a key are right",
        zh=f"{keyed:,} 題有正確答案，答對 {right:,} 題",
    )


def unusable_rows(rows: int) -> str:
    """How many rows were no questions."""
    return say(en=f"{counted(rows, 'row')} could not be used", zh=f"{rows:,} 列無法作答")


# The check before training


def preflight_questions(train: int, valid: int) -> str:
    """How many questions were checked."""
    return say(
        en=f"{train} questions to train on, {valid} for validation",
        zh=f"{train} 題用於訓練，{valid} 題用於驗證",
    )


def preflight_sharing(valid: int) -> str:
    """How many validation questions share a passage with others."""
    return say(
        en=f"{valid} of the validation questions share a passage with training questions, or a "
        "near-copy or quotation of one",
        zh=f"有 {valid} 題驗證題與訓練題同一篇文章，或文章近乎相同、引自同一篇",
    )


def preflight_lengths(median: int, p90: int, p99: int, longest: int, cuts: str) -> str:
    """How long questions are.

    Args:
        median: Tokens of half of them, at most.
        p90: Of 90 %.
        p99: Of 99 %.
        longest: Of all.
        cuts: What :func:`preflight_cuts` returned.
    """
    return say(
        en=f"tokens of a prompt with its answer: median {median}, 90 % up to {p90}, 99 % up to "
        f"{p99}, longest {longest}; {cuts}",
        zh=f"提示詞連同答案的 token 數：中位數 {median}，90% 不超過 {p90}，99% 不超過 {p99}，"
        f"最長 {longest}；{cuts}",
    )


def preflight_cuts(train: int, valid: int) -> str:
    """How many questions lose the end of their passage."""
    if not valid:
        return say(
            en=f"{counted(train, 'question')} with a shortened passage",
            zh=f"{train:,} 題的文章被截短",
        )
    return say(
        en=f"{counted(train, 'question')} with a shortened passage, {valid:,} for validation",
        zh=f"{train:,} 題的文章被截短，驗證題有 {valid:,} 題",
    )


def preflight_findings(count: int) -> str:
    """How many findings there are."""
    if not count:
        return say(en="findings: none", zh="檢查結果：沒有問題")
    return say(en=f"findings: {count}", zh=f"檢查結果：{count} 個問題")


def preflight_more(count: int) -> str:
    """How many findings are not shown."""
    return say(en=f"… and {count} more", zh=f"… 還有 {count} 個")


def preflight_example(example: str) -> str:
    """A question as the model reads it."""
    return say(
        en=f"supervised, between 〔 and 〕:\n{example}",
        zh=f"〔〕之間是計入損失的部分：\n{example}",
    )


def run_summary(steps: int, given: int, computed: int, largest: int, *, exact: bool) -> str:
    """What a run computes.

    Args:
        steps: Its steps.
        given: Its tokens.
        computed: Those that go through the model.
        largest: Those of the largest forward pass.
        exact: Whether they are counted, or estimated.
    """
    about = "" if exact else say(en="about ", zh="約 ")
    return say(
        en=f"{steps} steps; {about}{given:,} tokens given, {about}{computed:,} computed, at most "
        f"{largest:,} at once",
        zh=f"{steps} 步；給定 {about}{given:,} 個 token，實際計算 {about}{computed:,} 個，"
        f"一次最多 {largest:,} 個",
    )


def wider_passes(saved: float) -> str:
    """What forward passes of twice as many tokens would save.

    Args:
        saved: The share of the tokens computed.
    """
    return say(
        en="with twice per_device_train_batch_size and half gradient_accumulation_steps, the same "
        f"steps would compute {saved:.0%} fewer tokens, in more memory",
        zh="若 per_device_train_batch_size 加倍、gradient_accumulation_steps 減半，每步的題目"
        f"不變，可少計算 {saved:.0%} 的 token，但需要較多記憶體",
    )


# The parts of a MemoryEstimate.
_MEMORY: Mapping[str, tuple[str, str]] = {
    "weights": ("weights", "權重"),
    "adapter": ("adapter with optimizer", "adapter 與最佳化器"),
    "activations": ("activations", "中間數值"),
    "head": ("head", "輸出層"),
    "gaps": ("gaps of the allocator", "配置器的空隙"),
    "evaluation": ("evaluation in place of these", "評估時取代以上各項"),
    "conversion": ("weights as stored, while loading", "載入時原型別的權重"),
    "process": ("process before loading", "載入前的行程"),
}


def memory_summary(total: float, parts: Mapping[str, float]) -> str:
    """How much memory a run needs.

    Args:
        total: The most at once, in GB.
        parts: In GB, by the fields of ``MemoryEstimate``.
    """
    named = {name: say(en=_MEMORY[name][0], zh=_MEMORY[name][1]) for name in parts}
    shown = say(en=", ", zh="，").join(f"{named[name]} {size:.2g}" for name, size in parts.items())
    return say(
        en=f"about {total:.2g} GB of memory at most ({shown})",
        zh=f"記憶體最多約 {total:.2g} GB（{shown}）",
    )


# The order of the options


def order_lines(
    questions: int,
    reordered: int,
    changed: int,
    agreement: float | None,
    with_prior: int,
    moved: tuple[int, int, int],
    chosen: Mapping[int, float],
    options: int,
) -> list[str]:
    """What the order of the options does: the fields of ``OrderReport``.

    Args:
        questions: Questions that were answered.
        reordered: Those that were answered in several orders.
        changed: Those whose orders do not all give the same answer.
        agreement: The mean share of orders that agree with the answer.
        with_prior: Questions that a label prior was divided out of.
        moved: Answers that changed, those that got right by it, and those that got wrong.
        chosen: The share of the answers by single orders at each position.
        options: How many options there are in the table that follows; 0 if none does.
    """
    count, gained, lost = moved
    lines = [
        say(
            en=f"{reordered} of {questions} questions answered in several orders",
            zh=f"{questions} 題中有 {reordered} 題以多種選項順序作答",
        )
    ]
    if agreement is not None:
        lines.append(
            say(
                en=f"the orders give different answers to {changed} of them; {agreement:.1%} of "
                "the orders agree with the answer",
                zh=f"其中 {changed} 題的答案因順序而異；與答案一致的順序占 {agreement:.1%}",
            )
        )
    if with_prior:
        lines.append(
            say(
                en=f"a label prior divided out of the answers to {with_prior}",
                zh=f"{with_prior} 題的答案除去了選項代號的先驗",
            )
        )
    if reordered or with_prior:
        lines.append(
            say(
                en=f"{count} answers differ from those by the given order alone: {gained} are "
                f"right instead of wrong, {lost} wrong instead of right",
                zh=f"{count} 個答案與只用原來順序時不同：{gained} 個由錯變對，{lost} 個由對變錯",
            )
        )
    if chosen:
        shares = ", ".join(f"{position}: {share:.1%}" for position, share in chosen.items())
        lines.append(
            say(
                en=f"positions chosen in single orders: {shares}",
                zh=f"單一順序時選擇的位置：{shares}",
            )
        )
    if options:
        lines.append(
            say(
                en=f"accuracy by the position of the key among {options} options:",
                zh=f"依正確答案在 {options} 個選項中的位置，正確率是：",
            )
        )
    return lines


_ORDER_WORDS: Mapping[TerminalLanguage, Sequence[str]] = {
    "en": (
        *("all", "spread", "by chance", "deviation"),
        *("given order alone", "answers", "single orders", "keys"),
    ),
    "zh-Hant": (
        *("全部", "差距", "偶然的差距", "標準差"),
        *("只用原來順序", "答案", "單一順序", "正確答案"),
    ),
}


def order_words() -> dict[str, str]:
    """The headers and rows of the table by position, by their English names."""
    return dict(zip(_ORDER_WORDS["en"], _ORDER_WORDS[terminal_language()], strict=True))
