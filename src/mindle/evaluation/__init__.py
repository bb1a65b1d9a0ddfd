"""Judging predictions: scores with intervals, calibration, over-fitting in words, and the report.

NumPy throughout, SciPy where a search is needed; it is given `Predictions`, never a model.
"""

from mindle.evaluation.calibration import ReliabilityBin as ReliabilityBin
from mindle.evaluation.calibration import apply_temperature as apply_temperature
from mindle.evaluation.calibration import error_by_chance as error_by_chance
from mindle.evaluation.calibration import expected_calibration_error as expected_calibration_error
from mindle.evaluation.calibration import fit_offsets as fit_offsets
from mindle.evaluation.calibration import fit_temperature as fit_temperature
from mindle.evaluation.calibration import reliability_bins as reliability_bins
from mindle.evaluation.compare import Comparison as Comparison
from mindle.evaluation.compare import compare as compare
from mindle.evaluation.compare import holm as holm
from mindle.evaluation.conformal import Calibration as Calibration
from mindle.evaluation.conformal import calibrate as calibrate
from mindle.evaluation.conformal import cv_plus as cv_plus
from mindle.evaluation.conformal import measured_coverage as measured_coverage
from mindle.evaluation.conformal import prediction_interval as prediction_interval
from mindle.evaluation.conformal import read_calibration as read_calibration
from mindle.evaluation.intervals import bootstrap as bootstrap
from mindle.evaluation.intervals import difference as difference
from mindle.evaluation.intervals import wilson as wilson
from mindle.evaluation.metrics import score as score
from mindle.evaluation.paired import Difference as Difference
from mindle.evaluation.regression import score_estimates as score_estimates

__all__ = [
    "Calibration",
    "Comparison",
    "Difference",
    "ReliabilityBin",
    "apply_temperature",
    "bootstrap",
    "calibrate",
    "compare",
    "cv_plus",
    "difference",
    "error_by_chance",
    "expected_calibration_error",
    "fit_offsets",
    "fit_temperature",
    "holm",
    "measured_coverage",
    "prediction_interval",
    "read_calibration",
    "reliability_bins",
    "score",
    "score_estimates",
    "wilson",
]
