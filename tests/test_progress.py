from __future__ import annotations

import io
import sys

import pytest

from zhmcq._progress import progress_bar, progress_or_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar() as progress:
        progress(1, 2, "answering")
    assert stream.getvalue() == ""


def test_a_terminal_shows_each_stage_with_what_is_done_of_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with progress_bar() as progress:
        progress(0, 3, "reading")
        progress(3, 3, "reading")
        progress(2, 40, "answering")
    text = stream.getvalue()
    assert "reading" in text
    assert "3/3" in text
    assert "answering" in text
    assert "2/40" in text.replace(" ", "")


def test_a_callable_that_is_given_takes_the_place_of_the_bar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    calls: list[tuple[int, int, str]] = []
    with progress_or_bar(lambda *call: calls.append(call)) as progress:
        progress(1, 2, "answering")
    assert calls == [(1, 2, "answering")]
    assert stream.getvalue() == ""


def test_the_name_of_a_file_is_drawn_as_it_is_and_not_as_markup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with progress_bar() as progress:
        progress(1, 2, "Reading [/b]\x1b[2J.csv")
    assert "Reading [/b]\\x1b[2J.csv" in stream.getvalue()
