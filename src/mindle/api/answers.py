"""`predict` and `evaluate`: what a run or a bundle says about new data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.checks import finding_document, tell_findings
from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    import pandas as pd

Source = str | os.PathLike[str]


def predict(
    model: Source, images: Any, *, weights: Source | None = None, engine: str = "onnx"
) -> pd.DataFrame:
    """Answer images.

    Args:
        model: A run, a bundle, their folder, or "imagenet:NAME" for a backbone with its own ImageNet classes.
        images: One or several of: a path, a folder (searched downwards), a glob, a PIL image, a uint8 array
            (height, width[, channel]).
        weights: For "imagenet:NAME", where to look for its weights first.
        engine: "onnx" answers from the bundle; "torch" from the run's own PyTorch model.

    Returns:
        A data frame with `path`, `predicted`, `confidence`, `p_<class>` and `reason`; an image that cannot be
        read has a reason and nothing else.

    Raises:
        ArtifactError: If there is no such run or bundle.
    """
    import pandas as pd

    source = open_model(model, weights=weights, engine=engine)
    return pd.DataFrame(list(source.rows(named_images(images))), columns=source.columns)


def open_model(model: Source, *, weights: Source | None = None, engine: str = "onnx") -> Any:
    """Open what `predict` takes once, to answer many times; see `mindle.serving.opened.Opened`."""
    from mindle.serving import opened

    return opened.open_model(model, weights=None if weights is None else Path(weights), engine=engine)


def named_images(images: Any) -> Iterator[tuple[str, Any]]:
    """Names and payloads of what `predict` takes; "-" reads names from standard input."""
    from mindle.data.sources import read_images

    single = (
        isinstance(images, str | os.PathLike) or not isinstance(images, Iterable) or hasattr(images, "shape")
    )
    return read_images(_expanded([images] if single else images))


def _expanded(images: Iterable[Any]) -> Iterator[Any]:
    for image in images:
        if isinstance(image, str) and image == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield image


def evaluate(
    model: Source, data: Source, *, out: Source | None = None, listener: Listener = SILENT
) -> dict[str, Any]:
    """Judge a model on new labelled data: every image of every part.

    Args:
        model: A run or a bundle.
        data: What `train` takes; classes are matched by name.
        out: Where to write the answers as CSV, if anywhere.
        listener: Hears sentences and progress.

    Returns:
        `{"schema": 1, "test": …, "findings": […], "unknown_classes": {…}}`, the scores as in metrics.json.

    Raises:
        DataError: If the data share no class with the model.
    """
    from mindle import data as data_room
    from mindle.evaluation import score
    from mindle.serving.judging import judge

    opened = open_model(model)
    dataset = data_room.check(data_room.read(data), specs=(opened.spec,), listener=listener)
    tell_findings(dataset.findings, listener)
    judged = judge(opened, dataset, listener=listener)
    scores = score(judged.predictions)
    if out is not None:
        judged.write(Path(out))
    accuracy = scores["accuracy"]
    listener.say(
        f"accuracy {accuracy['value']:.1%} (95 % interval {accuracy['low']:.1%} to {accuracy['high']:.1%}, "
        f"n = {scores['n']:,})"
    )
    for name, count in judged.unknown_classes.items():
        listener.say(f"! {count:,} images of {name!r}, a class the model does not know, are not in the score")
    return {
        "schema": 1,
        "test": scores,
        "classes": list(opened.classes),
        "unknown_classes": judged.unknown_classes,
        "findings": [finding_document(finding) for finding in dataset.findings],
    }
