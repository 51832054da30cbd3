"""GIFT, Moodle's text form: ``::title:: stem {=right ~wrong}``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from zhmcq.questions import Origin
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._drafts.texts.text_problems import in_order, skipped_lines
from zhmcq.reading._drafts.weights import right_by_weight
from zhmcq.reading._formats.plain_text import Line

__all__ = ["gift_answers", "gift_drafts", "with_gift_signs"]

# An escaped sign is no sign. Each pattern looks at a character once.
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_ANSWER_START = re.compile(r"\\.|[=~]", re.DOTALL)
_FEEDBACK = re.compile(r"\\.|#", re.DOTALL)
_ESCAPE = re.compile(r"\\([~=#{}:\\n])")
_TITLE = re.compile(r"::(?P<title>(?:\\.|(?!::).)*)::\s*", re.DOTALL)
_FORMAT = re.compile(r"\s*\[(?:html|markdown|moodle|plain)\]\s*")
_WEIGHT = re.compile(r"%(?P<weight>-?\d{1,3}(?:\.\d{1,9})?)%\s*")
_TRUTH = re.compile(r"\s*(?P<truth>TRUE|FALSE|T|F)\s*(?=#|$)")
_CATEGORY = re.compile(r"\$CATEGORY:\s*(?P<category>.*)")
_GENERAL = "####"
_LONGEST_TITLE = 80
_BLANK = "____"
# Left behind after the braces by the program that wrote them.
_STRAY = " \t\n\"';,"
_FULL_WIDTH = re.compile("｛\\s{0,9}[＝=～~]")
_SIGNS = str.maketrans("｛｝＝～＃％", "{}=~#%")

# In mathematics a brace follows a command, an index or another brace.
_PLAIN_BEFORE = r"(?:^|(?<=[^\\^_}\w])|(?<=[\u3400-\u9fff]))"
_SURE = re.compile(rf"{_PLAIN_BEFORE}\{{\s*(?:[=~]|T(?:RUE)?\s*[#}}]|F(?:ALSE)?\s*[#}}]|#\s*[\d-])")
_TITLED = re.compile(r"::[^:].*?::|\$CATEGORY:")


def with_gift_signs(lines: Sequence[Line]) -> Sequence[Line]:
    """Lines whose braces and signs are those of GIFT, where they were typed in full width."""
    if not any(_FULL_WIDTH.search(line.text) for line in lines):
        return lines
    return [
        replace(line, text=line.text.translate(_SIGNS))
        if line.text[:1] in "＝～｝" or "｛" in line.text
        else line
        for line in lines
    ]


def gift_answers(lines: Sequence[Line]) -> int:
    """In how many lines braces begin as GIFT's answers do, or stand alone under its titles."""
    sure = sum(bool(_SURE.search(line.text)) for line in lines)
    sure += sum(
        line.text.endswith("{") and following.text.startswith(("=", "~", "}"))
        for line, following in itertools.pairwise(lines)
    )
    titled = any(_TITLED.match(line.text) for line in lines)
    return sure or (titled and sum("{" in line.text for line in lines))


@dataclass(slots=True)
class _Block:
    """The lines of one question, and how many braces are open at their end."""

    lines: list[Line] = field(default_factory=list)
    depth: int = 0
    groups: int = 0
    broken: bool = False

    def add(self, line: Line) -> None:
        self.lines.append(line)
        for match in _BRACE.finditer(line.text):
            if match.group() == "{":
                self.groups += 1
                self.depth += 1
                self.broken |= self.depth > 1
            elif match.group() == "}":
                self.depth -= 1
                self.broken |= self.depth < 0


def gift_drafts(lines: Sequence[Line], file: str) -> list[DraftItem]:
    """The questions of a text in GIFT, and what it holds beside them.

    Args:
        lines: Its lines that hold anything.
        file: The file's name as it was given.
    """
    used_lines: list[Line] = []
    items: list[DraftItem] = []
    subject = ""
    for block in _blocks(lines):
        first = block.lines[0]
        if category := _CATEGORY.match(first.text):
            subject = category["category"].rpartition("/")[2].strip()
            used_lines.append(first)
            continue
        if not block.groups:
            continue  # A description: text without a question.
        used_lines += block.lines
        items.append(_draft(block, file, subject))
    return in_order([*items, *skipped_lines(lines, used_lines, file, "line")])


def _blocks(lines: Sequence[Line]) -> Iterator[_Block]:
    """The lines of a question each; comments are left out, a category is a block of its own."""
    block = _Block()
    for line in lines:
        if line.text.startswith("//"):
            continue
        category = bool(_CATEGORY.match(line.text))
        if block.lines and (category or _begins(block, line)):
            yield block
            block = _Block()
        block.add(line)
        if category:
            yield block
            block = _Block()
    if block.lines:
        yield block


def _begins(block: _Block, line: Line) -> bool:
    """Whether a line begins another question than that of the block before it."""
    titled = bool(_TITLED.match(line.text))
    if block.depth > 0:
        # A brace that was never closed would swallow the rest of the file.
        return titled or (line.gap and bool(_SURE.search(line.text)))
    if titled:
        return True
    if line.gap:
        # A title waits for its braces, whatever blank lines the stem holds.
        return block.groups > 0 or not _TITLED.match(block.lines[0].text)
    return block.groups > 0 and any(m.group() == "{" for m in _BRACE.finditer(line.text))


def _draft(block: _Block, file: str, subject: str) -> Draft:
    text = "\n".join(line.text for line in block.lines)
    origin = Origin(file, "", block.lines[0].number)
    title = ""
    if match := _TITLE.match(text):
        title, text = _plain(match["title"]), text[match.end() :]
    text = _without_format(text)
    draft = Draft(origin, "", subject=subject)
    draft.source_id = title if title and len(title) <= _LONGEST_TITLE else None
    if block.broken or block.depth or block.groups != 1:
        draft.stem = _plain(text)
        draft.notes.append(("", "damaged_options" if block.groups < 2 else "sub_questions"))
        return draft
    start, end = (m.start() for m in _BRACE.finditer(text) if len(m.group()) == 1)
    before, inside, after = text[:start], text[start + 1 : end], text[end + 1 :]
    draft.stem = _plain(
        f"{before.rstrip()} {_BLANK} {after.lstrip()}" if after.strip(_STRAY) else before
    )
    inside, _, general = inside.partition(_GENERAL)
    draft.explanation = _plain(general)
    _take_answers(draft, inside.strip())
    return draft


def _take_answers(draft: Draft, inside: str) -> None:
    """What the braces hold; each kind that is no choice is said by its name."""
    if not inside:
        draft.kind = "essay"
    elif truth := _TRUTH.match(inside):
        draft.kind, draft.answer = "true_false", truth["truth"].startswith("T")
    elif inside.startswith("#"):
        draft.kind = "fill in"
    else:
        _take_options(draft, inside)


def _take_options(draft: Draft, inside: str) -> None:
    marks = [match for match in _ANSWER_START.finditer(inside) if len(match.group()) == 1]
    ends = [*(mark.start() for mark in marks[1:]), len(inside)]
    parts = [(m.group(), inside[m.end() : end].strip()) for m, end in zip(marks, ends, strict=True)]
    # "~=text" is a right answer with both signs.
    parts = [
        (sign, text)
        for (sign, text), following in zip(parts, [*parts[1:], ("", "")], strict=True)
        if text or sign != "~" or following[0] != "="
    ]
    if not marks or inside[: marks[0].start()].strip():
        draft.notes.append(("", "damaged_options"))
    elif all(sign == "=" for sign, _ in parts):
        pairs = sum("->" in text for _, text in parts)
        draft.kind = "matching" if pairs == len(parts) else "fill in"
    else:
        options, weights = [], []
        for sign, text in parts:
            match = _WEIGHT.match(text)
            option = _before_feedback(text[match.end() :] if match else text)
            options.append(_plain(_without_format(option)))
            weights.append(float(match["weight"]) if match else 100.0 if sign == "=" else 0.0)
        draft.options = options
        draft.answer = right_by_weight(weights)
        if not all(options):
            draft.notes.append(("", "image_options"))
        if sum(weight > 0 for weight in weights) > 1 and isinstance(draft.answer, list):
            draft.kind = "multiple" if sum(draft.answer) > 1 else ""


def _without_format(text: str) -> str:
    """A text without the word for its format before it: ``[html]``."""
    match = _FORMAT.match(text)
    return text[match.end() :] if match else text


def _before_feedback(text: str) -> str:
    for match in _FEEDBACK.finditer(text):
        if match.group() == "#":
            return text[: match.start()]
    return text


def _plain(text: str) -> str:
    """A text without GIFT's escapes."""
    return _ESCAPE.sub(lambda m: "\n" if m.group(1) == "n" else m.group(1), text).strip()
