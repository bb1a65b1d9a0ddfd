"""Graphs of tables: equal to the model they were made from, every kind of member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from mindle import formats
from mindle.artifacts.bundle import MODEL, REFERENCE
from mindle.data.tables.parsing.columns import Features
from mindle.errors import ArtifactError
from mindle.formats.tables import exportable, graph_inputs, table_graph
from mindle.models.tables.model import Member, TableModel
from mindle.records import Task
from mindle.training.settings import TableSettings
from mindle.training.tables import tasks
from mindle.training.tables.learners import Learner, frozen, learners
from mindle.training.tables.passes import TableProblem, prepare
from tests.models.tables.rows import mixed_rows, number_target

NUMBERS, CATEGORIES = mixed_rows(160)
TARGET = np.abs(number_target(NUMBERS, CATEGORIES)) + 1


def problem(outputs: int) -> TableProblem:
    truth: NDArray[Any] = TARGET
    if outputs > 1:
        truth = np.searchsorted(np.quantile(TARGET, np.linspace(0, 1, outputs + 1)[1:-1]), TARGET)
    return TableProblem(
        features=Features(
            numbers=NUMBERS,
            number_names=("a", "b", "c", "d"),
            categories=CATEGORIES,
            category_names=("colour", "town"),
        ),
        truth=truth,
        task=Task("multiclass" if outputs > 2 else "binary" if outputs == 2 else "regression"),
        classes=tuple(f"class {i}" for i in range(outputs)) if outputs > 1 else (),
        assign_folds=lambda rows, folds, seed: np.arange(len(rows)) % folds,
        threads=1,
    )


def trained(learner: Learner, outputs: int) -> TableModel:
    """The model of one learner, from the first half of the rows."""
    one = problem(outputs)
    train = prepare(one, np.arange(80), 0, {"linear", "trees", learner.view})
    record = frozen(next(learner.fit([train], 0, 1)))
    return tasks.of(one.task).model(
        task=one.task,
        classes=one.classes,
        number_names=one.features.number_names,
        category_names=one.features.category_names,
        encoder=train.encoder,
        members=(Member(name=learner.name, view=learner.view, model=record, temperature=1.3),),
        centre=train.centre,
        scale=train.scale,
        temperature=0.8,
    )


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("learner", learners(), ids=lambda learner: learner.name)
def test_every_learner_answers_the_same_as_a_graph(learner: Learner, outputs: int, tmp_path: Path) -> None:
    if learner.positive and outputs > 1:
        pytest.skip("is for numbers")
    model = trained(learner, outputs)
    parity = formats.write("onnx", exportable(model, NUMBERS[80:], CATEGORIES[80:]), tmp_path)
    assert parity.images == parity.same_top1 == 88
    assert parity.largest_difference < 5e-6


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("scale", ["rows", "none"])
def test_however_nets_were_fed_the_graph_feeds_them_alike(scale: str, outputs: int, tmp_path: Path) -> None:
    settings = TableSettings(scale=scale, scale_target=False, epochs=5, ensemble_size=2)
    nets = next(one for one in learners(settings) if one.name == "nets")
    model = trained(nets, outputs)
    zeros = np.zeros((1, NUMBERS.shape[1])), CATEGORIES[:1]
    parity = formats.write(
        "onnx",
        exportable(
            model,
            np.concatenate([zeros[0], NUMBERS[80:]]),
            np.concatenate([zeros[1], CATEGORIES[80:]]),
        ),
        tmp_path,
    )
    assert parity.images == parity.same_top1 == 89
    assert parity.largest_difference < 1e-5


def small(outputs: int) -> TableModel:
    return trained(next(one for one in learners() if one.name == "linear"), outputs)


def test_reference_rows_are_kept_with_their_answers(tmp_path: Path) -> None:
    model = small(1)
    model = replace(model, folds=(model, replace(model, centre=1.0)))
    formats.write("onnx", exportable(model, NUMBERS[:4], CATEGORIES[:4]), tmp_path)
    with np.load(tmp_path / REFERENCE, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in arrays.files}
    session = onnxruntime.InferenceSession(tmp_path / MODEL, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]
    assert names == ["estimate", "fold_estimates", "features"]
    inputs = {node.name: stored[node.name] for node in session.get_inputs()}
    for name, answer in zip(names, session.run(names, inputs), strict=True):
        assert np.array_equal(answer, stored[name])
    assert stored["fold_estimates"].shape == (8, 2)
    assert np.isnan(stored["numbers"]).any()


def test_an_input_without_columns_is_left_out() -> None:
    model = small(2)
    categorical = replace(
        model,
        number_names=(),
        encoder=replace(
            model.encoder,
            medians=np.zeros(0),
            missing=np.zeros(0, np.int64),
            bent=np.zeros(0, bool),
            units=np.zeros(0),
            means=np.zeros(0),
            scales=np.zeros(0),
        ),
        members=(replace(model.members[0], model=_without_numbers(model)),),
    )
    assert [node.name for node in table_graph(categorical).graph.input] == ["categories"]
    session = onnxruntime.InferenceSession(
        table_graph(categorical).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    empty = np.empty((160, 0))
    answer = session.run(None, graph_inputs(categorical, empty, CATEGORIES))[0]
    assert answer == pytest.approx(categorical.answers(empty, CATEGORIES), abs=1e-9)


def _without_numbers(model: TableModel) -> Any:
    linear = model.members[0].model
    return replace(linear, weights=linear.weights[5:])  # type: ignore[type-var, attr-defined]


def test_a_graph_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    """As where a runtime computes something other than NumPy."""
    model = small(1)
    other = exportable(replace(model, centre=model.centre + 0.1), NUMBERS[:4], CATEGORIES[:4])
    drifting = replace(exportable(model, NUMBERS[:4], CATEGORIES[:4]), write_graph=other.write_graph)
    with pytest.raises(ArtifactError, match=r"must answer like the model it was made from within 1e-05"):
        formats.write("onnx", drifting, tmp_path)


def test_one_row_and_many_rows_get_the_same() -> None:
    model = small(3)
    session = onnxruntime.InferenceSession(
        table_graph(model).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    every = session.run(None, graph_inputs(model, NUMBERS, CATEGORIES))[0]
    first = session.run(None, graph_inputs(model, NUMBERS[:1], CATEGORIES[:1]))[0]
    assert every[:1] == pytest.approx(first, abs=1e-12)
