"""Every function that takes questions or a bank says what it takes, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zhmcq
from zhmcq import checks, evaluation
from zhmcq.dataset import Splits
from zhmcq.errors import OutputError, PredictionError, QuestionError, SplitError, ZhmcqError
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, save_bank, stream_bank
from zhmcq.reports import write_problems

ONE = Question("q", "誰？", ("甲", "乙"), answer=(0,))
BANK = QuestionBank([ONE])
WRONG: list[Any] = ["bank.csv", None, 3, [{"question": "誰？"}], [1], {"question": "誰？"}, b"bank"]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    ("function", "error"),
    [
        (checks.settle_repeats, QuestionError),
        (checks.describe, QuestionError),
        (checks.problem_table, QuestionError),
        (checks.answer_balance, QuestionError),
        (checks.question_clusters, QuestionError),
        (lambda wrong: checks.find_overlap(wrong, BANK), QuestionError),
        (lambda wrong: checks.find_overlap(BANK, wrong), QuestionError),
        (zhmcq.DatasetBuilder().split, SplitError),
        (lambda wrong: save_bank(wrong, "bank.json"), OutputError),
        (lambda wrong: write_problems(wrong, "bank.xlsx"), OutputError),
    ],
)
def test_what_is_no_bank_is_refused_with_what_was_found(
    function: Callable[[Any], object], error: type[ZhmcqError], wrong: Any
) -> None:
    message = f"expected a QuestionBank, such as read_bank.*, found {type(wrong).__name__}$"
    with pytest.raises(error, match=message):
        function(wrong)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: QuestionBank("abc"), r"questions='abc'\): expected a list of Question"),  # type: ignore[arg-type]
        (lambda: QuestionBank(ONE), "expected a list of Question objects, found Question"),  # type: ignore[arg-type]
        (lambda: QuestionBank(None), "expected a list of Question objects, found NoneType"),  # type: ignore[arg-type]
        (lambda: QuestionBank([1]), r"found one with 1 \(int\); read_bank"),  # type: ignore[list-item]
        (lambda: QuestionBank([{"stem": "誰？"}]), r"\(dict\); read_bank"),  # type: ignore[list-item]
        (lambda: QuestionBank([ONE], problems="x"), "problems='x'.*list of RowProblem objects"),  # type: ignore[arg-type]
        (lambda: QuestionBank([ONE], problems=["x"]), "list of RowProblem objects, found one"),  # type: ignore[list-item]
        (lambda: QuestionBank([ONE], columns="x"), "columns='x'.*dictionary of field → header"),  # type: ignore[arg-type]
        (lambda: QuestionBank([ONE], table="x"), "table='x'.*expected a SourceTable"),  # type: ignore[arg-type]
        (lambda: BANK + "x", r"bank \+ 'x': expected a QuestionBank or a list of Question"),  # type: ignore[operator]
        (lambda: BANK + 3, r"bank \+ 3: expected a QuestionBank"),  # type: ignore[operator]
        (lambda: BANK + iter([1]), "found one with 1"),  # type: ignore[operator]
        (lambda: BANK["q"], r"bank\['q'\]: expected an index from 0 or a slice; for an id"),  # type: ignore[call-overload]
        (lambda: BANK.select("ab"), r"bank\.select\('ab'\): expected indexes from 0"),  # type: ignore[arg-type]
        (lambda: BANK.select([True]), r"expected indexes from 0, .*found True \(bool\)"),
        (lambda: BANK.select(["q"]), "expected indexes from 0, .*found 'q'"),  # type: ignore[list-item]
        (lambda: BANK.select(0), "expected indexes from 0, .*found int"),  # type: ignore[arg-type]
        (lambda: BANK.filter("x"), r"bank\.filter\('x'\): expected a function"),  # type: ignore[arg-type]
        (lambda: BANK.sample("3"), r"count='3'\): expected a whole number of 0 or more"),  # type: ignore[arg-type]
        (lambda: BANK.sample(-1), r"count=-1\): expected a whole number of 0 or more"),
        (lambda: BANK.sample(0.5), r"count=0\.5\): expected a whole number"),  # type: ignore[arg-type]
        (lambda: BANK.sample(1, seed="x"), r"seed='x'\): expected a whole number"),  # type: ignore[arg-type]
        (lambda: checks.near_copy_clusters("ab"), "expected a list of texts, found str"),
        (lambda: checks.near_copy_clusters([1]), "expected a list of texts, found 1"),  # type: ignore[list-item]
    ],
)
def test_an_argument_of_another_type_is_refused(call: Callable[[], object], expected: str) -> None:
    with pytest.raises(QuestionError, match=expected):
        call()


@pytest.mark.parametrize("wrong", [None, 3, "predictions.csv", [1]])
def test_answers_are_compared_and_evaluated_if_they_are_answers(wrong: Any) -> None:
    with pytest.raises(PredictionError, match=r"compare\(…\): expected Predictions, .*found "):
        zhmcq.compare(wrong, wrong)
    with pytest.raises(PredictionError, match=r"expected a list of Outcome"):
        evaluation.evaluate_outcomes(wrong)


@pytest.mark.parametrize("path", [None, 3, b"bank.xlsx"])
def test_what_is_no_path_to_write_to_is_refused(path: Any) -> None:
    for write in (save_bank, write_problems):
        with pytest.raises(OutputError, match=f"expected a path, found {type(path).__name__}"):
            write(BANK, path)


@pytest.mark.parametrize("path", [None, 3, b"splits"])
def test_what_is_no_folder_of_splits_is_refused(path: Any) -> None:
    with pytest.raises(ZhmcqError, match="expected the path of a folder, found "):
        Splits.load(path)


@pytest.mark.parametrize("wrong", [3, None, b"bank", {1}, "https://example.org/bank.csv", "a\nb"])
def test_all_that_read_refuse_the_same(wrong: Any) -> None:
    messages = set()
    for read in (read_bank, zhmcq.DatasetBuilder().read, lambda given: list(stream_bank(given))):
        with pytest.raises(ZhmcqError) as caught:
            read(wrong)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZhmcqError, match="found a folder; name the file in it"):
        read_bank(tmp_path)
