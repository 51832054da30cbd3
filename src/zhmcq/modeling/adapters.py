"""Adapters on a base model: attached for use, checked to fit, detached without a trace."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError
from zhmcq.manifest import BaseIdentity, Manifest

__all__ = ["attach_trained", "detach", "read_adapter"]

logger = logging.getLogger(__name__)

WEIGHTS = "adapter_model.safetensors"


def read_adapter(folder: str | Path) -> Manifest:
    """The manifest of an adapter folder whose files are all as they were written.

    Raises:
        ManifestError: If it is no adapter folder of zhmcq, or a file was changed.
    """
    path = Path(folder)
    manifest = Manifest.read(path)
    if manifest.kind != "adapter" or WEIGHTS not in manifest.files:
        raise ManifestError(
            f"{path} holds a {manifest.kind} model: expected an adapter, as LoraTrainer.train "
            "writes it"
        )
    return manifest


def attach_trained(
    model: Any, folder: str | Path, manifest: Manifest, identity: BaseIdentity
) -> Any:
    """Put a trained adapter on the base model that it was trained on.

    Args:
        model: The base model.
        folder: The adapter's folder.
        manifest: Of the adapter.
        identity: Of the base model.

    Returns:
        A ``PeftModel`` in evaluation mode. :func:`detach` gives the base model back.

    Raises:
        AdapterMismatchError: If the adapter was trained on another base model.
        ModelError: If peft cannot load it.
    """
    expected = manifest.base
    for part in ("config_sha256", "weights_sha256"):
        if getattr(expected, part) != getattr(identity, part):
            what = "configuration" if part == "config_sha256" else "weights"
            raise AdapterMismatchError(
                f"{folder} was trained on {expected.name!r}, whose {what} has the SHA-256 "
                f"{getattr(expected, part)[:12]}…; {identity.name!r} has "
                f"{getattr(identity, part)[:12]}…. Give the base model it was trained on; an "
                "adapter on another one answers nonsense"
            )
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # peft asks by a name that transformers is about to drop.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            return PeftModel.from_pretrained(model, str(folder)).eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"the adapter {folder} cannot be loaded: {error}") from error


def detach(model: Any) -> Any:
    """Take an adapter off without merging it: the base model, bit for bit as it was."""
    return model.unload()
