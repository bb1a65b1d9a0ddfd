from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest

from mindle.explanation.maps import CHECKED, FEWEST, METHODS, Subject, chosen, pictures_to_check
from tests.explanation.looking import brightest
from tests.explanation.nets import patches, small_net


def test_a_bundle_has_occlusion_alone() -> None:
    alone = Subject(score=brightest)
    assert chosen((), alone) == ("occlusion",)
    with pytest.raises(ValueError, match="need a run, not its bundle"):
        chosen(("grad-cam",), alone)


def test_a_net_has_maps_of_channels() -> None:
    subject = Subject(score=brightest, net=small_net())
    assert chosen((), subject) == ("occlusion", "grad-cam", "layer-cam")
    assert chosen(("integrated",), subject) == ("integrated",)
    with pytest.raises(ValueError, match="rollout"):
        chosen(("rollout",), subject)


@pytest.mark.slow
def test_a_transformer_has_attention() -> None:
    assert "rollout" in chosen((), Subject(score=brightest, net=patches()))


def test_an_unknown_method_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'occlusion'"):
        chosen(("oclusion",), Subject(score=brightest))
    assert set(METHODS) >= {"occlusion"}


def test_a_slow_model_is_checked_on_fewer_pictures() -> None:
    def slow(pixels: np.ndarray) -> np.ndarray:
        begun = perf_counter()
        while perf_counter() - begun < 0.2:
            pass
        return brightest(pixels)

    pixels = np.zeros((8, 16, 16, 3), np.uint8)
    assert pictures_to_check(brightest, pixels) == CHECKED
    assert pictures_to_check(slow, pixels) == FEWEST
