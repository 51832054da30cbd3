"""The report page as a reader uses it, in a headless Chromium; skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, NoBrowserError, chromium
from pages import base, hostile, tuned

from zhmcq import compare
from zhmcq.prediction import Prediction, Predictions
from zhmcq.questions import Question, QuestionBank

pytestmark = pytest.mark.skipif(chromium() is None, reason="needs Chromium, as chromium in PATH")

IDS = "[...document.querySelectorAll('#list .id')].map(e => e.textContent)"
FOCUSED = "document.activeElement.querySelector('.id')?.textContent"
CUT = """[...document.querySelectorAll('.scroll')]
    .filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText.slice(0, 40))"""
OPEN = "[...document.querySelectorAll('#list details[open] > summary .id')].map(e => e.textContent)"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    compare(base(), tuned()).to_html(folder / "two.html")
    tuned().to_html(folder / "one.html", language="en")
    hostile().to_html(folder / "hostile.html")
    compare(hostile(), hostile()).to_html(folder / "hostile-two.html")
    questions = [
        Question(f"n{n}", f"題{n}", ("甲", "乙"), passage=f"文{n // 50}", answer=(0,))
        for n in range(120)
    ]
    items = tuple(Prediction(question.id, (0,), "A") for question in questions)
    Predictions(QuestionBank(questions), items).to_html(folder / "many.html")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    try:
        browser = Browser(tmp_path_factory.mktemp("profile"))
    except (NoBrowserError, OSError) as error:  # such as a stub that names a package to install
        pytest.skip(f"Chromium does not start: {error}")
    with browser:
        yield browser


@pytest.fixture
def browser(running: Browser) -> Iterator[Browser]:
    yield running
    assert running.complaints == []


def click(browser: Browser, selector: str) -> None:
    browser.js(f"document.querySelector({selector!r}).click()")


def choose(browser: Browser, name: str, value: str | int) -> None:
    browser.js(f"document.getElementById({name!r}).value = {value!r}")
    event = "input" if name in ("search", "unsure") else "change"
    browser.js(f"document.getElementById({name!r}).dispatchEvent(new Event({event!r}))")


def search(browser: Browser, text: str) -> None:
    """Type a text into the search field, in place of what is there, and leave it."""
    click(browser, "#clear")
    browser.press("/")
    browser.write(text)
    browser.press("Enter")


def test_results_filter_the_list_and_say_how_many(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    assert browser.js(IDS) == ["q1", "q2", "q3", "q4", "q5", "q6", "row8"]
    buttons = "[...document.querySelectorAll('#results button:not([hidden])')]"
    assert browser.js(f"{buttons}.map(e => e.textContent)") == [
        "全部 7", "兩次都對 1", "錯變對 2", "對變錯 1", "兩次都錯 1", "沒有正確答案可對 2",
    ]  # fmt: skip
    expected = {
        "both": ["q2"],
        "gained": ["q1", "q3"],
        "lost": ["q4"],
        "neither": ["q6"],
        "no_key": ["q5", "row8"],
    }
    for name, ids in expected.items():
        click(browser, f"[data-result={name}]")
        assert browser.js(IDS) == ids
        assert (
            browser.js("document.getElementById('shown').textContent") == f"{len(ids)} 題，共 7 題"
        )
        pressed = "[...document.querySelectorAll('#results [aria-pressed=true]')]"
        assert browser.js(f"{pressed}.map(e => e.dataset.result)") == [name]


def test_status_subject_kind_sheet_and_confidence_filter_together(
    browser: Browser, pages: Path
) -> None:
    browser.open(pages / "two.html")
    choose(browser, "status", "withheld")
    assert browser.js(IDS) == ["q6"]
    choose(browser, "status", "unanswered")
    assert browser.js(IDS) == ["q6", "row8"]
    click(browser, "#clear")
    choose(browser, "subject", "生物")
    assert browser.js(IDS) == ["q3", "q4", "q5"]
    choose(browser, "sheet", "下學期")
    assert browser.js(IDS) == ["q4", "q5"]
    choose(browser, "kind", "true_false")
    assert browser.js(IDS) == ["q4"]
    click(browser, "#clear")
    choose(browser, "unsure", 66)
    assert browser.js(IDS) == ["q3", "q4", "q6"]
    assert browser.js("document.getElementById('unsure-value').textContent") == "66%"
    # The counts of the results are of what the other filters leave.
    assert browser.js("document.querySelector('[data-result=gained]').textContent") == "錯變對 1"
    choose(browser, "unsure", 1)
    assert browser.js(IDS) == []
    assert browser.js("document.getElementById('shown').textContent") == "沒有符合的題目。"


def test_questions_without_a_subject_can_be_chosen(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    choose(browser, "subject", "")
    assert browser.js(IDS)[-1] == "row8"
    browser.js("document.getElementById('subject').selectedIndex = 3")
    browser.js("document.getElementById('subject').dispatchEvent(new Event('change'))")
    assert browser.js(IDS) == ["row8"]


def test_the_list_is_sorted_by_confidence_and_by_change(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    choose(browser, "sort", "unsure")
    assert browser.js(IDS) == ["q6", "q3", "q4", "q2", "q5", "q1", "row8"]
    choose(browser, "sort", "sure")
    assert browser.js(IDS) == ["q1", "q2", "q5", "q4", "q3", "q6", "row8"]
    # The key's probability rises by 0.65 (q1), 0.45 (q3), 0.1 (q2) and 0.05 (q6); q4: 0.9 → 0.35.
    choose(browser, "sort", "gain")
    assert browser.js(IDS) == ["q1", "q3", "q2", "q6", "q4", "q5", "row8"]
    choose(browser, "sort", "loss")
    assert browser.js(IDS) == ["q4", "q6", "q2", "q3", "q1", "q5", "row8"]
    choose(browser, "sort", "source")
    assert browser.js(IDS) == ["q1", "q2", "q3", "q4", "q5", "q6", "row8"]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Q3", ["q3"]),  # an id
        ("魚", ["q3", "q4"]),  # a stem
        ("丁 哪些", ["q3"]),  # an option and a stem
        ("那條河", ["q1", "q2"]),  # a passage
        ("full ｗｉｄｔｈ", ["q6"]),  # whatever the width of the letters
        ("沒有這個", []),
        ("[.*", []),
    ],
)
def test_search_finds_ids_stems_options_and_passages(
    browser: Browser, pages: Path, text: str, ids: list[str]
) -> None:
    browser.open(pages / "two.html")
    search(browser, text)
    assert browser.js(IDS) == ids


def test_search_follows_what_is_typed(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    browser.press("/")
    browser.write("會飛")
    browser.wait(f"String({IDS}) === 'q4'")
    browser.press("Escape")
    assert len(browser.js(IDS)) == 7
    assert browser.js("document.activeElement.id") == "search"
    browser.press("Escape")
    assert browser.js("document.activeElement === document.body")


def test_the_keyboard_moves_opens_and_closes(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    browser.press("j")
    assert browser.js(FOCUSED) == "q1"
    browser.press("j", "ArrowDown", "k")
    assert browser.js(FOCUSED) == "q2"
    browser.press("ArrowUp", "ArrowUp", "Enter")
    assert browser.js(FOCUSED) == "q1"
    browser.wait(f"String({OPEN}) === 'q1'")
    browser.wait("document.querySelector('#list .passage') !== null")
    # The focus is seen.
    assert browser.js("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    # The passage is next, and Esc leads back from it.
    browser.press("Tab")
    assert browser.js("document.activeElement.className") == "text passage"
    browser.press("Escape")
    assert browser.js(FOCUSED) == "q1"
    assert browser.js(OPEN) == []
    browser.press("/")
    assert browser.js("document.activeElement.id") == "search"
    browser.press("j", "/")
    assert browser.js("document.getElementById('search').value") == "j/"


def test_keys_of_an_input_method_are_left_to_it(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    browser.press("/")
    event = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})"
    browser.js(f"document.activeElement.dispatchEvent({event})")
    assert browser.js("document.activeElement.id") == "search"


def test_a_question_opens_to_all_that_is_known_of_it(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    browser.press("j", "Enter")
    browser.wait("document.querySelector('#list .body') !== null")
    text = browser.js("document.querySelector('#list .body').innerText")
    for expected in (
        "那條河很長。",
        "河在哪裡？",
        "正確答案",
        "30.0%",
        "95.0%",
        "選了這個",
        "地理",
        "上學期",
    ):
        assert expected in text
    widths = "[...document.querySelectorAll('#list .body tr:nth-child(1) .bar > span')]"
    assert browser.js(f"{widths}.map(e => e.style.width)") == ["30%", "95%"]
    # The bars are really drawn: the content policy lets the script set their widths.
    drawn = browser.js(f"{widths}.map(e => e.offsetWidth / e.parentElement.offsetWidth)")
    assert drawn == pytest.approx([0.3, 0.95], abs=0.02)
    browser.js("document.querySelectorAll('#list summary')[5].click()")
    browser.wait("document.querySelectorAll('#list .body').length === 2")
    text = browser.js("document.querySelectorAll('#list .body')[1].innerText")
    for expected in ("保留不答", "A withheld", "可能的選項", "AB", "50.0%"):
        assert expected in text


def test_the_switch_changes_the_language_and_nothing_else(browser: Browser, pages: Path) -> None:
    browser.open(pages / "two.html")
    choose(browser, "subject", "生物")
    choose(browser, "sort", "unsure")
    browser.press("j", "Enter")
    before = browser.js(IDS)
    browser.wait(f"String({OPEN}) === 'q3'")
    click(browser, "[data-language=en]")
    assert browser.js("document.documentElement.lang") == "en"
    assert browser.js("document.title") == "Base and tuned model compared · 考卷.xlsx"
    assert browser.js(IDS) == before
    assert browser.js(OPEN) == ["q3"]
    text = browser.js("document.body.innerText")
    for expected in ("40.0% → 60.0% on 5 questions", "Figures", "By subject", "gained 1"):
        assert expected in text
    assert "正確率" not in text
    assert "符號" not in text
    click(browser, "[data-language=zh-Hans]")
    assert "准确率 40.0% → 60.0%" in browser.js("document.body.innerText")


def test_answers_of_one_side_have_right_and_wrong(browser: Browser, pages: Path) -> None:
    browser.open(pages / "one.html")
    buttons = "[...document.querySelectorAll('#results button:not([hidden])')]"
    assert browser.js(f"{buttons}.map(e => e.textContent)") == [
        "all 7", "right 3", "wrong 2", "no key 2",
    ]  # fmt: skip
    click(browser, "[data-result=wrong]")
    assert browser.js(IDS) == ["q4", "q6"]
    sorts = "[...document.getElementById('sort').options].map(e => e.value)"
    assert browser.js(sorts) == ["source", "unsure", "sure"]


def test_many_questions_come_in_pages_that_the_keyboard_turns(
    browser: Browser, pages: Path
) -> None:
    browser.open(pages / "many.html")
    assert len(browser.js(IDS)) == 50
    # Without confidences there is nothing to sort or to filter by them.
    assert browser.js("document.getElementById('unsure-label').hidden")
    browser.js("[...document.querySelectorAll('#list summary')].at(-1).focus()")
    browser.press("j")
    assert browser.js(FOCUSED) == "n50"
    assert browser.js("document.getElementById('page').textContent") == "第 2 頁，共 3 頁"
    browser.press("k")
    assert browser.js(FOCUSED) == "n49"
    click(browser, "#next")
    click(browser, "#next")
    assert browser.js(IDS)[-1] == "n119"
    assert browser.js("document.getElementById('next').disabled")


def test_the_policy_stops_whatever_else_is_put_into_the_page(
    running: Browser, pages: Path, tmp_path: Path
) -> None:
    text = (pages / "two.html").read_text(encoding="utf-8")
    added = (
        "<script>window.ran = 1</script><img src='https://example.com/a.png'>"
        "<p id='styled' style='position:fixed'></p><button id='handler' onclick='window.ran = 2'>"
    )
    path = tmp_path / "changed.html"
    path.write_text(text.replace("</body>", added + "</body>"), encoding="utf-8")
    running.open(path)
    click(running, "#handler")
    assert running.js("window.ran") is None
    assert running.js("getComputedStyle(document.getElementById('styled')).position") == "static"
    stopped = [said for said in running.complaints if "Content Security Policy" in said]
    assert len(stopped) == 4
    running.wait("document.images[0].complete")
    assert "failed: csp" in running.complaints


@pytest.mark.parametrize("name", ["hostile.html", "hostile-two.html"])
def test_nothing_of_a_hostile_bank_runs(browser: Browser, pages: Path, name: str) -> None:
    browser.open(pages / name, width=390)
    browser.js("window.alert = () => { throw new Error('ran') }")
    browser.js("document.querySelectorAll('#list summary').forEach(e => e.click())")
    browser.wait("document.querySelectorAll('#list .body').length === 6")
    for language in ("en", "zh-Hans", "zh-Hant"):
        click(browser, f"[data-language={language}]")
    assert browser.js("document.querySelectorAll('script').length") == 2
    assert browser.js("document.querySelectorAll('main img, main b, main script').length") == 0
    texts = browser.js("[...document.querySelectorAll('#list .stem')].map(e => e.textContent)")
    assert r"</script><script>alert(1)</script>" in texts[0]
    assert r"\u202e" in texts[0]
    # A subject may have the name of anything in the script.
    choose(browser, "subject", "constructor")
    assert browser.js(IDS) == ["__proto__"]
    choose(browser, "subject", "all")
    assert browser.js(IDS) == ["=1+1"]


@pytest.mark.parametrize("name", ["two.html", "one.html", "hostile.html", "hostile-two.html"])
@pytest.mark.parametrize("language", ["zh-Hant", "en"])
def test_a_phone_shows_the_whole_width(
    browser: Browser, pages: Path, name: str, language: str
) -> None:
    browser.open(pages / name, width=390)
    click(browser, f"[data-language={language}]")
    browser.js("document.querySelectorAll('details:not([open]) > summary').forEach(e => e.click())")
    browser.wait("document.querySelectorAll('#list .body').length > 2")
    assert browser.js("document.documentElement.scrollWidth") == 390
    assert browser.js("innerWidth") == 390
    # Nor is a part of a table, such as the second side of two, out of sight in a box that scrolls.
    assert browser.js(CUT) == []
