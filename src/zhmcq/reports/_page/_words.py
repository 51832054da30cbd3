"""The words of the report page, in each of its languages."""

from __future__ import annotations

from collections.abc import Mapping

from zhmcq.zh._language import Language

__all__ = ["LANGUAGES", "WORDS"]

#: The languages of the page's switch, each by its own name.
LANGUAGES: Mapping[Language, str] = {
    "zh-Hant": "繁體中文",
    "zh-Hans": "简体中文",
    "en": "English",
}

# In the order of LANGUAGES. What stands in braces is filled in.
_ROWS: Mapping[str, tuple[str, str, str]] = {
    # The page
    "title.compared": ("微調前後的比較", "微调前后的比较", "Base and tuned model compared"),
    "title.answers": ("作答報告", "作答报告", "Report on answers"),
    "language": ("語言", "语言", "Language"),
    "figures": ("數字", "数据", "Figures"),
    "charts": ("圖表", "图表", "Charts"),
    "questions": ("題目", "题目", "Questions"),
    "number": ("題數", "题数", "Questions"),
    "to_questions": ("↓ 直接看題目", "↓ 直接看题目", "↓ Go to the questions"),
    "no_script": (
        "題目清單需要 JavaScript，請用瀏覽器開啟這個檔案。",
        "题目列表需要 JavaScript，请用浏览器打开这个文件。",
        "The list of questions needs JavaScript: open this file in a browser.",
    ),
    "base": ("微調前", "微调前", "base"),
    "tuned": ("微調後", "微调后", "tuned"),
    "answers": ("答案", "答案", "answer"),
    # Figures
    "summary": ("摘要", "摘要", "Summary"),
    "difference": ("差異", "差异", "Difference"),
    "p_value": ("符號翻轉檢定 p 值", "符号翻转检验 p 值", "Sign-flip p-value"),
    "listed": ("列出的題目", "列出的题目", "Questions listed"),
    "count": ("有正確答案的題目", "有正确答案的题目", "Questions with a key"),
    "clusters": ("文章或題組數", "文章或题组数", "Passages or groups"),
    "correct": ("答對", "答对", "Right"),
    "accuracy": ("正確率", "准确率", "Accuracy"),
    "interval": ("95% 信賴區間", "95% 置信区间", "95 % interval"),
    "chance": ("猜測正確率", "猜测准确率", "Accuracy of guessing"),
    "coverage": ("作答比例", "作答比例", "Coverage"),
    "accuracy_answered": ("已作答題目的正確率", "已作答题目的准确率", "Accuracy of the answered"),
    "interval_answered": (
        "已作答題目的 95% 信賴區間",
        "已作答题目的 95% 置信区间",
        "95 % interval of the answered",
    ),
    "invalid_rate": (
        "沒有答案（不含保留）",
        "没有答案（不含保留）",
        "Without an answer, withheld aside",
    ),
    "partial_credit": ("多選題部分給分", "多选题部分给分", "Partial credit, several right options"),
    "calibration_error": ("校準誤差", "校准误差", "Calibration error"),
    "calibration_noise": ("其中偶然的部分", "其中偶然的部分", "The same by chance alone"),
    "brier": ("Brier 分數", "Brier 分数", "Brier score"),
    "uncalibrated": ("未校準", "未校准", "uncalibrated"),
    "by_subject": ("各科目", "各科目", "By subject"),
    "by_kind": ("各題型", "各题型", "By kind"),
    "by_sheet": ("各工作表", "各工作表", "By sheet"),
    "by_position": ("正確答案的位置", "正确答案的位置", "By position of the key"),
    "not_named": ("（未註明）", "（未注明）", "(none)"),
    "chart.reliability": ("信心與正確率", "置信度与准确率", "Confidence and accuracy"),
    "chart.risk": ("作答比例與錯誤率", "作答比例与错误率", "Coverage and error"),
    "chart.position": (
        "依正確答案的位置",
        "按正确答案的位置",
        "Accuracy by position of the key",
    ),
    # Filters and sorting
    "filters": ("篩選", "筛选", "Filters"),
    "search": ("搜尋", "搜索", "Search"),
    "search_hint": (
        "題號、題幹、選項、文章（按 / 鍵）",
        "题号、题干、选项、文章（按 / 键）",
        "id, stem, options, passage (press /)",
    ),
    "all": ("全部", "全部", "all"),
    "result": ("對錯", "对错", "Result"),
    "result.both": ("兩次都對", "两次都对", "right both times"),
    "result.gained": ("錯變對", "错变对", "gained"),
    "result.lost": ("對變錯", "对变错", "lost"),
    "result.neither": ("兩次都錯", "两次都错", "wrong both times"),
    "result.right": ("對", "对", "right"),
    "result.wrong": ("錯", "错", "wrong"),
    "result.no_key": ("沒有正確答案可對", "没有正确答案可对", "no key"),
    "status": ("狀態", "状态", "Status"),
    "status.answered": ("作答", "已作答", "answered"),
    "status.withheld": ("保留不答", "保留不答", "withheld"),
    "status.unanswered": (
        "沒有答案（任何原因）",
        "没有答案（任何原因）",
        "no answer, for any reason",
    ),
    "status.none": ("未作答", "未作答", "no answer in the reply"),
    "status.ambiguous": ("多個答案不明", "多个答案不明", "ambiguous"),
    "status.out_of_range": ("超出選項", "超出选项", "out of range"),
    "status.unusable": ("無法作答", "无法作答", "unusable"),
    "status.missing": ("缺少回覆", "缺少回复", "no reply"),
    "subject": ("科目", "科目", "Subject"),
    "kind": ("題型", "题型", "Kind"),
    "kind.single": ("單選", "单选", "one right option"),
    "kind.multiple": ("多選", "多选", "several right options"),
    "kind.true_false": ("是非", "判断", "true or false"),
    "sheet": ("工作表", "工作表", "Sheet"),
    "unsure": ("信心低於", "置信度低于", "Confidence below"),
    "unsure.any": ("不限", "不限", "any"),
    "sort": ("排序", "排序", "Sort by"),
    "sort.source": ("原來的順序", "原来的顺序", "source order"),
    "sort.unsure": ("信心由低到高", "置信度从低到高", "confidence, lowest first"),
    "sort.sure": ("信心由高到低", "置信度从高到低", "confidence, highest first"),
    "sort.gain": ("進步最多的在前", "进步最多的在前", "change, largest gain first"),
    "sort.loss": ("退步最多的在前", "退步最多的在前", "change, largest loss first"),
    "sort.note": (
        "變化：正確答案的機率，微調後減微調前",
        "变化：正确答案的概率，微调后减微调前",
        "change: probability of the key, tuned less base",
    ),
    "clear": ("清除篩選", "清除筛选", "Clear filters"),
    "shown": (
        "{shown} 題，共 {total} 題",
        "{shown} 题，共 {total} 题",
        "{shown} of {total} questions",
    ),
    "nothing": ("沒有符合的題目。", "没有符合的题目。", "No question matches."),
    "page": (
        "第 {page} 頁，共 {pages} 頁",
        "第 {page} 页，共 {pages} 页",
        "Page {page} of {pages}",
    ),
    "pages": ("頁", "页", "Pages"),
    "previous": ("上一頁", "上一页", "Previous"),
    "next": ("下一頁", "下一页", "Next"),
    "keys": (
        "鍵盤：/ 搜尋，↓ ↑ 或 j k 移動，Enter 開合，Esc 關閉或清除搜尋。",
        "键盘：/ 搜索，↓ ↑ 或 j k 移动，Enter 开合，Esc 关闭或清除搜索。",
        "Keys: / searches, ↓ ↑ or j k move, Enter opens and closes, Esc closes or clears search.",
    ),
    # A question
    "id": ("題號", "题号", "ID"),
    "row": ("列", "行", "Row"),
    "passage": ("文章", "文章", "Passage"),
    "stem": ("題幹", "题干", "Stem"),
    "option": ("選項", "选项", "Option"),
    "key": ("正確答案", "正确答案", "Key"),
    "answer": ("答案", "答案", "Answer"),
    "chosen": ("選了這個", "选了这个", "chosen"),
    "confidence": ("信心", "置信度", "Confidence"),
    "probability": ("機率", "概率", "Probability"),
    "reason": ("原因", "原因", "Reason"),
    "reply": ("回覆", "回复", "Reply"),
    "agreement": ("各順序一致率", "各顺序一致率", "Agreement of the orders"),
    "option_set": ("可能的選項", "可能的选项", "Possible options"),
    "group": ("題組", "题组", "Group"),
    "source": ("出處", "出处", "Source"),
    "explanation": ("解析", "解析", "Explanation"),
    # The result in one line
    "summary.compared": (
        ("正確率 {base} → {tuned}，共 {count} 題"
        "（{difference}；95% 信賴區間 {interval}；符號翻轉檢定 p = {p_value}）"),
        ("准确率 {base} → {tuned}，共 {count} 题"
        "（{difference}；95% 置信区间 {interval}；符号翻转检验 p = {p_value}）"),
        ("{base} → {tuned} on {count} questions "
        "({difference}; 95 % interval {interval}; sign-flip p = {p_value})"),
    ),
    "summary.evaluated": (
        "{count} 題答對 {correct} 題：正確率 {accuracy}（95% 信賴區間 {interval}）",
        "{count} 题答对 {correct} 题：准确率 {accuracy}（95% 置信区间 {interval}）",
        "{accuracy} right ({correct} of {count}; 95 % interval {interval})",
    ),
    "summary.answered": (
        "；作答 {coverage}，其中正確率 {accuracy}",
        "；作答 {coverage}，其中准确率 {accuracy}",
        "; {accuracy} of the {coverage} answered",
    ),
    "summary.no_keys": (
        "{listed} 題，{given} 題有答案；沒有正確答案可對。",
        "{listed} 题，{given} 题有答案；没有正确答案可对。",
        "{given} of {listed} questions answered; there are no keys to compare with.",
    ),
    # Promises of the answers that were not withheld
    "promise": (
        "保證：給出的答案最多 {error} 是錯的（把握 {certainty}）；信心 {threshold} 以上才作答。",
        "保证：给出的答案最多 {error} 是错的（把握 {certainty}）；置信度 {threshold} 以上才作答。",
        ("Promise: at most {error} of the answers given are wrong ({certainty} sure); "
        "answers are given from a confidence of {threshold} on."),
    ),
    "promise.none": (
        "無法保證最多 {error} 錯誤（把握 {certainty}），所以全部保留不答。",
        "无法保证最多 {error} 错误（把握 {certainty}），所以全部保留不答。",
        ("No promise of at most {error} wrong answers ({certainty} sure) could be made, "
        "so that every answer is withheld."),
    ),
}  # fmt: skip

#: The words of each language, by their names.
WORDS: Mapping[Language, Mapping[str, str]] = {
    language: {name: row[column] for name, row in _ROWS.items()}
    for column, language in enumerate(LANGUAGES)
}
