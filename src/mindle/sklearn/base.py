"""What mindle's estimators have in common: seed, listener and labels, as scikit-learn wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from mindle.records import SILENT, Listener


@dataclass(kw_only=True, eq=False, repr=False)  # what scikit-learn asks of a constructor: to store
class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator with a seed and a listener."""

    random_state: Any = None
    listener: Listener | None = None

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31))

    def _hears(self) -> Listener:
        return self.listener or SILENT


class Classifier(ClassifierMixin):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose `predict_proba` has the columns of `classes_`."""

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
