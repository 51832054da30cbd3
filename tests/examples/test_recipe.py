"""The one-hour recipe on a small sample, with the tiny model in place of a real one."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import pytest

import recipe
from make_sample import write_sample
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


def test_where_there_are_fewer_questions_than_an_hour_allows_some_are_seen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sample, _ = write_sample(tmp_path / "bank.xlsx")
    rest, *_ = recipe.draw(sample)
    monkeypatch.setattr(recipe, "HOUR", {"float32": round(1.5 * len(rest))})
    monkeypatch.setattr(recipe, "answer", None)
    arguments = ["--train", sample, "--output-dir", tmp_path / "out"]
    arguments += ["--base-model", tiny_llama(tmp_path / "base")]
    monkeypatch.setattr("sys.argv", ["recipe.py", *map(str, arguments)])
    with pytest.raises(TypeError, match="not callable"):  # once it is trained
        recipe.main()
    steps = math.ceil(1.5 * math.ceil(len(rest) / 16))
    assert f" {steps} steps" in " ".join(capsys.readouterr().out.split())


def test_what_is_read_once_is_counted_once() -> None:
    questions = [Question(name, "問？", ("短", "長長長"), "十個字的文章在這裡。") for name in "ab"]
    assert recipe.to_read(QuestionBank(questions)) == 11.0  # (10 + 2 × (2 + 4)) / 2


def test_answers_by_means_may_differ_from_those_by_sums() -> None:
    question = Question("a", "問？", ("短", "長長長"), "文", answer=(1,), labels=("1", "2"))
    encoded = EncodedQuestion("a", "文", (1, 5), ((6, 2), (7, 7, 7, 2)), ((0,), (1,)), 1, "sum")
    sums = Predictions(QuestionBank([question]), (Prediction("a", (0,), "1", scores=(-4.0, -6.0)),))
    assert [item.label for item in recipe.by_mean(sums, [encoded])] == ["2"]  # -2.0 against -1.5
