"""The output folder of a run: begun, resumed, removed, finished; never written over unasked."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zhmcq.errors import CheckpointError, OutputError, OutputExistsError, SettingsError
from zhmcq.files import atomic_folder, atomic_write, locked
from zhmcq.manifest import MANIFEST_NAME, Manifest
from zhmcq.training.checkpoints import find_checkpoint

__all__ = [
    "CHECKPOINTS",
    "begin_run",
    "check_resume",
    "how_to_go_on",
    "locked_output",
    "refuse_finished",
    "save_adapter",
]

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
CHECKPOINTS = "checkpoints"
LOCK = ".lock"
# What a run that was killed while it wrote leaves behind, by the names of zhmcq.files: in its
# folder, and in checkpoints/.
FIRST_WRITE = re.compile(r"\.run-\w{8}\.tmp\.json")
LEFT_BEHIND = re.compile(r"\.adapter|\.\.adapter(-old)?-\w{8}")
LEFT_IN_CHECKPOINTS = re.compile(r"\.(best|start)(-old)?-\w{8}")


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


def check_resume(resume: str | bool, overwrite: bool) -> None:
    """Refuse what is asked for before anything is loaded.

    Raises:
        SettingsError: If ``resume`` has an unknown value, or contradicts ``overwrite``.
    """
    if resume != "auto" and resume is not True and resume is not False:
        raise SettingsError(f"train(resume={resume!r}): expected 'auto', True or False")
    if resume is True and overwrite:
        raise SettingsError(
            "train(resume=True, overwrite=True): the one goes on with a run, the other removes "
            "it; give one of them"
        )


def how_to_go_on(overwrite: bool, resume: str | bool) -> str:
    """What is to be called after an interruption, to go on from the checkpoint."""
    changes = ["without overwrite=True"] if overwrite else []
    changes += ["with resume='auto'"] if resume is False else []
    if not changes:
        return "the same call goes on from it (resume='auto')"
    return f"the same call {' and '.join(changes)} goes on from it"


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
        CheckpointError: If the interrupted run is another one, or none can be resumed as asked.
    """
    run_file = out / RUN_FILE
    _remove_left_behind(out)
    if overwrite and out.exists():
        _remove_run(out)
    elif run_file.is_file():
        before = _read_record(run_file)
        changed = sorted(key for key in record if before.get(key) != record[key])
        if changed:
            raise CheckpointError(
                f"{out} holds an interrupted run with other {', '.join(changed)}: give the same "
                "ones to resume it, or pass overwrite=True to start anew"
            )
        if resume is False:
            raise OutputExistsError(
                f"{out} holds an interrupted run: pass resume='auto' to go on with it, or "
                "overwrite=True to start anew"
            )
        found = find_checkpoint(out / CHECKPOINTS)
        if found is None and resume is True:
            raise CheckpointError(
                f"{out} holds a run that ended before its first checkpoint was whole: pass "
                "resume='auto' to begin it again"
            )
        if found is None:
            logger.info("%s holds no whole checkpoint: the run begins again", out)
            shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)  # its best adapter so far
        return found
    if resume is True:
        raise CheckpointError(f"{out} holds no run that could be resumed")
    with atomic_write(run_file) as path:
        path.write_text(json.dumps(record, ensure_ascii=False, indent=2), encoding="utf-8")
    return None


def _read_record(run_file: Path) -> dict[str, Any]:
    try:
        record = json.loads(run_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{run_file} cannot be read ({error}): expected what the interrupted run wrote; "
            "restore it, or pass overwrite=True to start anew"
        ) from error
    if not isinstance(record, dict):
        raise CheckpointError(
            f"expected an object in {run_file}, found {type(record).__name__}: restore it, or "
            "pass overwrite=True to start anew"
        )
    return record


def _remove_left_behind(out: Path) -> None:
    """Remove what a killed run was writing; only the holder of the lock may.

    Raises:
        OutputError: If a file cannot be removed.
    """
    places = [(out, FIRST_WRITE)]
    if (out / RUN_FILE).is_file() or (out / MANIFEST_NAME).is_file():  # else it may be a user's
        places += [(out, LEFT_BEHIND), (out / CHECKPOINTS, LEFT_IN_CHECKPOINTS)]
    for folder, names in places:
        for path in list(folder.iterdir()) if folder.is_dir() else ():
            if names.fullmatch(path.name):
                logger.info("%s was not finished when its run ended: it is removed", path)
                try:
                    _remove(path)
                except OSError as error:
                    raise OutputError(f"{path} cannot be removed: {error}") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_run(out: Path) -> None:
    if not (out / RUN_FILE).is_file() and not (out / MANIFEST_NAME).is_file():
        known = _names(out)
        if known:
            raise OutputExistsError(
                f"{out} was not written by zhmcq (it holds {', '.join(known[:5])}): it is "
                "not removed even with overwrite=True; choose another output_dir"
            )
    for name in _names(out):
        _remove(out / name)


def _names(out: Path) -> list[str]:
    """What the folder holds, but for the lock and what a killed run was writing first."""
    names = (path.name for path in out.iterdir())
    return sorted(name for name in names if name != LOCK and not FIRST_WRITE.fullmatch(name))


def _settle_config(path: Path, base: str) -> None:
    """Name the base model as it was given, and the layers in an order that stays the same.

    peft writes the folder that the model was loaded from, which for a hub id lies in a cache of
    this machine, and its set of layers in an order that differs from process to process.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


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
            _settle_config(beside / "adapter_config.json", manifest.base.name)
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
