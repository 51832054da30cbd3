"""Prediction: MCQPredictor and what it answers."""

from zhmcq.prediction.predictions import Prediction, Predictions, PredictionStats
from zhmcq.prediction.predictor import MCQPredictor

__all__ = ["MCQPredictor", "Prediction", "PredictionStats", "Predictions"]
