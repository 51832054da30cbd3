"""The words of results in each language: headers, statuses, reasons, and those of the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

from zhmcq._phrases.problem_words import PROBLEMS
from zhmcq._phrases.summaries import PROMISED, PROMISED_NOTHING
from zhmcq.errors import SettingsError
from zhmcq.questions import QuestionBank
from zhmcq.zh._language import Language, language_of

__all__ = ["WORDS", "PlainHeaders", "Words", "result_words"]


class PlainHeaders(NamedTuple):
    """Headers of a table of questions; that of an option is followed by its number."""

    id: str
    passage: str
    stem: str
    option: str
    key: str
    subject: str


@dataclass(frozen=True, slots=True)
class Words:
    """What is written in one language.

    Headers of added columns must mean no part of a question to the reader of workbooks
    (``reading/_drafts/vocabulary.py``): results can be read as a bank again.

    Attributes:
        comma: What stands between several names.
        semicolon: What stands between several sentences.
        plain_headers: The columns of questions that have no cells.
        statuses: By :data:`zhmcq.prediction.PredictionStatus`.
        kinds: By :data:`zhmcq.questions.Kind`.
        problems: What keeps a row from being a question, by the code of its problem; none where the
            problem's own message is in this language.
    """

    comma: str
    semicolon: str
    plain_headers: PlainHeaders
    questions_sheet: str
    # The added columns.
    answer: str
    confidence: str
    uncalibrated: str
    correctness: str
    right: str
    wrong: str
    status: str
    option_set: str
    agreement: str
    probability: str
    reason: str
    statuses: Mapping[str, str]
    below_threshold: str
    no_threshold: str
    detail: str
    # The summary.
    summary: str
    rows: str
    total: str
    questions: str
    share: str
    unsure: str
    mean_confidence: str
    calibration: str
    calibrated: str
    not_calibrated: str
    calibration_error: str
    calibration_noise: str
    evaluated: str
    right_answers: str
    accuracy: str
    interval: str
    chance: str
    accuracy_answered: str
    promise: str
    promised: str
    promised_nothing: str
    model: str
    adapter: str
    by_sheet: str
    by_subject: str
    by_kind: str
    unnamed: str
    legend: str
    legend_right: str
    legend_wrong: str
    legend_unsure: str
    legend_warning: str
    legend_error: str
    kinds: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)


WORDS: Mapping[Language, Words] = {
    "zh-Hant": Words(
        comma="、",
        semicolon="；",
        plain_headers=PlainHeaders("題號", "文章", "題幹", "選項", "正確答案", "科目"),
        questions_sheet="題目",
        answer="預測答案",
        confidence="信心",
        uncalibrated="（未校準）",
        correctness="對／錯",
        right="對",
        wrong="錯",
        status="狀態",
        option_set="可能的選項",
        agreement="各順序一致率",
        probability="機率",
        reason="原因",
        statuses={
            "answered": "作答",
            "withheld": "保留不答",
            "unusable": "無法作答",
            "none": "未作答",
            "ambiguous": "多個答案不明",
            "out_of_range": "超出選項",
            "missing": "缺少回覆",
        },
        below_threshold="信心 {confidence} 低於門檻 {threshold}",
        no_threshold="沒有門檻能保證錯誤率",
        detail="{words}（{detail}）",
        summary="摘要",
        rows="列數",
        total="合計",
        questions="題數",
        share="比例",
        unsure="信心低於 {threshold} 的作答",
        mean_confidence="平均信心",
        calibration="信心的意義",
        calibrated="已校準：答對的機率",
        not_calibrated="未校準：只能比較高低，不是答對的機率",
        calibration_error="校準誤差",
        calibration_noise="完全準確時，機遇造成的校準誤差",
        evaluated="有正確答案的題數",
        right_answers="答對題數",
        accuracy="正確率",
        interval="95% 信賴區間",
        chance="猜測正確率",
        accuracy_answered="作答題的正確率",
        promise="保證",
        promised=PROMISED["zh-Hant"],
        promised_nothing=PROMISED_NOTHING["zh-Hant"],
        model="模型",
        adapter="微調（adapter）",
        by_sheet="工作表",
        by_subject="科目",
        by_kind="題型",
        unnamed="（未註明）",
        legend="顏色說明",
        legend_right="答對",
        legend_wrong="答錯",
        legend_unsure="信心低於 {threshold}，請人工確認",
        legend_warning="沒有作答，見「原因」",
        legend_error="無法作答的列，見「原因」",
        kinds={"single": "單選", "multiple": "多選", "true_false": "是非"},
        problems={code: words[0] for code, words in PROBLEMS.items()},
    ),
    "zh-Hans": Words(
        comma="、",
        semicolon="；",
        plain_headers=PlainHeaders("题号", "文章", "题干", "选项", "正确答案", "科目"),
        questions_sheet="题目",
        answer="预测答案",
        confidence="置信度",
        uncalibrated="（未校准）",
        correctness="对／错",
        right="对",
        wrong="错",
        status="状态",
        option_set="可能的选项",
        agreement="各顺序一致率",
        probability="概率",
        reason="原因",
        statuses={
            "answered": "已作答",
            "withheld": "保留不答",
            "unusable": "无法作答",
            "none": "未作答",
            "ambiguous": "多个答案不明",
            "out_of_range": "超出选项",
            "missing": "缺少回复",
        },
        below_threshold="置信度 {confidence} 低于阈值 {threshold}",
        no_threshold="没有阈值能保证错误率",
        detail="{words}（{detail}）",
        summary="摘要",
        rows="行数",
        total="合计",
        questions="题数",
        share="比例",
        unsure="置信度低于 {threshold} 的作答",
        mean_confidence="平均置信度",
        calibration="置信度的含义",
        calibrated="已校准：答对的概率",
        not_calibrated="未校准：只能比较高低，不是答对的概率",
        calibration_error="校准误差",
        calibration_noise="完全准确时，偶然造成的校准误差",
        evaluated="有正确答案的题数",
        right_answers="答对题数",
        accuracy="准确率",
        interval="95% 置信区间",
        chance="猜测准确率",
        accuracy_answered="已作答题的准确率",
        promise="保证",
        promised=(
            "作答中最多 {max_error} 答错（把握 {certainty}）：只作答置信度 {threshold} 以上的题目；"
            "{questions} 道校准题中有 {answered} 道达到，其中 {errors} 道答错。"
            "只适用于与校准题同类的题目"
        ),
        promised_nothing=(
            "作答中最多 {max_error} 答错（把握 {certainty}）：{questions} 道校准题不足以证明"
            "任何阈值，因此全部保留不答；至少需要 {required} 道全部答对"
        ),
        model="模型",
        adapter="微调（adapter）",
        by_sheet="工作表",
        by_subject="科目",
        by_kind="题型",
        unnamed="（未注明）",
        legend="颜色说明",
        legend_right="答对",
        legend_wrong="答错",
        legend_unsure="置信度低于 {threshold}，请人工确认",
        legend_warning="没有作答，见“原因”",
        legend_error="无法作答的行，见“原因”",
        kinds={"single": "单选", "multiple": "多选", "true_false": "判断"},
        problems={code: words[1] for code, words in PROBLEMS.items()},
    ),
    "en": Words(
        comma=", ",
        semicolon="; ",
        plain_headers=PlainHeaders("ID", "Passage", "Question", "Option ", "Answer", "Subject"),
        questions_sheet="Questions",
        answer="Predicted",
        confidence="Confidence",
        uncalibrated=" (uncalibrated)",
        correctness="Right or wrong",
        right="right",
        wrong="wrong",
        status="Status",
        option_set="Possible options",
        agreement="Agreement of orders",
        probability="Probability",
        reason="Reason",
        statuses={
            "answered": "answered",
            "withheld": "withheld",
            "unusable": "unusable",
            "none": "no answer",
            "ambiguous": "ambiguous",
            "out_of_range": "out of range",
            "missing": "no reply",
        },
        below_threshold="confidence {confidence}, below the threshold of {threshold}",
        no_threshold="no threshold could be certified",
        detail="{detail}",
        summary="Summary",
        rows="Rows",
        total="Total",
        questions="Questions",
        share="Share",
        unsure="Answers with a confidence below {threshold}",
        mean_confidence="Mean confidence",
        calibration="What confidence means",
        calibrated="calibrated: the probability that the answer is right",
        not_calibrated="uncalibrated: it only says which answers the model is surer of",
        calibration_error="Calibration error",
        calibration_noise="Calibration error by chance alone",
        evaluated="Questions with a key",
        right_answers="Right answers",
        accuracy="Accuracy",
        interval="95% interval",
        chance="Accuracy of blind guesses",
        accuracy_answered="Accuracy of those answered",
        promise="Promise",
        promised=(
            "At most {max_error} of the answers given are wrong, {certainty} sure: those with a "
            "confidence of {threshold} or more, which {answered} of {questions} calibration "
            "questions reach, {errors} of them wrong. It holds for questions drawn like those"
        ),
        promised_nothing=(
            "At most {max_error} of the answers given are wrong, {certainty} sure: {questions} "
            "calibration questions certify no threshold, so that every answer is withheld; it "
            "takes at least {required} without an error"
        ),
        model="Model",
        adapter="Adapter",
        by_sheet="Sheet",
        by_subject="Subject",
        by_kind="Kind",
        unnamed="(none named)",
        legend="Colours",
        legend_right="right",
        legend_wrong="wrong",
        legend_unsure="confidence below {threshold}: check by hand",
        legend_warning="without an answer: see the reason",
        legend_error="row that could not be used: see the reason",
        kinds={
            "single": "single choice",
            "multiple": "multiple choice",
            "true_false": "true/false",
        },
    ),
}


def result_words(bank: QuestionBank, language: Language | None) -> Words:
    """The words that results are written in.

    Args:
        bank: The questions.
        language: The caller's choice; ``None`` goes by the headers, and then by the stems.

    Raises:
        SettingsError: If it is another language.
    """
    if language is None:
        stems = (question.stem for question in bank)
        return WORDS[language_of(bank.table.headers, stems)]
    if language not in get_args(Language):
        raise SettingsError(
            f"language={language!r:.60}: expected {', '.join(map(repr, get_args(Language)))}, or "
            "None to go by the questions"
        )
    return WORDS[language]
