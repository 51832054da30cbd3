from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import EVIL, RIVER, bank, base, hostile, tuned

from zhmcq import compare
from zhmcq._visible import visible
from zhmcq.errors import OutputError, OutputExistsError, SettingsError
from zhmcq.evaluation import Promise
from zhmcq.prediction import Prediction, Predictions
from zhmcq.prediction._results.words import WORDS as RESULT_WORDS
from zhmcq.questions import Origin, Question, QuestionBank, RowProblem
from zhmcq.reports._page import LANGUAGES, WORDS
from zhmcq.reports._page._data import script_text
from zhmcq.zh._language import Language

PARTS = resources.files("zhmcq.reports._page")
SCRIPT = PARTS.joinpath("page.js").read_text(encoding="utf-8")
TEMPLATE = PARTS.joinpath("page.html").read_text(encoding="utf-8")


class Parsed(HTMLParser):
    """What a browser would make of a page: its tags, attributes, texts, scripts and data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag in self.inside:
            self.inside[self.lasttag][-1] += data.removesuffix("\n") if data == "\n" else data
        elif data.strip():
            self.texts.append(data.strip())

    @property
    def data(self) -> Any:
        return json.loads(self.inside["script"][0])


def written(tmp_path: Path, answers: Any, **options: Any) -> Parsed:
    path = tmp_path / "report.html"
    answers.to_html(path, **options)
    return Parsed(path.read_text(encoding="utf-8"))


def test_every_question_is_listed_with_both_sides(tmp_path: Path) -> None:
    data = written(tmp_path, compare(base(), tuned())).data
    assert [row["id"] for row in data["rows"]] == ["q1", "q2", "q3", "q4", "q5", "q6", "row8"]
    assert data["passages"] == [RIVER]  # of two questions, once
    assert data["rows"][1] == {
        "id": "q2",
        "stem": "河有多長？",
        "options": ["甲", "乙", "丙", "丁"],
        "labels": 0,
        "passage": 0,
        "kind": "single",
        "key": [1],
        "subject": "地理",
        "sheet": "上學期",
        "row": 3,
        "answers": [
            {"answer": [1], "probabilities": [0.2, 0.6, 0.1, 0.1], "confidence": 0.6},
            {"answer": [1], "probabilities": [0.1, 0.7, 0.1, 0.1], "confidence": 0.7},
        ],
    }
    assert "key" not in data["rows"][4]
    assert data["rows"][5]["answers"][1] == {
        "status": "withheld",
        "probabilities": [0.4, 0.3, 0.2, 0.1],
        "reason": "A withheld: confidence 0.4, below 0.5",
        "set": [0, 1],
        "confidence": 0.4,
        "agreement": 0.5,
    }
    unusable = {"status": "unusable", "reason": "the key is empty"}
    assert data["rows"][6]["answers"] == [unusable, unusable]


def test_questions_without_keys_that_one_side_has_are_listed_too(tmp_path: Path) -> None:
    fewer = [item for item in tuned() if item.id != "q5"]
    second = Predictions(bank().filter(lambda question: question.id != "q5"), tuple(fewer))
    data = written(tmp_path, compare(base(), second)).data
    assert data["rows"][4]["answers"] == [
        {"answer": [2], "probabilities": [0.1, 0.1, 0.7, 0.1], "confidence": 0.7},
        None,
    ]
    data = written(tmp_path, compare(second, base())).data
    assert [row["id"] for row in data["rows"]][-2:] == ["row8", "q5"]
    assert data["rows"][-1]["answers"][0] is None


def test_unusable_rows_of_one_name_are_each_listed_with_their_reason(tmp_path: Path) -> None:
    problems = [
        RowProblem(row, "答案", "no_key", f"列 {row} 沒有答案", sheet="甲", source_id="7")
        for row in (4, 5)
    ]
    twice = QuestionBank(bank()[:1], problems)
    data = written(
        tmp_path, compare(*(Predictions(twice, (side()[0],)) for side in (base, tuned)))
    ).data
    listed = [(row["id"], [a["reason"] for a in row["answers"]]) for row in data["rows"][:2]]
    assert listed == [("7", ["列 4 沒有答案"] * 2), ("7", ["列 5 沒有答案"] * 2)]


def test_reasons_are_in_every_language_of_the_page(tmp_path: Path) -> None:
    problem = RowProblem(9, "題目", "no_stem", "the stem is empty", sheet="甲", position=6)
    answers = Predictions(
        QuestionBank(bank(), [problem]),
        tuple(tuned()),
        promise=Promise(0.05, 0.9, 0.5, 100, 80, 1, 45),
    )
    rows = {row["id"]: row["answers"][0] for row in written(tmp_path, answers).data["rows"]}
    assert rows["q6"]["reason"] == {
        "zh-Hant": "信心 40% 低於門檻 50%",
        "zh-Hans": "置信度 40% 低于阈值 50%",
        "en": "confidence 40%, below the threshold of 50%",
    }
    assert rows["row9"]["reason"] == {
        "zh-Hant": "沒有題幹（the stem is empty）",
        "zh-Hans": "没有题干（the stem is empty）",
        "en": "the stem is empty",
    }


def test_answers_without_any_key_have_a_page(tmp_path: Path) -> None:
    only = Predictions(bank()[4:5], (base()[4],))
    page = written(tmp_path, only)
    assert "1 題，1 題有答案；沒有正確答案可對。" in page.texts
    assert page.data["sides"] == ["answers"]
    empty = Predictions(QuestionBank([]), ())
    assert written(tmp_path, empty).data["rows"] == []


def test_figures_stand_on_top_in_the_language_of_the_questions(tmp_path: Path) -> None:
    texts = written(tmp_path, compare(base(), tuned())).texts
    assert texts[0] == "微調前後的比較 · 考卷.xlsx"
    for expected in (
        "微調前",
        "微調後",
        "40.0%",
        "60.0%",
        "猜測正確率",
        "各科目",
        "地理",
        "生物",
        "各題型",
        "多選",
    ):
        assert expected in texts
    assert "/home/user" not in "".join(texts)


@pytest.mark.parametrize(
    ("language", "heading"),
    [("zh-Hant", "作答報告"), ("zh-Hans", "作答报告"), ("en", "Report on answers")],
)
def test_the_page_starts_in_the_language_that_is_chosen(
    tmp_path: Path, language: str, heading: str
) -> None:
    page = written(tmp_path, base(), language=language)
    assert page.texts[0].startswith(heading)
    assert ("lang", language) == page.attributes[0]


def test_the_language_is_that_of_the_questions(tmp_path: Path) -> None:
    question = Question("1", "Which one?", ("a", "b"), answer=(0,))
    answer = Prediction("1", (0,), "A")
    english = written(tmp_path, Predictions(QuestionBank([question]), (answer,)))
    assert english.attributes[0] == ("lang", "en")


@pytest.mark.parametrize("wrong", ["fr", "", "zh", 3, b"en", ["en"]])
def test_another_language_is_refused(tmp_path: Path, wrong: Any) -> None:
    message = r"to_html\(language=.*\): expected 'zh-Hant', 'zh-Hans', 'en', or None"
    for answers in (base(), compare(base(), tuned())):
        with pytest.raises(SettingsError, match=message):
            answers.to_html(tmp_path / "a.html", language=wrong)
    assert list(tmp_path.iterdir()) == []


def test_script_and_style_are_those_that_the_policy_names(tmp_path: Path) -> None:
    page = written(tmp_path, compare(base(), tuned()))
    policy = next(value for name, value in page.attributes if value.startswith("default-src"))

    def named(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    assert policy == (
        f"default-src 'none'; script-src 'sha256-{named(page.inside['script'][1])}'; "
        f"style-src 'sha256-{named(page.inside['style'][0])}'; base-uri 'none'; form-action 'none'"
    )
    assert page.inside["script"][1] == SCRIPT


def test_nothing_is_fetched_and_no_handler_or_style_is_in_the_markup(tmp_path: Path) -> None:
    page = written(tmp_path, hostile())
    assert not {"link", "img", "iframe", "object", "base"} & set(page.tags)
    assert page.tags.count("script") == 2
    names = {name for name, _ in page.attributes}
    assert not {"src", "style", "action", "srcdoc"} & names
    assert not [name for name in names if name.startswith("on")]
    assert {value for name, value in page.attributes if name == "href"} == {"#questions"}


def test_the_script_makes_no_markup_and_fetches_nothing() -> None:
    for risky in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "http",
        'setTimeout("',
    ):
        assert risky not in SCRIPT  # fmt: skip
    assert "</" not in SCRIPT
    assert "<!--" not in SCRIPT


def test_markup_in_any_field_is_data_and_text(tmp_path: Path) -> None:
    page = written(tmp_path, hostile())
    shown = visible(EVIL)
    row = page.data["rows"][0]
    assert (row["id"], row["stem"], row["options"][0]) == (shown, shown, shown)
    assert (row["subject"], row["sheet"], row["answers"][0]["reply"]) == (shown, shown, shown)
    assert page.data["passages"][0] == page.data["labels"][0][0] == shown
    # The subject, in its table.
    assert shown in page.texts


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@settings(max_examples=100, deadline=None)
def test_no_text_leaves_its_script_element(text: str) -> None:
    written_text = script_text({"a": text})
    assert not set("<>&\u2028\u2029") & set(written_text)
    assert json.loads(written_text) == {"a": text}


def test_the_same_answers_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        compare(base(), tuned()).to_html(tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second
    assert b"\r" not in first


def test_a_file_that_the_questions_came_from_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bank.html"
    path.write_text("questions", encoding="utf-8")
    question = Question("1", "誰？", ("甲", "乙"), answer=(0,), origin=Origin(str(path), "", 1))
    answers = Predictions(QuestionBank([question]), (Prediction("1", (0,), "A"),))
    for page in (answers, compare(answers, answers)):
        with pytest.raises(OutputExistsError, match="would be replaced"):
            page.to_html(path)
    assert path.read_text(encoding="utf-8") == "questions"


def test_a_folder_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="it is a folder"):
        base().to_html(tmp_path)


def test_a_promise_is_said(tmp_path: Path) -> None:
    from dataclasses import replace

    kept = replace(tuned(), promise=Promise(0.05, 0.9, 0.5, 100, 80, 1, 45))
    texts = written(tmp_path, kept).texts
    assert "保證：給出的答案最多 5.0% 是錯的（把握 90%）；信心 0.5 以上才作答。" in texts
    nothing = replace(tuned(), promise=Promise(0.05, 0.9, None, 10, 0, 0, 45))
    texts = written(tmp_path, compare(base(), nothing)).texts
    assert "無法保證最多 5.0% 錯誤（把握 90%），所以全部保留不答。" in texts


def test_a_thousand_questions_take_less_than_a_megabyte(tmp_path: Path) -> None:
    questions = [
        Question(
            f"q{n}",
            f"第{n}題的題幹，有二十個字左右的長度。",
            ("甲", "乙", "丙", "丁"),
            passage=f"{RIVER * 100}{n // 10}",
            answer=(n % 4,),
        )
        for n in range(1000)
    ]
    shares = (0.1, 0.2, 0.3, 0.4)
    items = tuple(
        Prediction(question.id, (0,), "A", confidence=0.123456789, probabilities=shares)
        for question in questions
    )
    answers = Predictions(QuestionBank(questions), items)
    compare(answers, answers).to_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 1_000_000


def test_every_word_of_template_and_script_is_there_in_every_language() -> None:
    used = set(re.findall(r'word\("([\w.]+)"', SCRIPT + TEMPLATE))
    used |= set(re.findall(r'data-word(?:-label|-placeholder)?="([\w.]+)"', TEMPLATE))
    used |= {f"result.{name}" for name in re.findall(r'"(\w+)"', SCRIPT.split("RESULTS")[1][:120])}
    assert {"result.gained", "result.no_key", "search_hint"} <= used
    groups = {name for name in used if name.endswith(".")}  # "status." + …
    assert groups == {"kind.", "sort.", "status."}
    assert used - groups - set(WORDS["en"]) == set()
    assert list(WORDS) == list(LANGUAGES)
    assert all(text for words in WORDS.values() for text in words.values())
    for name, text in WORDS["en"].items():
        braces = sorted(re.findall(r"\{\w+\}", text))
        for words in WORDS.values():
            assert sorted(re.findall(r"\{\w+\}", words[name])) == braces


SAME = ("accuracy", "agreement", "calibration_error", "confidence", "option_set", "probability")


@pytest.mark.parametrize("language", ["zh-Hant", "zh-Hans"])
def test_the_report_and_the_workbook_of_results_have_the_same_words(language: Language) -> None:
    results = RESULT_WORDS[language]
    expected = {name: getattr(results, name) for name in SAME}
    expected |= {f"status.{name}": word for name, word in results.statuses.items()}
    expected |= {f"kind.{name}": word for name, word in results.kinds.items()}

    assert {name: WORDS[language][name] for name in expected} == expected


def test_what_a_model_may_have_chosen_is_named_alike_in_the_report() -> None:
    words = WORDS["zh-Hant"]

    assert words["option_set"] == "可能的選項"
    assert WORDS["en"]["option_set"] == RESULT_WORDS["en"].option_set == "Possible options"
    assert words["agreement"] == "各順序一致率"
    assert words["explanation"] == "解析"
    assert WORDS["zh-Hans"]["status.answered"] == "已作答"
