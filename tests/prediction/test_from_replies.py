"""Replies from elsewhere become predictions, whatever holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from conftest import WriteXlsx
from zhmcq import Predictions, compare
from zhmcq.errors import ColumnsError, PluginError, PredictionError, ReadError, UnknownNameError
from zhmcq.parsers import ParsedAnswer
from zhmcq.questions import Question, QuestionBank, RowProblem

SEASONS = ("春天", "夏天", "秋天", "冬天")
BANK = QuestionBank(
    [
        Question("q1", "一年中哪個季節最熱？", SEASONS, answer=(1,), source_id=101),
        Question("q2", "一年中哪個季節最冷？", SEASONS, answer=(3,), source_id="X-2"),
        Question("q3", "哪些季節不冷不熱？", SEASONS, answer=(0, 2), kind="multiple"),
    ]
)
REPLIES = {"q1": "夏天最熱，故選B。", "q2": "答案是 C", "q3": "選 A、C"}


def labels(predictions: Predictions) -> list[str]:
    return [item.label or item.status for item in predictions]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_lines(path: Path, *records: Any) -> Path:
    return write(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def test_replies_by_id_are_read_and_counted_like_our_own() -> None:
    predictions = Predictions.from_replies(BANK, REPLIES)
    assert labels(predictions) == ["B", "C", "AC"]
    first = predictions[0]
    assert (first.reply, first.reason) == ("夏天最熱，故選B。", "decided by the rule 'choose'")
    assert (first.confidence, first.scores) == (None, ())
    assert predictions.evaluate().accuracy == pytest.approx(2 / 3)


def test_a_source_id_names_a_question_too() -> None:
    predictions = Predictions.from_replies(BANK, {101: "B", " X-2 ": "D"})
    assert labels(predictions) == ["B", "D", "missing"]


def test_a_missing_reply_counts_as_not_right_and_an_empty_one_is_none() -> None:
    predictions = Predictions.from_replies(BANK, {"q1": "B", "q2": " \n"})
    assert [item.status for item in predictions] == ["answered", "none", "missing"]
    assert [item.reason for item in predictions[1:]] == [
        "the reply is empty",
        "no reply was given",
    ]
    evaluation = predictions.evaluate()
    assert evaluation.accuracy == pytest.approx(1 / 3)
    assert evaluation.coverage == pytest.approx(1 / 3)


def test_a_list_is_in_the_order_of_the_bank() -> None:
    assert labels(Predictions.from_replies(BANK, ["B", None, ""])) == ["B", "missing", "none"]


@pytest.mark.parametrize("replies", [[], ["B"], ["B", "D", "AC", "A"]])
def test_a_list_of_another_length_is_refused(replies: list[str]) -> None:
    message = rf"each of the bank's 3 questions in their order .* found {len(replies)}; give a dict"
    with pytest.raises(PredictionError, match=message):
        Predictions.from_replies(BANK, replies)


def test_replies_for_other_questions_are_refused_by_name() -> None:
    replies = {f"z{number}": "A" for number in range(8)} | {"q1": "B"}
    message = r"found 'z0', 'z1', 'z2', 'z3', 'z4' and 3 more; give the bank that was answered"
    with pytest.raises(PredictionError, match=message):
        Predictions.from_replies(BANK, replies)


def test_two_replies_for_one_question_are_refused() -> None:
    with pytest.raises(PredictionError, match="found a second one for '101'; keep the one"):
        Predictions.from_replies(BANK, {"q1": "B", "101": "B"})


def test_a_source_id_of_several_questions_names_none() -> None:
    parts = [Question(f"7-{part}", "最熱？", SEASONS, source_id=7) for part in (1, 2)]
    with pytest.raises(
        PredictionError, match="'7' is the source's id of 2 questions, '7-1', '7-2'"
    ):
        Predictions.from_replies(parts, {7: "B"})
    assert labels(Predictions.from_replies(parts, {"7-1": "B", "7-2": "A"})) == ["B", "A"]


def test_a_reply_for_an_unusable_row_is_passed_over() -> None:
    problem = RowProblem(3, "", "no_stem", "the question is empty", source_id=103, position=1)
    bank = QuestionBank(BANK[:1], [problem])
    assert labels(Predictions.from_replies(bank, {101: "B", 103: "A"})) == ["B"]


@pytest.mark.parametrize(
    "header",
    ["id,reply", "ID,Response", "題號,回覆", "题目编号,模型回答", "custom_id,output", "ID,Answer"],
)
def test_a_csv_file_is_read_by_its_headers(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "r.csv", f'{header}\n101,"夏天，\n故選B。"\nX-2,D\nq3,\n')
    assert labels(Predictions.from_replies(BANK, path)) == ["B", "D", "none"]


def test_other_headers_are_named_by_the_caller(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "Nr,GPT,key\n101,B,D\n")
    columns = {"id": "Nr", "reply": "GPT"}
    assert labels(Predictions.from_replies(BANK, str(path), columns=columns))[0] == "B"
    with pytest.raises(ColumnsError, match=r"expected a column with the id, found 'Nr', 'GPT'"):
        Predictions.from_replies(BANK, write(tmp_path / "s.csv", "Nr,GPT\n101,B\n"))
    with pytest.raises(ColumnsError, match="the column 'gpt' that columns= names, found 'Nr'"):
        Predictions.from_replies(BANK, path, columns={"id": "Nr", "reply": "gpt"})
    wrong: Any
    for wrong in ({"stem": "Nr"}, ["Nr", "GPT"]):
        with pytest.raises(ColumnsError, match="expected the keys 'id' and 'reply'"):
            Predictions.from_replies(BANK, path, columns=wrong)


def test_two_columns_of_replies_are_not_guessed_between(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "id,reply,response\nq1,A,B\n")
    with pytest.raises(ColumnsError, match="found 'reply', 'response'; say which by columns="):
        Predictions.from_replies(BANK, path)


def test_a_column_of_keys_is_not_taken_for_the_replies(tmp_path: Path) -> None:
    path = write(tmp_path / "r.csv", "id,answer,reply\nq1,B,選A\n")
    assert labels(Predictions.from_replies(BANK, path))[0] == "A"


def test_a_workbook_is_read(tmp_path: Path, write_xlsx: WriteXlsx) -> None:
    path = write_xlsx([["題號", "回覆"], [101, "選B"], ["X-2", None]])
    assert labels(Predictions.from_replies(BANK, path)) == ["B", "none", "missing"]


def test_a_data_frame_is_read_though_pandas_makes_floats_of_ids() -> None:
    frame = pd.DataFrame({"ID": [101.0], "Reply": ["選B"], "cost": [0.1]})
    assert labels(Predictions.from_replies(BANK, frame))[0] == "B"
    frame = pd.DataFrame({"id": ["q1", "q2"], "reply": ["選B", None]})
    assert labels(Predictions.from_replies(BANK, frame)) == ["B", "none", "missing"]


def test_json_lines_and_documents_are_read(tmp_path: Path) -> None:
    records = [
        {"id": "q1", "reply": "選B"},
        {"id": "q2", "reply": "D"},
        {"id": "q3", "reply": None},
    ]
    lines = write_lines(tmp_path / "r.jsonl", *records)
    document = write(tmp_path / "r.json", json.dumps(records))
    mapping = write(tmp_path / "m.json", json.dumps(REPLIES))
    for replies in (lines, document, records):
        assert labels(Predictions.from_replies(BANK, replies)) == ["B", "D", "none"]
    assert labels(Predictions.from_replies(BANK, mapping)) == ["B", "C", "AC"]


def openai(key: str, content: Any, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None}
    body = {"id": "chatcmpl-1", "choices": [{"index": 0, "message": message}, {"message": "x"}]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    return {"id": "batch_req_1", "custom_id": key, "response": response, "error": None, **fields}


@pytest.mark.parametrize(
    "record",
    [
        openai("q1", "選B"),
        openai("q1", [{"type": "text", "text": "選"}, {"type": "text", "text": "B"}]),
        {
            "custom_id": "q1",
            "response": {
                "status_code": 200,
                "body": {
                    "output": [
                        {"type": "reasoning", "content": [{"type": "text", "text": "選A"}]},
                        {"type": "message", "content": [{"type": "output_text", "text": "選B"}]},
                    ]
                },
            },
        },
        {
            "custom_id": "q1",
            "result": {
                "type": "succeeded",
                "message": {
                    "content": [
                        {"type": "thinking", "thinking": "選A"},
                        {"type": "text", "text": "選B"},
                    ]
                },
            },
        },
        {
            "key": "q1",
            "response": {
                "candidates": [
                    {"content": {"parts": [{"text": "選A", "thought": True}, {"text": "選B"}]}}
                ]
            },
        },
        {"custom_id": "q1", "response": {"body": {"choices": [{"text": "選B"}]}}},
        {
            "id": "q1",
            "messages": [
                {"role": "user", "content": "選A還是選B？"},
                {"role": "assistant", "content": "選B"},
            ],
        },
    ],
)
def test_the_results_of_hosted_batches_are_read(tmp_path: Path, record: dict[str, Any]) -> None:
    predictions = Predictions.from_replies(BANK, write_lines(tmp_path / "b.jsonl", record))
    assert predictions[0].reply == "選B"
    assert predictions[0].label == "B"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (
            openai("q1", "", response=None, error={"code": "batch_expired", "message": "too late"}),
            "the request failed: too late",
        ),
        (
            {"custom_id": "q1", "response": {"status_code": 429, "body": {}}},
            "the request failed with status 429",
        ),
        (
            {"custom_id": "q1", "result": {"type": "expired"}},
            "the request was not answered: expired",
        ),
    ],
)
def test_a_request_that_failed_has_no_reply(record: dict[str, Any], reason: str) -> None:
    first = Predictions.from_replies(BANK, [record])[0]
    assert (first.status, first.reason) == ("missing", reason)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.csv", "", "r.csv: expected replies, found an empty file"),
        ("r.jsonl", '{"id": "q1", "reply": "B"}\n{"id": ', "r.jsonl, line 2: expected json"),
        ("r.jsonl", '{"id": "q1", "id": "q2", "reply": "B"}', "the name 'id' is there twice"),
        ("r.jsonl", '["q1", "B"]', r"line 1: expected an object with an id and a reply"),
        ("r.json", "3", "expected a list of objects with an id and a reply"),
        ("r.doc", "x", "found '.doc'"),
    ],
)
def test_a_file_that_is_no_list_of_replies_is_refused(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(ReadError, match=message):
        Predictions.from_replies(BANK, write(tmp_path / name, text))


def test_a_deeply_nested_result_is_an_empty_reply() -> None:
    value: Any = "選B"
    for _ in range(500):
        value = {"content": value}
    predictions = Predictions.from_replies(BANK, [{"id": "q1", "reply": value}])
    assert predictions[0].status == "none"


@pytest.mark.parametrize("replies", [5, None, b"q1", {"q1": 3}, ["B", 2, None]])
def test_what_holds_no_replies_is_refused(replies: Any) -> None:
    with pytest.raises(PredictionError, match="replies"):
        Predictions.from_replies(BANK, replies)


class Always:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def parse(self, text: str, question: Question) -> Any:
        return self.answer


def test_predictions_that_were_written_are_read_again(tmp_path: Path) -> None:
    problem = RowProblem(3, "", "no_stem", "the question is empty", source_id=103, position=1)
    bank = QuestionBank(BANK, [problem])
    predictions = Predictions.from_replies(bank, REPLIES)
    predictions.to_json(tmp_path / "p.json")
    predictions.to_csv(tmp_path / "p.csv")
    assert labels(Predictions.from_replies(bank, tmp_path / "p.json")) == ["B", "C", "AC"]
    assert labels(Predictions.from_replies(bank, tmp_path / "p.csv")) == ["B", "C", "AC"]


def test_half_a_character_in_a_reply_is_written_to_every_file(tmp_path: Path) -> None:
    predictions = Predictions.from_replies(BANK, {"q1": "\ud800選B\x1b[31m"})
    predictions.to_json(tmp_path / "p.json")
    predictions.to_xlsx(tmp_path / "p.xlsx")
    assert predictions[0].label == "B"


def test_any_parser_reads_the_replies() -> None:
    assert labels(Predictions.from_replies(BANK[:1], ["大概是夏天"], "strict")) == ["none"]
    third = Always(ParsedAnswer((2,), "answered"))
    assert labels(Predictions.from_replies(BANK[:1], ["B"], third)) == ["C"]
    with pytest.raises(UnknownNameError, match="strict"):
        Predictions.from_replies(BANK, REPLIES, "strikt")
    with pytest.raises(PluginError, match=r"question 'q1'.*Always"):
        Predictions.from_replies(BANK[:1], ["B"], Always(None))


def test_the_labels_that_a_prompt_showed_are_read() -> None:
    stems = Question("q", "最熱？", SEASONS, labels=tuple("甲乙丙丁"))
    assert labels(Predictions.from_replies([stems], ["選項二"], prompt="zh-exam")) == ["乙"]


def test_replies_are_compared_with_other_predictions() -> None:
    base = Predictions.from_replies(BANK, {"q1": "A", "q2": "A", "q3": "AC"})
    tuned = Predictions.from_replies(BANK, REPLIES | {"q2": "D"})
    comparison = compare(base, tuned)
    assert comparison.base.accuracy == pytest.approx(1 / 3)
    assert comparison.tuned.accuracy == 1.0


def test_a_bank_may_be_a_file(tmp_path: Path, write_xlsx: WriteXlsx) -> None:
    header = ["題號", "問題", "選項1", "選項2", "選項3", "正確答案"]
    path = write_xlsx(
        [header, [1, "一加一？", "一", "二", "三", 2], [2, "二加一？", "一", "二", "三", 3]]
    )
    assert labels(Predictions.from_replies(path, {1: "二", 2: "選項三"})) == ["2", "3"]
