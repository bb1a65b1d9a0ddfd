"""Scoring answers: scores with intervals, calibration, comparisons, and the report.

NumPy throughout, SciPy where a search is needed; it is given `Answers`, never a model.
"""

from mindle.evaluation.calibration import fit_offsets as fit_offsets
from mindle.evaluation.calibration import fit_temperature as fit_temperature
from mindle.evaluation.compare import Comparison as Comparison
from mindle.evaluation.compare import compare as compare
from mindle.evaluation.compare import holm as holm
from mindle.evaluation.intervals import wilson as wilson
from mindle.evaluation.metrics import score as score
from mindle.evaluation.regression import score_estimates as score_estimates
