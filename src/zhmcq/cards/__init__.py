"""The model card of a folder, and the evaluations that are added to it."""

from zhmcq.cards._evaluations import add_evaluation

__all__ = ["add_evaluation"]
