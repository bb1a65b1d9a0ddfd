"""Images with classes: which heads and nets learn them, which is better, and how well they do.

A kernel head on each usable backbone comes first; then concatenated backbones; then other kinds of head on
the best of these, the two best blended, and methods against class imbalance. By then so few images may be
predicted wrong that no difference could be shown any more: then it stops.

Heads are compared by the cross-entropy of predictions out of fold, a head and a net by their accuracy on the
val split. Augmented views are embedded at once, for a mirrored picture of a class is still one of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.calibration import fit_temperature
from mindle.evaluation.intervals import wilson
from mindle.evaluation.thresholds import fit_thresholds, held_out_answers
from mindle.messages import message
from mindle.models.classifier import ClassScores, Outputs
from mindle.records import Diagnosis
from mindle.training.images.attempts import ACCURACY, both, log_loss, log_softmax
from mindle.training.images.backbones import Backbones, Ranked, folds_of, names_of, views_of
from mindle.training.images.baselines import baselines, drawn_of_each
from mindle.training.images.diagnosis import Case, diagnose
from mindle.training.images.features import Engine, Views
from mindle.training.images.heads import HEADS
from mindle.training.images.heads.candidates import (
    ClassCandidate,
    ClassHeadData,
    Pace,
    clearly_better,
    fold_numbers,
    scaled_by_class,
)
from mindle.training.images.heads.features import BackboneFeatures, ConcatFeatures
from mindle.training.images.problem import Outcome, Problem
from mindle.training.images.resampling import smote_is_there, with_synthetic_samples
from mindle.training.images.selection import ModelSelection, Quick
from mindle.training.loop.augment import stronger
from mindle.training.loop.imbalance import WORTH_TRYING, balanced_weights, choose_method, ratio
from mindle.training.loop.objectives import CLASSIFICATION, Objective
from mindle.training.recipe import Recipe
from mindle.training.settings import ProbeSettings

# With so few mistakes even a candidate without any could not be shown to be better: the sign test of 5 to 0
# gives 0.06. On few images that would often be so, and another candidate costs little there.
FEW_MISTAKES, FEW_SHARE = 5, 0.02
MOST_OVERSAMPLED_VIEWS = 8
LARGER = ("convnext_tiny.in12k_ft_in1k", "114 MB")
LARGE_BYTES = 60_000_000


def head_data_of(
    problem: Problem, rows: NDArray[np.int64], *, folds: int, views: int, seed: int = 0
) -> ClassHeadData:
    """Labels and folds of the rows that heads learn from.

    Raises:
        DataError: If all of them belong to one group.
    """
    labels = problem.truth[rows]
    return ClassHeadData(
        truth=labels,
        classes=len(problem.classes),
        folds=folds_of(problem, rows, labels, folds=folds, seed=seed),
        views=views,
    )


def few_mistakes(wrong: int, n: int) -> bool:
    """Whether even a candidate without mistakes could not be shown to be better than one with so many.

    Example:
        >>> few_mistakes(5, 1000), few_mistakes(5, 100)
        (True, False)
    """
    return wrong <= min(FEW_MISTAKES, FEW_SHARE * n)


class ClassSelection(ModelSelection[ClassCandidate]):
    """Model selection for classes; it is given what `ModelSelection` says."""

    fits_a_head = 1  # backbones are compared by a head at its usual settings, which are searched later
    data: ClassHeadData

    def __post_init__(self) -> None:
        super().__post_init__()
        self.views = views_of(self.recipe, self.problem)
        self.thresholds: tuple[float, ...] = ()

    @property
    def val_labels(self) -> NDArray[np.int64]:
        """Class index of each row of val."""
        return self.problem.truth[self.problem.val]

    def baseline(self) -> dict[str, Any]:
        """What always predicting the most frequent class would reach."""
        majority = int(np.bincount(self.problem.truth[self.problem.train]).argmax())
        note = message("selection.note.majority", label=self.problem.classes[majority])
        return self.metric.attempt(message("selection.name.majority"), self.val_labels == majority, note)

    # ---- what heads learn from --------------------------------------------------------------------------

    def head_data(self) -> ClassHeadData:
        """Labels, folds and weights of the rows."""
        settings, folds = self.recipe.train, self.recipe.probe.folds
        data = head_data_of(self.problem, self.rows, folds=folds, views=self.views, seed=self.seed)
        # A head sees every row at each step: to be drawn more often is to weigh more.
        weighted = settings.balance in ("weights", "sampling")
        weights = balanced_weights(data.truth, data.classes) if weighted else None
        return replace(data, weights=weights, focal=settings.focal_gamma)

    def block(self, engine: Engine, features: NDArray[np.float32]) -> BackboneFeatures:
        """Features of all views, and where that was asked for of more views of minority classes."""
        block = super().block(engine, features)
        return block.with_rows(self._oversampled(engine)) if self.recipe.train.oversample else block

    def _oversampled(self, engine: Engine) -> NDArray[np.float32]:
        """Features (row, feature) of further, stronger augmented views of images of minority classes.

        The first backbone's call says which, in the data of all heads; the others follow.
        """
        data = self.data
        counts = np.bincount(data.truth, minlength=data.classes)
        wanted = self.recipe.train.oversample * (counts.max() / np.maximum(counts, 1) - 1) * (self.views + 1)
        times = np.minimum(np.rint(wanted), MOST_OVERSAMPLED_VIEWS).astype(np.int64)[data.truth]  # (image,)
        chosen = np.flatnonzero(times)
        if not len(chosen):
            return np.zeros((0, engine.width()), np.float32)
        rows, views = self.rows[chosen], int(times.max())
        features = engine.embed(
            self.problem.pixels(rows, engine.card.spec, self.listener),
            self.problem.keys(rows),
            Views(views, stronger(self.recipe.augment), self.seed),
        )
        view, image = np.nonzero(np.arange(views)[:, None] < times[chosen])
        if not len(data.further_truth):
            rows = chosen[image]
            self.data = replace(data, further_truth=data.truth[rows], further_folds=data.folds[rows])
        return features[view + 1, image]

    # ---- heads ------------------------------------------------------------------------------------------

    def rank(self, backbones: Backbones) -> Ranked[ClassCandidate]:
        """A quick kernel head, to compare backbones by."""
        kinds = self._kinds()
        kind = "rbf" if "rbf" in kinds else kinds[0]
        name = message("selection.name.head", kind=kind, backbones=names_of(backbones))
        return self.fitted(name, backbones, partial(self._fit, kind, backbones, search=False), ranks=True)

    def enough(self, best: Ranked[ClassCandidate]) -> bool:
        """Whether even a head without mistakes could not be shown to be better than this one."""
        return self._stop_at(best.candidate.mistakes, len(best.candidate.truth), "out-of-fold")

    def _kinds(self) -> tuple[str, ...]:
        """Kinds of head to try; those that have no focal form are skipped for it."""
        kinds, focal = self.recipe.probe.heads, self.recipe.train.focal_gamma
        return tuple(kind for kind in kinds if not focal or HEADS[kind].focal) or kinds

    def _fit(
        self, kind: str, backbones: Backbones, *, search: bool = True, balance: str | None = None
    ) -> ClassCandidate:
        """Fit a kind of head; `balance` is the recipe's unless another is tried."""
        data, features = self.data, self.features(backbones)
        if balance == "weights":
            data = replace(data, weights=balanced_weights(data.truth, data.classes))
        if (balance or self.recipe.train.balance) == "smote":
            data, features = with_synthetic_samples(data, features)
        return HEADS[kind].fit(data, features, self.recipe.probe, search=search)

    def concatenated(
        self, best: Ranked[ClassCandidate], singles: Sequence[Ranked[ClassCandidate]]
    ) -> Ranked[ClassCandidate]:
        """Add the backbone that helps most, as long as one clearly does and there is time."""
        layout = best.backbones[0].layout
        rest = [each.backbones[0] for each in singles if each.backbones[0].layout == layout]
        while rest := [each for each in rest if each not in best.backbones]:
            cost = self.rank_seconds() * len(rest) + self.further_seconds(rest)
            step = f"join {'+'.join(each.card.model for each in best.backbones)}"
            if not self.affords(step, cost, message("selection.name.with-others", name=best.name)):
                return best
            found = min(
                [self.rank([*best.backbones, each]) for each in rest], key=lambda trial: trial.candidate.loss
            )
            if not clearly_better(found.candidate, best.candidate):
                found.attempt["note"] = both(found.attempt["note"], message("selection.no-gain"))
                return best
            best = found
            if self.enough(best):
                return best
        return best

    def finished(self, best: Ranked[ClassCandidate]) -> Ranked[ClassCandidate]:
        """Other kinds of head, settings searched, a blend, and methods against class imbalance."""
        found = [best]
        for kind in self._kinds():
            fixed = HEADS[kind].is_fixed(self.recipe.probe)
            if fixed if kind == best.candidate.kind else self.stopped:
                continue
            name: str = message("selection.name.head", kind=kind, backbones=best.name)
            if self.affords(f"{kind} on {best.name}", self._kind_seconds(kind, best), name):
                name = name if fixed else message("selection.name.searched", name=name)
                found.append(self.fitted(name, best.backbones, partial(self._fit, kind, best.backbones)))
        best, kinds = self.blended(found, best.name)
        settings, chosen = self.recipe.train, "none"
        if settings.balance == "auto":
            best, chosen = self._best_method(best, kinds)
        best = self._scaled(best)
        if settings.thresholds or chosen == "thresholds":
            probabilities = np.exp(best.candidate.predictions)
            self.thresholds = tuple(fit_thresholds(probabilities, self.data.truth).tolist())
        return best

    def _scaled(self, best: Ranked[ClassCandidate]) -> Ranked[ClassCandidate]:
        """The best head, scaled by class where that is clearly better than by one temperature."""
        scaled = scaled_by_class(self.data, best.candidate)
        if scaled is None:
            return best
        name = message("selection.name.scaled", name=best.name)
        return self.fitted(name, best.backbones, lambda: scaled)

    def _kind_seconds(self, kind: str, best: Ranked[ClassCandidate]) -> float:
        """Roughly what searching the settings of a kind of head takes; nobody asks without a budget."""
        if not self.deadline.limited:
            return 0.0
        width = sum(each.raw.shape[1] for each in best.backbones)
        pace = Pace(flop_seconds=self.flop_seconds(), rank_seconds=self.rank_seconds())
        return HEADS[kind].seconds(self.data, width, self.recipe.probe, pace)

    def _stop_at(self, wrong: int, n: int, code: str) -> bool:
        """Whether so few predictions are wrong that nothing more is tried."""
        if not few_mistakes(wrong, n):
            return False
        low, high = wilson(n - wrong, n)
        shares = {"share": 1 - wrong / n, "low": low, "high": high}
        self.stopped = message(f"selection.enough-{code}", wrong=wrong, n=n, **shares)
        return True

    # ---- imbalance --------------------------------------------------------------------------------------

    def _best_method(
        self, best: Ranked[ClassCandidate], kinds: tuple[str, ...]
    ) -> tuple[Ranked[ClassCandidate], str]:
        """The head with the method that is clearly better by macro F1 out of fold, and its name."""
        data = self.data
        if ratio(data.truth) < WORTH_TRYING or self.stopped:
            even = message("selection.note.no-imbalance", ratio=ratio(data.truth))
            self.skip(message("selection.name.imbalance"), self.stopped or even)
            return best, "none"
        trials: dict[str, Ranked[ClassCandidate]] = {}
        for method in ("weights", "smote") if smote_is_there() else ("weights",):
            cost = sum(self._kind_seconds(kind, best) for kind in kinds)
            skipped = message("selection.name.method", method=method)
            if self.affords(f"imbalance {method}", cost, skipped):
                name = message("selection.name.with-method", kinds=" + ".join(kinds), method=method)
                fit = partial(self._with_method, kinds, best.backbones, method)
                trials[method] = self.fitted(name, best.backbones, fit)
        plain, truth = best.candidate, data.truth
        labels = {name: trial.candidate.labels for name, trial in trials.items()}
        labels["thresholds"] = held_out_answers(np.exp(plain.predictions), truth, data.folds)
        chosen, reason = choose_method(truth, plain.labels, labels, data.classes, seed=self.seed)
        right = (labels.get(chosen, plain.labels) == truth)[self.trained :]
        self.listener.say(message("selection.remark", name=message("selection.name.imbalance"), note=reason))
        name = message("selection.name.method", method=chosen)
        self.tried.append(self.metric.attempt(name, right, reason))
        return trials.get(chosen, best), chosen

    def _with_method(self, kinds: tuple[str, ...], backbones: Backbones, method: str) -> ClassCandidate:
        """The same kinds of head on the same backbones, fitted with a method."""
        found = [self._fit(kind, backbones, balance=method) for kind in kinds]
        return found[0] if len(found) == 1 else self.data.blend(*found)

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: Ranked[ClassCandidate] | None) -> Outcome | None:
        """Train a net where there is time, and see whether anything could be shown to be better."""
        outcome = super().net(best)
        if outcome is not None:
            wrong = int((outcome.val_answers.argmax(axis=1) != self.val_labels).sum())
            self._stop_at(wrong, len(self.val_labels), "on-val")
        return outcome

    def net_recipe(self, kind: str) -> Recipe:
        """The named recipe, with what was asked against class imbalance."""
        recipe, asked = super().net_recipe(kind), self.recipe.train
        methods = {name: getattr(asked, name) for name in ("oversample", "focal_gamma", "thresholds")}
        if asked.balance not in ("none", "smote"):
            methods["balance"] = asked.balance
        return replace(recipe, train=replace(recipe.train, **methods))

    def net_wins(self, best: Ranked[ClassCandidate], net: Outcome) -> bool:
        """More correct predictions on the val split, or as many with a lower cross-entropy."""
        labels, probabilities = self.val_labels, net.val_answers  # (image,), (image, class)
        right = (probabilities.argmax(axis=1) == labels).mean()
        head = best.candidate
        head_right, head_loss = head.right[self.trained :].mean(), head.losses[self.trained :].mean()
        return bool((right, -log_loss(probabilities, labels)) > (head_right, -head_loss))

    # ---- what came of it --------------------------------------------------------------------------------

    def answered(self, candidate: ClassCandidate) -> NDArray[np.float64]:
        """Probabilities."""
        return np.asarray(np.exp(candidate.predictions))

    def quick(self) -> Quick:
        """A head of the kind that backbones are compared by, at its usual settings."""
        kinds = self._kinds()
        kind = "rbf" if "rbf" in kinds else kinds[0]
        return partial(_quick, kind, len(self.problem.classes), self.recipe.probe)

    def scored(self, outcome: Outcome, candidate: ClassCandidate) -> Outcome:
        """The classifier on the best head."""
        return replace(
            outcome,
            advice=self._advice(candidate),
            thresholds=self.thresholds,
        )

    def _advice(self, candidate: ClassCandidate) -> str:
        """Which larger backbone would probably help, where all at hand are small and mistakes are left."""
        name, size = LARGER
        large = any(card.size_bytes > LARGE_BYTES for card in self.cards)
        if self.recipe.model.name or large or bool((~candidate.right).mean() < 0.01):
            return ""
        return message("selection.larger", name=name, size=size)


def _quick(
    kind: str,
    classes: int,
    settings: ProbeSettings,
    truth: NDArray[np.int64],
    folds: NDArray[np.int64],
    features: ConcatFeatures,
) -> NDArray[np.float64]:
    """Probabilities out of fold of a head at its usual settings."""
    data = ClassHeadData(truth=truth, folds=folds, classes=classes)
    return np.exp(HEADS[kind].fit(data, features, settings, search=False).predictions)


# ---- the task --------------------------------------------------------------------------------------------


class ImageClassification:
    """See `ImageTask`."""

    selection, metric = ClassSelection, ACCURACY
    baselines = staticmethod(baselines)
    baseline_rows = staticmethod(drawn_of_each)

    def require(self, recipe: Recipe) -> None:
        """Every recipe will do."""

    def net_recipe(self, recipe: Recipe) -> Recipe:
        """The recipe as it is."""
        return recipe

    def outputs(self, problem: Problem) -> Outputs:
        """One score a class."""
        return ClassScores(problem.classes)

    def objective(self, problem: Problem) -> Objective:
        """Cross-entropy and accuracy."""
        return CLASSIFICATION

    def labels(self, problem: Problem, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Class index of each row."""
        return problem.truth[rows]

    def net_outcome(
        self, problem: Problem, outcome: Outcome, scores: NDArray[np.float64], recipe: Recipe, seed: int
    ) -> Outcome:
        """Its temperature is fitted on val, which also chose the epoch: val scores are a little too good."""
        labels, train_labels = problem.truth[problem.val], problem.truth[problem.train]
        temperature = fit_temperature(log_softmax(scores), labels) if len(labels) else 1.0
        probabilities = np.exp(log_softmax(scores / temperature))
        thresholds, tried = _thresholds(recipe, probabilities, labels, train_labels, seed)
        return replace(
            outcome,
            temperature=temperature,
            val_answers=probabilities,
            out_of_fold=problem.held_out(problem.val, probabilities),
            tried=(*outcome.tried, *tried),
            thresholds=thresholds,
        )

    def diagnoses(self, problem: Problem, outcome: Outcome) -> tuple[Diagnosis, ...]:
        """Every rule."""
        case = Case(
            classes=problem.classes,
            train_labels=problem.truth[problem.train],
            val_labels=problem.truth[problem.val],
            val_probabilities=outcome.val_answers,
            train_scores=outcome.train_scores,
            history=outcome.history,
            seen=outcome.seen,
        )
        return diagnose(case)


def _thresholds(
    recipe: Recipe,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    train_labels: NDArray[np.int64],
    seed: int,
) -> tuple[tuple[float, ...], tuple[dict[str, Any], ...]]:
    """Thresholds where the recipe asks for them, or leaves it to macro F1 on val; and what was tried.

    Another way of training would cost the training once more, so that `auto` looks at thresholds alone.
    """
    asked = recipe.train.thresholds
    if not len(labels) or not (asked or recipe.train.balance == "auto"):
        return (), ()
    fitted = tuple(fit_thresholds(probabilities, labels).tolist())
    if asked:
        return fitted, ()
    tried: dict[str, Any] = {"name": message("selection.name.imbalance"), "value": None, "chosen": False}
    if ratio(train_labels) < WORTH_TRYING:
        even = message("selection.note.no-imbalance", ratio=ratio(train_labels))
        return (), ({**tried, "note": message("selection.skipped", reason=even)},)
    folds = fold_numbers(labels, np.arange(len(labels)), seed=seed)
    predicted = {"thresholds": held_out_answers(probabilities, labels, folds)}
    plain, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    method, reason = choose_method(labels, plain, predicted, classes, seed=seed)
    tried |= {"name": message("selection.name.method", method=method), "note": reason}
    return (() if method == "none" else fitted), (tried,)
