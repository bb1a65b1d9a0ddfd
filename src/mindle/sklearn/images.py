"""`ImageClassifier`: photos or arrays of pixels as a scikit-learn estimator."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from mindle.records import record_of
from mindle.sklearn.base import Classifier, Estimator

_BATCH = 32


@dataclass(kw_only=True, eq=False, repr=False)  # what scikit-learn asks of a constructor: to store
class ImageClassifier(Classifier, Estimator):
    """mindle's image classifier as a scikit-learn estimator.

    Images are a sequence of paths, or an array: uint8 from 0 to 255 or floats from 0 to 1, (image, height,
    width[, channel]); with `image_shape`, flattened rows (image, feature) as other estimators take them, so
    that they can vote together.

    Args:
        model: A backbone or net by name; see `mindle.train`, also for the four below.
        strategy: "probe", "auto", "inline", "finetune" or "scratch"; None lets the recipe say.
        recipe: A named recipe or a TOML file.
        weights: A weight file, or a folder of them with their cards.
        budget: Time for one `fit`, such as "2m".
        settings: Settings of the recipe to change, such as `{"train.epochs": 5}`.
        image_shape: (height, width) or (height, width, channel) of flattened rows.
        val_fraction: Share of the images that says which epoch or head is best; never below one a class
            where a class has two.
        device: "auto", "cpu", "cuda" or "mps".
        random_state: Seed, as everywhere in scikit-learn.
        listener: Hears progress; silent unless set.

    Attributes:
        classes_: The labels, sorted, in their own type.
        n_features_in_: Length of a flattened row, where `image_shape` is set.
        input_shape_: (height, width[, channel]) of each image of `fit`; None where it took paths.
        outcome_: What the strategy made: model, temperature, what was tried and why it stopped.
        abstention_: When an answer should not be used alone.
        findings_: What was noticed about the images; those that cannot be read are not used in a fit.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> images, labels = load_digits(return_X_y=True)
        >>> net = ImageClassifier(model="small-resnet", image_shape=(8, 8), random_state=0,
        ...     settings={"train.epochs": 5, "train.batch_size": 8})
        >>> net = net.fit(images[:300] / 16, labels[:300])
        >>> bool(net.score(images[300:400] / 16, labels[300:400]) > 0.5)
        True
    """

    model: str | None = None
    strategy: str | None = None
    recipe: str | os.PathLike[str] | None = None
    weights: str | os.PathLike[str] | None = None
    budget: str | float | None = None
    settings: Mapping[str, Any] | None = None
    image_shape: tuple[int, ...] | None = None
    val_fraction: float = 0.15
    device: str = "auto"

    def fit(self, X: Any, y: Any) -> ImageClassifier:
        """Learn from labelled images.

        Raises:
            ValueError: If images or labels are not what they must be, or an argument is wrong.
            DataError: If an image cannot be read.
            ModelError: If the model or its weights are not available.
        """
        from mindle import data
        from mindle.api.image_pipeline import pictures_of
        from mindle.api.pipeline import fit_abstention
        from mindle.api.pipelines import TrainingOptions
        from mindle.data.images.sources.entries import dataset_of
        from mindle.training.images.plan import carry_out, make_plan
        from mindle.training.images.problem import Problem
        from mindle.training.loop.job import TrainingContext

        images = self._images(X, fitting=True)
        numbers, seed = self._numbered(images, y), self._seed()
        resolved = record_of(TrainingOptions, vars(self)).of_images()
        dataset = dataset_of(images, numbers, [str(name) for name in self.classes_])
        plan = make_plan(dataset, resolved, device=self.device)
        dataset = data.check(dataset, specs=plan.specs, listener=self._hears())
        # scikit-learn holds out what a model is evaluated on, so there is no test split here.
        fractions = (1 - self.val_fraction, self.val_fraction, 0.0)
        dataset = data.split(dataset, seed=seed, fractions=fractions)
        self.findings_ = dataset.findings
        aside = sum(bool(reason) for reason in dataset.set_aside)
        if aside:
            warnings.warn(
                f"{aside:,} of {len(dataset):,} images are not used; `findings_` says why.", stacklevel=2
            )
        with TemporaryDirectory() as folder:
            problem = Problem.of(dataset, typical_size=plan.typical_size)
            context = TrainingContext(seed=seed, folder=Path(folder), listener=self._hears())
            outcome = carry_out(plan, problem, context)
            found = replace(outcome.out_of_fold, relearn=None)  # an estimator may be pickled
            self.outcome_ = replace(outcome, model=outcome.model.eval(), out_of_fold=found)
            known, trust = np.union1d(dataset.rows("train"), dataset.rows("val")), resolved.recipe.trust
            pictures = pictures_of(dataset, known[found.rows], outcome.model.spec) if trust.refuse else None
            self.abstention_ = fit_abstention(found, trust, pictures, seed=seed).abstention
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Calibrated probabilities (image, class), the columns as in `classes_`.

        Raises:
            ValueError: If an image cannot be read (its path and the reason are named), or arrays have another
                shape than those of `fit`.
        """
        answers = [outputs["probabilities"] for outputs, _, _ in self._answered(X)]
        return np.concatenate([np.zeros((0, len(self.classes_))), *answers])  # (image, class)

    def abstains(self, X: Any) -> NDArray[np.str_]:
        """Why the answer to each image should not be used alone, as in the column `abstain`; "" where it may.

        Raises:
            ValueError: As `predict_proba`.
        """
        from mindle.data.images.quality import measure

        codes, limits = [np.zeros(0, np.str_)], self._limits()
        for outputs, pixels, sides in self._answered(X):
            codes.append(limits.codes(outputs, limits.too_small(sides), measure(pixels)))
        return np.concatenate(codes)

    def _answered(self, X: Any) -> Iterator[tuple[dict[str, Any], NDArray[np.uint8], NDArray[np.int64]]]:
        """Outputs of a batch of images, their pixels, and how many pixels their shorter sides have."""
        from mindle.data.images.decoding.decode import UndecodableImage, decode_with_side
        from mindle.formats.images import torch_outputs

        check_is_fitted(self)
        images = self._images(X, fitting=False)
        model = self.outcome_.model
        for start in range(0, len(images), _BATCH):
            try:
                read = [decode_with_side(image, model.spec) for image in images[start : start + _BATCH]]
            except UndecodableImage as error:
                raise ValueError(f"Every image must be one that can be read. Received: {error}") from error
            pixels, sides = np.stack([picture for picture, _ in read]), np.array([side for _, side in read])
            yield torch_outputs(model, pixels, self.outcome_.temperature), pixels, sides

    def _images(self, X: Any, *, fitting: bool) -> Sequence[Path] | NDArray[np.uint8]:
        """Paths, or uint8 (image, height, width[, channel])."""
        from mindle.data.images.sources.entries import image_array

        if self.image_shape is not None:
            X = np.asarray(X)
            wanted = int(np.prod(self.image_shape))
            if X.ndim != 2 or X.shape[1] != wanted:
                raise ValueError(
                    f"`X` must be flattened rows (image, {wanted}) for image_shape={self.image_shape}. "
                    f"Received shape {X.shape}."
                )
            if fitting:
                self.n_features_in_ = wanted
            X = X.reshape(len(X), *self.image_shape)
        array = image_array(_stacked(X))
        if fitting:
            self.input_shape_ = None if array is None else array.shape[1:]
        if array is not None:
            self._require_shape(array)
            return array
        if isinstance(X, str | os.PathLike):
            raise ValueError(f"`X` must be a sequence of images. Received one path, {os.fspath(X)!r}.")
        for path in X:
            if not isinstance(path, str | os.PathLike):
                raise TypeError(
                    f"`X` must be paths, or uint8 or float arrays. Received {type(path).__name__} among them."
                )
        return [Path(path) for path in X]

    def _require_shape(self, array: NDArray[np.uint8]) -> None:
        """Refuse images of another shape than those of `fit`, the single image without its first axis too."""
        if self.input_shape_ is None:
            if array.ndim == 3 and array.shape[2] in (1, 3):
                raise ValueError(
                    "`X` must be (image, height, width) or (image, height, width, channel). Received shape "
                    f"{array.shape}, which is that of one image. Give X[None]."
                )
            return
        if array.shape[1:] != self.input_shape_:
            wanted = ", ".join(map(str, ("image", *self.input_shape_)))
            single = " It is one image: give X[None]." if array.shape == self.input_shape_ else ""
            raise ValueError(
                f"`X` must be ({wanted}), as in `fit`. Received shape {array.shape}.{single or ' Resize it.'}"
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = self.image_shape is None
        tags.input_tags.string = self.image_shape is None
        return tags


def _stacked(X: Any) -> Any:
    """Arrays in a list as one array."""
    if not isinstance(X, list | tuple) or not X or not hasattr(X[0], "dtype"):
        return X
    shapes = dict.fromkeys(np.shape(image) for image in X)
    if len(shapes) > 1:
        raise ValueError(
            f"`X` must hold arrays of one shape. Received {', '.join(map(str, list(shapes)[:4]))}. "
            "Resize them."
        )
    return np.stack(X)
