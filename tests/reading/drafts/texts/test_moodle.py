from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import ReadError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, stream_bank


def read(folder: Path, questions: str, name: str = "bank.xml") -> QuestionBank:
    path = folder / name
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<quiz>{questions}</quiz>', encoding="utf-8"
    )
    return read_bank(path)


def choice(stem: str, answers: str, more: str = "") -> str:
    return (
        f'<question type="multichoice"><questiontext><text>{stem}</text></questiontext>{more}'
        f"{answers}</question>"
    )


def answer(text: str, fraction: str) -> str:
    return (
        f'<answer fraction="{fraction}"><text>{text}</text>'
        "<feedback><text>回饋</text></feedback></answer>"
    )


def test_a_choice_is_read_with_what_belongs_to_it(tmp_path: Path) -> None:
    bank = read(
        tmp_path,
        '<question type="category"><category><text>$course$/top/歷史</text></category></question>'
        + choice(
            "<![CDATA[哪一年？]]>",
            answer("1911", "0") + answer("1912", "100"),
            "<idnumber>h7</idnumber><answernumbering>123</answernumbering><single>true</single>"
            "<generalfeedback><text>民國元年</text></generalfeedback>",
        ),
    )
    question = bank[0]
    assert (question.stem, question.options, question.labels) == (
        "哪一年？",
        ("1911", "1912"),
        ("1", "2"),
    )
    assert (question.answer, question.kind, question.id) == ((1,), "single", "h7")
    assert (question.subject, question.explanation) == ("歷史", "民國元年")
    assert question.origin is not None
    assert question.origin.row == 2
    assert bank.problems == []


def test_fractions_say_which_options_of_several_are_right(tmp_path: Path) -> None:
    answers = answer("a", "50") + answer("b", "50") + answer("c", "-100")
    bank = read(tmp_path, choice("哪些？", answers, "<single>false</single>"))
    assert (bank[0].answer, bank[0].kind) == ((0, 1), "multiple")


def test_fractions_that_make_no_option_right_are_an_error(tmp_path: Path) -> None:
    bank = read(tmp_path, choice("哪個？", answer("a", "50") + answer("b", "0")))
    assert [(p.row, p.code) for p in bank.problems] == [(1, "unreadable_answer")]


@pytest.mark.parametrize(("true", "label"), [("100", "TRUE"), ("0", "FALSE")])
def test_true_and_false_are_read(tmp_path: Path, true: str, label: str) -> None:
    false = "0" if true == "100" else "100"
    bank = read(
        tmp_path,
        '<question type="truefalse"><questiontext><text>水是濕的</text></questiontext>'
        f"{answer('true', true)}{answer('false', false)}</question>",
    )
    assert (bank[0].kind, bank[0].answer_label) == ("true_false", label)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("essay", "essay"),
        ("shortanswer", "fill_in"),
        ("numerical", "fill_in"),
        ("cloze", "fill_in"),
        ("matching", "matching"),
        ("ddmatch", "matching"),
        ("ordering", "ordering"),
        ("stack", "unknown_kind"),
    ],
)
def test_a_kind_that_is_no_choice_is_an_error_of_its_question(
    tmp_path: Path, kind: str, code: str
) -> None:
    other = f'<question type="{kind}"><questiontext><text>說</text></questiontext></question>'
    bank = read(tmp_path, choice("哪個？", answer("a", "100") + answer("b", "0")) + other)
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [(2, code, "error")]
    assert len(bank) == 1


def test_a_description_is_said_to_be_skipped_and_a_picture_is_reported(tmp_path: Path) -> None:
    picture = '<file name="a.png" encoding="base64">AAAA</file>'
    bank = read(
        tmp_path,
        '<question type="description"><questiontext><text>請看下文</text></questiontext></question>'
        + choice("哪個？", answer("a", "100") + answer("b", "0"), picture),
    )
    assert [(p.row, p.code, p.severity) for p in bank.problems] == [
        (1, "skipped_row", "warning"),
        (2, "picture", "warning"),
    ]
    assert "請看下文" in bank.problems[0].message


def test_moodles_xml_in_a_txt_is_recognised(tmp_path: Path) -> None:
    bank = read(tmp_path, choice("哪個？", answer("a", "100") + answer("b", "0")), "bank.txt")
    assert bank[0].answer == (0,)


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE quiz [<!ENTITY x SYSTEM "file:///etc/passwd">]><quiz>&x;</quiz>',
        "<rss></rss>",
        "<quiz>" * 300,
        "<quiz><question>",
        "no xml",
        "<quiz/>",
        f"<quiz><question type='multichoice'>{'<answer/>' * 400_000}</question></quiz>",
    ],
    ids=["entity", "root", "deep", "cut", "none", "empty", "large"],
)
def test_what_is_no_quiz_or_hostile_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bank.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReadError):
        read_bank(path)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(
            ["<question type='multichoice'>", "<question>", "</question>", "<answer fraction='x'>",
             "<answer>", "</answer>", "<text>", "</text>", "甲", "<questiontext>",
             "</questiontext>", "<file/>", "<single>maybe</single>", "<subquestion>"]
        ),
        max_size=12,
    )
)  # fmt: skip
def test_no_order_of_elements_raises_anything_but_a_read_error(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    path = tmp_path_factory.mktemp("moodle") / "bank.xml"
    path.write_text(f"<quiz>{''.join(pieces)}</quiz>", encoding="utf-8")
    try:
        items = list(stream_bank(path))
    except ReadError:
        return
    assert not any(isinstance(item, Question) for item in items)
