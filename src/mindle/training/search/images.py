"""A search over images: the recipes that it varies, and one trial, evaluated without the test split.

A net is evaluated on the val split, after every epoch and at its end; a head on frozen features by
cross-validation on train and val. The value is the cross-entropy of calibrated answers, lower is better.
What trials share is computed once: features, distances, directions.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.artifacts.manifest import read_manifest
from mindle.data import typical_size
from mindle.data.reading import ReadingOptions
from mindle.errors import DataError
from mindle.messages import message
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights
from mindle.records import SILENT, Dataset, Listener
from mindle.training.device import choose_device
from mindle.training.images import backbones
from mindle.training.images.attempts import log_loss
from mindle.training.images.classification import few_mistakes, head_data_of
from mindle.training.images.features import Engine, Views
from mindle.training.images.heads import HEADS, features
from mindle.training.images.heads.candidates import ClassCandidate, ClassHeadData, blend_helps
from mindle.training.images.nets import net_layers, train_net
from mindle.training.images.options import SMALL_SIDE, cards_of, common_layout, net_spec
from mindle.training.images.problem import Problem
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import STRATEGIES, Recipe, read_recipe
from mindle.training.search.space import LAYERS, Space, make_space, space_of
from mindle.training.search.task import Origin, Score, SearchTask, TrialMonitor
from mindle.training.settings import AugmentSettings

# What trials share may fill so much memory.
MOST_BYTES = 1 << 30
# Settings that decide which features a head is given.
EMBEDDED_BY = ("strategy", "model.name", "model.pooling", "probe.views")

Made = TypeVar("Made")


# ---- the space --------------------------------------------------------------------------------------------


def starting_recipe(recipe: Recipe, dataset: Dataset, listener: Listener) -> Recipe:
    """The recipe with a strategy in place of "auto": a net from scratch for small images, else heads."""
    if recipe.strategy != "auto":
        return recipe
    strategy = "scratch" if max(typical_size(dataset)) <= SMALL_SIDE else "probe"
    listener.say(message("search.say.strategy", strategy=strategy))
    return replace(read_recipe(strategy), model=recipe.model, input=recipe.input)


def image_bases(
    entries: Mapping[str, Any], recipe: Recipe, resolve: Callable[[str], Recipe]
) -> dict[str, Recipe]:
    """The recipe that points change, for each strategy that the space can name.

    Args:
        entries: Of the space, as `read_space` gives them.
        recipe: Where the search begins.
        resolve: Gives the recipe of another strategy.

    Raises:
        ValueError: If a strategy in the space is none.
    """
    entry = entries.get("strategy", recipe.strategy)
    bases = {recipe.strategy: recipe}
    for strategy in entry.get("choices", []) if isinstance(entry, Mapping) else [entry]:
        if strategy == "auto" or strategy not in STRATEGIES:
            raise ValueError(
                "`strategy` in the space must be of probe, inline, finetune and scratch. "
                f"Received {strategy!r}."
            )
        if strategy not in bases:
            bases[strategy] = resolve(strategy)
    if any(name.startswith(LAYERS) for name in entries) and "scratch" in bases:
        # A net of the zoo that is varied layer by layer is listed layer by layer.
        base = bases["scratch"]
        spec = net_spec(base, (base.input.height or 32, base.input.width or 32), gray=False)
        layers = tuple(net_layers(base, spec))
        bases["scratch"] = replace(base, model=replace(base.model, layers=layers))
    return bases


def image_space(
    entries: Mapping[str, Any], bases: Mapping[str, Recipe], strategy: str, weights: Path | None, images: int
) -> Space:
    """The space, with the backbones that are available and the views that suit the number of images.

    Args:
        entries: Of the space.
        bases: Of `image_bases`.
        strategy: Of points that name none.
        weights: Where to look for weights first.
        images: How many there are.

    Raises:
        ValueError: If a setting is unknown, or a value is not one that it can have.
    """
    names = () if set(bases) == {"scratch"} else _backbones(weights)
    # Where neither the space nor the call names a backbone, it is the first.
    bases = {
        strategy: base
        if base.model.name or strategy == "scratch" or not names
        else replace(base, model=replace(base.model, name=names[0]))
        for strategy, base in bases.items()
    }
    views = max(0, min(backbones.MOST_VIEWS, backbones.MOST_VIEWED_ROWS // max(images, 1) - 1))
    return make_space(entries, bases, strategy, {"backbones": names, "views": range(views + 1)})


def _backbones(weights: Path | None) -> tuple[str, ...]:
    """The available backbones, alone and concatenated, as `model.name` takes them."""
    layouts: dict[Any, list[str]] = {}
    for card in common_layout(find_weights(weights)):
        names = layouts.setdefault((card.spec.shape, card.spec.fit, card.spec.interpolation), [])
        if card.model not in names:
            names.append(card.model)
    return concatenations(*layouts.values())


def concatenations(*layouts: list[str]) -> tuple[str, ...]:
    """Backbones alone, in pairs, and all that fit together, as `model.name` takes them.

    Args:
        layouts: Names of backbones whose features can be concatenated, those of one layout each.

    Example:
        >>> concatenations(["a", "b", "c"], ["d"])
        ('a', 'b', 'c', 'd', 'a + b', 'a + c', 'b + c', 'a + b + c')
    """
    sets: list[tuple[str, ...]] = [(name,) for names in layouts for name in names]
    sets += [pair for names in layouts for pair in combinations(names, 2)]
    sets += [tuple(names) for names in layouts if len(names) > 2]
    return tuple(" + ".join(names) for names in sets)


# ---- trials -----------------------------------------------------------------------------------------------


class Pruning(Callback):
    """Reports each epoch's loss on val.

    Args:
        monitor: May prune the trial.
    """

    def __init__(self, monitor: TrialMonitor) -> None:
        self.monitor = monitor

    def on_epoch(self, state: FitState) -> None:
        """Report the last row."""
        row = state.history[-1]
        self.monitor.check(int(row["epoch"]), state.epochs, float(row["val_loss"]), "epoch")


class LRUCache:
    """Keeps values under their keys, and drops the least recently used ones where arrays fill the memory.

    Args:
        most_bytes: What all its arrays may fill together.

    Example:
        >>> cache = LRUCache(100)
        >>> cache.get("a", lambda: 1), cache.get("a", lambda: 2)
        (1, 1)
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._values: dict[Any, Any] = {}  # in the order of their last use

    def get(self, key: Any, make: Callable[[], Made]) -> Made:
        """The value of that key, computed where it is not there."""
        value: Made = self._values.pop(key) if key in self._values else make()
        self._values[key] = value
        while len(self._values) > 1 and sum(map(_bytes_of, self._values.values())) > self.most_bytes:
            self._values.pop(next(iter(self._values)))
        return value


def _bytes_of(value: Any) -> int:
    """What the arrays of a value hold, and those of its members."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    members = vars(value).values() if hasattr(value, "__dict__") else ()
    counted = (np.ndarray, features.Distances, features.Directions)
    return sum(_bytes_of(each) for each in members if isinstance(each, counted))


@dataclass(frozen=True, kw_only=True)
class ImageOrigin(Origin):
    """Where a process finds the images that another one has checked and split.

    Attributes:
        manifest: The run's manifest.
        classes: Class names in their order.
    """

    manifest: str
    classes: Sequence[str]

    def dataset(self) -> Dataset:
        """The data as the run checked and split them, without checking them again.

        Raises:
            DataError: If the files are no longer those of the manifest.
        """
        reading = ReadingOptions.from_dict(self.reading)
        dataset = reading.read_images(self.source, split_seed=self.split_seed)
        rows = {row.path: row for row in read_manifest(Path(self.manifest))}
        if set(rows) != set(dataset.paths):
            raise DataError(
                f"The data in {self.source} must be those of {self.manifest}. Files have come or gone."
            )
        found = [rows[path] for path in dataset.paths]
        numbers = {name: number for number, name in enumerate(self.classes)}
        return replace(
            dataset,
            classes=tuple(self.classes),
            labels=np.array([numbers.get(row.label, -1) for row in found], np.int64),
            groups=tuple(row.group for row in found),
            set_aside=tuple(row.finding for row in found),
            sha256=tuple(row.sha256 for row in found),
            splits=tuple(row.split for row in found),
        )


@dataclass(kw_only=True)
class ImageTask(SearchTask):
    """Evaluates one recipe after the other on the same images; see `SearchTask`.

    Attributes:
        problem: The train and val splits.
        weights: Where to look for weights first.
        device: Where nets are trained and, if it is CUDA, images are embedded.
        folder: Where nets keep their checkpoints; nowhere unless set.
        listener: Hears the embedding.
        threads: Of ONNX Runtime.
        cache: What trials share.
    """

    kind: ClassVar[str] = "images"

    problem: Problem
    weights: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folder: Path | None = None
    listener: Listener = SILENT
    threads: int | None = None
    cache: LRUCache = field(default_factory=lambda: LRUCache(MOST_BYTES))

    @property
    def warmup_steps(self) -> int:
        """A fifth of the shortest net's epochs."""
        nets = [base.train.epochs for name, base in self.space.bases.items() if name != "probe"]
        return min(nets, default=1) // 5

    def as_dict(self) -> dict[str, Any]:
        """Everything that a worker process needs to evaluate the same."""
        paths = {"weights": self.weights, "folder": self.folder}
        return {
            **super().as_dict(),
            **{name: path and str(path) for name, path in paths.items()},
            "typical_size": self.problem.typical_size,
            "device": self.device.type,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], threads: int | None = None) -> ImageTask:
        """The task of an `as_dict`, in another process.

        Raises:
            DataError: If the data have changed.
        """
        origin, (height, width) = ImageOrigin(**document["origin"]), document["typical_size"]
        return cls(
            problem=Problem.of(origin.dataset(), typical_size=(height, width)),
            space=space_of(document["space"]),
            device=choose_device(document["device"]),
            seed=document["seed"],
            threads=threads,
            origin=origin,
            weights=document["weights"] and Path(document["weights"]),
            folder=document["folder"] and Path(document["folder"]),
        )

    def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        """Train what a recipe says and score it.

        Args:
            recipe: Its strategy is not "auto".
            monitor: Is given each epoch's loss.

        Raises:
            Pruned: If the monitor says so.
            TimeUp: If the deadline comes first.
            DataError: If nothing can be scored: an empty val split, images of one group.
            ModelError: If the model cannot be made or its loss is NaN or infinite.
        """
        if recipe.strategy == "auto":
            raise ValueError("A trial must name its strategy. Received 'auto'.")
        return self._head(recipe) if recipe.strategy == "probe" else self._net(recipe, monitor)

    # ---- nets -------------------------------------------------------------------------------------------

    def _net(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        if not len(self.problem.val):
            raise DataError("Nets are compared on val images. Received none. Give the data a val split.")
        folder = None if self.folder is None else self.folder / str(monitor.number)
        outcome = train_net(
            self.problem,
            recipe,
            TrainingContext(seed=self.seed, device=self.device, folder=folder, resume=True),
            card=next(iter(self._cards(recipe)), None),
            callbacks=[Pruning(monitor)],
        )
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        labels, answers = self.problem.truth[self.problem.val], outcome.val_answers  # (image, class)
        return Score(
            value=log_loss(answers, labels),
            accuracy=float((answers.argmax(axis=1) == labels).mean()),
            note=outcome.tried[0]["note"],
        )

    def _cards(self, recipe: Recipe) -> tuple[WeightCard, ...]:
        wanted = (recipe.strategy, recipe.model.name)
        return self.cache.get(("cards", *wanted), lambda: cards_of(recipe, self.weights))

    # ---- heads ------------------------------------------------------------------------------------------

    def _head(self, recipe: Recipe) -> Score:
        """As model selection does with a recipe that leaves nothing open, its rule for blends included."""
        found: list[ClassCandidate] = []
        for kind in sorted(recipe.probe.heads, key=lambda kind: kind != "rbf"):
            found.append(self._candidate(kind, recipe))
            if few_mistakes(found[-1].mistakes, len(found[-1].truth)):
                break
        found.sort(key=lambda candidate: candidate.loss)
        best = found[0]
        if len(found) > 1:
            mixed = self._data(recipe).blend(best, found[1])
            best = mixed if blend_helps(mixed, best) else best
        return Score(
            value=best.loss,
            accuracy=float(best.right.mean()),
            note=message("search.note.head", kind=best.kind, backbone=recipe.model.name),
        )

    def _candidate(self, kind: str, recipe: Recipe) -> ClassCandidate:
        settings = recipe.probe
        base = (recipe.model.name, recipe.model.pooling, self._views(recipe))
        concatenated: features.ConcatFeatures = self.cache.get(
            ("features", base), lambda: features.ConcatFeatures(self._blocks(recipe), self.seed)
        )
        key = (kind, base, settings.folds, HEADS[kind].values(settings))
        return self.cache.get(key, lambda: HEADS[kind].fit(self._data(recipe), concatenated, settings))

    def prepare(self) -> None:
        """Embed what trials with heads will need, unless it depends on how views are sampled."""
        if any(dimension.name.startswith("augment.") for dimension in self.space.dimensions):
            return
        varied = [each for each in self.space.dimensions if each.name in EMBEDDED_BY and each.choices]
        for point in self.space.combinations(varied):
            recipe = self.space.recipe(point)
            if recipe.strategy == "probe":
                self._blocks(recipe)

    def _rows(self) -> NDArray[np.int64]:
        usable, val = len(self.problem.train) + len(self.problem.val), len(self.problem.val)
        images = min(usable, max(backbones.MOST_IMAGES, val))
        return self.cache.get("rows", lambda: backbones.rows_to_learn(self.problem, images, seed=self.seed))

    def _data(self, recipe: Recipe) -> ClassHeadData:
        views, folds = self._views(recipe).count, recipe.probe.folds
        return self.cache.get(
            ("data", views, folds),
            lambda: head_data_of(self.problem, self._rows(), folds=folds, views=views, seed=self.seed),
        )

    def _views(self, recipe: Recipe) -> Views:
        count = backbones.views_of(recipe, self.problem)
        # Plain images are the same whatever views would be.
        return Views(count, recipe.augment if count else AugmentSettings(), self.seed)

    def _blocks(self, recipe: Recipe) -> list[features.BackboneFeatures]:
        """The features of a recipe's backbones, in the order of model selection."""
        pooling, views, precision = recipe.model.pooling, self._views(recipe), recipe.probe.first_precision
        cards = sorted(self._cards(recipe), key=lambda card: -card.size_bytes)
        return [
            self.cache.get(
                ("block", card.name, card.spec, pooling, views, precision),
                lambda card=card: self._block(card, pooling, views, precision),  # type: ignore[misc]
            )
            for card in cards
        ]

    def _block(
        self, card: WeightCard, pooling: str, views: Views, precision: str
    ) -> features.BackboneFeatures:
        rows = self._rows()
        engine = Engine(
            card,
            pooling=pooling,
            cache=self.problem.cache,
            listener=self.listener,
            threads=self.threads,
            device=self.device.type,
            precision=precision,
        )
        pixels = self.problem.pixels(rows, card.spec, self.listener)
        return features.block_of(engine.embed(pixels, self.problem.keys(rows), views))
