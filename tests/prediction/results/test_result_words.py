from __future__ import annotations

from dataclasses import fields
from string import Formatter
from typing import Any, get_args

import pytest

from zhmcq.errors import SettingsError
from zhmcq.prediction import PredictionStatus
from zhmcq.prediction._results.words import WORDS, Words, result_words
from zhmcq.questions import Kind, Question, QuestionBank, SourceTable
from zhmcq.reading._drafts.tables.header_rows import Line
from zhmcq.reading._drafts.tables.headers import first_header
from zhmcq.reading._drafts.vocabulary import field_of, option_label, right_label, wrong_label
from zhmcq.zh._language import Language, language_of

LANGUAGES: tuple[Language, ...] = get_args(Language)


def bank(headers: tuple[str, ...], stem: str) -> QuestionBank:
    return QuestionBank([Question("1", stem, ("1", "2"))], table=SourceTable(headers))


@pytest.mark.parametrize(
    ("headers", "stem", "answer"),
    [
        (("題號", "問題"), "誰？", "預測答案"),
        (("题号", "问题"), "誰？", "预测答案"),
        (("ID", "Question"), "這是誰？", "預測答案"),
        (("ID", "Question"), "这是谁？", "预测答案"),
        (("ID", "Question"), "Who?", "Predicted"),
        ((), "Who?", "Predicted"),
    ],
)
def test_the_language_is_that_of_headers_and_questions(
    headers: tuple[str, ...], stem: str, answer: str
) -> None:
    assert result_words(bank(headers, stem), None).answer == answer


def test_the_caller_may_choose_a_language() -> None:
    assert result_words(bank(("題號",), "誰？"), "en").answer == "Predicted"


@pytest.mark.parametrize("wrong", ["zh", "zh-TW", "", 1, ["en"]])
def test_another_language_is_refused(wrong: Any) -> None:
    with pytest.raises(SettingsError, match="expected 'zh-Hant', 'zh-Hans', 'en', or None"):
        result_words(bank((), "？"), wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_statuses_and_kinds_have_words(language: Language) -> None:
    words = WORDS[language]
    assert set(words.statuses) == set(get_args(PredictionStatus))
    assert set(words.kinds) == set(get_args(Kind))
    assert all(getattr(words, field.name) for field in fields(Words) if field.name != "problems")


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_in_their_language_and_have_the_same_blanks(language: Language) -> None:
    words, english = WORDS[language], WORDS["en"]
    for field in fields(Words):
        value, other = getattr(words, field.name), getattr(english, field.name)
        if isinstance(value, str):
            blanks = [name for _, name, _, _ in Formatter().parse(other) if name]
            given = [name for _, name, _, _ in Formatter().parse(value) if name]
            assert set(blanks) <= set(given), field.name
    texts = [*words.statuses.values(), *words.problems.values(), words.promised, words.reason]
    assert language_of(texts) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_added_headers_mean_nothing_to_the_reader_of_banks(language: Language) -> None:
    words = WORDS[language]
    headers = [
        *(words.answer, words.confidence, words.confidence + words.uncalibrated),
        *(words.correctness, words.status, words.option_set, words.agreement, words.reason),
        *(f"{words.probability} {name}" for name in ("1", "A", "甲", "選項1")),
    ]
    for header in [*headers, *(f"{header} (zhmcq)" for header in headers)]:
        assert field_of(header) is None, header
        assert not option_label(header), header
        assert not right_label(header), header
        assert wrong_label(header) is None, header


@pytest.mark.parametrize("language", LANGUAGES)
def test_plain_headers_are_read_as_what_they_are(language: Language) -> None:
    names = WORDS[language].plain_headers
    cells = [
        *(names.id, names.passage, names.stem, f"{names.option}1", f"{names.option}2"),
        *(names.key, names.subject),
    ]
    layout = first_header(
        [Line(1, tuple(cells)), Line(2, ("1", "文", "誰？", "甲", "乙", "1", "史"))], None, "x"
    )
    assert layout is not None
    assert layout.as_columns() == {
        "id": names.id,
        "passage": names.passage,
        "stem": names.stem,
        "answer": names.key,
        "subject": names.subject,
        "option1": f"{names.option}1",
        "option2": f"{names.option}2",
    }
