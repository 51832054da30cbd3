"""Training: settings, preflight, and LoraTrainer with a transformers Trainer underneath."""

from zhmcq.training.result import TrainingResult
from zhmcq.training.run import LoraTrainer
from zhmcq.training.settings import LoraSettings, QuantizationSettings, TrainingSettings

__all__ = [
    "LoraSettings",
    "LoraTrainer",
    "QuantizationSettings",
    "TrainingResult",
    "TrainingSettings",
]
