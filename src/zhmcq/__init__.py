"""Fine-tune LLaMA-family models with LoRA to answer Chinese multiple-choice questions.

The public names below are loaded when they are first used: ``import zhmcq`` itself loads neither
torch nor transformers nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zhmcq import errors

if TYPE_CHECKING:
    from zhmcq.dataset import DatasetBuilder
    from zhmcq.evaluation import compare
    from zhmcq.merging import Merger
    from zhmcq.modeling.demo import demo_model
    from zhmcq.parsers import get_parser, register_parser
    from zhmcq.prediction import MCQPredictor
    from zhmcq.prompts import get_prompt, register_prompt
    from zhmcq.questions import Question, QuestionBank
    from zhmcq.training import (
        LoraSettings,
        LoraTrainer,
        QuantizationSettings,
        TrainingSettings,
    )

__all__ = [
    "DatasetBuilder",
    "LoraSettings",
    "LoraTrainer",
    "MCQPredictor",
    "Merger",
    "QuantizationSettings",
    "Question",
    "QuestionBank",
    "TrainingSettings",
    "compare",
    "demo_model",
    "errors",
    "get_parser",
    "get_prompt",
    "register_parser",
    "register_prompt",
]

__version__ = "0.1.0"

_HOMES = {
    "DatasetBuilder": "zhmcq.dataset",
    "LoraSettings": "zhmcq.training",
    "LoraTrainer": "zhmcq.training",
    "MCQPredictor": "zhmcq.prediction",
    "Merger": "zhmcq.merging",
    "QuantizationSettings": "zhmcq.training",
    "Question": "zhmcq.questions",
    "QuestionBank": "zhmcq.questions",
    "TrainingSettings": "zhmcq.training",
    "compare": "zhmcq.evaluation",
    "demo_model": "zhmcq.modeling.demo",
    "get_parser": "zhmcq.parsers",
    "get_prompt": "zhmcq.prompts",
    "register_parser": "zhmcq.parsers",
    "register_prompt": "zhmcq.prompts",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zhmcq' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
