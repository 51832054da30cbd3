"""Blocks of a documentation page that a benchmark writes, between two comments with its name."""

from __future__ import annotations

__all__ = ["rewritten"]


def rewritten(text: str, block: str, name: str) -> str:
    """A page's text with another block between the marks of that name.

    Args:
        text: The page, with ``<!-- name: begin -->`` and ``<!-- name: end -->``.
        block: What is to stand between them.
        name: The marks' name.

    Raises:
        ValueError: If the page lacks one of the marks, or has them in the wrong order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"expected a page with {begin} and then {end}, found no such pair")
    return f"{before}{begin}\n\n{block.strip()}\n\n{end}{after}"
