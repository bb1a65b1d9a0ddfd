"""The surroundings in which golden runs are made, so that their numbers are those of other machines too.

A library picks kernels by what the processor has; they add up in another order, and round otherwise.
Measured on a processor with AVX-512: without these variables the nets and heads differ by up to 7e-6, the
tables not at all. ONNX Runtime has no such setting; its features of the embedded backbone were the same to
the bit on AVX-512 and on an emulated Haswell, which has AVX2 only.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS = {
    "OMP_NUM_THREADS": "1",
    "MINDLE_ENGINE": "onnxruntime",  # OpenVINO rounds otherwise
    "ATEN_CPU_CAPABILITY": "avx2",  # kernels of PyTorch
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    "MKL_CBWR": "AVX2",  # its matrix products, the same on processors of every maker
    "OPENBLAS_CORETYPE": "Haswell",  # those of NumPy and SciPy
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}


def run_pinned(out: Path, names: Sequence[str]) -> None:
    """Train golden runs in another process; each leaves `out/NAME.json` and `out/NAME.csv`."""
    command = [sys.executable, "-m", "tests.golden", "run", str(out), *names]
    surroundings = {**os.environ, **PINS, "MINDLE_CACHE": str(out / "cache")}
    subprocess.run(command, cwd=ROOT, env=surroundings, check=True)


def why_not() -> str:
    """Why golden values say nothing on this machine; empty where they do."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return "golden values are of Linux on x86-64; elsewhere the libraries are built otherwise"
    if "avx2" not in Path("/proc/cpuinfo").read_text(encoding="utf-8").split():
        return "golden values need a processor with AVX2"
    return ""
