"""Outcomes → the tables of ``docs/models.md``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from architectures.measure import Outcome

TOLERANCE = 1e-4  # of log-likelihoods per token and of losses, in nats
LAYOUTS = ("tree", "flat", "equal")
BEGIN, END = "<!-- families: begin -->", "<!-- families: end -->"


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
    parts = [
        f"{len(outcomes)} rows: {counts}. Measured with {versions}.",
        "",
        "| architecture | rows | difference | loss |",
        "|---|---|---|---|",
        *map(_usable_line, usable),
        "",
        "Why not as a tree, or not trained:",
        "",
        "| architecture | reason |",
        "|---|---|",
        *(_reason_line(outcome) for outcome in usable if outcome.words),
        "",
        "Refused:",
        "",
        "| architecture | reason |",
        "|---|---|",
        *(_reason_line(outcome) for outcome in ordered if outcome.kind == "refused"),
    ]
    rest = [outcome for outcome in ordered if outcome.kind in ("not built", "crash")]
    if rest:
        parts += ["", "Not built here:", "", "| architecture | reason |", "|---|---|"]
        parts += map(_reason_line, rest)
    return "\n".join(parts)


def rewritten(page: str, outcomes: Sequence[Outcome], versions: str) -> str:
    """The page with new tables between its markers.

    Raises:
        ValueError: If the page lacks the markers.
    """
    if BEGIN not in page or END not in page:
        raise ValueError(f"expected a page with {BEGIN} and {END}, found none")
    before, after = page.partition(BEGIN)[0], page.partition(END)[2]
    return f"{before}{BEGIN}\n\n{tables(outcomes, versions)}\n\n{END}{after}"


def _usable_line(outcome: Outcome) -> str:
    loss = f"{outcome.loss:.2f}" if outcome.loss == outcome.loss else "refused"
    return f"| {outcome.name} | {outcome.kind} | {outcome.difference:.0e} | {loss} |"


def _reason_line(outcome: Outcome) -> str:
    words = re.sub(r"\s+", " ", outcome.words).strip("; ").replace("|", "\\|")
    words = re.sub(r"'/[^']*'", "it", words)  # the temporary folder
    return f"| {outcome.name} | {words} |"
