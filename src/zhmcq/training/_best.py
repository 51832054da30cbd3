"""The adapter of the best evaluation so far, kept beside the checkpoints of its run."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zhmcq._files import atomic_folder
from zhmcq.errors import CheckpointError
from zhmcq.manifest import file_sha256
from zhmcq.training._metrics import calibration_of

__all__ = ["BEST_FILES", "PEFT_FILES", "BestAdapter", "best_fault"]

# What peft writes of an adapter, and what stands beside it in the folder of the best one.
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors", "README.md")
BEST = "best.json"
BEST_FILES = (*PEFT_FILES, BEST)


class BestAdapter:
    """The adapter of the best evaluation so far, stored on disk, so that a resumed run has it.

    Args:
        folder: Where it is stored.
        metric: ``"accuracy"`` or ``"loss"``: what evaluations are compared by.
        model: The model that is trained.
        run: A hash of what makes the run another one than others.
    """

    def __init__(self, folder: Path, metric: str, model: Any, run: str) -> None:
        self._folder = folder
        self._metric = metric
        self._model = model
        self._run = run

    def consider(self, step: int, metrics: dict[str, float]) -> None:
        """Store the adapter as it is now, if its evaluation is the best so far.

        Raises:
            CheckpointError: If the stored one is damaged.
            OutputError: If it cannot be stored.
        """
        # A resumed run repeats evaluations. With the same result as before they are no better, so
        # that the adapter of the interrupted run stays.
        if self._folder.is_dir() and self._rank(metrics) <= self._rank(self._read()["metrics"]):
            return
        with atomic_folder(self._folder, overwrite=True, ours=BEST_FILES) as temporary:
            self._model.save_pretrained(temporary, save_embedding_layers=False)
            files = {path.name: file_sha256(path) for path in sorted(temporary.iterdir())}
            record = {"step": step, "metrics": metrics, "run": self._run, "files": files}
            text = json.dumps({**record, "sha256": _digest(record)})
            (temporary / BEST).write_text(text, encoding="utf-8")

    def _rank(self, metrics: dict[str, float]) -> tuple[float, float]:
        """The value that evaluations are compared by, larger is better; the loss decides ties."""
        sign = 1 if self._metric == "accuracy" else -1
        return sign * metrics[self._metric], -metrics["loss"]

    def restore(self) -> tuple[int, dict[str, float]]:
        """Load the stored adapter into the model.

        Returns:
            The step that it was stored at and the metrics of its evaluation.

        Raises:
            CheckpointError: If it was removed or changed meanwhile.
        """
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        stored = self._read()
        weights = load_file(self._folder / "adapter_model.safetensors")
        set_peft_model_state_dict(self._model, weights)
        return stored["step"], stored["metrics"]

    def _read(self) -> dict[str, Any]:
        stored = _read(self._folder, self._run)
        if isinstance(stored, str):
            raise CheckpointError(
                f"{self._folder} cannot be used: {stored}; restore it, or pass overwrite=True to "
                "start anew"
            )
        return stored


def best_fault(folder: Path, run: str, step: int, expected: str | None) -> str | None:
    """What is wrong with the best adapter of a run that is to be resumed, or ``None``.

    Args:
        folder: Where it is stored.
        run: A hash of what makes the run another one than others.
        step: The step of the checkpoint that is resumed from.
        expected: The hash of ``best.json`` when that checkpoint was written; ``None`` if there was
            none.
    """
    if not folder.is_dir():
        return None if expected is None else "it is missing"
    stored = _read(folder, run)
    if isinstance(stored, str):
        return stored
    if file_sha256(folder / BEST) != expected and stored["step"] <= step:
        return f"{BEST} is not as it was when the checkpoint of step {step} was written"
    return None


def _read(folder: Path, run: str) -> dict[str, Any] | str:
    """What ``best.json`` says, if it and the files that it lists are as they were written.

    Returns:
        Its values, or what is wrong.
    """
    if (folder / BEST).exists() and not (folder / BEST).is_file():  # a pipe would not end
        return f"{BEST} is no file"
    try:
        stored = json.loads((folder / BEST).read_text(encoding="utf-8"))
        record = {name: stored[name] for name in ("step", "metrics", "run", "files")}
        whole = stored["sha256"] == _digest(record)
    except FileNotFoundError:
        return f"{BEST} is missing"
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        return f"{BEST} cannot be read ({error!r:.80})"
    if not whole:
        return f"{BEST} is not as it was written"
    if fault := _record_fault(record):
        return f"{BEST} cannot be used: {fault}"
    if record["run"] != run:
        return f"{BEST} is of another run"
    for name, sha256 in record["files"].items():
        file = folder / name
        if not re.fullmatch(r"[\w.-]+", name) or file.is_symlink() or not file.is_file():
            return f"{name} is missing"
        if file_sha256(file) != sha256:
            return f"{name} is not as it was written"
    return record


def _record_fault(record: dict[str, Any]) -> str | None:
    """What is wrong with the values of a whole record, as of another version, or ``None``."""
    step, files, metrics = record["step"], record["files"], record["metrics"]
    if not isinstance(step, int) or step < 0:
        return f"expected a step as 'step', found {step!r:.40}"
    if not isinstance(files, dict):
        return f"expected an object as 'files', found {files!r:.40}"
    if not isinstance(metrics, dict):
        return f"expected an object as 'metrics', found {metrics!r:.40}"
    for name in ("accuracy", "loss"):
        if name not in metrics:
            return f"'metrics' lacks {name!r}"
    for name, value in metrics.items():
        if not isinstance(value, int | float):
            return f"expected a number as {name!r} in 'metrics', found {value!r:.40}"
    try:
        calibration_of(metrics, 0)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        return f"'{problem['loc'][0]}' in 'metrics': {problem['msg']}, found {problem['input']!r}"
    return None


def _digest(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
