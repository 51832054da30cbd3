from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.questions import Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank, stream_bank

CASES = Path(__file__).parents[2] / "cases"
PAPER = "1. 哪個？\n(A)甲 (B)乙\n答案：B\n"


def read(folder: Path, text: str, name: str = "bank.txt") -> QuestionBank:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_bank(path)


def test_json_in_a_txt_is_read_as_json() -> None:
    bank = read_bank(CASES / "json_in_txt.txt")
    assert [(q.stem, q.options, q.answer_label) for q in bank] == [
        ("最長的河？", ("甲河", "乙河"), "A")
    ]


def test_lines_of_json_in_a_txt_are_read_as_such(tmp_path: Path) -> None:
    line = '{"題目":"哪個%d？","A":"甲","B":"乙","答案":"B"}\n'
    bank = read(tmp_path, line % 1 + line % 2)
    assert [(q.stem, q.answer_label) for q in bank] == [("哪個1？", "B"), ("哪個2？", "B")]


@pytest.mark.parametrize("delimiter", ["\t", ",", ";", "|"])
@pytest.mark.parametrize("title", ["", "期末考題庫\n"])
def test_a_table_in_a_txt_is_read_as_a_table(tmp_path: Path, delimiter: str, title: str) -> None:
    rows = [["題號", "題目", "A", "B", "答案"], ["1", "(1) 何者？", "A. 甲", "B. 乙", "B"]]
    bank = read(tmp_path, title + "\n".join(delimiter.join(row) for row in rows))
    assert [(q.stem, q.options, q.answer_label) for q in bank] == [
        ("(1) 何者？", ("甲", "乙"), "B")
    ]
    assert bank.columns["stem"] == "題目"


def test_a_table_of_one_column_is_read_where_its_header_is_known(tmp_path: Path) -> None:
    bank = read(tmp_path, "題目\n下列何者？(A)甲 (B)乙\n又下列何者？(A)丙 (B)丁\n")
    assert [q.options for q in bank] == [("甲", "乙"), ("丙", "丁")]


def test_a_table_of_markdown_is_read_as_a_table(tmp_path: Path) -> None:
    text = "# 題庫\n\n| 題目 | A | B | 答案 |\n|---|---|---|---|\n| 哪個 | 甲 | 乙 | B |\n"
    bank = read(tmp_path, text, "bank.md")
    assert [(q.stem, q.options, q.answer_label) for q in bank] == [("哪個", ("甲", "乙"), "B")]


def test_columns_make_a_text_a_table(tmp_path: Path) -> None:
    path = tmp_path / "bank.txt"
    path.write_text("甲題,一,二,鍵\n1. 哪個？,紅,黃,B\n", encoding="utf-8")
    columns = {"stem": "甲題", "option1": "一", "option2": "二", "answer": "鍵"}
    assert read_bank(path, columns=columns)[0].options == ("紅", "黃")


@pytest.mark.parametrize("name", ["bank.txt", "bank.md"])
@pytest.mark.parametrize(
    "text",
    [
        "今天天氣很好，我們去公園玩，看到很多花。\n後來，下雨了，我們回家，喝熱湯。\n",
        "今天天氣很好。\n",
        "1. 請說明光合作用。\n2. 請比較蒸散與蒸發。\n",
        "第一章\n\n(A) 版\n",
    ],
)
def test_running_text_is_refused_as_what_it_is(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ReadError, match="this is running text, not a table") as refused:
        read(tmp_path, text, name)
    assert not isinstance(refused.value, ColumnsError)
    assert "columns=" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp950", "gb18030"])
def test_a_paper_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "bank.txt"
    path.write_bytes((PAPER * 4).replace("\n", "\r\n").encode(encoding))
    assert [q.options for q in stream_bank(path) if isinstance(q, Question)] == [("甲", "乙")] * 4


def test_a_paper_is_streamed_as_it_is_read(tmp_path: Path) -> None:
    bank = read(tmp_path, "期中考\n" + PAPER + "2. 又哪個？\n(A)甲 (B)乙\n答案：D\n")
    streamed = list(stream_bank(tmp_path / "bank.txt"))
    assert [q for q in streamed if isinstance(q, Question)] == list(bank)
    problems = [p for p in streamed if isinstance(p, RowProblem)]
    assert {(p.row, p.code) for p in problems} == {(p.row, p.code) for p in bank.problems}


PIECES = st.sampled_from(
    ["1. ", "2、", "(1)", "第3題", "Q4:", "一、", "( B ) 5. ", "(A)", "A. ", "B)", "(Ｂ)", "①", "②",
     "甲、", "答案：", "答案", "ANSWER: A", "【解析】", "解答", "1-5 ABCDA", "1.A 2.B",
     "閱讀下文，回答1-3題：",
     "題組", "一、單選題", "二、是非題", "第1頁", "{", "}", "=", "~", "%50%", "#", "::", "->", "\\",
     "$CATEGORY:", "//", "[", '{"', "\t", ",", "|", "**", "- ", "\n", "\n\n", " ", "\u3000",
     "水", "O", "難易度：", "1.5", "\u200b", "\ufeff", "\r", "\x0b", "\u2028", "\x85",
     "９．", "百", "十、"]
)  # fmt: skip


@settings(derandomize=True, max_examples=400, deadline=None)
@given(
    text=st.lists(PIECES, max_size=25).map("".join),
    suffix=st.sampled_from([".txt", ".md", ".gift"]),
)
@example(text="第百題 (A)x (B)y", suffix=".txt")
@example(text="\ufeff\n", suffix=".gift")
def test_no_text_raises_anything_but_a_read_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("text") / f"bank{suffix}"
    path.write_bytes(text.encode("utf-8"))
    try:
        bank = read_bank(path)
    except ReadError:
        return
    assert all(problem.row > 0 for problem in bank.problems)


CHUNKS = st.sampled_from(
    ["{n}. 哪個{n}？\n(A)甲{n}\n(B)乙{n}\n答案：B", "{n}. 哪個{n}？\n(A)丙{n} (B)丁{n}", "雜訊{n}",
     "", "解析：因為{n}", "一、單選題", "二、是非題", "第{n}至99題為題組", "文章{n}",
     "難易度：中{n}", "出處：書{n}", "第{n}頁", "({n}) 附註{n}", "1. 附註{n}", "-----"]
)  # fmt: skip


@settings(derandomize=True, max_examples=300, deadline=None)
@given(chunks=st.lists(CHUNKS, min_size=2, max_size=12))
def test_every_line_is_in_a_question_or_in_a_problem(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[str]
) -> None:
    texts = "\n".join(c.format(n=number) for number, c in enumerate(chunks, 1)).split("\n")
    path = tmp_path_factory.mktemp("lines") / "bank.txt"
    path.write_text("\n".join(texts), encoding="utf-8")
    try:
        bank = read_bank(path)
    except ReadError:
        return
    told: set[int] = set()
    for problem in bank.problems:
        span = re.match(r"lines (\d+) to (\d+) ", problem.message)
        first, last = map(int, span.groups()) if span else (problem.row, problem.row)
        told |= set(range(first, last + 1))
    held = "\n".join(
        "\n".join([q.stem, q.passage, q.group, q.explanation, q.source, *q.options]) for q in bank
    )
    errors = [problem.row for problem in bank.problems if problem.severity == "error"]
    for number, text in enumerate(texts, 1):
        if not text or number in told or text == "答案：B" or any(row <= number for row in errors):
            continue
        pieces = re.findall(r"哪個\d+？|[甲乙丙丁]\d+|[^\d\W]+\d+|\d+", text)
        assert all(piece in held for piece in pieces[1:] or pieces), (number, text)


HOSTILE = {
    "a line of 50 MB": ("bank.txt", PAPER + "A. x " * 10_000_000),
    "nested braces": ("bank.gift", "{" * 100_000 + "q{=a ~b}\n"),
    "an option a line": ("bank.txt", "1. q\n" + "A. x\n" * 100_000 + "(A)x (B)y\n"),
    "options in a line": ("bank.txt", "1. q\n(A)x (B)y\n" + "(A)(B)" * 100_000),
    "options of GIFT": ("bank.gift", "q {=a " + "~b " * 300_000 + "}"),
    "labels": ("bank.txt", PAPER + "A. " * 300_000),
    "words for keys": ("bank.txt", PAPER + "答案" * 300_000),
    "brackets": ("bank.txt", PAPER + "(" * 500_000),
    "blanks": ("bank.txt", PAPER + "A" + " " * 500_000 + "x"),
    "keys": ("bank.txt", PAPER + "答案\n" + "1.A " * 100_000),
    "spans of keys": ("bank.txt", PAPER + "答案\n1-2 " + "A " * 200_000),
    "escapes": ("bank.gift", "q {=a " + "\\" * 500_000 + "}"),
    "lines": ("bank.txt", "x\n" * 600_000),
    "stars": ("bank.md", PAPER + "**" * 250_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_text_takes_time_in_proportion_to_its_length(tmp_path: Path, kind: str) -> None:
    name, text = HOSTILE[kind]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    start = time.process_time()
    try:
        bank = read_bank(path)
    except ReadError:
        bank = QuestionBank([])
    assert time.process_time() - start < 20
    assert len(bank) <= 1
