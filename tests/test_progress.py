"""Reports of progress: to a caller's function, as bars on a terminal, as lines in a log."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zhmcq import _bars
from zhmcq._progress import counted_bytes, current_progress, reporting, require_progress
from zhmcq.errors import PredictionError, ZhmcqError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Stands in for the seconds that pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_bars, "time", clock)
    return clock


def log_file(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Make stderr a file, and logging as it is before anybody has configured it.

    Called within the test, since pytest puts its own stream and handlers there before that.
    """
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_bars.logger, "propagate", False)
    return stream


def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Make stderr a terminal."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    return stream


def test_what_takes_less_than_ten_seconds_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        report(0, 10, "answering")
        clock.now += 9.9
        report(9, 10, "answering")
        clock.now += 100
        report(0, 10, "train")
    assert stream.getvalue() == ""


def test_a_log_file_gets_a_line_with_rate_and_remaining_time_every_tenth_or_half_minute(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        for done in range(0, 1001, 10):  # 20 a second
            report(done, 1000, "answering")
            clock.now += 0.5
    assert stream.getvalue().splitlines() == [
        "answering: 200 of 1,000 (20%), 20 a second, about 40 s left",
        "answering: 800 of 1,000 (80%), 20 a second, about 10 s left",
        "answering: 1,000 of 1,000 (100%), in 50 s",
    ]
    assert "\r" not in stream.getvalue()


def test_of_a_long_run_lines_come_at_every_tenth(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        for step in range(101):  # a step takes 4 s, and a tenth 40
            report(step, 100, "train")
            clock.now += 4
    lines = stream.getvalue().splitlines()
    assert lines[0] == "train: 3 of 100 (3%), 4 s each, about 6 minutes left"
    assert [line.split()[1] for line in lines] == [
        *("3", "13", "23", "33", "43", "53", "63", "73", "83", "93", "100")
    ]


def test_no_run_is_silent_for_more_than_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        for step in range(9):  # of 1,000, so that a tenth takes hours
            report(step, 1000, "train")
            clock.now += 200
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["1", "4", "7"]


def test_what_was_done_before_counts_neither_for_the_rate_nor_for_the_time(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        report(900, 1000, "answering")
        clock.now += 10
        report(910, 1000, "answering")
    assert stream.getvalue() == "answering: 910 of 1,000 (91%), 1 a second, about 90 s left\n"


def test_a_stage_that_comes_again_begins_anew(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        for _ in range(2):
            report(0, 4, "validation")
            clock.now += 12
            report(2, 4, "validation")
            clock.now += 12
            report(4, 4, "validation")
    assert stream.getvalue().splitlines() == 2 * [
        "validation: 2 of 4 (50%), 6 s each, about 12 s left",
        "validation: 4 of 4 (100%), in 24 s",
    ]


def test_lines_are_logged_where_logging_is_configured(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    for level, lines in (
        (logging.INFO, ["train: 1 of 2 (50%), 20 s each, about 20 s left"]),
        (logging.WARNING, []),
    ):
        caplog.clear()
        with caplog.at_level(level, "zhmcq"), reporting(None) as report:
            report(0, 2, "train")
            clock.now += 20
            report(1, 2, "train")
        assert caplog.messages == lines
    assert stream.getvalue() == ""


def test_what_a_log_file_cannot_hold_is_written_as_escapes(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "cp950"))
    monkeypatch.setattr(_bars.logger, "propagate", False)
    with reporting(None) as report:
        report(0, 4, "reading 国文.csv")
        clock.now += 20
        report(1, 4, "reading 国文.csv")
    assert written.getvalue().decode("cp950").startswith("reading \\u56fd文.csv: 1 of 4 (25%)")


@pytest.mark.parametrize("stream", [None, io.StringIO(), Terminal()])
def test_a_stream_that_is_closed_or_missing_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, stream: io.StringIO | None
) -> None:
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(_bars.logger, "propagate", False)
    with reporting(None) as report:
        for done in range(3):
            report(done, 2, "answering")
            clock.now += 20
    assert not _bars._drawn.locked()


def test_on_a_terminal_each_stage_is_a_bar_that_goes_away_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = terminal(monkeypatch)
    with reporting(None) as report:
        report(0, 3, "reading")
        report(3, 3, "reading")
        report(2, 40, "answering")
    drawn = stream.getvalue()
    assert "reading" in drawn
    assert "answering" in drawn
    assert " 2/40" in drawn
    assert drawn.endswith("\x1b[2K")  # and the row is cleared


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_real_terminal_has_bars_and_a_warning_goes_above_them(tmp_path: Path) -> None:
    import pty

    script = tmp_path / "script.py"
    script.write_text(
        "import logging, time\n"
        "from zhmcq._progress import reporting\n"
        "with reporting(None) as report:\n"
        "    report(1, 2, 'answering')\n"
        "    logging.getLogger('zhmcq.prediction').warning('careful')\n"
        "    report(2, 2, 'answering')\n"
        "print('after')",
        encoding="utf-8",
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # what Linux raises at the end
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    assert child.wait() == 0
    lines = written.decode().splitlines()
    assert any("answering" in line and "1/2" in line for line in lines)
    assert lines.count("careful") == 1 or any(line.endswith("\x1b[2Kcareful") for line in lines)
    assert lines[-1].endswith("\x1b[2Kafter")  # the bar's row is cleared


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_what_is_printed_while_a_bar_is_drawn_goes_where_stdout_goes(tmp_path: Path) -> None:
    import pty

    script = (
        "from zhmcq._progress import reporting\n"
        "with reporting(None) as report:\n"
        "    report(1, 2, 'answering')\n"
        "    print('a,b')\n"
    )
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    child = subprocess.run(
        [sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, stderr=theirs, check=True
    )
    os.close(theirs)
    drawn = os.read(ours, 65536)
    os.close(ours)
    assert child.stdout == b"a,b\n"
    assert b"answering" in drawn
    assert b"a,b" not in drawn


def test_a_bar_of_a_stage_that_comes_again_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    with reporting(None) as report:
        for done in (0, 9, 0, 7):
            report(done, 9, "validation")
    last = stream.getvalue().split("\x1b[2K")[-2]
    assert last.count("validation") == 1
    assert "7/9" in last


def test_two_calls_at_once_do_not_draw_into_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    first, second = _bars.Drawing(), _bars.Drawing()
    first(1, 2, "first")
    second(1, 2, "second")
    assert "second" not in stream.getvalue()
    first.close()
    second.close()
    with reporting(None) as report:
        report(1, 2, "third")
    assert "third" in stream.getvalue()


def test_the_name_of_a_file_is_drawn_as_it_is_and_not_as_markup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = terminal(monkeypatch)
    with reporting(None) as report:
        report(1, 2, "reading [/b]\x1b[2J.csv")
    assert "reading [/b]\\x1b[2J.csv" in stream.getvalue()


def test_the_name_of_a_file_adds_no_line_to_a_log(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    stream = log_file(monkeypatch)
    with reporting(None) as report:
        report(0, 2, "reading a\nanswering: 2 of 2.csv")
        clock.now += 10
        report(1, 2, "reading a\nanswering: 2 of 2.csv")
    assert stream.getvalue().count("\n") == 1


def test_a_callable_gets_all_reports_and_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    calls: list[tuple[int, int, str]] = []
    with reporting(lambda *call: calls.append(call)) as report:
        report(1, 2, "answering")
        with current_progress() as inner:
            assert inner.is_given
            inner(2, 2, "answering")
    assert calls == [(1, 2, "answering"), (2, 2, "answering")]
    assert stream.getvalue() == ""


def test_what_is_called_within_reports_to_the_callable_of_the_outermost_call() -> None:
    calls: list[tuple[int, int, str]] = []
    with reporting(lambda *call: calls.append(call)), reporting(None) as inner:
        inner(1, 2, "reading a.csv")
    assert calls == [(1, 2, "reading a.csv")]
    with current_progress() as after:
        assert not after.is_given


def test_what_a_callable_itself_calls_does_not_report_to_it() -> None:
    calls: list[bool] = []

    def progress(done: int, total: int, stage: str) -> None:
        with current_progress() as within:
            calls.append(within.is_given)

    with reporting(progress) as report:
        report(1, 2, "answering")
    assert calls == [False]


class Cancelled(BaseException):
    """Such as asyncio's."""


@pytest.mark.parametrize("kind", [OSError, ValueError, KeyboardInterrupt, StopIteration, Cancelled])
def test_what_a_callable_raises_passes_by_those_who_handle_errors(
    kind: type[BaseException],
) -> None:
    def progress(done: int, total: int, stage: str) -> None:
        raise kind("enough")

    def read() -> None:
        with reporting(progress) as report:
            try:
                report(1, 2, "reading a.csv")
            except Exception as error:
                raise ZhmcqError("the file cannot be read") from error

    with pytest.raises(kind) as caught:
        read()
    assert caught.value.args == ("enough",)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_only_the_first_of_several_processes_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    calls: list[tuple[str, str]] = []
    for rank in ("1", "0", ""):
        monkeypatch.setenv("RANK", rank)

        def progress(done: int, total: int, stage: str, rank: str = rank) -> None:
            calls.append((stage, rank))

        with reporting(progress) as report:
            report(1, 2, "train")
        with reporting(None) as report:
            report(1, 2, f"train{rank}")
    assert calls == [("train", "0"), ("train", "")]
    assert "train1" not in stream.getvalue()
    assert "train0" in stream.getvalue()


def test_what_cannot_be_called_is_refused() -> None:
    require_progress(None, PredictionError)
    with pytest.raises(PredictionError, match=r"progress='x': expected a function progress\(done,"):
        require_progress("x", PredictionError)


def test_many_bytes_are_reported_as_megabytes_until_all_are_done() -> None:
    calls: list[tuple[object, ...]] = []
    with reporting(lambda *call: calls.append(call)):
        with counted_bytes(2_000_000_000, "hashing weights") as count:
            count(500_000_000)
            count(1_499_999_000)  # without the header
        with counted_bytes(999_999_999, "hashing weights") as count:
            count(999_999_999)
    assert calls == [
        (0, 2000, "hashing weights"),
        (500, 2000, "hashing weights"),
        (1999, 2000, "hashing weights"),
        (2000, 2000, "hashing weights"),
    ]
