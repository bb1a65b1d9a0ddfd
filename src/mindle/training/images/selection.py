"""Model selection of `auto` and `probe`: cheap candidates first; the best is kept.

In order: a baseline that needs no picture; heads on the features of each usable backbone, the largest file
first; concatenated backbones; and for `auto` a net, trained from scratch on small images and fine-tuned on
photos. Heads are compared by cross-validation over the train and val splits, a head and a net on the val
split. The test split is sealed.

Here is what every model selection does. Which heads there are and which of two is better is said by
`class_selection` and `number_selection`.

Whatever depends on the clock is a decision: recorded when it is made, and repeated when a run is resumed.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial, reduce
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError, ModelError
from mindle.messages import message
from mindle.models.pretrained.weights import WeightCard
from mindle.records import InputSpec
from mindle.training.budget import REFERENCE_FLOPS, TimeUp, duration
from mindle.training.images.answer_cost import LEAST_SAVING
from mindle.training.images.attempts import both
from mindle.training.images.features import Engine
from mindle.training.images.heads.candidates import Candidate
from mindle.training.images.heads.data import BackboneFeatures, HeadData, block_of, fold_numbers
from mindle.training.images.heads.kernel import rbf_flops
from mindle.training.images.nets import SMALL_SIDE, licence_of, train_net
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.batches import draw
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe, read_recipe
from mindle.training.settings import PREFERENCES

# Heads learn from no more images than this; kernels of more would not fit in a laptop's memory.
MOST_IMAGES, FEWEST_IMAGES = 20_000, 200
# Share of the rate of large matrix products on one thread that fitting a head reaches on all of them; a low
# guess, so that a budget holds.
EFFICIENCY = 0.5
# Share of the time left that embedding one backbone may take: small images leave more to a net. Augmented
# views are a refinement: they are dropped before another backbone, and long before images, has to be.
PHOTO_SHARE, SMALL_SHARE, VIEWS_SHARE = 0.6, 0.25, 0.25
# Of small images, heads must learn from this share of the train part: a net learns from all of it.
SMALL_LEAST = 0.5
# A training step of PyTorch, forward and backward, against one forward pass of the engine that embeds.
TRAINING_COST = {"cpu": 7.5, "cuda": 3.5}
LEAST_NET_SECONDS = 20.0
# What so many images took to embed says more of the next than one batch does.
MANY_IMAGES = 48
# Making the graph of a backbone takes as long as so many pieces of reference work, until one was made.
OPENING_WORK = 50
# Where preparing all backbones takes more than this share of the time, the smallest comes first.
OPENING_SHARE = 0.1
# What is about to be done is taken to last this much longer than it was measured, for ups and downs.
SLACK = 1.15

# Augmented views help where images are few. Log loss on 450 flowers after 100, 300 and 700 photos (Lite0,
# five draws): 0.483, 0.334, 0.250 with none, 0.472, 0.324, 0.240 with two; out of fold on 1,499: 0.265 with
# none, 0.268 with two, at three times the cost.
MOST_VIEWS, MOST_VIEWED_ROWS = 2, 2500

T = TypeVar("T")
C = TypeVar("C", bound=Candidate)


def common_layout(cards: Sequence[WeightCard]) -> list[WeightCard]:
    """The cards, with those of nearly the commonest size brought to that size.

    Backbones can be joined only where they take the same pixels, and pixels of one size are decoded once.
    Convolutional nets hardly mind: EfficientNet-Lite2 at 224 instead of 260 px answers 90.3 % of 1,500
    flowers right, out of fold, about as many as Lite1 and Lite0. Nets with one position a patch stay.

    Example:
        >>> from mindle.models.pretrained.weights import find_weights
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


def folds_of(
    problem: Problem, rows: NDArray[np.int64], strata: NDArray[np.int64], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold of each row that heads learn from: every stratum spread evenly, groups whole.

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


# ---- model selection --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)  # a part is equal to itself alone
class Part:
    """A backbone whose features are there.

    Attributes:
        card: The backbone.
        raw: Features of the plain images, (image, feature).
        block: These and those of augmented views, ready for a head.
        seconds_an_image: What embedding one takes.
    """

    card: WeightCard
    raw: NDArray[np.float32]
    block: BackboneFeatures
    seconds_an_image: float


@dataclass(frozen=True, kw_only=True)
class Ranked(Generic[C]):
    """The best head so far.

    Attributes:
        candidate: The head, and how it answered images that it had not learned from.
        parts: The backbones it stands on.
        attempt: How it is listed among what was tried.
    """

    candidate: C
    parts: Sequence[Part]
    attempt: dict[str, Any]

    @property
    def name(self) -> str:
        """Its backbones."""
        return names_of(self.parts)

    @property
    def seconds_an_image(self) -> float:
        """What an answer takes; a head adds little to its backbones."""
        return sum(part.seconds_an_image for part in self.parts)

    @property
    def raw(self) -> NDArray[np.float32]:
        """Features of the plain images, (image, feature), the backbones side by side."""
        return np.concatenate([part.raw for part in self.parts], axis=1)


def names_of(parts: Sequence[Part]) -> str:
    """Backbones as they are named where they answer together."""
    return " + ".join(part.card.model for part in parts)


@dataclass
class ModelSelection(ABC, Generic[C]):
    """One search for the best model: its input, what it has tried so far, and the time that is left.

    Attributes:
        problem: The data; its test part stays shut.
        cards: The backbones that may be used.
        recipe: Its `probe`, `augment`, `input` and `model.pooling` parts are used.
        context: Seed, device, run folder (for the checkpoint of a net), deadline, decisions, listener.
            Heads need no checkpoint: their features are found again in the cache.
    """

    problem: Problem
    _: KW_ONLY
    cards: Sequence[WeightCard]
    recipe: Recipe
    context: TrainingContext = field(default_factory=TrainingContext)

    # How often a kernel head is fitted before it is compared, for the time that this takes.
    fits_a_head: ClassVar[int]

    def __post_init__(self) -> None:
        self.cards = sorted(common_layout(self.cards), key=lambda card: -card.size_bytes)
        self.small = max(self.problem.typical_size) <= SMALL_SIDE
        self.tests = self.problem.test_count
        self.seed, self.listener = self.context.seed, self.context.listener
        self.decisions = self.context.decisions
        self.pooling = "avg" if self.recipe.model.pooling == "none" else self.recipe.model.pooling
        self.together = "+" in self.recipe.model.name  # the recipe says which backbones stand side by side
        self.costs = self.context.deadline.costs
        # What may have to be exported and evaluated: the costliest backbones that a head was fitted on.
        self.costliest: Sequence[Part] = ()
        self.engines: dict[str, Engine] = {}
        self.deadline = self.context.deadline.reserving(lambda left: self.after_seconds(self.costliest))
        self.views = 0  # that are embedded with each image at once
        self.rows = np.concatenate([self.problem.train, self.problem.val])
        self.rows_chosen = False  # whether these rows are those that heads learn from
        self.seconds = {"embed": 0.0, "fit": 0.0}
        self.embedded_images = 0
        self.stopped = ""
        self.skipped: list[str] = []  # for time
        self.tried = [self.baseline()]
        self.candidates: list[Ranked[C]] = []  # heads that were fitted, in order

    # ---- what a kind of head says of itself -------------------------------------------------------------

    @abstractmethod
    def baseline(self) -> dict[str, Any]:
        """What an answer that needs no picture reaches, as an attempt."""

    @abstractmethod
    def head_data(self) -> HeadData:
        """Truth and folds of the rows, which are now those that heads learn from."""

    @abstractmethod
    def rank(self, parts: Sequence[Part]) -> Ranked[C]:
        """The head on some backbones that these are compared by."""

    @abstractmethod
    def joined(self, best: Ranked[C], singles: Sequence[Ranked[C]]) -> Ranked[C]:
        """The best single backbone, with others that clearly help."""

    @abstractmethod
    def finished(self, best: Ranked[C]) -> Ranked[C]:
        """What else is tried on the chosen backbones."""

    @abstractmethod
    def attempt_of(self, name: str, candidate: C, seconds: float) -> dict[str, Any]:
        """How a head did: on the val part, and in the note on all images it was cross-validated on."""

    @abstractmethod
    def points_lost(self, best: C, other: C) -> float:
        """How many points worse another head may be than the best one; see `training.answer_cost`."""

    @abstractmethod
    def net_wins(self, best: Ranked[C], net: Outcome) -> bool:
        """Whether a net did better on the val part than the best head."""

    @abstractmethod
    def built(self, best: Ranked[C]) -> Outcome:
        """A model of the best head; what else was tried is added later."""

    def block(self, engine: Engine, features: NDArray[np.float32]) -> BackboneFeatures:
        """Features (view, image, feature), ready for a head."""
        return block_of(features)

    def net_recipe(self, kind: str) -> Recipe:
        """How a net is trained: by the recipe of that name, on the input that was asked for."""
        return replace(read_recipe(kind), input=self.recipe.input)

    def enough(self, best: Ranked[C]) -> bool:
        """Whether nothing more could be told apart from this head."""
        return False

    def probes(self, *, forced: bool) -> Ranked[C] | None:
        """The best head on the best backbones; None where none could be afforded.

        `forced` takes the first backbone whatever it costs.
        """
        if self.together:
            best = self.rank(list(self.embedded(forced=forced)))
            self.enough(best)
            return self.finished(best)
        singles: list[Ranked[C]] = []
        for part in self.embedded(forced=forced):
            singles.append(self.rank([part]))
            if self.enough(singles[-1]):
                break
        if not singles:
            return None
        best = min(singles, key=lambda single: single.candidate.loss)
        if self.recipe.probe.concat and not self.stopped:
            best = self.joined(best, singles)
        return self.finished(self.economical(best))

    # ---- the search --------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Try baselines, heads and a net, as far as the data and the time allow.

        Returns:
            The best model, with what was tried and why nothing more was.

        Raises:
            ModelError: If there is neither a backbone nor time for a net.
        """
        if self.small:
            # Blown up to a backbone's size, small images cost a thousand times the disk and tell nothing new.
            net = self.net(None)
            best = None if self.stopped else self.probes(forced=net is None)
        else:
            # A head on few photos answers better than a net that learns to see from as many.
            best = self.probes(forced=True)
            net = None if self.stopped else self.net(best)
        if best is None and net is None:
            best = self.probes(forced=True)
        return self._outcome(best, net)

    def heads_only(self) -> Outcome:
        """As `run`, but heads on frozen backbones only.

        Raises:
            ModelError: If there is no backbone.
        """
        return self._outcome(self.probes(forced=True), None)

    def _outcome(self, best: Ranked[C] | None, net: Outcome | None) -> Outcome:
        """The better of the two, with all that was tried."""
        if net is not None and (best is None or self.net_wins(best, net)):
            chosen = net
            names = {attempt["name"] for attempt in net.tried}
            for attempt in self.tried:
                attempt["chosen"] = attempt["name"] in names
        elif best is not None:
            chosen, _ = self.timed("fit", partial(self.built, best))
            chosen = replace(chosen, licences=tuple(licence_of(part.card) for part in best.parts))
            best.attempt["chosen"] = True
        else:
            raise ModelError(
                "There was neither a backbone nor time for a net. Name a backbone with --model, give "
                "--weights, or give a longer --budget."
            )
        return replace(
            chosen,
            tried=tuple(self.tried),
            stopped=self.stopped or both(chosen.stopped, self._what_was_tried(), "sentences"),
            advice=message("selection.longer") if self.skipped and not self.stopped else chosen.advice,
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
            images={"embed": self.embedded_images, **chosen.images},
        )

    def _what_was_tried(self) -> str:
        """How many heads were fitted, and what was skipped for time."""
        tried, skipped = "", ""
        if self.candidates:
            names = {part.card.name for each in self.candidates for part in each.parts}
            backbones = message("selection.backbones", n=len(names))
            tried = message("selection.tried", n=len(self.candidates), backbones=backbones)
        if self.skipped:
            skipped = message("selection.skipped-for-time", names=reduce(both, self.skipped))
        return both(tried, skipped, "sentences")

    # ---- embedding --------------------------------------------------------------------------------------

    def embedded(self, *, forced: bool) -> Iterator[Part]:
        """One backbone after the other, as far as they can be afforded.

        The largest comes first; where preparing all would take a good part of the time, the smallest, and
        none after one that is too slow. `forced` takes the one that costs least where that is none of them,
        as does a name in the recipe.
        """
        forced = forced or bool(self.recipe.model.name)
        found, slow = False, ""
        short = self._is_short()
        for card in reversed(self.cards) if short else self.cards:
            if slow:
                reason = message("selection.time.slow", name=slow)
                self.skip(f"probe {card.model}", reason, for_time=True)
                continue
            part = self._embed(card, forced=self.together)
            if part is not None:
                found = True
                yield part
            elif short:
                slow = card.model
        if forced and self.cards and not found:
            least = min(
                self.cards, key=lambda card: self.costs.seconds(f"embed {card.name}") or card.size_bytes
            )
            self._unskip(f"probe {least.model}")
            part = self._embed(least, forced=True)
            if part is not None:
                yield part

    def _embed(self, card: WeightCard, *, forced: bool) -> Part | None:
        began = time.perf_counter()
        engine = self.engine(card)
        decision = self.decisions.decide(f"embed {card.name}", partial(self._afford, engine, forced))
        each = float(decision["seconds_an_image"])
        if each:
            self.costs.note(f"embed {card.name}", each)
        if not decision["take"]:
            self.skip(f"probe {card.model}", decision["reason"], for_time=True)
            return None
        if not self.rows_chosen:
            self._use_rows(int(decision["images"]), int(decision.get("views", 0)))
        if self.costliest and self.deadline.limited:  # with a head at hand, an embedding may be given up
            decision = self.decisions.decide(f"embedded {card.name}", partial(self._embed_in_time, engine))
        if not decision["take"]:
            self.skip(f"probe {card.model}", decision["reason"], for_time=True)
            return None
        missing = self._missing(engine, self.views)
        embedding = time.perf_counter()
        part = self.part(engine, self.views, each)
        if missing >= MANY_IMAGES:
            self.costs.note(f"embed {card.name}", time.perf_counter() - embedding, missing)
        self.seconds["embed"] += time.perf_counter() - began
        return part

    def _embed_in_time(self, engine: Engine) -> dict[str, Any]:
        """Whether the rows were embedded before the time was up."""
        pixels = self.problem.pixels(self.rows, engine.card.spec, self.listener)
        try:
            engine.embed(
                pixels,
                self.problem.keys(self.rows),
                go_on=lambda: self.deadline.margin() > 0,
                **self._seen(self.views),
            )
        except TimeUp as reason:
            return {"take": False, "reason": str(reason)}
        return {"take": True}

    def engine(self, card: WeightCard) -> Engine:
        """What embeds images with a backbone."""
        if card.name not in self.engines:
            self.engines[card.name] = Engine(
                card,
                pooling=self.pooling,
                cache=self.problem.cache,
                listener=self.listener,
                threads=self.context.threads,
                device="cuda" if self.context.device.type == "cuda" else "cpu",
            )
        return self.engines[card.name]

    def part(self, engine: Engine, views: int, seconds_an_image: float) -> Part:
        """Embed the images that heads learn from, and so many augmented views of each."""
        pixels = self.problem.pixels(self.rows, engine.card.spec, self.listener)
        self.embedded_images += self._missing(engine, views)
        features = engine.embed(pixels, self.problem.keys(self.rows), **self._seen(views))
        return Part(
            card=engine.card,
            raw=features[0],
            block=self.block(engine, features),
            seconds_an_image=seconds_an_image,
        )

    def _seen(self, views: int) -> dict[str, Any]:
        """How each image is looked at, as `Engine` takes it."""
        return {"views": views, "augment": self.recipe.augment, "seed": self.seed}

    def _missing(self, engine: Engine, views: int) -> int:
        """Images and views of them that the cache lacks."""
        return engine.missing(self.problem.keys(self.rows), **self._seen(views))

    def _afford(self, engine: Engine, forced: bool) -> dict[str, Any]:
        """Whether this backbone fits into what is left, on how many images and in how many views."""
        if forced:
            self.deadline.require(SLACK * self._opening_seconds(engine), f"a head on {engine.card.model}")
        elif late := self._too_late_to_open(engine):
            return {"take": False, "reason": late, "images": 0, "views": 0, "seconds_an_image": 0.0}
        some = self.problem.pixels(self.rows[:16], engine.card.spec, self.listener)
        with nullcontext() if engine.is_open else self.costs.timing("open"):
            each = engine.seconds_an_image(some)
        left = self.deadline.remaining()
        evaluating = each * self.tests
        train, val = len(self.problem.train), len(self.problem.val)
        images, views = len(self.rows), self.views
        if not self.rows_chosen:
            images = min(images, max(MOST_IMAGES, val))
            while views and each * self._missing(engine, views) > VIEWS_SHARE * left - evaluating:
                views -= 1
        missing = self._missing(engine, views)
        cost = each * missing / max(len(self.rows), 1)  # of an image, with its views
        share = SMALL_SHARE if self.small else PHOTO_SHARE
        room = share * left - evaluating - self.head_seconds(images, views)
        if not self.rows_chosen and images * cost > room:
            fewest = min(len(self.rows), val + FEWEST_IMAGES)
            images = max(fewest, int(room / cost)) if room > 0 else fewest
        enough = not self.small or images >= val + SMALL_LEAST * train
        facts = {"images": images, "views": views, "seconds_an_image": round(each, 6)}
        if forced:
            self.deadline.require(SLACK * (images * cost + evaluating), f"heads on {engine.card.model}")
        if forced or (enough and images * cost <= room):
            return {"take": True, **facts}
        seconds, rest = duration(missing * each), duration(left)
        reason = message("selection.time.embedding", n=missing, cost=seconds, left=rest)
        return {"take": False, "reason": reason, **facts}

    def _too_late_to_open(self, engine: Engine) -> str:
        """Why there is no time to make the graph of another backbone and to pack it, or nothing."""
        if not self.deadline.limited:
            return ""
        seconds = self._opening_seconds(engine)
        if SLACK * seconds <= self.deadline.remaining():
            return ""
        left = duration(self.deadline.remaining())
        return message("selection.time.opening", cost=duration(seconds), left=left)

    def _is_short(self) -> bool:
        """Whether preparing all backbones would take a good part of the time."""
        if not self.deadline.limited or self.together or len(self.cards) < 2:
            return False

        def choose() -> dict[str, Any]:
            opening = sum(self._opening_seconds(self.engine(card)) for card in self.cards)
            return {"take": True, "smallest_first": opening > OPENING_SHARE * self.deadline.remaining()}

        return bool(self.decisions.decide("order of backbones", choose)["smallest_first"])

    def _opening_seconds(self, engine: Engine) -> float:
        if engine.is_open:
            return 0.0
        known = self.costs.knows("open")
        return self.costs.seconds("open") if known else OPENING_WORK * self.costs.pace()

    def _use_rows(self, images: int, views: int) -> None:
        """Which images heads learn from, all of val and as many of train as fit, and in how many views."""
        if views < self.views:
            self.listener.say(message("selection.views", views=views, wanted=self.views))
        self.views = views
        self.rows = rows_to_learn(self.problem, images, seed=self.seed)
        if self.trained < len(self.problem.train):
            self.listener.say(message("selection.subset", rows=self.trained, all=len(self.problem.train)))
        self.data = self.head_data()
        self.rows_chosen = True

    @property
    def trained(self) -> int:
        """How many of the rows belong to the train part; those of val follow."""
        return len(self.rows) - len(self.problem.val)

    # ---- what an answer costs ---------------------------------------------------------------------------

    def economical(self, best: Ranked[C]) -> Ranked[C]:
        """The candidate with the cheapest answer among those shown to lose no more than the recipe allows.

        What an image takes stands in decisions that a resumed run repeats, so that it chooses the same.
        """
        allowed = 0.0 if self.together else PREFERENCES[self.recipe.probe.prefer]
        found = [
            (each.seconds_an_image, each.candidate.loss, index, points)
            for index, each in enumerate(self.candidates)
            if allowed
            and each.seconds_an_image <= (1 - LEAST_SAVING) * best.seconds_an_image
            and (points := self.points_lost(best.candidate, each.candidate)) <= allowed
        ]
        if not found:
            return best
        _, _, index, points = min(found)
        cheaper = self.candidates[index]
        fast, slow = (f"{1000 * each.seconds_an_image:.3g}" for each in (cheaper, best))
        reason = message(
            "selection.economical", fast=fast, slow=slow, points=max(points, 0.0), name=best.name
        )
        cheaper.attempt["note"] = both(cheaper.attempt["note"], reason)
        self.listener.say(message("selection.remark", name=cheaper.attempt["name"], note=reason))
        return cheaper

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: Ranked[C] | None) -> Outcome | None:
        """Train a net where there is time: from scratch, or the best head's backbone."""
        part = None if best is None else best.parts[0]
        recipe = self.net_recipe("scratch" if part is None else "finetune")
        each = 0.0 if part is None else part.seconds_an_image
        kind = recipe.strategy
        decision = self.decisions.decide(f"train {kind}", partial(self._afford_net, recipe, each))
        if not decision["take"]:
            self.skip(kind, decision["reason"], for_time=bool(len(self.problem.val)))
            return None
        self.listener.say(
            message("selection.next", name=kind if part is None else f"{kind} {part.card.model}")
        )
        outcome = train_net(
            self.problem,
            recipe,
            replace(self.context, deadline=self.deadline.reserving(self._reserve(each))),
            card=None if part is None else part.card,
        )
        self.seconds["fit"] += outcome.seconds["fit"]
        self.tried += [{**attempt, "chosen": False} for attempt in outcome.tried]
        return outcome

    def _afford_net(self, recipe: Recipe, each: float) -> dict[str, Any]:
        """Whether a net may be trained in the time that is left; its backbone takes so long for an image."""
        train, left = len(self.problem.train), self.deadline.remaining() - each * self.tests
        if not len(self.problem.val):
            return {"take": False, "reason": message("selection.time.no-val")}
        if recipe.strategy == "scratch":
            # `fit` plans as many epochs as there is time for.
            if left >= LEAST_NET_SECONDS:
                return {"take": True}
            return {"take": False, "reason": message("selection.time.short", left=duration(max(left, 0)))}
        cost = TRAINING_COST.get(self.context.device.type, TRAINING_COST["cpu"]) * each
        seconds = recipe.train.epochs * cost * train
        if seconds <= 2 * left:  # half of the epochs are worth a try
            return {"take": True}
        reason = message(
            "selection.time.epochs",
            n=recipe.train.epochs,
            images=train,
            cost=duration(seconds),
            left=duration(max(left, 0)),
        )
        return {"take": False, "reason": reason}

    def _reserve(self, each: float) -> float:
        """Seconds that training must leave: for evaluating, and on small images for a probe after it."""
        left = self.deadline.remaining()
        later = SMALL_SHARE * left if self.small and self.cards and np.isfinite(left) else 0.0
        return each * self.tests + later

    # ---- time and notes ---------------------------------------------------------------------------------

    def fitted(self, name: str, parts: Sequence[Part], fit: Callable[[], C]) -> Ranked[C]:
        """Fit a head and note how it did, and what an answer of it takes."""
        candidate, seconds = self.timed("fit", fit)
        attempt = self.attempt_of(name, candidate, seconds)
        self.listener.say(message("selection.candidate", name=name, note=attempt["note"], seconds=seconds))
        self.tried.append(attempt)
        self.costliest = max(self.costliest, parts, key=self.after_seconds)
        best = Ranked(candidate=candidate, parts=parts, attempt=attempt)
        attempt["milliseconds"] = round(1000 * best.seconds_an_image, 2)
        self.candidates.append(best)
        return best

    def timed(self, stage: str, work: Callable[[], T]) -> tuple[T, float]:
        """What came of some work, and the seconds it took, which count for a stage."""
        began = time.perf_counter()
        made = work()
        seconds = time.perf_counter() - began
        self.seconds[stage] += seconds
        return made, seconds

    def after_seconds(self, parts: Sequence[Part]) -> float:
        """What a head on some backbones adds to export, evaluation and the report."""
        answers = sum(self.costs.seconds(f"embed {part.card.name}", self.tests) for part in parts)
        if self.costs.knows("finish") and not self.costs.knows("export") and parts:
            self.costs.note("export", self.engine(parts[0].card).export_seconds())
        return answers + self.costs.seconds("export", len(parts)) + self.costs.seconds("head")

    def further_seconds(self, parts: Sequence[Part]) -> float:
        """What the costliest of some backbones adds to that, beside the costliest so far."""
        return max(self.after_seconds([part]) for part in parts)

    def flop_seconds(self) -> float:
        """Roughly what one multiplication and addition takes now, while a head is fitted."""
        return self.costs.pace() / (REFERENCE_FLOPS * EFFICIENCY)

    def head_seconds(self, images: int, views: int) -> float:
        """Roughly what a kernel head on so many images and views takes."""
        return self.fits_a_head * rbf_flops(images * (views + 1)) * self.flop_seconds()

    def ranked(self, name: str, parts: Sequence[Part], fit: Callable[[], C]) -> Ranked[C]:
        """As `fitted`; what it takes says what others of its kind will take."""
        began = time.perf_counter()
        best = self.fitted(name, parts, fit)
        self.costs.note("head", time.perf_counter() - began)
        return best

    def rank_seconds(self) -> float:
        """What a head as those that backbones are compared by takes."""
        known = self.costs.knows("head")
        return self.costs.seconds("head") if known else self.head_seconds(len(self.rows), self.views)

    def time_for(self, seconds: float, room: float | None = None) -> dict[str, Any]:
        """Whether there are so many seconds in what is left, or in `room`, as a decision."""
        spare, words = (self.deadline.remaining(), "left") if room is None else (room, "spare")
        if SLACK * seconds <= spare:
            return {"take": True}
        left = duration(max(spare, 0))
        reason = message(f"selection.time.{words}", cost=duration(seconds), left=left)
        return {"take": False, "reason": reason}

    def skip(self, name: str, reason: str, *, for_time: bool = False) -> None:
        """Note what is not tried, and why."""
        self.listener.say(message("selection.skipping", name=name, reason=reason))
        note = message("selection.skipped", reason=reason)
        self.tried.append({"name": name, "value": None, "note": note, "chosen": False})
        if for_time:
            self.skipped.append(message("selection.named", name=name, reason=reason))

    def _unskip(self, name: str) -> None:
        """Forget that it was skipped: it is tried after all."""
        self.tried = [attempt for attempt in self.tried if attempt["name"] != name]
        self.skipped = [entry for entry in self.skipped if not entry.startswith(f"{name} (")]
