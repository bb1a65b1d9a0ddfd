"""Bare forward passes of a network in float32, in each engine: the limit of whatever embeds or predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks._machine import cores
from benchmarks._turns import Side, in_turn
from mindle.engines.openvino import _core, is_installed
from mindle.models.graph import export_onnx
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import random_card

BATCHES = (1, 4, 16, 32)


def _calls(batch: int) -> int:
    """Calls of one turn for each that is under way: what is left over at its end weighs little then."""
    return max(1, 16 // batch)


def network(name: str, size: int, card: WeightCard | None = None) -> nn.Module:
    """A backbone without its top, its map averaged; random weights unless the card has others."""
    card = card or random_card(name)
    return build_backbone(replace(card, spec=replace(card.spec, height=size, width=size)))


@contextmanager
def bare_sides(
    net: nn.Module, size: int, *, batches: Sequence[int] = BATCHES, at_least: float
) -> Iterator[list[Side]]:
    """Every way to run the network here: engine, batch, calls side by side, threads a call.

    PyTorch runs in inference mode with channels last. OpenVINO is held to float32: on processors that can,
    its own choice is bfloat16.
    """
    with TemporaryDirectory() as folder:
        graph = Path(folder) / "bare.onnx"
        export_onnx(net, torch.zeros(1, 3, size, size), graph, output_name="features")
        makers = [*_torch(net), *_onnxruntime(graph), *_openvino(graph)]
        yield [
            Side(
                f"{name}, batch {batch}",
                partial(make(batch), np.random.default_rng(0).random((batch, 3, size, size), np.float32)),
                units=batch * calls * _calls(batch),
                at_least=at_least,
            )
            for name, calls, make in makers
            for batch in batches
        ]


def fastest(sides: Sequence[Side], count: int) -> list[Side]:
    """The few that were fastest in one short turn, for turns that count."""
    short = [replace(side, at_least=side.at_least / 4) for side in sides]
    tried = in_turn(short, rounds=1)["sides"]
    return sorted(sides, key=lambda side: tried[side.name]["seconds_a_unit"])[:count]


# A maker: its name, how many calls are under way at once, and what makes the turn for a batch size.
Turn = Callable[[np.ndarray], None]
Maker = tuple[str, int, Callable[[int], Turn]]


def _torch(net: nn.Module) -> Iterator[Maker]:
    net = net.to(memory_format=torch.channels_last).eval()

    @torch.inference_mode()
    def turn(pixels: np.ndarray) -> None:
        for _ in range(_calls(len(pixels))):
            net(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))

    yield "torch, channels last", 1, lambda _: turn


def _onnxruntime(graph: Path) -> Iterator[Maker]:
    import onnxruntime

    for streams in sorted({1, cores()}):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = cores() // streams, 1
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        pool = ThreadPoolExecutor(streams)

        def turn(
            pixels: np.ndarray,
            session: Any = session,
            pool: ThreadPoolExecutor = pool,
            streams: int = streams,
        ) -> None:
            calls = [{"pixels": pixels}] * (streams * _calls(len(pixels)))
            run = map if streams == 1 else pool.map
            list(run(partial(session.run, None), calls))

        yield f"onnxruntime, {streams} side by side", streams, lambda _, turn=turn: turn


def _openvino(graph: Path) -> Iterator[Maker]:
    if not is_installed():
        return
    core = _core()  # without its telemetry
    from openvino import AsyncInferQueue

    for streams in sorted({1, cores()}):
        asked = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": cores()}

        def make(batch: int, asked: dict[str, Any] = asked, streams: int = streams) -> Turn:
            model = core.read_model(str(graph))
            model.reshape([batch, *list(model.input(0).partial_shape)[1:]])
            queue = AsyncInferQueue(core.compile_model(model, "CPU", asked), streams)

            def turn(pixels: np.ndarray) -> None:
                for _ in range(streams * _calls(len(pixels))):
                    queue.start_async({0: pixels})
                queue.wait_all()

            return turn

        yield f"openvino, {streams} side by side", streams, make
