"""English sentences in what is to be Chinese: pages of the documentation, lines of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator

# What an English sentence cannot do without, and what names and terms seldom have.
FUNCTION_WORD = re.compile(
    r"(?<![\w-])(?:an?|and|are|as|at|be|been|but|by|can|do|does|for|from|had|has|have|how|if|in|is|its?|may"
    r"|no|not|of|on|only|or|so|than|that|the|their|them|then|there|these|they|this|those|to|was"
    r"|were|what|when|where|which|who|will|with|without|you|your)(?![\w-])",
    re.IGNORECASE,
)
# Columns of tables that quote: replies of models, and words of the library in English.
QUOTING = {"回覆", "en", "English"}
NOT_PROSE = re.compile(
    r"<!--.*?-->"  # comments
    r"|^```.*?^```"  # code
    r"|``.+?``|`[^`\n]*`"
    r"|\{[^{}\n]*\}"  # attributes of headings
    r"|\]\([^()\s]*\)"  # targets of links
    r"|https?://\S+"
    r"|“[^“”]*”|\"[^\"\n]*\"|「[^「」\u3400-\u9fff]*」|《[^《》]*》|〈[^〈〉]*〉",  # what is quoted
    re.MULTILINE | re.DOTALL,
)


def english_sentences(text: str) -> list[str]:
    """Stretches of three or more English words, a function word among them, outside of code.

    Two English words say nothing of the language of a page, nor do labels (A B C A). What stands
    in quotation marks, or in a column that quotes, is a message or a title.
    """
    prose = "\n".join(_without_quotations(NOT_PROSE.sub("、", text).splitlines()))
    stretches = re.findall(r"[A-Za-z][A-Za-z'’ ,\n-]*[A-Za-z]", re.sub(r"[*_]", "", prose))
    return [
        " ".join(stretch.split())
        for stretch in stretches
        if len(stretch.split()) > 2
        and len(re.findall(r"[A-Za-z]{2,}", stretch)) > 1
        and FUNCTION_WORD.search(stretch)
    ]


def _without_quotations(lines: list[str]) -> Iterator[str]:
    """The lines of a page; tables without the cells of columns that quote."""
    header: list[str] | None = None
    for line in lines:
        if not line.startswith("|"):
            header = None
            yield line
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        header = header or cells
        yield " | ".join(c for c, name in zip(cells, header, strict=False) if name not in QUOTING)
