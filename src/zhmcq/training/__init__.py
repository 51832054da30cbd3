"""Training: preflight, and LoraTrainer with a transformers Trainer underneath."""

from zhmcq.training.result import TrainingResult
from zhmcq.training.run import LoraTrainer

__all__ = ["LoraTrainer", "TrainingResult"]
