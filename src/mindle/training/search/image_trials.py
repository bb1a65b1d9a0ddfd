"""How good a recipe is, judged without the test part: one trial of a search.

A net is judged on the val part, after every epoch and at its end; a head on frozen features out of fold, on
all images of train and val. The value is the cross-entropy of calibrated answers, lower is better, for both.
Whatever trials have in common is made once: features, distances, directions.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.errors import DataError
from mindle.models.pretrained.weights import WeightCard
from mindle.records import SILENT, Listener
from mindle.training.budget import Deadline, TimeUp
from mindle.training.images.class_selection import few_mistakes, head_data_of
from mindle.training.images.features import Engine
from mindle.training.images.heads import HEADS
from mindle.training.images.heads.candidates import ClassCandidate, blend, blend_helps
from mindle.training.images.heads.data import (
    BackboneFeatures,
    ClassHeadData,
    ConcatFeatures,
    Directions,
    Distances,
    block_of,
)
from mindle.training.images.nets import train_net
from mindle.training.images.plan import cards_of
from mindle.training.images.problem import Problem
from mindle.training.images.selection import MOST_IMAGES, rows_to_learn, views_of
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe
from mindle.training.search.judge import Pruned, Report, Score, go_on

# What trials share may fill so much memory; what was not used for longest is made again when it is wanted.
MOST_BYTES = 1 << 30

Made = TypeVar("Made")


class Pruning(Callback):
    """Reports each epoch's loss on val, and gives the training up where it is told to.

    Args:
        report: Told (epoch, loss); says whether to go on.
        deadline: When every training must be over.
    """

    def __init__(self, report: Report = go_on, deadline: Deadline | None = None) -> None:
        self.report = report
        self.deadline = deadline or Deadline(None)

    def on_epoch(self, state: FitState) -> None:
        """Report the last row."""
        row = state.history[-1]
        if not self.report(int(row["epoch"]), float(row["val_loss"])):
            raise Pruned(f"given up after epoch {row['epoch']} of {state.epochs}")
        if state.epoch < state.epochs and not self.deadline.remaining():
            raise TimeUp(f"the time was up after epoch {row['epoch']} of {state.epochs}")


class Shelf:
    """Keeps what was made under its key, and lets go of what was not asked for longest.

    Args:
        most_bytes: What all arrays on it may hold together.

    Example:
        >>> shelf = Shelf(100)
        >>> shelf.once("a", lambda: 1), shelf.once("a", lambda: 2)
        (1, 1)
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._made: dict[Any, Any] = {}  # in the order of their last use

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """What was made under that key, or made now."""
        value: Made = self._made.pop(key) if key in self._made else make()
        self._made[key] = value
        while len(self._made) > 1 and sum(map(_bytes_of, self._made.values())) > self.most_bytes:
            self._made.pop(next(iter(self._made)))
        return value


def _bytes_of(value: Any) -> int:
    """What the arrays of a value hold, and those of its parts."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    parts = vars(value).values() if hasattr(value, "__dict__") else ()
    return sum(_bytes_of(part) for part in parts if isinstance(part, (np.ndarray, Distances, Directions)))


@dataclass(kw_only=True)
class Bench:
    """Judges one recipe after the other on the same problem.

    Attributes:
        problem: The data; its test part stays shut.
        weights: Where to look for weights first.
        device: Where nets are trained and, if it is CUDA, images are embedded.
        seed: Governs every trial alike, so that recipes differ and nothing else does.
        deadline: When every trial must be over.
        folder: Where nets keep their checkpoints; nowhere unless set.
        listener: Hears the embedding.
        threads: Of ONNX Runtime.
        shelf: What trials share.
    """

    problem: Problem
    weights: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    deadline: Deadline = field(default_factory=lambda: Deadline(None))
    folder: Path | None = None
    listener: Listener = SILENT
    threads: int | None = None
    shelf: Shelf = field(default_factory=lambda: Shelf(MOST_BYTES))

    def judge(self, recipe: Recipe, *, number: int = 0, report: Report = go_on) -> Score:
        """Train what a recipe says and judge it.

        Args:
            recipe: Its strategy is not "auto".
            number: Names the checkpoint, where one is kept.
            report: Told of each epoch; says whether to go on.

        Raises:
            Pruned: If `report` said so.
            TimeUp: If the deadline came first.
            DataError: If nothing can be judged: an empty val part, images of one group.
            ModelError: If the model cannot be made or its loss is no number.
        """
        if recipe.strategy == "auto":
            raise ValueError("A trial must have a strategy of its own. Received 'auto'.")
        return self._head(recipe) if recipe.strategy == "probe" else self._net(recipe, number, report)

    # ---- nets -------------------------------------------------------------------------------------------

    def _net(self, recipe: Recipe, number: int, report: Report) -> Score:
        if not len(self.problem.val):
            raise DataError("Nets are compared on val images. Received none. Give the data a val part.")
        folder = None if self.folder is None else self.folder / str(number)
        card = next(iter(self._cards(recipe)), None)
        outcome = train_net(
            self.problem,
            recipe,
            TrainingContext(seed=self.seed, device=self.device, folder=folder, resume=True),
            card=card,
            callbacks=[Pruning(report, self.deadline)],
        )
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        labels = self.problem.truth[self.problem.val]
        answers = outcome.val_answers  # (image, class)
        known = answers[np.arange(len(labels)), labels]
        return Score(
            value=float(-np.log(np.maximum(known, 1e-12)).mean()),
            accuracy=float((answers.argmax(axis=1) == labels).mean()),
            images=len(labels),
            note=str(outcome.tried[0]["note"]),
        )

    def _cards(self, recipe: Recipe) -> tuple[WeightCard, ...]:
        wanted = (recipe.strategy, recipe.model.name)
        return self.shelf.once(("cards", *wanted), lambda: cards_of(recipe, self.weights))

    # ---- heads ------------------------------------------------------------------------------------------

    def _head(self, recipe: Recipe) -> Score:
        """As the ladder does with a recipe that leaves nothing open, its rule for blends included."""
        found: list[ClassCandidate] = []
        for kind in sorted(recipe.probe.heads, key=lambda kind: kind != "rbf"):
            found.append(self._candidate(kind, recipe))
            if few_mistakes(int((~found[-1].right).sum()), len(found[-1].right)):
                break
        found.sort(key=lambda candidate: candidate.loss)
        best = found[0]
        if len(found) > 1:
            mixed = blend(best, found[1])
            best = mixed if blend_helps(mixed, best) else best
        return Score(
            value=best.loss,
            accuracy=float(best.right.mean()),
            images=len(best.right),
            note=f"{best.kind} head on {recipe.model.name}",
        )

    def _candidate(self, kind: str, recipe: Recipe) -> ClassCandidate:
        settings, base = recipe.probe, self._features_key(recipe)
        features: ConcatFeatures = self.shelf.once(
            ("features", base), lambda: ConcatFeatures(self._blocks(recipe), self.seed)
        )
        key = (kind, base, settings.folds, HEADS[kind].options(settings))
        return self.shelf.once(key, lambda: HEADS[kind].fit(self._data(recipe), features, settings))

    def embed(self, recipes: Iterable[Recipe]) -> None:
        """Embed ahead of the trials what some recipes need, so that each of them takes no time for it."""
        for recipe in recipes:
            if recipe.strategy == "probe":
                self._blocks(recipe)

    def _rows(self) -> NDArray[np.int64]:
        images = min(len(self.problem.train) + len(self.problem.val), max(MOST_IMAGES, len(self.problem.val)))
        return self.shelf.once("rows", lambda: rows_to_learn(self.problem, images, seed=self.seed))

    def _data(self, recipe: Recipe) -> ClassHeadData:
        views, folds = views_of(recipe, self.problem), recipe.probe.folds
        return self.shelf.once(
            ("data", views, folds),
            lambda: head_data_of(self.problem, self._rows(), folds=folds, views=views, seed=self.seed),
        )

    def _features_key(self, recipe: Recipe) -> tuple[Any, ...]:
        views = views_of(recipe, self.problem)
        seen = recipe.augment if views else None  # plain images are the same whatever views would be
        return (recipe.model.name, recipe.model.pooling, views, seen)

    def _blocks(self, recipe: Recipe) -> list[BackboneFeatures]:
        """The features of a recipe's backbones, in the ladder's order."""
        _, pooling, views, seen = self._features_key(recipe)
        cards = sorted(self._cards(recipe), key=lambda card: -card.size_bytes)
        return [
            self.shelf.once(
                ("block", card.name, card.spec, pooling, views, seen),
                lambda card=card: self._block(card, recipe, views),  # type: ignore[misc]
            )
            for card in cards
        ]

    def _block(self, card: WeightCard, recipe: Recipe, views: int) -> BackboneFeatures:
        engine = Engine(
            card,
            pooling="avg" if recipe.model.pooling == "none" else recipe.model.pooling,
            cache=self.problem.cache,
            listener=self.listener,
            threads=self.threads or os.cpu_count(),
            device="cuda" if self.device.type == "cuda" else "cpu",
        )
        rows = self._rows()
        pixels = self.problem.pixels(rows, card.spec, self.listener)
        keys = self.problem.keys(rows)
        return block_of(engine.embed(pixels, keys, views=views, augment=recipe.augment, seed=self.seed))
