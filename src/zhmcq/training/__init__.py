"""Training: preflight, and LoraTrainer with a transformers Trainer underneath."""

from zhmcq.training._lora_trainer import LoraTrainer
from zhmcq.training._memory_estimate import MemoryEstimate, estimate_memory
from zhmcq.training._metrics import summarise
from zhmcq.training._plan import RunEstimate
from zhmcq.training._preflight import Finding, PreflightReport, TokenLengths
from zhmcq.training._result import TrainingResult

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
