"""What zhmcq logs, on stderr, for those who have not configured logging."""

from __future__ import annotations

import logging
import sys
from typing import Any

from zhmcq._bars import BAR_DRAWN
from zhmcq._visible import console_text
from zhmcq.errors import SettingsError

__all__ = ["log_to_stderr"]

LOGGER = logging.getLogger("zhmcq")
FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def log_to_stderr(level: str | int = "INFO") -> None:
    """Write what zhmcq logs to stderr, with the time; loggers of others stay as they are.

    Without it, and without logging that is configured otherwise, warnings are written to stderr as
    plain text, and the rest nowhere. A later call changes the level. A record that another handler
    writes to stderr or stdout already, such as one of ``logging.basicConfig``, is not written
    twice; lines of progress are left out where a bar is drawn.

    Args:
        level: The lowest level that is written: ``"DEBUG"``, ``"INFO"``, ``"WARNING"``,
            ``"ERROR"``, or a number of :mod:`logging`; 0 for everything.

    Raises:
        SettingsError: If there is no such level.
    """
    known = logging.getLevelNamesMapping()
    number = known.get(level.upper()) if isinstance(level, str) else level
    if not isinstance(number, int) or isinstance(number, bool):
        raise SettingsError(
            f"log_to_stderr({level!r:.80}): expected 'DEBUG', 'INFO', 'WARNING', 'ERROR', or a "
            "number of logging"
        )
    if not any(isinstance(handler, _StderrHandler) for handler in LOGGER.handlers):
        handler = _StderrHandler()
        handler.setFormatter(logging.Formatter(FORMAT, TIME_FORMAT))
        LOGGER.addHandler(handler)
    LOGGER.setLevel(max(1, number))  # to Python, 0 is no level of its own


class _StderrHandler(logging.Handler):
    """Writes to what stderr is at that moment: that of a notebook's cell, or above a bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless others show it."""
        if sys.stderr is None or getattr(record, BAR_DRAWN, False) or self._is_shown(record):
            return
        try:
            sys.stderr.write(console_text(self.format(record), sys.stderr) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)

    def _is_shown(self, record: logging.LogRecord) -> bool:
        """Whether another handler writes the record to stderr or stdout."""
        streams = [sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__]
        # While rich draws a bar, it stands in for both.
        streams += [getattr(stream, "rich_proxied_file", None) for stream in streams[:2]]
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            for handler in logger.handlers:
                stream = _stream_of(handler)
                takes_it = record.levelno >= handler.level and handler is not self
                if takes_it and stream is not None and any(stream is known for known in streams):
                    return True
            logger = logger.parent if logger.propagate else None
        return False


def _stream_of(handler: Any) -> Any:
    """What a handler writes to; rich's handler has a console that writes."""
    console = getattr(handler, "console", None)
    return getattr(handler, "stream", None) or getattr(console, "file", None)
