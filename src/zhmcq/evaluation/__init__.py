"""How far to trust answers: accuracy with intervals, paired tests, calibration."""

from zhmcq.evaluation._comparison import Comparison, HasOutcomes, compare
from zhmcq.evaluation._evaluation import Evaluation, GroupAccuracy, evaluate_outcomes
from zhmcq.evaluation._order_report import (
    OrderedAnswer,
    OrderReport,
    PositionRecall,
    PositionReport,
)
from zhmcq.evaluation._outcomes import Outcome, clusters_of
from zhmcq.evaluation._statistics import (
    accuracy_interval,
    paired_interval,
    sign_flip_test,
    wilson,
)

__all__ = [
    "Comparison",
    "Evaluation",
    "GroupAccuracy",
    "HasOutcomes",
    "OrderReport",
    "OrderedAnswer",
    "Outcome",
    "PositionRecall",
    "PositionReport",
    "accuracy_interval",
    "clusters_of",
    "compare",
    "evaluate_outcomes",
    "paired_interval",
    "sign_flip_test",
    "wilson",
]
