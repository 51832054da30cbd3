"""Checkpoints that are whole or nothing: told by a list of hashes that is written last.

transformers writes a checkpoint file by file. A run killed meanwhile leaves a folder that looks
like a checkpoint, and loading it gives other weights without a word. So each folder gets a list
of its files' hashes when it is whole, and only folders that still match theirs are resumed from.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path

from zhmcq.errors import CheckpointError
from zhmcq.files import atomic_write
from zhmcq.manifest import file_sha256

__all__ = ["complete", "find_checkpoint", "remove_older"]

logger = logging.getLogger(__name__)

LIST = "zhmcq_checkpoint.json"
# Without these a resumed run would go on silently with another optimizer, rate or order.
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", "adapter_model.safetensors")


def complete(folder: Path) -> None:
    """Say that a checkpoint is whole: see its files onto the disk, then list their hashes.

    Args:
        folder: A checkpoint that transformers has just written.
    """
    hashes = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        hashes[path.name] = file_sha256(path)
    with atomic_write(folder / LIST) as temporary:
        temporary.write_text(json.dumps(hashes, indent=1), encoding="utf-8")


def find_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below ``folder``; ``None`` if no checkpoint was ever whole.

    Unfinished ones are removed. A damaged one is passed over, and the log says why.

    Raises:
        CheckpointError: If there are finished checkpoints and all of them are damaged.
    """
    damaged: list[str] = []
    for path in reversed(_checkpoints(folder)):
        if not (path / LIST).is_file():
            logger.warning("%s was not finished when its run ended: it is removed", path)
            shutil.rmtree(path)
            continue
        fault = _fault(path)
        if fault is None:
            logger.info("going on from %s", path)
            return path
        logger.warning("%s is not resumed from: %s", path, fault)
        damaged.append(f"{path.name}: {fault}")
    if damaged:
        raise CheckpointError(
            f"every checkpoint in {folder} is damaged ({'; '.join(damaged)}): restore the files, "
            "or pass overwrite=True to start anew"
        )
    return None


def remove_older(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` whole checkpoints."""
    whole = [path for path in _checkpoints(folder) if (path / LIST).is_file()]
    for path in whole[: max(0, len(whole) - keep)]:
        shutil.rmtree(path)


def _checkpoints(folder: Path) -> list[Path]:
    """Folders that transformers wrote, oldest step first."""
    if not folder.is_dir():
        return []
    steps = {}
    for path in folder.iterdir():
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and path.is_dir() and not path.is_symlink():
            steps[int(match.group(1))] = path
    return [steps[step] for step in sorted(steps)]


def _fault(path: Path) -> str | None:
    """What is wrong with a finished checkpoint, or ``None``."""
    try:
        hashes = json.loads((path / LIST).read_text(encoding="utf-8"))
        names = set(hashes) | set(NEEDED)
    except (ValueError, TypeError) as error:
        return f"{LIST} cannot be read ({error})"
    for name in sorted(names):
        file = path / name
        if Path(name).name != name or file.is_symlink() or not file.is_file():
            return f"{name} is missing"
        if file_sha256(file) != hashes.get(name):
            return f"{name} is not as it was written"
    return None
