"""Sentences for people in both languages, and the numbers in them."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from zhmcq._phrases import counted, duration, terminal_language
from zhmcq._phrases.labels import label
from zhmcq._phrases.problem_words import PROBLEMS, WARNINGS
from zhmcq._phrases.progress import advance, stage_name
from zhmcq.prediction._results.words import WORDS as RESULT_WORDS
from zhmcq.reports._page import WORDS as PAGE_WORDS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "zhmcq"


def calls(name: str, folder: Path = SOURCE) -> Iterator[tuple[str, ast.Call]]:
    """Each call of a name, with where it stands."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def fields(sentence: ast.expr) -> set[str]:
    """What is filled into a sentence; ``chinese_x`` stands for what ``x`` or ``english_x`` does."""
    functions = {id(node.func) for node in ast.walk(sentence) if isinstance(node, ast.Call)}
    return {
        re.sub("^(english|chinese)_", "", node.id)
        for node in ast.walk(sentence)
        if isinstance(node, ast.Name) and id(node) not in functions and not node.id.isupper()
    }


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")],
)
def test_a_noun_is_in_the_singular_after_one(count: int, expected: str) -> None:
    assert counted(count, "row") == expected


def test_a_verb_goes_with_its_noun() -> None:
    sentences = [counted(count, "cell was", "cells were") for count in (1, 2)]
    assert sentences == ["1 cell was", "2 cells were"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "less than 0.1 s"),
        (0.996, "1 s"),
        (3.24, "3.2 s"),
        (9.96, "10 s"),
        (95.4, "95 s"),
        (119.9, "120 s"),
        (120.0, "2 minutes"),
        (811.0, "14 minutes"),
        (7199.0, "120 minutes"),
        (7200.0, "2 h"),
        (12_000.0, "3 h 20 min"),
        (86_400.0, "24 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
        (190_000.0, "2 days 5 h"),
    ],
)
def test_a_time_has_the_unit_that_people_give_it(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_a_time_is_said_in_chinese_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    times = [0.0, 3.24, 95.4, 811.0, 12_000.0, 7200.0, 172_800.0, 190_000.0]
    assert [duration(seconds) for seconds in times] == [
        *("0.1 秒以內", "3.2 秒", "95 秒", "14 分鐘", "3 小時 20 分鐘", "2 小時", "2 天"),
        "2 天 5 小時",
    ]


@pytest.mark.parametrize("value", ["zh", "ZH", "zh ", "zh-TW", "zh_TW", "zh-Hant"])
def test_chinese_is_spoken_where_it_is_chosen(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", value)
    assert terminal_language() == "zh-Hant"


@pytest.mark.parametrize("value", ["en", "EN", "", " "])
def test_english_is_spoken_where_it_is_chosen(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", value)
    assert terminal_language() == "en"


def test_no_locale_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZHMCQ_LANG", raising=False)
    for name in ("LANG", "LC_ALL", "LANGUAGE"):
        monkeypatch.setenv(name, "zh_TW.UTF-8")
    assert terminal_language() == "en"


def test_the_variable_is_read_whenever_something_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for value in ("zh", "en", "zh"):
        monkeypatch.setenv("ZHMCQ_LANG", value)
        said.append(stage_name("train"))
    assert said == ["訓練", "train", "訓練"]


def test_another_language_is_a_warning_once_and_english_is_spoken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", "tlh")
    with caplog.at_level(logging.WARNING):
        assert [stage_name("train"), stage_name("merge")] == ["train", "merge"]
    assert caplog.messages == [
        "ZHMCQ_LANG='tlh': expected 'zh' (Traditional Chinese) or 'en'; English it is"
    ]


def test_progress_is_said_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    def said() -> list[str]:
        return [
            advance(62, 480, 117.8, 62 / 117.8),
            advance(400, 900, 18.1, 22.1),
            advance(5, 1000, 12.0, 0.0),
            advance(480, 480, 811.0, 1.0),
            advance(48, 480, 811.0, 1.0, stopped=True),
            advance(0, 0, 0.0, 0.0),
        ]

    assert said() == [
        "62 of 480 (13%), 1.9 s each, about 13 minutes left",
        "400 of 900 (44%), 22.1 a second, about 23 s left",
        "5 of 1,000 (0%)",
        "480 of 480 (100%), in 14 minutes",
        "48 of 480 (10%), stopped after 14 minutes",
        "0 of 0, in less than 0.1 s",
    ]
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    assert said() == [
        "62 / 480（13%），每個 1.9 秒，約剩 13 分鐘",
        "400 / 900（44%），每秒 22.1 個，約剩 23 秒",
        "5 / 1,000（0%）",
        "480 / 480（100%），共 14 分鐘",
        "48 / 480（10%），14 分鐘後停止",
        "0 / 0，共 0.1 秒以內",
    ]


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        ("reading AI.xlsx", "讀取 AI.xlsx"),
        ("checking reading.xlsx", "檢查 reading.xlsx"),
        ("downloading owner/name", "下載 owner/name"),
        ("train", "訓練"),
        ("what transformers will name some day", "what transformers will name some day"),
    ],
)
def test_a_stage_has_a_name_in_chinese(
    stage: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stage_name(stage) == stage
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    assert stage_name(stage) == shown


def test_every_stage_that_a_program_receives_has_a_name_in_chinese(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (SOURCE / "_progress.py").read_text(encoding="utf-8")
    stages = re.findall(r"^    - ``\"([\w ]+?)(?: <\w+>)?\"``", text, re.MULTILINE)
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    verbs = ("reading", "checking", "downloading")
    shown = [stage_name(f"{stage} x" if stage in verbs else stage) for stage in stages]
    assert len(stages) == 11
    assert [name for name in shown if re.match("[a-z]", name)] == []


def test_every_sentence_stands_in_both_languages_with_the_same_fields() -> None:
    pairs = {
        where: {word.arg or "": word.value for word in call.keywords}
        for where, call in calls("say")
    }
    assert len(pairs) > 80
    assert [where for where, pair in pairs.items() if pair.keys() != {"en", "zh"}] == []
    assert [
        where for where, pair in pairs.items() if fields(pair["en"]) != fields(pair["zh"])
    ] == []


def test_what_is_logged_at_level_info_is_a_sentence_in_both_languages() -> None:
    plain = [
        where
        for where, call in calls("logger.info")
        if len(call.args) != 2 or ast.unparse(call.args[0]) != "'%s'"
    ]
    assert plain == []


def test_sentences_are_written_in_characters_that_cp950_has() -> None:
    texts = [
        node.value
        for path in (SOURCE / "_phrases").glob("*.py")
        if path.name != "problem_words.py"  # files have Simplified Chinese
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [chinese for chinese, _ in PROBLEMS.values()]
    texts += WARNINGS.values()
    assert len(texts) > 400
    for text in texts:
        text.encode("cp950")


def test_a_thing_has_one_name_on_the_terminal_and_in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHMCQ_LANG", "zh")
    page, results = PAGE_WORDS["zh-Hant"], RESULT_WORDS["zh-Hant"]
    same = (
        *("id", "subject", "kind", "passage", "stem", "option", "key", "sheet", "answer"),
        *("confidence", "status", "reason", "base", "tuned", "accuracy", "difference"),
        "uncalibrated",
    )
    named = {
        **{name: page[name] for name in same},
        **{name: page[f"status.{name}"] for name in ("withheld", "none", "unusable", "missing")},
        **{name: page[f"status.{name}"] for name in ("ambiguous", "out_of_range")},
        **{name: page[f"kind.{name}"] for name in ("single", "multiple", "true_false")},
        "95 % interval": page["interval"],
        "right": page["correct"],
        "by chance": page["chance"],
        "answered": page["coverage"],
        "calibration error": page["calibration_error"],
        "p-value": page["p_value"],
        "questions": page["number"],
        "position": page["by_position"],
        "(none)": page["not_named"],
        "yes": page["result.right"],
        "no": page["result.wrong"],
        "correct": results.correctness,
        "Promise": results.promise,
    }
    assert {name: label(name) for name in named} == named


def test_every_problem_that_the_documentation_lists_has_words_in_chinese() -> None:
    page = (ROOT / "docs" / "zh" / "reading.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z].*?) \| [^|]+ \| ", page, re.MULTILINE)
    codes = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert codes - PROBLEMS.keys() - WARNINGS.keys() == set()
    assert PROBLEMS.keys() & WARNINGS.keys() == set()
