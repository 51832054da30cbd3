"""The pages in Chinese have what the pages in English have: blocks, anchors, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import markdown
import pytest
import yaml
from mkdocs.structure.files import File
from mkdocs.structure.pages import Page

import languages_hook
from english import english_sentences

ROOT = Path(__file__).parents[1]
CHINESE = ROOT / "docs" / "zh"
ENGLISH = ROOT / "docs" / "en"
TRANSLATED = sorted(path.name for path in CHINESE.glob("*.md"))
# The site shows these in English below a note (docs/languages_hook.py).
NOT_TRANSLATED: set[str] = set()
OUTSIDE = ("README.md", "README.zh-TW.md", "CONTRIBUTING.md", "CHANGELOG.md")

BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
OUTPUT_NAME = re.compile(r"^<!-- output: ([\w-]+) -->$", re.MULTILINE)
DIRECTIVE = re.compile(r"^::: .*\n(?:(?: {4}.*)?\n)*", re.MULTILINE)
GENERATED = re.compile(r"^<!-- \w+: begin -->$.*?^<!-- \w+: end -->$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")


def page(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return [match[0] for match in BLOCK.finditer(text)]


def heading_ids(text: str) -> list[tuple[int, str]]:
    """Level and id of each heading, as the site has them."""
    parser = markdown.Markdown(extensions=["attr_list", "tables", "toc", "pymdownx.superfences"])
    parser.convert(DIRECTIVE.sub("", text))
    return list(_levels(parser.toc_tokens))


def _levels(tokens: list[dict[str, object]]) -> Iterator[tuple[int, str]]:
    for token in tokens:
        level, name, children = token["level"], token["id"], token["children"]
        assert isinstance(level, int)
        assert isinstance(name, str)
        assert isinstance(children, list)
        yield level, name
        yield from _levels(children)


def titles(nav: list[dict[str, object]]) -> Iterator[tuple[str, str | None]]:
    """Each title of the navigation with its page; groups have none."""
    for entry in nav:
        for title, target in entry.items():
            if isinstance(target, list):
                yield title, None
                yield from titles(target)
            else:
                yield title, str(target)


def site() -> tuple[list[tuple[str, str | None]], dict[str, dict[str, object]]]:
    """The navigation of mkdocs.yml, and its languages by their locale."""
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    plugins = {name: options for each in config["plugins"] for name, options in each.items()}
    languages = {language["locale"]: language for language in plugins["i18n"]["languages"]}
    return list(titles(config["nav"])), languages


def test_each_page_in_chinese_has_a_page_in_english_and_what_is_missing_is_known() -> None:
    english = {path.name for path in ENGLISH.glob("*.md")}

    assert set(TRANSLATED) - english == set()
    assert english - set(TRANSLATED) <= NOT_TRANSLATED


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_in_chinese_has_the_blocks_of_the_page_in_english(name: str) -> None:
    chinese, english = page(CHINESE, name), page(ENGLISH, name)

    assert blocks(chinese) == blocks(english)
    assert OUTPUT_NAME.findall(chinese) == OUTPUT_NAME.findall(english)


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_in_chinese_documents_the_names_that_the_page_in_english_documents(
    name: str,
) -> None:
    chinese, english = page(CHINESE, name), page(ENGLISH, name)

    assert re.findall("^:::.*", chinese, re.MULTILINE) == re.findall(
        "^:::.*", english, re.MULTILINE
    )


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_in_chinese_has_the_anchors_of_the_page_in_english(name: str) -> None:
    assert heading_ids(page(CHINESE, name)) == heading_ids(page(ENGLISH, name)) != []


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_in_chinese_leads_where_the_page_in_english_leads(name: str) -> None:
    def targets(text: str) -> set[str]:
        return {match["target"] for match in LINK.finditer(BLOCK.sub("", text))}

    assert targets(page(CHINESE, name)) == targets(page(ENGLISH, name))


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_page_in_chinese_has_no_english_sentence(name: str) -> None:
    assert english_sentences(page(CHINESE, name)) == []


def test_english_sentences_are_counted_and_names_code_and_quotations_are_not() -> None:
    text = (
        "# 標題 { #what-is-there }\n\n"
        "用 `pip install and so on` 安裝 Apache License，訊息是「the model is not there」，"
        "見 [頁](where-it-is.md)。A B C A B C 是六個選項。\n"
        "Every page is\ntranslated. 這一句是中文。\n\n"
        "```text\nThis is a message of the program.\n```\n"
        "| 名稱 | 回覆 | 意思 |\n|---|---|---|\n"
        "| 《Attention Is All You Need》 | So it is B | Which one is right |\n"
    )

    assert english_sentences(text) == ["Every page is translated", "Which one is right"]


def test_the_site_joins_the_lines_of_a_chinese_paragraph_and_no_others() -> None:
    text = "甲，\n乙。\n\n- 丙\n  丁 a\n戊\n\n```text\n己\n庚\n```\n\n| 辛 |\n|---|\n| 壬 |\n"
    file = File("zh/index.md", str(ROOT / "docs"), "site", use_directory_urls=True)
    page = Page(None, file, {"docs_dir": str(ROOT / "docs"), "site_url": None})  # type: ignore[arg-type]

    joined = languages_hook.on_page_markdown(text, page)

    assert joined == text.replace("，\n乙", "，乙").replace("丙\n  丁", "丙丁")


def test_every_title_of_the_navigation_has_an_english_one_and_none_is_left_over() -> None:
    nav, languages = site()
    translations = languages["en"]["nav_translations"]

    assert isinstance(translations, dict)
    assert list(translations) == [title for title, _ in nav]
    assert all(str(title).isascii() for title in translations.values())


def test_every_page_is_in_the_navigation_once() -> None:
    nav, _ = site()

    pages = sorted(target for _, target in nav if target is not None)
    assert pages == sorted(path.name for path in ENGLISH.glob("*.md"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_link_to_a_file_of_the_project_leads_to_one(name: str) -> None:
    broken = []
    for match in LINK.finditer(BLOCK.sub("", (ROOT / name).read_text(encoding="utf-8"))):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"\w+:", target) or not target:
            continue
        path = ROOT / target
        if path.parent == CHINESE and path.name in NOT_TRANSLATED and not path.is_file():
            path = ENGLISH / path.name
        if not path.is_file():
            broken.append(target)
        elif anchor and anchor not in [name for _, name in heading_ids(path.read_text("utf-8"))]:
            broken.append(f"{target}#{anchor}")

    assert broken == []


@pytest.mark.parametrize("name", sorted(path.name for path in ENGLISH.glob("*.md")))
def test_lines_of_a_page_in_english_are_wrapped(name: str) -> None:
    text = GENERATED.sub("", BLOCK.sub("", page(ENGLISH, name)))

    assert [line for line in text.splitlines() if len(line) > 120 and line[0] != "|"] == []


@pytest.mark.parametrize("folder", [CHINESE, ENGLISH])
def test_each_code_of_a_problem_is_in_one_row_of_the_table(folder: Path) -> None:
    codes = [
        code
        for row in re.findall(
            r"^\| (`[a-z].*?) \| [^|]+ \| ", page(folder, "reading.md"), re.MULTILINE
        )
        for code in re.findall(r"`(\w+)`", row)
    ]

    assert "two_keys" in codes
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("folder", [CHINESE, ENGLISH])
def test_the_files_that_the_page_on_the_architecture_names_are_there(folder: Path) -> None:
    named = re.findall(r"`(\w+/[\w/]+(?:/|\.py))`", page(folder, "architecture.md"))

    assert "prediction/_processes/" in named
    roots = (ROOT, ROOT / "src" / "zhmcq")
    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def test_the_readme_in_chinese_lists_the_pages_in_chinese() -> None:
    english, chinese = (
        re.findall(rf"^\| \[[^]]+\]\(docs/{language}/([\w-]+\.md)\)", text, re.MULTILINE)
        for language, text in (
            ("en", (ROOT / "README.md").read_text(encoding="utf-8")),
            ("zh", (ROOT / "README.zh-TW.md").read_text(encoding="utf-8")),
        )
    )

    assert chinese == english
    assert sorted([*english, "index.md"]) == sorted(path.name for path in ENGLISH.glob("*.md"))


def test_the_page_on_installation_names_the_torch_that_is_pinned() -> None:
    pinned = re.findall(r"^torch==.*", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

    assert re.findall(r"torch==[\d.]+\d", page(ENGLISH, "installation.md")) == pinned
