"""Estimators that follow scikit-learn's contract: constructor untouched, what is learned ends in `_`.

They work in `Pipeline`, `cross_val_score`, `GridSearchCV`, and in voting and stacking ensembles. What they
leave out is a run's: there is no test split, no report and no bundle; scikit-learn evaluates.
"""

from mindle.sklearn.images import ImageClassifier as ImageClassifier
from mindle.sklearn.tables import TableClassifier as TableClassifier
from mindle.sklearn.tables import TableRegressor as TableRegressor

__all__ = ["ImageClassifier", "TableClassifier", "TableRegressor"]
