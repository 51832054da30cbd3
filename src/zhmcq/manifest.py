"""What an adapter or a merged folder remembers, so that it is used as it was trained."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from zhmcq._files import leads_out
from zhmcq.errors import ManifestError

__all__ = [
    "DEFAULT_MAX_LENGTH",
    "LARGEST_WEIGHT",
    "BaseIdentity",
    "Calibration",
    "Manifest",
    "PromptRecord",
    "SeenQuestions",
]

MANIFEST_NAME = "zhmcq_manifest.json"
CARD_NAME = "README.md"
SEEN_NAME = "zhmcq_questions.json"
EVALUATIONS_NAME = "zhmcq_evaluations.json"
# Their contents may change after the folder is complete, so that the manifest has no hash of them.
ADDED_LATER = frozenset({CARD_NAME, EVALUATIONS_NAME})
MAX_BYTES = 64_000_000  # of a manifest, which has some thousands
# With it a difference of 0.1 nats between two candidates is certainty.
LARGEST_WEIGHT = 100.0
# The most tokens of a prompt with its answer where nothing else says: room for a long passage.
DEFAULT_MAX_LENGTH = 2048


class BaseIdentity(BaseModel):
    """Which base model it is, by its contents and not by its location.

    Attributes:
        name: The name or folder it was loaded by, for people to read.
        config: The values of its configuration that are not the defaults of their kind of model,
            without those that no number depends on; empty for a GGUF file.
        weights_sha256: Hash of all its weights.
        tokenizer_sha256: Hash of its tokenizer: vocabulary with ids, merges, special tokens, and
            what it makes of a few texts.
        chat_template_sha256: Hash of its tokenizer's chat template; ``""`` without one.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    config: dict[str, Any]
    weights_sha256: str
    tokenizer_sha256: str
    chat_template_sha256: str


class PromptRecord(BaseModel):
    """Which prompt, as :func:`zhmcq.prompts.describe_prompt` describes it.

    Attributes:
        name: The name it is registered under; ``""`` if it has none, and then it cannot be made
            again, or if no prompt was recorded.
        options: The keyword arguments that make it again, as JSON values.
        sha256: Hash of a few made-up questions as the prompt renders them, by which a later
            change of its template is noticed; ``""`` if no prompt was recorded.
        chat: Whether it renders messages, for which the tokenizer's chat template counts.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    sha256: str
    chat: bool = False


class Calibration(BaseModel):
    """How log-likelihoods become probabilities: a softmax of weighted sums and means.

    ``weight_of_sum`` alone is an inverse temperature (Guo et al., 2017): 1 is the model's own
    probability, less is more modest. ``weight_of_mean`` goes with the mean log-likelihood of a
    candidate's tokens, for candidates of several lengths. The second best candidate's gap to the
    best one counts in full; what a further candidate's gap is more than that is multiplied by
    ``weight_beyond_second``.

    Attributes:
        weight_of_sum: The weight of the sum of a candidate's log-likelihoods, 0 or more.
        weight_of_mean: The weight of their mean, 0 or more.
        weight_beyond_second: The weight of what gaps are more than the second's, 0 to 1.
        questions: How many validation questions the weights were fitted on.
    """

    model_config = ConfigDict(frozen=True)

    weight_of_sum: float = Field(ge=0, le=LARGEST_WEIGHT, allow_inf_nan=False)
    weight_of_mean: float = Field(default=0.0, ge=0, le=LARGEST_WEIGHT, allow_inf_nan=False)
    weight_beyond_second: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    questions: int = Field(default=0, ge=0)


class SeenQuestions(BaseModel):
    """Which questions a model has seen, by their fingerprints (``zhmcq.checks.fingerprints``).

    Attributes:
        train: Those it was trained on.
        validation: Those that chose its checkpoint and fitted its confidences.
    """

    model_config = ConfigDict(frozen=True)

    train: frozenset[str] = frozenset()
    validation: frozenset[str] = frozenset()

    def write(self, folder: Path) -> None:
        """Write it into ``folder``."""
        lists = {"train": sorted(self.train), "validation": sorted(self.validation)}
        text = json.dumps(lists, indent=0)
        (folder / SEEN_NAME).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> SeenQuestions | None:
        """What :meth:`write` wrote into ``folder``; ``None`` if it wrote nothing there.

        Raises:
            ManifestError: If it cannot be read.
        """
        path = folder / SEEN_NAME
        if not os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file, of any name
            return None
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError, OSError) as error:
            raise ManifestError(
                f"{path} cannot be read: {reason_of(error)}; copy the folder again, or train or "
                "merge again"
            ) from error


class Manifest(BaseModel):
    """The manifest of a folder that zhmcq wrote.

    Attributes:
        kind: ``"adapter"`` or ``"merged"``.
        base: The base model.
        prompt: The prompt that renders the questions.
        max_length: The most tokens of a prompt with its answer.
        template_date: The date that the chat template wrote into every prompt (``"2026-11-26"``);
            ``""`` where it writes none.
        calibration: What makes confidences of scores; ``None`` where there were too few validation
            questions to find out.
        settings: The settings of the run, by their names.
        training: What came of it: steps, accuracy, hashes of the data.
        versions: Versions of the libraries it was made with.
        unverified: Whether the adapter was made by another tool, which does not record its base
            model's weights and its prompt: nothing says that they are those of its training.
        files: SHA-256 of each other file in the folder, but for the model card, which may be
            edited, and the evaluations, which may be added later.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["adapter", "merged"]
    base: BaseIdentity
    prompt: PromptRecord
    max_length: int
    template_date: str = ""
    calibration: Calibration | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    unverified: bool = False
    versions: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator("template_date")
    @classmethod
    def _check_date(cls, text: str) -> str:
        if text:
            as_date(text)
        return text

    def write(self, folder: Path) -> Manifest:
        """Write the manifest into ``folder``, with a hash of every file that is there.

        Written last, it says that the folder is whole.
        """
        left_out = {MANIFEST_NAME, *ADDED_LATER}
        names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name not in left_out)
        files = {name: file_sha256(folder / name) for name in names}
        complete = self.model_copy(update={"files": files, "versions": versions()})
        text = json.dumps(complete.model_dump(), ensure_ascii=False, indent=2, sort_keys=True)
        (folder / MANIFEST_NAME).write_text(text + "\n", encoding="utf-8")
        return complete

    @classmethod
    def read(cls, folder: Path, *, verify: bool = True) -> Manifest:
        """Read the manifest of ``folder``.

        Args:
            folder: A folder that zhmcq wrote.
            verify: Whether to hash the folder's files and compare.

        Raises:
            ManifestError: If there is no manifest, it cannot be read, or a file is missing,
                changed, or named by anything but a plain file name.
        """
        path = folder / MANIFEST_NAME
        if not os.path.isfile(path):  # noqa: PTH113 - unlike Path.is_file, of any name
            raise ManifestError(
                f"{folder} has no {MANIFEST_NAME}: expected a folder written by "
                "LoraTrainer.train or Merger.merge"
            )
        try:
            if path.stat().st_size > MAX_BYTES:
                raise OSError(f"it has more than {MAX_BYTES:,} bytes")
            manifest = cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (ValidationError, UnicodeDecodeError, OSError) as error:
            raise ManifestError(
                f"{path} cannot be read as a manifest: {reason_of(error)}; copy the folder again, "
                "or train or merge again"
            ) from error
        if verify:
            manifest.verify(folder)
        return manifest

    @classmethod
    def names_in(cls, folder: Path) -> set[str]:
        """What zhmcq wrote into ``folder``: the files that its manifest lists, and the manifest.

        Empty if there is none, or it cannot be read: then nothing is known to be of zhmcq.
        """
        try:
            manifest = cls.read(folder, verify=False)
        except ManifestError:
            return set()
        return {*manifest.files, *ADDED_LATER, MANIFEST_NAME}

    def verify(self, folder: Path, *, weights: bool = True) -> None:
        """Compare the files of ``folder`` with their hashes.

        Links are followed in a merged folder, and in the hub's cache, whose files are links.

        Args:
            folder: The folder.
            weights: Whether to compare ``*.safetensors`` too, which takes time for a whole model.

        Raises:
            ManifestError: If a file is missing, changed, not named plainly, or an adapter's is a
                link.
        """
        for name, expected in self.files.items():
            if not weights and name.endswith(".safetensors"):
                continue
            if Path(name).name != name or name in ("", ".", ".."):
                raise ManifestError(
                    f"{folder / MANIFEST_NAME} names the file {name!r}: expected plain names of "
                    "files in the folder itself; the manifest was tampered with"
                )
            path = folder / name
            if self.kind == "adapter" and leads_out(path):
                raise ManifestError(
                    f"{path} is a link: expected the file itself, as it was written; copy the "
                    "folder with its links followed (cp -L)"
                )
            if not path.is_file():
                raise ManifestError(
                    f"{folder} lacks the file {name!r} that its manifest names: copy the folder "
                    "again, or train or merge again"
                )
            try:
                actual = file_sha256(path)
            except OSError as error:
                raise ManifestError(f"{path} cannot be read: {reason_of(error)}") from error
            if actual != expected:
                raise ManifestError(
                    f"{path} is not the file that was written: its SHA-256 is {actual[:12]}…, the "
                    f"manifest says {expected[:12]}…; copy the folder again, or train or merge "
                    "again"
                )


def reason_of(error: Exception) -> str:
    """Why a file cannot be read, with the fields that are not as expected."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
    return getattr(error, "strerror", None) or str(error)


def as_date(text: object) -> datetime.date:
    """The date that an ISO text names.

    Raises:
        ValueError: If it names none, or none of a computer's clock.
    """
    if isinstance(text, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        date = datetime.date.fromisoformat(text)
        if date.year >= 1970:
            return date
    raise ValueError(f"expected a date such as '2026-11-26', found {text!r:.40}")


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(
    names: Iterable[str] = (
        "zhmcq",
        "torch",
        "transformers",
        "peft",
        "accelerate",
        "tokenizers",
        "safetensors",
        "bitsandbytes",
        "python",
    ),
) -> Mapping[str, str]:
    """Versions of Python and of installed distributions, by name; others are left out."""
    numbers = {}
    for name in names:
        if name == "python":
            numbers[name] = platform.python_version()
            continue
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            continue
    return numbers
