"""`auto` and `probe`: try what is cheap first, keep what is best, stop where more could not be told apart.

The rungs, in order: always the commonest class; a kernel head on each usable backbone, the largest file
first; backbones joined; other kinds of head on the best of these; and for `auto` a net, trained from
scratch on small images and fine-tuned on photos. Heads are compared on images of the train and val parts
that they had not learned from (cross-validation), a head and a net on the val part. The test part is shut.

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

from mindle.errors import DataError, ModelError
from mindle.evaluation import wilson
from mindle.evaluation.thresholds import fit_thresholds, held_out_answers
from mindle.models.classifier import backbone_classifier
from mindle.models.heads import Head
from mindle.models.weights import WeightCard
from mindle.records import SILENT, InputSpec, Listener
from mindle.training.augment import stronger
from mindle.training.batches import draw
from mindle.training.budget import Deadline
from mindle.training.features import Engine
from mindle.training.imbalance import WORTH_TRYING, balanced_weights, choose_method, ratio
from mindle.training.nets import SMALL_SIDE, licence_of, train_net
from mindle.training.probe import (
    Block,
    Candidate,
    Directions,
    Joined,
    Pool,
    blend,
    blend_helps,
    block_of,
    clearly_better,
    fit_logistic,
    fit_net,
    fit_rbf,
    fold_numbers,
    logistic_flops,
    rbf_flops,
)
from mindle.training.problem import Outcome, Problem
from mindle.training.recipe import Recipe, read_recipe
from mindle.training.resampling import smote_is_there, with_made_up_rows

# Heads learn from no more images than this; kernels of more would not fit in a laptop's memory.
MOST_IMAGES, FEWEST_IMAGES = 20_000, 200
# With so few mistakes even a rung without any could not be told apart: the sign test of 5 against 0 gives
# 0.06. On few images that would often be so, and another rung costs little there.
FEW_MISTAKES, FEW_SHARE = 5, 0.02
# Share of a large matrix product's rate that fitting a head reaches; a low guess, so that a budget is kept.
EFFICIENCY = 0.25
# Share of the time left that embedding one backbone may take: small images leave more to a net. Augmented
# views are a refinement: they are dropped before another backbone, and long before images, has to be.
PHOTO_SHARE, SMALL_SHARE, VIEWS_SHARE = 0.6, 0.25, 0.25
# A training step of PyTorch, forward and backward, against one forward pass of the engine that embeds.
TRAINING_COST = {"cpu": 7.5, "cuda": 3.5}
LEAST_NET_SECONDS = 20.0
LARGER = ("convnext_tiny.in12k_ft_in1k", "114 MB")
LARGE_BYTES = 60_000_000

# Augmented views help where images are few. Log loss on 450 flowers after 100, 300 and 700 photos (Lite0,
# five draws): 0.483, 0.334, 0.250 with none, 0.472, 0.324, 0.240 with two; out of fold on 1,499: 0.265 with
# none, 0.268 with two, at three times the cost.
MOST_VIEWS, MOST_VIEWED_ROWS = 2, 2500
MOST_SCARCE_VIEWS = 8

Decision = Mapping[str, Any]


def climb(
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
    threads: int | None = None,
) -> Outcome:
    """Try baselines, probes, joined probes and a net, as far as the data and the time allow.

    Args:
        problem: The data; its test part stays shut.
        cards: The backbones that may be used.
        recipe: Its `probe`, `augment` and `model.pooling` parts are used.
        deadline: When everything here must be over.
        device: Where nets are trained and, if it is CUDA, images are embedded; the CPU unless set.
        folder: The run folder, for the checkpoint of a net.
        resume: Go on from that checkpoint.
        replay: Decisions of the interrupted run, which are repeated whatever the clock says.
        record: Is told each new decision.
        seed: Governs folds and everything drawn.
        listener: Hears what was tried.
        threads: Of ONNX Runtime; as many as there are cores unless set.

    Returns:
        The best classifier, with what was tried and why nothing more was.

    Raises:
        ModelError: If there is neither a backbone nor time for a net.
    """
    journal = Journal(replay, record)
    device = device or torch.device("cpu")
    ladder = _Ladder(problem, cards, recipe, deadline, device, journal, seed, listener, threads)
    if ladder.small:
        # Blown up to a backbone's size, small images cost a thousand times the disk and tell nothing new.
        net = ladder.net(None, folder, resume)
        best = None if ladder.stopped else ladder.probes(forced=net is None)
    else:
        best = ladder.probes(forced=False)
        net = None if ladder.stopped else ladder.net(best, folder, resume)
    if best is None and net is None:
        best = ladder.probes(forced=True)
    return ladder.outcome(best, net)


def probe(
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
    threads: int | None = None,
) -> Outcome:
    """As `climb`, but heads on frozen backbones only.

    `folder` and `resume` are taken so that every strategy is called alike: features are found again in the
    cache, and need no checkpoint.

    Raises:
        ModelError: If there is no backbone.
    """
    journal = Journal(replay, record)
    device = device or torch.device("cpu")
    ladder = _Ladder(problem, cards, recipe, deadline, device, journal, seed, listener, threads)
    return ladder.outcome(ladder.probes(forced=True), None)


class Journal:
    """Decisions: made once, recorded, and on resume repeated in the same order.

    Example:
        >>> made = []
        >>> Journal([], made.append).decide("embed", lambda: {"take": True})
        {'step': 'embed', 'take': True}
        >>> Journal(made, print).decide("embed", lambda: {"take": False})["take"]
        True
    """

    def __init__(self, replay: Sequence[Decision], record: Callable[[Decision], None]) -> None:
        self._replay = [dict(decision) for decision in replay]
        self._record = record

    def decide(self, step: str, choose: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The recorded decision of this step, or a new one."""
        if self._replay and self._replay[0].get("step") == step:
            return self._replay.pop(0)
        # What was recorded by other rules (another version) says nothing from here on.
        self._replay.clear()
        decision = {"step": step, **choose()}
        self._record(decision)
        return decision


def common_layout(cards: Sequence[WeightCard]) -> list[WeightCard]:
    """The cards, with those of nearly the commonest size brought to that size.

    Backbones can be joined only where they take the same pixels, and pixels of one size are decoded once.
    Convolutional nets hardly mind: EfficientNet-Lite2 at 224 instead of 260 px answers 90.3 % of 1,500
    flowers right, out of fold, about as many as Lite1 and Lite0. Nets with one position a patch stay.

    Example:
        >>> from mindle.models.weights import find_weights
        >>> lite = [card for card in find_weights() if card.model.startswith("tf_efficientnet_lite")]
        >>> {card.spec.height for card in common_layout(lite)}
        {224}
    """
    layouts = [layout_of(card.spec) for card in cards]
    if len(set(layouts)) < 2:
        return list(cards)
    height, width, fit, interpolation = max(layouts, key=layouts.count)  # the first of equals
    found = []
    for card, (own_height, own_width, *rest) in zip(cards, layouts, strict=True):
        near = max(abs(own_height / height - 1), abs(own_width / width - 1)) <= 0.2
        if near and rest == [fit, interpolation] and _any_size(card):
            card = replace(card, spec=replace(card.spec, height=height, width=width))
        found.append(card)
    return found


def views_of(recipe: Recipe, problem: Problem) -> int:
    """How many augmented views of each image heads learn from, besides the plain one."""
    wish = recipe.probe.views
    if not isinstance(wish, str):
        return wish
    few = MOST_VIEWED_ROWS // max(len(problem.train) + len(problem.val), 1) - 1
    return max(0, min(MOST_VIEWS, few))


def rows_to_learn(problem: Problem, images: int, *, seed: int = 0) -> NDArray[np.int64]:
    """The rows that heads learn from: of train as many as fit into `images`, then all of val."""
    train, val = problem.train, problem.val
    wanted = max(images - len(val), min(len(train), FEWEST_IMAGES))
    if wanted < len(train):
        drawn = np.random.default_rng(draw(seed, len(train))).choice(len(train), wanted, replace=False)
        train = train[np.sort(drawn)]
    return np.concatenate([train, val])


def pool_of(problem: Problem, rows: NDArray[np.int64], *, folds: int, views: int, seed: int = 0) -> Pool:
    """Labels and folds of the rows that heads learn from.

    Raises:
        DataError: If all of them belong to one group.
    """
    labels = problem.labels(rows)
    return Pool(
        labels=labels,
        classes=len(problem.classes),
        folds=folds_of(problem, rows, labels, folds=folds, seed=seed),
        views=views,
    )


def folds_of(
    problem: Problem, rows: NDArray[np.int64], strata: NDArray[np.int64], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold of each row that heads learn from: every stratum spread evenly, groups kept whole.

    Raises:
        DataError: If all rows belong to one group.
    """
    groups = problem.groups(rows)
    if len(np.unique(groups)) < 2:
        raise DataError(
            f"Cross-validation needs images of at least two groups. Received {len(rows):,} images of "
            "one group. Give the groups finer names, or take --strategy finetune."
        )
    return fold_numbers(strata, groups, folds=folds, seed=seed)


def few_mistakes(wrong: int, n: int) -> bool:
    """Whether even an attempt without mistakes could not be told from one with so many.

    Example:
        >>> few_mistakes(5, 1000), few_mistakes(5, 100)
        (True, False)
    """
    return wrong <= min(FEW_MISTAKES, FEW_SHARE * n)


def afford_net(
    problem: Problem, kind: str, recipe: Recipe, *, each: float, left: float, device: torch.device
) -> dict[str, Any]:
    """Whether a net may be trained in the time that is left, as a decision.

    Args:
        problem: The data.
        kind: "scratch" or "finetune".
        recipe: How it would be trained.
        each: Seconds that its backbone takes for an image.
        left: Seconds.
        device: Where.
    """
    if not len(problem.val):
        return {"take": False, "reason": "there are no val images to compare it on"}
    if kind == "scratch":
        # `fit` plans as many epochs as there is time for.
        if left >= LEAST_NET_SECONDS:
            return {"take": True}
        return {"take": False, "reason": f"only {max(left, 0):.0f} s are left"}
    cost = TRAINING_COST.get(device.type, TRAINING_COST["cpu"]) * each
    seconds = recipe.train.epochs * cost * len(problem.train)
    if seconds <= 2 * left:  # half of the epochs are worth a try
        return {"take": True}
    return {
        "take": False,
        "reason": f"{recipe.train.epochs} epochs of {len(problem.train):,} images would take about "
        f"{seconds / 60:.0f} minutes, and {max(left, 0) / 60:.1f} are left; a longer --budget or a GPU "
        "makes room",
    }


def _any_size(card: WeightCard) -> bool:
    """Whether the network is one of the families known to be convolutional from input to pooling."""
    families = (
        "efficientnet",
        "mobilenet",
        "resnet",
        "resnext",
        "regnet",
        "densenet",
        "convnext",
        "squeezenet",
    )
    return any(family in card.model for family in families)


def layout_of(spec: InputSpec) -> tuple[int, int, str, str]:
    """What backbones must share to take the same pixels, and so to be joined."""
    return (spec.height, spec.width, spec.fit, spec.interpolation)


# ---- the ladder -------------------------------------------------------------------------------------------


@dataclass
class _Embedded:
    """A backbone whose features are there."""

    card: WeightCard
    raw: NDArray[np.float32]  # (image, feature), plain
    block: Block
    seconds_an_image: float


@dataclass
class _Best:
    """The best head so far, and the backbones it stands on."""

    candidate: Candidate
    parts: list[_Embedded]
    attempt: dict[str, Any]
    blended: tuple[str, ...] = ()  # kinds of head in a blend

    @property
    def seconds_an_image(self) -> float:
        return sum(part.seconds_an_image for part in self.parts)


@dataclass
class _Net:
    """A trained net and how it did on the val part."""

    outcome: Outcome
    accuracy: float
    log_loss: float


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
    threads: int | None
    tried: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"embed": 0.0, "fit": 0.0})
    embedded_images: int = 0
    thresholds: tuple[float, ...] = ()
    stopped: str = ""
    left_out: str = ""

    def __post_init__(self) -> None:
        self.cards = sorted(common_layout(self.given), key=lambda card: -card.size_bytes)
        self.small = max(self.problem.typical_size) <= SMALL_SIDE
        self.val_labels = self.problem.labels(self.problem.val)
        self.tests = len(self.problem.dataset.rows("test"))  # how many, for the time that judging takes
        self.pooling = "avg" if self.recipe.model.pooling == "none" else self.recipe.model.pooling
        self.views = views_of(self.recipe, self.problem)
        self.together = "+" in self.recipe.model.name  # the recipe says which backbones stand side by side
        self.share = SMALL_SHARE if self.small else PHOTO_SHARE
        self.flops_a_second = EFFICIENCY * measured_flops()
        self.pool: Pool | None = None
        self.rows = np.concatenate([self.problem.train, self.problem.val])
        self._commonest()

    # ---- probes -----------------------------------------------------------------------------------------

    def probes(self, *, forced: bool) -> _Best | None:
        """The best head on the best backbones; None where none could be afforded."""
        embedded: list[_Embedded] = []
        singles: list[_Best] = []
        for card in self.cards:
            part = self._embed(card, forced=(forced and not embedded) or self.together)
            if part is None:
                continue
            embedded.append(part)
            if self.together:
                continue
            singles.append(self._rank([part], card.model))
            if self._few_mistakes(singles[-1]):
                break
        if self.together:
            best = self._rank(embedded, " + ".join(part.card.model for part in embedded))
            self._few_mistakes(best)
            return self._finish(best)
        if not singles:
            return None
        best = min(singles, key=lambda single: single.candidate.log_loss)
        if not self.stopped and self.recipe.probe.join:
            best = self._join(best, embedded)
        return self._even_out(self._finish(best))

    def _commonest(self) -> None:
        """What always naming the commonest class would reach."""
        labels = self.problem.labels(self.problem.train)
        commonest = int(np.bincount(labels).argmax())
        right = int((self.val_labels == commonest).sum())
        name = self.problem.classes[commonest]
        self._note("majority", right, 0.0, f"always {name!r}, the commonest class")

    def _embed(self, card: WeightCard, *, forced: bool) -> _Embedded | None:
        began = time.perf_counter()
        device = "cuda" if self.device.type == "cuda" else "cpu"
        engine = Engine(
            card,
            pooling=self.pooling,
            cache=self.problem.cache,
            listener=self.listener,
            threads=self.threads or os.cpu_count(),
            device=device,
        )
        decision = self.journal.decide(f"embed {card.name}", lambda: self._afford(engine, forced))
        if not decision["take"]:
            self._skip(f"probe {card.model}", decision["reason"])
            return None
        if self.pool is None:
            self._settle_pool(int(decision["images"]), int(decision["views"]))
        pixels = self.problem.pixels(self.rows, card.spec, self.listener)
        keys, seen = self.problem.keys(self.rows), self._seen(self.views)
        self.embedded_images += engine.missing(keys, **seen)
        features = engine.embed(pixels, keys, **seen)  # (view, image, feature)
        block = block_of(features)
        if self.recipe.train.scarce:
            block = block.with_rows(self._more_of_scarce(engine))
        self.seconds["embed"] += time.perf_counter() - began
        return _Embedded(
            card=card,
            raw=features[0],
            block=block,
            seconds_an_image=float(decision["seconds_an_image"]),
        )

    def _afford(self, engine: Engine, forced: bool) -> dict[str, Any]:
        """Whether this backbone fits into what is left, and on how many images."""
        some = self.problem.pixels(self.rows[:16], engine.card.spec, self.listener)
        each = engine.seconds_an_image(some)
        left = self.deadline.remaining()
        val, train = len(self.problem.val), len(self.problem.train)
        images, views = len(self.rows), self.views
        if self.pool is None:
            images = min(val + train, max(MOST_IMAGES, val))
            # Judging takes every test image once more.
            spare = VIEWS_SHARE * left - each * self.tests
            while views and each * self._rows_to_embed(engine, views) > spare:
                views -= 1
        missing = self._rows_to_embed(engine, views)
        cost = each * missing / max(len(self.rows), 1)  # of an image, with its views
        room = self.share * left - each * self.tests - self._head_seconds(images, views)
        if self.pool is None and images * cost > room:
            fewest = min(val + train, val + FEWEST_IMAGES)
            images = max(fewest, int(room / cost)) if room > 0 else fewest
        enough = images * cost <= room
        half = images >= val + train / 2 or not self.small
        facts = {"images": images, "views": views, "seconds_an_image": round(each, 6)}
        if forced or (enough and half):
            return {"take": True, **facts}
        return {
            "take": False,
            "reason": f"embedding {missing:,} images would take about {missing * each:.0f} s, and "
            f"{left:.0f} s are left",
            **facts,
        }

    def _seen(self, views: int) -> dict[str, Any]:
        """How each image is looked at, as `Engine` takes it."""
        return {"views": views, "augment": self.recipe.augment, "seed": self.seed}

    def _rows_to_embed(self, engine: Engine, views: int) -> int:
        """Images and views of them that the cache lacks."""
        return engine.missing(self.problem.keys(self.rows), **self._seen(views))

    def _more_of_scarce(self, engine: Engine) -> NDArray[np.float32]:
        """Features (row, feature) of further, stronger augmented views of images of scarce classes.

        The first backbone's call says which, in the pool; the others follow.
        """
        pool = self._known_pool()
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

    def _settle_pool(self, images: int, views: int) -> None:
        """Which images heads learn from: all of val, and as many of train as fit, and how many views."""
        if views < self.views:
            self.listener.say(f"Augmented views of each image: {views} instead of {self.views}, for time.")
        self.views = views
        self.rows = rows_to_learn(self.problem, images, seed=self.seed)
        wanted, train = len(self.rows) - len(self.problem.val), len(self.problem.train)
        if wanted < train:
            self.listener.say(f"Heads learn from {wanted:,} of {train:,} training images.")
        pool = pool_of(self.problem, self.rows, folds=self.recipe.probe.folds, views=views, seed=self.seed)
        weights = None
        if self.recipe.train.balance in ("weights", "sampling"):
            # A head sees every row at each step: to be drawn more often is to weigh more.
            weights = balanced_weights(pool.labels, pool.classes)
        self.pool = replace(pool, weights=weights, focal=self.recipe.train.focal)

    def _known_pool(self) -> Pool:
        if self.pool is None:
            raise ValueError("`_settle_pool` must be called before a head is fitted.")
        return self.pool

    def _head_seconds(self, images: int, views: int) -> float:
        """Roughly what one fit of the kernel head takes."""
        return rbf_flops(images * (views + 1)) / self.flops_a_second

    def _rank(self, parts: list[_Embedded], name: str) -> _Best:
        """A quick kernel head, to compare backbones by."""
        began = time.perf_counter()
        kinds = self._kinds()
        kind = "rbf" if "rbf" in kinds else kinds[0]
        candidate = self._fit(kind, parts, search=False)
        seconds = time.perf_counter() - began
        attempt = self._attempt(f"{kind} head on {name}", candidate, seconds)
        return _Best(candidate=candidate, parts=parts, attempt=attempt)

    def _kinds(self) -> tuple[str, ...]:
        """Kinds of head to try; least squares have no focal form, so that those heads stand back for it."""
        kinds = self.recipe.probe.heads
        return tuple(kind for kind in kinds if kind != "rbf" or not self.recipe.train.focal) or kinds

    def _fit(
        self, kind: str, parts: list[_Embedded], *, search: bool, balance: str | None = None
    ) -> Candidate:
        """Fit a kind of head; `balance` is the recipe's unless another is tried."""
        began = time.perf_counter()
        settings = self.recipe.probe
        pool, joined = self._known_pool(), Joined([part.block for part in parts])
        if balance == "weights":
            pool = replace(pool, weights=balanced_weights(pool.labels, pool.classes))
        if (balance or self.recipe.train.balance) == "smote":
            pool, joined = with_made_up_rows(pool, joined, seed=self.seed)
        if kind == "rbf":
            fixed = (settings.rbf_gamma, settings.rbf_penalty)
            candidate = fit_rbf(pool, joined, seed=self.seed, search=search, fixed=fixed)
        elif kind == "logistic":
            directions = Directions(joined, self.seed)
            candidate = fit_logistic(pool, joined, directions, fixed=settings.logistic_penalty)
        else:
            directions = Directions(joined, self.seed)
            units, dropout = settings.net_units, settings.net_dropout
            candidate = fit_net(pool, joined, directions, seed=self.seed, units=units, dropout=dropout)
        self.seconds["fit"] += time.perf_counter() - began
        return candidate

    def _join(self, best: _Best, embedded: list[_Embedded]) -> _Best:
        """Add the backbone that helps most, as long as one clearly does and there is time."""
        while True:
            layout = layout_of(best.parts[0].card.spec)
            rest = [
                part
                for part in embedded
                if all(part is not own for own in best.parts) and layout_of(part.card.spec) == layout
            ]
            if not rest:
                return best
            names = [part.card.model for part in best.parts]
            seconds = self._head_seconds(len(self._known_pool()), self.views) * len(rest)
            decision = self.journal.decide(f"join {'+'.join(names)}", partial(self._time_for, seconds))
            if not decision["take"]:
                self._skip(f"{' + '.join(names)} joined with others", decision["reason"])
                return best
            trials = [self._rank([*best.parts, part], " + ".join([*names, part.card.model])) for part in rest]
            found = min(trials, key=lambda trial: trial.candidate.log_loss)
            if not clearly_better(found.candidate, best.candidate):
                found.attempt["note"] += "; not clearly better than with one backbone less"
                return best
            best = found
            if self._few_mistakes(best):
                return best

    def _finish(self, best: _Best) -> _Best:
        """Other kinds of head on the chosen backbones, with their settings searched, and a blend of two."""
        began = time.perf_counter()
        name = " + ".join(part.card.model for part in best.parts)
        found = [best]
        for kind in self._kinds():
            if self.stopped and kind != best.candidate.kind:
                continue
            cost = self._kind_seconds(kind, best)
            decision = self.journal.decide(f"{kind} on {name}", partial(self._time_for, cost))
            if not decision["take"]:
                self._skip(f"{kind} head on {name}", decision["reason"])
                continue
            began = time.perf_counter()
            candidate = self._fit(kind, best.parts, search=True)
            seconds = time.perf_counter() - began
            searched = f"{kind} head on {name}" + (", settings searched" if kind == "rbf" else "")
            attempt = self._attempt(searched, candidate, seconds)
            found.append(_Best(candidate=candidate, parts=best.parts, attempt=attempt))
        found.sort(key=lambda entry: entry.candidate.log_loss)  # stable: the first of equals
        chosen = found[0]
        other = next((entry for entry in found if entry.candidate.kind != chosen.candidate.kind), None)
        if other is not None:
            mixed = blend(chosen.candidate, other.candidate)
            kinds = f"{chosen.candidate.kind} and {other.candidate.kind}"
            attempt = self._attempt(f"{kinds} heads on {name}, blended", mixed, 0.0)
            if blend_helps(mixed, chosen.candidate):
                kinds_of = (chosen.candidate.kind, other.candidate.kind)
                chosen = _Best(candidate=mixed, parts=best.parts, attempt=attempt, blended=kinds_of)
        return chosen

    # ---- imbalance --------------------------------------------------------------------------------------

    def _even_out(self, best: _Best) -> _Best:
        """What helps classes with few images, where the recipe asks for it."""
        settings, chosen = self.recipe.train, "none"
        if settings.balance == "auto":
            best, chosen = self._best_evened(best)
        if settings.thresholds or chosen == "thresholds":
            probabilities, labels = np.exp(best.candidate.log_probabilities), self._known_pool().labels
            self.thresholds = tuple(fit_thresholds(probabilities, labels).tolist())
        return best

    def _best_evened(self, best: _Best) -> tuple[_Best, str]:
        """The head with the method that is clearly better by macro-F1 out of fold, and its name."""
        pool = self._known_pool()
        if ratio(pool.labels) < WORTH_TRYING or self.stopped:
            words = f"the largest class has {ratio(pool.labels):.1f} times the smallest's images"
            self._skip("imbalance", self.stopped or words)
            return best, "none"
        kinds = best.blended or (best.candidate.kind,)
        trials: dict[str, _Best] = {}
        for method in ("weights", "smote") if smote_is_there() else ("weights",):
            cost = sum(self._kind_seconds(kind, best) for kind in kinds)
            decision = self.journal.decide(f"imbalance {method}", partial(self._time_for, cost))
            if decision["take"]:
                trials[method] = self._evened(best, kinds, method)
            else:
                self._skip(f"imbalance: {method}", decision["reason"])
        answers = {name: trial.candidate.answers for name, trial in trials.items()}
        probabilities = np.exp(best.candidate.log_probabilities)
        answers["thresholds"] = held_out_answers(probabilities, pool.labels, pool.folds)
        chosen = self._note_evened(best, answers)
        return trials.get(chosen, best), chosen

    def _evened(self, best: _Best, kinds: tuple[str, ...], method: str) -> _Best:
        """The same kinds of head on the same backbones, fitted with a method."""
        began = time.perf_counter()
        found = [self._fit(kind, best.parts, search=True, balance=method) for kind in kinds]
        candidate = found[0] if len(found) == 1 else blend(*found)
        name = f"imbalance: {' and '.join(kinds)} with {method}"
        attempt = self._attempt(name, candidate, time.perf_counter() - began)
        return _Best(candidate=candidate, parts=best.parts, attempt=attempt, blended=best.blended)

    def _note_evened(self, best: _Best, answers: Mapping[str, NDArray[np.int64]]) -> str:
        """Which method is clearly better than none, and a line that says why."""
        labels, plain = self._known_pool().labels, best.candidate.answers
        chosen, reason = choose_method(labels, plain, answers, len(self.problem.classes), seed=self.seed)
        right = (answers.get(chosen, plain) == labels)[len(self.rows) - len(self.problem.val) :]
        self.listener.say(f"imbalance: {reason}")
        self._note(f"imbalance: {chosen}", int(right.sum()), 0.0, reason)
        return chosen

    def _kind_seconds(self, kind: str, best: _Best) -> float:
        pool = self._known_pool()
        if kind == "rbf":
            return 7 * self._head_seconds(len(pool), self.views)
        features = sum(part.raw.shape[1] for part in best.parts)
        if kind == "logistic":
            return logistic_flops(pool, features) / self.flops_a_second
        directions = float(min(pool.rows, features, 2500))
        return 10.0 + 12 * directions**3 / self.flops_a_second

    def _time_for(self, seconds: float) -> dict[str, Any]:
        left = self.deadline.remaining()
        if seconds <= left:
            return {"take": True}
        return {"take": False, "reason": f"would take about {seconds:.0f} s, and {left:.0f} s are left"}

    def _few_mistakes(self, best: _Best) -> bool:
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

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: _Best | None, folder: Path | None, resume: bool) -> _Net | None:
        """Train a net where that may help and there is time."""
        kind = "scratch" if self.small or best is None else "finetune"
        recipe = self._net_recipe(kind)
        each = 0.0 if best is None else best.parts[0].seconds_an_image
        decision = self.journal.decide(f"train {kind}", lambda: self._afford_net(kind, recipe, each))
        if not decision["take"]:
            self.left_out = f" Training a net ({kind}) was left out: {decision['reason']}."
            self._skip(kind, decision["reason"])
            return None
        card = None if kind == "scratch" or best is None else best.parts[0].card
        self.listener.say(f"Next: {kind}" + ("" if card is None else f" {card.model}"))
        outcome = train_net(
            self.problem,
            recipe,
            card=card,
            seed=self.seed,
            device=self.device,
            folder=folder,
            resume=resume,
            deadline=self.deadline.reserving(self._reserve(each)),
            listener=self.listener,
        )
        self.seconds["fit"] += outcome.seconds["fit"]
        self.tried += [{**attempt, "chosen": False} for attempt in outcome.tried]
        wrong = int((outcome.val_probabilities.argmax(axis=1) != self.val_labels).sum())
        self._stop_at(wrong, len(self.val_labels), "val images are answered wrong")
        known = outcome.val_probabilities[np.arange(len(self.val_labels)), self.val_labels]
        return _Net(
            outcome=outcome,
            accuracy=1 - wrong / len(self.val_labels),
            log_loss=float(-np.log(np.maximum(known, 1e-12)).mean()),
        )

    def _reserve(self, each: float) -> float:
        """Seconds that training must leave: for judging, and on small images for a probe after it."""
        left = self.deadline.remaining()
        later = SMALL_SHARE * left if self.small and self.cards and np.isfinite(left) else 0.0
        return each * self.tests + later

    def _net_recipe(self, kind: str) -> Recipe:
        """The named recipe, with the input that was asked for, and what was asked for scarce classes."""
        recipe, asked = read_recipe(kind), self.recipe.train
        balance = asked.balance if asked.balance not in ("none", "smote") else recipe.train.balance
        train = replace(
            recipe.train,
            balance=balance,
            scarce=asked.scarce,
            focal=asked.focal,
            thresholds=asked.thresholds,
        )
        return replace(recipe, input=self.recipe.input, train=train)

    def _afford_net(self, kind: str, recipe: Recipe, each: float) -> dict[str, Any]:
        left = self.deadline.remaining() - each * self.tests
        return afford_net(self.problem, kind, recipe, each=each, left=left, device=self.device)

    # ---- what came of it --------------------------------------------------------------------------------

    def outcome(self, best: _Best | None, net: _Net | None) -> Outcome:
        """The better of the two, as a classifier."""
        if net is not None and (best is None or self._net_wins(best, net)):
            return self._net_outcome(net)
        if best is None:
            raise ModelError(
                "There was neither a backbone nor time for a net. Name a backbone with --model, give "
                "--weights, or give a longer --budget."
            )
        candidate, pool = best.candidate, self._known_pool()
        began = time.perf_counter()
        head = candidate.build(1.0)
        raw = np.concatenate([part.raw for part in best.parts], axis=1)  # (image, feature)
        trained = len(self.rows) - len(self.problem.val)
        right = (_answers(head, raw[:trained]) == pool.labels[:trained]).mean()
        cards = [part.card for part in best.parts]
        model = backbone_classifier(cards, head, classes=self.problem.classes, pooling=self.pooling).eval()
        self.seconds["fit"] += time.perf_counter() - began
        best.attempt["chosen"] = True
        return Outcome(
            model=model,
            strategy="probe",
            temperature=candidate.temperature,
            val_probabilities=np.exp(candidate.log_probabilities[trained:]),
            train_scores={"n": trained, "accuracy": float(right)},
            tried=tuple(self.tried),
            stopped=self.stopped or "Every kind of head on every usable backbone was tried." + self.left_out,
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            images={"embed": self.embedded_images},
            licences=tuple(licence_of(card) for card in cards),
            advice=self._advice(best),
            thresholds=self.thresholds,
        )

    def _net_outcome(self, net: _Net) -> Outcome:
        own = {attempt["name"] for attempt in net.outcome.tried}
        tried = tuple({**attempt, "chosen": attempt["name"] in own} for attempt in self.tried)
        return replace(
            net.outcome,
            tried=tried,
            stopped=self.stopped or net.outcome.stopped,
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            images={"embed": self.embedded_images, **net.outcome.images},
        )

    def _net_wins(self, best: _Best, net: _Net) -> bool:
        """More right answers on the val part, or as many with a lower cross-entropy."""
        val = slice(len(self.rows) - len(self.problem.val), None)
        accuracy = float(best.candidate.right[val].mean())
        loss = float(best.candidate.losses[val].mean())
        return (net.accuracy, -net.log_loss) > (accuracy, -loss)

    def _attempt(self, name: str, candidate: Candidate, seconds: float) -> dict[str, Any]:
        """Note how a head did: on the val part, and in the note on all images it was cross-validated on."""
        val = candidate.right[len(self.rows) - len(self.problem.val) :]
        accuracy = float(candidate.right.mean())
        note = (
            f"cross-validated {accuracy:.1%} of {len(candidate.right):,}, log loss {candidate.log_loss:.3f}"
        )
        self.listener.say(f"{name}: {note} ({seconds:.1f} s)")
        return self._note(name, int(val.sum()), seconds, note)

    def _note(self, name: str, right: int, seconds: float, note: str) -> dict[str, Any]:
        n = len(self.val_labels)
        low, high = wilson(right, n)
        attempt = {
            "name": name,
            "value": right / n if n else None,
            "low": low,
            "high": high,
            "seconds": round(seconds, 2),
            "note": note,
            "chosen": False,
        }
        self.tried.append(attempt)
        return attempt

    def _skip(self, name: str, reason: str) -> None:
        self.listener.say(f"{name}: left out, {reason}")
        self.tried.append({"name": name, "value": None, "note": f"left out: {reason}", "chosen": False})

    def _advice(self, best: _Best) -> str:
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


def measured_flops() -> float:
    """Multiplications and additions a second in a matrix product, on all threads."""
    a = np.ones((768, 768))
    a @ a  # wakes the threads
    began = time.perf_counter()
    a @ a
    return float(2 * 768**3 / max(time.perf_counter() - began, 1e-6))


@torch.inference_mode()
def _answers(head: Head, features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which class the head names for raw features (image, feature)."""
    pieces = [
        head(torch.from_numpy(features[start : start + 512])).argmax(1).numpy()
        for start in range(0, len(features), 512)
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
