"""Reports as self-contained html pages: no script, nothing fetched, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zhmcq._files import atomic_write
from zhmcq._visible import visible

__all__ = ["Bar", "ChangedAnswer", "FigureRow", "write_comparison"]

BAR_LEFT = 90  # where bars begin, in units of the picture's viewBox, as in the page below
BAR_WIDTH = 400  # the width of a bar whose value is 1

PAGE = """<!doctype html>
<html lang="zh-Hant">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
body { font-family: system-ui, "Noto Sans CJK TC", "Microsoft JhengHei", "PingFang TC",
       "WenQuanYi Micro Hei", sans-serif; margin: 2rem auto; max-width: 60rem;
       padding: 0 1rem; line-height: 1.5; color: #1c2733; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #d5dce3;
         vertical-align: top; }
th { background: #f1f4f7; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.bar { fill: #9db7cf; } .bar.tuned { fill: #2f6f9f; }
.whisker { stroke: #1c2733; stroke-width: 1.5; }
svg text { font-size: 13px; fill: #1c2733; }
.note { color: #52606d; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p><strong>{{ summary }}</strong></p>
<svg viewBox="0 0 640 120" role="img" aria-label="{{ summary }}" width="640">
{% for bar in bars %}
<text x="0" y="{{ bar.y + 20 }}">{{ bar.name }}</text>
<rect class="bar {{ bar.name }}" x="90" y="{{ bar.y }}" width="{{ bar.width }}" height="28"/>
<line class="whisker" x1="{{ bar.low }}" x2="{{ bar.high }}" y1="{{ bar.y + 14 }}"
      y2="{{ bar.y + 14 }}"/>
<text x="{{ bar.high + 8 }}" y="{{ bar.y + 20 }}">{{ bar.value }}</text>
{% endfor %}
</svg>
<p class="note">Bars: accuracy; lines: 95 % intervals.</p>
<h2>Figures</h2>
<table>
<tr><th></th><th class="number">base</th><th class="number">tuned</th></tr>
{% for row in figures %}
<tr><td>{{ row.name }}</td><td class="number">{{ row.base }}</td>
<td class="number">{{ row.tuned }}</td></tr>
{% endfor %}
</table>
{% for heading, questions in changes.items() %}
<h2>{{ heading }} ({{ questions|length }})</h2>
{% if questions %}
<table>
<tr><th>ID</th><th>Question</th><th>Key</th><th>Tuned answer</th></tr>
{% for cells in questions %}
<tr>{% for cell in cells %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table>
{% else %}<p class="note">None.</p>{% endif %}
{% endfor %}
</body>
</html>
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of one accuracy in the picture.

    Attributes:
        name: Whose accuracy it is.
        value: The accuracy, 0 to 1.
        interval: The lower and the upper end of its interval.
    """

    name: str
    value: float
    interval: tuple[float, float]


class FigureRow(NamedTuple):
    """One row of the table of figures.

    Attributes:
        name: What the figure is.
        base: The base model's figure, as text.
        tuned: The tuned model's figure, as text.
    """

    name: str
    base: str
    tuned: str


class ChangedAnswer(NamedTuple):
    """A question that only one of the two models answers rightly.

    Attributes:
        id: The question's id.
        stem: Its stem.
        key: Its key, in its labels.
        answer: The tuned model's answer, likewise.
    """

    id: str
    stem: str
    key: str
    answer: str


def write_comparison(
    path: str | Path,
    *,
    summary: str,
    bars: Sequence[Bar],
    figures: Sequence[FigureRow],
    changes: Mapping[str, Sequence[ChangedAnswer]],
) -> None:
    """Write a comparison of two sets of answers as one page.

    Args:
        path: The file to write; an older one is replaced when the new one is complete.
        summary: The result in one line.
        bars: The accuracies to draw, that of the base model first.
        figures: The rows of the table of figures.
        changes: The questions to list, by the heading that they stand under.

    Raises:
        OutputError: If it cannot be written.
    """
    from jinja2 import Environment

    drawn = [
        {
            "name": bar.name,
            "y": 10 + 50 * position,
            "width": round(BAR_WIDTH * bar.value, 1),
            "low": round(BAR_LEFT + BAR_WIDTH * bar.interval[0], 1),
            "high": round(BAR_LEFT + BAR_WIDTH * bar.interval[1], 1),
            "value": f"{bar.value:.1%}",
        }
        for position, bar in enumerate(bars)
    ]
    page = Environment(autoescape=True, finalize=_shown).from_string(PAGE)
    text = page.render(
        title="Base and tuned model compared",
        summary=summary,
        bars=drawn,
        figures=figures,
        changes=changes,
    )
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) else value
