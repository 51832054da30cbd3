"""Prompts compared on the same questions, with the tiny model in place of a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

import compare_prompts
from conftest import WriteXlsx
from make_sample import write_sample
from zhmcq.testing import tiny_llama


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["compare_prompts.py", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", "200")
    return compare_prompts.main()


def test_each_pair_of_prompts_is_tested_on_the_same_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions, _ = write_sample(tmp_path / "bank.xlsx")
    arguments = ["--questions", questions, "--base-model", tiny_llama(tmp_path / "base")]
    arguments += ["--limit", 12]
    assert run(monkeypatch, *arguments, "--prompts", "zh-exam", "zh-cloze", "zh-cloze-hans") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for name in ("zh-exam", "zh-cloze", "zh-cloze-hans"):
        assert f"│ {name} │ " in printed
    assert printed.count("/12 │") == 3
    for pair in (
        "zh-cloze against zh-exam: ",
        "zh-cloze-hans against zh-exam: ",
        "zh-cloze-hans against zh-cloze: ",
    ):
        assert pair in printed
    assert printed.count("sign-flip p = ") == 3
    assert printed.endswith("3 tests: call those different whose p is below 0.017")


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (["zh-exam", "zh-close"], "UnknownNameError: no prompt is named 'zh-close'"),
        (["zh-exam", "zh-exam"], "SettingsError: expected two or more different --prompts"),
    ],
)
def test_prompts_that_cannot_be_compared_are_refused_before_any_work(
    prompts: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--questions", tmp_path / "none.xlsx", "--base-model", tmp_path]
    assert run(monkeypatch, *arguments, "--prompts", *prompts) == 1
    assert capsys.readouterr().err.startswith(message)


def test_questions_without_keys_are_refused(
    write_xlsx: WriteXlsx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_xlsx([["題目", "A", "B"], ["誰？", "小明", "小華"]])
    assert run(monkeypatch, "--questions", path, "--base-model", tmp_path) == 1
    assert "expected questions with keys, found none" in capsys.readouterr().err
