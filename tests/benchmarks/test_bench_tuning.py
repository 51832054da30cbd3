"""The benchmarks of training, run on a tiny model: that they run, and what their figures mean."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhmcq.prompts import register_prompt
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import isolated_plugins, tiny_llama

with isolated_plugins():  # no other test shall know the prompt that they register
    import bench_objectives
    import bench_orders
    import bench_shuffling
    import tuning

PLACES = ("山上", "海邊", "家裡", "學校")
WORDS = "子丑寅卯辰巳午未申酉戌亥甲乙丙丁戊己庚辛壬癸天地玄黃宇宙洪荒"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with isolated_plugins():
        register_prompt("listed-texts")(tuning.ListedTexts)
        yield


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A tiny model and a workbook of 30 questions, as arguments."""
    import openpyxl

    folder = tmp_path_factory.mktemp("tuning")
    tiny_llama(folder / "model")
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4", "正確答案"])
    for i, who in enumerate(WORDS):
        passage = "".join(WORDS[(i * step) % len(WORDS)] for step in range(1, 12)) + f"在{who}。"
        sheet.append([i + 1, passage, f"{who}在哪裡？", *PLACES, i % 4 + 1])
    book.save(folder / "bank.xlsx")
    sizes = ["--questions", "8", "--validation", "6", "--rank", "2"]
    return ["--model", str(folder / "model"), "--train", str(folder / "bank.xlsx"), *sizes]


def test_the_two_sets_share_no_passage_and_can_be_asked_in_any_order(given: list[str]) -> None:
    parsed = tuning.arguments("").parse_args(given)
    train, validation = tuning.draw_sets(parsed)
    assert (len(train), len(validation)) == (8, 6)
    assert not {one.passage for one in train} & {one.passage for one in validation}


def test_a_turned_question_has_its_key_moved_along() -> None:
    question = Question("q", "？", PLACES, answer=(1,))
    keys = []
    for turn in range(4):
        other = tuning.turned(question, turn)
        assert other.answer is not None
        keys.append((other.answer[0], other.options[other.answer[0]]))
    assert keys == [(1, "海邊"), (0, "海邊"), (3, "海邊"), (2, "海邊")]
    assert tuning.turned(question, 1).options == ("海邊", "家裡", "學校", "山上")


def test_answers_by_text_are_the_same_in_every_order(given: list[str]) -> None:
    parsed = tuning.arguments("").parse_args(given)
    _, validation = tuning.draw_sets(parsed)
    answered = tuning.answer(parsed, validation, "zh-cloze")
    assert answered.stability.share == 1.0
    assert len({one.evaluate().accuracy for one in answered.orders}) == 1


def test_answering_always_with_the_first_label_is_not_stable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import zhmcq
    from zhmcq.prediction import Prediction

    class First:
        def __init__(self, *args: object, **kwargs: object) -> None: ...

        def predict(self, bank: QuestionBank) -> list[Prediction]:
            return [Prediction(one.id, (0,), one.labels[0]) for one in bank]

    monkeypatch.setattr(zhmcq, "MCQPredictor", First)
    bank = QuestionBank([Question("q", "？", PLACES, answer=(1,))])
    parsed = argparse.Namespace(model="none", max_length=64)
    answered = tuning.answer(parsed, bank, "zh-exam")
    assert answered.stability.share == 0.0
    assert [one.label for one in answered.stability.outcomes()] == [""]


def table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_benchmark_of_shuffling_prints_three_rows_and_paired_differences(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_shuffling.main(given) == 0
    printed = capsys.readouterr().out
    rows = table(printed)
    assert [row[0] for row in rows] == ["untrained", "not shuffled", "shuffled"]
    assert all(len(row) == 7 and row[-1].endswith("%") for row in rows)
    assert printed.count("sign-flip p") == 5


def test_the_benchmark_of_objectives_prints_one_table(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_objectives.main(given) == 0
    rows = table(capsys.readouterr().out)
    assert [row[:2] for row in rows] == [
        ["label", "untrained"],
        ["text", "untrained"],
        ["label", "next_token"],
        ["label", "contrastive"],
        ["text", "next_token"],
        ["text", "contrastive"],
    ]
    assert [row[4] == "—" for row in rows] == [True, True, False, False, False, False]


@pytest.mark.parametrize("prompt", ["zh-exam", "listed-texts"])
def test_orders_are_measured_with_an_adapter_that_is_trained_first(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], prompt: str
) -> None:
    sizes = ["--count", "8", "--repeats", "1", "--train", "8", "--rank", "2"]
    options = ["--adapter", str(tmp_path / "adapter"), "--prompt", prompt]
    assert bench_orders.main([*given[:2], "--questions", given[3], *sizes, *options]) == 0
    printed = capsys.readouterr().out
    rows = [line.split("|")[1:4] for line in printed.splitlines() if line.startswith("| ")]
    assert [name.strip() for name, *_ in rows[1:]] == ["1", "2", "4", "prior"]
    # Answers by text have no label prior: they are computed in one order.
    assert (rows[1][1:] == rows[4][1:]) == (prompt == "listed-texts")
    assert "8 of 8 questions answered in several orders" in printed
