from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.report.formatting import points
from mindle.evaluation.report.overfitting import overfitting
from mindle.evaluation.report.sentences import Sentences

EN, KO = Sentences("en"), Sentences("ko")


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [
        ((1.0, 1500), (0.93, 450), "strong"),
        ((0.96, 5000), (0.935, 2000), "some"),
        ((0.94, 1500), (0.93, 450), "none"),
        ((1.0, 20), (0.9, 10), "none"),
        ((0.80, 5000), (0.90, 2000), "reversed"),
    ],
)
def test_verdicts(train: tuple[float, int], test: tuple[float, int], verdict: str) -> None:
    found = overfitting(train, test, say=EN)
    assert found.verdict == verdict
    assert points(train[0] - test[0]) in found.sentence


def test_the_sentence_holds_the_numbers_in_both_languages() -> None:
    en = overfitting((0.99, 1500), (0.90, 400), val=(0.92, 300), say=EN)
    ko = overfitting((0.99, 1500), (0.90, 400), val=(0.92, 300), say=KO)
    for sentence in (en.sentence, ko.sentence):
        assert all(number in sentence for number in ("99.0%", "92.0%", "90.0%", "+9.0"))
    assert "memorised" in en.sentence
    assert "외운" in ko.sentence


def test_a_validation_that_flatters_is_named() -> None:
    found = overfitting((0.99, 2000), (0.85, 1000), val=(0.95, 1000), say=EN)
    assert found.flattered
    assert "believe the test" in found.sentence
    assert not overfitting((0.99, 2000), (0.85, 1000), val=(0.86, 1000), say=EN).flattered


def test_equal_models_are_rarely_called_over_fitted() -> None:
    generator = np.random.default_rng(0)
    pairs = zip(generator.binomial(1000, 0.9, 500), generator.binomial(300, 0.9, 500), strict=True)
    called = [
        overfitting((a / 1000, 1000), (b / 300, 300), say=EN).verdict in ("some", "strong") for a, b in pairs
    ]
    assert np.mean(called) < 0.05
