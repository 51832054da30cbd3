"""Words for kinds of questions, in Traditional, Simplified and English."""

from __future__ import annotations

import pytest

from zhmcq.zh._kinds import kind_of


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("single", "單選題 单选 單一選擇題 single_choice radio mcq 单项选择题"),
        ("multiple", "多選題 复选 不定項選擇題 多重選擇題 multiple_response checkbox"),
        ("true_false", "是非題 判断题 对错题 true/false True-False yes_no TF judgement"),
        ("ordering", "排序題 排序填空 重組 句子重組 ordering ranking re-order sequence"),
        ("matching", "配對題 配合题 連線題 連連看 拖曳 拖拽題 drag_drop drag-and-drop matching"),
        ("essay", "簡答題 论述题 申論 作文 非選擇題 short_answer essay open-ended"),
        ("hotspot", "熱點題 hotspot hot_spot"),
        ("upload", "上傳檔案 file_upload 录音题"),
        ("survey", "問卷 量表 Likert survey"),
        ("numerical", "數值題 numerical numeric"),
        ("fill_in", "填空題 填充题 fill-in-the-blank blanks"),
        ("cloze", "克漏字 完形填空 cloze"),
        ("open", "計算題 名词解释 翻譯 問答題"),
        ("", "碱基配对 冒泡排序 排序演算法 基因重組 pattern_matching dna_sequencing 連線設定"),
        ("", "量表編製 投票行為 應用寫作 網路熱點 手寫辨識 詞語辨析 land_survey"),
        ("", "選擇題 选择 multiple_choice 翻譯選擇題 填空选择题 地理 第一單元 1 reading"),
    ],
)
def test_the_words_for_a_kind(kind: str, words: str) -> None:
    assert [(word, kind_of(word)) for word in words.split()] == [
        (word, kind) for word in words.split()
    ]
