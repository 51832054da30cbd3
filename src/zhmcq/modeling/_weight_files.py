"""The files of a model folder that hold its weights, and the hashes of the tensors in them.

Only the files count that transformers loads: a second copy of the weights beside them, such as the
``consolidated.safetensors`` of Mistral's repositories, is neither hashed nor downloaded.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

from zhmcq._progress import counted_bytes
from zhmcq.errors import ModelError
from zhmcq.manifest import file_sha256

__all__ = ["WEIGHTS", "file_hash", "weight_files", "weight_names", "weights_hash"]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
# transformers reads every safetensors file of a folder in which one has such a name.
DISTRIBUTED = re.compile(r"shard-[0-9]{5}-model-[0-9]{5}-of-[0-9]{5}\.safetensors")
# Frequencies and masks, which older files hold beside the weights, and which are computed now.
BUFFERS = re.compile(r"(^|\.)(rotary_emb\.inv_freq|(attn|attention)\.(masked_)?bias)$")
MAX_HEADER = 100_000_000  # bytes, as in the safetensors format itself
# A file that was changed less than this ago may change again without another time of change.
SETTLED = 2_000_000_000  # nanoseconds

# What reading json or a header raises that says something else than it should.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    struct.error,
)

T = TypeVar("T")

_hashes: dict[str, tuple[tuple[int, ...], Any]] = {}
_locks: dict[str, threading.Lock] = {}  # so that threads do not compute one hash twice


def weight_names(folder: Path) -> list[str]:
    """The names of the files that transformers loads a model's weights from, in its order.

    That is the file or index which ``transformers_weights`` in ``config.json`` names, else
    ``model.safetensors``, else the files that ``model.safetensors.index.json`` lists.

    Args:
        folder: The model's folder; its weights need not be there yet.

    Returns:
        Paths relative to the folder.

    Raises:
        ModelError: If an index cannot be read, or a name leads out of the folder or is not of a
            safetensors file; if the folder holds the checkpoint of a distributed run.
    """
    if any(DISTRIBUTED.fullmatch(path.name) for path in folder.iterdir()):
        raise ModelError(
            f"{folder} holds a distributed checkpoint (shard-…-model-…-of-….safetensors): expected "
            f"{WEIGHTS}, or {INDEX} with the files that it lists. Save the model whole, with "
            "model.save_pretrained"
        )
    first = _named_by_config(folder) or WEIGHTS
    if first == WEIGHTS and not (folder / WEIGHTS).is_file() and (folder / INDEX).is_file():
        first = INDEX
    if not first.endswith(".index.json"):
        return [_checked(first, folder / "config.json")]
    return _listed(folder / _checked(first, folder / "config.json"))


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers loads a model's weights from, all of which are there.

    Links are followed: the hub's own cache consists of them.

    Args:
        folder: The model's folder.

    Raises:
        ModelError: If one is missing, or :func:`weight_names` refuses the folder.
    """
    names = weight_names(folder)
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    if names == [WEIGHTS]:
        others = sorted(path.name for path in folder.glob("*.safetensors"))
        present, remedy = "none", "save the model anew, with model.save_pretrained"
        if others:
            present = f"only {', '.join(others[:3])}"
            remedy = f"if {others[0]} is the whole model in transformers' form, rename it {WEIGHTS}"
        raise ModelError(
            f"{folder} holds no *.safetensors file that transformers loads: expected {WEIGHTS}, or "
            f"{INDEX} with the files that it lists (pickled weights are not read), found "
            f"{present}; {remedy}"
        )
    raise ModelError(
        f"{folder} lacks {len(missing)} of the {len(names)} files that its index lists "
        f"({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}): copy or download the "
        "model again"
    )


def weights_hash(folder: Path, tied: Mapping[str, str], prefix: str = "") -> str:
    """Hash the weights of a model folder tensor by tensor, whatever files they are spread over.

    Args:
        folder: The model's folder.
        tied: Names of tensors that share another one's weight → the other's name. A copy of the
            other's weight under such a name is not counted, since loading it changes nothing.
        prefix: With what names begin where the model was saved with its head (``"transformer"``);
            files that were saved without a head lack it.

    Raises:
        ModelError: If a file is missing or damaged.
    """
    tensors: dict[str, str] = {}
    paths = weight_files(folder)
    sizes = [path.stat().st_size for path in paths]
    with counted_bytes(sum(sizes), "hashing weights") as count:
        for path in paths:
            tensors.update(_remembered(path, _tensor_hashes, count))
    for name in list(tensors):
        bare = name.removeprefix(f"{prefix}.")
        if BUFFERS.search(name):
            del tensors[name]
        elif bare not in tensors:
            tensors[bare] = tensors.pop(name)
    for pair in tied.items():
        name, source = (name.removeprefix(f"{prefix}.") for name in pair)
        if name in tensors and tensors.setdefault(source, tensors[name]) == tensors[name]:
            del tensors[name]
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(tensors.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, computed once while it does not change.

    Raises:
        ModelError: If it cannot be read.
    """
    return _remembered(path, _file_hash, lambda size: None)  # noqa: ARG005


def _named_by_config(folder: Path) -> str | None:
    """What ``transformers_weights`` of the configuration names, if it is there."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None  # what loads the configuration says what is wrong
    name = config.get("transformers_weights") if isinstance(config, dict) else None
    return name if isinstance(name, str) and name else None


def _listed(index: Path) -> list[str]:
    """The names of the files that an index lists."""
    try:
        if index.stat().st_size > MAX_HEADER:
            raise ValueError(f"it has more than {MAX_HEADER} bytes")
        names = set(json.loads(index.read_bytes())["weight_map"].values())
        if not names:
            raise ValueError("it lists no file")
    except DAMAGE as error:
        raise ModelError(
            f"{index} cannot be read as an index of weights: expected a weight_map of tensors to "
            f"files ({type(error).__name__}: {error})"
        ) from error
    return sorted(_checked(name, index) for name in names)


def _checked(name: object, source: Path) -> str:
    """The name of a file that holds weights, which lies in the folder.

    Raises:
        ModelError: If it leads out of the folder, or is of another kind: transformers would
            unpickle it.
    """
    paths = [kind(name) for kind in (PurePosixPath, PureWindowsPath) if isinstance(name, str)]
    inside = all(not path.anchor and ".." not in path.parts for path in paths)
    kinds = (".safetensors", ".safetensors.index.json")
    if isinstance(name, str) and inside and name.endswith(kinds):
        return name
    raise ModelError(
        f"{source} names {name!r:.80} as a file of weights: expected *.safetensors files within "
        "its own folder; download the model again from where it was published"
    )


def _file_hash(path: Path, count: Callable[[int], None]) -> str:
    digest = file_sha256(path)
    count(path.stat().st_size)
    return digest


def _remembered(
    path: Path, compute: Callable[[Path, Callable[[int], None]], T], count: Callable[[int], None]
) -> T:
    """What ``compute`` makes of a file; computed again only if the file has changed.

    Args:
        path: The file.
        compute: Called with it and ``count``.
        count: Called with how many bytes more are done.
    """
    key = f"{compute.__name__} {path.absolute()}"
    try:
        with _locks.setdefault(key, threading.Lock()):
            stamp, now = _stamp(path), time.time_ns()
            if key in _hashes and _hashes[key][0] == stamp:
                known: T = _hashes[key][1]
                count(path.stat().st_size)
                return known
            value = compute(path, count)
            if now - max(stamp[-2:]) > SETTLED and _stamp(path) == stamp:
                _hashes[key] = (stamp, value)
            return value
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def _stamp(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _tensor_hashes(path: Path, count: Callable[[int], None]) -> dict[str, str]:
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
                if not 0 <= start <= end <= len(raw) - 8 - size:
                    raise ValueError(f"{name} is not within it")
                digest = hashlib.sha256(f"{entry['dtype']}{entry['shape']}".encode())
                with memoryview(raw) as view, view[8 + size + start : 8 + size + end] as part:
                    digest.update(part)
                hashes[name] = digest.hexdigest()
                count(end - start)
            return hashes
    except DAMAGE as error:
        raise ModelError(f"{path} is not a complete safetensors file: {error}") from error
