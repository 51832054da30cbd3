"""Prediction: MCQPredictor, and the predictions that it gives."""

from zhmcq.prediction._predictions import (
    Prediction,
    Predictions,
    PredictionStats,
    PredictionStatus,
)
from zhmcq.prediction._predictor import MCQPredictor
from zhmcq.prediction._stream import StreamStats

__all__ = [
    "MCQPredictor",
    "Prediction",
    "PredictionStats",
    "PredictionStatus",
    "Predictions",
    "StreamStats",
]
