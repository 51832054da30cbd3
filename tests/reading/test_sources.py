"""What a bank is read from besides paths: open files, frames, data sets, records, and several."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import math
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zhmcq.errors import ColumnsError, QuestionError, ReadError
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.reading import read_bank, save_bank, stream_bank
from zhmcq.reading._formats import open_files
from zhmcq.reports import write_problems

HEADER = ["題號", "題目", "A", "B", "答案"]
ROWS = [[1, "山多高？", "很高", "很低", "A"], [2, "海多深？", "很深", "很淺", "B"]]
RECORDS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
CSV = "題號,題目,A,B,答案\n1,山多高？,很高,很低,A\n2,海多深？,很深,很淺,B\n".encode()


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=HEADER)


def xlsx(rows: list[list[Any]] | None = None) -> io.BytesIO:
    book = openpyxl.Workbook()
    for row in [HEADER, *(ROWS if rows is None else rows)]:
        book.worksheets[0].append(row)
    content = io.BytesIO()
    book.save(content)
    return content


def content(bank: QuestionBank) -> list[tuple[Any, ...]]:
    return [(q.id, q.stem, q.options, q.answer, str(q.source_id)) for q in bank]


EXPECTED = [
    ("1", "山多高？", ("很高", "很低"), (0,), "1"),
    ("2", "海多深？", ("很深", "很淺"), (1,), "2"),
]


def data_set(**columns: Any) -> datasets.Dataset:
    features = {
        "question": datasets.Value("string"),
        "choices": datasets.List(datasets.Value("string")),
        "answer": datasets.ClassLabel(names=["A", "B"]),
    }
    values = {
        "question": ["山多高？", "海多深？"],
        "choices": [["很高", "很低"], ["很深", "很淺"]],
        "answer": [0, 1],
    }
    features |= {name: feature for name, (feature, _) in columns.items()}
    values |= {name: value for name, (_, value) in columns.items()}
    return datasets.Dataset.from_dict(values, features=datasets.Features(features))


# --- open files ----------------------------------------------------------------------------------


class Upload:
    """A file as a web framework hands it over: it has a name, and can't be rewound."""

    def __init__(self, content: bytes, filename: str) -> None:
        self._stream = io.BytesIO(content)
        self.filename, self.name = filename, "field"

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)


@pytest.mark.parametrize(
    "file",
    [
        lambda: io.BytesIO(CSV),
        xlsx,
        lambda: io.BytesIO(b"\xef\xbb\xbf" + CSV),
        lambda: io.BytesIO(CSV.decode().encode("utf-16")),
        lambda: io.BytesIO(frame().to_json(orient="records").encode()),
        lambda: io.BytesIO(frame().to_json(orient="records", lines=True).encode()),
        lambda: io.BytesIO(frame().to_json(orient="records", indent=1).encode()),
        lambda: Upload(CSV, "bank.csv"),
        lambda: Upload(xlsx().getvalue(), "C:\\題庫\\bank.xlsx"),
    ],
)
def test_an_open_file_is_read_as_its_content_or_name_says(file: Callable[[], Any]) -> None:
    assert content(read_bank(file())) == EXPECTED


def test_an_open_file_is_read_from_its_beginning_and_stands_where_it_stood() -> None:
    file = xlsx()
    before = file.tell()
    assert before == len(file.getvalue())
    assert content(read_bank(file)) == content(read_bank(file)) == EXPECTED
    assert (file.tell(), file.closed) == (before, False)


def test_a_file_that_cant_be_rewound_is_read_from_where_it_stands(tmp_path: Path) -> None:
    file = Upload(b"// a comment\n" + CSV, "bank.csv")
    file.read(len(b"// a comment\n"))
    assert content(read_bank(file)) == EXPECTED


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (lambda: io.BytesIO(CSV), "<file>"),
        (lambda: Upload(CSV, "bank.csv"), "bank.csv"),
        (lambda: Upload(CSV, "../../etc/bank.csv"), "bank.csv"),
        (lambda: Upload(CSV, "C:\\題庫\\bank.csv"), "bank.csv"),
        (lambda: Upload(CSV, "a\x1bb.csv"), "ab.csv"),
    ],
)
def test_origins_say_an_open_file_s_own_name_without_folders(
    file: Callable[[], Any], name: str
) -> None:
    assert read_bank(file()).files == {name}


def test_a_file_opened_by_a_path_is_called_by_it(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_bytes(CSV)
    with path.open("rb") as file:
        assert read_bank(file) == read_bank(path)


def test_a_spooled_file_and_a_member_of_a_zip_are_read() -> None:
    with tempfile.SpooledTemporaryFile(max_size=10) as file:
        file.write(CSV)
        assert content(read_bank(file)) == EXPECTED
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("題庫/bank.xlsx", xlsx().getvalue())
    with zipfile.ZipFile(packed) as archive, archive.open("題庫/bank.xlsx") as member:
        bank = read_bank(member)
    assert content(bank) == EXPECTED
    assert bank.files == {"bank.xlsx"}
    with pytest.raises(ReadError, match=r"found a zip with 題庫/bank\.xlsx: give a file in it"):
        read_bank(packed)


class Awaited:
    async def read(self, size: int = -1) -> bytes:
        return CSV


def closed() -> io.BytesIO:
    file = io.BytesIO(CSV)
    file.close()
    return file


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (lambda: io.StringIO(CSV.decode()), r"open as text: open\(path, 'rb'\)"),
        (closed, "reading the open file failed .*closed file"),
        (Awaited, r"must be awaited: give the plain file in it \(upload\.file\)"),
        (lambda: io.BytesIO(b""), "found an empty file"),
        (lambda: io.BytesIO(b"%PDF-1.4"), "found a PDF"),
        (lambda: io.BytesIO(b"\x1f\x8b\x08"), "packed with gzip"),
        (lambda: io.BytesIO(b"PK\x03\x04broken"), "<file>: "),
    ],
)
def test_an_open_file_that_is_no_bank_is_refused(file: Callable[[], Any], expected: str) -> None:
    with pytest.raises(ReadError, match=expected):
        read_bank(file())


def test_an_open_file_is_copied_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "MAX_BYTES", 50)
    with pytest.raises(ReadError, match="<file>: more than 50 bytes; save it to a file"):
        read_bank(io.BytesIO(CSV))


class Interrupted(io.BytesIO):
    """Ctrl-C is pressed while its second piece is read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise KeyboardInterrupt
        return super().read(10)


@pytest.mark.parametrize("file", [Interrupted, io.BytesIO])
def test_the_temporary_copy_is_removed_whatever_happens(
    file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises((KeyboardInterrupt, ReadError)):
        read_bank(file("只有一段話，不是題庫。".encode() * 9))
    assert list(tmp_path.iterdir()) == []
    stream = stream_bank(io.BytesIO(CSV))
    next(stream)
    assert len(list(tmp_path.iterdir())) == 1
    stream.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_the_problems_of_an_upload_are_not_marked_in_another_workbook_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bank.xlsx").write_bytes(
        xlsx([[n, f"機密{n}", "甲", "乙", "A"] for n in range(9)]).getvalue()
    )
    upload = Upload(xlsx([*ROWS, [3, "沒有選項", None, None, "A"]]).getvalue(), "bank.xlsx")
    bank = read_bank(upload)
    write_problems(bank, "marked.xlsx")
    sheet = openpyxl.load_workbook("marked.xlsx").worksheets[0]
    assert [row[1] for row in sheet.values] == ["題目", "山多高？", "海多深？", "沒有選項"]
    assert sheet["C4"].comment is not None


# --- frames --------------------------------------------------------------------------------------


def test_a_frame_is_read_by_its_columns_and_its_rows_count_from_1() -> None:
    bank = read_bank(frame())
    assert content(bank) == EXPECTED
    assert [q.origin for q in bank] == [Origin("<DataFrame>", "", 1), Origin("<DataFrame>", "", 2)]
    assert bank.columns == {
        "id": "題號", "stem": "題目", "option1": "A", "option2": "B", "answer": "答案",
    }  # fmt: skip
    assert dict(bank.table.rows[Origin("<DataFrame>", "", 2)]) == RECORDS[1]
    assert stream_content(frame()) == EXPECTED


def stream_content(source: Any) -> list[tuple[Any, ...]]:
    return content(QuestionBank(q for q in stream_bank(source) if isinstance(q, Question)))


def test_the_cells_of_a_frame_are_shown_as_a_workbook_shows_them() -> None:
    cells: dict[str, list[Any]] = {
        "甲": [dt.date(2024, 5, 1), "2024/5/1"],
        "乙": [pd.Timestamp("2024-05-01 10:30"), "2024/5/1 10:30"],
        "丙": [decimal.Decimal("1.50"), "1.50"],
        "丁": [np.float32(0.5), "0.5"],
        "戊": [np.int64(7), "7"],
        "己": [True, "TRUE"],
        "庚": [3.0, "3"],
        "辛": [pd.Timedelta(minutes=90), "1:30:00"],
        "壬": [b"\xe5\xb1\xb1", "山"],
    }
    table = pd.DataFrame(
        {
            "題目": [f"{name}是什麼？" for name in cells],
            "A": [value for value, _ in cells.values()],
            "B": ["其他"] * len(cells),
        }
    )
    assert [q.options[0] for q in read_bank(table)] == [text for _, text in cells.values()]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT, decimal.Decimal("NaN")])
def test_what_is_missing_in_a_frame_is_an_empty_cell(missing: Any) -> None:
    table = pd.DataFrame({"題目": ["一？"], "A": ["甲"], "B": ["乙"], "C": [missing]}, dtype=object)
    assert [q.options for q in read_bank(table)] == [("甲", "乙")]


def test_numbers_and_categories_of_a_frame_are_keys_ids_and_subjects() -> None:
    table = frame()
    table["題號"] = [1.0, float("nan")]
    table["答案"] = pd.array([1, 2], dtype="Int64")
    table["科目"] = pd.Categorical(["山", "海"])
    bank = read_bank(table)
    assert [(q.id, q.answer, q.subject) for q in bank] == [("1", (0,), "山"), ("row2", (1,), "海")]


@pytest.mark.parametrize(
    ("name", "ids", "headers"),
    [
        (None, ["row1", "row2"], ("題目", "A", "B", "答案")),
        ("題號", ["x", "y"], ("題號", "題目", "A", "B", "答案")),
        ("qid_of_export", ["x", "y"], ("ID (qid_of_export)", "題目", "A", "B", "答案")),
    ],
)
def test_the_index_of_a_frame_is_its_id_if_it_has_a_name(
    name: str | None, ids: list[str], headers: tuple[str, ...]
) -> None:
    table = frame().drop(columns="題號").set_axis(["x", "y"]).rename_axis(name)
    bank = read_bank(table)
    assert [q.id for q in bank] == ids
    assert bank.table.headers == headers
    assert [q.id for q in read_bank(frame().set_axis(["x", "y"]).rename_axis(name))] == ["1", "2"]


def test_columns_of_several_levels_are_joined_and_equal_names_are_all_kept() -> None:
    table = frame()
    table.columns = pd.MultiIndex.from_tuples(
        [
            ("題號", "Unnamed: 0_level_1"),
            ("題目", ""),
            ("選項", "A"),
            ("選項", "B"),
            ("答案", "答案"),
        ]
    )
    assert content(read_bank(table)) == EXPECTED
    twice = pd.concat([frame(), frame()[["題目"]]], axis=1)
    assert read_bank(twice).table.headers == (*HEADER, "題目 (column F)")


def test_a_column_that_pandas_calls_unnamed_has_no_header() -> None:
    table = frame().rename(columns={"題號": "Unnamed: 0"})
    assert [q.id for q in read_bank(table)] == ["1", "2"]


def test_a_frame_whose_cells_hold_lists_is_read_as_records() -> None:
    table = pd.DataFrame(
        {
            "question": ["山多高？", "海多深？"],
            "choices": [np.array(["很高", "很低"]), ["很深", "很淺"]],
            "answer": ["A", "B"],
        }
    )
    assert [row[1:4] for row in content(read_bank(table))] == [row[1:4] for row in EXPECTED]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (pd.DataFrame([["一？", ["甲", "乙"]]]), r"only numbers \(0, 1\): name them"),
        (pd.DataFrame(), "found a DataFrame of nothing"),
        (pd.DataFrame({"甲": ["x"], "乙": ["y"]}), "no column of questions was recognised"),
    ],
)
def test_a_frame_that_is_no_bank_is_refused(table: pd.DataFrame, expected: str) -> None:
    with pytest.raises(ReadError, match=f"<DataFrame>: .*{expected}"):
        read_bank(table)


def test_a_header_may_be_in_a_row_of_a_frame_below_a_title() -> None:
    counted = pd.DataFrame([HEADER, *ROWS])
    titled = counted.set_axis(["第一次段考", *(f"Unnamed: {n}" for n in range(1, 5))], axis=1)
    for table in (counted, titled):
        bank = read_bank(table)
        assert content(bank) == EXPECTED
        assert [q.origin.row for q in bank if q.origin] == [2, 3]


def test_problems_of_a_frame_are_marked_in_its_rows(tmp_path: Path) -> None:
    table = pd.DataFrame([*ROWS, [3, "沒有選項", None, None, "A"]], columns=HEADER)
    write_problems(read_bank(table), tmp_path / "marked.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "marked.xlsx").worksheets[0]
    assert [cell.value for cell in sheet[4]] == [3, "沒有選項", None, None, "A"]
    assert sheet["C4"].comment is not None


# --- records and data sets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        lambda: RECORDS,
        lambda: tuple(RECORDS),
        lambda: iter(RECORDS),
        lambda: {name: [record[name] for record in RECORDS] for name in HEADER},
        lambda: frame().to_dict("list"),
        lambda: frame().to_dict(),
        lambda: {"題庫": RECORDS},
    ],
)
def test_dictionaries_are_read_as_json_of_the_same_content_is(source: Callable[[], Any]) -> None:
    assert content(read_bank(source())) == EXPECTED


def test_a_single_dictionary_is_a_record() -> None:
    assert content(read_bank(RECORDS[0])) == EXPECTED[:1]


def test_values_of_numpy_in_records_are_those_of_python() -> None:
    record = {
        "id": np.int64(12),
        "question": np.str_("山多高？"),
        "options": np.array(["很高", "很低"]),
        "answer": np.int64(1),
        "explanation": float("nan"),
        "subject": None,
    }
    (question,) = read_bank([record], answer_base=0)
    assert (question.id, question.options, question.answer) == ("12", ("很高", "很低"), (1,))
    assert question.explanation == ""


def test_a_value_that_is_none_of_json_is_refused_with_its_place() -> None:
    with pytest.raises(ReadError, match=r"<list>, item 2, '題目': expected text, .*found object"):
        read_bank([RECORDS[0], {**RECORDS[1], "題目": object()}])
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ReadError, match="nested too deeply"):
        read_bank([{"題目": endless}])


@pytest.mark.parametrize(
    "source",
    [
        data_set,
        lambda: data_set().with_format("numpy"),
        lambda: data_set().to_iterable_dataset(),
        lambda: data_set().to_pandas().replace({"answer": {0: "A", 1: "B"}}),
        lambda: data_set().with_transform(
            lambda rows: {**rows, "answer": ["AB"[index] for index in rows["answer"]]}
        ),
    ],
)
def test_a_data_set_is_read_with_its_classes_as_their_names(source: Callable[[], Any]) -> None:
    bank = read_bank(source())
    assert [row[1:4] for row in content(bank)] == [row[1:4] for row in EXPECTED]
    assert [q.origin.row for q in bank if q.origin] == [1, 2]


def test_a_class_of_minus_one_is_no_key() -> None:
    rows = data_set().to_list()
    table = datasets.Dataset.from_list([rows[0], {**rows[1], "answer": -1}])
    table = table.cast_column("answer", datasets.ClassLabel(names=["A", "B"]))
    bank = read_bank(table)
    assert [q.answer for q in bank] == [(0,), None]
    assert [p.code for p in bank.problems] == ["no_key"]


def test_several_splits_are_refused_with_their_names() -> None:
    splits = datasets.DatasetDict(train=data_set(), test=data_set())
    with pytest.raises(ReadError, match=r"splits 'train', 'test': choose one, as in dataset\['tra"):
        read_bank(splits)
    with pytest.raises(ReadError, match="choose one"):
        read_bank([splits, RECORDS])


def test_pictures_of_a_data_set_are_reported_and_tell_questions_apart() -> None:
    pictures = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    table = data_set(
        question=(datasets.Value("string"), ["圖中是什麼？"] * 2),
        choices=(datasets.List(datasets.Value("string")), [["山", "海"]] * 2),
        image=(datasets.Image(), pictures),
    )
    for source in (table, list(table), table.to_iterable_dataset()):
        bank = read_bank(source)
        assert [(p.row, p.column, p.code) for p in bank.problems] == [
            (1, "image", "picture"),
            (2, "image", "picture"),
        ]
        assert [q.stem.partition("(")[0] for q in bank] == ["圖中是什麼？\n![]"] * 2
        assert bank[0].stem != bank[1].stem


def test_options_that_are_pictures_are_an_error() -> None:
    pictures = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    table = data_set(choices=(datasets.List(datasets.Image()), [pictures, pictures]))
    assert {p.code for p in read_bank(table).problems} == {"picture", "image_options"}


# --- questions and banks -------------------------------------------------------------------------

ONE = Question("q", "誰？", ("甲", "乙"), answer=(0,))


def test_questions_and_banks_come_back_as_they_are() -> None:
    bank = QuestionBank([ONE], [RowProblem(3, "", "no_stem", "the stem is empty", file="a.csv")])
    assert read_bank(bank) is bank
    assert list(read_bank(ONE)) == list(read_bank([ONE])) == list(read_bank(iter([ONE]))) == [ONE]
    assert list(stream_bank(bank)) == [*bank.problems, ONE]
    with pytest.raises(QuestionError, match="two questions have the id 'q'"):
        read_bank([ONE, ONE])


@pytest.mark.parametrize("source", [ONE, [ONE], QuestionBank([ONE]), [QuestionBank([ONE]), [ONE]]])
def test_arguments_of_reading_are_refused_where_nothing_is_left_to_read(source: Any) -> None:
    for read in (read_bank, lambda *given, **reading: list(stream_bank(*given, **reading))):
        with pytest.raises(ReadError, match=r"^sheets: only for what is still to be read.*Builder"):
            read(source, sheets=["甲"])


# --- several -------------------------------------------------------------------------------------


def two_files(folder: Path) -> list[Path]:
    paths = [folder / name / "bank.csv" for name in ("上", "下")]
    for path in paths:
        path.parent.mkdir()
    paths[0].write_bytes(CSV)
    paths[1].write_text(
        "題號,題目,A,B,答案\n1,河多長？,長,短,A\n,,,,\n3,湖呢？,,,A\n", encoding="utf-8"
    )
    return paths


def test_several_files_are_one_bank_whose_ids_name_their_file(tmp_path: Path) -> None:
    paths = two_files(tmp_path)
    bank = read_bank(paths)
    assert [(q.id, q.source_id) for q in bank] == [("1", "1"), ("2", "2"), ("bank:1", "1")]
    assert bank.files == {str(path) for path in paths}
    assert [(p.file, p.row, p.position) for p in bank.problems] == [(str(paths[1]), 4, 3)]
    assert len(bank.table.rows) == 4
    assert bank == read_bank(paths[0]) + read_bank(paths[1])
    assert [q.id for q in stream_bank(paths) if isinstance(q, Question)] == [q.id for q in bank]


def test_what_repeats_or_contradicts_another_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("題目,A,B,答案\n山多高？,很高,很低,A\n海多深？,很深,很淺,A\n", encoding="utf-8")
    bank = read_bank([io.BytesIO(CSV), path])
    assert [q.stem for q in bank] == ["山多高？", "山多高？"]
    assert [(p.code, p.file) for p in bank.problems] == [
        ("two_keys", "<file>"),
        ("duplicate", str(path)),
        ("two_keys", str(path)),
    ]
    assert bank.problems[1].message.endswith("in row 2 of <file> already")
    assert read_bank([bank, [ONE]]).problems == bank.problems


def test_each_of_several_sources_has_a_name_of_its_own() -> None:
    bank = read_bank([frame(), RECORDS, Upload(CSV, "b.csv"), frame(), Upload(CSV, "b.csv")])
    names = dict.fromkeys(q.origin.file for q in bank if q.origin)
    assert list(names) == ["<DataFrame>", "<list>", "b.csv", "<DataFrame 2>", "b (2).csv"]
    assert [q.id for q in bank if str(q.source_id) == "1"] == [
        "1", "list:1", "b:1", "DataFrame 2:1", "b (2):1",
    ]  # fmt: skip
    assert {
        q.stem: row["題目"] for q in bank if q.origin and (row := bank.table.rows.get(q.origin))
    } == {
        "山多高？": "山多高？",
        "海多深？": "海多深？",
    }


def test_an_upload_of_a_file_s_name_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("b.json").write_text('[{"question": "幾歲？", "A": "三", "B": "四"}]', encoding="utf-8")
    bank = read_bank(
        [
            "b.json",
            Upload(CSV, "b.json.csv"),
            Upload(b'{"question": "?", "A": "1", "B": "2"}', "b.json"),
        ]
    )
    assert [q.origin.file for q in bank if q.origin] == [
        "b.json",
        "b.json.csv",
        "b.json.csv",
        "b (2).json",
    ]


def test_sheets_with_the_same_ids_give_ids_with_the_sheet_in_front(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "甲"
    for sheet in (book.worksheets[0], book.create_sheet("乙")):
        sheet.append(HEADER)
        for number in (12, 13, 12):
            sheet.append([number, f"{sheet.title}{number}？", "是", "否", "A"])
    book.save(tmp_path / "bank.xlsx")
    bank = read_bank(tmp_path / "bank.xlsx")
    assert [q.id for q in bank] == ["12", "13", "12#2", "乙:12", "乙:13", "乙:12#2"]
    assert [q.source_id for q in bank] == [12, 13, 12] * 2


def test_a_saved_bank_is_joined_like_another(tmp_path: Path) -> None:
    save_bank(read_bank(io.BytesIO(CSV)), tmp_path / "saved.jsonl")
    bank = read_bank([tmp_path / "saved.jsonl", [ONE], ONE])
    assert [q.id for q in bank] == ["1", "2", "q", "q#2"]
    assert [p.code for p in bank.problems] == ["duplicate"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ([], "found an empty list"),
        (iter(()), "found an empty tuple_iterator"),
        ([frame(), []], "found an empty list"),
        (["nowhere.csv", RECORDS], "nowhere.csv: no such file"),
        (["a.csv", Path("a.csv")], r"a\.csv.*is given twice"),
        ([QuestionBank([ONE])] * 2, "is given twice"),
        (3, r"expected questions as .*found 3 \(int\)"),
        (None, "found None"),
        (b"bank", r"found bytes: give io\.BytesIO"),
        ({"a.csv"}, "found a set, which has no order"),
        ([1, 2], r"found 1 \(int\)"),
        ([HEADER, *ROWS], r"found a list with \['題號', '題目'"),
        (frame()["題目"], "found a Series: give the whole DataFrame"),
        ({"甲": frame()}, r"give list\(frames\.values\(\)\)"),
        ("https://example.org/bank.csv", "which is not fetched: download it"),
        ("題目,A\n一？,甲", r"found a text; .*io\.BytesIO\(text\.encode\(\)\)"),
        ('[{"question": "一？"}]', "found a text"),
        (zipfile.ZipFile(io.BytesIO(), "w"), r"found a ZipFile: give a member of it"),
        (zipfile.Path(zipfile.ZipFile(io.BytesIO(), "w"), "a.csv"), r"give its open\('rb'\)"),
        ("", "found an empty text as a path"),
        (os.fsencode("a.csv"), "found bytes"),
        ({}, "expected a list of questions"),
        (".", "found a folder; name the file in it"),
    ],
)
def test_what_no_bank_is_read_from_is_refused(source: Any, expected: str) -> None:
    with pytest.raises(ReadError, match=expected):
        read_bank(source)


def test_a_stream_needs_what_can_be_read_twice() -> None:
    with pytest.raises(ReadError, match=r"reads its source twice, .*give a list"):
        list(stream_bank(iter(RECORDS)))
    assert stream_content(io.BytesIO(CSV)) == EXPECTED
    assert stream_content(Upload(CSV, "a.csv")) == EXPECTED
    assert [row[1:4] for row in stream_content(data_set())] == [row[1:4] for row in EXPECTED]


def test_a_path_in_brackets_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[草稿] bank.csv").write_bytes(CSV)
    assert content(read_bank("[草稿] bank.csv")) == EXPECTED


# --- properties ----------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=6)
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.dates(), st.decimals(),
    st.lists(TEXTS, max_size=3), st.binary(max_size=4).map(bytes),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, CELLS, CELLS, CELLS), min_size=1, max_size=4))
def test_any_frame_gives_questions_and_problems_or_one_error(rows: list[tuple[Any, ...]]) -> None:
    table = pd.DataFrame(rows, columns=["題目", "A", "B", "答案"], dtype=object)
    for source in (table, table.to_dict("records")):
        try:
            bank = read_bank(source)
        except (ReadError, ColumnsError):
            continue
        seen = {q.origin.row for q in bank if q.origin} | {p.row for p in bank.problems}
        empty = {n for n, row in enumerate(rows, 1) if not any(_holds(value) for value in row)}
        assert set(range(1, len(rows) + 1)) - empty <= seen


def _holds(value: Any) -> bool:
    if isinstance(value, decimal.Decimal):
        return not value.is_nan()
    if isinstance(value, float):
        return not math.isnan(value)
    return value is not None and value not in ("", b"", [])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["1", "2", "甲:1", "甲:2", "1#2"]), max_size=8), st.integers(0, 8))
def test_joined_ids_are_unique_and_the_first_keeps_its_own(ids: list[str], cut: int) -> None:
    def bank(names: list[str], file: str) -> QuestionBank:
        unique = dict.fromkeys(names)
        return QuestionBank(
            Question(name, f"{file}{name}？", ("是", "否"), origin=Origin(file, "甲", 2))
            for name in unique
        )

    parts = [bank(ids[:cut], "甲.csv"), bank(ids[cut:], "乙.csv"), bank(ids, "乙.csv")]
    joined = sum(parts[1:], parts[0])
    assert [q.id for q in joined][: len(parts[0])] == [q.id for q in parts[0]]
    assert len({q.id for q in joined}) == len(joined) == sum(map(len, parts))
    assert [q.id for q in (parts[0] + parts[1]) + parts[2]] == [q.id for q in joined]


def test_an_array_without_dimensions_is_refused_as_what_it_is() -> None:
    with pytest.raises(ReadError, match="ndarray"):
        read_bank(np.array(3))


def test_an_archive_of_nothing_is_refused_as_one() -> None:
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    with pytest.raises(ReadError, match="a zip with nothing in it"):
        read_bank(content)
