"""Adapter folders: of zhmcq with a manifest, of other tools without, here or on the hub."""

from __future__ import annotations

import contextlib
import glob
import itertools
import logging
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zhmcq._files import leads_out
from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError, SettingsError
from zhmcq.manifest import (
    DEFAULT_MAX_LENGTH,
    MANIFEST_NAME,
    BaseIdentity,
    Manifest,
    PromptRecord,
    file_sha256,
)
from zhmcq.modeling._adapter_config import ADAPTER_CONFIG, AdapterConfig
from zhmcq.modeling._hub import HubName, fetch
from zhmcq.modeling._identity import differences
from zhmcq.modeling._tokenizer_hash import stored_template_hash
from zhmcq.settings import QuantizationSettings

__all__ = ["WEIGHTS", "Adapter", "read_adapter"]

logger = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"
UNFINISHED = ".adapter"  # where training writes an adapter before its files are moved
MAX_LISTED = 100  # folders that an error looks at
# What is fetched of an adapter, besides the files that its manifest lists.
FETCHED = (MANIFEST_NAME, ADAPTER_CONFIG, WEIGHTS, "chat_template.jinja", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder whose files had the hashes of its manifest when it was read.

    An adapter of another tool has no manifest: it is given one that is marked as unverified, with
    its base model's name, without a prompt, and with the hashes of its files.

    Attributes:
        folder: The folder.
        manifest: What the adapter remembers: base model, prompt, maximum length, settings.
        name: The adapter's name, for messages: the folder's, or the one on the hub.
        is_of_hub: Whether it was fetched from the hub.
    """

    folder: Path
    manifest: Manifest
    name: str = ""
    is_of_hub: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", str(self.folder))

    @property
    def quantization(self) -> dict[str, Any] | None:
        """Fields of the quantisation that its base model had in training, if it is known."""
        return self.manifest.settings.get("quantization")

    def refuse_other_base(self, identity: BaseIdentity) -> None:
        """Refuse a base model that is not the one of training, as far as that is recorded.

        Args:
            identity: The identity of the base model at hand.

        Raises:
            AdapterMismatchError: If its configuration, weights or tokenizer are others, or its
                chat template, if the adapter was trained with a chat prompt.
        """
        manifest = self.manifest
        if manifest.unverified:
            return
        parts = differences(manifest.base, identity, chat=manifest.prompt.chat)
        if parts:
            raise AdapterMismatchError(
                f"{self.name} was trained on {manifest.base.name!r}, and {identity.name!r} "
                f"differs from it in {' and '.join(parts)}. Give the base model it was trained "
                "on, with all its files as they were; on another one an adapter answers nonsense"
            )

    def warn_of_base(self, identity: BaseIdentity) -> None:
        """Log a warning of what may be otherwise than in training.

        That is the chat template, and everything else for an adapter of another tool.

        Args:
            identity: The identity of the base model at hand.
        """
        manifest = self.manifest
        if manifest.unverified:
            trained = manifest.base.name
            logger.warning(
                "%s was not made by zhmcq. It is used on %r, and its %s names %s: nothing but "
                "names and shapes says that this is the base model of its training, and nothing "
                "that it was trained with this prompt",
                self.name,
                identity.name,
                ADAPTER_CONFIG,
                f"{trained!r:.200}" if trained else "no base model",
            )
        template = manifest.base.chat_template_sha256
        if (template or not manifest.unverified) and template != identity.chat_template_sha256:
            logger.warning(
                "%r has another chat template than when %s was trained: a plain-text prompt does "
                "not depend on it, a chat prompt does",
                identity.name,
                self.name,
            )


def read_adapter(
    name: str | Path, *, token: str | None = None, local_files_only: bool = False
) -> Adapter:
    """Read an adapter folder and hash its files, once; what it returns is attached without that.

    Args:
        name: A folder that ``LoraTrainer.train`` wrote, or one of peft; on the hub
            ``"owner/name"``, ``"owner/name@revision"`` or ``"owner/name/folder"``. A ``Path`` is
            always a folder here.
        token: A hub access token; the one of ``hf auth login`` if ``None``.
        local_files_only: Never go to the network.

    Raises:
        ManifestError: If it is no adapter folder, or a file was changed; if it is an adapter of
            another tool that is of another kind, or whose weights are pickled.
        ModelError: If it cannot be fetched from the hub.
        GatedModelError: If its owner has to grant access first.
    """
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - unlike Path.expanduser, of any name
    hub_name = None
    if not isinstance(name, Path) and not os.path.lexists(path):
        hub_name = HubName.read(name)  # a Path that is missing is no name of somebody's repository
    if hub_name is not None:
        path = _fetched(hub_name, token=token, local_files_only=local_files_only)
    if not os.path.lexists(path / MANIFEST_NAME):
        manifest = _manifest_of_others(path, str(name))
        return Adapter(path, manifest, str(name), hub_name is not None)
    manifest = Manifest.read(path)
    if manifest.kind != "adapter" or WEIGHTS not in manifest.files:
        raise ManifestError(
            f"{path} holds a {manifest.kind} model: expected an adapter, as LoraTrainer.train "
            "writes it"
        )
    try:
        QuantizationSettings(**(manifest.settings.get("quantization") or {}))
    except (SettingsError, TypeError) as error:
        raise ManifestError(
            f"{path / MANIFEST_NAME} has a quantization that is none: {error!s:.200}. Copy the "
            "folder again, or train again"
        ) from error
    return Adapter(path, manifest, str(name), hub_name is not None)


def _fetched(name: HubName, *, token: str | None, local_files_only: bool) -> Path:
    """The folder of an adapter on the hub, with the files that are needed of it."""

    def get(version: HubName, files: Collection[str]) -> Path:
        patterns = [glob.escape(version.path(file)) for file in files] or [f"*/{ADAPTER_CONFIG}"]
        return fetch(
            version, patterns, token=token, local_files_only=local_files_only, kind="adapter"
        )

    snapshot = get(name, FETCHED)
    folder = snapshot / name.folder
    if os.path.lexists(folder / MANIFEST_NAME):
        listed = Manifest.read(folder, verify=False).files
        if missing := [file for file in listed if not (folder / file).is_file()]:
            get(replace(name, revision=snapshot.name), missing)
    elif not os.path.lexists(folder / ADAPTER_CONFIG):
        with contextlib.suppress(ModelError):  # it is only to say where adapters are
            get(replace(name, revision=snapshot.name), [])
    return folder


def _manifest_of_others(folder: Path, name: str) -> Manifest:
    """The manifest of an adapter that another tool made, marked as unverified.

    Raises:
        ManifestError: If it is no adapter, or one that cannot be used.
    """
    if os.path.isdir(folder / UNFINISHED):  # noqa: PTH112 - unlike Path.is_dir, of any name
        raise ManifestError(
            f"{name} has no {MANIFEST_NAME}: its training was stopped while the adapter was "
            "written. The same call of LoraTrainer.train ends it"
        )
    if not os.path.lexists(folder / ADAPTER_CONFIG):
        raise ManifestError(
            f"{name} has no {MANIFEST_NAME} and no {ADAPTER_CONFIG}: expected a folder written by "
            f"LoraTrainer.train, or an adapter of peft{_adapters_inside(folder, name)}"
        )
    config = AdapterConfig(folder, name)
    weights = folder / WEIGHTS
    if leads_out(weights):
        raise ManifestError(
            f"{weights} is a link: expected the file itself; copy the folder with its links "
            "followed (cp -L)"
        )
    if not weights.is_file():
        pickled = (folder / PICKLED).is_file()
        reason = f"; {PICKLED} is pickled, and never read" if pickled else ""
        raise ManifestError(
            f"{name} lacks {WEIGHTS}{reason}. Expected weights as safetensors: have peft save "
            "the adapter anew, with save_pretrained"
        )
    try:
        files = {file: file_sha256(folder / file) for file in (ADAPTER_CONFIG, WEIGHTS)}
    except OSError as error:
        raise ManifestError(f"{name} cannot be read: {error.strerror or error}") from error
    base = BaseIdentity(
        name=config.base,
        config={},
        weights_sha256="",
        tokenizer_sha256="",
        chat_template_sha256=stored_template_hash(folder),
    )
    return Manifest(
        kind="adapter",
        base=base,
        prompt=PromptRecord(name="", sha256=""),
        max_length=DEFAULT_MAX_LENGTH,
        settings={"lora": config.fields},
        unverified=True,
        files=files,
    )


def _adapters_inside(folder: Path, name: str) -> str:
    """Where in a folder adapters are, in words."""
    inside: set[str] = set()
    with contextlib.suppress(OSError, ValueError):  # names that no system takes
        for level in ("*", "*/*"):
            for path in itertools.islice(folder.glob(f"{level}/{ADAPTER_CONFIG}"), MAX_LISTED):
                inside.add(path.parent.relative_to(folder).as_posix())
    if not inside:
        return ""
    return f". There are adapters in {', '.join(sorted(inside)[:5])}: give {name}/{min(inside)}"
