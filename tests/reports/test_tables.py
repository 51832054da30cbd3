from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhmcq.errors import OutputError
from zhmcq.reports._tables import escape_csv_text, write_csv, write_json

RISKY = "=+-@\t\r\n＝＋－＠"


# --- csv ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", RISKY)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    assert escape_csv_text(f"{start}1") == f"'{start}1"
    assert escape_csv_text(f"'{start}1") == f"''{start}1"


@pytest.mark.parametrize("text", ["", "A", "3", "a=b", "'", "'quoted'", "「＝」", "1-2", "甲＋乙"])
def test_other_text_is_left_alone(text: str) -> None:
    assert escape_csv_text(text) == text


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(alphabet=RISKY + "'A甲 ", max_size=6))
def test_taking_one_apostrophe_off_gives_every_text_back(text: str) -> None:
    written = escape_csv_text(text)
    assert not written.startswith(tuple(RISKY))
    escaped = written.startswith("'") and written.lstrip("'").startswith(tuple(RISKY))
    assert (written[1:] if escaped else written) == text


def test_csv_is_plain_utf_8_with_newlines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows: list[dict[str, Any]] = [
        {"ID": 7, "Answer": "A"},
        {"ID": "甲,乙", "Answer": None},
        {"ID": '說"好"'},
    ]
    write_csv(path, ("ID", "Answer"), rows)
    assert path.read_bytes() == 'ID,Answer\n7,A\n"甲,乙",\n"說""好""",\n'.encode()


def test_a_line_end_within_a_cell_does_not_end_the_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("x", "y"), [{"x": "a\r=1+1", "y": "b\r\nc"}])
    assert path.read_bytes() == b'x,y\n"a\r=1+1","b\r\nc"\n'


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text_comes_back_from_csv(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    write_csv(path, ("ID", "T"), [{"ID": 1, "T": text} for text in texts])
    with path.open(encoding="utf-8", newline="") as file:
        cells = [row[1] for row in csv.reader(file)][1:]
    for cell, text in zip(cells, texts, strict=True):
        assert cell == escape_csv_text(text)


def test_negative_numbers_stay_numbers_and_headers_are_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("=ID", "x"), [{"=ID": -3, "x": -0.5}])
    assert path.read_text(encoding="utf-8") == "'=ID,x\n-3,-0.5\n"


@pytest.mark.parametrize("name", ["a.csv", "a.json"])
def test_a_lone_surrogate_does_not_stop_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        write_csv(path, ("x",), [{"x": "a\ud800b"}])
        assert path.read_text(encoding="utf-8") == "x\na?b\n"
    else:
        write_json(path, {"x": "甲\ud800"})
        assert path.read_text(encoding="utf-8") == '{\n "x": "甲\\ud800"\n}\n'
        assert json.loads(path.read_text(encoding="utf-8")) == {"x": "甲\ud800"}


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_json_has_no_number_that_is_not_finite(tmp_path: Path, wrong: float) -> None:
    path = tmp_path / "a.json"
    write_json(path, [1.5])
    with pytest.raises(OutputError, match=r"a\.json is not written: expected finite numbers"):
        write_json(path, [{"confidence": wrong}])
    assert path.read_text(encoding="utf-8") == "[\n 1.5\n]\n"


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_csv(path, ("x",), []),
        lambda path: write_json(path, []),
    ],
)
def test_a_place_that_cannot_be_written_is_an_output_error(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    with pytest.raises(OutputError, match="it is a folder; give the name of a file"):
        write(tmp_path)


# --- encodings of csv --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "start"),
    [
        ("utf-8", b"ID\n"),
        ("utf-8-sig", b"\xef\xbb\xbfID\n"),
        ("UTF8", b"ID\n"),
        ("utf-16-le", b"I\0D\0\n\0"),
        ("cp950", b"ID\n"),
        ("gb18030", b"ID\n"),
    ],
)
def test_csv_is_written_in_the_encoding_that_is_named(
    tmp_path: Path, encoding: str, start: bytes
) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("ID",), [{"ID": "甲"}], encoding)
    assert path.read_bytes() == start + "甲\n".encode(encoding.removesuffix("-sig"))


def test_an_encoding_without_a_character_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    message = r"encoding='cp950': it has no '们' \(U\+4EEC\); use encoding='utf-8-sig'"
    with pytest.raises(OutputError, match=message):
        write_csv(path, ("ID",), [{"ID": "我們"}, {"ID": "我们"}], "cp950")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "encoding", ["utf-99", "", "base64", "rot13", "undefined", "a\0b", None, 8, b"utf-8", "甲"]
)
def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path, encoding: Any) -> None:
    with pytest.raises(OutputError, match="expected the name of an encoding, 'utf-8' for other"):
        write_csv(tmp_path / "a.csv", ("ID",), [], encoding)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-7"])
def test_half_a_character_stops_no_encoding_of_unicode(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ("x",), [{"x": "a\ud800b"}], encoding)
    assert path.read_text(encoding=encoding) in ("x\na?b\n", "x\na\ud800b\n")
