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
from mindle.evaluation.intervals import bootstrap as bootstrap
from mindle.evaluation.intervals import difference as difference
from mindle.evaluation.intervals import wilson as wilson
from mindle.evaluation.metrics import score as score
from mindle.evaluation.report import Attempt as Attempt
from mindle.evaluation.report import Licence as Licence
from mindle.evaluation.report import Overfitting as Overfitting
from mindle.evaluation.report import ReportContent as ReportContent
from mindle.evaluation.report import judge_overfitting as judge_overfitting
from mindle.evaluation.report import most_confident_mistakes as most_confident_mistakes
from mindle.evaluation.report import report_html as report_html
from mindle.evaluation.report import summary_html as summary_html
from mindle.evaluation.report import write_report as write_report

__all__ = [
    "Attempt",
    "Licence",
    "Overfitting",
    "ReliabilityBin",
    "ReportContent",
    "apply_temperature",
    "bootstrap",
    "difference",
    "error_by_chance",
    "expected_calibration_error",
    "fit_offsets",
    "fit_temperature",
    "judge_overfitting",
    "most_confident_mistakes",
    "reliability_bins",
    "report_html",
    "score",
    "summary_html",
    "wilson",
    "write_report",
]
