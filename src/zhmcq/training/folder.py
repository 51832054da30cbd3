"""The output folder of a run: begun, resumed, removed, finished; never written over unasked."""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zhmcq.errors import CheckpointError, OutputError, OutputExistsError
from zhmcq.files import atomic_folder, atomic_write, locked
from zhmcq.manifest import MANIFEST_NAME, Manifest
from zhmcq.training.checkpoints import find_checkpoint

__all__ = ["CHECKPOINTS", "begin_run", "locked_output", "refuse_finished", "save_adapter"]

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"


@contextlib.contextmanager
def locked_output(out: Path) -> Iterator[None]:
    """Keep other runs out of the folder; one that was killed keeps nobody out.

    Raises:
        OutputError: If another run has it.
    """
    own = not out.exists()
    what = (
        f"another training run is writing to {out}: wait until it has ended, or choose another "
        "output_dir"
    )
    try:
        with locked(out / LOCK, what):
            yield
    finally:
        if own:
            with contextlib.suppress(OSError):
                out.rmdir()  # nothing was written: leave no trace


def refuse_finished(out: Path, overwrite: bool) -> None:
    """Refuse a folder that holds anything but an interrupted run, before a model is loaded.

    Raises:
        OutputExistsError: If it holds a finished adapter or other files, or is a file, and
            ``overwrite`` is false.
    """
    if overwrite or not out.exists():
        return
    if not out.is_dir():
        raise OutputExistsError(f"{out} is a file; expected a folder to write the adapter to")
    if (out / MANIFEST_NAME).exists():
        raise OutputExistsError(
            f"{out} holds a finished adapter already: choose another output_dir, or pass "
            "overwrite=True to train anew in its place"
        )
    if _names(out) and not (out / RUN_FILE).is_file():
        raise OutputExistsError(
            f"{out} holds other files: choose an empty output_dir, or pass overwrite=True to "
            "remove them"
        )


def begin_run(
    out: Path, record: dict[str, Any], *, overwrite: bool, resume: str | bool
) -> Path | None:
    """Make the folder ready.

    Args:
        out: The output folder.
        record: What makes two runs the same run.
        overwrite: Whether an earlier run is removed.
        resume: ``"auto"``, ``True`` (insist) or ``False`` (never).

    Returns:
        The checkpoint to go on from, or ``None`` to start anew.

    Raises:
        OutputExistsError: If there is an interrupted run that is not to be resumed, or a folder
            that zhmcq did not write is to be overwritten.
        CheckpointError: If the interrupted run is another one, or none can be resumed.
    """
    run_file = out / RUN_FILE
    if overwrite and out.exists():
        _remove_run(out)
    elif run_file.is_file():
        before = json.loads(run_file.read_text(encoding="utf-8"))
        changed = sorted(key for key in record if before.get(key) != record[key])
        if changed:
            raise CheckpointError(
                f"{out} holds an interrupted run with other {', '.join(changed)}: give the same "
                "ones to resume it, or pass overwrite=True to start anew"
            )
        if resume is not False:
            return find_checkpoint(out / CHECKPOINTS)
        raise OutputExistsError(
            f"{out} holds an interrupted run: pass resume='auto' to go on with it, or "
            "overwrite=True to start anew"
        )
    if resume is True:
        raise CheckpointError(f"{out} holds no run that could be resumed")
    with atomic_write(run_file) as path:
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2), encoding="utf-8")
    return None


def _remove_run(out: Path) -> None:
    if not (out / RUN_FILE).is_file() and not (out / MANIFEST_NAME).is_file():
        known = _names(out)
        if known:
            raise OutputExistsError(
                f"{out} was not written by zhmcq (it holds {', '.join(known[:5])}): it is "
                "not removed even with overwrite=True; choose another output_dir"
            )
    for name in _names(out):
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _names(out: Path) -> list[str]:
    """What the folder holds, but for the lock."""
    return sorted(path.name for path in out.iterdir() if path.name != LOCK)


def save_adapter(
    out: Path, model: Any, tokenizer: Any, manifest: Manifest, card: str, start: Path | None
) -> None:
    """Write the adapter beside, then move it in; the manifest comes last and makes it whole.

    Args:
        out: The output folder.
        model: With the adapter.
        tokenizer: Saved along.
        manifest: What the folder is to remember.
        card: The text of README.md, in place of peft's empty model card.
        start: The first weights of an adapter that changed its base model, to be subtracted.
    """
    try:
        with atomic_folder(out / ".adapter", overwrite=True) as beside:
            convert = {"path_initial_model_for_weight_conversion": str(start)} if start else {}
            with warnings.catch_warnings():
                # What it advises is what is done here.
                warnings.filterwarnings("ignore", message=".*changes the base weights")
                model.save_pretrained(beside, **convert)
            tokenizer.save_pretrained(beside)
            (beside / "README.md").unlink(missing_ok=True)  # peft's
            manifest.write(beside)
            # After the manifest, which keeps what it names from being changed: cards are edited.
            (beside / "README.md").write_text(card, encoding="utf-8")
        done = out / ".adapter"
        for path in sorted(done.iterdir(), key=lambda p: p.name == MANIFEST_NAME):
            path.replace(out / path.name)
        done.rmdir()
    except OSError as error:
        raise OutputError(f"the adapter cannot be written to {out}: {error}") from error
