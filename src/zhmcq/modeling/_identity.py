"""The identity of a base model: hashes of its configuration and weights."""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from pathlib import Path
from typing import Any

from zhmcq.errors import ModelError
from zhmcq.manifest import BaseIdentity, file_sha256

__all__ = ["identify"]

# What saving or loading a model changes without making it another model.
VOLATILE = {
    "_name_or_path",
    "_attn_implementation",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
MAX_HEADER = 100_000_000  # bytes, as in the safetensors format itself


def identify(source: Path, name: str) -> BaseIdentity:
    """Hash the configuration and the weights of a model folder or a GGUF file.

    The weights of a folder are hashed tensor by tensor, so that the same weights in other
    shards are the same model.

    Args:
        source: A folder with ``config.json`` and ``*.safetensors``, or a GGUF file.
        name: The name people know it by.

    Raises:
        ModelError: If the folder lacks either, or a file is damaged.
    """
    if source.is_file():
        digest = file_sha256(source)
        return BaseIdentity(name=name, config_sha256=digest, weights_sha256=digest)
    return BaseIdentity(
        name=name, config_sha256=_config_hash(source), weights_sha256=_weights_hash(source)
    )


def _config_hash(folder: Path) -> str:
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as a model's configuration: {error}") from error
    stable = {key: value for key, value in config.items() if key not in VOLATILE}
    return hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest()


def _weights_hash(folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(
            f"{folder} holds no *.safetensors file: expected a model saved in safetensors format "
            "(pickled weights are not read)"
        )
    tensors: dict[str, str] = {}
    for path in files:
        tensors.update(_tensor_hashes(path))
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(tensors.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _tensor_hashes(path: Path) -> dict[str, str]:
    """Hash each tensor with its dtype and shape, straight from the file's bytes."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            (size,) = struct.unpack("<Q", raw[:8])
            if size > MAX_HEADER:
                raise ValueError(f"a header of {size} bytes")
            header = json.loads(raw[8 : 8 + size])
            hashes = {}
            for name, entry in header.items():
                if name == "__metadata__":
                    continue
                start, end = entry["data_offsets"]
                digest = hashlib.sha256(f"{entry['dtype']}{entry['shape']}".encode())
                with memoryview(raw) as view, view[8 + size + start : 8 + size + end] as part:
                    digest.update(part)
                hashes[name] = digest.hexdigest()
            return hashes
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"{path} is not a complete safetensors file: {error}") from error
