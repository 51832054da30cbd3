"""The report on answers: one html file that lists every question, with a script that filters them.

The script is short and of our own. A table library that fits into one file brings some 400 kB, sets
cells as html, wants ``style-src 'unsafe-inline'``, and keeps a table a table on a phone, where a
question with its passage and options needs the width of the screen. What a list needs here is a
filter, a sort and a page of fifty, over rows that are in memory.

The content policy names the script and the style by their hashes and allows nothing else: no other
script, no handler in markup, nothing fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from zhmcq._files import atomic_write
from zhmcq._visible import visible
from zhmcq.errors import SettingsError
from zhmcq.questions import Question
from zhmcq.reports._page._content import (
    AnswerList,
    Chart,
    FigureRow,
    GroupRow,
    GroupTable,
    ListedAnswer,
    ListedQuestion,
    Page,
    PromiseFigures,
)
from zhmcq.reports._page._data import page_json
from zhmcq.reports._page._words import LANGUAGES, WORDS
from zhmcq.zh._language import language_of

__all__ = [
    "LANGUAGES",
    "WORDS",
    "AnswerList",
    "Chart",
    "FigureRow",
    "GroupRow",
    "GroupTable",
    "ListedAnswer",
    "ListedQuestion",
    "Page",
    "PromiseFigures",
    "refuse_other_language",
    "write_page",
]


def write_page(path: str | Path, page: Page) -> None:
    """Write a report as one html page, which opens without a network.

    The same page gives the same bytes.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        page: What is shown.

    Raises:
        OutputError: If it cannot be written.
    """
    from jinja2 import Environment

    content_language = language_of(page.headers, _texts(page))
    language = page.language or content_language
    style, script = _part("page.css"), _part("page.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    environment = Environment(autoescape=True, finalize=_shown)
    text = environment.from_string(_part("page.html")).render(
        title="title.compared" if len(page.sides) > 1 else "title.answers",
        language=language,
        languages=LANGUAGES,
        words=WORDS[language],
        policy=policy,
        files=page.files,
        sides=page.sides,
        summary=page.summary,
        promises=list(_promises(page.promises)),
        figures=page.figures,
        groups=page.groups,
        charts=page.charts,
        style=style,
        script=script,
        data=page_json(page, content_language),
    )
    with atomic_write(path) as temporary:
        # Line ends as they are, on every system: the hashes are of these bytes.
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")


def refuse_other_language(language: object, call: str) -> None:
    """Refuse what is no language of the page.

    Args:
        language: What was given.
        call: The function, for the message.

    Raises:
        SettingsError: If it is neither ``None`` nor such a language.
    """
    if language is not None and (not isinstance(language, str) or language not in LANGUAGES):
        names = ", ".join(map(repr, LANGUAGES))
        raise SettingsError(
            f"{call}(language={language!r:.60}): expected {names}, or None for the language that "
            "the questions are in"
        )


def _texts(page: Page) -> Iterator[str]:
    """The texts that tell the language where the headers of the source don't."""
    for listed, _ in page.questions:
        if isinstance(listed.source, Question):
            yield listed.source.stem
            yield from listed.source.options


def _promises(promises: Mapping[str, PromiseFigures]) -> Iterator[dict[str, str]]:
    for side, promise in promises.items():
        name = "promise.none" if promise.threshold is None else "promise"
        for language, words in WORDS.items():
            text = words[name].format(
                error=f"{promise.max_error:.1%}",
                certainty=f"{promise.certainty:.0%}",
                threshold="" if promise.threshold is None else f"{promise.threshold:.4g}",
            )
            several = f"{words[side]}: " if len(promises) > 1 else ""
            yield {"language": language, "text": several + text}


def _part(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A script's or style's name in a content policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _shown(value: object) -> object:
    """What the template writes: texts without acting characters; what is html already as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
