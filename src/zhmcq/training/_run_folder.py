"""The output folder of a run: its lock, its beginning or resumption, its checkpoints, its adapter.

transformers writes a checkpoint file by file. A run that is killed meanwhile leaves a folder that
looks like a checkpoint, and loading it gives other weights without a word. So each checkpoint gets
a list of its files' hashes once it is complete, and only folders that still match their list are
resumed from.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from zhmcq._files import atomic_folder, atomic_write, locked
from zhmcq._warnings import ignored_warnings
from zhmcq.errors import CheckpointError, OutputError, OutputExistsError, SettingsError
from zhmcq.manifest import MANIFEST_NAME, BaseIdentity, Manifest, as_date, file_sha256
from zhmcq.modeling._identity import differences
from zhmcq.settings import DtypeName

__all__ = ["BestAdapter", "Checkpoints", "RunFolder"]

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
LOCK = ".lock"
HASHES = "zhmcq_checkpoint.json"
# Without these a resumed run would silently continue with another optimizer, rate or order.
NEEDED = ("optimizer.pt", "scheduler.pt", "trainer_state.json", "adapter_model.safetensors")
# Temporary names of zhmcq._files: what a run that was killed while it wrote leaves in its folder
# and in checkpoints/.
FIRST_WRITE = re.compile(r"\.run-\w{8}\.tmp\.json")
LEFT_BEHIND = re.compile(r"\.adapter|\.\.adapter(-old)?-\w{8}")
LEFT_IN_CHECKPOINTS = re.compile(r"\.(best|start)(-old)?-\w{8}")


class RunFolder:
    """The folder that a run writes to. What is in it already is overwritten only on request.

    Args:
        path: The output folder.
        overwrite: Whether an earlier run in it is removed.
        resume: Whether an interrupted run in it is resumed: ``"auto"`` (if there is such a
            run), ``True`` (there must be) or ``False`` (never).

    Attributes:
        checkpoints: The run's checkpoints.
        best: The folder of the best adapter so far.
        start_weights: The folder of a new adapter's first weights, where they are taken from the
            base model's.

    Raises:
        SettingsError: If ``resume`` has an unknown value, or contradicts ``overwrite``.
    """

    def __init__(
        self, path: str | Path, *, overwrite: bool = False, resume: str | bool = "auto"
    ) -> None:
        if resume != "auto" and resume is not True and resume is not False:
            raise SettingsError(f"train(resume={resume!r}): expected 'auto', True or False")
        if resume is True and overwrite:
            raise SettingsError(
                "train(resume=True, overwrite=True): resume continues an earlier run and overwrite "
                "removes it; give only one of them"
            )
        self.path = Path(path)
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.best = self.checkpoints.folder / "best"
        self.start_weights = self.checkpoints.folder / "start"
        self._overwrite = overwrite
        self._resume = resume

    @property
    def resume_instruction(self) -> str:
        """How to resume the run after an interruption, as the end of a sentence."""
        changes = ["without overwrite=True"] if self._overwrite else []
        changes += ["with resume='auto'"] if self._resume is False else []
        if not changes:
            return "the same call resumes from it (resume='auto')"
        return f"the same call {' and '.join(changes)} resumes from it"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder; the lock of a run that was killed holds no longer.

        Raises:
            OutputError: If another run holds the lock.
        """
        is_new = not self.path.exists()
        refusal = (
            f"another training run is writing to {self.path}: wait until it has ended, or choose "
            "another output_dir"
        )
        try:
            with locked(self.path / LOCK, refusal):
                yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):
                    self.path.rmdir()  # nothing was written: leave no trace

    def refuse_finished(self) -> None:
        """Refuse a folder that holds anything but an interrupted run, before a model is loaded.

        Raises:
            OutputExistsError: If it holds a finished adapter or other files, or is a file, and
                is not to be overwritten.
        """
        if self._overwrite or not self.path.exists():
            return
        if not self.path.is_dir():
            raise OutputExistsError(
                f"{self.path} is a file; expected a folder to write the adapter to"
            )
        if (self.path / MANIFEST_NAME).exists():
            raise OutputExistsError(
                f"{self.path} holds a finished adapter already: choose another output_dir, or pass "
                "overwrite=True to train anew in its place"
            )
        if self._names() and not (self.path / RUN_FILE).is_file():
            raise OutputExistsError(
                f"{self.path} holds other files: choose an empty output_dir, or pass "
                "overwrite=True to remove them"
            )

    def recorded_dtype(self) -> DtypeName | None:
        """The dtype of the interrupted run that may be resumed; ``None`` if there is no such run.

        Raises:
            CheckpointError: If what the run recorded cannot be read.
        """
        name = self._recorded("dtype")
        # Any other value makes it another run, which begin() refuses.
        return name if name in get_args(DtypeName) and name != "auto" else None

    def recorded_date(self) -> datetime.date | None:
        """The date in the chats of the interrupted run that may be resumed; ``None`` without one.

        Raises:
            CheckpointError: If what the run recorded cannot be read.
        """
        try:
            return as_date(self._recorded("template_date"))
        except ValueError:  # any other value makes it another run, likewise
            return None

    def _recorded(self, field: str) -> Any:
        run_file = self.path / RUN_FILE
        if self._overwrite or self._resume is False or not run_file.is_file():
            return None
        return _read_record(run_file).get(field)

    def begin(self, record: dict[str, Any]) -> Path | None:
        """Begin a run in the folder, or find the checkpoint to resume from.

        Args:
            record: What makes two runs the same run, written to ``run.json``.

        Returns:
            The checkpoint to resume from, or ``None`` to start anew.

        Raises:
            OutputExistsError: If there is an interrupted run that is not to be resumed, or a
                folder that zhmcq did not write is to be overwritten.
            CheckpointError: If the interrupted run is another one, or none can be resumed.
        """
        run_file = self.path / RUN_FILE
        self._remove_left_behind()
        if self._overwrite and self.path.exists():
            self._remove_run()
        elif run_file.is_file():
            return self._checkpoint_of(record)
        if self._resume is True:
            raise CheckpointError(f"{self.path} holds no run that could be resumed")
        with atomic_write(run_file) as temporary:
            text = json.dumps(record, ensure_ascii=False, indent=2)
            temporary.write_text(text, encoding="utf-8")
        return None

    def _checkpoint_of(self, record: dict[str, Any]) -> Path | None:
        """The newest checkpoint of the interrupted run, if it is the run of ``record``."""
        earlier = _read_record(self.path / RUN_FILE)
        changed = sorted(_changed(earlier, record))
        if changed:
            raise CheckpointError(
                f"{self.path} holds an interrupted run with other {', '.join(changed)}: give the "
                "same ones to resume it, or pass overwrite=True to start anew"
            )
        if self._resume is False:
            raise OutputExistsError(
                f"{self.path} holds an interrupted run: pass resume='auto' to resume it, or "
                "overwrite=True to start anew"
            )
        checkpoint = self.checkpoints.newest()
        if checkpoint is None:
            if self._resume is True:
                raise CheckpointError(
                    f"{self.path} holds a run that ended before its first checkpoint was complete: "
                    "pass resume='auto' to begin it again"
                )
            logger.info("%s holds no complete checkpoint: the run begins again", self.path)
            # The best adapter so far belongs to the steps that are lost.
            shutil.rmtree(self.checkpoints.folder, ignore_errors=True)
        return checkpoint

    def _remove_left_behind(self) -> None:
        """Remove what a killed run was writing; only the holder of the lock may call this.

        Raises:
            OutputError: If a file cannot be removed.
        """
        patterns = [(self.path, FIRST_WRITE)]
        if self._is_of_zhmcq():  # otherwise files of these names may be a user's own
            patterns += [(self.path, LEFT_BEHIND), (self.checkpoints.folder, LEFT_IN_CHECKPOINTS)]
        for folder, names in patterns:
            for path in list(folder.iterdir()) if folder.is_dir() else ():
                if names.fullmatch(path.name):
                    logger.info("%s was not finished when its run ended: it is removed", path)
                    try:
                        _remove(path)
                    except OSError as error:
                        raise OutputError(f"{path} cannot be removed: {error}") from error

    def _remove_run(self) -> None:
        names = self._names()
        if names and not self._is_of_zhmcq():
            raise OutputExistsError(
                f"{self.path} was not written by zhmcq (it holds {', '.join(names[:5])}): it is "
                "not removed even with overwrite=True; choose another output_dir"
            )
        for name in names:
            _remove(self.path / name)

    def _is_of_zhmcq(self) -> bool:
        return (self.path / RUN_FILE).is_file() or (self.path / MANIFEST_NAME).is_file()

    def _names(self) -> list[str]:
        """What the folder holds, except the lock and what a killed run was writing first."""
        names = (path.name for path in self.path.iterdir())
        return sorted(name for name in names if name != LOCK and not FIRST_WRITE.fullmatch(name))

    def save(
        self, model: Any, tokenizer: Any, manifest: Manifest, card: str, *, subtract_start: bool
    ) -> None:
        """Write the adapter under a temporary name, then move it in, the manifest last.

        Only a folder with a manifest is a finished adapter, so that a run that is killed here
        leaves an interrupted run and no damaged adapter.

        Args:
            model: The model with the adapter.
            tokenizer: The tokenizer to save with it.
            manifest: What the folder is to remember.
            card: The text of README.md, in place of peft's empty model card.
            subtract_start: Whether the adapter changed its base model, so that its first weights
                (``start_weights``) have to be subtracted.

        Raises:
            OutputError: If the folder cannot be written.
        """
        finished = self.path / ".adapter"
        convert = {}
        if subtract_start:
            convert = {"path_initial_model_for_weight_conversion": str(self.start_weights)}
        try:
            with atomic_folder(finished, overwrite=True) as temporary:
                # peft advises the conversion that is done here.
                with ignored_warnings(".*changes the base weights"):
                    model.save_pretrained(temporary, save_embedding_layers=False, **convert)
                _normalise_config(temporary / "adapter_config.json", manifest.base.name)
                tokenizer.save_pretrained(temporary)
                (temporary / "README.md").unlink(missing_ok=True)  # peft's
                manifest.write(temporary)
                # After the manifest, which lists hashes of the files before it: users edit cards.
                (temporary / "README.md").write_text(card, encoding="utf-8")
            for path in sorted(finished.iterdir(), key=lambda p: p.name == MANIFEST_NAME):
                path.replace(self.path / path.name)
            finished.rmdir()
        except OSError as error:
            raise OutputError(f"the adapter cannot be written to {self.path}: {error}") from error


class Checkpoints:
    """The checkpoints of a run. Only complete ones count.

    Args:
        folder: The folder that transformers writes ``checkpoint-<step>`` folders to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mark_complete(self, step: int) -> None:
        """Flush the files of a checkpoint to the disk, then list their hashes.

        Args:
            step: The step whose checkpoint transformers has just written.
        """
        checkpoint = self.folder / f"checkpoint-{step}"
        hashes = {}
        for path in sorted(checkpoint.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            hashes[path.name] = file_sha256(path)
        with atomic_write(checkpoint / HASHES) as temporary:
            temporary.write_text(json.dumps(hashes, indent=1), encoding="utf-8")

    def newest(self) -> Path | None:
        """The newest complete checkpoint; ``None`` if no checkpoint was ever complete.

        Unfinished ones are removed. A damaged one is passed over, and the log says why.

        Raises:
            CheckpointError: If there are finished checkpoints and all of them are damaged.
        """
        damaged: list[str] = []
        for path in reversed(self._all()):
            if not (path / HASHES).is_file():
                logger.warning("%s was not finished when its run ended: it is removed", path)
                shutil.rmtree(path)
                continue
            fault = _fault(path)
            if fault is None:
                logger.info("resuming from %s", path)
                return path
            logger.warning("%s is not resumed from: %s", path, fault)
            damaged.append(f"{path.name}: {fault}")
        if damaged:
            raise CheckpointError(
                f"every checkpoint in {self.folder} is damaged ({'; '.join(damaged)}): restore the "
                "files, or pass overwrite=True to start anew"
            )
        return None

    def remove_older(self, count: int) -> None:
        """Remove all complete checkpoints but the newest ``count``."""
        complete = [path for path in self._all() if (path / HASHES).is_file()]
        for path in complete[: max(0, len(complete) - count)]:
            shutil.rmtree(path)

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


class BestAdapter:
    """The adapter of the best evaluation so far, stored on disk, so that a resumed run has it.

    Args:
        folder: Where it is stored.
        metric: ``"accuracy"`` or ``"loss"``: what evaluations are compared by.
        model: The model that is trained.
    """

    def __init__(self, folder: Path, metric: str, model: Any) -> None:
        self._folder = folder
        self._metric = metric
        self._model = model

    def consider(self, step: int, metrics: dict[str, float]) -> None:
        """Store the adapter as it is now, if its evaluation is the best so far."""
        stored = self._read()
        # A resumed run repeats evaluations. With the same result as before they are no better, so
        # that the adapter of the interrupted run stays.
        if stored is None or self._rank(metrics) > self._rank(stored["metrics"]):
            with atomic_folder(self._folder, overwrite=True) as temporary:
                self._model.save_pretrained(temporary, save_embedding_layers=False)
                text = json.dumps({"step": step, "metrics": metrics})
                (temporary / "best.json").write_text(text, encoding="utf-8")

    def _rank(self, metrics: dict[str, float]) -> tuple[float, float]:
        """The value that evaluations are compared by, larger is better; the loss decides ties."""
        sign = 1 if self._metric == "accuracy" else -1
        return sign * metrics[self._metric], -metrics["loss"]

    def restore(self) -> tuple[int, dict[str, float]]:
        """Load the stored adapter into the model.

        Returns:
            The step that it was stored at and the metrics of its evaluation.

        Raises:
            CheckpointError: If it was removed meanwhile.
        """
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        stored = self._read()
        if stored is None:
            raise CheckpointError(f"{self._folder} was removed during the run")
        weights = load_file(self._folder / "adapter_model.safetensors")
        set_peft_model_state_dict(self._model, weights)
        return stored["step"], stored["metrics"]

    def _read(self) -> dict[str, Any] | None:
        path = self._folder / "best.json"
        if not path.is_file():
            return None
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return stored


def _changed(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    """What makes the run of ``record`` another one than the earlier run."""
    for name, value in record.items():
        if earlier.get(name) == value:
            continue
        if name != "base":
            yield name
            continue
        try:
            base = BaseIdentity.model_validate({**earlier["base"], "name": ""})
        except (ValueError, KeyError, TypeError):
            yield "base model"
            continue
        present = BaseIdentity.model_validate({**value, "name": ""})
        if parts := differences(base, present, chat=record["prompt"]["chat"]):
            yield f"base model, which differs in {' and '.join(parts)}"


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


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _fault(checkpoint: Path) -> str | None:
    """What is wrong with a finished checkpoint, or ``None``."""
    try:
        hashes = json.loads((checkpoint / HASHES).read_text(encoding="utf-8"))
        names = set(hashes) | set(NEEDED)
    except (ValueError, TypeError) as error:
        return f"{HASHES} cannot be read ({error})"
    for name in sorted(names):
        file = checkpoint / name
        if Path(name).name != name or file.is_symlink() or not file.is_file():
            return f"{name} is missing"
        if file_sha256(file) != hashes.get(name):
            return f"{name} is not as it was written"
    return None


def _normalise_config(path: Path, base: str) -> None:
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
