"""Usage: python -m benchmarks NAME [--smoke] [--json FILE] [options of NAME]."""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._machine import Clock, load, surroundings
from benchmarks._turns import named

HERE = Path(__file__).parent


def names() -> dict[str, str]:
    """Every benchmark, with the first line of its docstring."""
    docs = {
        file.stem: ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        for file in sorted(HERE.glob("*.py"))
        if not file.stem.startswith("_")
    }
    return {name: doc.partition("\n")[0] for name, doc in docs.items()}


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
    before, began = surroundings(), Clock.now()
    found = module.measure(arguments)
    took = began.until(Clock.now())
    result = {
        "benchmark": name,
        "command": " ".join(["python -m benchmarks", name, *_shown(typed)]),
        "surroundings": {**before, "load_after": load(), **took, "seconds": round(took["seconds"], 1)},
        "found": found,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return result


def _shown(typed: Sequence[str]) -> Iterator[str]:
    """The arguments as others would type them: a path by its last name, and no file for the result."""
    words = iter(typed)
    for word in words:
        if word == "--json":
            next(words, None)
        else:
            yield named(word)


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
