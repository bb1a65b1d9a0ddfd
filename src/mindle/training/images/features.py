"""What a frozen backbone sees in each image, computed once and cached.

The backbone and its normalisation become one ONNX graph, which ONNX Runtime runs 2.5 times as fast as
PyTorch does on a CPU (MobileNetV2 at 224 px, two cores). When the graph is made it is compared with
PyTorch on the first images. Features are rows of a store in the cache, found by the hash of the image, so
that a second run embeds nothing, and an interrupted one only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.artifacts.files import cache_dir, write_json
from mindle.data.common.store import RowStore
from mindle.data.images.pixels import pixel_key
from mindle.engines import (
    FEATURES,
    Forward,
    Plan,
    load_engines,
    observe,
    parse_plan,
    pinned_plan,
    plan_for,
    whole,
    why_not,
)
from mindle.messages import message
from mindle.models.graph import export_onnx, session
from mindle.models.pretrained.cards import WeightCard, card_as_dict
from mindle.records import SILENT, InputSpec, Listener
from mindle.training.budget import TimeUp
from mindle.training.images.embedding import CARD_BATCH, Embedding, Run, card_run, torch_run
from mindle.training.loop.augment import Augment
from mindle.training.loop.batches import draw
from mindle.training.loop.job import PixelRows
from mindle.training.settings import AugmentSettings

# Raise it when the same card gives other features.
GRAPH_VERSION = 1
# Images that are fetched together, and batches of PyTorch.
BATCH = 16
# Relative to the largest feature; float32 rounding over some fifty layers stays below 1e-5.
TOLERANCE = 1e-3
# A killed run loses at most a segment: 4 MB are some 800 images, a few seconds of work.
SEGMENT_BYTES = 4 << 20


@dataclass(frozen=True)
class Views:
    """How images are looked at: plain, and augmented; a view is the same for the same seed and image.

    Attributes:
        count: How many augmented views of each image, besides the plain one.
        augment: How a view differs; nothing differs unless set.
        seed: With an image's key and the view's number, says what is drawn for it.
    """

    count: int = 0
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    seed: int = 0

    def keys(self, keys: Sequence[str]) -> list[str]:
        """The key of each row of features: all images plain, then all in their first view, and so on."""
        augment = hashlib.sha256(repr(self.augment).encode()).hexdigest()[:16]
        endings = [f":view{view}:seed{self.seed}:{augment}" for view in range(1, self.count + 1)]
        return [key + ending for ending in ("", *endings) for key in keys]

    def of(self, images: NDArray[np.uint8], keys: Sequence[str], views: Sequence[int]) -> NDArray[np.uint8]:
        """One view of each image, uint8 (image, height, width, channel); view 0 is the image itself."""
        rows = [row for row, view in enumerate(views) if view]
        if not rows:
            return images
        generators = [self._generator(keys[row], views[row]) for row in rows]
        floats = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float().div_(255)
        seen = Augment(self.augment)(floats, generators).clamp_(0, 1)  # (image, channel, height, width)
        images = images.copy()
        images[rows] = seen.mul_(255).round_().byte().permute(0, 2, 3, 1).numpy()
        return images

    def _generator(self, key: str, view: int) -> torch.Generator:
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "little")
        return torch.Generator().manual_seed(draw(self.seed, view, number))


PLAIN = Views()


@dataclass
class Engine:
    """Embeds images with one backbone, in the fastest way that agrees with PyTorch.

    Attributes:
        card: The backbone; it must have weights, whose hash names the features.
        pooling: As `build_backbone`; "none" is taken for "avg".
        cache: The cache folder; the user's unless set.
        listener: Hears progress, and where PyTorch has to embed.
        threads: How many threads may work; all usable cores unless set.
        device: Where nets are trained: on CUDA PyTorch embeds, with any other a graph on the processor.
        precision: Of the graph's forward passes; what is not float32 is for processors alone.
        rows: How many images and views are wanted, as far as known: many are worth a trial of engines.
        embedded: How many images and views were embedded.
        seconds: What their forward passes took.
    """

    card: WeightCard
    _: KW_ONLY
    pooling: str = "avg"
    cache: Path | None = None
    listener: Listener = SILENT
    threads: int | None = None
    device: str = "cpu"
    precision: str = "float32"
    rows: int = 0
    embedded: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if not self.card.sha256:
            raise ValueError(
                f"`card` must have a weight file with a hash. Received {self.card.name}, which has none."
            )
        self.pooling = "avg" if self.pooling == "none" else self.pooling
        self.folder = self.cache or cache_dir()
        self.device = self.device if self.device == "cuda" else "cpu"
        self._run: Run | None = None
        self.forward: Forward | None = None
        self._width = 0
        self._export_seconds = 0.0
        self._alone = Lock()
        self._tried: list[Forward] = []  # the graph as a trial of plans opened it

    @property
    def identity(self) -> str:
        """A hash of everything that the graph depends on."""
        card = card_as_dict(self.card)
        facts = {name: card[name] for name in ("library", "model", "arguments", "identity", "sha256")} | {
            "mean": card["mean"],
            "std": card["std"],
            "pooling": self.pooling,
            "pixels": pixel_key(self.card.spec),
            "version": GRAPH_VERSION,
        }
        return _hash(json.dumps(facts, sort_keys=True, default=str))

    @property
    def name(self) -> str:
        """A hash of everything that the features depend on, images aside.

        Features of two engines differ by rounding and are kept apart: what a run learns from does not depend
        on what another run embedded.
        """
        numerics = self.plan.numerics if self.device == "cpu" else f"torch-{self.device}"
        return _hash(f"{self.identity} {numerics}")

    @cached_property
    def plan(self) -> Plan:
        """How the graph runs; see `mindle.engines.plan_for`. Of PyTorch only the batch counts."""
        if self.device != "cpu":
            return Plan(batch=CARD_BATCH)
        return plan_for(
            self.identity,
            self._exported,
            self.card.spec.shape,
            rows=self.rows,
            threads=self.threads,
            precision=self.precision,
            listener=self.listener,
            opened=self._tried.append,
        )

    @property
    def is_open(self) -> bool:
        """Whether the graph is there and loaded."""
        return self._run is not None

    @property
    def graph(self) -> Path | None:
        """The ONNX graph from pixels to features, proven against PyTorch; None where PyTorch embeds."""
        path = self._graph
        proven = self.device == "cpu" and path.is_file() and _difference(path) <= TOLERANCE
        return path if proven else None

    @property
    def _graph(self) -> Path:
        return self.folder / "graphs" / f"{self.identity}.onnx"

    def sibling(self) -> Engine:
        """Another that embeds with the same graph, for a thread beside: silent, with counts of its own."""
        other = copy(self)
        other.listener, other.embedded, other.seconds = SILENT, 0, 0.0
        return other

    def follow(self, plan: str | None) -> None:
        """Run as a resumed run did until it was interrupted, unless `MINDLE_ENGINE` says otherwise."""
        if plan and pinned_plan(self.card.spec.shape, 1) is None:
            before = parse_plan(plan, Plan())
            self.plan = self.plan if why_not(before) else before

    def begin(self) -> None:
        """Make the graph, if it is not there, and load what will run it."""
        if self.device == "cpu":
            self._exported()
            load_engines()

    def store(self) -> RowStore:
        """Where the features are stored; its name holds the width, so that reading needs no graph."""
        return RowStore(
            self.folder / "features" / f"{self.name}-{self.width()}",
            shape=(self.width(),),
            dtype=np.float32,
            segment_bytes=SEGMENT_BYTES,
        )

    def width(self) -> int:
        """Features an image."""
        if not self._width:
            known = sorted((self.folder / "features").glob(f"{self.name}-*"))
            if known:
                self._width = int(known[0].name.rpartition("-")[2])
            else:
                self._width = self.run(np.zeros((1, *self.card.spec.shape), np.uint8)).shape[1]
        return self._width

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of images."""
        return next(self._stream(iter([images])))

    def embed(
        self,
        pixels: PixelRows,
        keys: Sequence[str],
        views: Views = PLAIN,
        *,
        go_on: Callable[[], bool] = lambda: True,
    ) -> NDArray[np.float32]:
        """Features of images, and of augmented views of them.

        Args:
            pixels: Images as the card's spec wants them, uint8 (image, height, width, channel).
            keys: Content hash of each image.
            views: The views that are wanted.
            go_on: Asked before each batch.

        Returns:
            (view, image, feature); view 0 is plain.

        Raises:
            ValueError: If there is not one key an image.
            TimeUp: If `go_on` said no; what was embedded stays in the cache.
        """
        if len(keys) != len(pixels):
            raise ValueError(
                f"`keys` must have one key an image. Received {len(keys)} keys, {len(pixels)} images."
            )
        wanted, count = views.keys(keys), len(keys)
        self.rows = max(self.rows, len(wanted))
        if not wanted:
            return np.zeros((views.count + 1, 0, self.width()), np.float32)
        store = self.store()
        if store.missing(wanted):
            with self._alone, store.writer(self.listener) as writer:
                for row, features in self._missing_rows(store, pixels, keys, views, go_on):
                    writer.add(wanted[row], features)
            if self.forward is not None:
                self.seconds = self.embedded / self.forward.rate
                observe(self.identity, self.card.spec.shape, self.forward, self.threads)
        return store.rows(wanted)[np.arange(len(wanted))].reshape(views.count + 1, count, -1)

    def _missing_rows(
        self,
        store: RowStore,
        pixels: PixelRows,
        keys: Sequence[str],
        views: Views,
        go_on: Callable[[], bool],
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Rows that the store lacks, with their features; images are fetched while others are embedded."""
        wanted, count = views.keys(keys), len(keys)
        missing, total = _first_of_each(wanted, store.missing(wanted)), len(wanted)
        done = total - len(missing)
        taken: deque[NDArray[np.int64]] = deque()

        def batches() -> Iterator[NDArray[np.uint8]]:
            for start in range(0, len(missing), self._at_once):
                if not go_on():
                    raise TimeUp(message("selection.time.up", done=done + start, total=total))
                taken.append(np.array(missing[start : start + self._at_once]))
                image, view = taken[-1] % count, taken[-1] // count
                yield views.of(pixels[image], [keys[each] for each in image.tolist()], view.tolist())

        self.listener.progress("embed", done, total)
        for features in self._stream(batches()):
            rows = taken.popleft().tolist()
            yield from zip(rows, features, strict=True)
            done += len(rows)
            self.embedded += len(rows)
            self.listener.progress("embed", done, total)

    def missing(self, keys: Sequence[str], views: Views = PLAIN) -> int:
        """How many images, and views of them, are not embedded yet."""
        wanted = views.keys(keys)
        return len(_first_of_each(wanted, self.store().missing(wanted)))

    def seconds_an_image(self, pixels: PixelRows) -> float:
        """How long one image takes, measured on one batch; the graph is made, if need be, and cached."""
        some = pixels[np.arange(min(self._at_once, len(pixels)))]
        first = some[: self.plan.batch * self.plan.streams or None]
        self.run(first)  # opens the graph and lets it allocate its memory
        began = time.perf_counter()
        self.run(some)
        # A short batch is filled up, and costs as much.
        batch = self.plan.batch or len(some)
        return (time.perf_counter() - began) / (-(-len(some) // batch) * batch)

    def export_seconds(self) -> float:
        """How long making the graph takes; made again, and thrown away, where the cache had it."""
        if not self._export_seconds:
            with TemporaryDirectory() as folder:
                self._export(Path(folder) / "again.onnx")
        return self._export_seconds

    @property
    def _at_once(self) -> int:
        """Images that are fetched together: whole batches of the plan."""
        batch = self.plan.batch or BATCH
        return -(-BATCH // batch) * batch

    def _stream(self, batches: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Features of one batch after the other."""
        if self._run is None:
            self._run = self._open()
        return self._run(batches)

    def _open(self) -> Run:
        if self.device != "cpu" or (path := self._exported()) != self.graph:
            return self._torch()
        plan = self.plan
        tried = [forward.anew() for forward in self._tried if forward.plan == plan]
        self._tried.clear()
        self.forward = tried[0] if tried else session(path, plan)
        return partial(_features, self.forward)

    def _exported(self) -> Path:
        """The graph, made where the cache lacks it."""
        path = self._graph
        if not (path.is_file() and path.with_suffix(".json").is_file()):
            self._export(path)
        return path

    def _torch(self) -> Run:
        model, device = Embedding(self.card, self.pooling), torch.device(self.device)
        if self.device == "cpu":
            return torch_run(model, device, batch=BATCH)
        return card_run(model, device, self.card.spec.shape, TOLERANCE)

    def _export(self, graph: Path) -> None:
        began = time.perf_counter()
        model = Embedding(self.card, self.pooling).eval()
        images = _synthetic(self.card.spec.shape)
        export_onnx(model, torch.from_numpy(images[:1]), graph, output_name=FEATURES)
        with torch.inference_mode():
            expected = model(torch.from_numpy(images)).numpy()
        found = session(graph, whole(self.threads))({"pixels": images})[FEATURES]
        difference = float(np.abs(found - expected).max() / np.abs(expected).max())
        write_json(
            graph.with_suffix(".json"), {"difference": difference, "card": self.card.name}, shared=True
        )
        self._export_seconds = time.perf_counter() - began
        if difference > TOLERANCE:
            self.listener.say(message("selection.slow-engine", name=self.card.name, difference=difference))


def _synthetic(shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Noise, fine and coarse, that a graph is proven on; the first photos may be as good as black."""
    height, width, channels = shape
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, -(-height // 16), -(-width // 16), channels), np.uint8)
    coarse = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
    return np.concatenate([coarse, rng.integers(0, 256, (4, *shape), np.uint8)])


@dataclass(frozen=True)
class FrozenBodies:
    """The bodies of a model that stay frozen, as they embedded what its head learned from.

    Attributes:
        engines: One a body, in their order in the model; all of one precision.
    """

    engines: tuple[Engine, ...]

    @property
    def graphs(self) -> tuple[Path, ...]:
        """The ONNX graph of each; none where PyTorch embeds with one of them."""
        graphs = [engine.graph for engine in self.engines]
        return tuple(graph for graph in graphs if graph is not None and None not in graphs)

    @property
    def spec(self) -> InputSpec:
        """The pixels that all of them take."""
        return self.engines[0].card.spec

    @property
    def precision(self) -> str:
        """What their graphs compute in."""
        return self.engines[0].precision if self.graphs else "float32"

    def features(
        self, pixels: PixelRows, keys: Sequence[str], *, go_on: Callable[[], bool] = lambda: True
    ) -> NDArray[np.float32]:
        """What the head takes of images, (image, feature); see `Engine.embed`."""
        return np.concatenate([engine.embed(pixels, keys, go_on=go_on)[0] for engine in self.engines], axis=1)

    def run(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same of pixels (image, height, width, channel) that lie in no cache."""
        return np.concatenate([engine.run(images) for engine in self.engines], axis=1)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _difference(graph: Path) -> float:
    """How far from PyTorch a graph was when it was made."""
    return float(json.loads(graph.with_suffix(".json").read_text("utf-8"))["difference"])


def _features(forward: Forward, batches: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
    outputs = forward.stream({"pixels": images} for images in batches)
    return (np.asarray(each[FEATURES], np.float32) for each in outputs)


def _first_of_each(keys: Sequence[str], rows: Sequence[int]) -> list[int]:
    """The first row of each key: an image that occurs twice is embedded once."""
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(keys[row], row)
    return list(first.values())
