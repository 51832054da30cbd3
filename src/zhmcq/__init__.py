"""Fine-tune LLaMA-family models with LoRA to answer Chinese multiple-choice questions.

The public names below are loaded when they are first used: ``import zhmcq`` itself loads neither
torch nor transformers nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zhmcq import errors

if TYPE_CHECKING:
    from zhmcq._log import log_to_stderr
    from zhmcq._progress import Progress
    from zhmcq.dataset import DatasetBuilder
    from zhmcq.evaluation import compare
    from zhmcq.merging import Merger
    from zhmcq.modeling import demo_model
    from zhmcq.parsers import get_parser, register_parser
    from zhmcq.prediction import MCQPredictor, Prediction, Predictions
    from zhmcq.prompts import get_prompt, register_prompt
    from zhmcq.questions import Question, QuestionBank
    from zhmcq.settings import (
        GenerateSettings,
        LoraSettings,
        QuantizationSettings,
        ScoreSettings,
        TrainingSettings,
    )
    from zhmcq.training import LoraTrainer

__all__ = [
    "DatasetBuilder",
    "GenerateSettings",
    "LoraSettings",
    "LoraTrainer",
    "MCQPredictor",
    "Merger",
    "Prediction",
    "Predictions",
    "Progress",
    "QuantizationSettings",
    "Question",
    "QuestionBank",
    "ScoreSettings",
    "TrainingSettings",
    "compare",
    "demo_model",
    "errors",
    "get_parser",
    "get_prompt",
    "log_to_stderr",
    "register_parser",
    "register_prompt",
]

__version__ = "0.1.0"

_HOMES = {
    "DatasetBuilder": "zhmcq.dataset",
    "GenerateSettings": "zhmcq.settings",
    "LoraSettings": "zhmcq.settings",
    "LoraTrainer": "zhmcq.training",
    "MCQPredictor": "zhmcq.prediction",
    "Merger": "zhmcq.merging",
    "Prediction": "zhmcq.prediction",
    "Predictions": "zhmcq.prediction",
    "Progress": "zhmcq._progress",
    "QuantizationSettings": "zhmcq.settings",
    "Question": "zhmcq.questions",
    "QuestionBank": "zhmcq.questions",
    "ScoreSettings": "zhmcq.settings",
    "TrainingSettings": "zhmcq.settings",
    "compare": "zhmcq.evaluation",
    "demo_model": "zhmcq.modeling",
    "get_parser": "zhmcq.parsers",
    "get_prompt": "zhmcq.prompts",
    "log_to_stderr": "zhmcq._log",
    "register_parser": "zhmcq.parsers",
    "register_prompt": "zhmcq.prompts",
}

if not TYPE_CHECKING:  # with it, type checkers would take any name to be there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'zhmcq' has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
