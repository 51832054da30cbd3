"""Files of zhmcq in which a field is missing or of another type: read, or an error that names them.

Nothing but errors of zhmcq may come of them: not of a file that was written by another version
either, whose hashes are right.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zhmcq.cards._card import model_card
from zhmcq.cards._records import EvaluationRecord, read_records, write_records
from zhmcq.dataset import Splits
from zhmcq.errors import CheckpointError, ZhmcqError
from zhmcq.manifest import (
    EVALUATIONS_NAME,
    MANIFEST_NAME,
    SEEN_NAME,
    BaseIdentity,
    Calibration,
    Manifest,
    PromptRecord,
    SeenQuestions,
)
from zhmcq.modeling._adapter_config import ADAPTER_CONFIG, AdapterConfig
from zhmcq.prediction._journal import Journal, JournalRun
from zhmcq.questions import Question, QuestionBank
from zhmcq.reading import read_bank, save_bank
from zhmcq.training._best import BestAdapter, _digest, best_fault
from zhmcq.training._checkpoints import Budgets, Checkpoints
from zhmcq.training._metrics import calibration_of
from zhmcq.training._run_folder import RunFolder

OTHERS = (None, "x", -1, 1e400, [1], {"a": 1})
ABSENT = object()

BANK = QuestionBank(
    [Question("q1", "在哪裡？", ("甲", "乙"), "文章。", answer=(0,), source_id="7")]
)
BASE = BaseIdentity(
    name="base", config={"a": 1}, weights_sha256="w", tokenizer_sha256="t", chat_template_sha256=""
)
METRICS = {"accuracy": 0.5, "loss": 1.0, "weight_of_sum": 0.5, "weight_of_mean": 0.0}
RECORD = {
    "base": BASE.model_dump(exclude={"name"}),
    "prompt": {"name": "zh-exam", "chat": False},
    "dtype": "float32",
    "template_date": "2026-11-26",
}
RUN = JournalRun(BASE, chat=False, fields={"mode": "score"}, orders={"orders": 2})


def paths_of(value: Any, start: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a json document are, from the outermost to the innermost."""
    yield start
    items = dict(enumerate(value)) if isinstance(value, list) else value
    for key, inner in items.items() if isinstance(items, dict) else ():
        yield from paths_of(inner, (*start, key))


def changed(document: Any) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Copies of a document in which one value is absent or another one."""
    for path in paths_of(document):
        for other in (ABSENT, *OTHERS):
            if not path:
                if other is not ABSENT:
                    yield path, other, other
                continue
            whole = copy.deepcopy(document)
            within = whole
            for key in path[:-1]:
                within = within[key]
            if other is ABSENT:
                del within[path[-1]]
            else:
                within[path[-1]] = other
            yield path, other, whole


def manifest(folder: Path) -> Path:
    Manifest(
        kind="adapter",
        base=BASE,
        prompt=PromptRecord(name="zh-exam", options={"labels": "source"}, sha256="p"),
        max_length=64,
        template_date="2026-11-26",
        calibration=Calibration(weight_of_sum=0.5),
        settings={"lora": {"r": 4}, "quantization": {"kind": "nf4"}},
        training={"steps": 4, "best_step": 2, "metrics": METRICS, "validation_questions": 3},
    ).write(folder)
    return folder / MANIFEST_NAME


def use_manifest(path: Path) -> None:
    model_card(Manifest.read(path.parent))


def seen(folder: Path) -> Path:
    SeenQuestions(train=frozenset("a"), validation=frozenset("b")).write(folder)
    return folder / SEEN_NAME


def evaluations(folder: Path) -> Path:
    record = EvaluationRecord(
        data="d", measured="adapter", method="scores", questions=3, passages=2, correct=1,
        accuracy=0.3, interval=(0.1, 0.5), coverage=1.0, accuracy_answered=0.3, chance=0.25,
    )  # fmt: skip
    write_records(folder / EVALUATIONS_NAME, [record])
    return folder / EVALUATIONS_NAME


def splits(folder: Path) -> Path:
    return Splits(BANK, BANK, 2).save(folder / "splits") / "questions.json"


def bank(folder: Path) -> Path:
    save_bank(BANK, folder / "bank.json")
    return folder / "bank.json"


def adapter_config(folder: Path) -> Path:
    values = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "target_modules": ["q_proj"]}
    (folder / ADAPTER_CONFIG).write_text(json.dumps(values), encoding="utf-8")
    return folder / ADAPTER_CONFIG


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint-1"
    path.mkdir()
    for name in ("optimizer.pt", "scheduler.pt", "trainer_state.json", "adapter_model.safetensors"):
        (path / name).write_text(name, encoding="utf-8")
    Checkpoints(folder).mark_complete(1, Budgets(64, 64))
    return path / "zhmcq_checkpoint.json"


class _Model:
    def save_pretrained(self, folder: Path, **_: Any) -> None:
        (folder / "adapter_model.safetensors").write_text("weights", encoding="utf-8")


def best(folder: Path) -> Path:
    BestAdapter(folder / "best", "accuracy", _Model(), "run").consider(1, METRICS)
    return folder / "best" / "best.json"


def use_best(path: Path) -> None:
    """As of another version: with the right hash of what it has."""
    record = json.loads(path.read_text(encoding="utf-8"))
    names = ("step", "metrics", "run", "files")
    if isinstance(record, dict) and all(name in record for name in names):
        record["sha256"] = _digest({name: record[name] for name in names})
        path.write_text(json.dumps(record), encoding="utf-8")
    if fault := best_fault(path.parent, "run", 0, None):
        raise CheckpointError(f"{path.parent}: {fault}")  # as a run does that is resumed
    calibration_of(BestAdapter(path.parent, "accuracy", _Model(), "run")._read()["metrics"], 3)


def run(folder: Path) -> Path:
    RunFolder(folder / "run").begin(RECORD)
    return folder / "run" / "run.json"


def use_run(path: Path) -> None:
    folder = RunFolder(path.parent)
    folder.recorded_date()
    folder.recorded_dtype()
    folder.begin(RECORD)


def journal(folder: Path) -> Path:
    with Journal(folder / "answers", RUN) as opened:
        opened.begin("float32")
        opened.add([{"id": "q1", "scores": [-1.0, -2.0]}])
    lines = (folder / "answers").read_text(encoding="ascii").splitlines()
    (folder / "answers.json").write_text(f"[{','.join(lines)}]", encoding="ascii")
    return folder / "answers.json"


def use_journal(path: Path) -> None:
    lines = json.loads(path.read_text(encoding="utf-8"))
    lines = lines if isinstance(lines, list) else [lines]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.with_suffix("").write_text(text, encoding="ascii")
    with Journal(path.with_suffix(""), RUN):
        pass


FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "manifest": (manifest, use_manifest),
    "seen questions": (seen, lambda path: SeenQuestions.read(path.parent)),
    "evaluations": (evaluations, lambda path: read_records(path.parent)),
    "splits": (splits, lambda path: Splits.load(path.parent)),
    "bank": (bank, read_bank),
    "adapter of peft": (adapter_config, lambda path: AdapterConfig(path.parent, "adapter")),
    "checkpoint": (checkpoint, lambda path: Checkpoints(path.parents[1]).newest()),
    "best adapter": (best, use_best),
    "run": (run, use_run),
    "journal": (journal, use_journal),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_field_that_is_absent_or_another_gives_an_error_of_zhmcq_or_none(
    kind: str, tmp_path: Path
) -> None:
    make, use = FILES[kind]
    path = make(tmp_path)
    text = path.read_text(encoding="utf-8")
    use(path)
    refused, unnamed = 0, []
    for where, other, document in changed(json.loads(text)):
        path.write_text(json.dumps(document), encoding="utf-8")
        try:
            use(path)
        except ZhmcqError as error:
            refused += 1
            name = path.stem if kind == "journal" else path.name
            if name not in str(error) and path.parent.name not in str(error):
                unnamed.append((where, other, error))
        except Exception as error:
            pytest.fail(f"{where} {other!r:.20}: {type(error).__name__}: {error}")
    assert unnamed == []
    assert refused > 10
