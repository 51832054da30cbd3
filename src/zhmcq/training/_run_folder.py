"""The output folder of a run: its lock, its beginning or resumption, its adapter."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from zhmcq._files import (
    atomic_folder,
    atomic_write,
    clear_abandoned,
    is_scratch,
    locked,
    refuse_inputs,
    refuse_strangers,
    strange_names,
    writing,
)
from zhmcq._phrases import records
from zhmcq._warnings import ignored_warnings
from zhmcq.errors import CheckpointError, OutputError, OutputExistsError, SettingsError
from zhmcq.manifest import CARD_NAME, MANIFEST_NAME, BaseIdentity, Manifest, SeenQuestions, as_date
from zhmcq.modeling._identity import differences
from zhmcq.settings import DtypeName
from zhmcq.training._best import best_fault
from zhmcq.training._checkpoints import Checkpoints, listed

__all__ = ["RunFolder"]

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
LOCK = ".lock"
FINISHED = ".adapter"  # complete, and about to be moved into the folder file by file


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
        OutputError: If the path is relative and the current folder is gone.
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
        self._given = Path(path)
        # A callback that changes the working directory must not part the run in two.
        with writing(self._given):
            self.path = self._given.absolute()
        self.checkpoints = Checkpoints(self.path / "checkpoints")
        self.best = self.checkpoints.folder / "best"
        self.start_weights = self.checkpoints.folder / "start"
        self._overwrite = overwrite
        self._resume = resume

    @property
    def shown(self) -> Path:
        """The folder as it was given, unless that names another one by now."""
        return self._given if self._given.absolute() == self.path else self.path

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
            f"another training run is writing to {self.shown}: wait until it has ended, or choose "
            "another output_dir"
        )
        try:
            with locked(self.path / LOCK, refusal):
                yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):
                    self.path.rmdir()  # nothing was written: leave no trace

    def refuse_finished(self, inputs: Iterable[str | Path] = ()) -> None:
        """Refuse a folder that holds anything but an interrupted run, before a model is loaded.

        Args:
            inputs: What the run reads, which is never overwritten.

        Raises:
            OutputExistsError: If it holds a finished adapter or other files, or is a file, and
                is not to be overwritten; or if it is, and holds what zhmcq did not write, or
                one of the inputs.
        """
        refuse_inputs(self.path, inputs)
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise OutputExistsError(
                f"{self.shown} is a file; expected a folder to write the adapter to"
            )
        if self._overwrite:
            refuse_strangers(self.shown, self._strangers())
            return
        if (self.path / MANIFEST_NAME).exists():
            if (self.path / LOCK).exists():  # as after a kill when all was done but tidying up
                with contextlib.suppress(OutputError), self.locked():
                    self._remove_left_behind()
            raise OutputExistsError(
                f"{self.shown} holds a finished adapter already: choose another output_dir, or "
                "pass overwrite=True to train anew in its place"
            )
        if self._names() and not (self.path / RUN_FILE).is_file():
            raise OutputExistsError(
                f"{self.shown} holds other files ({', '.join(self._names()[:5])}): choose an empty "
                "output_dir"
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
            raise CheckpointError(f"{self.shown} holds no run that could be resumed")
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
                f"{self.shown} holds an interrupted run with other {', '.join(changed)}: give the "
                "same ones to resume it, or pass overwrite=True to start anew"
            )
        if self._resume is False:
            raise OutputExistsError(
                f"{self.shown} holds an interrupted run: pass resume='auto' to resume it, or "
                "overwrite=True to start anew"
            )
        checkpoint = self.checkpoints.newest()
        if checkpoint is not None:
            self._refuse_other_best(checkpoint)
        else:
            if self._resume is True:
                raise CheckpointError(
                    f"{self.shown} holds a run that ended before its first checkpoint was "
                    "complete: pass resume='auto' to begin it again"
                )
            logger.info("%s", records.no_checkpoint(self.path))
            if self.checkpoints.folder.is_dir():
                refuse_strangers(self.checkpoints.folder, self.checkpoints.strangers())
            # The best adapter so far belongs to the steps that are lost.
            shutil.rmtree(self.checkpoints.folder, ignore_errors=True)
        return checkpoint

    def _refuse_other_best(self, checkpoint: Path) -> None:
        """Refuse to resume where the best adapter so far is not the one of the run.

        Raises:
            CheckpointError: If it is missing, changed or another one.
        """
        step, expected = int(checkpoint.name.rpartition("-")[2]), listed(checkpoint)[1]
        fault = best_fault(self.best, self.run_sha256, step, expected)
        if fault is not None:
            raise CheckpointError(
                f"{self.best} holds another adapter than the run stored there: {fault}; restore "
                "it, or pass overwrite=True to start anew"
            )

    @property
    def run_sha256(self) -> str:
        """A hash of what makes the run another one than others."""
        record = json.dumps(_read_record(self.path / RUN_FILE), sort_keys=True)
        return hashlib.sha256(record.encode()).hexdigest()

    def _remove_left_behind(self) -> None:
        """Remove what a killed run was writing; only the holder of the lock may call this.

        Raises:
            OutputError: If a file cannot be removed.
        """
        try:
            if self._is_of_zhmcq():  # otherwise a folder of this name may be a user's own
                shutil.rmtree(self.path / FINISHED, ignore_errors=True)
            for path in (self.path / RUN_FILE, self.path / FINISHED, self.best, self.start_weights):
                clear_abandoned(path)
            self.checkpoints.clear_abandoned()
        except OSError as error:
            raise OutputError(f"{self.shown} cannot be tidied up: {error}") from error

    def _remove_run(self) -> None:
        """Remove an earlier run, and nothing that zhmcq did not write."""
        refuse_strangers(self.shown, self._strangers())
        # What says that the folder is of zhmcq goes last, so that a removal can be taken up again.
        last = (RUN_FILE, MANIFEST_NAME)
        for name in sorted(self._names(), key=lambda name: (name in last, name)):
            _remove(self.path / name)

    def _strangers(self) -> list[str]:
        """What the folder holds that no run wrote, as paths within it."""
        if not self.path.is_dir():
            return []
        ours = Manifest.names_in(self.path)
        folders = set()
        if self._is_of_zhmcq():
            ours.add(RUN_FILE)
            folders.add(FINISHED)
            if self.checkpoints.folder.is_dir():
                folders.add(self.checkpoints.folder.name)
        strange = {*strange_names(self.path, ours)} - folders
        strangers = [name for name in self._names() if name in strange]
        if self.checkpoints.folder.name in folders:
            strangers += [
                f"{self.checkpoints.folder.name}/{name}" for name in self.checkpoints.strangers()
            ]
        return strangers

    def _is_of_zhmcq(self) -> bool:
        return (self.path / RUN_FILE).is_file() or (self.path / MANIFEST_NAME).is_file()

    def _names(self) -> list[str]:
        """What the folder holds, except the lock and what a killed run was writing."""
        if not self.path.is_dir():
            return []
        names = (path.name for path in self.path.iterdir())
        return sorted(name for name in names if name != LOCK and not is_scratch(self.path / name))

    def save(
        self,
        model: Any,
        tokenizer: Any,
        manifest: Manifest,
        seen: SeenQuestions,
        card: str,
        *,
        subtract_start: bool,
    ) -> None:
        """Write the adapter under a temporary name, then move it in, the manifest last.

        Only a folder with a manifest is a finished adapter, so that a run that is killed here
        leaves an interrupted run and no damaged adapter.

        Args:
            model: The model with the adapter.
            tokenizer: The tokenizer to save with it.
            manifest: What the folder is to remember.
            seen: The questions of the run.
            card: The text of README.md, in place of peft's empty model card.
            subtract_start: Whether the adapter changed its base model, so that its first weights
                (``start_weights``) have to be subtracted.

        Raises:
            OutputError: If the folder cannot be written.
        """
        finished = self.path / FINISHED
        convert = {}
        if subtract_start:
            convert = {"path_initial_model_for_weight_conversion": str(self.start_weights)}
        with writing(self.path):
            with atomic_folder(finished) as temporary:
                # peft advises the conversion that is done here.
                with ignored_warnings(".*changes the base weights"):
                    model.save_pretrained(temporary, save_embedding_layers=False, **convert)
                _normalise_config(temporary / "adapter_config.json", manifest.base.name)
                tokenizer.save_pretrained(temporary)
                seen.write(temporary)
                (temporary / CARD_NAME).write_text(card, encoding="utf-8")  # in place of peft's
                manifest.write(temporary)
            for path in sorted(finished.iterdir(), key=lambda p: p.name == MANIFEST_NAME):
                path.replace(self.path / path.name)
            finished.rmdir()


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
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{run_file} cannot be read ({error!s:.80}): expected what the interrupted run wrote; "
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
