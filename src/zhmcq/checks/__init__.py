"""What can only be seen across rows: duplicates, near-copies, overlap, balance; and summaries."""

from zhmcq.checks.across import check_bank, find_overlap
from zhmcq.checks.near_copies import near_copy_clusters
from zhmcq.checks.summary import ProblemCount, answer_balance, describe, problem_table
from zhmcq.checks.workbook import write_problems

__all__ = [
    "ProblemCount",
    "answer_balance",
    "check_bank",
    "describe",
    "find_overlap",
    "near_copy_clusters",
    "problem_table",
    "write_problems",
]
