from __future__ import annotations

import re

import pytest

from mindle.evaluation.report.dandelion import dandelion
from mindle.evaluation.report.sentences import Sentences

EN = Sentences("en")


@pytest.mark.parametrize(("n", "wrong"), [(1, 0), (1, 1), (450, 34), (10_000, 1), (10_000, 9_000)])
def test_seeds_stay_in_the_picture_and_lose_none(n: int, wrong: int) -> None:
    drawing = dandelion(n, wrong, EN)
    right, gone = drawing.split('class="gone"')
    assert "nan" not in drawing
    assert drawing.count("<circle") <= 510
    assert (drawing.count("<circle") == n) == (n <= 500)
    assert (gone.count("<circle") > 0) == (wrong > 0)
    assert (right.count("<circle") > 0) == (wrong < n)
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawing)]
    assert all(0 <= x <= 480 for x in xs)
