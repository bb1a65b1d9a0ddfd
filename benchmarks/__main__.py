"""Usage: python -m benchmarks NAME [--smoke] [--json FILE] [options of NAME]."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIBRARIES = ("mindle", "torch", "onnxruntime", "numpy", "scipy", "scikit-learn", "lightgbm", "catboost")


def names() -> dict[str, str]:
    """Every benchmark, with the first line of its docstring."""
    docs = {
        file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        for file in sorted(HERE.glob("*.py"))
        if not file.stem.startswith("_")
    }
    return {name: doc.partition("\n")[0] for name, doc in docs.items()}


def surroundings() -> dict[str, Any]:
    """The machine, its load and the versions that a figure belongs to."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def result_of(name: str, typed: list[str]) -> dict[str, Any]:
    """Run one benchmark: its command, where it ran, and what it found."""
    module = importlib.import_module(f"benchmarks.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--smoke", action="store_true", help="the smallest run that goes through every line")
    parser.add_argument("--json", metavar="FILE", help="write the result here instead of standard output")
    module.options(parser)
    arguments = parser.parse_args(typed)
    before = surroundings()
    found = module.measure(arguments)
    result = {
        "benchmark": name,
        "command": " ".join(["python -m benchmarks", name, *typed]),
        "surroundings": before,
        "found": found,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return result


def main(typed: list[str]) -> int:
    """Run the benchmark that is named, or list them all."""
    known = names()
    if not typed or typed[0] not in known:
        asked = typed and typed[0] not in ("-h", "--help")
        lines = [f"There is no benchmark {typed[0]!r}."] if asked else []
        lines += [(__doc__ or "").strip(), "", *(f"  {name:16} {about}" for name, about in known.items())]
        print("\n".join(lines), file=sys.stderr if asked else sys.stdout)
        return 2 if asked else 0
    result_of(typed[0], typed[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
