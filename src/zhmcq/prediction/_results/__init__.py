"""Answers as files: the rows of the input with what is added beside them, and a summary."""
