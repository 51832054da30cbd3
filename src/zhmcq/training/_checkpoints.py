"""The checkpoints of a run. Only complete ones count.

transformers writes a checkpoint file by file. A run that is killed meanwhile leaves a folder that
looks like a checkpoint, and loading it gives other weights without a word. So each checkpoint gets
a list of its files' hashes once it is complete, and only folders that still match their list are
resumed from.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from zhmcq._files import atomic_write, clear_abandoned, is_scratch, refuse_strangers, strange_names
from zhmcq._phrases import records
from zhmcq.errors import CheckpointError
from zhmcq.manifest import file_sha256
from zhmcq.training._best import BEST_FILES

__all__ = ["Budgets", "Checkpoints", "budgets_of", "listed"]

logger = logging.getLogger(__name__)

HASHES = "zhmcq_checkpoint.json"
# Without these a resumed run would silently continue with another optimizer, rate or order.
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", "adapter_model.safetensors")
# What transformers writes into a checkpoint before zhmcq lists it.
UNLISTED = re.compile(
    r"adapter_.*|README\.md|optimizer\.\w+|scheduler\.\w+|scaler\.\w+|rng_state.*\.pth"
    r"|train\w+\.\w+|.*token.*|.*config\.json|.*\.model|vocab\.\w+|merges\.txt|chat_template.*|special_.*"
)


@dataclass(frozen=True, slots=True)
class Budgets:
    """The token budgets of a run, which are lowered when memory runs out.

    Attributes:
        training: The most tokens of a forward pass in training.
        evaluation: The same in evaluation.
    """

    training: int
    evaluation: int


class Checkpoints:
    """The checkpoints of a run. Only complete ones count.

    Args:
        folder: The folder that transformers writes ``checkpoint-<step>`` folders to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mark_complete(self, step: int, budgets: Budgets) -> None:
        """Flush the files of a checkpoint to the disk, then list their hashes.

        The list has the hash of the best adapter's record as well, which stands beside it.

        Args:
            step: The step whose checkpoint transformers has just written.
            budgets: The token budgets to resume with.
        """
        checkpoint = self.folder / f"checkpoint-{step}"
        files = {}
        # safetensors makes its files private, whatever the umask says.
        mode = (checkpoint / "trainer_state.json").stat().st_mode & 0o777
        for path in sorted(checkpoint.iterdir()):
            path.chmod(mode)
            with path.open("rb") as file:
                os.fsync(file.fileno())
            files[path.name] = file_sha256(path)
        best = self.folder / "best" / "best.json"
        record = {
            "files": files,
            "best": file_sha256(best) if best.is_file() else None,
            "budgets": asdict(budgets),
        }
        with atomic_write(checkpoint / HASHES) as temporary:
            temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")

    def newest(self) -> Path | None:
        """The newest complete checkpoint; ``None`` if no checkpoint was ever complete.

        Unfinished ones are removed. A damaged one is passed over, and the log says why; links and
        pipes in it are removed, since the run comes to write files of these names again.

        Raises:
            OutputExistsError: If an unfinished one holds what no run wrote.
            CheckpointError: If there are finished checkpoints and all of them are damaged.
        """
        # Older ones too: a run that is killed while it removes one leaves a part of it.
        for path in self._all():
            if not (path / HASHES).is_file():
                others = strange_names(path, _written(path))
                refuse_strangers(path, (name for name in others if not is_scratch(path / name)))
                logger.warning("%s was not finished when its run ended: it is removed", path)
                shutil.rmtree(path)
        damaged: list[str] = []
        newer: set[str] = set()
        for path in reversed(self._all()):
            fault = _fault(path)
            if fault is None:
                logger.info("%s", records.resumes_from(path))
                for other in self._all():
                    if other.name in newer:
                        _remove_links(other)
                return path
            logger.warning("%s is not resumed from: %s", path, fault)
            damaged.append(f"{path.name}: {fault}")
            newer.add(path.name)
        if damaged:
            raise CheckpointError(
                f"every checkpoint in {self.folder} is damaged ({'; '.join(damaged)}): restore the "
                "files, or pass overwrite=True to start anew"
            )
        return None

    def remove_older(self, count: int, newest: Path | None = None) -> None:
        """Remove all complete checkpoints but the newest ``count``.

        Args:
            count: How many to keep.
            newest: The one to count from; newer ones stay.
        """
        complete = [path for path in self._all() if (path / HASHES).is_file()]
        if newest is not None:
            complete = complete[: complete.index(newest) + 1]
        for path in complete[: max(0, len(complete) - count)]:
            (path / HASHES).unlink()  # first: what is left after a kill must not look complete
            shutil.rmtree(path)

    def clear_abandoned(self) -> None:
        """Remove what a killed run was writing into the list of a checkpoint's hashes."""
        for path in self._all():
            clear_abandoned(path / HASHES)

    def strangers(self) -> list[str]:
        """What no run wrote here, as paths within the folder."""
        strangers = []
        for path in self.folder.iterdir():
            if is_scratch(path):
                continue
            if path.is_symlink() or not path.is_dir():
                strangers.append(path.name)
                continue
            ours: Collection[str] = ()
            if path.name in ("best", "start"):
                ours = BEST_FILES
            elif path in self._all():
                ours = _written(path)
            strangers += [
                f"{path.name}/{file}"
                for file in strange_names(path, ours)
                if not is_scratch(path / file)
            ]
        return strangers

    def _all(self) -> list[Path]:
        """Folders that transformers wrote, oldest step first."""
        if not self.folder.is_dir():
            return []
        steps = {}
        for path in self.folder.iterdir():
            match = re.fullmatch(r"checkpoint-(\d+)", path.name)
            if match and path.is_dir() and not path.is_symlink():
                steps[int(match.group(1))] = path
        return [steps[step] for step in sorted(steps)]


def _remove_links(checkpoint: Path) -> None:
    """Remove what is no file from a damaged checkpoint that will be written again.

    Writing would change the file that a link names, and wait for a pipe without end.
    """
    for name in _written(checkpoint):
        path = checkpoint / name
        is_plain = path.is_file() or path.is_dir() or not path.exists()
        if Path(name).name == name and (path.is_symlink() or not is_plain):
            path.unlink()


def _written(checkpoint: Path) -> set[str]:
    """The names of the files of a checkpoint: those listed, or those that transformers gives."""
    try:
        return {*listed(checkpoint)[0], HASHES}
    except (OSError, ValueError):
        names = {path.name for path in checkpoint.iterdir()}
        return {name for name in names if UNLISTED.fullmatch(name)} | {HASHES}


def listed(checkpoint: Path) -> tuple[dict[str, str], str | None]:
    """The hashes of the checkpoint's files, and of the best adapter's record beside it.

    Raises:
        OSError: If the list cannot be read.
        ValueError: If it is no such list.
    """
    files, best, _ = _read(checkpoint)
    return files, best


def budgets_of(checkpoint: Path) -> Budgets:
    """The token budgets of the run when the checkpoint was written.

    Args:
        checkpoint: A complete checkpoint.

    Raises:
        OSError: If the list cannot be read.
        ValueError: If it is no such list.
    """
    return _read(checkpoint)[2]


def _read(checkpoint: Path) -> tuple[dict[str, str], str | None, Budgets]:
    try:
        record = json.loads((checkpoint / HASHES).read_text(encoding="utf-8"))
        files, best, budgets = record["files"], record["best"], Budgets(**record["budgets"])
        if not isinstance(files, dict) or not isinstance(best, str | None):
            raise TypeError("expected objects with names and hashes")
        if any(type(size) is not int or size < 1 for size in asdict(budgets).values()):
            raise TypeError(f"expected budgets of one token or more, found {budgets}")
    except (TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"expected the list that was written, found other json ({error})"
        ) from error
    return files, best, budgets


def _fault(checkpoint: Path) -> str | None:
    """What is wrong with a finished checkpoint, or ``None``."""
    try:
        hashes, _ = listed(checkpoint)
    except (OSError, ValueError) as error:
        return f"{HASHES} cannot be read ({error})"
    for name in sorted({*hashes, *NEEDED}):
        file = checkpoint / name
        if Path(name).name != name or file.is_symlink() or not file.is_file():
            return f"{name} is missing"
        if file_sha256(file) != hashes.get(name):
            return f"{name} is not as it was written"
    return None
