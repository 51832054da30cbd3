"""Reports: plain rows in; xlsx, csv, json and html out; and a bank's problems in its workbook."""

from zhmcq.reports.problems import write_problems

__all__ = ["write_problems"]
