"""Rows and histories → xlsx, csv, json, html and png; a bank's problems in its workbook."""

from zhmcq.reports._curve import plot_history
from zhmcq.reports._problems import write_problems

__all__ = ["plot_history", "write_problems"]
