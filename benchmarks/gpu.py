"""One CUDA card: `cifar-fast` over seeds, and embedding in bfloat16 against the card's matrix peak.

CIFAR10 is the folder of CIFAR-10's binary files; each seed is one `mindle train` with the recipe, and `fit`
the seconds of its loop. Embedding goes from decoded pixels in the processor's memory to features there; its
floating-point operations are counted by PyTorch, and divided by those of the fastest of some matrix
products. Without a card everything is skipped, with the reason; `--smoke` goes through every line on the
processor.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import mindle
from benchmarks._turns import Figures, Side, in_turn
from mindle.models.pretrained.weights import random_card
from mindle.training.device import wait_for
from mindle.training.images.embedding import Embedding, torch_run
from mindle.training.recipe import read_recipe, with_settings

MODELS = ("vit_small_patch16_224", "convnext_tiny")
SIDES = (4096, 8192, 16384)


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("cifar10", nargs="?", help="the folder of CIFAR-10; without it, only embedding")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=[*MODELS])
    parser.add_argument("--batch", type=int, default=256, help="images of a forward pass")
    parser.add_argument("--images", type=int, default=8192, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both, or why not."""
    there = torch.cuda.is_available()
    if not (there or arguments.smoke):
        return {"skipped": f"needs a CUDA card, and PyTorch {torch.__version__} sees none"}
    device, sides = torch.device("cuda" if there else "cpu"), SIDES
    with tempfile.TemporaryDirectory() as folder:
        if arguments.smoke:
            arguments.seeds, arguments.batch, arguments.images, arguments.rounds = 1, 2, 4, 1
            arguments.models, sides = ["resnet18", "vit_tiny_patch16_224"], (64,)
            arguments.cifar10 = _noise(Path(folder))
        found: dict[str, Any] = {"card": torch.cuda.get_device_name() if there else "none: the processor"}
        if arguments.cifar10:
            found["cifar-fast"] = _trained(arguments, device, Path(folder))
    peak = _peak(device, sides, arguments.rounds)
    found["matrix_peak_tflops"] = peak
    found["embedding"] = {name: _embedded(name, arguments, device, peak) for name in arguments.models}
    return found


# ---- training ---------------------------------------------------------------------------------------------


def _trained(arguments: argparse.Namespace, device: torch.device, folder: Path) -> Figures:
    """Test accuracy and seconds of the loop, a run for each seed after one that only warms up."""
    recipe = read_recipe("cifar-fast")
    if arguments.smoke:
        recipe = with_settings(
            recipe, {"train.epochs": 1, "train.batch_size": 8, "train.learning_rate": 0.01}
        )
    runs = [
        mindle.train(
            arguments.cifar10,
            recipe=recipe,
            seed=max(seed, 0),
            device=device.type,
            out=folder / f"run{seed}",
        )
        for seed in range(-1, arguments.seeds)
    ][1:]
    accuracies = [run.metrics["test"]["accuracy"]["value"] for run in runs]
    return {
        "accuracy": {"mean": statistics.mean(accuracies), "all": accuracies},
        "fit_seconds": [run.metrics["seconds"]["fit"] for run in runs],
        "total_seconds": [run.metrics["seconds"]["total"] for run in runs],
    }


def _noise(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 10
    np.savez(folder / "noise.npz", images=rng.integers(0, 256, (120, 32, 32, 3), np.uint8), labels=labels)
    return folder / "noise.npz"


# ---- embedding --------------------------------------------------------------------------------------------


def _peak(device: torch.device, sides: tuple[int, ...], rounds: int) -> float:
    """Floating-point operations a second, in 10^12, of the fastest bfloat16 product of square matrices."""

    def product(matrix: torch.Tensor) -> None:
        for _ in range(20):
            torch.mm(matrix, matrix)
        wait_for(device)

    turns = []
    for side in sides:
        matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16)
        turns.append(Side(f"{side}", partial(product, matrix), units=20 * 2 * side**3 / 1e12))
    found = in_turn(turns, rounds=rounds)
    return max(one["units_a_second"] for one in found["sides"].values())


def _embedded(name: str, arguments: argparse.Namespace, device: torch.device, peak: float) -> Figures:
    """Images a second, and the share of the peak that their operations come to."""
    model = Embedding(random_card(name), "avg").eval()
    shape = random_card(name).spec.shape
    operations = _operations(model, torch.zeros(1, *shape, dtype=torch.uint8))
    pixels = np.random.default_rng(0).integers(0, 256, (arguments.images, *shape), np.uint8)
    run = torch_run(model, device, batch=arguments.batch, precision="bfloat16")

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(pixels), arguments.batch):
            yield pixels[start : start + arguments.batch]

    def embed() -> None:
        for _ in run(batches()):
            pass

    found = in_turn([Side("mindle", embed, units=len(pixels))], rounds=arguments.rounds)
    rate = found["sides"]["mindle"]["units_a_second"]
    return {
        "images_per_second": rate,
        "gflop_an_image": round(operations / 1e9, 2),
        "share_of_peak": round(rate * operations / 1e12 / peak, 4),
        "rounds": found["rounds"],
    }


@torch.inference_mode()
def _operations(model: torch.nn.Module, pixels: torch.Tensor) -> int:
    """Of one image; attention as plain products, which is what the counter knows on every device."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(pixels)
    return counter.get_total_flops()
