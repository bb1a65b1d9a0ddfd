"""Report contents of several kinds, made in code."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mindle.evaluation import Attempt, Licence, ReportContent, most_confident_mistakes, score
from mindle.records import Finding, Predictions

ODD_NAMES = ("<b>&\"'", "🌼 데이지", "very long " * 12, "إقحوان", "a\x00b\udce9\u202etrick")


def answers(classes: Sequence[str], n: int, *, strength: float = 2.5, seed: int = 0) -> Predictions:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(classes), n)
    logits = generator.normal(size=(n, len(classes)))
    logits[np.arange(n), labels] += strength
    odds = np.exp(1.5 * logits)
    return Predictions(
        classes=tuple(classes),
        paths=tuple(f"test/{classes[label]}/{i}.jpg" for i, label in enumerate(labels)),
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        labels=labels,
    )


def jpeg() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (240, 190, 20)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def full() -> Callable[..., ReportContent]:
    """A content with something in every section; keywords replace parts of it."""

    def make(
        classes: Sequence[str] = ("daisy", "dandelion", "roses"), n: int = 120, **changes: Any
    ) -> ReportContent:
        test, val = answers(classes, n), answers(classes, 60, seed=1)
        history = [
            {
                "epoch": e,
                "train_loss": 1 / e,
                "val_loss": 1.1 / e,
                "train_accuracy": 1 - 0.4 / e,
                "val_accuracy": 0.9 - 0.3 / e,
            }
            for e in range(1, 6)
        ]
        metrics = {
            "task": "binary" if len(classes) == 2 else "multiclass",
            "test": score(test),
            "val": score(val),
            "baselines": {"majority": {"value": 0.35, "low": 0.27, "high": 0.44}, "colour": 0.5},
            "strategy": "probe",
            "seconds": {"check": 1.25, "embed": 75.0, "total": 3700.0},
            "images_per_second": {"embed": 196.4, "decode": 3.2},
        }
        findings = [
            Finding(
                kind="leak",
                files=("train/a.jpg", "test/a.jpg"),
                message="A leak.",
                action="dropped from train",
            ),
            Finding(
                kind="a-new-kind", files=("x.jpg",), message="Something new.", action="kept", decision=True
            ),
        ]
        given: dict[str, Any] = {
            "name": "flowers-1",
            "metrics": metrics,
            "predictions": {"test": test, "val": val},
            "command": "mindle train 'my photos' --seed 0",
            "finished": "2026-01-31 10:00",
            "train_accuracy": 1.0,
            "history": history,
            "findings": findings,
            "parts": {name: {"train": 100, "val": 20, "test": 40, "set_aside": 1} for name in classes},
            "set_aside": {"leak": 1, "truncated": 2},
            "tried": [
                Attempt(name="logistic", value=0.8, low=0.7, high=0.9, seconds=2.0, note="plain"),
                Attempt(name="support vectors", value=0.9, low=0.8, high=0.95, seconds=4.0, chosen=True),
                Attempt(name="fine-tune", value=None, note="no time"),
            ],
            "stopped": "The budget was spent.",
            "recipe": {"strategy": "probe", "train": {"epochs": 3, "peak": None}},
            "environment": {"torch": "2.13.0", "seed": 0},
            "fingerprint": "abcdef",
            "licences": [Licence(name="lite0", licence="Apache-2.0", source="a package")],
            "pictures": {test.paths[row]: jpeg() for row in most_confident_mistakes(test, 3)},
        }
        return ReportContent(**{**given, **changes})

    return make


@pytest.fixture
def bare() -> Callable[..., ReportContent]:
    """A content with nothing but scores."""

    def make(classes: Sequence[str] = ("a", "b"), n: int = 40, **options: Any) -> ReportContent:
        test = answers(classes, n, **options)
        task = "binary" if len(classes) == 2 else "multiclass"
        return ReportContent(
            name="bare", metrics={"task": task, "test": score(test)}, predictions={"test": test}
        )

    return make


@pytest.fixture
def odd_names() -> tuple[str, ...]:
    return ODD_NAMES


@pytest.fixture
def is_jpeg() -> Callable[[str], bool]:
    return lambda source: base64.b64decode(source.removeprefix("data:image/jpeg;base64,")).startswith(
        b"\xff\xd8"
    )
