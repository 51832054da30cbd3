"""Merging: an adapter added to its base model, checked before it is kept."""

from zhmcq.merging._merger import Merger, MergeResult

__all__ = ["MergeResult", "Merger"]
