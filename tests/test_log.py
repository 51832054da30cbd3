"""What zhmcq logs comes to stderr once, with the time, if somebody wants it."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import zhmcq
from zhmcq._bars import BAR_DRAWN
from zhmcq._log import LOGGER
from zhmcq.errors import SettingsError

logger = logging.getLogger("zhmcq.training")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = LOGGER.handlers[:], LOGGER.level, root.handlers[:]
    yield
    LOGGER.handlers[:], level, root.handlers[:] = before
    LOGGER.setLevel(level)


def stderr(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_lines_have_time_and_level_and_a_second_call_adds_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    zhmcq.log_to_stderr()
    zhmcq.log_to_stderr()
    stream = stderr(monkeypatch)  # as of a notebook's later cell
    logger.info("step %d", 3)
    logger.debug("detail")
    logging.getLogger("others").warning("of another library")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO step 3\n", stream.getvalue())


def test_a_later_call_changes_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = stderr(monkeypatch)
    zhmcq.log_to_stderr("debug")
    logger.debug("detail")
    zhmcq.log_to_stderr(logging.WARNING)
    logger.info("step 3")
    assert "detail" in stream.getvalue()
    assert "step 3" not in stream.getvalue()


@pytest.mark.parametrize("level", ["NOTSET", 0, -5])
def test_a_level_below_all_others_writes_everything(
    monkeypatch: pytest.MonkeyPatch, level: str | int
) -> None:
    stream = stderr(monkeypatch)
    zhmcq.log_to_stderr(level)
    logger.debug("detail")
    assert "detail" in stream.getvalue()


def test_what_a_log_file_cannot_hold_is_written_as_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "cp950"))
    zhmcq.log_to_stderr()
    logger.info("reading 国文.xlsx")
    assert written.getvalue().decode("cp950").endswith("INFO reading \\u56fd文.xlsx\n")


@pytest.mark.parametrize("level", ["LOUD", None, True, 1.5])
def test_a_level_that_there_is_not_is_refused(level: Any) -> None:
    before = LOGGER.handlers[:]
    with pytest.raises(SettingsError, match=r"log_to_stderr\(.*\): expected 'DEBUG', 'INFO'"):
        zhmcq.log_to_stderr(level)
    assert LOGGER.handlers == before


def test_what_another_handler_writes_to_stderr_is_not_written_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = stderr(monkeypatch)
    zhmcq.log_to_stderr()
    handler = logging.StreamHandler(stream)  # as of logging.basicConfig, before or after
    logging.getLogger().addHandler(handler)
    logger.info("step 3")
    assert stream.getvalue() == "step 3\n"
    handler.setLevel(logging.WARNING)  # now it takes warnings alone
    logger.info("step 4")
    logger.warning("careful")
    assert stream.getvalue().count("step 4") == stream.getvalue().count("careful") == 1


def test_a_handler_that_writes_elsewhere_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, file = stderr(monkeypatch), io.StringIO()
    zhmcq.log_to_stderr()
    logging.getLogger().addHandler(logging.StreamHandler(file))
    logger.info("step 3")
    assert "step 3" in stream.getvalue()
    assert "step 3" in file.getvalue()


def test_a_line_of_progress_is_left_out_where_a_bar_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream, file = stderr(monkeypatch), io.StringIO()
    zhmcq.log_to_stderr()
    logging.getLogger().addHandler(logging.StreamHandler(file))
    for drawn in (True, False):
        logger.info("train: 1 of 2, drawn: %s", drawn, extra={BAR_DRAWN: drawn})
    assert "drawn: False" in stream.getvalue()
    assert "drawn: True" not in stream.getvalue()
    assert file.getvalue() == "train: 1 of 2, drawn: True\ntrain: 1 of 2, drawn: False\n"


def test_without_it_warnings_are_seen_and_the_rest_is_not() -> None:
    code = (
        "import logging, zhmcq; log = logging.getLogger('zhmcq.training');"
        "log.info('step 3'); log.warning('careful')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.stdout, done.stderr) == ("", "careful\n")
