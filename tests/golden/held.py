"""What a run is held to, how it lies in `values/`, and where two of it differ."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ANSWER_TOLERANCE, METRIC_TOLERANCE = 1e-5, 1e-6
UNHELD = ("schema", "*seconds*", "images_per_second.*")  # of the format, and measured by a clock
Value = str | float | None
# By name: "metrics.test.accuracy.value", "answers.test.row 5.p_class_0".
Values = Mapping[str, Value]


@dataclass(frozen=True)
class HeldOutPredictions:
    """The results of a run.

    Attributes:
        metrics: The numbers of metrics.json, by the path to each: "test.accuracy.value".
        answers: The rows of predictions.csv.
    """

    metrics: Mapping[str, float]
    answers: tuple[Mapping[str, str], ...]

    def write(self, stem: Path) -> None:
        """Write `STEM.json` and `STEM.csv`."""
        with stem.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(self.answers[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.answers)
        write_values(self.metrics, stem.with_suffix(".json"))

    def values(self) -> Values:
        """Every number and every cell by name; a row that answers again, in another repeat, is `PATH@2`."""
        values: dict[str, Value] = {f"metrics.{path}": number for path, number in self.metrics.items()}
        seen: Counter[str] = Counter()
        for row in self.answers:
            name = f"answers.{row['split']}.{row['path']}"
            seen[name] += 1
            again = f"@{seen[name]}" if seen[name] > 1 else ""
            values |= {f"{name}{again}.{column}": _value(cell) for column, cell in row.items()}
        return values


def of_run(run: Path) -> HeldOutPredictions:
    """What a finished run is held to, rounded to a hundredth of the tolerance."""
    document = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return HeldOutPredictions(
        {path: _rounded(value, METRIC_TOLERANCE) for path, value in _numbers(document) if _is_held(path)},
        tuple(
            {column: _rounded_cell(cell) for column, cell in row.items()}
            for row in _rows(run / "predictions.csv")
        ),
    )


def read(stem: Path) -> HeldOutPredictions:
    """What was written."""
    return HeldOutPredictions(read_values(stem.with_suffix(".json")), _rows(stem.with_suffix(".csv")))  # type: ignore[arg-type]  # numbers


def read_values(file: Path) -> Values:
    """A document of values; none where there is no file."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_values(values: Values, file: Path) -> None:
    """Write one value a line."""
    file.write_text(json.dumps(values, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


def differences(before: Values, after: Values) -> Values:
    """Values of `after` that are further from `before` than the tolerance; what is new is no difference."""
    return {
        name: after.get(name) for name, value in before.items() if not _alike(name, value, after.get(name))
    }


def _alike(name: str, before: Value, after: Value) -> bool:
    if not isinstance(before, float | int) or not isinstance(after, float | int):
        return before == after
    tolerance = ANSWER_TOLERANCE if name.startswith("answers.") else METRIC_TOLERANCE
    return math.isclose(before, after, rel_tol=tolerance, abs_tol=tolerance)


def _rows(file: Path) -> tuple[dict[str, str], ...]:
    with file.open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, int | float):
        yield path, value
    elif isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(inner, f"{path}.{key}" if path else str(key))


def _is_held(path: str) -> bool:
    return not any(fnmatch(path, pattern) for pattern in UNHELD)


def _value(cell: str) -> Value:
    try:
        return float(cell)
    except ValueError:
        return cell


def _rounded_cell(cell: str) -> str:
    value = _value(cell)
    return f"{_rounded(value, ANSWER_TOLERANCE)!r}" if isinstance(value, float) and "." in cell else cell


def _rounded(value: float, tolerance: float) -> float:
    """To a hundredth of the tolerance, of the value where that is above 1."""
    digits = 2 - round(math.log10(tolerance)) - max(0, math.floor(math.log10(abs(value) or 1)))
    return round(value, digits) if isinstance(value, float) else value
