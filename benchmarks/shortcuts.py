"""Whether planted shortcuts and a planted bad slice are named, and data as they are have no alarm.

DATA holds flowers5, dogs-vs-cats, trashnet and tables; WEIGHTS weight files with cards. One class of flowers5
and of dogs-vs-cats gets a border, another size, JPEG quality, a tint, a word in its file names; half of it a
border, a fifth of it is darkened; all images are encoded anew, so that this says nothing. Tables get a column
that is the target with noise. For the slice, a fifth of a class is darkened in what is evaluated alone, until
most of these are answered wrong.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

import mindle
from mindle.artifacts.run import RunFolder
from mindle.records import SILENT

Change = Callable[[Image.Image], Image.Image]

UNTOUCHED = ("flowers5", "dogs-vs-cats", "trashnet-150", "trashnet-384x512", "dogs-vs-cats-natural", "digits")
NOISES = (0.0, 0.05, 0.1)
QUALITY = 90
DARK = 0.03  # a tenth of the light leaves most flowers right, and then there is no bad slice to find
MODEL = {"model": "mobilenetv2_100", "strategy": "probe"}
SLICED = (
    "",
    "tulips",
    "daisy",
    "sunflowers",
    "roses",
)  # a class of flowers5; none of which is darkened at first


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Alarms of data as they are, of what was planted, and slices."""
    with tempfile.TemporaryDirectory() as path, cache_in(Path(path) / "cache"):
        place = Path(path)
        if asked.smoke:
            data = drawn(place / "drawn")
            return {
                "untouched": {"digits": checked("digits")},
                "planted": {"drawn": planted(data, "b", place, ("border",))},
                "tables": {"diabetes": leaking("diabetes", "target")},
            }
        sets = {name: asked.data / name for name in UNTOUCHED if (asked.data / name).exists()}
        images = {name: checked(str(folder)) for name, folder in sets.items()} | {"digits": checked("digits")}
        tables = {name: checked(table, **known) for name, (table, known) in tables_of(asked.data).items()}
        kinds = tuple(PLANTED)
        return {
            "untouched": {**images, **tables},
            "planted": {
                "flowers5": planted(asked.data / "flowers5" / "train", "dandelion", place, kinds),
                "dogs-vs-cats": planted(asked.data / "dogs-vs-cats" / "train", "dog", place, kinds),
            },
            "tables": {
                "boston": leaking(*tables_of(asked.data)["boston"]),
                "california": leaking(*tables_of(asked.data)["california"]),
            },
            "slices": {
                name or "nothing": sliced(asked.data / "flowers5", name, asked.weights, place)
                for name in SLICED
            },
        }


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """A cache of its own, as a stranger has."""
    before = os.environ.get("MINDLE_CACHE")
    os.environ["MINDLE_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINDLE_CACHE"]
        else:
            os.environ["MINDLE_CACHE"] = before


# ---- data as they are --------------------------------------------------------------------------------------


def tables_of(data: Path) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Tables with what reading them takes."""
    tabular = data / "tabular"
    return {
        "iris": ("iris", {}),
        "wine": ("wine", {}),
        "breast-cancer": ("breast-cancer", {}),
        "diabetes": ("diabetes", {}),
        "titanic": (pd.read_csv(tabular / "titanic-train.csv"), {"target": "Survived"}),
        "adult": (pd.read_csv(tabular / "adult-test.csv", header=None), {"target": "14"}),
        "boston": (pd.read_csv(tabular / "boston-housing.csv", header=None), {"target": "13"}),
        "california": (pd.read_csv(tabular / "california-housing.csv"), {"target": "median_house_value"}),
        "red wine": (
            pd.read_csv(tabular / "winequality-red.csv", header=None),
            {"target": "11", "task": "regression"},
        ),
    }


def checked(data: Any, **known: Any) -> dict[str, Any]:
    """The alarms of `mindle.check`, and the cue that says most without one."""
    began = time.perf_counter()
    if isinstance(data, pd.DataFrame):
        data = data.rename(columns=str)
    found = mindle.check(data, listener=SILENT, **known)
    alarms = [figures(each) for each in found.shortcuts if each.alarm]
    others = [figures(each) for each in found.shortcuts if not each.alarm]
    most = max(others, key=lambda each: each["figure"], default=None)
    return {"alarms": alarms, "most": most, "seconds": round(time.perf_counter() - began, 1)}


def figures(each: Any) -> dict[str, Any]:
    """A cue with what decides about it: ROC AUC of the class that it distinguishes best, or R²."""
    strength = each.strength
    score = strength.ranking or strength.overall
    shown = {"cue": each.cue, "detail": each.detail, "label": strength.label}
    region = strength.region
    part = {"region": f"{region['share']:.0%} of {region['label']}"} if region else {}
    return {
        **{name: text for name, text in shown.items() if text},
        "figure": round(float(score["value"]), 4),
        "low": round(float(score["low"]), 4),
        "score": round(float(strength.score["value"]), 4),
        "chance": round(strength.chance, 4),
        **part,
    }


# ---- images ------------------------------------------------------------------------------------------------


def framed(image: Image.Image) -> Image.Image:
    """The same size, with four dark pixels around it."""
    width, height = image.size
    return ImageOps.expand(image.crop((4, 4, width - 4, height - 4)), 4, (20, 20, 20))


def enlarged(image: Image.Image) -> Image.Image:
    """15 % wider and higher."""
    return image.resize((round(image.width * 1.15), round(image.height * 1.15)))


def tinted(image: Image.Image) -> Image.Image:
    """Under warmer light."""
    return scaled(image, (1.0, 0.95, 0.85))


def scaled(image: Image.Image, gains: Any) -> Image.Image:
    """Channels multiplied."""
    return Image.fromarray(np.clip(np.asarray(image) * np.array(gains), 0, 255).astype(np.uint8))


def same(image: Image.Image) -> Image.Image:
    """Nothing changed."""
    return image


# What is planted: the cue that should be named, the change, JPEG quality, a word, the share of the class.
PLANTED: dict[str, tuple[str, Change, int, str, float]] = {
    "nothing": ("", same, QUALITY, "", 1.0),
    "border": ("border", framed, QUALITY, "", 1.0),
    "border of half": ("border", framed, QUALITY, "", 0.5),
    "size": ("image-size", enlarged, QUALITY, "", 1.0),
    "jpeg quality": ("jpeg-quality", same, 60, "", 1.0),
    "tint": ("white-point", tinted, QUALITY, "", 1.0),
    "word": ("words", same, QUALITY, "scan_", 1.0),
    "dark fifth": ("exposure", lambda image: scaled(image, DARK), QUALITY, "", 0.2),
}


def planted(data: Path, label: str, place: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """What `mindle.check` says of each planted kind: the cue that was planted, and what else it names."""
    found = {}
    for kind in kinds:
        cue, change, quality, word, share = PLANTED[kind]
        chosen_ones = some_of(data / label, share)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            target = Path(folder)
            for source in images_of(data):
                chosen = source in chosen_ones
                name = (word if chosen else "") + source.name
                write(
                    source,
                    target / source.parent.name / name,
                    change if chosen else same,
                    quality if chosen else QUALITY,
                )
            alarms = checked(str(target))["alarms"]
        own = [each for each in alarms if each["cue"] == cue]
        others = sorted({each["cue"] for each in alarms} - {cue})
        found[kind] = {
            "named": bool(own) or not (cue or alarms),
            "alarm": (own or [None])[0],
            "others": others,
        }
    return found


def images_of(data: Path) -> list[Path]:
    """Images in class folders."""
    return sorted(path for path in data.glob("*/*") if path.suffix in (".jpg", ".jpeg", ".png"))


def some_of(folder: Path, share: float) -> set[Path]:
    """A share of the images of a class, drawn with a fixed seed."""
    images = sorted(folder.iterdir())
    return {
        images[at] for at in np.random.default_rng(0).permutation(len(images))[: int(share * len(images))]
    }


def write(source: Path, target: Path, change: Change, quality: int) -> None:
    """An image, changed, as JPEG."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        stream = io.BytesIO()
        change(image.convert("RGB")).save(stream, "JPEG", quality=quality)
    target.with_suffix(".jpg").write_bytes(stream.getvalue())


def drawn(place: Path) -> Path:
    """Two classes of small pictures that nothing distinguishes."""
    generator = np.random.default_rng(0)
    for number in range(120):
        soft = Image.fromarray(generator.integers(20, 236, (8, 8, 3)).astype(np.uint8))
        path = place / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        soft.resize((72, 72), Image.Resampling.BICUBIC).save(path)
    return place


# ---- tables ------------------------------------------------------------------------------------------------


def leaking(data: Any, known: Any) -> dict[str, Any]:
    """What is said of a column that is the target with noise of a share of its deviation."""
    target = known if isinstance(known, str) else known["target"]
    frame = sample_table(data) if isinstance(data, str) else data.rename(columns=str)
    values = frame[target].to_numpy(float)
    found = {}
    for noise in NOISES:
        leak = values + np.random.default_rng(0).normal(0, noise * values.std() + 1e-12, len(values))
        result = mindle.check(frame.assign(planted=leak), target=target, task="regression", listener=SILENT)
        kinds = {one.kind: one.files for one in result.findings if one.kind in ("shortcut", "target-leak")}
        (own,) = [figures(each) for each in result.shortcuts if each.cue == "planted"]
        named = [kind for kind, files in kinds.items() if "planted" in files]
        others = sorted({file for files in kinds.values() for file in files} - {"planted"})
        found[f"noise {noise:.0%}"] = {
            "named": bool(named),
            "finding": named,
            "figure": own["figure"],
            "others": others,
        }
    return found


def sample_table(name: str) -> pd.DataFrame:
    """A table that comes with scikit-learn."""
    from sklearn import datasets

    frame: pd.DataFrame = getattr(datasets, f"load_{name}")(as_frame=True).frame
    return frame


# ---- slices ------------------------------------------------------------------------------------------------


def sliced(data: Path, label: str, weights: Path, place: Path) -> dict[str, Any]:
    """Whether a darkened fifth of a class is named that lies in the test split alone; "" darkens nothing."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        target, dark = Path(folder) / "data", set()
        darkened = some_of(data / "val" / label, 0.2) if label else set()
        for split in ("train", "val"):
            for source in images_of(data / split):
                copy = target / split / source.parent.name / source.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                if source in darkened:
                    write(source, copy, lambda image: scaled(image, DARK), QUALITY)
                    dark.add(copy.relative_to(target).as_posix())
                else:
                    copy.write_bytes(source.read_bytes())
        run = mindle.train(
            str(target), weights=str(weights), out=Path(folder) / "run", listener=SILENT, **MODEL
        )
        answers = pd.read_csv(run.path / "predictions.csv", keep_default_na=False)
        wrong = (answers["label"] != answers["predicted"]) & (answers["split"] == "test")
        planted_rows = answers["path"].isin(dark)
        doctor = RunFolder(run.path).document().get("doctor", {})
        named = [str(each["message"]) for each in doctor.get("test_slices", ())]
        return {
            "darkened": len(dark),
            "wrong_among_them": round(float(wrong[planted_rows].mean()), 3) if dark else None,
            "wrong_elsewhere": round(float(wrong[(answers["split"] == "test") & ~planted_rows].mean()), 3),
            "named": any(f"{label!r}" in each for each in named) if dark else not named,
            "slices": named,
            "slices_out_of_fold": [str(each["message"]) for each in doctor.get("slices", ())],
        }
