"""The one-hour recipe on a small sample, with the tiny model in place of a real one."""

from __future__ import annotations

import argparse
import math
import time
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import pytest

import recipe
from make_sample import write_sample
from zhmcq import errors
from zhmcq.encoding import EncodedQuestion
from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Question, QuestionBank
from zhmcq.testing import tiny_llama


def test_it_trains_answers_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, _ = write_sample(tmp_path / "bank.xlsx")
    arguments = ["--train", train, "--questions", 15, "--output-dir", tmp_path / "out"]
    arguments += ["--base-model", tiny_llama(tmp_path / "base")]
    monkeypatch.setattr("sys.argv", ["recipe.py", *map(str, arguments)])
    assert recipe.main() == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "15 questions to train on" in printed
    assert "1 steps" in printed
    assert "base, texts, options listed, mean:" in printed
    assert "tuned against base, " in printed
    assert "sign-flip p" in printed
    assert (tmp_path / "out" / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out" / "report.html").exists()
    assert recipe.main() == 0
    again = " ".join(capsys.readouterr().out.split())
    assert "trained in" not in again
    assert again.partition("sign-flip p")[2] == printed.partition("sign-flip p")[2]
    monkeypatch.setattr("sys.argv", ["recipe.py", *map(str, arguments), "--aside"])
    assert recipe.main() == 0
    assert "trained in" not in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "out" / "aside" / "report.html").exists()


def test_passages_with_the_least_to_read_per_question_are_trained_on_and_whole(
    tmp_path: Path,
) -> None:
    sample, _ = write_sample(tmp_path / "bank.xlsx")
    rest, *others = recipe.draw(sample)
    train = recipe.cheapest(rest, 40)
    assert 38 <= len(train) <= 40  # whole passages, of up to three questions
    selected = {question.passage for question in train}
    groups: dict[str, list[Question]] = {}
    for question in rest:
        groups.setdefault(question.passage, []).append(question)
    assert len(train) == sum(len(groups[passage]) for passage in selected)  # none is cut
    costs = {passage: recipe.to_read(QuestionBank(group)) for passage, group in groups.items()}
    dearest = max(costs[passage] for passage in selected)
    assert sum(cost < dearest for cost in costs.values()) <= len(selected)
    for left, right in combinations((rest, *others), 2):
        assert not {q.passage for q in left} & {q.passage for q in right}
    assert recipe.cheapest(rest, 10_000) == rest


def run_until_trained(
    sample: Path, out: Path, base: Path, monkeypatch: pytest.MonkeyPatch, *more: object
) -> None:
    """Run the recipe up to its answers."""
    monkeypatch.setattr(recipe, "answer", None)
    arguments = ["--train", sample, "--output-dir", out, "--base-model", base, *more]
    monkeypatch.setattr("sys.argv", ["recipe.py", *map(str, arguments)])
    with pytest.raises(TypeError, match="not callable"):
        recipe.main()


def test_where_there_are_fewer_questions_than_the_time_allows_some_are_seen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, _ = write_sample(tmp_path / "bank.xlsx")
    rest, *_ = recipe.draw(sample)
    monkeypatch.setattr(recipe, "affordable", lambda *_: round(1.5 * len(rest)))
    base = tiny_llama(tmp_path / "base")
    run_until_trained(sample, tmp_path / "out", base, monkeypatch)
    steps = math.ceil(1.5 * math.ceil(len(rest) / 16))
    assert f" {steps} steps" in " ".join(capsys.readouterr().out.split())


def options_of(minutes: float) -> argparse.Namespace:
    return argparse.Namespace(minutes=minutes, objective="contrastive", prompt="zh-cloze")


def test_the_number_of_questions_follows_from_what_the_machine_was_measured_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Measured:
        def train(self, questions: QuestionBank, *_: object) -> SimpleNamespace:
            assert len(questions) == 2
            return SimpleNamespace(questions_per_second=0.5)

    bank = QuestionBank(
        Question(f"{passage}{i}", "問？", ("甲", "乙"), passage * length)
        for passage, length in (("短", 12), ("長", 112))
        for i in range(2)
    )  # 20 and 120 characters to read, 4 of each question and its passage once
    monkeypatch.setattr(recipe, "trainer_of", lambda *_, **__: Measured())
    monkeypatch.setattr(recipe, "TIMED", 2)  # every second passage: the first alone
    monkeypatch.setattr(recipe, "APART", 0.0)
    monkeypatch.setattr(recipe, "in_a_process", lambda function, *given: function(*given))

    def allowed(characters: float) -> int:
        minutes = characters / 5 / 60  # 20 characters of 2 questions, of which it does 0.5 a second
        start = time.perf_counter() + 0.01  # what the call itself takes
        return recipe.affordable(options_of(minutes), "base", bank, start)

    with pytest.raises(SystemExit, match="is too short to train on any question here"):
        allowed(10)
    assert allowed(25) == 2
    assert allowed(139) == 2
    assert allowed(145) == 4
    assert allowed(282) == 8


def test_the_speed_is_measured_in_a_process_whose_errors_are_those_of_the_recipe(
    tmp_path: Path,
) -> None:
    sample, _ = write_sample(tmp_path / "bank.xlsx")
    rest, *_ = recipe.draw(sample)
    base = str(tiny_llama(tmp_path / "base"))
    options = options_of(1)
    timed = rest.select(range(4))
    assert recipe.in_a_process(recipe.measured_speed, options, base, timed) > 0
    with pytest.raises(errors.ModelError, match="no-such-model"):
        recipe.in_a_process(recipe.measured_speed, options, str(tmp_path / "no-such-model"), timed)


def test_a_run_that_is_resumed_trains_on_as_many_questions_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, _ = write_sample(tmp_path / "bank.xlsx")
    base, out = tiny_llama(tmp_path / "base"), tmp_path / "out"
    monkeypatch.setattr(recipe, "affordable", lambda *_: 15)
    run_until_trained(sample, out, base, monkeypatch)
    assert "15 questions to train on" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(recipe, "affordable", None)
    run_until_trained(sample, out, base, monkeypatch)
    assert "15 questions to train on" in " ".join(capsys.readouterr().out.split())


def test_what_is_read_once_is_counted_once() -> None:
    questions = [Question(name, "問？", ("短", "長長長"), "十個字的文章在這裡。") for name in "ab"]
    assert recipe.to_read(QuestionBank(questions)) == 11.0  # (10 + 2 × (2 + 4)) / 2


def test_answers_by_means_may_differ_from_those_by_sums() -> None:
    question = Question("a", "問？", ("短", "長長長"), "文", answer=(1,), labels=("1", "2"))
    encoded = EncodedQuestion("a", "文", (1, 5), ((6, 2), (7, 7, 7, 2)), ((0,), (1,)), 1, "sum")
    sums = Predictions(QuestionBank([question]), (Prediction("a", (0,), "1", scores=(-4.0, -6.0)),))
    assert [item.label for item in recipe.by_mean(sums, [encoded])] == ["2"]  # -2.0 against -1.5
