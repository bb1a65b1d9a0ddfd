"""`auto` and `probe` where a number is estimated: heads on every usable backbone, then a net, the best wins.

The rungs, in order: always the mean; ridge regression and a Gaussian kernel on the features of each usable
backbone, and their mean; backbones joined; the best of these on augmented views; and for `auto` a net,
trained from scratch on small images and fine-tuned on photos. Heads are compared out of fold on images of the
train and val parts, a head and a net on the val part, both by the mean absolute error. The test part is shut.

Whatever depends on the clock is a decision: recorded when it is made, and repeated when a run is resumed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.data.splits import bands
from mindle.errors import ModelError
from mindle.evaluation.conformal import calibrate
from mindle.models.classifier import backbone_estimator
from mindle.models.weights import WeightCard
from mindle.records import SILENT, Listener
from mindle.training.budget import Deadline
from mindle.training.features import Engine
from mindle.training.ladder import (
    EFFICIENCY,
    FEWEST_IMAGES,
    MOST_IMAGES,
    PHOTO_SHARE,
    SMALL_SHARE,
    VIEWS_SHARE,
    Journal,
    afford_net,
    common_layout,
    folds_of,
    layout_of,
    measured_flops,
    rows_to_learn,
    views_of,
)
from mindle.training.nets import SMALL_SIDE, licence_of, number_attempt, target_scale, train_net
from mindle.training.number_heads import (
    NumberCandidate,
    NumberPool,
    average,
    clearly_closer,
    fit_kernel,
    fit_ridge,
)
from mindle.training.probe import Joined, block_of, rbf_flops
from mindle.training.problem import Outcome, Problem
from mindle.training.recipe import Recipe, read_recipe

Decision = Mapping[str, Any]

# Settings of classes and what they are called at the prompt; a number has none of them.
CLASS_SETTINGS = {"balance": "none", "scarce": 0.0, "focal": 0.0, "thresholds": False}
# A search of either head fits about so many pairs of settings.
FITS_A_HEAD = 12


def require_number_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that asks something about classes.

    Raises:
        ValueError: Naming the first such setting.
    """
    for name, off in CLASS_SETTINGS.items():
        value = getattr(recipe.train, name)
        if value != off:
            raise ValueError(
                f"`train.{name}` must be {off!r} where a number is estimated: it is about scarce classes. "
                f"Received train.{name}={value!r}. Leave it (or --imbalance) out."
            )


def climb_numbers(
    problem: Problem,
    *,
    cards: Sequence[WeightCard],
    recipe: Recipe,
    deadline: Deadline,
    device: torch.device | None = None,
    folder: Path | None = None,
    resume: bool = False,
    replay: Sequence[Decision] = (),
    record: Callable[[Decision], None] = lambda decision: None,
    seed: int = 0,
    listener: Listener = SILENT,
) -> Outcome:
    """Try heads and a net, as far as the data and the time allow; the arguments are those of `climb`.

    Raises:
        ModelError: If there is neither a backbone nor time for a net.
    """
    journal = Journal(replay, record)
    ladder = _Ladder(problem, cards, recipe, deadline, device or torch.device("cpu"), journal, seed, listener)
    if ladder.small:
        net = ladder.net(None, folder, resume)
        best = ladder.probes(forced=net is None)
    else:
        best = ladder.probes(forced=False)
        net = ladder.net(best, folder, resume)
    if best is None and net is None:
        best = ladder.probes(forced=True)
    return ladder.outcome(best, net)


def probe_numbers(
    problem: Problem,
    *,
    cards: Sequence[WeightCard],
    recipe: Recipe,
    deadline: Deadline,
    device: torch.device | None = None,
    folder: Path | None = None,
    resume: bool = False,
    replay: Sequence[Decision] = (),
    record: Callable[[Decision], None] = lambda decision: None,
    seed: int = 0,
    listener: Listener = SILENT,
) -> Outcome:
    """As `climb_numbers`, but heads on frozen backbones only; `folder` and `resume` are not needed.

    Raises:
        ModelError: If there is no backbone.
    """
    journal = Journal(replay, record)
    ladder = _Ladder(problem, cards, recipe, deadline, device or torch.device("cpu"), journal, seed, listener)
    return ladder.outcome(ladder.probes(forced=True), None)


@dataclass
class _Part:
    """A backbone whose features are there."""

    card: WeightCard
    engine: Engine
    features: NDArray[np.float32]  # (view, image, feature)
    seconds_an_image: float


@dataclass
class _Best:
    """The best head so far, and the backbones it stands on."""

    candidate: NumberCandidate
    parts: list[_Part]
    attempt: dict[str, Any]


@dataclass
class _Ladder:
    problem: Problem
    given: Sequence[WeightCard]
    recipe: Recipe
    deadline: Deadline
    device: torch.device
    journal: Journal
    seed: int
    listener: Listener
    tried: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"embed": 0.0, "fit": 0.0})
    embedded_images: int = 0
    left_out: str = ""

    def __post_init__(self) -> None:
        problem = self.problem
        self.cards = sorted(common_layout(self.given), key=lambda card: -card.size_bytes)
        self.small = max(problem.typical_size) <= SMALL_SIDE
        self.tests = len(problem.dataset.rows("test"))  # how many, for the time that judging takes
        self.pooling = "avg" if self.recipe.model.pooling == "none" else self.recipe.model.pooling
        self.together = "+" in self.recipe.model.name
        self.share = SMALL_SHARE if self.small else PHOTO_SHARE
        self.flops_a_second = EFFICIENCY * measured_flops()
        self.rows = np.concatenate([problem.train, problem.val])
        self.target = target_scale(problem)
        self.pool: NumberPool | None = None
        off = np.abs(problem.targets(problem.val) - self.target["centre"])
        note = f"always {self.target['centre']:.4g}, the mean"
        self.tried.append(number_attempt("mean", off, 0.0, note))

    # ---- probes -----------------------------------------------------------------------------------------

    def probes(self, *, forced: bool) -> _Best | None:
        """The best head on the best backbones; None where none could be afforded."""
        parts: list[_Part] = []
        for card in self.cards:
            part = self._embed(card, forced=(forced and not parts) or self.together)
            if part is not None:
                parts.append(part)
        if not parts:
            return None
        if self.together:
            best = self._best_head(parts)
        else:
            best = self._joined([self._best_head([part]) for part in parts])
        return self._with_views(best)

    def _embed(self, card: WeightCard, *, forced: bool) -> _Part | None:
        began = time.perf_counter()
        engine = Engine(
            card,
            pooling=self.pooling,
            cache=self.problem.cache,
            listener=self.listener,
            threads=os.cpu_count(),
            device="cuda" if self.device.type == "cuda" else "cpu",
        )
        decision = self.journal.decide(f"embed {card.name}", lambda: self._afford(engine, forced))
        if not decision["take"]:
            self._skip(f"probe {card.model}", decision["reason"])
            return None
        if self.pool is None:
            self._settle_pool(int(decision["images"]))
        features = self._features(engine, 0)
        self.seconds["embed"] += time.perf_counter() - began
        return _Part(
            card=card,
            engine=engine,
            features=features,
            seconds_an_image=float(decision["seconds_an_image"]),
        )

    def _features(self, engine: Engine, views: int) -> NDArray[np.float32]:
        """(view, image, feature) of the images that heads learn from."""
        keys = self.problem.keys(self.rows)
        pixels = self.problem.pixels(self.rows, engine.card.spec, self.listener)
        seen: dict[str, Any] = {"views": views, "augment": self.recipe.augment, "seed": self.seed}
        self.embedded_images += engine.missing(keys, **seen)
        return engine.embed(pixels, keys, **seen)

    def _afford(self, engine: Engine, forced: bool) -> dict[str, Any]:
        """Whether this backbone fits into what is left, and on how many images."""
        some = self.problem.pixels(self.rows[:16], engine.card.spec, self.listener)
        each, left = engine.seconds_an_image(some), self.deadline.remaining()
        images = len(self.rows) if self.pool is not None else min(len(self.rows), MOST_IMAGES)
        missing = engine.missing(self.problem.keys(self.rows), views=0, augment=None, seed=self.seed)
        cost = each * missing / max(len(self.rows), 1)  # of an image, on average
        room = self.share * left - each * self.tests - self._head_seconds(images)
        if self.pool is None and images * cost > room:
            fewest = min(images, len(self.problem.val) + FEWEST_IMAGES)
            images = max(fewest, int(room / cost)) if room > 0 else fewest
        facts = {"images": images, "seconds_an_image": round(each, 6)}
        if forced or images * cost <= room:
            return {"take": True, **facts}
        reason = (
            f"embedding {missing:,} images would take about {missing * each:.0f} s, and {left:.0f} s are left"
        )
        return {"take": False, "reason": reason, **facts}

    def _settle_pool(self, images: int) -> None:
        """Which images heads learn from: all of val, and as many of train as fit."""
        self.rows = rows_to_learn(self.problem, images, seed=self.seed)
        wanted, train = len(self.rows) - len(self.problem.val), len(self.problem.train)
        if wanted < train:
            self.listener.say(f"Heads learn from {wanted:,} of {train:,} training images.")
        targets = self.problem.targets(self.rows)
        folds = folds_of(
            self.problem, self.rows, bands(targets), folds=self.recipe.probe.folds, seed=self.seed
        )
        self.pool = NumberPool(
            targets=(targets - self.target["centre"]) / self.target["scale"],
            folds=np.unique(folds, return_inverse=True)[1].astype(np.int64),  # fewer groups leave folds empty
        )

    def _known_pool(self) -> NumberPool:
        if self.pool is None:
            raise ValueError("`_settle_pool` must be called before a head is fitted.")
        return self.pool

    def _head_seconds(self, rows: int) -> float:
        """Roughly what a search of the kernel head takes."""
        return FITS_A_HEAD * rbf_flops(rows) / self.flops_a_second

    def _best_head(self, parts: list[_Part], views: int = 0) -> _Best:
        """The better of ridge regression and kernel, or their mean where that is clearly closer."""
        name = " + ".join(part.card.model for part in parts) + (f", {views} views" if views else "")
        pool = replace(self._known_pool(), views=views)
        joined = Joined([block_of(part.features) for part in parts])
        settings, found = self.recipe.probe, []
        if "rbf" in settings.heads:
            fixed = (settings.rbf_gamma, settings.rbf_penalty)
            fit = partial(fit_kernel, pool, joined, seed=self.seed, fixed=fixed)
            found.append(self._timed("rbf", name, parts, fit))
        if "logistic" in settings.heads or not found:
            found.append(self._timed("ridge", name, parts, partial(fit_ridge, pool, joined)))
        best = min(found, key=lambda each: each.candidate.mae)
        if len(found) == 2:
            fit = partial(average, found[0].candidate, found[1].candidate)
            mixed = self._timed("mean of both heads", name, parts, fit)
            best = mixed if clearly_closer(mixed.candidate, best.candidate) else best
        return best

    def _timed(self, kind: str, name: str, parts: list[_Part], fit: Callable[[], NumberCandidate]) -> _Best:
        """Fit a head and note how it did: on the val part, and in the note on all it learned from."""
        began = time.perf_counter()
        candidate = fit()
        seconds = time.perf_counter() - began
        self.seconds["fit"] += seconds
        scale = self.target["scale"]
        note = f"cross-validated error {candidate.mae * scale:.4g} on {len(candidate.errors):,} images"
        title = f"{kind} head on {name}" if kind in ("ridge", "rbf") else f"{kind} on {name}"
        self.listener.say(f"{title}: {note} ({seconds:.1f} s)")
        attempt = number_attempt(title, self._of_val(candidate.errors) * scale, seconds, note)
        self.tried.append(attempt)
        return _Best(candidate=candidate, parts=parts, attempt=attempt)

    def _of_val(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """The val part of a column of the pool, whose last rows it is."""
        return column[len(self.rows) - len(self.problem.val) :]

    def _joined(self, singles: list[_Best]) -> _Best:
        """The best single backbone, with each further one that is clearly worth its place."""
        order = sorted(singles, key=lambda each: each.candidate.mae)
        best = order[0]
        for other in order[1:] if self.recipe.probe.join else ():
            if layout_of(other.parts[0].card.spec) != layout_of(best.parts[0].card.spec):
                continue
            decision = self.journal.decide(
                f"join {other.parts[0].card.name}",
                partial(self._time_for, self._head_seconds(len(self.rows))),
            )
            if not decision["take"]:
                self._skip(f"{other.parts[0].card.model} joined", decision["reason"])
                continue
            both = self._best_head([*best.parts, *other.parts])
            best = both if clearly_closer(both.candidate, best.candidate) else best
        return best

    def _with_views(self, best: _Best) -> _Best:
        """The same on augmented views too, where images are few and views clearly help.

        Of classes it is known that a mirrored picture stays what it is; of a number only the errors can say.
        """
        views = views_of(self.recipe, self.problem)
        if not views:
            return best
        decision = self.journal.decide("views", partial(self._afford_views, best, views))
        if not decision["take"]:
            self._skip("augmented views", decision["reason"])
            return best
        began = time.perf_counter()
        parts = [replace(part, features=self._features(part.engine, views)) for part in best.parts]
        self.seconds["embed"] += time.perf_counter() - began
        seen = self._best_head(parts, views)
        return seen if clearly_closer(seen.candidate, best.candidate) else best

    def _afford_views(self, best: _Best, views: int) -> dict[str, Any]:
        each = sum(part.seconds_an_image for part in best.parts)
        left = self.deadline.remaining()
        cost = each * views * len(self.rows) + self._head_seconds((views + 1) * len(self.rows))
        return self._time_for(cost, VIEWS_SHARE * left - each * self.tests)

    def _time_for(self, seconds: float, room: float | None = None) -> dict[str, Any]:
        left = self.deadline.remaining() if room is None else room
        if seconds <= left:
            return {"take": True}
        return {
            "take": False,
            "reason": f"would take about {seconds:.0f} s, and {max(left, 0):.0f} s are to spare",
        }

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: _Best | None, folder: Path | None, resume: bool) -> Outcome | None:
        """Train a net where that may help and there is time."""
        kind = "scratch" if self.small or best is None else "finetune"
        recipe = replace(read_recipe(kind), input=self.recipe.input)
        each = 0.0 if best is None else best.parts[0].seconds_an_image

        def choose() -> dict[str, Any]:
            left = self.deadline.remaining() - each * self.tests
            return afford_net(self.problem, kind, recipe, each=each, left=left, device=self.device)

        decision = self.journal.decide(f"train {kind}", choose)
        if not decision["take"]:
            self.left_out = f" Training a net ({kind}) was left out: {decision['reason']}."
            self._skip(kind, decision["reason"])
            return None
        card = None if kind == "scratch" or best is None else best.parts[0].card
        self.listener.say(f"Next: {kind}" + ("" if card is None else f" {card.model}"))
        left = self.deadline.remaining()
        later = SMALL_SHARE * left if self.small and self.cards and np.isfinite(left) else 0.0
        outcome = train_net(
            self.problem,
            recipe,
            card=card,
            seed=self.seed,
            device=self.device,
            folder=folder,
            resume=resume,
            deadline=self.deadline.reserving(each * self.tests + later),
            listener=self.listener,
        )
        self.seconds["fit"] += outcome.seconds["fit"]
        self.tried += [{**attempt, "chosen": False} for attempt in outcome.tried]
        return outcome

    # ---- what came of it --------------------------------------------------------------------------------

    def outcome(self, best: _Best | None, net: Outcome | None) -> Outcome:
        """The better of the two on the val part, as an estimator."""
        if net is not None and (best is None or net.tried[0]["value"] < (best.attempt["value"] or np.inf)):
            return self._net_outcome(net)
        if best is None:
            raise ModelError(
                "There was neither a backbone nor time for a net. Name a backbone with --model, give "
                "--weights, or give a longer --budget."
            )
        best.attempt["chosen"] = True
        pool, cards = self._known_pool(), [part.card for part in best.parts]
        began = time.perf_counter()
        scale, centre = self.target["scale"], self.target["centre"]
        head = best.candidate.build()
        model = backbone_estimator(cards, head, centre=centre, scale=scale, pooling=self.pooling).eval()
        plain = np.concatenate([part.features[0] for part in best.parts], axis=1)  # (image, feature)
        trained = len(self.rows) - len(self.problem.val)
        with torch.inference_mode():
            known = model.logits_from_features(torch.from_numpy(plain[:trained]))[:, 0].double().numpy()
        residuals = (pool.targets - best.candidate.estimates) * scale
        self.seconds["fit"] += time.perf_counter() - began
        return Outcome(
            model=model,
            strategy="probe",
            val_estimates=self._of_val(best.candidate.estimates) * scale + centre,
            calibration=calibrate(residuals, pool.folds),
            train_scores={"n": trained, "mae": float(np.abs(known - pool.targets[:trained]).mean() * scale)},
            tried=tuple(self.tried),
            stopped="Every kind of head on every usable backbone was tried." + self.left_out,
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            images={"embed": self.embedded_images},
            licences=tuple(licence_of(card) for card in cards),
        )

    def _net_outcome(self, net: Outcome) -> Outcome:
        own = {attempt["name"] for attempt in net.tried}
        return replace(
            net,
            tried=tuple({**attempt, "chosen": attempt["name"] in own} for attempt in self.tried),
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            images={"embed": self.embedded_images, **net.images},
        )

    def _skip(self, name: str, reason: str) -> None:
        self.listener.say(f"{name}: left out, {reason}")
        self.tried.append({"name": name, "value": None, "note": f"left out: {reason}", "chosen": False})
