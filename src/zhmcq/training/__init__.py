"""Training: preflight, and LoraTrainer with a transformers Trainer underneath."""

from zhmcq.training.lora_trainer import LoraTrainer
from zhmcq.training.metrics import summarise
from zhmcq.training.plan import MemoryEstimate, RunEstimate, estimate_memory
from zhmcq.training.preflight import Finding, PreflightReport, TokenLengths
from zhmcq.training.result import TrainingResult

__all__ = [
    "Finding",
    "LoraTrainer",
    "MemoryEstimate",
    "PreflightReport",
    "RunEstimate",
    "TokenLengths",
    "TrainingResult",
    "estimate_memory",
    "summarise",
]
