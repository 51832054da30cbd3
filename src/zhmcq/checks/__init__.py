"""Checks across rows: repeats, near-copies, overlap, what a split keeps together; and summaries."""

from zhmcq.checks._clusters import QuestionCluster, question_clusters
from zhmcq.checks._fingerprints import fingerprints
from zhmcq.checks._near_copies import near_copy_clusters
from zhmcq.checks._repeats import find_overlap, settle_repeats
from zhmcq.checks._summary import ProblemCount, answer_balance, describe, problem_table

__all__ = [
    "ProblemCount",
    "QuestionCluster",
    "answer_balance",
    "describe",
    "find_overlap",
    "fingerprints",
    "near_copy_clusters",
    "problem_table",
    "question_clusters",
    "settle_repeats",
]
