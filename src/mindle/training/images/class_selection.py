"""The ladder where classes are named: three kinds of head, the two best blended, and care for scarce classes.

A kernel head on each usable backbone comes first; then backbones joined; then other kinds of head on the best
of these. By then so few images may be answered wrong that nothing more could be told apart: the ladder stops.

Heads are compared by the cross-entropy of answers out of fold, a head and a net by their right answers on the
val part. Augmented views are embedded at once, for a mirrored picture of a class is still one of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.evaluation import wilson
from mindle.evaluation.thresholds import fit_thresholds, held_out_answers
from mindle.models.classifier import backbone_classifier
from mindle.models.heads import Head
from mindle.training.images.answer_cost import points_lost
from mindle.training.images.attempts import accuracy_attempt
from mindle.training.images.features import Engine
from mindle.training.images.heads import (
    MOST_DIRECTIONS,
    BackboneFeatures,
    Candidate,
    ConcatFeatures,
    Directions,
    HeadData,
    blend,
    blend_helps,
    clearly_better,
    fit_logistic,
    fit_net,
    fit_rbf,
    foresee_net,
    logistic_flops,
)
from mindle.training.images.problem import Outcome, Problem
from mindle.training.images.resampling import smote_is_there, with_made_up_rows
from mindle.training.images.selection import (
    ModelSelection,
    Part,
    Ranked,
    folds_of,
    layout_of,
    names_of,
    views_of,
)
from mindle.training.loop.augment import stronger
from mindle.training.loop.imbalance import WORTH_TRYING, balanced_weights, choose_method, ratio
from mindle.training.recipe import Recipe

# With so few mistakes even a rung without any could not be told apart: the sign test of 5 against 0 gives
# 0.06. On few images that would often be so, and another rung costs little there.
FEW_MISTAKES, FEW_SHARE = 5, 0.02
MOST_SCARCE_VIEWS = 8
LARGER = ("convnext_tiny.in12k_ft_in1k", "114 MB")
LARGE_BYTES = 60_000_000


def pool_of(problem: Problem, rows: NDArray[np.int64], *, folds: int, views: int, seed: int = 0) -> HeadData:
    """Labels and folds of the rows that heads learn from.

    Raises:
        DataError: If all of them belong to one group.
    """
    labels = problem.truth[rows]
    return HeadData(
        labels=labels,
        classes=len(problem.classes),
        folds=folds_of(problem, rows, labels, folds=folds, seed=seed),
        views=views,
    )


def few_mistakes(wrong: int, n: int) -> bool:
    """Whether even an attempt without mistakes could not be told from one with so many.

    Example:
        >>> few_mistakes(5, 1000), few_mistakes(5, 100)
        (True, False)
    """
    return wrong <= min(FEW_MISTAKES, FEW_SHARE * n)


class ClassSelection(ModelSelection[Candidate]):
    """The ladder of classes; it is given what `ModelSelection` says."""

    fits_a_head = 1  # backbones are compared by a head at its usual settings, which are searched later
    pool: HeadData

    def __post_init__(self) -> None:
        super().__post_init__()
        self.views = views_of(self.recipe, self.problem)
        self.thresholds: tuple[float, ...] = ()

    @property
    def val_labels(self) -> NDArray[np.int64]:
        """Class index of each row of val."""
        return self.problem.truth[self.problem.val]

    def baseline(self) -> dict[str, Any]:
        """What always naming the commonest class would reach."""
        commonest = int(np.bincount(self.problem.truth[self.problem.train]).argmax())
        right = int((self.val_labels == commonest).sum())
        note = f"always {self.problem.classes[commonest]!r}, the commonest class"
        return accuracy_attempt("majority", right, len(self.problem.val), 0.0, note)

    def attempt_of(self, name: str, candidate: Candidate, seconds: float) -> dict[str, Any]:
        """Its accuracy on the val part, and both scores on all images it was cross-validated on."""
        right = candidate.right
        note = f"cross-validated {right.mean():.1%} of {len(right):,}, log loss {candidate.log_loss:.3f}"
        return accuracy_attempt(name, int(right[self.trained :].sum()), len(self.problem.val), seconds, note)

    def loss(self, candidate: Candidate) -> float:
        """Cross-entropy out of fold."""
        return candidate.log_loss

    def points_lost(self, best: Candidate, other: Candidate) -> float:
        """In points of accuracy out of fold."""
        return points_lost(best.right, other.right)

    # ---- what heads learn from --------------------------------------------------------------------------

    def fill_pool(self) -> None:
        """Labels, folds and weights of the rows."""
        settings = self.recipe.train
        pool = pool_of(
            self.problem, self.rows, folds=self.recipe.probe.folds, views=self.views, seed=self.seed
        )
        weights = None
        if settings.balance in ("weights", "sampling"):
            # A head sees every row at each step: to be drawn more often is to weigh more.
            weights = balanced_weights(pool.labels, pool.classes)
        self.pool = replace(pool, weights=weights, focal=settings.focal)

    def block(self, engine: Engine, features: NDArray[np.float32]) -> BackboneFeatures:
        """Features of all views, and where that was asked for of more views of scarce classes."""
        block = super().block(engine, features)
        return block.with_rows(self._more_of_scarce(engine)) if self.recipe.train.scarce else block

    def _more_of_scarce(self, engine: Engine) -> NDArray[np.float32]:
        """Features (row, feature) of further, stronger augmented views of images of scarce classes.

        The first backbone's call says which, in the pool; the others follow.
        """
        pool = self.pool
        counts = np.bincount(pool.labels, minlength=pool.classes)
        wanted = self.recipe.train.scarce * (counts.max() / np.maximum(counts, 1) - 1) * (self.views + 1)
        times = np.minimum(np.rint(wanted), MOST_SCARCE_VIEWS).astype(np.int64)[pool.labels]  # (image,)
        chosen = np.flatnonzero(times)
        if not len(chosen):
            return np.zeros((0, engine.width()), np.float32)
        rows, views = self.rows[chosen], int(times.max())
        features = engine.embed(
            self.problem.pixels(rows, engine.card.spec, self.listener),
            self.problem.keys(rows),
            views=views,
            augment=stronger(self.recipe.augment),
            seed=self.seed,
        )
        view, image = np.nonzero(np.arange(views)[:, None] < times[chosen])
        if not len(pool.further_labels):
            self.pool = replace(
                pool, further_labels=pool.labels[chosen][image], further_folds=pool.folds[chosen][image]
            )
        return features[view + 1, image]

    # ---- heads ------------------------------------------------------------------------------------------

    def probes(self, *, forced: bool) -> Ranked[Candidate] | None:
        """The best head on the best backbones; None where none could be afforded."""
        if self.together:
            best = self._rank(list(self.embedded(forced=forced)))
            self._few_mistakes(best)
            return self._even_out(*self._finish(best))
        parts: list[Part] = []
        singles: list[Ranked[Candidate]] = []
        for part in self.embedded(forced=forced):
            parts.append(part)
            singles.append(self._rank([part]))
            if self._few_mistakes(singles[-1]):
                break
        if not singles:
            return None
        best = min(singles, key=lambda single: single.candidate.log_loss)
        if not self.stopped and self.recipe.probe.join:
            best = self._join(best, parts)
        best = self.economical(best)
        return self._even_out(*self._finish(best))

    def _rank(self, parts: Sequence[Part]) -> Ranked[Candidate]:
        """A quick kernel head, to compare backbones by."""
        kinds = self._kinds()
        kind = "rbf" if "rbf" in kinds else kinds[0]
        fit = partial(self._fit, kind, parts, search=False)
        return self.ranked(f"{kind} head on {names_of(parts)}", parts, fit)

    def _kinds(self) -> tuple[str, ...]:
        """Kinds of head to try; least squares have no focal form, so that those heads stand back for it."""
        kinds = self.recipe.probe.heads
        return tuple(kind for kind in kinds if kind != "rbf" or not self.recipe.train.focal) or kinds

    def _fit(
        self, kind: str, parts: Sequence[Part], *, search: bool, balance: str | None = None
    ) -> Candidate:
        """Fit a kind of head; `balance` is the recipe's unless another is tried."""
        settings = self.recipe.probe
        pool, joined = self.pool, ConcatFeatures([part.block for part in parts])
        if balance == "weights":
            pool = replace(pool, weights=balanced_weights(pool.labels, pool.classes))
        if (balance or self.recipe.train.balance) == "smote":
            pool, joined = with_made_up_rows(pool, joined, seed=self.seed)
        if kind == "rbf":
            fixed = (settings.rbf_gamma, settings.rbf_penalty)
            return fit_rbf(pool, joined, seed=self.seed, search=search, fixed=fixed)
        directions = Directions(joined, self.seed)
        if kind == "logistic":
            return fit_logistic(pool, joined, directions, fixed=settings.logistic_penalty)
        units, dropout = settings.net_units, settings.net_dropout
        return fit_net(pool, joined, directions, seed=self.seed, units=units, dropout=dropout)

    def _join(self, best: Ranked[Candidate], embedded: Sequence[Part]) -> Ranked[Candidate]:
        """Add the backbone that helps most, as long as one clearly does and there is time."""
        while True:
            own, layout = best.parts, layout_of(best.parts[0].card.spec)
            rest = [part for part in embedded if part not in own and layout_of(part.card.spec) == layout]
            if not rest:
                return best
            cost = self.rank_seconds() * len(rest) + self.further_seconds(rest)
            step = f"join {'+'.join(part.card.model for part in own)}"
            decision = self.decisions.decide(step, partial(self.time_for, cost))
            if not decision["take"]:
                self.skip(f"{best.name} joined with others", decision["reason"], for_time=True)
                return best
            found = min(
                [self._rank([*own, part]) for part in rest], key=lambda trial: trial.candidate.log_loss
            )
            if not clearly_better(found.candidate, best.candidate):
                found.attempt["note"] += "; not clearly better than with one backbone less"
                return best
            best = found
            if self._few_mistakes(best):
                return best

    def _finish(self, best: Ranked[Candidate]) -> tuple[Ranked[Candidate], tuple[str, ...]]:
        """Other kinds of head on the chosen backbones, settings searched, and a blend; and its kinds."""
        found = [best]
        for kind in self._kinds():
            ranked = kind == best.candidate.kind
            if (self.stopped and not ranked) or (ranked and self._nothing_to_search(kind)):
                continue
            name, cost = f"{kind} head on {best.name}", self._kind_seconds(kind, best)
            decision = self.decisions.decide(f"{kind} on {best.name}", partial(self.time_for, cost))
            if not decision["take"]:
                self.skip(name, decision["reason"], for_time=True)
                continue
            searched = f"{name}, settings searched" if kind == "rbf" else name
            found.append(self.fitted(searched, best.parts, partial(self._fit, kind, best.parts, search=True)))
        found.sort(key=lambda entry: entry.candidate.log_loss)  # stable: the first of equals
        return self._blended(found)

    def _nothing_to_search(self, kind: str) -> bool:
        """Whether ranking backbones already fitted this kind of head at its best."""
        settings = self.recipe.probe
        return kind != "rbf" or bool(settings.rbf_gamma and settings.rbf_penalty)

    def _blended(self, found: Sequence[Ranked[Candidate]]) -> tuple[Ranked[Candidate], tuple[str, ...]]:
        """The first of some heads on the same backbones, or its blend with the next kind where that helps."""
        best, own = found[0], found[0].candidate
        other = next((each.candidate for each in found if each.candidate.kind != own.kind), None)
        if other is None:
            return best, (own.kind,)
        name = f"{own.kind} and {other.kind} heads on {best.name}, blended"
        mixed = self.fitted(name, best.parts, partial(blend, own, other))
        if blend_helps(mixed.candidate, own):
            return mixed, (own.kind, other.kind)
        return best, (own.kind,)

    def _kind_seconds(self, kind: str, best: Ranked[Candidate]) -> float:
        """Roughly what searching the settings of a kind of head takes."""
        if kind == "rbf":
            return 7 * self.rank_seconds()
        features = sum(part.raw.shape[1] for part in best.parts)
        if kind == "logistic":
            return float(logistic_flops(self.pool, features)) * self.flop_seconds()
        directions = min(self.pool.rows, features, MOST_DIRECTIONS)
        units = self.recipe.probe.net_units
        return (
            foresee_net(self.pool, directions, units=units)
            + 12.0 * float(directions) ** 3 * self.flop_seconds()
        )

    def _few_mistakes(self, best: Ranked[Candidate]) -> bool:
        """Whether even a rung without mistakes could not be told from this one."""
        right = best.candidate.right
        return self._stop_at(int((~right).sum()), len(right), "images are answered wrong out of fold")

    def _stop_at(self, wrong: int, n: int, words: str) -> bool:
        if not few_mistakes(wrong, n):
            return False
        low, high = wilson(n - wrong, n)
        self.stopped = (
            f"{wrong} of {n:,} {words} ({1 - wrong / n:.1%} right, 95 % interval {low:.1%} to {high:.1%}): a "
            "further rung could not be told from this one."
        )
        return True

    # ---- imbalance --------------------------------------------------------------------------------------

    def _even_out(self, best: Ranked[Candidate], kinds: tuple[str, ...]) -> Ranked[Candidate]:
        """What helps classes with few images, where the recipe asks for it."""
        settings, chosen = self.recipe.train, "none"
        if settings.balance == "auto":
            best, chosen = self._best_evened(best, kinds)
        if settings.thresholds or chosen == "thresholds":
            probabilities = np.exp(best.candidate.log_probabilities)
            self.thresholds = tuple(fit_thresholds(probabilities, self.pool.labels).tolist())
        return best

    def _best_evened(self, best: Ranked[Candidate], kinds: tuple[str, ...]) -> tuple[Ranked[Candidate], str]:
        """The head with the method that is clearly better by macro-F1 out of fold, and its name."""
        pool = self.pool
        if ratio(pool.labels) < WORTH_TRYING or self.stopped:
            words = f"the largest class has {ratio(pool.labels):.1f} times the smallest's images"
            self.skip("imbalance", self.stopped or words)
            return best, "none"
        trials: dict[str, Ranked[Candidate]] = {}
        for method in ("weights", "smote") if smote_is_there() else ("weights",):
            cost = sum(self._kind_seconds(kind, best) for kind in kinds)
            decision = self.decisions.decide(f"imbalance {method}", partial(self.time_for, cost))
            if decision["take"]:
                name = f"imbalance: {' and '.join(kinds)} with {method}"
                fit = partial(self._evened, kinds, best.parts, method)
                trials[method] = self.fitted(name, best.parts, fit)
            else:
                self.skip(f"imbalance: {method}", decision["reason"], for_time=True)
        answers = {name: trial.candidate.answers for name, trial in trials.items()}
        probabilities = np.exp(best.candidate.log_probabilities)
        answers["thresholds"] = held_out_answers(probabilities, pool.labels, pool.folds)
        chosen = self._note_evened(best, answers)
        return trials.get(chosen, best), chosen

    def _evened(self, kinds: tuple[str, ...], parts: Sequence[Part], method: str) -> Candidate:
        """The same kinds of head on the same backbones, fitted with a method."""
        found = [self._fit(kind, parts, search=True, balance=method) for kind in kinds]
        return found[0] if len(found) == 1 else blend(*found)

    def _note_evened(self, best: Ranked[Candidate], answers: Mapping[str, NDArray[np.int64]]) -> str:
        """Which method is clearly better than none, and a line that says why."""
        labels, plain = self.pool.labels, best.candidate.answers
        chosen, reason = choose_method(labels, plain, answers, len(self.problem.classes), seed=self.seed)
        right = (answers.get(chosen, plain) == labels)[self.trained :]
        self.listener.say(f"imbalance: {reason}")
        self.tried.append(accuracy_attempt(f"imbalance: {chosen}", int(right.sum()), len(right), 0.0, reason))
        return chosen

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: Ranked[Candidate] | None) -> Outcome | None:
        """Train a net where there is time, and see whether more could be told apart from it."""
        outcome = super().net(best)
        if outcome is not None:
            wrong = int((outcome.val_answers.argmax(axis=1) != self.val_labels).sum())
            self._stop_at(wrong, len(self.val_labels), "val images are answered wrong")
        return outcome

    def net_recipe(self, kind: str) -> Recipe:
        """The named recipe, with what was asked for scarce classes."""
        recipe, asked = super().net_recipe(kind), self.recipe.train
        balance = asked.balance if asked.balance not in ("none", "smote") else recipe.train.balance
        train = replace(
            recipe.train,
            balance=balance,
            scarce=asked.scarce,
            focal=asked.focal,
            thresholds=asked.thresholds,
        )
        return replace(recipe, train=train)

    def net_wins(self, best: Ranked[Candidate], net: Outcome) -> bool:
        """More right answers on the val part, or as many with a lower cross-entropy."""
        labels, probabilities = self.val_labels, net.val_answers  # (image,), (image, class)
        right = (probabilities.argmax(axis=1) == labels).mean()
        loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()
        head = best.candidate
        own_right, own_loss = head.right[self.trained :].mean(), head.losses[self.trained :].mean()
        return bool((right, -loss) > (own_right, -own_loss))

    # ---- what came of it --------------------------------------------------------------------------------

    def built(self, best: Ranked[Candidate]) -> Outcome:
        """The classifier on the best head."""
        candidate, trained = best.candidate, self.trained
        head = candidate.build(1.0)
        right = (_answers(head, best.raw[:trained]) == self.pool.labels[:trained]).mean()
        cards = [part.card for part in best.parts]
        model = backbone_classifier(cards, head, classes=self.problem.classes, pooling=self.pooling)
        return Outcome(
            model=model.eval(),
            strategy="probe",
            temperature=candidate.temperature,
            val_answers=np.exp(candidate.log_probabilities[trained:]),
            train_scores={
                "n": trained,
                "accuracy": float(right),
                "out_of_fold": {"accuracy": float(candidate.right[:trained].mean())},
            },
            tried=(best.attempt,),
            stopped="",
            seconds={},
            advice=self._advice(best),
            thresholds=self.thresholds,
        )

    def _advice(self, best: Ranked[Candidate]) -> str:
        """Which larger backbone would probably help, where all at hand are small and mistakes are left."""
        name, size = LARGER
        named = bool(self.recipe.model.name)
        large = any(card.size_bytes > LARGE_BYTES for card in self.cards)
        if named or large or bool((~best.candidate.right).mean() < 0.01):
            return ""
        return (
            f"All backbones at hand are small. A larger one would probably help: --model {name} ({size}, "
            "fetched once from the Hugging Face hub)."
        )


@torch.inference_mode()
def _answers(head: Head, features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which class the head names for raw features (image, feature)."""
    pieces = [
        head(torch.from_numpy(features[start : start + 512])).argmax(1).numpy()
        for start in range(0, len(features), 512)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
