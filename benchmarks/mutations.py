"""Damaged and hostile files by the thousand: each must end in an answer, or in a sentence with its exit code.

Usage: python -m benchmarks mutations [pictures|bundles] [--count 10000] [--seed 0] [--commands 100]

Each file is a mutation of a good one: bytes flipped, cut, doubled and moved, and in documents also values
replaced by other types, keys dropped and texts grown. `--count` of them are given to the Python calls;
`--commands` of these also to the command line, as processes of their own. An end is wrong where anything
else is raised than ValueError, TypeError or one of mindle's own errors, where a command ends with a code that
its kind of file cannot have or without a sentence, or where a call takes more than 5 seconds.

To add a kind of file, write a function that takes a folder and gives a `Kind`, and name it in KINDS.
"""

from __future__ import annotations

import argparse
import bz2
import contextlib
import copy
import gzip
import hashlib
import io
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mindle
from mindle.api.predict import open_model
from mindle.artifacts.bundle import INTERVALS, REFERENCE
from mindle.errors import MindleError
from mindle.records import SILENT

SLOW_SECONDS = 5.0
SMOKE_COUNT = 60
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 10**400, float("nan"), float("inf"), "", "a", "..", "/etc/passwd",
    "/dev/zero", "\ud800", "\x1b[31m", "x" * 5000, [], {}, [[]], {"a": {}}, [None], ["a", "a"], [0, 0],
    {"a": 1}, 4096, 2**31,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Files of one kind, and what is done with a mutation.

    Attributes:
        mutate: Writes one mutation, drawn by the generator, and names what it changed.
        call: Gives it to a Python call, and says how that ended: "answer", or "reason" in its place.
        command: The same on the command line.
        codes: What the command may end with.
    """

    mutate: Callable[[random.Random], str]
    call: Callable[[], str]
    command: list[str]
    codes: frozenset[int]


# ---- mutations --------------------------------------------------------------------------------------------


def mutated_bytes(data: bytes, rng: random.Random) -> bytes:
    """One to four changes: flip, set, cut off, cut out, double, move, insert."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = len(changed) or 1
        # Headers stand at the start, and decide most.
        at = rng.randrange(min(size, 256)) if rng.random() < 0.5 else rng.randrange(size)
        length = rng.randint(1, max(1, min(64, size - at)))
        action = rng.randrange(7)
        if action == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            changed[at : at + length] = bytes([rng.choice([0, 0x7F, 0x80, 0xFF])]) * length
        elif action == 2:
            del changed[at:]
        elif action == 3:
            del changed[at : at + length]
        elif action == 4:
            changed[at:at] = changed[at : at + length] * rng.randint(1, 50)
        elif action == 5:
            other = rng.randrange(size)
            changed[at : at + length] = changed[other : other + length]
        else:
            changed[at:at] = rng.randbytes(length)
    return bytes(changed)


def mutated_document(document: Any, rng: random.Random) -> Any:
    """A JSON document with one to three values replaced, dropped, doubled or moved."""
    changed = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(changed))
        if not places:
            break
        holder, key = rng.choice(places)
        action = rng.randrange(5)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif action == 2 and isinstance(holder, dict):
            holder[str(rng.choice(HOSTILE))] = holder.pop(key)
        elif action == 3:
            other, there = rng.choice(places)
            with contextlib.suppress(KeyError, IndexError):
                holder[key] = copy.deepcopy(other[there])
        else:
            holder[key] = copy.deepcopy(rng.choice(HOSTILE))
    return changed


def _places(value: Any) -> Any:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


# ---- kinds of files ---------------------------------------------------------------------------------------


def photos(folder: Path, count: int = 12) -> Path:
    """Two classes of noisy discs, enough to train a small net on."""
    rng = np.random.default_rng(0)
    for label, colour in (("oak", (200, 80, 60)), ("birch", (60, 80, 200))):
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(np.array(colour) + rng.normal(0, 45, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:02d}.png")
    return folder


def trained(folder: Path) -> Path:
    """A small run on such photos."""
    run = folder / "run"
    settings = {"train.epochs": 1}
    mindle.train(
        photos(folder / "photos"),
        strategy="scratch",
        model="small-resnet",
        set=settings,
        out=run,
        listener=SILENT,
    )
    return run


def pictures(folder: Path) -> Kind:
    """Pictures of every format that is read, given to predict."""
    run, good, target = trained(folder), seeds(), folder / "mutation"
    opened = open_model(run)

    def mutate(rng: random.Random) -> str:
        name = rng.choice(sorted(good))
        target.write_bytes(mutated_bytes(good[name], rng))
        return name

    def call() -> str:
        (row,) = opened.rows(opened.source.inputs([target]))
        if (row["predicted"] is None) != bool(row["reason"]):
            raise AssertionError("neither an answer nor a reason, or both")
        return "reason" if row["reason"] else "answer"

    return Kind(
        mutate=mutate, call=call, command=["predict", str(run), str(target)], codes=frozenset({0, 1, 3})
    )


def seeds() -> dict[str, bytes]:
    """A small picture in each format and layout that is worth damaging."""
    rng = np.random.default_rng(1)
    colour = Image.fromarray(rng.integers(0, 256, (40, 56, 3), np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (40, 56), np.uint16))
    floats = Image.fromarray(rng.random((40, 56), np.float32))
    wanted: list[tuple[str, Image.Image, str, dict[str, Any]]] = [
        ("jpeg", colour, "JPEG", {}),
        ("jpeg-progressive", colour, "JPEG", {"progressive": True}),
        ("jpeg-cmyk", colour.convert("CMYK"), "JPEG", {}),
        ("png", colour, "PNG", {}),
        ("png-palette", colour.convert("P"), "PNG", {}),
        ("png-16", deep, "PNG", {}),
        ("png-alpha", colour.convert("RGBA"), "PNG", {}),
        ("webp", colour, "WEBP", {}),
        ("webp-lossless", colour, "WEBP", {"lossless": True}),
        ("avif", colour, "AVIF", {}),
        ("gif", colour.convert("P"), "GIF", {"save_all": True, "append_images": [colour.convert("P")]}),
        ("bmp", colour, "BMP", {}),
        ("tiff", colour, "TIFF", {}),
        ("tiff-lzw", colour, "TIFF", {"compression": "tiff_lzw"}),
        ("tiff-deflate", deep, "TIFF", {"compression": "tiff_adobe_deflate"}),
        ("tiff-float", floats, "TIFF", {}),
        ("tiff-g4", colour.convert("1"), "TIFF", {"compression": "group4"}),
        ("jpeg2000", colour, "JPEG2000", {}),
        ("ppm", colour, "PPM", {}),
        ("ico", colour, "ICO", {"sizes": [(16, 16), (32, 32)]}),
        ("qoi", colour, "QOI", {}),
    ]
    found = {}
    for name, image, form, options in wanted:
        stream = io.BytesIO()
        try:
            image.save(stream, form, **options)
        except (KeyError, OSError, ValueError):  # a Pillow without this codec
            continue
        found[name] = stream.getvalue()
    return found


def bundles(folder: Path) -> Kind:
    """bundle.json and the arrays of a bundle, with hashes that fit, and what else a run is read by."""
    run, target = trained(folder), folder / "mutation"
    files = ["bundle/bundle.json"] * 4 + ["bundle/" + REFERENCE, "model.json", "run.json"]

    def mutate(rng: random.Random) -> str:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(run, target)
        name = rng.choice(files)
        data = (target / name).read_bytes()
        if name.endswith(".json") and rng.random() < 0.8:
            data = json.dumps(mutated_document(json.loads(data), rng)).encode()
        else:
            data = mutated_bytes(data, rng)
        (target / name).write_bytes(data)
        if name.endswith(".npz"):
            _rehash(target / "bundle")
        return name

    def call() -> str:
        found = mindle.predict(target, np.zeros((8, 8, 3), np.uint8))
        if found["reason"][0] or not 0 <= found["confidence"][0] <= 1:
            raise AssertionError("no answer")
        mindle.predict(target, np.zeros((8, 8, 3), np.uint8), engine="torch")
        return "answer"

    photo = str(next((folder / "photos" / "oak").iterdir()))
    command = ["predict", str(target), photo, "--engine", "torch"]
    return Kind(mutate=mutate, call=call, command=command, codes=frozenset({0, 4}))


def _rehash(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_bytes())
    for name in (REFERENCE, INTERVALS):
        if (bundle / name).is_file():
            document["files"][name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(document), "utf-8")


def tables(folder: Path) -> Kind:
    """Tables of every way of writing, given to check."""
    good, target = table_seeds(), folder / "mutation.csv"

    def mutate(rng: random.Random) -> str:
        name = rng.choice(sorted(good))
        target.write_bytes(mutated_bytes(good[name], rng))
        return name

    def call() -> str:
        mindle.check(target, target="last")
        return "answer"

    command = ["check", str(target), "--target", "last"]
    return Kind(mutate=mutate, call=call, command=command, codes=frozenset({0, 1, 2, 3}))


def table_seeds() -> dict[str, bytes]:
    """A small table in each way of writing that is worth damaging."""
    rng = np.random.default_rng(2)
    names, rows = ["when", "size", "town", "sold"], []
    for row in range(30):
        town, sold = ["Bonn", '"Rome, new"', "S\u00e3o"][row % 3], "yn"[int(rng.integers(2))]
        rows.append([f"2024-01-{row + 1:02d}", f"{rng.normal(20, 4):.2f}", town, sold])
    plain = "\n".join(",".join(row) for row in [names, *rows])
    semicolons = "\r\n".join(";".join(cell.replace(".", ",") for cell in row) for row in [names, *rows])
    spaces = "\n".join(f'"{place}" {row[1]} {place % 7} {row[3]}' for place, row in enumerate(rows))
    return {
        "commas": plain.encode(),
        "korean": plain.replace("Bonn", "\uc11c\uc6b8").replace("\u00e3", "a").encode("cp949"),
        "semicolons": f"sep=;\r\n{semicolons}".encode("cp1252"),
        "tabs": plain.replace(",", "\t").encode("utf-8-sig"),
        "utf-16": plain.encode("utf-16"),
        "row-names": f"size n sold\n{spaces}\n".encode(),
        "headers": f"when,size,town,sold\nday,m,name,kind\n{plain.partition(chr(10))[2]}".encode(),
        "comments": f"# made\n# by hand\n\n{plain}".encode(),
        "gzip": gzip.compress(plain.encode(), mtime=0),
        "bzip2": bz2.compress(plain.encode()),
    }


KINDS: Mapping[str, Callable[[Path], Kind]] = {"pictures": pictures, "bundles": bundles, "tables": tables}


# ---- the count --------------------------------------------------------------------------------------------


def ended(kind: Kind) -> str:
    """How the call ended: what it said, the class of an error that is allowed, or what is wrong with it."""
    started = time.perf_counter()
    try:
        end = kind.call()
    except MindleError as error:
        end = type(error).__name__ if error.exit_code in kind.codes and str(error) else f"wrong: {error!r}"
    except (ValueError, TypeError) as error:
        end = type(error).__name__ if 2 in kind.codes else f"wrong: {_origin(error)}"
    except Exception as error:
        end = f"wrong: {_origin(error)}"
    seconds = time.perf_counter() - started
    return end if seconds <= SLOW_SECONDS else f"wrong: {seconds:.0f} s"


def _origin(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:100]} ({Path(frame.filename).name}:{frame.lineno})"


def commanded(kind: Kind) -> str:
    """How the command ended, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "mindle", *kind.command], capture_output=True, text=True, timeout=120
    )
    sentence = done.returncode == 0 or bool(done.stderr.strip())
    if done.returncode in kind.codes and sentence and "Traceback" not in done.stderr:
        return f"code {done.returncode}"
    return f"wrong: code {done.returncode}: {done.stderr[-200:]}"


def counted(name: str, count: int, *, seed: int = 0, commands: int = 0) -> dict[str, Any]:
    """Mutate and count the ends of calls and commands; wrong ones are kept with their seed."""
    by_call: Counter[str] = Counter()
    by_command: Counter[str] = Counter()
    wrong: list[str] = []
    largest, before = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        kind = KINDS[name](Path(folder))
        for number in range(count):
            what = kind.mutate(random.Random(f"{seed}-{number}"))
            before = _peak()
            ends = [(by_call, ended(kind))]
            largest = max(largest, _peak() - before)
            if commands and number % max(1, count // commands) == 0:
                ends.append((by_command, commanded(kind)))
            for counts, end in ends:
                counts["wrong" if end.startswith("wrong") else end] += 1
                if end.startswith("wrong"):
                    wrong.append(f"{seed}-{number} {what}: {end}")
    return {
        "kind": name,
        "count": count,
        "seed": seed,
        "calls": dict(by_call),
        "commands": dict(by_command),
        "wrong": wrong[:50],
        "largest_growth_mb": round(largest / 1024),
    }


def _peak() -> int:
    """The most memory that this process ever took, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def options(parser: argparse.ArgumentParser) -> None:
    """What may be typed."""
    parser.add_argument("kind", nargs="?", choices=sorted(KINDS), help="one kind of file; all unless given")
    parser.add_argument("--count", type=int, default=10_000, help="mutations that are given to calls")
    parser.add_argument(
        "--commands", type=int, default=100, help="how many of them are given to commands too"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the mutations")


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The counts of each kind that was asked for."""
    few = arguments.smoke
    return [
        counted(
            name,
            SMOKE_COUNT if few else arguments.count,
            seed=arguments.seed,
            commands=1 if few else arguments.commands,
        )
        for name in ([arguments.kind] if arguments.kind else KINDS)
    ]
