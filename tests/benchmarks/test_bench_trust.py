"""The simulations and measurements of trust, run small: what their figures mean."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import pytest

from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import isolated_plugins, tiny_llama

with isolated_plugins():  # no other test shall know the prompt that they register
    import coverage
    import promises
    import trust_figures

WORDS = "子丑寅卯辰巳午未申酉戌亥甲乙丙丁戊己庚辛壬癸天地"


# --- coverage.py ---------------------------------------------------------------------------------


def test_questions_of_a_passage_are_answered_as_alike_as_the_design_says() -> None:
    draw = np.random.default_rng(0)
    pairs: list[tuple[bool, bool]] = []
    design = coverage.Design(400, 2, 2, 0.8, 0.3)
    for _ in range(20):
        clusters = design.clusters(draw)
        assert clusters == [number // 2 for number in range(800)]
        right = design.answers(clusters, draw)
        pairs += zip(right[::2], right[1::2], strict=True)
    first, second = np.array(pairs, dtype=float).T
    assert first.mean() == pytest.approx(0.8, abs=0.02)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.3, abs=0.04)


def test_intervals_that_take_questions_as_independent_hold_less_often() -> None:
    figures = coverage.simulate(coverage.Design(60, 5, 5, 0.8, 0.9), banks=60, seed=0)
    # Five answers that are nearly one: the interval of 300 questions is about half as wide.
    assert figures.plain < 0.8
    assert figures.accuracy > 0.85
    assert figures.difference > 0.85
    assert figures.rejected < 0.2


def test_one_question_a_passage_has_one_interval() -> None:
    figures = coverage.simulate(coverage.Design(20, 1, 1, 0.6, 0.0), banks=40, seed=0)
    assert figures.plain == figures.accuracy
    assert np.isnan(figures.rejected_many)  # 30 of 20 passages never change


def test_coverage_prints_a_row_for_each_design_and_the_range_of_each_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    coverage.main(["--banks", "2", "--passages", "6"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 36 + 5
    assert lines[1].split("|")[0].split() == ["6", "1", "0.6", "0.0"]
    assert lines[-5].startswith("plain: ")
    low, high = map(float, lines[-4].removeprefix("accuracy: ").split(" to "))
    assert 0 <= low <= high <= 1


# --- promises.py ---------------------------------------------------------------------------------


def test_the_error_from_a_threshold_on_is_that_of_very_many_answers() -> None:
    design = promises.Design(500, 1, 1, 0.8, 0.0)
    draw = np.random.default_rng(0)
    banks = [design.draw(draw) for _ in range(100)]
    confidences, right = (np.concatenate([bank[part] for bank in banks]) for part in (0, 1))
    assert design.error(0.0) == pytest.approx(0.2)
    assert right.mean() == pytest.approx(0.8, abs=0.01)
    above = confidences >= 0.9
    assert design.error(0.9) == pytest.approx(1 - right[above].mean(), abs=0.005)
    assert promises.Design(10, 1, 1, 0.945, 0.0, useless=True).error(0.9) == pytest.approx(0.055)


def test_a_promise_by_useless_confidences_is_seldom_made_and_seldom_broken() -> None:
    useless = promises.Design(300, 1, 1, 0.945, 0.0, useless=True)
    useful = promises.Design(300, 1, 1, 0.9, 0.0)
    figures, others = (promises.simulate(each, banks=30, seed=0) for each in (useless, useful))
    # Whatever is certified of useless confidences is broken: they are wrong in 5.5 %.
    assert figures.held == pytest.approx(1 - figures.certified)
    assert figures.certified < 0.25
    assert others.certified > 0.9
    assert others.answered > 0.4


def test_promises_prints_a_row_for_each_design_and_the_least_that_held(
    capsys: pytest.CaptureFixture[str],
) -> None:
    promises.main(["--banks", "2", "--questions", "50"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 40 + 1
    assert sum(line.endswith("useless") for line in lines) == 10
    assert lines[-1].startswith("promised in 90%; held in ")


# --- trust_figures.py ----------------------------------------------------------------------------


def answered(right: int, wrong: int) -> Predictions:
    """Answers with the scores -1 and -2, which are sure of themselves by 73 %."""
    bank = [
        Question(f"q{n}", f"{n}？", ("是", "不是"), f"第{n}篇。", answer=(int(n >= right),))
        for n in range(right + wrong)
    ]
    items = [Prediction(q.id, (0,), "A", 0.9, scores=(-1.0, -2.0), calibrated=True) for q in bank]
    return Predictions(QuestionBank(bank), tuple(items))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_plain_softmax_is_shown_beside_the_calibrated_confidence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trust_figures.show_calibration(answered(right=9, wrong=1))
    rows = [cells(line)[:2] for line in capsys.readouterr().out.splitlines()[2:]]
    # 1 / (1 + 1 / e) is 0.731 where nine of ten are right.
    assert rows == [["softmax", "0.169"], ["calibrated", "0.000"]]


def test_promises_about_answers_that_are_always_right_hold_and_let_all_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = argparse.Namespace(seed=0, splits=3, calibration=60, certainty=0.9)
    trust_figures.show_promises(options, answered(right=80, wrong=0))
    first = cells(capsys.readouterr().out.splitlines()[2])
    expected = ["at most 5% wrong", "0.0%", "100.0%", "100.0% to 100.0%", "0.0%", "100.0%"]
    assert first == expected
    trust_figures.show_promises(options, answered(right=0, wrong=80))
    first = cells(capsys.readouterr().out.splitlines()[2])
    assert first == ["at most 5% wrong", "100.0%", "0.0%", "0.0% to 0.0%", "", "100.0%"]


def test_passages_are_drawn_whole_until_there_are_enough_questions() -> None:
    clusters = np.repeat(np.arange(10), 3)
    chosen = trust_figures.take_clusters(clusters, 7, np.random.default_rng(0))
    assert chosen.sum() == 9
    assert all(chosen[clusters == cluster].sum() in (0, 3) for cluster in range(10))


def test_both_adapters_are_trained_kept_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import openpyxl

    tiny_llama(tmp_path / "model")
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["題號", "文章", "問題", "選項1", "選項2", "選項3", "選項4", "正確答案"])
    for i, who in enumerate(WORDS):
        passage = "".join(WORDS[(i * step) % len(WORDS)] for step in range(1, 12)) + f"在{who}。"
        sheet.append([i + 1, passage, f"{who}在哪？", *"山海家校", i % 4 + 1])
    book.save(tmp_path / "bank.xlsx")
    sizes = ["--train", "8", "--validation", "3", "--answer", "8", "--calibration", "4"]
    files = ["--questions", str(tmp_path / "bank.xlsx"), "--folder", str(tmp_path / "kept")]
    arguments = [*files, "--model", str(tmp_path / "model"), *sizes, "--splits", "2"]
    assert trust_figures.main(arguments) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^labels \(zh-exam\): .* of 8;", printed, re.MULTILINE)
    assert re.search(r"^texts \(zh-cloze\): .* of 8;", printed, re.MULTILINE)
    assert printed.count("| softmax |") == printed.count("| calibrated |") == 2
    assert printed.count("% wrong |") == 6
    monkeypatch.delattr(trust_figures, "fine_tune")  # what is there is not trained again
    assert trust_figures.main(arguments) == 0
    assert capsys.readouterr().out == printed
