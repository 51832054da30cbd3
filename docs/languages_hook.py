"""For mkdocs: the English text where a page has no translation, and links between the languages.

The plugin for languages falls back to the default language only, and that is Chinese here. So a
page of ``docs/en`` without a counterpart in ``docs/zh`` is added to the Chinese pages, with the
English text below a note, and left out of the search, which has it once already.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DEFAULT, ORIGINAL = "zh", "en"
BLOCK = re.compile(r"(^ *```.*?^ *``` *$)", re.MULTILINE | re.DOTALL)
WIDE = r"[\u3000-\u9fff\uff00-\uffef]"
LINE_END = re.compile(rf"(?<={WIDE})\n *(?={WIDE})")
NOTE = "!!! note\n\n    這一頁還沒有中文版，以下是英文原文。\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that have not been translated, by the names that translations would have."""
    present = {file.src_uri for file in files}
    for name in [file.src_uri for file in files.documentation_pages()]:
        language, _, rest = name.partition("/")
        wanted = f"{DEFAULT}/{rest}"
        if language == ORIGINAL and wanted not in present:
            files.append(File(wanted, config.docs_dir, config.site_dir, config.use_directory_urls))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:
    """Give a page without a translation the text of its original."""
    if not _is_missing(page):
        return None
    _, _, rest = page.file.src_uri.partition("/")
    text = (Path(config.docs_dir) / ORIGINAL / rest).read_text(encoding="utf-8")
    title, _, body = text.partition("\n")
    return f"{title}\n\n{NOTE}{body}"


def on_page_markdown(markdown: str, page: Page, **_more: Any) -> str:
    """Leave a page without a translation out of the search; join the lines of Chinese paragraphs.

    A browser shows a line end as a blank, which Chinese does not have between two characters.
    """
    if _is_missing(page):
        page.meta["search"] = {"exclude": True}
    parts = BLOCK.split(markdown)  # every second one is a block of code
    parts[::2] = [LINE_END.sub("", part) for part in parts[::2]]
    return "".join(parts)


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, **_more: Any) -> Any:
    """Let the language switch lead to the same page by a relative link.

    The plugin gives home pages links from the root of a server, which are wrong where the site is
    in a folder of one. The theme takes links from the home page on, and makes them relative.
    """
    # An attribute: the template takes it before the entry of the same name.
    for alternate in getattr(config.extra, "alternate", []):
        alternate["link"] = page.file.alternates[alternate["lang"]].url or "./"  # type: ignore[attr-defined]
    return context


def _is_missing(page: Page) -> bool:
    path = page.file.abs_src_path
    in_default = page.file.src_uri.startswith(f"{DEFAULT}/")
    return in_default and path is not None and not Path(path).is_file()
