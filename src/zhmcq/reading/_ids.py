"""Ids that stay unique although sheets and files repeat them, in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable

__all__ = ["Hashes", "UniqueIds"]

_BUCKETS = 4096


class UniqueIds:
    """Gives each id back, or another one if it was used before.

    An id that another sheet (or file) has already gets the name of its own in front, ``乙:12``; one
    that its own sheet has, or that is taken with the name in front too, gets the first free suffix
    ``#2``, ``#3`` ….

    A stream of a million questions must not keep a million strings. What is held of an id is its
    hash, once in all and once more for the ids of the sheet that is being read, unless it is the
    first; and the text of an id that was repeated.
    """

    def __init__(self) -> None:
        self._ids = Hashes()
        self._owner: Hashable = None
        self._owned: Hashes | None = None
        self._repeats: Counter[str] = Counter()

    def take(self, wanted: str, owner: Hashable = "", prefix: str = "") -> str:
        """The id of a question that its source calls ``wanted``.

        Args:
            wanted: What the source calls it.
            owner: The sheet, or file, that the question is in; its questions come together.
            prefix: What stands in front of the id if another owner has it; ``""`` for nothing.
        """
        if owner != self._owner:
            self._owned = None if self._owner is None else Hashes()
            self._owner = owner
        unique = self._free(wanted, prefix)
        if self._owned is not None:
            self._owned.add(unique)
        return unique

    def _free(self, wanted: str, prefix: str) -> str:
        if self._ids.add(wanted):
            return wanted
        base = wanted
        if prefix and self._owned is not None and wanted not in self._owned:
            base = f"{prefix}:{wanted}"
            if self._ids.add(base):
                return base
        number = self._repeats[base] + 2
        while not self._ids.add(f"{base}#{number}"):
            number += 1
        self._repeats[base] = number - 1
        return f"{base}#{number}"


class Hashes:
    """The 64-bit hashes of texts, in sorted buckets: 8 bytes each.

    If two of a million ids had one hash (a chance of 3 in 100 million), the second would only get a
    suffix it does not need.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, array[int]] = {}

    def add(self, text: str) -> bool:
        """Remember a text; whether it is new."""
        key = hash(text)
        bucket = self._buckets.get(key % _BUCKETS)
        if bucket is None:
            bucket = self._buckets[key % _BUCKETS] = array("q")
        index = bisect_left(bucket, key)
        if index < len(bucket) and bucket[index] == key:
            return False
        bucket.insert(index, key)
        return True

    def __contains__(self, text: str) -> bool:
        key = hash(text)
        bucket = self._buckets.get(key % _BUCKETS, ())
        index = bisect_left(bucket, key)
        return index < len(bucket) and bucket[index] == key
