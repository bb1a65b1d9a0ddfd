"""Model selection of `auto` and `probe`: cheap candidates first; the best is chosen.

In order: a baseline that needs no picture; heads on the features of each usable backbone, the largest file
first; concatenated backbones; and for `auto` a net, trained from scratch on small images and fine-tuned on
photos. Heads are compared by cross-validation over the train and val splits, a head and a net on the val
split. The test split is sealed.

Here is what every model selection does. Which heads there are and which of two is better is said by
`classification` and `regression`.

Whatever depends on the clock is a decision: recorded when it is made, and repeated when a run is resumed.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial, reduce
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.errors import ModelError
from mindle.messages import message
from mindle.models.classifier import backbone_model
from mindle.models.pretrained.cards import WeightCard
from mindle.records import SILENT, OutOfFold
from mindle.training.budget import REFERENCE_FLOPS, Costs, TimeUp, duration
from mindle.training.images.attempts import both
from mindle.training.images.backbones import (
    FEWEST_IMAGES,
    MOST_IMAGES,
    Backbones,
    EmbeddedBackbone,
    Ranked,
    rows_to_learn,
)
from mindle.training.images.features import Engine, FrozenBodies, Views
from mindle.training.images.heads.candidates import C, HeadData, blend_helps
from mindle.training.images.heads.features import BackboneFeatures, ConcatFeatures, block_of
from mindle.training.images.heads.kernel import rbf_flops
from mindle.training.images.nets import licence_of, train_net
from mindle.training.images.options import SMALL_SIDE, common_layout
from mindle.training.images.precision import prove
from mindle.training.images.problem import Outcome, Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.loop.machine import products_for
from mindle.training.recipe import Recipe, read_recipe
from mindle.training.settings import PREFERENCES

# Share of the rate of large matrix products on one thread that fitting a head reaches on all of them; a low
# guess, so that a budget holds.
EFFICIENCY = 0.5
# Share of the time left that embedding one backbone may take: small images leave more to a net. Augmented
# views are a refinement: they are dropped before another backbone, and long before images, has to be.
PHOTO_SHARE, SMALL_SHARE, VIEWS_SHARE = 0.6, 0.25, 0.25
# Of small images, heads must learn from this share of the train split: a net learns from all of it.
SMALL_LEAST = 0.5
# Fine-tuned on fewer photos than this, a net stays behind heads on frozen backbones: by 3.5 points on the
# 1,274 of flowers5. What it takes is then better spent on photos.
FEWEST_PHOTOS = 2_000
# A training step of PyTorch, forward and backward, against one forward pass of the engine that embeds.
TRAINING_COST = {"cpu": 9.0, "cuda": 3.5}
LEAST_NET_SECONDS = 20.0
# A cheaper prediction has to save this share; less is within the noise of the clock.
LEAST_SAVING = 0.1
# What so many images took to embed says more of the next than one batch does.
MANY_IMAGES = 48
# Making the graph of a backbone takes as long as so many pieces of reference work, until one was made.
OPENING_WORK = 50
# Where preparing all backbones takes more than this share of the time, the smallest comes first.
OPENING_SHARE = 0.1
# What is about to be done is taken to last this much longer than it was measured, for ups and downs.
SLACK = 1.15

T = TypeVar("T")
S = TypeVar("S", bound="ModelSelection[Any]")
# Truth and fold of some rows and their features, to answers out of fold, (row, class) or (row,).
Quick = Callable[[NDArray[Any], NDArray[np.int64], ConcatFeatures], NDArray[np.float64]]


@dataclass
class ModelSelection(ABC, Generic[C]):
    """One search for the best model: its input, what it has tried so far, and the time that is left.

    Attributes:
        problem: The data; its test split stays sealed.
        cards: The backbones that may be used.
        recipe: Its `probe`, `augment`, `input` and `model.pooling` sections are used.
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
    data: HeadData[C] = field(init=False)  # truth and folds of the rows that heads learn from

    def __post_init__(self) -> None:
        self.cards = sorted(common_layout(self.cards), key=lambda card: -card.size_bytes)
        self.small = max(self.problem.typical_size) <= SMALL_SIDE
        self.tests = self.problem.test_count
        self.seed, self.listener = self.context.seed, self.context.listener
        self.decisions = self.context.decisions
        self.pooling = "avg" if self.recipe.model.pooling == "none" else self.recipe.model.pooling
        self.together = "+" in self.recipe.model.name  # the recipe says which backbones stand side by side
        self.metric = self.problem.image_task.metric
        self.outputs = self.problem.image_task.outputs(self.problem)
        self.costs = self.context.deadline.costs
        # What may have to be exported and evaluated: the costliest backbones that a head was fitted on.
        self.costliest: Backbones = ()
        self.engines: dict[str, Engine] = {}
        self.deadline = self.context.deadline.reserving(lambda left: self.after_seconds(self.costliest))
        self.views = 0  # that are embedded with each image at once
        self.rows = np.concatenate([self.problem.train, self.problem.val])
        self.rows_chosen = False  # whether these rows are those that heads learn from
        self.seconds = {"embed": 0.0, "fit": 0.0}
        self.stopped = ""
        self.skipped: list[str] = []  # for time
        self.tried = [self.baseline()]
        self.candidates: list[Ranked[C]] = []  # heads that were fitted, in order
        self.settled: Callable[[FrozenBodies], None] | None = None
        self._side_by_side: tuple[Backbones, ConcatFeatures] | None = None

    # ---- what a kind of head says of itself -------------------------------------------------------------

    @abstractmethod
    def baseline(self) -> dict[str, Any]:
        """What a prediction that needs no picture reaches, as an attempt."""

    @abstractmethod
    def head_data(self) -> HeadData[C]:
        """Truth and folds of the rows, which are now those that heads learn from."""

    @abstractmethod
    def rank(self, backbones: Backbones) -> Ranked[C]:
        """The head on some backbones that these are compared by."""

    @abstractmethod
    def concatenated(self, best: Ranked[C], singles: Sequence[Ranked[C]]) -> Ranked[C]:
        """The best single backbone, with others that clearly help."""

    @abstractmethod
    def finished(self, best: Ranked[C]) -> Ranked[C]:
        """What else is tried on the chosen backbones."""

    @abstractmethod
    def net_wins(self, best: Ranked[C], net: Outcome) -> bool:
        """Whether a net did better on the val split than the best head."""

    @abstractmethod
    def answered(self, candidate: C) -> NDArray[np.float64]:
        """What a head answers out of fold, (image, output)."""

    @abstractmethod
    def quick(self) -> Quick:
        """What fits a quick head to other rows, and lets it answer them out of fold; it holds no features."""

    @abstractmethod
    def scored(self, outcome: Outcome, candidate: C) -> Outcome:
        """What came of the best head, with what the task adds."""

    def block(self, engine: Engine, features: NDArray[np.float32]) -> BackboneFeatures:
        """Features (view, image, feature), ready for a head."""
        return block_of(features)

    def net_recipe(self, kind: str) -> Recipe:
        """How a net is trained: by the recipe of that name, on the input that was asked for."""
        return replace(read_recipe(kind), input=self.recipe.input)

    def enough(self, best: Ranked[C]) -> bool:
        """Whether nothing could be shown to be better than this head."""
        return False

    # ---- the search -------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Try baselines, heads and a net, as far as the data and the time allow.

        Returns:
            The best model, with what was tried and why nothing more was.

        Raises:
            ModelError: If there is neither a backbone nor time for a net.
        """
        if self.small:
            # Blown up to a backbone's size, small images cost a thousand times the disk and hold nothing new.
            net = self.net(None)
            best = None if self.stopped else self.probes(forced=net is None)
        else:
            # A head on few photos predicts better than a net that learns to see from as many.
            best = self.probes(forced=True)
            net = None if self.stopped else self.net(best)
        if best is None and net is None:
            best = self.probes(forced=True)
        return self._outcome(best, net)

    def heads_only(self, frozen: Callable[[FrozenBodies], None] | None = None) -> Outcome:
        """As `run`, but heads on frozen backbones only.

        Args:
            frozen: Is given the backbones, once they are chosen and before the head on them is; not where
                time is limited, which what it does would take from the head.

        Raises:
            ModelError: If there is no backbone.
        """
        self.settled = frozen
        return self._outcome(self.probes(forced=True), None)

    def probes(self, *, forced: bool) -> Ranked[C] | None:
        """The best head on the best backbones; None where none could be afforded.

        `forced` takes the first backbone whatever it costs.
        """
        if self.together:
            backbones = list(self.embedded(forced=forced))
            self._settle(backbones)
            best = self.rank(backbones)
            self.enough(best)
            return self.finished(best)
        singles: list[Ranked[C]] = []
        for backbone in self.embedded(forced=forced):
            if len(self.cards) == 1:
                self._settle([backbone])
            singles.append(self.rank([backbone]))
            if self.enough(singles[-1]):
                break
        if not singles:
            return None
        best = min(singles, key=lambda single: single.candidate.loss)
        if self.recipe.probe.concat and not self.stopped:
            best = self.concatenated(best, singles)
        best = self.economical(best)
        self._settle(best.backbones)
        return self.finished(best)

    def _settle(self, backbones: Backbones) -> None:
        """Let it be known, once, which backbones the head will be on."""
        settled, self.settled = self.settled, None
        if settled is None or self.deadline.limited:
            return
        bodies = FrozenBodies(tuple(self.engine(each.card).sibling() for each in backbones))
        if bodies.graphs:
            settled(bodies)

    def economical(self, best: Ranked[C]) -> Ranked[C]:
        """The cheapest candidate among those shown to lose no more than the recipe allows.

        What an image takes stands in decisions that a resumed run repeats, so that it chooses the same.
        """
        allowed = 0.0 if self.together else PREFERENCES[self.recipe.probe.prefer]
        found = [
            (each.seconds_an_image, each.candidate.loss, index, points)
            for index, each in enumerate(self.candidates)
            if allowed
            and each.seconds_an_image <= (1 - LEAST_SAVING) * best.seconds_an_image
            and (points := best.candidate.points_lost(each.candidate)) <= allowed
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

    def _outcome(self, best: Ranked[C] | None, net: Outcome | None) -> Outcome:
        """The better of the two, with all that was tried."""
        if net is not None and (best is None or self.net_wins(best, net)):
            chosen = net
            names = {attempt["name"] for attempt in net.tried}
            for attempt in self.tried:
                attempt["chosen"] = attempt["name"] in names
        elif best is not None:
            chosen, _ = self.timed("fit", partial(self._built, best))
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
            seconds={name: round(value, 3) for name, value in self._stages().items()},
            images={"embed": sum(engine.embedded for engine in self.engines.values()), **chosen.images},
        )

    def _stages(self) -> dict[str, float]:
        """Seconds by stage: forward passes apart from what they need, such as graphs and decoded images."""
        forward = sum(engine.seconds for engine in self.engines.values())
        if not forward:
            return self.seconds
        return {"prepare": max(self.seconds["embed"] - forward, 0.0), **self.seconds, "embed": forward}

    def _built(self, best: Ranked[C]) -> Outcome:
        """A model of the best head."""
        candidate, trained = best.candidate, self.trained
        cards = [each.card for each in best.backbones]
        model = backbone_model(cards, candidate.build(1.0), self.outputs, pooling=self.pooling).eval()
        features = torch.from_numpy(best.raw[:trained])
        with torch.inference_mode():
            known = torch.cat([model.logits_from_features(some) for some in torch.split(features, 512)])

        def score(scores: NDArray[np.float64]) -> float:
            return float(self.metric.measure(scores, self.data.truth[:trained]).mean() * self.outputs.scale)

        outcome = Outcome(
            model=model,
            strategy="probe",
            temperature=candidate.temperature,
            val_answers=self.answered(candidate)[trained:],
            train_scores={
                "n": trained,
                self.metric.name: score(known.double().numpy()),
                "out_of_fold": {self.metric.name: score(candidate.scores[:trained])},
            },
            licences=tuple(licence_of(card) for card in cards),
            frozen=FrozenBodies(tuple(map(self.engine, cards))),
            out_of_fold=self._held_out(best),
        )
        return self.scored(outcome, candidate)

    def _held_out(self, best: Ranked[C]) -> OutOfFold:
        """What the best head answered out of fold, to every row that heads learn from."""
        folds, raw = self.data.folds, [each.raw for each in best.backbones]
        return replace(
            self.problem.held_out(self.rows, self.answered(best.candidate), folds),
            features=best.raw,
            blocks=tuple(each.shape[1] for each in raw),
            relearn=partial(_relearned, self.quick(), raw, folds, self.seed),
        )

    def _what_was_tried(self) -> str:
        """How many heads were fitted, and what was skipped for time."""
        tried, skipped = "", ""
        if self.candidates:
            names = {backbone.card.name for each in self.candidates for backbone in each.backbones}
            backbones = message("selection.backbones", n=len(names))
            tried = message("selection.tried", n=len(self.candidates), backbones=backbones)
        if self.skipped:
            skipped = message("selection.skipped-for-time", names=reduce(both, self.skipped))
        return both(tried, skipped, "sentences")

    # ---- embedding --------------------------------------------------------------------------------------

    def embedded(self, *, forced: bool) -> Iterator[EmbeddedBackbone]:
        """One backbone after the other, as far as they can be afforded.

        The largest comes first; where preparing all would take much of the time, the smallest, and
        none after one that is too slow. `forced` takes the one that costs least where that is none of them,
        as does a name in the recipe.
        """
        found, slow, short = False, "", self._is_short()
        for card in reversed(self.cards) if short else self.cards:
            if slow:
                self.skip(_probe(card), message("selection.time.slow", name=slow), for_time=True)
            elif backbone := self._embed(card, forced=self.together):
                found = True
                yield backbone
            elif short:
                slow = card.model
        if (forced or self.recipe.model.name) and self.cards and not found:
            least = min(
                self.cards, key=lambda card: self.costs.seconds(f"embed {card.name}") or card.size_bytes
            )
            self._unskip(_probe(least))
            if backbone := self._embed(least, forced=True):
                yield backbone

    def _embed(self, card: WeightCard, *, forced: bool) -> EmbeddedBackbone | None:
        began = time.perf_counter()
        engine = self.engine(card)
        decision = self.agreed(f"embed {card.name}", partial(self._afford, engine, forced), _probe(card))
        engine.follow(decision.get("engine"))
        each = float(decision["seconds_an_image"])
        if each:
            self.costs.note(f"embed {card.name}", each)
        if not decision["take"]:
            return None
        if not self.rows_chosen:
            self._use_rows(int(decision["images"]), int(decision.get("views", 0)))
        if self.recipe.probe.precision == "auto" and not self.together:
            engine, each = self._in_proven_precision(engine, each)
        if self.costliest and self.deadline.limited:  # with a head at hand, an embedding may be given up
            embed_in_time = partial(self._embed_in_time, engine)
            if not self.agreed(f"embedded {card.name}", embed_in_time, _probe(card))["take"]:
                return None
        missing = self._missing(engine, self.views)
        embedding = time.perf_counter()
        backbone = self.backbone(engine, self.views, each)
        if missing >= MANY_IMAGES:
            self.costs.note(f"embed {card.name}", time.perf_counter() - embedding, missing)
        self.seconds["embed"] += time.perf_counter() - began
        return backbone

    def _embed_in_time(self, engine: Engine) -> dict[str, Any]:
        """Whether the rows were embedded before the time was up."""
        try:
            self._features(engine, self.views, go_on=lambda: self.deadline.margin() > 0)
        except TimeUp as reason:
            return {"take": False, "reason": reason.args[0]}
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
                device=self.context.device.type,
                precision=self.recipe.probe.first_precision,
                rows=len(self.rows) * (self.views + 1) + self.tests,
            )
        return self.engines[card.name]

    def backbone(self, engine: Engine, views: int, seconds_an_image: float) -> EmbeddedBackbone:
        """Embed the images that heads learn from, and so many augmented views of each."""
        features = self._features(engine, views)
        block = self.block(engine, features)
        return EmbeddedBackbone(
            card=engine.card,
            raw=features[0],
            block=block,
            seconds_an_image=seconds_an_image,
            precision=engine.precision,
        )

    def _features(
        self, engine: Engine, views: int, go_on: Callable[[], bool] = lambda: True
    ) -> NDArray[np.float32]:
        pixels = self.problem.pixels(self.rows, engine.card.spec, self.listener)
        return engine.embed(pixels, self.problem.keys(self.rows), self._views(views), go_on=go_on)

    def _views(self, count: int) -> Views:
        return Views(count, self.recipe.augment, self.seed)

    def _missing(self, engine: Engine, views: int) -> int:
        """Images and views of them that the cache lacks."""
        return engine.missing(self.problem.keys(self.rows), self._views(views))

    def _afford(self, engine: Engine, forced: bool) -> dict[str, Any]:
        """Whether this backbone fits into what is left, on how many images and in how many views."""
        opening = self._opening_seconds(engine) if self.deadline.limited else 0.0
        if forced:
            self.deadline.require(SLACK * opening, f"a head on {engine.card.model}")
        elif SLACK * opening > self.deadline.remaining():
            facts = {"images": 0, "views": 0, "seconds_an_image": 0.0}
            return {**self._too_long("opening", opening), **facts}
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
            return {"take": True, "engine": str(engine.plan), **facts}
        return {**self._too_long("embedding", missing * each, left, n=missing), **facts}

    def _is_short(self) -> bool:
        """Whether preparing all backbones would take much of the time."""
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
        """How many of the rows belong to the train split; those of val follow."""
        return len(self.rows) - len(self.problem.val)

    # ---- precision --------------------------------------------------------------------------------------

    def _in_proven_precision(self, exact: Engine, each: float) -> tuple[Engine, float]:
        """What embeds in bfloat16, and its seconds an image, if that was proved; else what was given."""
        name, rounded = exact.card.name, replace(exact, precision="bfloat16")

        def choose() -> dict[str, Any]:
            return prove(self, exact, rounded, each, self._missing(exact, self.views) + self.tests)

        decision = self.decisions.decide(f"precision of {name}", choose)
        self.listener.say(message("selection.remark", name=exact.card.model, note=decision["reason"]))
        if decision["precision"] == exact.precision:
            return exact, each
        rounded.follow(decision["engine"])
        self.engines[name], each = rounded, float(decision["seconds_an_image"])
        self.costs.note(f"embed {name}", each)
        return rounded, each

    def beside(self: S, rows: NDArray[np.int64]) -> S:
        """The same on plain images of other rows, of which nothing is heard or kept."""
        other = copy(self)
        other.rows, other.views, other.listener, other.costs = rows, 0, SILENT, Costs(paced=False)
        other.tried, other.candidates, other._side_by_side, other.seconds = [], [], None, dict(self.seconds)
        other.data = other.head_data()
        return other

    # ---- nets -------------------------------------------------------------------------------------------

    def net(self, best: Ranked[C] | None) -> Outcome | None:
        """Train a net where there is time: from scratch, or the best head's backbone."""
        self._side_by_side = None  # its memory is the net's now
        backbone = None if best is None else best.backbones[0]
        recipe = self.net_recipe("scratch" if backbone is None else "finetune")
        each = 0.0 if backbone is None else backbone.seconds_an_image
        kind, photos = recipe.strategy, len(self.problem.train)
        if backbone is not None and photos < FEWEST_PHOTOS:
            self.skip(kind, message("selection.few-photos", n=photos, least=FEWEST_PHOTOS))
            return None
        afford = partial(self._afford_net, recipe, each)
        if not self.agreed(f"train {kind}", afford, kind, for_time=bool(len(self.problem.val)))["take"]:
            return None
        name = kind if backbone is None else f"{kind} {backbone.card.model}"
        self.listener.say(message("selection.next", name=name))
        outcome = train_net(
            self.problem,
            recipe,
            replace(self.context, deadline=self.deadline.reserving(self._reserve(each))),
            card=None if backbone is None else backbone.card,
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
            return {"take": True} if left >= LEAST_NET_SECONDS else self._too_long("short", 0.0, left)
        cost = TRAINING_COST.get(self.context.device.type, TRAINING_COST["cpu"]) * each
        seconds = recipe.train.epochs * cost * train
        if seconds <= 2 * left:  # half of the epochs are worth a try
            return {"take": True}
        return self._too_long("epochs", seconds, left, n=recipe.train.epochs, images=train)

    def _reserve(self, each: float) -> float:
        """Seconds that training must leave: for evaluating, and on small images for a probe after it."""
        left = self.deadline.remaining()
        later = SMALL_SHARE * left if self.small and self.cards and np.isfinite(left) else 0.0
        return each * self.tests + later

    # ---- heads ------------------------------------------------------------------------------------------

    def features(self, backbones: Backbones) -> ConcatFeatures:
        """Features of some backbones, side by side; several heads share what is made of them.

        Only the latest are kept: a matrix of distances may hold 128 MB.
        """
        if self._side_by_side is None or self._side_by_side[0] != list(backbones):
            self._side_by_side = None
            made = ConcatFeatures([each.block for each in backbones], self.seed)
            self._side_by_side = list(backbones), made
        return self._side_by_side[1]

    def fitted(
        self, name: str, backbones: Backbones, fit: Callable[[], C], *, ranks: bool = False
    ) -> Ranked[C]:
        """Fit a head and note how it did, and what a prediction of it takes.

        `ranks` says that backbones are compared by such heads: what this one takes, others will take.
        """
        began = time.perf_counter()
        with products_for(len(self.rows) * (self.views + 1)):
            candidate, seconds = self.timed("fit", fit)
        values = self.metric.measure(candidate.scores, candidate.truth) * self.outputs.scale
        facts = {"value": float(values.mean()), "n": len(values), "loss": candidate.loss}
        note = message(f"selection.note.{self.metric.name}-head", **facts)
        tried = self.metric.attempt(name, values[self.trained :], note, seconds)
        self.listener.say(message("selection.candidate", name=name, note=note, seconds=seconds))
        self.tried.append(tried)
        self.costliest = max(self.costliest, backbones, key=self.after_seconds)
        found = Ranked(candidate=candidate, backbones=backbones, attempt=tried)
        tried["milliseconds"] = round(1000 * found.seconds_an_image, 2)
        self.candidates.append(found)
        if ranks:
            self.costs.note("head", time.perf_counter() - began)
        return found

    def blended(self, found: list[Ranked[C]], on: str) -> tuple[Ranked[C], tuple[str, ...]]:
        """The best of some heads on the same backbones, or its blend with the next kind where that helps."""
        found.sort(key=lambda each: each.candidate.loss)  # stable: the first of equals
        best, first = found[0], found[0].candidate
        other = next((each.candidate for each in found if each.candidate.kind != first.kind), None)
        if other is None:
            return best, (first.kind,)
        kinds = (first.kind, other.kind)
        name = message("selection.name.blend", first=first.kind, second=other.kind, backbones=on)
        mixed = self.fitted(name, best.backbones, partial(self.data.blend, first, other))
        return (mixed, kinds) if blend_helps(mixed.candidate, first) else (best, kinds[:1])

    # ---- time and notes ---------------------------------------------------------------------------------

    def timed(self, stage: str, work: Callable[[], T]) -> tuple[T, float]:
        """What came of some work, and the seconds it took, which count for a stage."""
        began = time.perf_counter()
        made = work()
        seconds = time.perf_counter() - began
        self.seconds[stage] += seconds
        return made, seconds

    def after_seconds(self, backbones: Backbones) -> float:
        """What a head on some backbones adds to export, evaluation and the report."""
        evaluating = sum(self.costs.seconds(f"embed {each.card.name}", self.tests) for each in backbones)
        if self.costs.knows("finish") and not self.costs.knows("export") and backbones:
            self.costs.note("export", self.engine(backbones[0].card).export_seconds())
        return evaluating + self.costs.seconds("export", len(backbones)) + self.costs.seconds("head")

    def further_seconds(self, backbones: Backbones) -> float:
        """What the costliest of some backbones adds to that, beside the costliest so far."""
        return max(self.after_seconds([each]) for each in backbones)

    def flop_seconds(self) -> float:
        """Roughly what one multiplication and addition takes now, while a head is fitted."""
        return self.costs.pace() / (REFERENCE_FLOPS * EFFICIENCY)

    def head_seconds(self, images: int, views: int) -> float:
        """Roughly what a kernel head on so many images and views takes."""
        return self.fits_a_head * rbf_flops(images * (views + 1)) * self.flop_seconds()

    def rank_seconds(self) -> float:
        """What a head as those that backbones are compared by takes."""
        known = self.costs.knows("head")
        return self.costs.seconds("head") if known else self.head_seconds(len(self.rows), self.views)

    def time_for(self, seconds: float, room: float | None = None) -> dict[str, Any]:
        """Whether there are so many seconds in what is left, or in `room`, as a decision."""
        left = self.deadline.remaining() if room is None else room
        if SLACK * seconds <= left:
            return {"take": True}
        return self._too_long("left" if room is None else "spare", seconds, left)

    def _too_long(
        self, code: str, seconds: float, left: float | None = None, **values: int
    ) -> dict[str, Any]:
        """The decision against what takes so many seconds, where fewer are left."""
        left = self.deadline.remaining() if left is None else left
        times = {"cost": duration(seconds), "left": duration(max(left, 0))}
        return {"take": False, "reason": message(f"selection.time.{code}", **times, **values)}

    def agreed(
        self, step: str, choose: Callable[[], dict[str, Any]], name: str, *, for_time: bool = True
    ) -> dict[str, Any]:
        """A decision; where it is a no, `name` is noted as skipped."""
        decision = self.decisions.decide(step, choose)
        if not decision["take"]:
            self.skip(name, decision["reason"], for_time=for_time)
        return decision

    def affords(self, step: str, seconds: float, name: str) -> bool:
        """Whether there is time for a step; where there is none, `name` is noted as skipped."""
        return bool(self.agreed(step, partial(self.time_for, seconds), name)["take"])

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


def _probe(card: WeightCard) -> str:
    """A backbone's heads, as they are named where they are skipped."""
    return message("selection.name.probe", name=card.model)


def _relearned(
    quick: Quick,
    raw: Sequence[NDArray[np.float32]],
    folds: NDArray[np.int64],
    seed: int,
    truth: NDArray[Any],
    rows: NDArray[np.int64],
) -> NDArray[np.float64]:
    """As `OutOfFold.relearn`: a quick head on the plain features of some rows, one array a backbone."""
    blocks = [block_of(features[rows][None]) for features in raw]
    dense = np.unique(folds[rows], return_inverse=True)[1].astype(np.int64)  # few rows leave folds empty
    with products_for(len(rows)):
        return quick(truth[rows], dense, ConcatFeatures(blocks, seed))
