"""The best adapter so far, kept on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zhmcq.errors import CheckpointError
from zhmcq.files import atomic_folder

__all__ = ["BestAdapter"]


class BestAdapter:
    """Keeps the adapter of the best evaluation so far, on disk, so that a resumed run has it."""

    def __init__(self, folder: Path, metric: str, model: Any) -> None:
        self._folder = folder
        self._metric = metric
        self._model = model

    def consider(self, step: int, metrics: dict[str, float]) -> None:
        """Keep the adapter as it is now, if it is better than the one kept."""
        kept = self._read()
        sign = 1 if self._metric == "accuracy" else -1
        better = kept is None
        if kept is not None:
            # A resumed run repeats evaluations. One that comes out as before is no better than
            # itself, so that the adapter stays which the run before it kept.
            # Of two adapters that are right as often, the surer one is kept.
            now = (sign * metrics[self._metric], -metrics["loss"])
            then = (sign * kept["metrics"][self._metric], -kept["metrics"]["loss"])
            better = now > then
        if better:
            with atomic_folder(self._folder, overwrite=True) as beside:
                self._model.save_pretrained(beside)
                text = json.dumps({"step": step, "metrics": metrics})
                (beside / "best.json").write_text(text, encoding="utf-8")

    def restore(self) -> tuple[int, dict[str, float]]:
        """Load the kept adapter into the model; its step and metrics.

        Raises:
            CheckpointError: If it was removed meanwhile.
        """
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        kept = self._read()
        if kept is None:
            raise CheckpointError(f"{self._folder} was removed while the run was going on")
        weights = load_file(self._folder / "adapter_model.safetensors")
        set_peft_model_state_dict(self._model, weights)
        return kept["step"], kept["metrics"]

    def _read(self) -> dict[str, Any] | None:
        path = self._folder / "best.json"
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
