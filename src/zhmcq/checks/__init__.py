"""What can only be seen across rows: duplicates, near-copies, overlap, balance."""

from zhmcq.checks.near_copies import near_copy_clusters

__all__ = ["near_copy_clusters"]
