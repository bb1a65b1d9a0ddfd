"""What mindle's estimators have in common: seed, listener and labels, as scikit-learn wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    from mindle.evaluation.trust.limits import Limits

LEVEL = 0.9  # how often a label set, or an interval, holds the truth


@dataclass(kw_only=True, eq=False, repr=False)  # what scikit-learn asks of a constructor: to store
class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator with a seed and a listener."""

    random_state: Any = None
    listener: Listener | None = None

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _hears(self) -> Listener:
        return self.listener or SILENT

    def _limits(self) -> Limits:
        """From where on the fitted model refuses what it is given."""
        from mindle.evaluation.trust.limits import Limits

        check_is_fitted(self)
        return self.abstention_.limits or Limits()


class Classifier(ClassifierMixin):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose `predict_proba` has the columns of `classes_`."""

    def predict_set(self, X: Any, level: float = LEVEL) -> NDArray[np.bool_]:
        """The classes that are still possible for each sample; the likeliest is always among them.

        Args:
            X: Samples to answer.
            level: How often the truth should be among them.

        Returns:
            (sample, class), the columns as in `classes_`; the likeliest class alone where there were too few
            samples to learn from for the level.

        Raises:
            ValueError: If `level` does not lie between 0 and 1.

        Source:
            Split conformal prediction: Sadinle, Lei & Wasserman 2019, https://arxiv.org/abs/1609.00451.
        """
        from mindle.evaluation.trust.label_sets import fit_label_sets

        probabilities = self.predict_proba(X)
        found = self.outcome_.out_of_fold
        return fit_label_sets(found.outputs["probabilities"], found.truth, level=level).of(probabilities)

    def _numbered(self, samples: Any, y: Any) -> NDArray[np.int64]:
        """The number of each sample's class; notes the classes."""
        labels = column_or_1d(y, warn=True)
        missing = sum(label is None for label in labels.tolist())
        if missing:  # scikit-learn would call it an unknown type of label
            raise ValueError(
                f"`y` must hold the class of each sample. Received {missing:,} of {len(labels):,} that are "
                "None. Leave out the samples without a class."
            )
        check_consistent_length(samples, labels)
        check_array(labels, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"`y` must hold at least two classes. Received {len(self.classes_)} class.")
        return numbers.astype(np.int64)

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each sample, in the type of the labels it learned from."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])
