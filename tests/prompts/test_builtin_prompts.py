from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

import pytest

from zhmcq.errors import PluginError
from zhmcq.prompts import ChatPrompt, ClozePrompt, ExamPrompt, Message, get_prompt
from zhmcq.questions import Question

SINGLE = Question("1", "誰去了圖書館？", ("小明", "小華"), "小明去了圖書館。", answer=(1,))
MULTIPLE = Question(
    "2",
    "哪些是水果？",
    ("蘋果", "桌子", "香蕉"),
    labels=("1", "2", "3"),
    answer=(0, 2),
    kind="multiple",
)
TRUE_FALSE = Question(
    "3", "地球是圓的。", ("正確", "錯誤"), labels=("O", "X"), answer=(0,), kind="true_false"
)
PASSAGE = "文章：小明去了圖書館。\n"
RENDERED = {
    (
        "zh-exam",
        "1",
    ): PASSAGE + "問題：誰去了圖書館？\n選項：\nA. 小明\nB. 小華\n答案：",
    ("zh-exam", "2"): "問題：（複選）哪些是水果？\n選項：\n1. 蘋果\n2. 桌子\n3. 香蕉\n答案：",
    ("zh-exam", "3"): "問題：地球是圓的。\n選項：\nO. 正確\nX. 錯誤\n答案：",
    (
        "zh-exam-hans",
        "1",
    ): PASSAGE + "问题：誰去了圖書館？\n选项：\nA. 小明\nB. 小華\n答案：",
    ("zh-exam-hans", "2"): "问题：（多选）哪些是水果？\n选项：\n1. 蘋果\n2. 桌子\n3. 香蕉\n答案：",
    ("zh-exam-hans", "3"): "问题：地球是圓的。\n选项：\nO. 正確\nX. 錯誤\n答案：",
    ("zh-cloze", "1"): PASSAGE + "問題：誰去了圖書館？\n答案：",
    ("zh-cloze", "2"): "問題：（複選）哪些是水果？\n答案：",
    ("zh-cloze", "3"): "問題：地球是圓的。\n答案：",
    ("zh-cloze-hans", "1"): PASSAGE + "问题：誰去了圖書館？\n答案：",
    ("zh-cloze-hans", "2"): "问题：（多选）哪些是水果？\n答案：",
    ("zh-cloze-hans", "3"): "问题：地球是圓的。\n答案：",
}
SYSTEM = "你會看到一題選擇題。請只回答正確選項的代號，不要解釋。"
SUBSETS = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
QUESTIONS = {question.id: question for question in (SINGLE, MULTIPLE, TRUE_FALSE)}


@pytest.mark.parametrize(("name", "number"), RENDERED)
def test_each_template_renders_these_words(name: str, number: str) -> None:
    rendered = get_prompt(name).render(QUESTIONS[number])
    assert rendered.prompt == RENDERED[name, number]
    assert rendered.input_text == rendered.prompt


def test_a_chat_has_a_system_and_a_user_message() -> None:
    rendered = get_prompt("zh-chat").render(SINGLE)
    user = PASSAGE + "問題：誰去了圖書館？\n選項：\nA. 小明\nB. 小華"
    assert rendered.prompt == (Message("system", SYSTEM), Message("user", user))
    assert rendered.input_text == f"system: {SYSTEM}\nuser: {user}"
    instructed = get_prompt("zh-chat", system="請作答。").render(TRUE_FALSE)
    assert instructed.prompt == (
        Message("system", "請作答。"),
        Message("user", "問題：地球是圓的。\n選項：\nO. 正確\nX. 錯誤"),
    )


@pytest.mark.parametrize("name", ["zh-exam", "zh-exam-hans", "zh-chat"])
def test_labels_are_the_candidates_where_options_are_listed(name: str) -> None:
    prompt = get_prompt(name)
    single = prompt.render(SINGLE)
    assert [(candidate.text, candidate.answer) for candidate in single.candidates] == [
        ("A", (0,)),
        ("B", (1,)),
    ]
    assert (single.target, single.target_text, single.normalization) == (1, "B", "sum")
    multiple = prompt.render(MULTIPLE)
    assert [candidate.answer for candidate in multiple.candidates] == SUBSETS
    assert [candidate.text for candidate in multiple.candidates] == [
        "1",
        "2",
        "3",
        "12",
        "13",
        "23",
        "123",
    ]
    assert multiple.target_text == "13"
    assert [candidate.text for candidate in prompt.render(TRUE_FALSE).candidates] == ["O", "X"]


@pytest.mark.parametrize("name", ["zh-cloze", "zh-cloze-hans"])
def test_texts_with_their_line_end_are_the_candidates_of_a_cloze(name: str) -> None:
    prompt = get_prompt(name)
    single = prompt.render(SINGLE)
    assert [candidate.text for candidate in single.candidates] == ["小明\n", "小華\n"]
    assert (single.target_text, single.normalization) == ("小華\n", "mean")
    multiple = prompt.render(MULTIPLE)
    assert [candidate.answer for candidate in multiple.candidates] == SUBSETS
    assert [candidate.text for candidate in multiple.candidates][3:] == [
        "蘋果、桌子\n",
        "蘋果、香蕉\n",
        "桌子、香蕉\n",
        "蘋果、桌子、香蕉\n",
    ]


NEGATIVE = Question("4", "下列何者不是水果？", ("蘋果", "白菜", "香蕉"), "有水果。", answer=(1,))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("zh-affirmative", "文章：有水果。\n問題：下列何者是水果？\n答案："),
        ("zh-affirmative-hans", "文章：有水果。\n问题：下列何者是水果？\n答案："),
    ],
)
def test_a_negative_stem_is_asked_affirmatively_for_its_least_likely_option(
    name: str, text: str
) -> None:
    rendered = get_prompt(name).render(NEGATIVE)
    assert rendered.prompt == text
    assert (rendered.least_likely, rendered.normalization, rendered.target) == (True, "mean", 1)
    assert [candidate.text for candidate in rendered.candidates] == ["蘋果\n", "白菜\n", "香蕉\n"]
    assert rendered.question is NEGATIVE


@pytest.mark.parametrize(
    "question",
    [
        SINGLE,
        MULTIPLE,
        TRUE_FALSE,
        replace(NEGATIVE, options=("蘋果", "白菜", "以上皆非")),  # an option that speaks of others
        replace(NEGATIVE, kind="multiple"),
    ],
)
def test_what_is_not_surely_negative_is_asked_as_by_a_cloze(question: Question) -> None:
    cloze = get_prompt("zh-cloze").render(question)
    assert get_prompt("zh-affirmative").render(question) == cloze
    assert not cloze.least_likely


@pytest.mark.parametrize("prompt", [ExamPrompt(labels="甲乙丙丁"), ChatPrompt(labels="甲乙丙丁")])
def test_labels_can_be_chosen(prompt: ExamPrompt | ChatPrompt) -> None:
    rendered = prompt.render(MULTIPLE)
    assert "甲. 蘋果\n乙. 桌子\n丙. 香蕉" in rendered.input_text
    assert rendered.question.labels == ("甲", "乙", "丙")
    assert rendered.question.id == "2"
    assert rendered.target_text == "甲丙"
    assert MULTIPLE.labels == ("1", "2", "3")


def test_too_few_labels_leave_those_of_the_question() -> None:
    assert ExamPrompt(labels="AB").render(MULTIPLE).question.labels == ("1", "2", "3")
    assert ExamPrompt(labels="XY").render(SINGLE).question.labels == ("X", "Y")


@pytest.mark.parametrize("labels", ["AAB", ("A", "B"), None, 4])
def test_labels_that_are_not_different_characters_are_refused_at_once(labels: str) -> None:
    with pytest.raises(PluginError, match="expected labels as different characters"):
        ExamPrompt(labels=labels)
    with pytest.raises(PluginError, match=r"prompt 'zh-chat' could not be made.*labels"):
        get_prompt("zh-chat", labels=labels)


def test_a_question_without_a_key_is_rendered_alike_and_has_no_target() -> None:
    open_question = Question("1", "誰去了圖書館？", ("小明", "小華"), "小明去了圖書館。")
    for prompt in (ExamPrompt(), ClozePrompt(), ChatPrompt()):
        with_key, without = prompt.render(SINGLE), prompt.render(open_question)
        assert (without.target, without.target_text) == (None, None)
        assert without.prompt == with_key.prompt
        assert without.candidates == with_key.candidates


def test_questions_of_one_passage_begin_alike() -> None:
    first = ExamPrompt().render(SINGLE).input_text
    second = ExamPrompt().render(Question("9", "他在哪？", ("家", "校"), SINGLE.passage)).input_text
    shared = "文章：小明去了圖書館。\n問題："
    assert first.startswith(shared)
    assert second.startswith(shared)


def test_too_many_subsets_are_refused_with_the_question() -> None:
    options = tuple("一二三四五六七八九十甲")
    ten = Question("q", "？", options[:10], kind="multiple")
    assert len(ExamPrompt().render(ten).candidates) == 1023
    eleven = Question("q11", "？", options, kind="multiple")
    with pytest.raises(PluginError, match="question 'q11': the subsets of 11 options are too many"):
        ExamPrompt().render(eleven)
    assert len(ExamPrompt().render(Question("q", "？", options)).candidates) == 11


def test_the_arguments_of_a_chat_template_go_with_the_messages() -> None:
    prompt = get_prompt("zh-chat", template_arguments={"enable_thinking": False, "tags": ("a",)})
    rendered = prompt.render(SINGLE)
    assert rendered.template_arguments == {"enable_thinking": False, "tags": ["a"]}
    assert get_prompt("zh-chat").render(SINGLE).template_arguments == {}
    assert hash(prompt) != 0  # a dictionary among its fields does not keep it from sets


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"messages": []}, "zhmcq gives the template 'messages' itself"),
        ({"add_generation_prompt": False}, "'add_generation_prompt' itself"),
        ({"continue_final_message": True}, "'continue_final_message' itself"),
        ({"tools": []}, "'tools' itself"),
        ({"tokenize": False}, "'tokenize' itself"),
        ({"chat_template": "x"}, "'chat_template' itself"),
        ({"strftime_now": "x"}, "'strftime_now' itself"),
        ({"day": datetime.date(2026, 11, 26)}, "not JSON serializable"),
        ({"share": float("nan")}, "not JSON compliant"),
        ({"an argument": 1}, "the name 'an argument'"),
        ({1: 1}, "the name 1"),
        ("enable_thinking", "JSON values by their names"),
        (["enable_thinking"], "JSON values by their names"),
    ],
)
def test_arguments_that_a_template_cannot_have_are_refused(arguments: Any, reason: str) -> None:
    with pytest.raises(PluginError, match=reason):
        ChatPrompt(template_arguments=arguments)
    rendered = ChatPrompt().render(SINGLE)
    with pytest.raises(PluginError, match=reason):
        replace(rendered, template_arguments=arguments)


def test_a_plain_text_has_no_template_to_give_arguments_to() -> None:
    rendered = ExamPrompt().render(SINGLE)
    with pytest.raises(PluginError, match="go with chat messages"):
        replace(rendered, template_arguments={"enable_thinking": False})
