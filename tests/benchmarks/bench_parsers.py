"""Figures for docs/en/parsers.md: how often each rule fires and is right, how fast it reads.

Run it from the root of the repository, with the labelled replies in ``../shared/data`` or in the
folder that ``ZHMCQ_DATA`` names::

    python tests/benchmarks/bench_parsers.py

The rules were written with one half of the rows in view (the first 60 labelled replies and every
other tricky one); the other half was only ever counted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parsers"))

from kinds_of_replies import count_by_kind, load_cases

from zhmcq.parsers import explain, get_parser
from zhmcq.parsers._rules import RULES
from zhmcq.questions import Kind, Question

KINDS: dict[str, Kind] = {"multi": "multiple", "group": "multiple", "truefalse": "true_false"}
LEAST = 30  # a candidate of less weight was seen and not relied on
ROUNDS = 80
MEGABYTE = 1_000_000
HOSTILE = (
    "答案是",
    "((((",
    "A",
    "A、",
    "選",
    "答案是A。",
    "<think>",
    '{"answer":',
    "(A)春天 (B)夏天 ",
)


@dataclass(frozen=True)
class Row:
    """One labelled reply.

    Attributes:
        text: The reply.
        question: Its question; options are ``""`` where their texts were not kept.
        gold: The 0-based indexes that the reply commits to; ``None`` if it commits to nothing.
        kind: ``single``, ``multi``, ``group`` or ``truefalse``.
        seen: Whether the row was in view when the rules were written.
    """

    text: str
    question: Question
    gold: tuple[int, ...] | None
    kind: str
    seen: bool


def data_folder() -> Path:
    """The folder of the labelled replies, which need not exist."""
    default = Path(__file__).resolve().parents[2] / "../shared/data"
    return Path(os.environ.get("ZHMCQ_DATA", default)) / "extraction"


def load(name: str) -> list[Row]:
    """Read ``labelled_replies`` or ``tricky``."""
    rows = []
    with (data_folder() / f"{name}.jsonl").open(encoding="utf-8") as lines:
        items = [json.loads(line) for line in lines]
    for index, item in enumerate(items):
        labels = tuple(item["labels"])
        texts = item["options"] or {}
        kind = item.get("qtype", "single")
        question = Question(
            id=str(item["id"]),
            stem=item.get("question") or "",
            options=tuple(texts.get(label, "") for label in labels),
            labels=labels,
            kind=KINDS.get(kind, "single"),
        )
        gold = item["gold"]
        named = [gold] if isinstance(gold, str) else gold
        indexes = tuple(sorted({labels.index(label) for label in named})) if named else None
        seen = index < len(items) / 2 if name == "labelled_replies" else index % 2 == 0
        rows.append(Row(item["text"], question, indexes, kind, seen))
    return rows


def score(rows: Sequence[Row], parser: str = "zh") -> dict[str, int]:
    """Count replies, right readings, and answers to replies that commit to nothing."""
    read = get_parser(parser)
    counts = Counter(replies=len(rows), right=0, without=0, answered_without=0, right_with=0)
    for row in rows:
        answer = read.parse(row.text, row.question).answer
        counts["right"] += answer == row.gold
        if row.gold is None:
            counts["without"] += 1
            counts["answered_without"] += answer is not None
        else:
            counts["right_with"] += answer == row.gold
    return dict(counts)


def per_rule(rows: Sequence[Row]) -> list[tuple[str, int, int, int, int]]:
    """For each rule: replies in which it fired, named the gold answer, decided, was right."""
    fired, named, decided, right = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    read = get_parser("zh")
    for row in rows:
        mentions = [m for m in explain(row.text, row.question) if m.weight >= LEAST]
        fired.update({m.rule for m in mentions})
        named.update({m.rule for m in mentions if m.answer == row.gold})
        parsed = read.parse(row.text, row.question)
        rule = next((r.name for r in RULES if f"the rule {r.name!r}" in parsed.reason), "")
        decided[rule] += 1
        right[rule] += parsed.answer == row.gold
    return [(r.name, fired[r.name], named[r.name], decided[r.name], right[r.name]) for r in RULES]


def by_kind() -> list[tuple[str, str, int, int, int]]:
    """Right, wrong and unread replies for each kind in tests/parsers/kinds_of_replies.tsv."""
    return [
        (kind, "yes" if fires else "no", n["right"], n["wrong"], n["abstained"])
        for (kind, fires), n in count_by_kind(load_cases()).items()
    ]


def replies_per_second(rows: Sequence[Row]) -> float:
    """The best of several rounds on one core, questions known from the round before."""
    read = get_parser("zh")
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for row in rows:
            read.parse(row.text, row.question)
        best = min(best, time.process_time() - start)
    return len(rows) / best


def slowest_megabyte() -> tuple[str, float]:
    """The hostile megabyte that takes longest, in seconds."""
    read = get_parser("cascade", reasoning=True)
    question = Question("q", "最熱？", ("春天", "夏天", "秋天", "冬天"))
    times = {}
    for piece in HOSTILE:
        text = piece * (MEGABYTE // len(piece))
        start = time.process_time()
        read.parse(text, question)
        times[piece] = time.process_time() - start
    worst = max(times, key=lambda piece: times[piece])
    return worst, times[worst]


def main() -> None:
    """Print the tables of docs/en/parsers.md."""
    out = sys.stdout.write
    labelled, tricky = load("labelled_replies"), load("tricky")
    out("| replies | parser | right | none given, but answered | given, and right |\n")
    out("|---|---|---|---|---|\n")
    single = [row for row in tricky if row.kind == "single"]
    groups = {
        "labelled, all": labelled,
        "labelled, half in view": [row for row in labelled if row.seen],
        "labelled, other half": [row for row in labelled if not row.seen],
        "tricky single, all": single,
        "tricky single, half in view": [row for row in single if row.seen],
        "tricky single, other half": [row for row in single if not row.seen],
        "tricky, other kinds": [row for row in tricky if row.kind != "single"],
    }
    for name, rows in groups.items():
        for parser in ("zh", "strict"):
            n = score(rows, parser)
            committed = n["replies"] - n["without"]
            out(
                f"| {name} | `{parser}` | {n['right']} of {n['replies']} "
                f"| {n['answered_without']} of {n['without']} "
                f"| {n['right_with']} of {committed} |\n"
            )
    out("\n| rule | weight | fired | named the gold answer | decided | right |\n")
    out("|---|---|---|---|---|---|\n")
    weights = {rule.name: rule.weight for rule in RULES}
    for name, *counts in per_rule([*labelled, *tricky]):
        out(f"| `{name}` | {weights[name]} | {' | '.join(map(str, counts))} |\n")
    out("\n| kind | of the kind | right | wrong | abstained |\n|---|---|---|---|---|\n")
    for kind, fires, *outcomes in by_kind():
        out(f"| {kind.replace('_', ' ')} | {fires} | {' | '.join(map(str, outcomes))} |\n")
    piece, seconds = slowest_megabyte()
    out(f"\n{replies_per_second(labelled):,.0f} labelled replies per second on one core\n")
    out(f"slowest hostile megabyte: {piece!r}, {seconds:.2f} s\n")


if __name__ == "__main__":
    main()
