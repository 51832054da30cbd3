"""Which models work: every causal architecture of the installed transformers, as a tiny model.

From the root of the repository::

    python tests/benchmarks/model_families.py --write docs/en/models.md

Each architecture is built with random weights, saved, loaded as a user would, scored on six
questions and trained for one step, and compared with the plain model on one sequence at a time.
The whole run takes about three minutes of one core; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

from architectures.configs import VARIANTS, ArchitectureRow
from architectures.measure import Outcome, measure
from architectures.report import faults, rewritten, tables


def all_rows() -> list[ArchitectureRow]:
    """Every causal architecture that transformers has, and the variants."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return [*map(ArchitectureRow, MODEL_FOR_CAUSAL_LM_MAPPING_NAMES), *VARIANTS]


def run(rows: Sequence[ArchitectureRow]) -> list[Outcome]:
    """Measure one row after the other; a line on stderr for each."""
    outcomes = []
    for row in rows:
        start = time.perf_counter()
        outcome = measure(row)
        outcomes.append(outcome)
        seconds = time.perf_counter() - start
        print(
            f"{outcome.kind:9} {outcome.name}: {outcome.difference:.1e} a token, loss "
            f"{outcome.loss:.3f} off by {outcome.loss_difference:.0e}, reach {outcome.reach:.0e}, "
            f"{seconds:.1f} s {outcome.words[:200]}",
            file=sys.stderr,
            flush=True,
        )
    return outcomes


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if an architecture crashes or its numbers are wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, help="a page with markers to write the tables into")
    parser.add_argument("--only", nargs="+", metavar="TYPE", help="model types; all by default")
    parsed = parser.parse_args(arguments)
    rows = [row for row in all_rows() if not parsed.only or row.model_type in parsed.only]
    outcomes = run(rows)
    versions = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch", "peft"))
    if parsed.write is None:
        print(tables(outcomes, versions))
    else:
        page = parsed.write.read_text(encoding="utf-8")
        parsed.write.write_text(rewritten(page, outcomes, versions), encoding="utf-8")
    found = faults(outcomes)
    print(*found, sep="\n", file=sys.stderr)
    return 1 if found else 0


def quieten() -> None:
    """Keep what tiny random models are warned of out of the output."""
    from transformers.utils import logging as library

    warnings.filterwarnings("ignore")
    library.set_verbosity_error()  # type: ignore[no-untyped-call]
    library.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.getLogger("zhmcq").setLevel(logging.WARNING)


if __name__ == "__main__":
    quieten()
    sys.exit(main())
