"""Each feature column is a cue."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mindle.data.tables.cues import cues
from mindle.data.tables.reader import read_table


def test_numbers_stay_and_categories_are_numbered_by_how_frequent_they_are() -> None:
    frame = pd.DataFrame(
        {
            "size": [1.5, None, 3.0, 4.0, 5.5, 6.0],
            "kind": ["b", "a", "b", None, "b", "a"],
            "y": ["p", "q", "p", "q", "p", "q"],
        }
    )
    found = {cue.name: cue for cue in cues(read_table(frame, target="y"), np.arange(5))}
    assert list(found) == ["size", "kind"]
    np.testing.assert_array_equal(found["size"].values[:, 0], [1.5, np.nan, 3.0, 4.0, 5.5])
    np.testing.assert_array_equal(found["kind"].values[:, 0], [0.0, 1.0, 0.0, np.nan, 0.0])
    assert found["kind"].parts == ("b", "a")
    assert {cue.content for cue in found.values()} == {"all"}
