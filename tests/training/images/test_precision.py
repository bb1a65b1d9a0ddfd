"""bfloat16 is taken where it pays and was proved, and what was decided is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import mindle.data
from mindle.engines import Plan
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import find_weights
from mindle.training.decisions import DecisionLog
from mindle.training.images import precision
from mindle.training.images.classification import ClassSelection
from mindle.training.images.features import Engine
from mindle.training.images.problem import Problem
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import Recipe, read_recipe, with_settings


@pytest.fixture(scope="module")
def problem() -> Problem:
    dataset = mindle.data.split(mindle.data.check(mindle.data.read("digits")))
    return Problem.of(dataset, typical_size=(8, 8))


@pytest.fixture(scope="module")
def card() -> WeightCard:
    found = next(card for card in find_weights() if card.model == "tf_efficientnet_lite0")
    return replace(found, spec=replace(found.spec, height=8, width=8))


def selection(problem: Problem, card: WeightCard, decisions: DecisionLog | None = None) -> ClassSelection:
    recipe: Recipe = with_settings(read_recipe("probe"), {"probe.precision": "auto", "probe.views": 0})
    context = TrainingContext(decisions=decisions or DecisionLog())
    return ClassSelection(problem, cards=[card], recipe=recipe, context=context)


@dataclass(kw_only=True)
class Pixels:
    """Embeds an image as its pixels, blurred by noise, in so many seconds."""

    card: WeightCard
    precision: str = "float32"
    noise: float = 0.0
    seconds: float = 2.0
    embedded: int = 0
    plan = Plan()

    def seconds_an_image(self, pixels: Any) -> float:
        return self.seconds

    def missing(self, keys: Sequence[str], views: object) -> int:
        return len(keys)

    def embed(self, pixels: Any, keys: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(keys)
        found = pixels[np.arange(len(keys))].reshape(1, len(keys), -1)[..., ::3] / np.float32(255)
        return np.float32(found + self.noise * np.random.default_rng(0).normal(size=found.shape))


def prove(problem: Problem, card: WeightCard, *, images: int, **options: Any) -> tuple[dict[str, Any], int]:
    engines = Pixels(card=card), Pixels(card=card, precision="bfloat16", **{"seconds": 1.0} | options)
    one, two = (cast(Engine, each) for each in engines)
    chosen = precision.prove(selection(problem, card), one, two, 2.0, images)
    return chosen, engines[0].embedded


def test_nothing_is_embedded_where_bfloat16_is_missing(problem: Problem, card: WeightCard) -> None:
    found, embedded = prove(problem, card, images=10**6)
    assert (found["precision"], embedded) == ("float32", 0)
    assert "MINDLE_ENGINE names ONNX Runtime" in found["reason"]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 is there, and a proof takes few images."""
    monkeypatch.setattr(precision, "lacks", lambda precision: "")
    monkeypatch.setattr(precision, "PROOF_IMAGES", 600)
    monkeypatch.setattr(precision, "MARGIN", 0.03)


@pytest.mark.parametrize(("images", "seconds"), [(1700, 1.0), (10**6, 1.999), (10**6, 2.5)])
def test_nothing_is_proved_that_would_not_pay(
    images: int, seconds: float, problem: Problem, card: WeightCard, there: None
) -> None:
    found, embedded = prove(problem, card, images=images, seconds=seconds)
    assert (found["precision"], embedded) == ("float32", 0)
    assert "its proof takes" in found["reason"]


@pytest.mark.parametrize(("noise", "taken"), [(0.001, "bfloat16"), (1.0, "float32")])
def test_bfloat16_is_taken_where_heads_are_shown_to_be_as_good(
    noise: float, taken: str, problem: Problem, card: WeightCard, there: None
) -> None:
    found, embedded = prove(problem, card, images=10**6, noise=noise)
    assert (found["precision"], embedded) == (taken, 600)
    assert "on 600 images of train and val" in found["reason"]
    assert "log_loss" in found["reason"]


def test_a_proof_leaves_nothing_in_what_was_tried(problem: Problem, card: WeightCard, there: None) -> None:
    whole = selection(problem, card)
    rows, tried, seconds = whole.rows, list(whole.tried), dict(whole.seconds)
    beside = whole.beside(rows[:300])
    precision._answers(beside, cast(Engine, Pixels(card=card)))
    assert whole.rows is rows
    assert (whole.tried, whole.seconds, whole.candidates) == (tried, seconds, [])
    assert not whole.costs.knows("head")


def test_what_was_decided_is_repeated(problem: Problem, card: WeightCard, tmp_path: Path) -> None:
    made = {
        "step": f"precision of {card.name}",
        "precision": "bfloat16",
        "reason": "is computed in bfloat16",
        "engine": "onnxruntime",
        "seconds_an_image": 0.5,
    }
    whole = selection(problem, card, DecisionLog([made]))
    engine, each = whole._in_proven_precision(Engine(card, cache=tmp_path), 1.0)
    assert (engine.precision, each) == ("bfloat16", 0.5)
    assert whole.engine(card) is engine
    assert whole.costs.seconds(f"embed {card.name}") == pytest.approx(0.5, rel=0.5)
