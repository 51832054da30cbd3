"""The curve of a run as a picture: loss, accuracy with its interval, the best step."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zhmcq._files import atomic_write
from zhmcq._warnings import ignored_warnings
from zhmcq.errors import OutputError

__all__ = ["plot_history"]

logger = logging.getLogger(__name__)

_drawing = threading.Lock()  # matplotlib's settings are the process's

# Chinese fonts by their family names, Traditional glyphs first.
CHINESE_FONTS = (
    "Noto Sans CJK TC",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",  # matplotlib reads the first face of the collection, which is this one
    "Source Han Sans TC",
    "Source Han Sans SC",
    "Noto Sans TC",
    "Noto Sans SC",
    "Microsoft JhengHei",
    "Microsoft YaHei",
    "PingFang TC",
    "PingFang SC",
    "Heiti TC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "AR PL UMing TW",
    "AR PL UKai TW",
    "Arial Unicode MS",
)
LATIN_FONT = "DejaVu Sans"  # comes with matplotlib
LOSS, ACCURACY = "#8a8f98", "#1f5fa8"


def plot_history(
    history: Sequence[dict[str, Any]],
    path: str | Path,
    *,
    best_step: int | None = None,
    title: str = "",
) -> None:
    """Draw a run: training loss, validation accuracy with its interval, the best adapter's step.

    Args:
        history: Records of a run, as a ``TrainingResult`` has them.
        path: Where to write the picture, as png.
        best_step: The step whose adapter was saved; not marked if ``None``.
        title: The title above the picture; may be Chinese where a Chinese font is installed.

    Raises:
        OutputError: If matplotlib is missing, the history holds nothing to draw, or the file
            cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OutputError("a plot needs an extra: pip install 'zhmcq[plot]'") from error
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    evaluated = [entry for entry in history if "eval_accuracy" in entry]
    if not losses and not evaluated:
        raise OutputError(
            "expected a history with records of loss or accuracy to plot, found none: give the "
            "history of a run, and set logging_steps to no more than its steps"
        )
    with _drawing, matplotlib.rc_context({"font.family": _fonts(title)}), _quietly():
        figure = Figure(figsize=(8, 4.5), dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_xlabel("Optimizer step")
        # What a user writes is text: a $ in it begins no formula.
        axes.set_title(title, parse_math=False)
        right = axes.twinx()
        drawn = _draw_losses(right, losses) + _draw_accuracies(axes, evaluated, best_step)
        axes.set_zorder(right.get_zorder() + 1)  # the accuracy over the loss
        axes.patch.set_visible(False)
        figure.legend(handles=drawn, loc="outside lower center", ncols=len(drawn), frameon=False)
        with atomic_write(path) as temporary:
            figure.savefig(temporary, format="png")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence matplotlib's own warnings on fonts: there is one for each character."""
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with ignored_warnings("Glyph .* missing from font"):
            yield
    finally:
        fonts.setLevel(level)


def _draw_losses(axes: Any, losses: Sequence[tuple[int, float]]) -> list[Any]:
    if not losses:
        axes.set_yticks([])
        return []
    axes.set_ylabel("Training loss", color=LOSS)
    axes.tick_params(axis="y", colors=LOSS)
    axes.set_ylim(0, 1.1 * max(loss for _, loss in losses) or 1)
    style: dict[str, Any] = {"color": LOSS, "linewidth": 1.2, "label": "training loss"}
    return list(axes.plot(*zip(*losses, strict=True), **style))


def _draw_accuracies(
    axes: Any, evaluated: Sequence[dict[str, Any]], best_step: int | None
) -> list[Any]:
    if not evaluated:
        axes.set_yticks([])
        return []
    from matplotlib.ticker import PercentFormatter

    steps = [entry["step"] for entry in evaluated]
    values = [entry["eval_accuracy"] for entry in evaluated]
    bounds = [
        [entry.get(f"eval_accuracy_{side}", entry["eval_accuracy"]) for entry in evaluated]
        for side in ("low", "high")
    ]
    axes.set_ylabel("Validation accuracy", color=ACCURACY)
    axes.tick_params(axis="y", colors=ACCURACY)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    style: dict[str, Any] = {"color": ACCURACY, "marker": "o", "markersize": 4}
    drawn = [
        *axes.plot(steps, values, label="validation accuracy", **style),
        axes.fill_between(
            steps, *bounds, color=ACCURACY, alpha=0.15, linewidth=0, label="95 % interval"
        ),
    ]
    if len(steps) == 1:  # a band has no width there
        below, above = values[0] - bounds[0][0], bounds[1][0] - values[0]
        axes.errorbar(steps, values, [[below], [above]], color=ACCURACY, alpha=0.4, capsize=4)
    if best_step in steps:
        at = steps.index(best_step)
        drawn += axes.plot(
            [best_step],
            [values[at]],
            linestyle="none",
            marker="o",
            markersize=11,
            markerfacecolor="none",
            markeredgewidth=1.8,
            color="#c2410c",
            label=f"best: step {best_step}, {values[at]:.1%}",
        )
    return drawn


def _fonts(text: str) -> list[str]:
    """Font families for ``text``, each for the characters that those before it lack."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    needed = {ord(character) for character in text if not character.isspace()}
    needed -= set(get_font(findfont(FontProperties(family=LATIN_FONT))).get_charmap())
    if not needed:
        return [LATIN_FONT]
    _refresh_font_list()
    lacking = needed
    best = [LATIN_FONT]
    for family in CHINESE_FONTS:
        entry = next((font for font in fontManager.ttflist if font.name == family), None)
        if entry is None:
            continue
        missing = needed - set(get_font(entry.fname).get_charmap())
        if len(missing) < len(lacking):
            lacking, best = missing, [LATIN_FONT, family]
        if not missing:
            break
    if lacking:
        _warn("".join(sorted(map(chr, lacking)))[:20])
    return best


@functools.cache
def _refresh_font_list() -> None:
    """Find fonts that were installed since matplotlib listed them, if it knows no Chinese one."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {entry.fname for entry in fontManager.ttflist}
    if {entry.name for entry in fontManager.ttflist} & set(CHINESE_FONTS):
        return
    for path in findSystemFonts():
        if path not in known:
            try:
                fontManager.addfont(path)
            except (OSError, RuntimeError):  # a font that FreeType cannot read
                logger.debug("the font %s cannot be read", path)


@functools.cache
def _warn(characters: str) -> None:
    logger.warning(
        "no font of this machine has the characters %s: they are drawn as boxes; install a "
        "Chinese font (Debian and Ubuntu: apt install fonts-noto-cjk) and plot again",
        characters,
    )
