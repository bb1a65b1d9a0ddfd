"""Models on disk: the same answers after reading, and plain errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from mindle.errors import ArtifactError
from mindle.models.tables.encoder import fit_encoder
from mindle.models.tables.model import Member, TableModel
from mindle.models.tables.readers import read_forest
from mindle.models.tables.scorers import DenseNets, KernelMachine, Linear
from mindle.models.tables.storage import load_table_model, save_table_model
from tests.models.tables.rows import mixed_rows, number_target


def every_kind() -> tuple[TableModel, np.ndarray, np.ndarray]:
    """A model with one member of each kind, and a fold."""
    numbers, categories = mixed_rows()
    y = number_target(numbers, categories)
    encoder = fit_encoder(numbers, categories, y[:, None])
    trees, x = encoder.trees(numbers, categories), encoder.linear(numbers, categories)
    rng = np.random.default_rng(0)
    forest = RandomForestRegressor(n_estimators=3, random_state=0).fit(trees, y)
    width = x.shape[1]
    members = (
        Member(name="forest", view="trees", model=read_forest(forest, outputs=1), weight=0.25),
        Member(
            name="linear",
            view="linear",
            model=Linear(weights=rng.normal(size=(width, 1)), offset=np.zeros(1)),
            weight=0.25,
        ),
        Member(
            name="kernel",
            view="linear",
            model=KernelMachine(
                points=x[:5],
                lengths=np.ones(width),
                coefficients=np.ones((5, 1)),
                offset=np.zeros(1),
                kernel="rbf",
            ),
            weight=0.25,
        ),
        Member(
            name="nets",
            view="linear",
            model=DenseNets(
                weights=(rng.normal(size=(2, width, 3)), rng.normal(size=(2, 3, 1))),
                offsets=(np.zeros((2, 3)), np.zeros((2, 1))),
            ),
            weight=0.25,
        ),
    )
    fold = TableModel(
        task="regression",
        classes=(),
        number_names=("a", "b", "c", "d"),
        category_names=("colour", "town"),
        encoder=encoder,
        members=members,
        centre=3.0,
        scale=2.0,
    )
    return TableModel(**{**vars(fold), "folds": (fold,)}), numbers, categories


def test_what_is_read_answers_to_the_bit(tmp_path: Path) -> None:
    model, numbers, categories = every_kind()
    save_table_model(model, tmp_path)
    read = load_table_model(tmp_path)
    assert np.array_equal(read.estimates(numbers, categories), model.estimates(numbers, categories))
    assert np.array_equal(read.fold_estimates(numbers, categories), model.fold_estimates(numbers, categories))
    assert read.encoder.words == model.encoder.words


def test_damage_is_said_plainly(tmp_path: Path) -> None:
    model, *_ = every_kind()
    save_table_model(model, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ArtifactError, match="must hold a whole model of a table"):
        load_table_model(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(ArtifactError, match=r"must hold model\.json"):
        load_table_model(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"schema": 99}')
    with pytest.raises(ArtifactError, match="schema 99"):
        load_table_model(tmp_path)
