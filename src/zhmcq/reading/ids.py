"""Ids that are unique within a bank, with few bytes for each id that was seen."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter

__all__ = ["UniqueIds"]

_BUCKETS = 4096


class UniqueIds:
    """Gives each id back, or with the first free suffix ``#2``, ``#3`` … if it was used before.

    A stream of a million questions must not keep a million strings. What is kept of an id is its
    64-bit hash, in sorted buckets: 8 bytes; and the text of an id that was repeated. If two of a
    million ids had one hash (a chance of 3 in 100 million), the second would only get a suffix it
    does not need.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self._repeats: Counter[str] = Counter()

    def take(self, wanted: str) -> str:
        """The id to use for a question that would like to be called ``wanted``."""
        if self._add(wanted):
            return wanted
        place = self._repeats[wanted] + 2
        while not self._add(f"{wanted}#{place}"):
            place += 1
        self._repeats[wanted] = place - 1
        return f"{wanted}#{place}"

    def _add(self, text: str) -> bool:
        """Remember an id; whether it is new."""
        key = hash(text)
        bucket = self._buckets[key % _BUCKETS]
        place = bisect_left(bucket, key)
        if place < len(bucket) and bucket[place] == key:
            return False
        bucket.insert(place, key)
        return True
