"""How a graph is run: by which library, in which batches, with how many calls and threads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mindle.artifacts.environment import usable_cores
from mindle.records import PRECISIONS

VARIABLE = "MINDLE_ENGINE"
ENGINES = ("onnxruntime", "openvino")
FEATURES = "features"
"""The tensor that bodies of a model give to its head: precision is about what comes before it."""

# A call of a graph costs some 50 microseconds whatever is in it: small images go together.
_PIXELS_A_CALL, _MOST_ROWS = 32 * 1024, 32


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a graph is run.

    Attributes:
        engine: "onnxruntime" or "openvino".
        batch: Rows of a call, the last one filled up; 0 runs as many as are given.
        streams: Calls side by side.
        threads: Threads of a call.
        spinning: Whether threads of one call wait busily for each other: faster on an idle machine only.
        precision: "float32", or "bfloat16" up to the tensor `FEATURES`, and float32 behind it.

    Example:
        >>> str(Plan(batch=4, streams=2))
        'onnxruntime:batch=4,streams=2,threads=1'
    """

    engine: str = "onnxruntime"
    batch: int = 1
    streams: int = 1
    threads: int = 1
    spinning: bool = False
    precision: str = "float32"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("engine", self.engine, ENGINES),
            ("precision", self.precision, PRECISIONS),
        ):
            if value not in allowed:
                raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received {name}={value!r}.")
        if self.precision != "float32" and self.engine == "onnxruntime":
            raise ValueError(
                f"`precision` must be float32 in ONNX Runtime. Received precision={self.precision!r}. Choose "
                "openvino for it."
            )
        if self.batch < 0 or self.streams < 1 or self.threads < 1:
            raise ValueError(
                "`batch` must be at least 0, `streams` and `threads` at least 1. Received "
                f"batch={self.batch}, streams={self.streams}, threads={self.threads}."
            )

    def __str__(self) -> str:
        sizes = f"{self.engine}:batch={self.batch},streams={self.streams},threads={self.threads}"
        spinning = ",spinning=1" if self.spinning else ""
        return sizes + spinning + ("" if self.precision == "float32" else f",precision={self.precision}")

    @property
    def numerics(self) -> str:
        """What the last bits of an answer depend on."""
        return self.engine if self.precision == "float32" else f"{self.engine}-{self.precision}"

    def as_dict(self) -> dict[str, Any]:
        """As it stands in run.json and in the cache."""
        return asdict(self)


def default_plan(shape: tuple[int, ...], cores: int, precision: str = "float32") -> Plan:
    """The plan of a graph that was not tried: a call of one thread for each core.

    Args:
        shape: Of one image, (height, width, channel); of anything else, all rows go into one call.
        cores: How many threads may work.
        precision: float32 in ONNX Runtime, which knows no other, or one in OpenVINO.

    Example:
        >>> str(default_plan((224, 224, 3), 2)), default_plan((28, 28, 1), 2).batch
        ('onnxruntime:batch=1,streams=2,threads=1', 32)
    """
    if len(shape) != 3:
        return whole(cores)
    fitting = _PIXELS_A_CALL // (shape[0] * shape[1])
    engine = "onnxruntime" if precision == "float32" else "openvino"
    batch = min(max(fitting, 1), _MOST_ROWS)
    return Plan(engine=engine, batch=batch, streams=cores, precision=precision)


def whole(threads: int | None = None) -> Plan:
    """All rows of a feed in one call of ONNX Runtime, on all usable cores unless `threads` says less.

    Example:
        >>> str(whole(2))
        'onnxruntime:batch=0,streams=1,threads=2'
    """
    return Plan(batch=0, threads=threads or usable_cores())


def pinned_plan(shape: tuple[int, ...], cores: int, precision: str = "float32") -> Plan | None:
    """The plan in the variable `MINDLE_ENGINE`, such as "openvino:batch=4,streams=2".

    What the variable leaves out is as in the default. It says nothing of the precision, which belongs to a
    recipe and to the bundle that came of it.

    Raises:
        ValueError: If it names no plan.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        if "precision" in text:
            raise ValueError("`precision` is a setting of the recipe, probe.precision")
        return parse_plan(text, default_plan(shape, cores, precision))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{VARIABLE} must be an engine ({' or '.join(ENGINES)}), perhaps with sizes, such as "
            f"openvino:batch=4,streams=2,threads=1. Received {text!r}."
        ) from error


def parse_plan(text: str, default: Plan) -> Plan:
    """A plan from its text; what that leaves out is as in the default.

    Raises:
        TypeError: If it names what no plan has.
        ValueError: If it is no such text.

    Example:
        >>> str(parse_plan("openvino:streams=2", Plan(batch=8)))
        'openvino:batch=8,streams=2,threads=1'
    """
    engine, _, rest = text.partition(":")
    given = dict(part.split("=") for part in rest.split(",") if part)
    return read_plan(default.as_dict() | given | {"engine": engine})


def read_plan(document: Mapping[str, Any]) -> Plan:
    """A plan from what `as_dict` gave, or from words.

    Raises:
        TypeError: If it has another field.
        ValueError: If a field has another value.
    """
    numbers = {name: int(document[name]) for name in ("batch", "streams", "threads", "spinning")}
    return Plan(**{**document, **numbers, "spinning": bool(numbers["spinning"])})
