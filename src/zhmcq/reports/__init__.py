"""Rows, answers and histories → xlsx, csv, html and png."""

from zhmcq.reports.curve import plot_history

__all__ = ["plot_history"]
