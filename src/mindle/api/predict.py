"""`predict`: what a run or a bundle predicts for new data."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mindle.api.costs import costs_for
from mindle.artifacts.outputs import STREAM, Output, keep_apart, outputs_of

if TYPE_CHECKING:
    from io import BufferedReader

    import pandas as pd

    from mindle.serving.opened import Opened

Source = str | os.PathLike[str]

_AHEAD = 10_000  # names, which are soon listed: enough to know whether a trial of engines pays


def predict(
    model: Source,
    images: Any,
    *,
    separator: str | None = None,
    header: int | None = None,
    weights: Source | None = None,
    engine: str = "onnx",
    cost: Source | None = None,
) -> pd.DataFrame:
    """Predict images, or rows of a table.

    Args:
        model: A run, a bundle, their folder, or "imagenet:NAME" for a backbone with its own ImageNet classes.
        images: One or several of: a path, a folder (searched downwards), a glob, a PIL image, a uint8 array
            (height, width[, channel]). For a model of tables: a CSV or JSON file (a path, an open file, its
            bytes), a data frame, a mapping by column name (of cells: one row; of lists: a table), with the
            columns in any order.
        separator: Of a file of rows: what stands between cells, where the file does not show it.
        header: Of a file of rows: how many lines of header it has, where the file does not show it.
        weights: For "imagenet:NAME", where to look for its weights first.
        engine: "onnx" runs the bundle; "torch" the run's own PyTorch model.
        cost: What wrong answers cost, as `train` takes it; in place of what the model was trained with.

    Returns:
        A data frame with `path`, `predicted`, `confidence`, `p_<class>`, `abstain`, `label_set` and `reason`;
        an image that cannot be read has a reason and no prediction. `abstain` says why an answer should not
        be used alone ("torn", "dark", "unlike_training"…; "" where it may be), `label_set` is a JSON list of
        the classes that are still possible; bundles of version 0.1.0 have neither. With costs, `decision` is
        what costs least. An estimated number stands in `predicted`, the ends of its prediction interval in
        `low` and `high`. For rows, `row` counts them and id columns are carried
        through; cells that cannot be read are missing, and a `DataWarning` counts them by column.

    Raises:
        ArtifactError: If there is no such run or bundle.
        DataError: If rows lack columns that the model learned from (all of them are named), or no cell of
            one can be read.
    """
    opened = open_model(model, separator=separator, header=header, weights=weights, engine=engine, cost=cost)
    return opened.frame(inputs_of(opened, images))


def open_model(
    model: Source,
    *,
    separator: str | None = None,
    header: int | None = None,
    weights: Source | None = None,
    engine: str = "onnx",
    cost: Source | None = None,
) -> Opened:
    """Open what `predict` takes once, to answer many times; see `mindle.serving.opened`."""
    from mindle.serving import opened

    found = opened.open_model(model, weights=None if weights is None else Path(weights), engine=engine)
    found.source.read_as(separator=separator, header=header)
    return found.with_costs(costs_for(cost, found.classes))


def inputs_of(
    opened: Opened, given: Any, *, written: Mapping[str, Source | None] | None = None
) -> Iterator[Any]:
    """What the `rows` of an opened model take; "-" reads names from standard input.

    Args:
        opened: The model.
        given: What the user gave.
        written: Outputs of the same call by option: skipped in folders, refused where they are named.

    Raises:
        ValueError: If standard input names an output.
    """
    outputs = outputs_of(written or {})
    single = (
        isinstance(given, str | os.PathLike | Mapping | bytes | bytearray | memoryview)
        or not isinstance(given, Iterable)
        or hasattr(given, "shape")
        or hasattr(given, "read")  # an open file, which is iterable by line
    )
    given = [given] if single else given
    inputs: Iterator[Any] = opened.source.inputs(_expanded(given, written or {}))
    wanted = (one for one in inputs if not _is_output(one, outputs)) if outputs else inputs
    # Names on standard input may come one by one, and whoever writes them wait for an answer.
    streamed = not isinstance(given, Sequence) or STREAM in [one for one in given if isinstance(one, str)]
    return wanted if streamed else _Counted(wanted)


class _Counted(Iterator[Any]):
    """Inputs of which the first files are looked up ahead, so that it is known whether there are many."""

    def __init__(self, inputs: Iterator[Any]) -> None:
        self._rest = inputs
        self._ahead: deque[Any] = deque()
        for one in islice(inputs, _AHEAD):
            self._ahead.append(one)
            if not (isinstance(one, tuple) and isinstance(one[1], Path)):
                break  # what is in memory stays where it is

    def __next__(self) -> Any:
        return self._ahead.popleft() if self._ahead else next(self._rest)

    def __length_hint__(self) -> int:
        return len(self._ahead)


def _is_output(one: Any, outputs: Sequence[Output]) -> bool:
    """Whether an image, named, is a file that this call is writing."""
    image = one[1] if isinstance(one, tuple) else one
    return isinstance(image, Path) and any(output.is_one_of(image) for output in outputs)


def _expanded(images: Iterable[Any], written: Mapping[str, Source | None]) -> Iterator[Any]:
    for image in images:
        if isinstance(image, str) and image == STREAM:
            for name in _names():
                keep_apart(written, [name], among=True)
                yield name
        else:
            yield image


def _names() -> Iterator[str]:
    """The names on standard input as `xargs` and `xargs -0` read them: one a line, or each before a NUL."""
    if sys.stdin is None:
        raise ValueError("`-` must find names on standard input. Received none: it is closed.")
    stream = cast("BufferedReader", sys.stdin.buffer)
    end, rest = b"\n", b""
    while chunk := stream.read1():
        end = b"\0" if b"\0" in chunk else end
        *whole, rest = (rest + chunk).split(end)
        yield from (os.fsdecode(name) for line in whole if (name := line.removesuffix(b"\r")))
    if rest.strip():
        yield os.fsdecode(rest)
