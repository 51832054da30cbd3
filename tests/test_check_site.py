"""The check of the built site finds links that lead nowhere, and no others."""

from __future__ import annotations

from pathlib import Path

import check_site


def page(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<html><body>{body}</body></html>", encoding="utf-8")


def test_a_link_that_leads_nowhere_is_named_with_its_page(tmp_path: Path) -> None:
    page(tmp_path, "index.html", '<a href="trust/#%E4%BF%A1">1</a><img src="assets/a.png">')
    page(tmp_path, "trust/index.html", '<p id="信">2</p><a href="../gone/">3</a><a href="#n">4</a>')
    page(tmp_path, "en/index.html", '<a href="../trust/#m">5</a><script src="../s.js"></script>')

    assert check_site.broken_links(tmp_path) == [
        "en/index.html: ../trust/#m",
        "en/index.html: ../s.js",
        "index.html: assets/a.png",
        "trust/index.html: ../gone/",
        "trust/index.html: #n",
    ]


def test_links_to_pages_files_anchors_and_other_sites_are_right(tmp_path: Path) -> None:
    links = ("", ".", "en/", "en/#top", "en/index.html", "assets/a.png", "https://a.tw/b#c")
    page(tmp_path, "index.html", "".join(f'<a href="{link}">1</a>' for link in links))
    page(tmp_path, "en/index.html", '<p id="top">2</p><a href="../no/../">3</a><a>4</a>')
    page(tmp_path, "404.html", '<a href="/from/the/root/">5</a>')
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.png").write_bytes(b"")

    assert check_site.broken_links(tmp_path) == []
