"""The trials of the recipe: what each changes, and how their scores are compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recipe_trials import TRIALS, Trial, TrialTexts, log_of_rest, right, shares, show
from zhmcq.questions import Question, QuestionBank

QUESTION = Question("q", "小明去哪裡？", ("山上", "海邊"), "小明去海邊。", answer=(1,))


def test_each_trial_but_today_changes_something() -> None:
    plain = Trial()
    assert [name for name, trial in TRIALS.items() if trial == plain] == ["today"]


def test_a_trial_prompt_is_the_cloze_prompt_with_one_change() -> None:
    plain = TrialTexts().render(QUESTION)
    assert [candidate.text for candidate in plain.candidates] == ["山上\n", "海邊\n"]
    assert plain.normalization == "mean"
    assert "(A)" not in plain.prompt
    listed = TrialTexts(listed=True, normalization="sum").render(QUESTION)
    assert "山上" in listed.prompt
    assert listed.normalization == "sum"
    assert TrialTexts(judged="對").render(QUESTION).candidates[0].text == "山上\n對"
    negative = replace(QUESTION, stem="小明沒有去下列何處？")
    turned = TrialTexts(affirmative=True).render(negative)
    assert turned.least_likely
    assert "問題：小明有去下列何處？" in str(turned.prompt)
    prompt = TrialTexts(stem_first=True).render(QUESTION).prompt
    assert str(prompt).startswith("問題：小明去哪裡？\n")


def test_scores_are_compared_by_sums_or_by_means() -> None:
    answers = [{"sums": [-4.0, -3.0], "tokens": [4, 2], "key": 0}]
    assert right(shares(answers, "sum"), answers).tolist() == [False]
    assert right(shares(answers, "mean"), answers).tolist() == [True]
    (scores,) = shares(answers, "best")
    assert scores == pytest.approx(np.log([0.6224593, 0.3775407]))


def test_unlikelihood_is_finite_where_a_token_is_certain() -> None:
    values = log_of_rest(torch.tensor([0.0, float(np.log(0.75))]))
    assert values.tolist() == pytest.approx([float(np.log(1e-6)), float(np.log(0.25))], rel=0.05)


def test_the_table_compares_each_trial_with_one_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bank = QuestionBank(
        [Question(f"q{i}", f"{i}？", ("甲", "乙"), f"第 {i} 篇。", answer=(0,)) for i in range(4)]
    )
    right_one = {"sums": [-1.0, -2.0], "tokens": [2, 2], "key": 0}
    wrong_one = {"sums": [-2.0, -1.0], "tokens": [2, 2], "key": 0}
    for name, answers in {
        "today": [right_one, wrong_one, wrong_one, wrong_one],
        "other": [right_one, right_one, right_one, wrong_one],
    }.items():
        record = {"training_minutes": 2.0, "last": answers}
        (tmp_path / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    show(tmp_path, bank)
    lines = capsys.readouterr().out.splitlines()
    (mean,) = [line for line in lines if line.startswith("| other | 2.0 | last adapter, mean |")]
    assert " 75.0% " in mean
    assert " +50.0 (" in mean
    assert "| other and today | 75.0% |" in lines
    show(tmp_path, bank, against="other")
    lines = capsys.readouterr().out.splitlines()
    (mean,) = [line for line in lines if line.startswith("| today | 2.0 | last adapter, mean |")]
    assert " -50.0 (" in mean
