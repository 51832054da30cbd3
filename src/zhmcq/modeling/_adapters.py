"""Trained adapters on a base model: read, attached where they fit, detached without a trace."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zhmcq.errors import AdapterMismatchError, ManifestError, ModelError
from zhmcq.manifest import BaseIdentity, Manifest

__all__ = ["Adapter", "attach_trained", "detach", "read_adapter"]

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder whose files were all as they were written when it was read.

    Attributes:
        folder: The folder.
        manifest: What the adapter remembers: base model, prompt, maximum length, settings.
    """

    folder: Path
    manifest: Manifest

    @property
    def quantization(self) -> dict[str, Any] | None:
        """Fields of the quantisation that its base model had in training, if it had any."""
        return self.manifest.settings.get("quantization")

    def refuse_other_base(self, identity: BaseIdentity) -> None:
        """Refuse a base model that is not the one of training.

        Args:
            identity: The identity of the base model at hand.

        Raises:
            AdapterMismatchError: If its configuration or weights are others.
        """
        expected = self.manifest.base
        parts = {"config_sha256": "configuration", "weights_sha256": "weights"}
        for field, part in parts.items():
            wanted, present = getattr(expected, field), getattr(identity, field)
            if wanted != present:
                raise AdapterMismatchError(
                    f"{self.folder} was trained on {expected.name!r}, whose {part} has the SHA-256 "
                    f"{wanted[:12]}…; {identity.name!r} has {present[:12]}…. Give the base model "
                    "it was trained on; an adapter on another one answers nonsense"
                )


def read_adapter(folder: str | Path) -> Adapter:
    """Read an adapter folder and hash its files, once; what it returns is attached without that.

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
    return Adapter(path, manifest)


def attach_trained(model: Any, adapter: Adapter, identity: BaseIdentity) -> Any:
    """Put a trained adapter on the base model that it was trained on.

    Args:
        model: The base model.
        adapter: The adapter.
        identity: The identity of the base model.

    Returns:
        A ``PeftModel`` in evaluation mode. :func:`detach` gives the base model back.

    Raises:
        AdapterMismatchError: If the adapter was trained on another base model.
        ModelError: If peft cannot load it.
    """
    adapter.refuse_other_base(identity)
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # peft calls a method that transformers is about to drop.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
            return PeftModel.from_pretrained(model, str(adapter.folder)).eval()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"the adapter {adapter.folder} cannot be loaded: {error}") from error


def detach(model: Any) -> Any:
    """Take an adapter off without merging it: the base model, bit for bit as it was."""
    return model.unload()
