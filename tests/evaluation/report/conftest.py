"""Report contents of several kinds, made in code."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from mindle.evaluation.classification import Classification
from mindle.evaluation.metrics import score
from mindle.evaluation.regression import score_estimates
from mindle.evaluation.report import (
    Attempt,
    DataSummary,
    Explanation,
    Licence,
    Provenance,
    ReportContent,
    TrainingSummary,
)
from mindle.records import Diagnosis, Estimates, Finding, Predictions

RECORDS = {
    "data": DataSummary,
    "training": TrainingSummary,
    "explanation": Explanation,
    "provenance": Provenance,
}


def content_of(**given: Any) -> ReportContent:
    """A content from the fields of all its records at once."""
    records = {}
    for name, record in RECORDS.items():
        fields_of_it = {field.name: given.pop(field.name) for field in fields(record) if field.name in given}
        records[name] = record(**fields_of_it)
    return ReportContent(**given, **records)


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
    """A content with something in every section; keywords replace some of it."""

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
            "train": {"n": 300, "accuracy": 1.0},
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
            "answers": {"test": test, "val": val},
            "command": "mindle train 'my photos' --seed 0",
            "finished": "2026-01-31 10:00",
            "history": history,
            "findings": findings,
            "counts": {name: {"train": 100, "val": 20, "test": 40, "set_aside": 1} for name in classes},
            "set_aside": {"leak": 1, "truncated": 2},
            "tried": [
                Attempt(name="logistic", value=0.8, low=0.7, high=0.9, seconds=2.0, note="plain"),
                Attempt(name="support vectors", value=0.9, low=0.8, high=0.95, seconds=4.0, chosen=True),
                Attempt(name="fine-tune", value=None, note="no time"),
            ],
            "stopped": ["The budget was spent."],
            "recipe": {"strategy": "probe", "train": {"epochs": 3, "learning_rate": None}},
            "environment": {"torch": "2.13.0", "seed": 0},
            "fingerprint": "abcdef",
            "licences": [Licence(name="lite0", licence="Apache-2.0", source="a package")],
            "pictures": {test.paths[row]: jpeg() for row in Classification().worst(test, 3)},
        }
        return content_of(**{**given, **changes})

    return make


@pytest.fixture
def bare() -> Callable[..., ReportContent]:
    """A content with nothing but scores."""

    def make(classes: Sequence[str] = ("a", "b"), n: int = 40, **options: Any) -> ReportContent:
        test = answers(classes, n, **options)
        task = "binary" if len(classes) == 2 else "multiclass"
        return ReportContent(name="bare", metrics={"task": task, "test": score(test)}, answers={"test": test})

    return make


def estimates(n: int, *, spread: float = 0.5, repeats: int = 1, seed: int = 0) -> Estimates:
    generator = np.random.default_rng(seed)
    truth = np.tile(20 + 8 * generator.normal(size=n), repeats)
    values = truth + 8 * spread * generator.normal(size=n * repeats)
    return Estimates(
        paths=tuple(f"{i + 1}" for i in range(n)) * repeats,
        values=values,
        targets=truth,
        low=values - 13 * spread,
        high=values + 13 * spread,
        repeats=repeats,
    )


FIGURE = {"title": "Loss", "x": "epoch", "y": "loss", "series": {"train": [[1, 0.7], [2, 0.6]]}}


def diagnoses() -> list[Diagnosis]:
    return [
        Diagnosis(kind="rate-too-high", message="It rose.", remedy="Try less.", evidence=FIGURE),
        Diagnosis(kind="some-new_kind", message="It fell & fell.", remedy="Try <more>.", evidence=FIGURE),
    ]


def table_parts(paths: Sequence[str]) -> dict[str, Any]:
    """What a report on a table has beside what one on images has."""
    return {
        "target": "price",
        "unit": "rows",
        "columns": [
            {"name": "area", "kind": "number", "role": "feature", "missing": 3, "note": ""},
            {"name": "town <b>", "kind": "category", "role": "feature", "missing": 0, "note": "2 towns"},
            {"name": "when", "kind": "date", "role": "ignored", "missing": 0, "note": "always the same"},
            {"name": "price", "kind": "number", "role": "target", "missing": 0, "note": ""},
        ],
        "importance": [
            {"name": "town <b>", "mean": -0.01, "low": -0.2, "high": 0.1},
            {"name": "area", "mean": 3.5, "low": 2.0, "high": 5.0},
        ],
        "dependence": [
            {"name": "area", "kind": "number", "at": [10.0, 20.0, 90.0], "values": [0.2, 0.4, 0.9]},
            {"name": "town <b>", "kind": "category", "at": ["Mokpo", "서울"], "values": [0.5, 0.45]},
        ],
        "rows": {path: {"area": 33.25, "town <b>": "서울", "when": None} for path in paths},
    }


@pytest.fixture
def estimated() -> Callable[..., ReportContent]:
    """A content on numbers of a table with something in every section; keywords replace some of it."""

    def make(n: int = 120, *, repeats: int = 1, spread: float = 0.5, **changes: Any) -> ReportContent:
        test, fold = estimates(n, spread=spread, repeats=repeats), np.tile(np.arange(n) % 4, repeats)
        metrics = {
            "task": "regression",
            "test": score_estimates(replace(test, folds=fold if repeats > 1 else None)),
            "val": score_estimates(estimates(50, spread=spread, seed=1)),
            "train": {"mae": 1.0},
            "baselines": {"mean": {"value": 6.4, "low": 5.5, "high": 7.3}, "linear": 3.5},
            "strategy": "tables",
            "seconds": {"fit": 12.0, "total": 15.0},
        }
        given: dict[str, Any] = {
            "name": "houses-1",
            "metrics": metrics,
            "answers": {"test": test},
            "target_unit": "k$",
            "history": [{"epoch": e, "train_loss": 1 / e, "val_loss": 1.2 / e} for e in (1, 2, 3)],
            "diagnoses": diagnoses(),
            "counts": {"rows": {"train": 300, "test": n}},
            "set_aside": {"duplicate": 2},
            **table_parts(test.paths),
        }
        return content_of(**{**given, **changes})

    return make


@pytest.fixture
def classified_rows(full: Callable[..., ReportContent]) -> Callable[..., ReportContent]:
    """A content on classes of a table, evaluated by repeated cross-validation where asked."""

    def make(repeats: int = 1, **changes: Any) -> ReportContent:
        one = answers(("no", "yes"), 90, strength=1.0)
        assert one.labels is not None
        test = Predictions(
            classes=one.classes,
            paths=tuple(map(str, range(90))) * repeats,
            probabilities=np.tile(one.probabilities, (repeats, 1)),
            labels=np.tile(one.labels, repeats),
            repeats=repeats,
        )
        block = score(replace(test, folds=np.tile(np.arange(90) % 5, repeats) if repeats > 1 else None))
        return full(
            classes=("no", "yes"),
            **{
                "metrics": {
                    "task": "binary",
                    "test": block,
                    "baselines": {"majority": 0.5, "logistic": 0.99},
                },
                "answers": {"test": test},
                "pictures": {},
                **table_parts(test.paths[:90]),
                **changes,
            },
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
