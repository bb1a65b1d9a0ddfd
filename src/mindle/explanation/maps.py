"""Which maps there are, of which models, and what is checked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from mindle.errors import did_you_mean
from mindle.evaluation import tasks
from mindle.explanation.checks import Checked, Picture, check
from mindle.explanation.fading import Map, Pixels, Score
from mindle.explanation.occlusion import occlusion
from mindle.explanation.shuffled import forgotten, shuffled_graph, spread
from mindle.serving.opened import Opened

FEWEST, CHECKED, SHUFFLED = 4, 12, 6
"""On how many pictures maps are checked, and of how many they are drawn again with shuffled weights.

Of four that all pass, the interval still lies above a half.
"""

# What checking a picture costs in forward passes, and how long all may take in seconds.
_PASSES, _SECONDS = 900, 60.0
_TIMED = 8


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that maps are drawn of.

    Attributes:
        score: What it says of pixels, (image, target).
        net: The PyTorch model of a run; None where only the bundle is asked.
    """

    score: Score
    net: Any = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to draw maps.

    Attributes:
        draw: The map of a picture and a target.
        suits: Whether a model has what it takes.
        usual: Whether it is drawn unless methods are asked for.
    """

    draw: Callable[[Subject, Pixels, int], Map]
    suits: Callable[[Subject], bool] = lambda subject: True
    usual: bool = True


def _has_map(subject: Subject) -> bool:
    if subject.net is None:
        return False
    from mindle.explanation.torch.cam import has_map

    return has_map(subject.net)


def _attends(subject: Subject) -> bool:
    if subject.net is None:
        return False
    from mindle.explanation.torch.rollout import attends

    return attends(subject.net)


def _grad_cam(subject: Subject, pixels: Pixels, target: int) -> Map:
    from mindle.explanation.torch.cam import grad_cam

    return grad_cam(subject.net, pixels, target)


def _layer_cam(subject: Subject, pixels: Pixels, target: int) -> Map:
    from mindle.explanation.torch.cam import layer_cam

    return layer_cam(subject.net, pixels, target)


def _rollout(subject: Subject, pixels: Pixels, target: int) -> Map:
    from mindle.explanation.torch.rollout import rollout

    return rollout(subject.net, pixels, target)


def _integrated(subject: Subject, pixels: Pixels, target: int) -> Map:
    from mindle.explanation.torch.integrated import integrated_gradients

    return integrated_gradients(subject.net, pixels, target)


METHODS: dict[str, Method] = {
    "occlusion": Method(draw=lambda subject, pixels, target: occlusion(subject.score, pixels, target)),
    "grad-cam": Method(draw=_grad_cam, suits=_has_map),
    "layer-cam": Method(draw=_layer_cam, suits=_has_map),
    "rollout": Method(draw=_rollout, suits=_attends),
    "integrated": Method(draw=_integrated, suits=lambda subject: subject.net is not None, usual=False),
}


def chosen(asked: Sequence[str], subject: Subject) -> tuple[str, ...]:
    """The methods that are asked for, or all usual ones that suit the model.

    Raises:
        ValueError: If one is unknown, or does not suit the model.
    """
    suited = [name for name, method in METHODS.items() if method.suits(subject)]
    for name in asked:
        if name not in METHODS:
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received {name!r}."
                f"{did_you_mean(name, METHODS)}"
            )
        if name not in suited:
            inside = (
                "" if subject.net is not None else " Maps from inside a network need a run, not its bundle."
            )
            raise ValueError(
                f"`method` must be one that suits this model: {', '.join(suited)}. Received {name!r}.{inside}"
            )
    return tuple(asked) or tuple(name for name in suited if METHODS[name].usual)


def scored(opened: Opened, graph: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None) -> Score:
    """What a model says of pixels, (image, target), or another graph with the same outputs."""
    evaluation, ask = tasks.of(opened.target.task), graph or opened.graph
    return lambda pixels: evaluation.evidence(ask({"pixels": pixels}))


def forgetful(opened: Opened, model: Path, subject: Subject, pixels: Pixels) -> Subject:
    """The subject with its weights shuffled, of the graph and of the network each as far as it stays alive.

    Args:
        opened: The model.
        model: Its ONNX graph.
        subject: What maps are drawn of.
        pixels: Some pictures, on which it must not answer always the same.
    """
    trained = spread(subject.score(pixels))
    score, _ = forgotten(
        lambda share: scored(opened, shuffled_graph(model, share)),
        lambda made: spread(made(pixels)),
        trained,
    )
    return replace(
        subject, score=score, net=None if subject.net is None else _forgetful_net(subject.net, pixels)
    )


def _forgetful_net(net: Any, pixels: Pixels) -> Any:
    import torch

    from mindle.explanation.torch.shuffled import shuffled_model

    def deviation(made: Any) -> float:
        with torch.inference_mode():
            return spread(made(torch.from_numpy(pixels)).numpy())

    return forgotten(lambda share: shuffled_model(net, share), deviation, deviation(net))[0]


def pictures_to_check(score: Score, pixels: Pixels) -> int:
    """On how many pictures a model is checked in about a minute; large ones on fewer.

    Args:
        score: What it says of pixels.
        pixels: Some pictures, to time it on.
    """
    some = pixels[:_TIMED]
    score(some)  # the first call prepares the engine
    begun = perf_counter()
    score(some)
    rate = len(some) / max(perf_counter() - begun, 1e-9)
    return max(FEWEST, min(CHECKED, int(_SECONDS * rate / _PASSES)))


def check_methods(
    names: Sequence[str], subject: Subject, shuffled: Subject, pictures: Sequence[Picture]
) -> Iterator[tuple[str, Checked]]:
    """Check methods, one after the other.

    Args:
        names: The methods.
        subject: The model.
        shuffled: What `forgetful` made of it.
        pictures: That the model answers correctly.
    """
    for name in names:
        draw = METHODS[name].draw
        maps = [draw(subject, picture.pixels, picture.target) for picture in pictures]
        again = [draw(shuffled, picture.pixels, picture.target) for picture in pictures[:SHUFFLED]]
        yield name, check(pictures, maps, again)
