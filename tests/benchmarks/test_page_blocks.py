"""Blocks of a page that a benchmark writes."""

from __future__ import annotations

import pytest

from page_blocks import rewritten

PAGE = "Before\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nafter\n"


def test_only_what_is_between_the_marks_changes() -> None:
    new = rewritten(PAGE, "\nnew \\1\n\n", "speed")
    assert new == "Before\n<!-- speed: begin -->\n\nnew \\1\n\n<!-- speed: end -->\nafter\n"
    assert rewritten(new, "new \\1", "speed") == new


@pytest.mark.parametrize(
    "text",
    [
        "no marks",
        "<!-- speed: begin -->",
        "<!-- speed: end --> <!-- speed: begin -->",
        PAGE.replace("speed", "memory"),
    ],
)
def test_a_page_without_both_marks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="found no such pair"):
        rewritten(text, "new", "speed")
