from __future__ import annotations

import numpy as np
import pytest

from mindle.explanation.rows import Feed, Player, players_of, shapley
from mindle.records import Column, TableSpec, Task

COLUMNS = tuple(Column(name=name, kind="number") for name in "abc")
PLAYERS = [Player(column, "numbers", (at,)) for at, column in enumerate(COLUMNS)]


def curved(feed: Feed) -> np.ndarray:
    a, b, c = feed["numbers"].T
    return a * b + np.sin(3 * c) + 0.5 * a


def test_values_add_up_and_unused_columns_get_nothing() -> None:
    rng = np.random.default_rng(0)
    row, background = {"numbers": np.array([[1.0, 2.0, 0.3]])}, {"numbers": rng.normal(size=(40, 3))}
    found = shapley(curved, row, background, PLAYERS)
    assert found.base + found.values.sum() == pytest.approx(float(curved(row)[0]))
    assert (found.errors > 0).all()
    idle = shapley(lambda feed: feed["numbers"][:, 0], row, background, PLAYERS)
    assert idle.values[1:].tolist() == [0, 0]


def test_the_standard_error_is_what_values_vary_by() -> None:
    rng = np.random.default_rng(1)
    row, background = {"numbers": np.array([[1.0, 2.0, 0.3]])}, {"numbers": rng.normal(size=(40, 3))}
    many = [shapley(curved, row, background, PLAYERS, permutations=100, seed=seed) for seed in range(60)]
    spread = np.std([each.values for each in many], axis=0, ddof=1)
    stated = np.mean([each.errors for each in many], axis=0)
    np.testing.assert_allclose(stated, spread, rtol=0.35)


def test_agrees_with_captum_on_one_row_of_background() -> None:
    captum = pytest.importorskip("captum.attr")
    import torch

    row, background = np.array([[1.0, 2.0, 0.3]]), np.array([[-0.5, 1.0, 2.0]])
    ours = shapley(curved, {"numbers": row}, {"numbers": background}, PLAYERS, permutations=600)
    torch.manual_seed(0)
    theirs = captum.ShapleyValueSampling(
        lambda x: torch.from_numpy(curved({"numbers": x.numpy()}))
    ).attribute(torch.from_numpy(row), baselines=torch.from_numpy(background), n_samples=600)
    np.testing.assert_allclose(ours.values, theirs[0].numpy(), atol=4 * ours.errors.max())


def test_a_date_and_a_category_are_one_player_each() -> None:
    columns = (
        Column(name="sold", kind="date", date_format="%Y-%m-%d"),
        Column(name="town", kind="category"),
        Column(name="rooms", kind="number"),
        Column(name="price", kind="number", role="target"),
    )
    sold, town, rooms = players_of(TableSpec(columns=columns, task=Task("regression")))
    assert (sold.input, len(sold.places)) == ("numbers", 4)
    assert (town.input, town.places) == ("categories", (0,))
    assert (rooms.input, rooms.places) == ("numbers", (4,))
    row = {
        "numbers": np.array([[19782.0, 2024, 2, 3, 5.5]]),
        "categories": np.array([["서울"]], object),
    }
    assert [each.cell(row) for each in (sold, town, rooms)] == ["2024-02-29", "서울", "5.5"]
    others = {"numbers": np.zeros((3, 5)), "categories": np.array([["a"], ["b"], ["서울"]], object)}

    def ask(feed: Feed) -> np.ndarray:
        return feed["numbers"][:, 1] + 10.0 * (feed["categories"][:, 0] == "서울")

    found = shapley(ask, row, others, [sold, town, rooms])
    assert found.values[0] == pytest.approx(2024)
    assert 5 < found.values[1] < 8
    assert found.values[2] == 0
