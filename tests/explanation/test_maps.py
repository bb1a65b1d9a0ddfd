from __future__ import annotations

import pytest

from mindle.explanation.maps import METHODS, Subject, chosen
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
