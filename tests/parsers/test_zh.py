"""How the default parser reads replies."""

import pytest

from zhmcq.parsers import ParsedAnswer, get_parser
from zhmcq.questions import Question

SEASONS = ("春天", "夏天", "秋天", "冬天")
STEM = "一年中哪個季節最熱？"
QUESTION = Question("q", STEM, SEASONS)
ENGLISH = Question("q", "Which season is hottest?", ("spring", "summer", "autumn", "winter"))
FALSE_ASKED = Question(
    "q", "關於夏天的敘述，下列何者錯誤？", ("氣溫最高", "白天最長", "常有颱風", "會下大雪")
)
MULTIPLE = Question(
    "q", "夏天的特徵是哪些？", ("炎熱", "下雪", "颱風", "午後雷陣雨"), kind="multiple"
)
YES_NO = Question("q", "夏天比冬天熱。", ("是", "否"), labels=("是", "否"), kind="true_false")


def read(text: str, question: Question = QUESTION) -> ParsedAnswer:
    return get_parser("zh").parse(text, question)


def label(text: str, question: Question = QUESTION) -> str:
    """The label read, or the status where there is none."""
    parsed = read(text, question)
    return question.label_of(parsed.answer) if parsed.answer else parsed.status


@pytest.mark.parametrize(
    "reply",
    [
        "答案是 (B)。",
        "答案：B",
        "答案为B",
        "答案選B",
        "答案应该是B吧",
        "答案B",
        "答案 → B",
        "我的答案：B",
        "本題答案為(B)",
        "最終答案：B",
        "最終答案：\n```\nB\n```",
        "好的，這題的答案是：\n\n> **B. 夏天**\n\n希望對你有幫助！",
        "根據文章內容，正確的選項是：\n\n**選項二：夏天**",
        "結論：選項B",
        "### 答案\nB",
        "答案：\n\n**B**",
        "答案：**B. 夏天**",
        "答案是：『夏天』",
        "答案是夏天（B）。",
        "【答案】B",
        "【答案】（B）<eoa>",
        "1.【答案】B",
        "正解：B",
        "答：B",
        "故選B。",
        "故本题选B",
        "因此选(B)",
        "应选B。",
        "我會選擇B選項。",
        "選「B」",
        "此題選 B 項",
        "正確的是B",
        "正確選項：B",
        "最適合的選項是 B。",
        "最有可能的是(B)夏天",
        "應為B",
        "經過計算得出：B",
        "因此，(B)夏天。",
        "只有B正確",
        "(B)才是正確答案",
        "選項 B 是最佳答案",
        "B符合題意",
        "綜上所述，B選項符合題意",
        "因此答案為選項2",
        "選項二",
        "第二個選項",
        r"\boxed{B}",
        r"$$\boxed{\text{B}}$$",
        r"\boxed{\textbf{(B) }夏天}",
        r"答案為$\mathrm{B}$",
        "<answer>B</answer>",
        "[[B]]",
        '{"answer": "B"}',
    ],
)
def test_a_decision_is_read_in_many_words(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "The correct answer is option B",
        "The answer is (B).",
        "The answer is b.",
        "**Answer: (B) summer**",
        "ANSWER: B",
        "Ans: B",
        "Final Answer: The final answer is $\\boxed{B}$. I hope it is correct.",
        "The correct answer is **B) summer**.",
        "I'd go with B",
        "The answer to this question is B.",
        'The answer to the question "Which season is hottest?" is B.',
        "Among the options, B seems most appropriate.",
        "I think it's B.",
        "Therefore, B.",
        "Option B is correct.",
        "Option A is incorrect. Option B is correct.",
        "(B) is the correct answer",
        "B. summer\n\nExplanation: A is too cold.",
        "The hottest season is summer.",
        "Summer is the hottest season.",
        "Option 2",
        "the second option",
    ],
)
def test_english_decisions_are_read_too(reply: str) -> None:
    assert label(reply, ENGLISH) == "B"


@pytest.mark.parametrize(
    "reply",
    ["B", "(B)", "（Ｂ）", "Ｂ", "b", "[B]", "B.", "B)", "「B」", "`B`", "**B**", "𝐁", "Ⓑ", "⒝"],
)
def test_a_bare_label_is_read_in_any_dress(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply", ["夏天", "夏天。", "B：夏天", "B、夏天", "(B)夏天", "(B) 夏 天", "夏天(B)", "選項B"]
)
def test_a_label_may_come_with_its_option_text_or_the_text_alone(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "答案是A。等等，我再想一下，應該是B。",
        "答案是 A。不對，應該選 B 才對。",
        "答案：A\n更正：B",
        "乍看之下答案是A，但仔細想想，應該選B。",
        "答案是A嗎？不是，答案是B。",
        "不是A而是B",
        "我在A和B之間猶豫，最後選了B。",
    ],
)
def test_a_later_correction_beats_an_earlier_slip(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "A選項正確。C選項也正確。綜合考慮，答案：B",
        "答案是B。A選項是春天，C選項是秋天，D選項是冬天。",
        "B\n\n解析：因為夏天最熱，A、C、D都不對。",
        "(B)夏天。(A)春天、(C)秋天、(D)冬天皆不是。",
        "A. 春天：溫和。\nB. 夏天：炎熱。\nC. 秋天：涼爽。\nD. 冬天：寒冷。\n因此最熱的是夏天。",
        "正確答案：(B) 夏天\n錯誤選項：(A) 春天",
        "B. 夏天\n\nA. 春天不熱\nC. 秋天不熱",
    ],
)
def test_a_decision_beats_the_discussion_of_options(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "選B不選A",
        "正確答案是B，很多人會誤選A。",
        "正確答案是B，錯誤答案是A、C、D",
        "設 A、B 兩點等高，因此 A 點較遠。故選B。",
        "不選A，選B",
        "A、C、D 選項都不正確，因此選 B",
        "如果選A，就錯了。應選B。",
        "應選B。如果選A，就錯了。",
        "答案是B。選A的人忽略了氣溫。",
        "很多人會選A，但正確答案是B。",
        "我的答案是B，而不是A",
        "答案不是A，是B",
        "答案是春天嗎？不，是夏天。",
        "The correct answer is not A but B.",
    ],
)
def test_negated_and_supposed_choices_do_not_count(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "答案應該不是A",
        "答案並非 A",
        "選項A不是答案",
        "(D)是錯誤的",
        "選項A是錯誤的，選項C是錯誤的。",
        "【答案】C、D都错误。",
        "選A還是選B？我不知道。",
        "如果選A會怎樣？",
    ],
)
def test_a_reply_that_only_rules_out_commits_to_nothing(reply: str) -> None:
    assert label(reply) == "none"


@pytest.mark.parametrize(
    "reply",
    [
        "A不對，C不對，D不對。",
        "可以排除A、C、D。",
        "A. 错误\nB. 正确\nC. 错误\nD. 错误",
        "A（×）B（√）C（×）D（×）",
    ],
)
def test_the_one_option_left_over_is_the_answer(reply: str) -> None:
    assert label(reply) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "(D)是錯誤的",
        "因此，D選項錯誤。",
        "錯誤的是D",
        "A正確，B正確，C正確，D錯誤",
        "A. 正確\nB. 正確\nC. 正確\nD. 錯誤，夏天不下雪",
        "選項A正確。故選D。",
        "D 不正確，答案 D",
    ],
)
def test_the_false_option_is_the_answer_where_it_is_asked_for(reply: str) -> None:
    assert label(reply, FALSE_ASKED) == "D"


@pytest.mark.parametrize(
    "stem",
    [
        "下列何者不是夏天的特徵？",
        "下列敘述，不正確的是（　）",
        "關於夏天，下列說法錯誤的是",
        "何者為非？",
        "哪一項與夏天無關？",
        "Which of the following is NOT true of summer?",
    ],
)
def test_stems_that_ask_for_the_false_option_are_known(stem: str) -> None:
    question = Question("q", stem, ("炎熱", "颱風", "西瓜", "下雪"))
    assert label("因此，選項D是錯誤的。", question) == "D"


@pytest.mark.parametrize(
    "stem", ["一年中哪個季節最熱？", "關於不定方程，下列敘述何者正確？", "以下正確的是（　）", ""]
)
def test_stems_that_ask_for_the_true_option_are_not_mistaken(stem: str) -> None:
    assert label("A錯誤，B錯誤，C錯誤，D正確", Question("q", stem, SEASONS)) == "D"
    assert label("因此，選項D是錯誤的。", Question("q", stem, SEASONS)) == "none"


def test_a_true_option_is_no_answer_where_the_false_one_is_asked_for() -> None:
    assert label("選項A正確。", FALSE_ASKED) == "none"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        " \n\u3000",
        "我不知道",
        "對不起，我無法回答這個問題。",
        "無法確定",
        "【答案】無法確定",
        "因此選項A是正確的。【答案】題目有誤",
        "答案：以上皆非",
        "None of the above",
        "I don't know",
        "The answer is not A.",
        "The answer is a warm season.",
        "Let's think step by step.",
        "答案為 3.3MeV",
        "答案格式應為 A、B、C 或 D",
        "維生素A很重要",
        "A型血的人最多",
        "所以，$\\triangle ABC$ 的面积为 $2$。",
        "因此A为酸，C为碱",
        "【答案】无解",
        "【答案】A、B、C、D",
        "A项错误。B项错误。C项错误。D项错误。",
        "我在B和C之間猶豫。",
        "題目：一年中哪個季節最熱？\n(A)春天 (B)夏天 (C)秋天 (D)冬天",
        "請從以下選項中選擇：A. 春天 B. 夏天 C. 秋天 D. 冬天",
        "A. 春天：溫和。\nB. 夏天：炎熱。\nC. 秋天：涼爽。\nD. 冬天：寒冷。",
        "①②",
        "得出以下結論：\n(A) 春天：正確。\n(B) 夏天：正確。\n(C) 秋天：正確。",
        "以上皆非。\n(A)春天\n(B)夏天\n(C)秋\n(D)冬天",
        "無法判斷，因為題目沒有說是哪裡的夏天。",
    ],
)
def test_a_reply_that_commits_to_nothing_is_not_answered(reply: str) -> None:
    assert read(reply).answer is None


@pytest.mark.parametrize(
    "reply", ["答案是A或B", "答案是A、B", "AB", "【答案】A、B、D", "選項A和C都正確", "夏天和秋天"]
)
def test_several_options_for_one_question_are_ambiguous(reply: str) -> None:
    assert label(reply) == "ambiguous"


@pytest.mark.parametrize("reply", ["答案是E", "(E)", "故選F。"])
def test_a_label_that_the_question_lacks_is_out_of_range(reply: str) -> None:
    assert label(reply) == "out_of_range"


@pytest.mark.parametrize(
    "reply",
    [
        "ACD",
        "ＡＣＤ",
        "A、C、D",
        "A,C,D",
        "A, C, and D",
        "A/C/D",
        "答案：A C D",
        "答案是 A、C 與 D。",
        "故選：ACD",
        "【答案】ACD",
        r"\boxed{A, C, D}",
        "正確答案是 (A)(C)(D)",
        "(A)、(C)、(D)",
        "正確的選項有A、C、D",
        "A、C、D正確",
        "A. 正確\nB. 錯誤\nC. 正確\nD. 正確",
        "The answers are A, C, and D.",
        "炎熱、颱風和午後雷陣雨",
        "【答案】\n1. A\n2. C\n3. D",
    ],
)
def test_several_options_are_read_where_several_may_be_right(reply: str) -> None:
    assert label(reply, MULTIPLE) == "ACD"


def test_one_option_may_be_all_that_is_right() -> None:
    assert read("答案：B", MULTIPLE).answer == (1,)


@pytest.mark.parametrize(
    "reply",
    [
        *(
            "是",
            "答案：是",
            "答案是是",
            "正確",
            "這個敘述是正確的。",
            "True",
            "是的，夏天熱。",
            "○",
            "✓",
        ),
        *("並非不正確", "此敘述並無錯誤。", "這個說法是錯的嗎？不是。", "很多人說錯，但其實是對的"),
        "我一開始以為是錯的，後來發現是對的。",
    ],
)
def test_yes_is_said_in_many_words(reply: str) -> None:
    assert label(reply, YES_NO) == "是"


@pytest.mark.parametrize(
    "reply",
    [
        *(
            "否",
            "答案為：否",
            "不正確",
            "這個說法是錯誤的",
            "此敘述有誤",
            "No, it is not.",
            "不是",
            "✗",
        ),
        "這個敘述是正確的嗎？不是。",
    ],
)
def test_no_is_said_in_many_words(reply: str) -> None:
    assert label(reply, YES_NO) == "否"


@pytest.mark.parametrize(
    "reply", ["是否正確需要更多資訊", "無法判斷", "有同學認為是錯的。", "這是錯的嗎？"]
)
def test_yes_and_no_are_not_read_into_other_words(reply: str) -> None:
    assert label(reply, YES_NO) == "none"


def test_what_follows_the_end_of_the_turn_is_not_the_reply() -> None:
    assert label("B<|im_end|>\n<|im_start|>user\n答案：C") == "B"
    assert label("答案：B\n\n問題：下一題\n(A)甲 (B)乙\n答案：C") == "B"


def test_a_heading_that_looks_like_the_next_question_does_not_hide_the_answer() -> None:
    assert label("我們來看。\n問題：哪個季節最熱\n答案：B") == "B"


def test_an_option_that_says_none_of_the_above_is_found_in_other_words() -> None:
    question = Question("q", STEM, ("春天", "秋天", "冬天", "以上皆非"))
    assert label("以上都不是", question) == "D"
    assert label("答案：以上皆非", question) == "D"
    assert label("None of the above", question) == "D"


def test_the_longer_reading_wins_where_an_option_begins_with_a_letter() -> None:
    question = Question("q", "產生抗體的是？", ("B細胞", "T細胞", "紅血球", "血小板"))
    assert label("答案是B細胞", question) == "A"
    assert label("答案是B", question) == "B"


def test_letters_inside_an_option_text_are_not_labels() -> None:
    question = Question("q", "順序？", ("ABC", "BAC", "ACB", "CBA"))
    assert label("排列方式為：(A)ABC", question) == "A"


def test_option_texts_differ_by_their_points_and_signs() -> None:
    question = Question("q", "頻率？", ("15.9 Hz", "159 Hz", "1.59 kHz", "15.9 kHz"))
    assert label("答案是 15.9 kHz", question) == "D"
    assert label("答案是 1.59 kHz", question) == "C"
    signs = Question("q", "x = ?", ("1", "-1", "2", "-2"))
    assert label("答案是 -1", signs) == "B"
    assert label("答案是 2", signs) == "C"


def test_where_options_are_numbers_a_bare_number_is_a_label_if_it_can_be() -> None:
    question = Question("q", "3+3=？", ("2", "4", "6", "8"), labels=("1", "2", "3", "4"))
    assert label("2", question) == "2"
    assert label("答案：4", question) == "4"
    assert label("6", question) == "3"
    assert label("答案：8", question) == "4"
    assert label("5", question) == "out_of_range"


def test_where_labels_are_letters_a_bare_number_is_an_option_text() -> None:
    question = Question("q", "最小的質數？", ("1", "2", "3", "4"))
    assert label("答案是 2", question) == "B"
    assert label("2.5", question) == "none"


def test_a_year_or_a_measure_is_not_a_digit_label() -> None:
    question = Question("q", STEM, SEASONS, labels=("1", "2", "3", "4"))
    assert label("根據2023年的資料，答案是2", question) == "2"
    assert label("共有3個季節", question) == "none"
    assert label("1+1\n= 2", question) == "none"


@pytest.mark.parametrize(
    "labels",
    [
        ("1", "2", "3", "4"),
        ("0", "1", "2", "3"),
        ("①", "②", "③", "④"),
        ("甲", "乙", "丙", "丁"),
        ("一", "二", "三", "四"),
        ("Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ"),
        ("I", "II", "III", "IV"),
        ("a", "b", "c", "d"),
        ("Ａ", "Ｂ", "Ｃ", "Ｄ"),
        ("(1)", "(2)", "(3)", "(4)"),
        ("1.", "2.", "3.", "4."),
        ("選項1", "選項2", "選項3", "選項4"),
        ("第一項", "第二項", "第三項", "第四項"),
        ("Option A", "Option B", "Option C", "Option D"),
        ("ㄅ", "ㄆ", "ㄇ", "ㄈ"),
    ],
)
@pytest.mark.parametrize(
    "reply",
    [
        "{}",
        "({})",
        "答案是{}",
        "答案：{}",
        "故選{}。",
        "因此選 {}",
        "{} 夏天",
        "答案是 {}，因為夏天熱",
        "正確答案是「{}」",
    ],
)
def test_other_labels_are_read_like_letters(labels: tuple[str, ...], reply: str) -> None:
    question = Question("q", STEM, SEASONS, labels=labels)
    assert label(reply.format(labels[1]), question) == labels[1]


@pytest.mark.parametrize(
    ("labels", "true", "false"),
    [
        (("O", "X"), "對", "錯誤"),
        (("○", "×"), "正確", "不對"),
        (("True", "False"), "It is true that it is hot.", "The statement is false."),
        (("正確", "錯誤"), "此說法正確無誤。", "並不正確"),
        (("錯", "對"), "答案：○", "答案：×"),
    ],
)
def test_any_pair_of_words_for_yes_and_no_may_be_labels(
    labels: tuple[str, ...], true: str, false: str
) -> None:
    question = Question("q", "夏天熱。", ("", ""), labels=labels, kind="true_false")
    yes = "對" if "對" in labels else labels[0]
    assert label(true, question) == yes
    assert label(false, question) == next(other for other in labels if other != yes)


BOPOMOFO = Question("q", STEM, SEASONS, labels=("ㄅ", "ㄆ", "ㄇ", "ㄈ"))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("答案：ㄆ", "ㄆ"),
        ("（ㄆ）", "ㄆ"),
        ("故選ㄆ。", "ㄆ"),
        ("ㄆ選項正確", "ㄆ"),
        ("ㄅ. 春天\nㄆ. 夏天\nㄇ. 秋天\nㄈ. 冬天\n答案是 (ㄇ)", "ㄇ"),
        ("ㄅ. 春天\nㄆ. 夏天\nㄇ. 秋天\nㄈ. 冬天", "none"),
        ("答案：ㄎ", "out_of_range"),
        ("答案：ㄆㄧㄥˊ", "none"),
    ],
)
def test_every_alphabet_that_papers_write_before_options_is_read(reply: str, expected: str) -> None:
    assert label(reply, BOPOMOFO) == expected


def test_letters_and_words_both_name_the_options_of_a_true_false_question() -> None:
    question = Question("q", "夏天熱。", ("對", "錯"), kind="true_false")
    assert label("B", question) == "B"
    assert label("答案：錯", question) == "B"
    assert label("正確", question) == "A"


def test_options_without_a_known_text_are_read_by_label() -> None:
    for options in (("",) * 4, ("A", "B", "C", "D")):
        question = Question("q", STEM, options)
        assert label("故選D，因為熱", question) == "D"
        assert label("【答案】B．①③", question) == "B"


def test_the_evidence_is_the_span_of_the_reply_as_it_was_written() -> None:
    text = "\u200b根據題意，\u200b答案是（\u200bＢ）。"
    parsed = read(text)
    assert parsed.answer == (1,)
    assert parsed.evidence == "答案是（\u200bＢ）"
    assert parsed.span is not None
    assert text[slice(*parsed.span)] == parsed.evidence


def test_the_reason_names_the_rule_or_says_why_there_is_none() -> None:
    assert read("答案是B").reason == "decided by the rule 'answer'"
    assert read("天氣很好").reason == "the reply commits to no option"
    assert read("答案是E").reason == (
        "the rule 'answer' names a label that the question does not have"
    )
    reason = "the rule 'answer' names several options, but one is right"
    assert read("答案是A、B").reason == reason
    assert read("答案：無法確定").reason == "the rule 'answer' says that there is no answer"
