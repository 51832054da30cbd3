"""Lines that stand again on each page of a paper, whatever question the page break cuts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zhmcq.reading._drafts.texts.key_lists import opens_key_list
from zhmcq.reading._drafts.texts.paper_lines import Start, key_line, note_of, passage_range
from zhmcq.reading._formats.plain_text import Line
from zhmcq.zh._fold import fold_name

__all__ = ["running_heads"]

_LEAST = 3
_SHORTEST = 8
_LONGEST = 120
#: What a title of a paper has not: the end of a sentence, something to fill in, program code.
_NO_TITLE = re.compile(
    r"[?？。，,；;：:]$|[?？!！]|_{2,}|[(（]\s*[)）]|下列|何者|[<>{}=\\]|故選|故选"
)
_HAN = re.compile("[\u3400-\u9fff]")


def running_heads(
    lines: Sequence[Line],
    starts: Sequence[Start | None],
    labels: Sequence[tuple[frozenset[int], bool]],
) -> set[int]:
    """The indexes of lines that are the running head or foot of a page.

    A line that occurs three times or more is one where it is a title in form, and a page break put
    it between options or before a key, where nothing of a question can stand, as well as elsewhere:
    a sentence that several stems share stands in the same place of each.

    Args:
        lines: The lines.
        starts: The start of a question that each may be.
        labels: The labels in each, and whether it begins with one.
    """
    by_text: dict[str, list[int]] = {}
    for index, line in enumerate(lines):
        plain = not starts[index] and not labels[index][1] and not line.in_table
        if plain and _SHORTEST <= len(line.text) <= _LONGEST and not _NO_TITLE.search(line.text):
            by_text.setdefault(fold_name(line.text), []).append(index)
    heads: set[int] = set()
    for indexes in by_text.values():
        text = lines[indexes[0]].text
        if len(indexes) < _LEAST or not _HAN.search(text):
            continue
        if key_line(text) or note_of(text) or opens_key_list(text) or passage_range(text):
            continue
        contexts = {_context(index, lines, labels) for index in indexes}
        if len(contexts) > 1 or indexes[0] == 0:
            heads.update(indexes)
    return heads


def _context(
    index: int,
    lines: Sequence[Line],
    labels: Sequence[tuple[frozenset[int], bool]],
) -> str:
    """What the line before one is: an option, a key, the end of a sentence, or part of a stem."""
    if index == 0:
        return "nothing"
    if labels[index - 1][1]:
        return "option"
    if key_line(lines[index - 1].text):
        return "key"
    return "stem"
