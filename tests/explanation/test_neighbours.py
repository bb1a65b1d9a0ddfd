from __future__ import annotations

import numpy as np
import pytest

from mindle.explanation.neighbours import Neighbours, features_of, read_neighbours


def test_the_nearest_come_first_and_survive_a_file() -> None:
    features = np.array([[0.0, 9.0], [1.0, 0.0], [4.0, 0.0]], np.float32)
    made = Neighbours(
        features=features_of(lambda feed: {"features": features}, np.zeros((3, 2, 2, 1), np.uint8)),
        labels=["a", "나", "c"],
        paths=["a.png", "b.png", "c.png"],
        pictures=[b"first", b"", b"third"],
    )
    again = read_neighbours(made.arrays())
    for each in (made, again):
        near = each.nearest(np.array([3.5, 0.1]), 2)
        assert [one["label"] for one in near] == ["c", "나"]
        assert near[0] == {"path": "c.png", "label": "c", "picture": b"third"}


@pytest.mark.parametrize("name", ["labels", "ends", "pictures"])
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    made = Neighbours(
        features=np.zeros((2, 3), np.float16), labels=["a", "b"], paths=["", ""], pictures=[b"x", b"y"]
    )
    arrays = made.arrays()
    arrays[name] = arrays[name][:1]
    with pytest.raises(ValueError, match="one label, path and picture"):
        read_neighbours(arrays)
