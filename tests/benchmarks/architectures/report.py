"""Outcomes → the tables of ``docs/en/models.md``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import page_blocks
from architectures.measure import Outcome

TOLERANCE = 1e-4  # of log-likelihoods per token and of losses, in nats
LAYOUTS = ("tree", "cached", "stepped", "flat", "equal")
SHOWN = 240  # characters of a reason


def faults(outcomes: Sequence[Outcome]) -> list[str]:
    """What should not be: crashes, and numbers that are not those of plain sequences."""
    found = []
    for outcome in outcomes:
        if outcome.kind == "crash":
            found.append(f"{outcome.name} crashes: {outcome.words}")
        elif outcome.kind in LAYOUTS:
            if not outcome.difference <= TOLERANCE:
                found.append(f"{outcome.name} differs by {outcome.difference:.1e} a token")
            if outcome.loss_difference > TOLERANCE:
                found.append(f"the loss of {outcome.name} differs by {outcome.loss_difference:.1e}")
            if not outcome.reach > 100 * TOLERANCE:
                found.append(f"{outcome.name} would hide a fault: its reach is {outcome.reach:.1e}")
    return found


def tables(outcomes: Sequence[Outcome], versions: str) -> str:
    """The tables, in Markdown.

    Args:
        outcomes: What became of each architecture.
        versions: The libraries that they were measured with.
    """
    ordered = sorted(outcomes, key=lambda outcome: outcome.name)
    usable = [outcome for outcome in ordered if outcome.kind in LAYOUTS]
    counts = ", ".join(
        f"{sum(outcome.kind == kind for outcome in outcomes)} {kind}"
        for kind in (*LAYOUTS, "refused", "not built")
    )
    groups = {
        "Why not as a tree:": [outcome for outcome in usable if outcome.words],
        "Why not trained:": [replace(o, words=o.untrained) for o in usable if o.untrained],
        "Refused:": [outcome for outcome in ordered if outcome.kind == "refused"],
        "Not built here:": [o for o in ordered if o.kind in ("not built", "crash")],
    }
    parts = [
        f"{len(outcomes)} architectures and variants: {counts}. Measured with {versions}.",
        "",
        "| architecture | layout | difference | loss |",
        "|---|---|---|---|",
        *map(_usable_line, usable),
    ]
    for heading, members in groups.items():
        if members:
            parts += ["", heading, *_by_reason(members)]
    return "\n".join(parts)


def rewritten(page: str, outcomes: Sequence[Outcome], versions: str) -> str:
    """The page with new tables between its markers.

    Raises:
        ValueError: If the page lacks the markers.
    """
    return page_blocks.rewritten(page, tables(outcomes, versions), "families")


def _usable_line(outcome: Outcome) -> str:
    loss = "refused" if math.isnan(outcome.loss) else f"{outcome.loss:.2f}"
    return f"| {outcome.name} | {outcome.kind} | {outcome.difference:.0e} | {loss} |"


def _by_reason(outcomes: Sequence[Outcome]) -> list[str]:
    """A table of reasons, each with its architectures; names of variants have commas."""
    names: dict[str, list[str]] = {}
    for outcome in outcomes:
        names.setdefault(_reason(outcome), []).append(outcome.name)
    lines = [f"| {reason} | {'; '.join(names[reason])} |" for reason in sorted(names)]
    return ["", "| reason | architectures |", "|---|---|", *lines]


def _reason(outcome: Outcome) -> str:
    kind = outcome.name.partition(",")[0]
    words = re.sub(r"\s+", " ", outcome.words).strip("; ").replace("|", "\\|")
    words = re.sub(rf"(?<![\w.-]){re.escape(kind)}(?![\w.-])", "this type", words)
    words = words.replace("<", "&lt;")
    if len(words) <= SHOWN:
        return words
    clipped = f"{words[:SHOWN]}…"
    return clipped + "`" * (clipped.count("`") % 2)  # code that was clipped has an end
