"""What MCQPredictor is given: checked, and in the form that it works with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from zhmcq._progress import require_progress
from zhmcq.errors import PredictionError, SettingsError
from zhmcq.parsers import Parser, get_parser
from zhmcq.questions import QuestionBank
from zhmcq.reading import BankSource, read_bank
from zhmcq.reading._sources import SourceError, is_empty_list
from zhmcq.settings import GenerateSettings, ScoreSettings

__all__ = [
    "ModeName",
    "as_bank",
    "check_types",
    "mode_settings",
    "refusing_sources",
    "require_adapter",
    "require_count",
    "require_path",
]

ModeName = Literal["score", "generate"]


def require_path(name: str, value: object) -> None:
    if not isinstance(value, str | Path):
        raise SettingsError(f"MCQPredictor({name}={value!r:.80}): expected a path or a name")


def require_adapter(value: object) -> None:
    if value is not None and not isinstance(value, str | Path):
        raise SettingsError(
            f"adapter={value!r:.80}: expected the path of an adapter's folder, its name on the hub "
            "('owner/name'), or None"
        )


def require_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SettingsError(
            f"MCQPredictor({name}={value!r:.80}): expected a whole number of 1 or more"
        )


def mode_settings(
    mode: ModeName | ScoreSettings | GenerateSettings,
    parser: str | Parser | None,
    orders: int | Literal["prior"] | None = None,
) -> ScoreSettings | GenerateSettings:
    """The settings of a mode, with its parser made: an unknown name is refused before any work."""
    if orders is not None and mode != "score":
        reason = "with settings, give mode=ScoreSettings(orders=…)"
        if mode == "generate" or isinstance(mode, GenerateSettings):
            reason = "a generated reply has no scores that could be averaged over orders"
        raise PredictionError(f"orders={orders!r} goes with mode='score' alone: {reason}")
    if parser is not None and mode != "generate":
        raise PredictionError(
            f"parser={parser!r} goes with mode='generate' alone: with settings, give "
            "mode=GenerateSettings(parser=…); mode='score' has no replies to read"
        )
    if mode == "generate":
        mode = GenerateSettings() if parser is None else GenerateSettings(parser=parser)
    elif mode == "score":
        mode = ScoreSettings() if orders is None else ScoreSettings(orders=orders)
    if isinstance(mode, GenerateSettings):
        return mode.model_copy(update={"parser": get_parser(mode.parser)})
    if not isinstance(mode, ScoreSettings):
        raise PredictionError(
            "expected mode 'score', 'generate', ScoreSettings(…) or GenerateSettings(…), found "
            f"{mode!r}"
        )
    return mode


def check_types(journal: object, progress: object) -> None:
    if journal is not None and not isinstance(journal, str | Path):
        raise PredictionError(f"journal={journal!r}: expected the path of a file, or None")
    require_progress(progress, PredictionError)


def as_bank(questions: BankSource, **reading: Any) -> QuestionBank:
    """The questions as a bank, read where they are something else; none may be an empty list."""
    if is_empty_list(questions):
        return QuestionBank([])
    with refusing_sources():
        return read_bank(questions, **reading)


@contextlib.contextmanager
def refusing_sources() -> Iterator[None]:
    """Make what is no source of questions an error of predicting.

    Raises:
        PredictionError: If a source is of a wrong type.
    """
    try:
        yield
    except SourceError as error:
        raise PredictionError(str(error)) from error
