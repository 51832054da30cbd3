"""The picture of a run: written whole, with a Chinese title where a font has it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from zhmcq import errors
from zhmcq.reports import _curve as curve
from zhmcq.reports import plot_history

HISTORY: list[dict[str, Any]] = [
    {"step": 1, "loss": 1.4},
    {"step": 2, "loss": 1.1},
    {"step": 2, "eval_accuracy": 0.6, "eval_accuracy_low": 0.5, "eval_accuracy_high": 0.7},
    {"step": 4, "eval_accuracy": 0.7, "eval_accuracy_low": 0.6, "eval_accuracy_high": 0.8},
    {"step": 4, "train_loss": 1.0},
]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def fresh_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    curve._warn.cache_clear()
    curve._refresh_font_list.cache_clear()


def installed() -> bool:
    """Whether matplotlib knows one of the Chinese fonts, once it has looked again."""
    curve._refresh_font_list()
    from matplotlib.font_manager import fontManager

    return bool({entry.name for entry in fontManager.ttflist} & set(curve.CHINESE_FONTS))


@pytest.mark.parametrize(
    "history", [HISTORY, HISTORY[:2], HISTORY[2:3]], ids=["all", "loss only", "one evaluation"]
)
def test_what_a_history_has_is_drawn(
    fresh_fonts: None, tmp_path: Path, history: list[dict[str, Any]]
) -> None:
    plot_history(history, tmp_path / "new" / "curve.png", best_step=2, title="costs $5 or $6")
    assert (tmp_path / "new" / "curve.png").read_bytes().startswith(PNG)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["curve.png"]


def test_loss_accuracy_interval_and_the_kept_step_are_in_the_picture(
    fresh_fonts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[list[str]] = []
    save = Figure.savefig

    def look(self: Figure, *args: Any, **kwargs: Any) -> None:
        drawn.append([text.get_text() for text in self.legends[0].get_texts()])
        save(self, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", look)
    plot_history(HISTORY, tmp_path / "curve.png", best_step=4)
    expected = ["training loss", "validation accuracy", "95 % interval", "best: step 4, 70.0%"]
    assert drawn == [expected]


def test_a_chinese_title_is_drawn_with_a_font_that_has_it(
    fresh_fonts: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not installed():
        pytest.skip("no Chinese font is installed")
    plot_history(HISTORY, tmp_path / "curve.png", title="閱讀測驗：正確率与损失")
    assert caplog.text == ""
    first, second = curve._fonts("閱讀")
    assert first == "DejaVu Sans"
    assert second in curve.CHINESE_FONTS


def test_without_such_a_font_it_says_once_what_to_install(
    fresh_fonts: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    monkeypatch.setattr(curve, "CHINESE_FONTS", ())
    monkeypatch.setattr(curve, "_refresh_font_list", lambda: None)
    for _ in range(2):
        plot_history(HISTORY, tmp_path / "curve.png", title="正確率 A")
    records = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(records) == 1
    assert "has the characters 正率確:" in records[0]
    assert "apt install fonts-noto-cjk" in records[0]
    assert not [str(one.message) for one in recwarn if "Glyph" in str(one.message)]


def test_a_history_without_anything_to_draw_is_refused(fresh_fonts: None, tmp_path: Path) -> None:
    with pytest.raises(errors.OutputError, match="expected a history with records of loss"):
        plot_history([{"step": 4, "train_loss": 1.0}], tmp_path / "curve.png")
    assert not (tmp_path / "curve.png").exists()


def test_without_matplotlib_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(errors.OutputError, match=r"pip install 'zhmcq\[plot\]'"):
        plot_history(HISTORY, tmp_path / "curve.png")
