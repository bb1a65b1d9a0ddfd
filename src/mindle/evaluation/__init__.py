"""Scoring answers: scores with intervals, calibration, comparisons, and the report.

NumPy throughout, SciPy where a search is needed; it is given `Answers`, never a model.
"""

from mindle.evaluation.calibration import fit_offsets, fit_temperature
from mindle.evaluation.compare import Comparison, compare, holm
from mindle.evaluation.intervals import wilson
from mindle.evaluation.metrics import score
from mindle.evaluation.regression import score_estimates

__all__ = [
    "Comparison",
    "compare",
    "fit_offsets",
    "fit_temperature",
    "holm",
    "score",
    "score_estimates",
    "wilson",
]
