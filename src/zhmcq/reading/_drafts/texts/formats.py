"""A plain text → drafts, in the form in which it writes its questions."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from zhmcq.errors import ColumnsError, ReadError
from zhmcq.reading._drafts.draft import Draft, DraftItem, ReadRequest
from zhmcq.reading._drafts.tables.sheets import sheet_drafts
from zhmcq.reading._drafts.texts.aiken import ANSWER_LINE, OPTION_LINE, aiken_drafts
from zhmcq.reading._drafts.texts.gift import gift_answers, gift_drafts, with_gift_signs
from zhmcq.reading._drafts.texts.numbered import numbered_drafts
from zhmcq.reading._drafts.texts.paper import Paper
from zhmcq.reading._drafts.texts.paper_lines import start_of
from zhmcq.reading._drafts.texts.questions_or_prose import are_questions
from zhmcq.reading._drafts.texts.text_problems import skipped_lines
from zhmcq.reading._formats.plain_text import Line, PlainText

__all__ = ["text_drafts"]


def text_drafts(text: PlainText, request: ReadRequest) -> Generator[DraftItem, None, None]:
    """The drafts of a plain text or document.

    Raises:
        ReadError: If it holds neither questions in a form that is known nor a table of them.
    """
    name = request.name
    if text.mostly_tables and (items := _of_tables(text, request)) is not None:
        yield from items
        return
    paper = Paper([] if text.is_gift else text.lines)
    form = _form(text, paper)
    if form == "gift":
        yield from gift_drafts(with_gift_signs(text.lines), name)
    elif form == "aiken":
        yield from aiken_drafts(text.lines, name, text.unit)
    elif form == "numbered":
        numbered = numbered_drafts(paper, name, text.unit)
        if not are_questions(numbered):
            raise _numbered_text(numbered, text, name)
        yield from numbered
    else:
        items = None if text.mostly_tables else _of_tables(text, request)
        if items is None:
            raise _running_text(text, name)
        yield from items


def _form(text: PlainText, paper: Paper) -> str:
    # Mathematics has braces too, but fewer of them look like answers.
    if text.is_gift or gift_answers(with_gift_signs(text.lines)) > paper.count():
        return "gift"
    if _looks_like_aiken(text.lines, numbered=paper.count() > 0):
        return "aiken"
    return "numbered" if paper.count() else ""


def _looks_like_aiken(lines: Sequence[Line], *, numbered: bool) -> bool:
    """Whether options and keys stand in lines of their own, after stems without numbers."""
    answers = sum(bool(ANSWER_LINE.fullmatch(line.text)) for line in lines)
    options = sum(bool(OPTION_LINE.fullmatch(line.text)) for line in lines)
    if options < 2 or not answers:
        return False
    starts = sum(start_of(line.text) is not None for line in lines) if numbered else 0
    return starts * 2 < answers


def _of_tables(text: PlainText, request: ReadRequest) -> list[DraftItem] | None:
    """The drafts of the text's tables; None where none of them is a table of questions."""
    try:
        items: list[DraftItem] = list(sheet_drafts(text.sheets, request))
    except ColumnsError:
        return None
    except ReadError:
        if text.unit == "paragraph":
            return None
        raise
    if text.unit == "line":
        return items
    outside = [line for line in text.lines if not line.in_table]
    skipped = list(skipped_lines(outside, (), request.name, text.unit))
    return [*skipped, *items]


def _numbered_text(items: Sequence[DraftItem], text: PlainText, name: str) -> ReadError:
    row = next((item.origin.row for item in items if isinstance(item, Draft)), 0)
    return ReadError(
        f"{name}: this is a text with numbered points, the first at {text.unit} {row}, but they "
        "don't look like questions: none has a key, and hardly any asks for something; if they "
        "are questions, write their keys ('答案：B'), or brackets for them, to each"
    )


def _running_text(text: PlainText, name: str) -> ReadError:
    first = text.lines[0].text[:40] if text.lines else ""
    return ReadError(
        f"{name}: this is running text, not a table, and no questions were recognised in it; it "
        f"begins {first!r}. Expected one of these: Aiken (options 'A. …', then 'ANSWER: B'), GIFT "
        "('stem {=right ~wrong}'), numbered questions ('1. …') with labelled options ('(A) …'), or "
        "a table with a header row; write the questions in one of these forms"
    )
