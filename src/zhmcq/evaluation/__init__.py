"""How far to trust answers: accuracy with intervals, paired tests, calibration."""

from zhmcq.evaluation._calibration import ScoredQuestion, fit_calibration, probabilities
from zhmcq.evaluation._comparison import Comparison, HasOutcomes, compare
from zhmcq.evaluation._evaluation import (
    Evaluation,
    GroupAccuracy,
    ReliabilityBin,
    evaluate_outcomes,
)
from zhmcq.evaluation._order_report import (
    OrderedAnswer,
    OrderReport,
    PositionRecall,
    PositionReport,
)
from zhmcq.evaluation._outcomes import Outcome, clusters_of
from zhmcq.evaluation._promise import Promise, certify, option_sets, set_threshold
from zhmcq.evaluation._risk_coverage import RiskCoveragePoint, risk_coverage_curve
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
    "Promise",
    "ReliabilityBin",
    "RiskCoveragePoint",
    "ScoredQuestion",
    "accuracy_interval",
    "certify",
    "clusters_of",
    "compare",
    "evaluate_outcomes",
    "fit_calibration",
    "option_sets",
    "paired_interval",
    "probabilities",
    "risk_coverage_curve",
    "set_threshold",
    "sign_flip_test",
    "wilson",
]
