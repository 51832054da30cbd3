"""Time and memory of banks that are large: questions answered with a journal, json lines streamed.

From the root of the repository, on Linux::

    python tests/benchmarks/large_banks.py answer --count 100000
    python tests/benchmarks/large_banks.py stream --count 1000000

Answering is done by a tiny model, so that what is seen is the memory that questions take, and not
a model's.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import zhmcq
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import stream_bank
from zhmcq.testing import tiny_llama

OPTIONS = ("山上", "海邊", "家裡", "學校")
MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)
MIB = 2**20


def resident() -> float:
    """The resident memory of this process in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("expected Linux, which says how much memory a process has")


def questions(count: int) -> Iterator[Question]:
    """Short questions, each on a passage of its own."""
    for number in range(count):
        passage = f"第{number}號在{OPTIONS[number % 4]}。"
        yield Question(f"q{number}", f"{number}號在哪裡？", OPTIONS, passage)


def answer(count: int, folder: Path) -> None:
    """Answer questions with a journal, and print the memory on the way."""
    model = tiny_llama(folder / "model", hidden_size=32, num_hidden_layers=1)
    predictor = zhmcq.MCQPredictor(model, batch_size=8)
    predictor.predict(list(questions(100)))  # what is loaded and compiled on first use
    print("| what | resident memory, MiB | seconds |\n|---|---|---|")
    start = time.perf_counter()

    def show(what: str) -> None:
        print(f"| {what} | {resident():.0f} | {time.perf_counter() - start:.0f} |", flush=True)

    marks = list(MARKS)

    def progress(done: int, total: int, stage: str) -> None:
        if done == 0:
            show("encoded")
        while marks and done >= marks[0] * total:
            show(f"{marks.pop(0):.0%} answered")

    show("the model")
    bank = QuestionBank(list(questions(count)))
    show(f"{count:,} questions")
    for what in ("answered", "read from the journal"):
        predictions = predictor.predict(bank, journal=folder / "journal", progress=progress)
        show(what)
    size = (folder / "journal").stat().st_size
    print(f"\n{predictions!r}; the journal has {size / MIB:.0f} MiB")
    for name in ("csv", "json", "xlsx"):
        getattr(predictions, f"to_{name}")(folder / f"a.{name}")
        show(f"{name} written")


def stream(count: int, folder: Path) -> None:
    """Stream json lines, and print the time and the memory."""
    path = folder / "bank.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            item = {
                "id": number,
                "question": f"{number}號在哪裡？",
                "options": OPTIONS,
                "answer": number % 4,
                "passage": f"第{number}號在{OPTIONS[number % 4]}。" * 20,
            }
            file.write(json.dumps(item, ensure_ascii=False) + "\n")
    before, peak, seen = resident(), 0.0, 0
    start = time.perf_counter()
    for seen, _ in enumerate(stream_bank(path), start=1):
        if seen % 10_000 == 0:
            peak = max(peak, resident())
    seconds = time.perf_counter() - start
    print("| lines | MiB of the file | seconds | memory before, MiB | most after, MiB |")
    print("|---|---|---|---|---|")
    size = path.stat().st_size / MIB
    print(f"| {seen:,} | {size:.0f} | {seconds:.0f} | {before:.0f} | {peak:.0f} |")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("answer", "stream"))
    parser.add_argument("--count", type=int, help="questions or lines")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="large-banks-") as folder:
        if options.what == "answer":
            answer(options.count or 100_000, Path(folder))
        else:
            stream(options.count or 1_000_000, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
