"""Records that a program holds already → what json of the same content would give."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import math
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Set
from typing import Any

from zhmcq.errors import ReadError
from zhmcq.reading._formats.cells import cell_text

__all__ = [
    "MISSING",
    "Pictures",
    "dataset_rows",
    "is_instance",
    "is_picture",
    "plain_record",
    "plain_value",
    "python_date",
]

#: The pictures of each row or item, by its number: the field's name, and the picture's address or
#: hash.
Pictures = dict[int, list[tuple[str, str]]]

_MAX_DEPTH = 20
# What would end an address within markdown.
_CODES = str.maketrans({"(": "%28", ")": "%29", " ": "%20", "\n": ""})
#: The types of what pandas has in place of a missing value.
MISSING = ("NAType", "NaTType")
_PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\x00", b"MM\x00*")
# Of a Dataset's features: what would be decoded into arrays, which takes time and other libraries.
_DECODED = ("Audio", "Image", "Pdf", "Video")


def is_instance(value: object, package: str, *names: str) -> bool:
    """Whether a value is of a class of a package, which is not imported for that."""
    module = sys.modules.get(package)
    classes = tuple(c for name in names if isinstance(c := getattr(module, name, None), type))
    return isinstance(value, classes)


# --- records -------------------------------------------------------------------------------------


def plain_record(
    record: Mapping[Any, Any], number: int, name: str, pictures: Pictures
) -> dict[str, Any]:
    """A record as json would have it.

    Args:
        record: Its fields.
        number: Its number, from 1.
        name: How messages call its source.
        pictures: Where its pictures are noted.

    Raises:
        ReadError: If it holds what is neither text, number, list nor object.
    """
    plain = {}
    for key, value in record.items():
        where = f"{name}, item {number}, {str(key)[:40]!r}"
        plain[str(key)] = plain_value(value, where)
        if addresses := _pictures_in(value):
            pictures.setdefault(number, []).extend((str(key), address) for address in addresses)
    return plain


def plain_value(value: Any, where: str, depth: int = 0) -> Any:
    """A value as json would have it: NaN is nothing, an array a list, a picture markdown.

    Args:
        value: What a program holds.
        where: How messages call it.
        depth: How many lists and objects it is inside of.

    Raises:
        ReadError: If it, or something in it, is neither text, number, date, list nor object.
    """
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if depth > _MAX_DEPTH:
        raise ReadError(f"{where}: its lists are nested too deeply; the limit is {_MAX_DEPTH}")
    if isinstance(value, Mapping):
        if address := _stored_picture(value):
            return _markdown(address)
        return {str(key): plain_value(part, where, depth + 1) for key, part in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain_value(part, where, depth + 1) for part in value]
    if isinstance(value, Set):  # which has no order of its own
        return sorted((plain_value(part, where, depth + 1) for part in value), key=str)
    return _plain_scalar(value, where, depth)


def _plain_scalar(value: Any, where: str, depth: int) -> Any:
    if type(value).__name__ in MISSING:
        return None
    if isinstance(value, decimal.Decimal):
        return _decimal(value)
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return cell_text(python_date(value))[0]
    if isinstance(value, enum.Enum):
        return plain_value(value.value, where, depth + 1)
    if isinstance(value, bytes | bytearray):
        return _decoded(bytes(value), where)
    if _is_drawn(value):
        return _markdown(_drawn(value))
    if type(value).__name__ == "datetime64":  # of numpy, whose nanoseconds would become a number
        return plain_value(value.astype("datetime64[us]").item(), where, depth + 1)
    if callable(listed := getattr(value, "tolist", None)):  # arrays and numbers of numpy, torch …
        return plain_value(listed(), where, depth + 1)
    if type(value).__module__.partition(".")[0] == "pandas":  # a period, an interval …
        return str(value)
    raise ReadError(
        f"{where}: expected text, numbers, lists or dictionaries, found {type(value).__name__}"
    )


def python_date(value: Any) -> Any:
    """A date or a span of time of pandas as one of Python."""
    convert = getattr(value, "to_pydatetime", None) or getattr(value, "to_pytimedelta", None)
    return convert() if convert else value


def _decimal(value: decimal.Decimal) -> int | str | None:
    """1.50 as it is written, whole numbers as numbers."""
    if not value.is_finite():
        return None if value.is_nan() else str(value)
    return int(value) if value.as_tuple().exponent == 0 else format(value, "f")


def _decoded(value: bytes, where: str) -> str:
    if _is_encoded(value):
        return _markdown(_digest(value))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{where}: expected text, found bytes that are no UTF-8; decode them first"
        ) from error


# --- pictures ------------------------------------------------------------------------------------


def _pictures_in(value: Any) -> list[str]:
    """The address or hash of a picture, or of those in a list."""
    if isinstance(value, str | int | float | None):
        return []
    if isinstance(value, list | tuple):
        return [address for part in value for address in _pictures_in(part)]
    if isinstance(value, Mapping):
        address = _stored_picture(value)
        return [address] if address else []
    if isinstance(value, bytes | bytearray):
        return [_digest(bytes(value))] if _is_encoded(bytes(value)) else []
    return [_drawn(value)] if _is_drawn(value) else []


def _stored_picture(value: Mapping[Any, Any]) -> str:
    """The hash of a picture as Datasets and parquet files store it; ``""`` for other objects."""
    if value.keys() != {"bytes", "path"}:
        return ""
    content, path = value["bytes"], value["path"]
    if isinstance(content, bytes):
        return _digest(content)
    return str(path or "").translate(_CODES)


def is_picture(value: object) -> bool:
    """Whether a value is a picture: its bytes, or one of Pillow."""
    if isinstance(value, bytes | bytearray):
        return _is_encoded(bytes(value))
    return _is_drawn(value)


def _is_encoded(value: bytes) -> bool:
    webp = value[:4] == b"RIFF" and value[8:12] == b"WEBP"
    return webp or value.startswith(_PICTURE_STARTS)


def _is_drawn(value: object) -> bool:
    """Whether a value is a picture of Pillow, which is not imported for that."""
    return is_instance(value, "PIL.Image", "Image")


def _drawn(value: Any) -> str:
    return _digest(f"{value.mode} {value.size}".encode() + value.tobytes())


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"


def _markdown(address: str) -> str:
    return f"![]({address})"


# --- datasets ------------------------------------------------------------------------------------


def dataset_rows(
    dataset: Any, name: str, pictures: Pictures
) -> Generator[tuple[int, Any], None, None]:
    """The rows of a ``datasets.Dataset`` with their numbers from 1; labels of classes as names.

    Args:
        dataset: The data set. What formats its rows is left out, unless it is a function.
        name: How messages call it.
        pictures: Where the pictures of each row are noted.
    """
    features = dict(dataset.features or {})
    formatted = getattr(dataset, "format", None) or {}
    rows: Iterable[Any] = dataset
    if formatted.get("type") != "custom":
        undecoded = {name: new for name, f in features.items() if (new := _undecoded(f)) is not f}
        rows = _stored_rows(dataset, undecoded) if undecoded else dataset.with_format(None)
    for number, row in enumerate(rows, 1):
        named = {key: _named(value, features.get(key)) for key, value in row.items()}
        yield number, plain_record(named, number, name, pictures)


def _stored_rows(dataset: Any, undecoded: Mapping[str, Any]) -> Iterator[Any]:
    """The rows as they are stored, with pictures as bytes."""
    if is_instance(dataset, "datasets", "IterableDataset"):
        for column, feature in undecoded.items():
            dataset = dataset.cast_column(column, feature)  # as the rows come
        yield from dataset.with_format(None)
        return
    for table in dataset.with_format("arrow").iter(batch_size=100):
        yield from table.to_pylist()


def _undecoded(feature: Any) -> Any:
    """A feature whose pictures stay bytes; itself where there are none."""
    if type(feature).__name__ in _DECODED and getattr(feature, "decode", False):
        return dataclasses.replace(feature, decode=False)
    if (inner := _items_of(feature)) is not None and (changed := _undecoded(inner)) is not inner:
        return (
            [changed]
            if isinstance(feature, list)
            else dataclasses.replace(feature, feature=changed)
        )
    return feature


def _items_of(feature: Any) -> Any:
    """The feature of a list's items; ``None`` for what is no list."""
    if isinstance(feature, list):
        return feature[0] if feature else None
    return getattr(feature, "feature", None)


def _named(value: Any, feature: Any) -> Any:
    """A value in which the numbers of classes are their names; -1 is a missing label."""
    if value is None or feature is None:
        return value
    if type(feature).__name__ == "ClassLabel":
        if isinstance(value, int) and not isinstance(value, bool):
            return feature.int2str(value) if 0 <= value < feature.num_classes else None
        return value
    if isinstance(feature, Mapping) and isinstance(value, Mapping):
        return {key: _named(part, feature.get(key)) for key, part in value.items()}
    items = _items_of(feature)
    if items is not None and isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return [_named(part, items) for part in value]
    if isinstance(items, Mapping) and isinstance(value, Mapping):  # a list of objects, by fields
        return {key: [_named(p, items.get(key)) for p in part] for key, part in value.items()}
    return value
