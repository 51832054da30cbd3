"""Prediction: MCQPredictor, and the predictions that it gives."""

from zhmcq.prediction.predictions import (
    Prediction,
    Predictions,
    PredictionStats,
    PredictionStatus,
)
from zhmcq.prediction.predictor import MCQPredictor

__all__ = ["MCQPredictor", "Prediction", "PredictionStats", "PredictionStatus", "Predictions"]
