"""Check the links of the built site, and with a browser its pages on a phone.

::

    mkdocs build --strict --site-dir SITE
    python docs/check_site.py SITE
    python docs/check_site.py SITE --pictures FOLDER

mkdocs looks at the links of the texts; this looks at the pages that came of them: at anchors,
pictures, scripts, the navigation and the switch of the language. With ``--pictures`` a headless
Chromium opens each page 390 and 1,280 pixels wide. What is wider than the window and a missing
picture are faults, and the pages are saved as pictures to look at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (390, 1280)
SLICE = 8000  # pixels of height; of much larger ones Chromium makes no picture
TARGETS = {"a": "href", "link": "href", "img": "src", "script": "src"}
# The outermost elements that reach beyond the window: the theme hides what does, so that a reader
# could not even scroll to it. Tables and code can be scrolled by themselves; menus are closed.
WIDE = """[...document.querySelectorAll('body *')].filter(e =>
    e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !e.closest('.md-typeset__scrollwrap, pre, code, svg, .md-sidebar, .md-search, .md-select')
).slice(0, 3).map(e => e.outerHTML.slice(0, 80))"""
MISSING = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
LOADED = "document.readyState === 'complete' && [...document.images].every(i => i.complete)"


class _Page(HTMLParser):
    """The names in a page that links may lead to, and the page's own links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.names.update(filter(None, (values.get("id"), values.get("name"))))
        target = values.get(TARGETS.get(tag, ""))
        if target is not None:
            self.targets.append(target)


def broken_links(site: Path) -> list[str]:
    """The links of a built site that lead nowhere, each as ``page: target``.

    Links to other sites are left alone. The page of missing pages, ``404.html``, is left out: its
    links begin at the root of a server.

    Args:
        site: The folder that ``mkdocs build`` wrote.
    """
    pages = {
        path.resolve(): _Page(path.read_text(encoding="utf-8"))
        for path in sorted(site.rglob("*.html"))
        if path.name != "404.html"
    }
    return [
        f"{path.relative_to(site.resolve())}: {target}"
        for path, page in pages.items()
        for target in page.targets
        if not _leads_somewhere(path, target, pages)
    ]


def _leads_somewhere(path: Path, target: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return True
    aim = path
    if parts.path:
        # By strings: on disk, a/../b needs a folder a, and in a browser it does not.
        aim = Path(os.path.normpath(path.parent / unquote(parts.path)))
    if aim.is_dir():
        aim = aim / "index.html"
    anchor = unquote(parts.fragment)
    if not anchor or aim not in pages:
        return aim.is_file() and not anchor
    return anchor in pages[aim].names


def faults_in_browser(site: Path, pictures: Path) -> Iterator[str]:
    """What is wrong with pages as a browser shows them, each as ``page at width: fault``.

    Args:
        site: The folder that ``mkdocs build`` wrote.
        pictures: An existing folder, in which each page is saved as png at each width, long ones
            in parts.
    """
    sys.path.insert(0, str(ROOT / "tests" / "reports"))
    from browser import Browser  # the one that the tests of the report use

    with tempfile.TemporaryDirectory() as profile, Browser(Path(profile)) as browser:
        for path in sorted(site.rglob("index.html")):
            name = str(path.parent.relative_to(site)).replace("/", "-").strip(".") or "home"
            for width in WIDTHS:
                browser.open(path.resolve(), width=width, ready=LOADED)
                for element in browser.js(WIDE):
                    yield f"{name} at {width}: wider than the window: {element}"
                for source in browser.js(MISSING):
                    yield f"{name} at {width}: no picture {source}"
                height = browser.js("document.documentElement.scrollHeight")
                for top in range(0, height, SLICE):
                    part = (top, width, min(SLICE, height - top))
                    browser.picture(pictures / f"{name}-{width}-{top:06}.png", part=part)


def main() -> int:
    """Print the faults of the site named on the command line; 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check the links and pages of the built site.")
    parser.add_argument("site", type=Path, help="what mkdocs build wrote")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures, made by Chromium")
    options = parser.parse_args()
    faults = broken_links(options.site)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
        faults += faults_in_browser(options.site, options.pictures)
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
