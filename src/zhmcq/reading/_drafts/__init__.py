"""Rows or records → drafts: the parts of each question, before its key is worked out."""
