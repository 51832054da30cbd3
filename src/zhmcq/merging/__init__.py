"""Merging: an adapter added to its base model, checked before it is kept."""

from zhmcq.merging._merger import Merger
from zhmcq.merging._result import MergeResult

__all__ = ["MergeResult", "Merger"]
