"""Questions of Moodle's XML → drafts; kinds that are no choice are said by their names."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from zhmcq.questions import Origin, RowProblem
from zhmcq.reading._drafts.draft import Draft, DraftItem
from zhmcq.reading._drafts.weights import right_by_weight
from zhmcq.reading._formats.moodle_xml import XmlQuestion

__all__ = ["moodle_drafts"]

_CHOICES = ("multichoice", "multichoiceset", "truefalse", "calculatedmulti")
#: Moodle's kind → the word for it that :func:`zhmcq.zh._kinds.kind_of` knows.
_KINDS = {
    "shortanswer": "fill in",
    "regexp": "fill in",
    "numerical": "fill in",
    "calculated": "fill in",
    "calculatedsimple": "fill in",
    "cloze": "fill in",
    "gapselect": "fill in",
    "gapfill": "fill in",
    "essay": "essay",
    "essayautograde": "essay",
    "coderunner": "essay",
    "recordrtc": "essay",
    "matching": "matching",
    "match": "matching",
    "ddmatch": "matching",
    "ddwtos": "matching",
    "ddimageortext": "matching",
    "ddmarker": "matching",
    "randomsamatch": "matching",
    "ordering": "ordering",
}
#: How Moodle shows labels → the first ten of them.
_NUMBERING = {"abc": "ABCDEFGHIJ", "ABCD": "ABCDEFGHIJ", "123": "123456789"}
_QUOTED = 60


def moodle_drafts(questions: Iterable[XmlQuestion], file: str) -> Generator[DraftItem, None, None]:
    """The drafts of a file's questions; descriptions are said to be skipped.

    Args:
        questions: In the file's order; a category holds for those after it.
        file: The file's name as it was given.
    """
    subject = ""
    for question in questions:
        if question.kind == "category":
            subject = question.texts.get("category", "").rpartition("/")[2].strip()
            continue
        if question.kind == "description":
            text = question.texts.get("questiontext", "")[:_QUOTED]
            yield RowProblem(
                question.number, "", "skipped_row",
                f"question {question.number} is a description without a question and was "
                f"skipped: {text!r}",
                "warning", file,
            )  # fmt: skip
            continue
        yield _draft(question, file, subject)


def _draft(question: XmlQuestion, file: str, subject: str) -> Draft:
    texts = question.texts
    draft = Draft(
        Origin(file, "", question.number),
        texts.get("questiontext", ""),
        subject=subject,
        explanation=texts.get("generalfeedback", ""),
    )
    draft.source_id = texts.get("idnumber") or None
    if question.pictures:
        draft.notes.append(("stem", "picture"))
    if question.kind not in _CHOICES:
        # A kind that nobody knows here may be of any sort; only its name can be told.
        draft.kind = _KINDS.get(question.kind, "")
        if not draft.kind:
            draft.notes.append((question.kind or "type", "unknown_kind"))
        return draft
    weights = [_percent(answer.fraction) for answer in question.answers]
    if question.kind == "truefalse":
        draft.kind = "true_false"
        right = [a.text.lower() for a, w in zip(question.answers, weights, strict=True) if w >= 99]
        draft.answer = right[0] == "true" if right in (["true"], ["false"]) else ",".join(right)
        return draft
    draft.options = [answer.text for answer in question.answers]
    single = texts.get("single", "true").lower() in ("true", "1")
    draft.kind = "" if single else "multiple"
    draft.answer = right_by_weight(weights, single=single)
    numbering = _NUMBERING.get(texts.get("answernumbering", ""), "")
    if 0 < len(draft.options) <= len(numbering):
        draft.labels = tuple(numbering[: len(draft.options)])
    if not all(draft.options):
        draft.notes.append(("", "image_options"))
    return draft


def _percent(fraction: str) -> float:
    """The marks of an answer; what is no number earns none."""
    try:
        value = float(fraction)
    except ValueError:
        return 0.0
    return value if -1000 <= value <= 1000 else 0.0
