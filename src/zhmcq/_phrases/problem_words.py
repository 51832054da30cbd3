"""What keeps a row from being a question, in Chinese, by the code of its problem."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PROBLEMS"]

#: Code of an error → Traditional Chinese, Simplified Chinese. The messages themselves are English.
PROBLEMS: Mapping[str, tuple[str, str]] = {
    "no_stem": ("沒有題幹", "没有题干"),
    "no_options": ("沒有選項", "没有选项"),
    "one_option": ("只有一個選項", "只有一个选项"),
    "too_many_options": ("選項太多", "选项太多"),
    "image_options": ("選項是圖片", "选项是图片"),
    "damaged_options": ("選項分不清楚", "选项分不清楚"),
    "equal_options": ("有相同的選項", "有相同的选项"),
    "option_gap": ("答案指向空的選項", "答案指向空的选项"),
    "label_misprint": ("選項的代號印錯了", "选项的代号印错了"),
    "no_right_option": ("沒有正確的選項", "没有正确的选项"),
    "date_option": ("選項變成了日期", "选项变成了日期"),
    "fill_in": ("這是填充題", "这是填空题"),
    "essay": ("這是問答題", "这是问答题"),
    "ordering": ("這是排序題", "这是排序题"),
    "matching": ("這是配合題", "这是配对题"),
    "numerical": ("這題要填數字", "这题要填数字"),
    "hotspot": ("這題要在圖上作答", "这题要在图上作答"),
    "upload": ("這題要上傳檔案", "这题要上传文件"),
    "survey": ("這是調查題，沒有標準答案", "这是调查题，没有标准答案"),
    "unknown_kind": ("不認得的題型", "无法识别的题型"),
    "kind_contradicts_options": ("題型與選項不符", "题型与选项不符"),
    "kind_contradicts_answer": ("題型與答案不符", "题型与答案不符"),
    "unclear_key": ("看不出題幹裡的答案", "看不出题干里的答案"),
    "unreadable_answer": ("答案讀不懂", "答案无法识别"),
    "ambiguous_answer": ("答案可能指兩個選項", "答案可能指两个选项"),
    "answer_out_of_range": ("答案不是任何選項", "答案不是任何选项"),
    "two_keys": ("同一題有兩個不同的答案", "同一题有两个不同的答案"),
    "two_keys_in_row": ("這一列有兩個不同的答案", "这一行有两个不同的答案"),
    "contradicting_keys": ("這一列有兩個不同的答案", "这一行有两个不同的答案"),
    "sub_questions": ("一列裡有好幾題", "一行里有好几题"),
    "nested_questions": ("題目裡還有題目", "题目里还有题目"),
    "above_header": ("在標題列之上", "在标题行之上"),
    "header_in_row": ("這一列裡又有標題", "这一行里又有标题"),
    "extra_cells": ("儲存格比標題多", "单元格比标题多"),
    "error_value": ("儲存格是公式的錯誤值", "单元格是公式的错误值"),
    "formula_without_value": ("公式沒有存下計算結果", "公式没有保存计算结果"),
    "same_as_nothing": ("說「同上」，但上一列沒有內容", "说“同上”，但上一行没有内容"),
    "contradiction": ("各欄互相矛盾", "各列互相矛盾"),
    "no_question": ("看不出是題目", "看不出是题目"),
    "bad_json": ("不是 JSON", "不是 JSON"),
    "repeated_name": ("欄位名稱重複", "字段名称重复"),
}
