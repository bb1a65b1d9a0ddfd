"""Anything that answers, opened by its name: a run, a bundle, or a backbone with its ImageNet classes."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts import answers as layouts
from mindle.artifacts.answers import FEATURES
from mindle.artifacts.bundle import Bundle, read_bundle
from mindle.artifacts.files import cache_dir, exists, first_words, write_csv
from mindle.engines import Arrays
from mindle.errors import ArtifactError
from mindle.evaluation import tasks
from mindle.evaluation.conformal import Calibration
from mindle.evaluation.family import Reading, joined
from mindle.evaluation.trust.abstention import Abstention, read_abstention
from mindle.evaluation.trust.costs import Costs
from mindle.evaluation.trust.difficulty import read_intervals
from mindle.messages import message
from mindle.records import SILENT, Answers, InputSpec, Listener, Predictions, TableSpec, Task
from mindle.serving.session import Graph, PlannedGraph, bundle_graph, require_float32, settled, stream
from mindle.serving.source import Batch, Labelled, Source, Target, target_of

if TYPE_CHECKING:
    import pandas as pd

ENGINES = ("onnx", "torch")
IMAGENET = "imagenet:"
B = TypeVar("B", Batch, Labelled)
LABELS_SHOWN = 5
SOURCES: dict[type[Any], tuple[str, str]] = {
    InputSpec: ("mindle.serving.images", "ImageSource"),
    TableSpec: ("mindle.serving.rows", "RowSource"),
}


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Answers to labelled data.

    Attributes:
        answers: To every image or row whose truth the model knows.
        unknown_classes: How many images or rows were skipped of each class that it does not know.
        skipped: How many were skipped because they have no truth or cannot be read.
    """

    answers: Answers
    unknown_classes: dict[str, int] = field(default_factory=dict)
    skipped: int = 0

    def write(self, path: Path, *, raw: bool = False) -> None:
        """Write the answers as CSV: path, the truth, and what was answered, numbers with eight decimals.

        Args:
            path: The file.
            raw: Whether texts that a spreadsheet would run as formulas are left as they are.

        Raises:
            DeviceError: If the file cannot be written.
        """
        columns, rows = layouts.with_truth(self.answers, "{:.8f}")
        named = ([path, *row] for path, row in zip(self.answers.paths, rows, strict=True))
        write_csv(path, ["path", *columns], named, raw=raw)


@dataclass(frozen=True)
class Opened:
    """A model that answers, and lays its answers out as rows of a table.

    Attributes:
        source: Where it finds images or rows.
        target: What it answers.
        graph: Inputs to outputs, by name.
        nothing: What the graph answers where there is nothing to answer: outputs (0, …).
        thresholds: One a class where they say which class is named; None names the likeliest.
        calibration: What prediction intervals are made from, if anything.
        abstention: When not to answer, where the model says so.
        layout: How answers are laid out; as the task says unless given.
    """

    source: Source
    target: Target
    graph: Graph
    nothing: Arrays
    thresholds: NDArray[np.float64] | None = None
    calibration: Calibration | None = None
    abstention: Abstention | None = None
    layout: layouts.Layout[Any] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities; none where it estimates a number."""
        return self.target.classes

    def with_costs(self, costs: Costs | None) -> Opened:
        """The same that decides by these costs; by its own, if any, where None are given."""
        if costs is None:
            return self
        return replace(self, abstention=replace(self.abstention or Abstention(), costs=costs))

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns of a table of answers."""
        return [*self.source.keys, *self._laid_out.columns(self.answers(self.nothing, ())), "reason"]

    @cached_property
    def _laid_out(self) -> layouts.Layout[Any]:
        return self.layout or layouts.of(self.target.task)

    @cached_property
    def _typed(self) -> dict[str, int | float]:
        return self.source.typed(self.classes)

    def answers(
        self,
        outputs: Arrays,
        paths: tuple[str, ...],
        *,
        truth: NDArray[Any] | None = None,
        noticed: Sequence[str] = (),
        quality: NDArray[Any] | None = None,
    ) -> Answers:
        """What outputs of the graph answer.

        Args:
            outputs: (row, …) by name.
            paths: One name a row.
            truth: (row,) where it is known.
            noticed: Code of what was noticed while each row was read, or ""; of no row where empty.
            quality: (row, statistic) of pictures.
        """
        evaluation = tasks.of(self.target.task)
        reading = Reading(
            classes=self.classes,
            thresholds=self.thresholds,
            calibration=self.calibration,
            abstention=self.abstention,
            noticed=noticed,
            quality=quality,
        )
        made: Answers = evaluation.answers(outputs, reading, paths, truth)
        trusted: Answers = evaluation.trusted(made, outputs, reading)
        return trusted

    def answer_stored(
        self,
        stored: Any,
        paths: tuple[str, ...],
        *,
        truth: NDArray[Any] | None = None,
        noticed: Sequence[str] = (),
    ) -> Answers:
        """Answer what training stored: pixels, or the cells of rows by column."""
        measured, parts, done = deque[NDArray[np.float32] | None](), [], 0

        def feeds() -> Iterator[Arrays]:
            for feed in self.source.feeds(stored, settled(self.graph, len(paths))):
                measured.append(self.source.quality(feed))
                yield feed

        for outputs in stream(self.graph, feeds()):
            rows = slice(done, done + len(next(iter(outputs.values()))))
            known, quality = None if truth is None else truth[rows], measured.popleft()
            found = self.answers(outputs, paths[rows], truth=known, noticed=noticed[rows], quality=quality)
            parts.append(found)
            done = rows.stop
        return joined(parts) if parts else self.answers(self.nothing, paths, truth=truth)

    def rows(self, inputs: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Answers as rows for a table; a row without an answer has a reason and None elsewhere.

        Inputs are decoded ahead while others are answered, a bounded number of them.

        Args:
            inputs: What `source.inputs` gave; those that know how many there are (`__length_hint__`) run as
                suits so many.
        """
        empty = dict.fromkeys(self.columns)
        batches = self.source.batches(inputs, settled(self.graph, length_hint(inputs)))
        for batch, outputs in self._answered(batches):
            answered = self._cells(outputs, batch)
            for key, reason, code in zip(batch.keys, batch.reasons, batch.noticed, strict=True):
                row = {**empty, **key, "reason": reason}
                refused = {"abstain": code} if reason and "abstain" in empty else {}
                yield row | refused if reason else row | next(answered)

    def _answered(self, batches: Iterable[B]) -> Iterator[tuple[B, Arrays]]:
        """Batches with their outputs, in order; nothing where a batch has nothing to answer."""
        under_way: deque[B] = deque()

        def feeds() -> Iterator[Arrays]:
            for batch in batches:
                under_way.append(batch)
                if batch.feed:
                    yield batch.feed

        for outputs in stream(self.graph, feeds()):
            while not under_way[0].feed:
                yield under_way.popleft(), self.nothing
            yield under_way.popleft(), outputs
        yield from ((batch, self.nothing) for batch in under_way)

    def _cells(self, outputs: Arrays, batch: Batch) -> Iterator[dict[str, Any]]:
        noticed = batch.noticed_of_fed
        count = len(noticed)
        answers = self.answers(
            {name: rows[:count] for name, rows in outputs.items()},
            ("",) * count,
            noticed=noticed,
            quality=batch.quality,
        )
        columns = self._laid_out.columns(answers)
        for cells in self._laid_out.rows(answers):
            row = dict(zip(columns, cells, strict=True))
            yield row | {"predicted": self._typed.get(row["predicted"], row["predicted"])}

    def evaluate(self, data: Any, *, listener: Listener = SILENT) -> Evaluated:
        """Answer every image or row whose truth the model knows.

        Args:
            data: What `read_labelled` of the source gave.
            listener: Hears progress.

        Raises:
            DataError: If the data hold no truth that the model knows.
        """
        parts, unknown, skipped = list[Answers](), Counter[str](), 0
        batches = self.source.labelled(data, self.target, lambda rows: settled(self.graph, rows), listener)
        for batch, answered in self._answered(batches):
            unknown, skipped = unknown + batch.unknown, skipped + batch.skipped
            found = self.answers(
                answered,
                tuple(batch.paths),
                truth=batch.truth,
                noticed=batch.noticed,
                quality=batch.quality,
            )
            parts.append(found)
        return Evaluated(
            answers=joined(parts),
            unknown_classes=dict(unknown),
            skipped=skipped,
        )

    def frame(self, inputs: Iterable[Any]) -> pd.DataFrame:
        """Answers as a data frame; warns of what was read otherwise than in training, or not at all."""
        import pandas as pd

        found = pd.DataFrame(list(self.rows(inputs)), columns=self.columns)
        self.source.report.warn()
        return found


class TopClasses(layouts.ClassLayout):
    """The five likeliest of a thousand classes, whose columns would help nobody."""

    def columns(self, answers: Predictions) -> list[str]:
        """See `Layout`."""
        best = [f"{word}_{rank}" for rank in range(1, LABELS_SHOWN + 1) for word in ("label", "p")]
        return ["predicted", "confidence", *best]

    def rows(self, answers: Predictions) -> Iterator[list[Any]]:
        """See `Layout`."""
        for probabilities in answers.probabilities:
            order = np.argsort(-probabilities, kind="stable")[:LABELS_SHOWN].tolist()
            best = [(answers.classes[index], float(probabilities[index])) for index in order]
            yield [*best[0], *(cell for pair in best for cell in pair)]


def open_model(
    name: str | os.PathLike[str],
    *,
    engine: str = "onnx",
    weights: Path | None = None,
    threads: int | None = None,
) -> Opened:
    """Open a run folder, a bundle folder, or `imagenet:<backbone>`.

    Args:
        name: The folder, or "imagenet:" and the name of a backbone.
        engine: "onnx" answers from the bundle without torch; "torch" from the model of the run in PyTorch.
        weights: Where to look for a backbone's weights first.
        threads: How many threads answer; all cores unless set.

    Raises:
        ArtifactError: If there is no such run or bundle, or it is unfinished or damaged.
        ModelError: If a backbone has no weights here.
    """
    if engine not in ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}. Received engine={engine!r}.")
    if os.fspath(name).startswith(IMAGENET):
        return _open_imagenet(os.fspath(name).removeprefix(IMAGENET), weights, threads)
    folder, is_run = locate(name)
    if engine == "torch":
        if not is_run:
            raise ArtifactError(
                f"engine='torch' must be given a run. {folder} is a bundle, which needs no torch: leave the "
                "engine out."
            )
        return _open_torch(folder)
    return open_bundle(_bundle_of(folder) if is_run else read_bundle(folder), threads=threads)


def locate(path: str | os.PathLike[str]) -> tuple[Path, bool]:
    """The folder of a finished run or of a bundle, and whether it is a run.

    Raises:
        ArtifactError: If it is neither, or a run that has not finished.
    """
    folder = Path(path)
    if folder.name in ("bundle.json", "run.json", "model.onnx"):
        folder = folder.parent
    if exists(folder / "bundle.json"):
        return folder, False
    if not exists(folder / "run.json"):
        raise ArtifactError(
            f"A model must be a run or a bundle folder. Received {os.fspath(path)!r}, which is neither. "
            "`mindle runs` lists the runs below runs/."
        )
    from mindle.artifacts.run import FINISHED, RunFolder

    if RunFolder(folder).document().get("state") != FINISHED:
        raise ArtifactError(
            f"{folder} is a run that has not finished. Give the same `mindle train` command with --out "
            f"{folder} --resume."
        )
    return folder, True


def _bundle_of(run: Path) -> Bundle:
    from mindle.artifacts.run import RunFolder

    return read_bundle(RunFolder(run).bundle)


def open_bundle(bundle: Bundle, *, threads: int | None = None, precision: str | None = None) -> Opened:
    """Open a bundle.

    Args:
        bundle: Read and verified, or just made.
        threads: How many threads answer; all cores unless set.
        precision: What it computes in; its own unless set.

    Raises:
        ArtifactError: If its graph cannot be read, or this machine's runtime answers otherwise.
        ModelError: If this machine cannot compute in its precision, and float32 is not as good.
    """
    source = _source_of(bundle.spec, bundle.classes)
    return _opened(bundle, source, bundle_graph(bundle, threads, source.listener, precision))


def _opened(bundle: Bundle, source: Source, graph: Graph) -> Opened:
    arrays, abstention = bundle.intervals(), _abstention_of(bundle, source)
    return Opened(
        source=source,
        target=target_of(bundle.task, bundle.classes, str(bundle.details.get("target", ""))),
        graph=graph,
        nothing={name: array[:0] for name, array in bundle.reference().items() if name in bundle.outputs},
        thresholds=bundle.thresholds,
        calibration=read_intervals(arrays) if arrays else None,
        abstention=abstention,
    )


def _abstention_of(bundle: Bundle, source: Source) -> Abstention | None:
    """When a bundle should not answer; the source is given what it has to look at for that."""
    if not bundle.abstention:
        return None
    try:
        found, classes = read_abstention(bundle.abstention, bundle.abstention_arrays()), len(bundle.classes)
        if found.label_sets is not None and len(found.label_sets.limit) not in (1, classes):
            raise ValueError(f"`label_sets.limit` must hold one number, or {classes}.")
        if found.costs is not None:
            found.costs.of_classes(bundle.classes)
        source.look_for(found.limits)
        if found.limits is not None and found.limits.unknown is not None:
            _require_features(bundle, found.limits.unknown.vectors.shape[1])
    except ValueError as error:
        raise ArtifactError(
            f"{bundle.folder} must say when not to answer as a bundle does: {first_words(error)}. Copy the "
            "whole folder again."
        ) from error
    return found


def _require_features(bundle: Bundle, width: int) -> None:
    features = bundle.reference().get(FEATURES)
    if features is None or features.shape[1] != width:
        raise ValueError(
            f"`vectors` must have the features that the graph answers. Received {width} columns."
        )


def _source_of(spec: InputSpec | TableSpec, classes: tuple[str, ...]) -> Source:
    """Where a model finds what it answers; of images and rows only one is loaded."""
    module, name = SOURCES[type(spec)]
    source: Source = getattr(import_module(module), name)(spec, classes)
    return source


def _open_torch(folder: Path) -> Opened:
    if not (folder / "model.json").is_file():
        raise ArtifactError(
            f"engine='torch' must be given a run with a PyTorch model. {folder} has none: leave the engine "
            "out."
        )
    from mindle.formats.images import torch_outputs
    from mindle.models.classifier import load_model

    model = load_model(folder)
    bundle = _bundle_of(folder)
    if (tuple(model.classes), model.spec.shape) != (bundle.classes, getattr(bundle.spec, "shape", None)):
        raise ArtifactError(
            f"{folder / 'model.json'} must describe the model that was packed into {bundle.folder}. Received "
            "one of other classes or pixels. Copy the whole folder again."
        )
    source = _source_of(bundle.spec, bundle.classes)
    require_float32(bundle, message("predict.float32-torch"), source.listener)
    return _opened(bundle, source, lambda feed: torch_outputs(model, feed["pixels"], bundle.temperature))


def _open_imagenet(name: str, weights: Path | None, threads: int | None) -> Opened:
    """A backbone with its ImageNet head, as an ONNX graph that is exported once and cached."""
    import torch

    from mindle.engines import open_graph
    from mindle.models.classifier import AnswerGraph, imagenet_classifier
    from mindle.models.graph import export_onnx
    from mindle.models.pretrained.weights import resolve

    card = resolve(name, weights)
    model = imagenet_classifier(card)
    identity = hashlib.sha256(json.dumps(model.description, sort_keys=True).encode() + card.sha256.encode())
    graph = cache_dir() / "graphs" / f"imagenet-{identity.hexdigest()[:24]}.onnx"
    if not graph.is_file():
        example = torch.zeros((1, *model.spec.shape), dtype=torch.uint8)
        export_onnx(AnswerGraph(model).eval(), example, graph)
    source = _source_of(model.spec, ())
    return Opened(
        source=source,
        target=target_of(Task("multiclass"), tuple(model.classes)),
        graph=PlannedGraph(
            graph,
            model.spec.shape,
            lambda plan: open_graph(graph, plan),
            threads=threads,
            listener=source.listener,
        ),
        nothing={"probabilities": np.zeros((0, len(model.classes)))},
        layout=TopClasses(),
    )
