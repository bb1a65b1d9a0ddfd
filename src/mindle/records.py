"""The values that travel between the rooms: frozen records with no behaviour beyond their checks.

A folder becomes a `Dataset`; a `Dataset` and an `InputSpec` become pixels; a file of rows becomes a `Table`;
a model turns pixels or rows into `Predictions`, or into `Estimates` where the target is a number; whatever
was noticed on the way is a `Finding`. Torch never appears here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray


class Task(str):
    """What a model predicts, as it stands on disk: "binary", "multiclass", "regression" or a registered one.

    Every room that differs by task has one module for each family, and an `of(task)` that picks it; code
    outside of them never asks which task it has.

    Example:
        >>> Task("multiclass").family, Task("regression").family
        ('classification', 'regression')
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Task:  # noqa: D102  # described at the class
        if name not in FAMILIES:
            raise ValueError(f"`task` must be one of {', '.join(FAMILIES)}. Received task={name!r}.")
        return super().__new__(cls, name)

    @property
    def family(self) -> str:
        """The name under which rooms register what they do for such a task."""
        return FAMILIES[self]


# The family of each task by its name on disk; another package adds an entry here and one in each room.
FAMILIES: dict[str, str] = {
    "binary": "classification",
    "multiclass": "classification",
    "regression": "regression",
}
# Of a data set of images these show in its classes and targets; others are registered.
BUILT_IN_TASKS = tuple(FAMILIES)


def task_of(classes: int) -> Task:
    """The built-in task of data with so many classes; without any, there are numbers.

    Example:
        >>> task_of(2), task_of(0)
        ('binary', 'regression')
    """
    return Task({0: "regression", 2: "binary"}.get(classes, "multiclass"))


Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

FITS = ("squash", "pad", "crop")
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
COLOURS = ("rgb", "gray")
# Of forward passes.
PRECISIONS = ("float32", "bfloat16")


def _require_choices(record: Any, **choices: Sequence[str]) -> None:
    for name, allowed in choices.items():
        value = getattr(record, name)
        if value not in allowed:
            raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received {name}={value!r}.")


def _require_rows(record: Any, names: Sequence[str], rows: int, *, or_empty: bool = False) -> None:
    """Refuse columns of another length; what a record does not have, None, has none."""
    for name in names:
        column = getattr(record, name)
        if column is not None and len(column) != rows and not (or_empty and len(column) == 0):
            also = "be empty or " if or_empty else ""
            raise ValueError(f"`{name}` must {also}have {rows} rows. Received {len(column)}.")


class Texts(Sequence[str]):
    """A column of texts in one piece of memory: an object for each would take twice to four times as much.

    It compares with any other column of texts.

    Example:
        >>> names = Texts(["cat/1.jpg", "cat/2.jpg"])
        >>> names[1], names[np.array([1, 0])] == ("cat/2.jpg", "cat/1.jpg")
        ('cat/2.jpg', True)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._bytes, ends = bytearray(), array("q")
        for text in texts:
            self._bytes += text.encode("utf-8", "surrogatepass")  # names on a disk may hold anything
            ends.append(len(self._bytes))
        self._ends = np.frombuffer(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def _text(self, row: int) -> str:
        start = self._ends[row - 1] if row else 0
        return self._bytes[start : self._ends[row]].decode("utf-8", "surrogatepass")

    @overload
    def __getitem__(self, rows: int) -> str: ...
    @overload
    def __getitem__(self, rows: slice | NDArray[np.int64]) -> Texts: ...
    def __getitem__(self, rows: int | slice | NDArray[np.int64]) -> str | Texts:
        """The text of a row, or a column of those of some rows."""
        if isinstance(rows, slice):
            return self._some(range(len(self))[rows])
        if isinstance(rows, np.ndarray):
            return self._some(map(int, rows))
        return self._text(range(len(self))[rows])

    def _some(self, rows: Iterable[int]) -> Texts:
        return type(self)(map(self._text, rows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Texts, tuple, list)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as large as a data set


def of_rows(column: Sequence[str], rows: NDArray[np.int64]) -> Sequence[str]:
    """The texts of some rows, kept as they were.

    Example:
        >>> of_rows(("a", "b"), np.array([1]))
        ('b',)
    """
    return column[rows] if isinstance(column, Texts) else tuple(column[row] for row in rows.tolist())


class Hashes(Texts):
    """A column of SHA-256 in hex, 32 bytes each; "" where there is none.

    Example:
        >>> hashes = Hashes(["ab" * 32, ""])
        >>> hashes[0][:4], hashes[1]
        ('abab', '')
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._bytes = bytearray()
        for text in texts:
            self._bytes += bytes.fromhex(text) or bytes(32)

    def __len__(self) -> int:
        return len(self._bytes) // 32

    def _text(self, row: int) -> str:
        found = self._bytes[32 * row : 32 * row + 32]
        return found.hex() if any(found) else ""

    @property
    def digests(self) -> NDArray[np.bytes_]:
        """The bytes of each, (n,), to sort by and to compare."""
        return np.frombuffer(self._bytes, "S32")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """How an image becomes the numbers a model sees; one record for training, prediction and serving.

    Pixels are uint8 (height, width, channel). `mean` and `std` are per channel in the [0, 1] convention
    and are applied inside the model, never to the stored pixels.

    Example:
        >>> InputSpec(height=32, width=32, colour="gray", mean=(0.5,), std=(0.5,)).channels
        1
    """

    height: int
    width: int
    fit: str = "squash"
    interpolation: str = "bilinear"
    colour: str = "rgb"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        for name, size in (("height", self.height), ("width", self.width)):
            if not 1 <= size <= 4096:
                raise ValueError(f"`{name}` must lie in 1 to 4096 pixels. Received {name}={size}.")
        _require_choices(self, fit=FITS, interpolation=INTERPOLATIONS, colour=COLOURS)
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"`mean` and `std` must have {self.channels} value(s) for colour={self.colour!r}. "
                f"Received mean={self.mean}, std={self.std}."
            )
        if min(self.std) <= 0:
            raise ValueError(f"`std` must be above 0. Received std={self.std}.")

    @property
    def channels(self) -> int:
        """1 for gray, 3 for rgb."""
        return 1 if self.colour == "gray" else 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channel) of one image's pixels."""
        return (self.height, self.width, self.channels)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something noticed about the data, and what mindle does about it.

    Attributes:
        kind: A short word from `mindle.data.common.findings.kinds`, such as "truncated" or "leak".
        files: Relative paths of every file concerned, in order.
        message: One sentence for people that names the first of them.
        action: What mindle does about it: "set aside", "kept", "dropped from train", "kept together"…
        decision: Whether a person should decide something; `mindle check` then exits with 1.
    """

    kind: str
    files: tuple[str, ...]
    message: str
    action: str
    decision: bool = False


@dataclass(frozen=True, kw_only=True)
class FileImages:
    """Images that are files: `names[i]` is the path below `root` exactly as the disk spells it."""

    root: Path
    names: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class ArrayImages:
    """Images that are rows of an array, uint8 (image, height, width) or (image, height, width, channel)."""

    array: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which images of a large set are used.

    Attributes:
        seed: Decides which images.
        count: Images of each class in all splits together; 0 where `splits` says more.
        splits: Images of each class by split.
    """

    seed: int
    count: int = 0
    splits: Mapping[str, int] = field(default_factory=dict)


NOT_DRAWN = "not-drawn"
"""Why an image is not used that was not drawn; nothing of it is read."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What images and rows of a table have in common: a truth for each, and which split it is in.

    Attributes:
        name: Short name, used for the run folder.
        kind: What it was read from, such as "folder", "csv", "frame", "builtin" or "memory".
        source: What the user typed, so that a run can say how to repeat itself.
        task: "binary", "multiclass" or "regression"; or a registered one. Of images, classes and targets show
            which of the three it is.
        classes: Class names (NFC), in the order that every artifact keeps; empty for a regression.
        labels: Index into `classes`; -1 where a row has no class.
        targets: The number to estimate, NaN where a row has none; empty for classification.
        given: The split that came with the data: "train", "val", "test" or "".
        groups: Rows that share a non-empty group never lie on two sides of a split.
        set_aside: Why a row is not used, one of the finding kinds; "" where it is.
        sha256: Hash of what each row holds (hex), "" until checked.
        splits: The split of each row, "" until it is made, and for rows set aside.
        findings: What was noticed so far.
        heights, widths: Size in pixels after EXIF orientation, 0 until checked or where unreadable; empty
            where rows have no size.
        unit: What the rows are, in the plural: the name under which `mindle.data.sources` knows what to do.
    """

    name: str
    kind: str
    source: str
    task: Task
    classes: tuple[str, ...] = ()
    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    targets: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    given: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    sha256: Sequence[str] = ()
    splits: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    heights: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    widths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    unit: ClassVar[str]

    def __post_init__(self) -> None:
        names = ("labels", "targets", "given", "groups", "set_aside", "sha256", "splits", "heights", "widths")
        _require_rows(self, names, len(self), or_empty=True)

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def row_names(self) -> Sequence[str]:
        """What each row is called on disk and by people."""
        raise NotImplementedError

    @property
    def truth(self) -> NDArray[Any]:
        """What is to be predicted of each row: its number where there are numbers, else its class."""
        return self.targets if len(self.targets) else self.labels

    def rows(self, split: str | None = None) -> NDArray[np.int64]:
        """Indices of the rows that are used, of one split or of all."""
        unknown = ("",) * len(self)
        return np.flatnonzero(
            [
                not aside and split in (None, here)
                for aside, here in zip(self.set_aside or unknown, self.splits or unknown, strict=True)
            ]
        )


@dataclass(frozen=True, kw_only=True)
class Dataset(Examples):
    """A labelled set of images as columns of equal length, one row a file (or a row of an array).

    Every regular file below the root has a row, used or not; a row is used when `set_aside` is "".

    Attributes:
        paths: Relative path of each row, NFC, with forward slashes; rows of arrays get "train/000123".
        images: Where the pixels come from.
        target: What the numbers are called in the source; "" for classification.
        draw: Which images of the set are used, where not all are.
    """

    unit: ClassVar[str] = "images"

    paths: Sequence[str]
    images: FileImages | ArrayImages
    target: str = ""
    draw: Draw | None = None
    task: Task = Task("multiclass")

    def __post_init__(self) -> None:
        if self.task in BUILT_IN_TASKS:
            name = "regression" if len(self.targets) else "binary" if len(self.classes) == 2 else "multiclass"
            object.__setattr__(self, "task", Task(name))
        _require_rows(self, ("labels", "given", "groups", "set_aside"), len(self))
        super().__post_init__()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def row_names(self) -> Sequence[str]:
        """The path of each image."""
        return self.paths


COLUMN_KINDS = ("number", "category", "date")
COLUMN_ROLES = ("feature", "target", "group", "time", "id", "ignored")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table: what it is for and how its text becomes values.

    Attributes:
        name: As the header spells it; `c1…cN` where there is no header.
        kind: "number", "category" or "date".
        role: "feature", "target", "group" (rows that belong together), "time" (rows in their order), "id"
            (carried through, never learned from) or "ignored".
        decimal, thousands: How its numbers are written: "1,234.5" has thousands ",", "1.234,5" decimal ",".
        date_format: A `strptime` format, "" for ISO 8601.
        missing: Texts that stand for nothing, as the user said; the usual ones where empty.
        note: Why it is read so, or ignored, in a few words; "" where nothing needs saying.
        typical: Median size of its numbers, to one digit, by which 1.234 and 1,234 are distinguished in new
            rows; 0 where it is not known.
        digits: How many digits all of its codes have where some begin with zeros; 0 for other columns.

    Example:
        >>> Column(name="price", kind="number", thousands=",").role
        'feature'
    """

    name: str
    kind: str
    role: str = "feature"
    decimal: str = "."
    thousands: str = ""
    date_format: str = ""
    note: str = ""
    typical: float = 0.0
    digits: int = 0
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_choices(self, kind=COLUMN_KINDS, role=COLUMN_ROLES)

    @property
    def numbers(self) -> int:
        """How many numbers a model sees of a cell: a date's days, year, month, weekday, and perhaps hour."""
        has_times = self.date_format == "" or "%H" in self.date_format
        return {"number": 1, "date": 5 if has_times else 4}.get(self.kind, 0)


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """How rows become what a model of tables sees, as `InputSpec` says it for images.

    Attributes:
        columns: Every column of the table that was learned from, in its order: features, target, ids, others.
        task: "binary", "multiclass" or "regression".
        separator: What stood between its cells, "" where they came from no text, or where it is not known.

    Example:
        >>> columns = (Column(name="age", kind="number"), Column(name="sold", kind="category", role="target"))
        >>> TableSpec(columns=columns, task=Task("binary")).target.name
        'sold'
    """

    columns: tuple[Column, ...]
    task: Task
    separator: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", Task(self.task))  # JSON holds its name
        targets = sum(column.role == "target" for column in self.columns)
        if targets != 1:
            raise ValueError(
                f"`columns` must hold one target. Received {targets} in {len(self.columns)} columns."
            )

    @property
    def target(self) -> Column:
        """What the model predicts."""
        return next(column for column in self.columns if column.role == "target")

    @property
    def ids(self) -> tuple[Column, ...]:
        """What names a row and is carried through."""
        return tuple(column for column in self.columns if column.role == "id")


@dataclass(frozen=True, kw_only=True)
class Table(Examples):
    """Rows with a target, as columns of equal length; a row is used when `set_aside` is "".

    Attributes:
        columns: Every column, in the order of the file.
        cells: Name of each column to its values, one a row: float64 for numbers (NaN where missing) and dates
            (days since 1970, NaN where missing), str objects for categories (None where missing).
        rows_from: Where each row stands in its source, from 1, the header not counted.
        separator: What stands between the cells of the file, "" where there is none.
    """

    unit: ClassVar[str] = "rows"

    columns: tuple[Column, ...]
    cells: Mapping[str, NDArray[Any]]
    rows_from: tuple[int, ...]
    separator: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", Task(self.task))
        count = len(self)
        wrong = [name for name, cells in self.cells.items() if len(cells) != count]
        if wrong or set(self.cells) != {column.name for column in self.columns}:
            raise ValueError(
                f"`cells` must hold {count} values for each of `columns`. Received {', '.join(self.cells)}"
                + (f", of other lengths: {', '.join(wrong)}." if wrong else ".")
            )
        if len(self.truth) != count:
            raise ValueError(f"A {self.task} table must have {count} targets. Received {len(self.truth)}.")
        super().__post_init__()

    def __len__(self) -> int:
        return len(self.rows_from)

    @property
    def row_names(self) -> tuple[str, ...]:
        """The number of each row, as "row 7"."""
        return tuple(f"row {number}" for number in self.rows_from)

    @property
    def target(self) -> Column:
        """The column to predict."""
        return next(column for column in self.columns if column.role == "target")

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns to learn from."""
        return tuple(column for column in self.columns if column.role == "feature")


# In the order in which they are given: the first that holds is the code of an answer.
ABSTAIN = ("unreadable", "torn", "small", "dark", "blurred", "unlike_training")


CONTENTS = ("none", "some", "all")


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Something that a class or number might be predicted from although it is not what should be learned.

    Attributes:
        name: What it is, as a code ("border", "file-size") or the name of a column.
        values: float64 (row, value), NaN where unknown.
        parts: What each value is called where they have names, such as words of file names.
        content: How far what should be learned may show in it, one of `CONTENTS`: "none", "some" as in
            colours, or "all" as in a column of a table.

    Example:
        >>> Cue(name="image-size", values=np.array([[224.0, 224.0], [640.0, 480.0]])).content
        'none'
    """

    name: str
    values: NDArray[np.float64]
    parts: tuple[str, ...] = ()
    content: str = CONTENTS[0]

    def __post_init__(self) -> None:
        _require_choices(self, content=CONTENTS)


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """What models said to samples that they had not learned from, and what is needed to evaluate it.

    Attributes:
        rows: int64 (row,), which samples of the problem these are.
        outputs: As the graph names them: "probabilities" (row, class) or "estimate" (row,), float64.
        truth: (row,), class index or number.
        folds: int64 (row,), which fold held the row out; 0 throughout where the val split did.
        groups: int64 (row,), equal for samples that belong together.
        learned_from: bool (row,), whether the final model learned from the row; False for val rows of a
            network trained by epochs.
        features: (row, feature), as the output `features` of the graph; None where the model has none.
        blocks: How many features each body of a model of images has; none of a table, whose features are
            scaled already.
        relearn: From a truth for each row (n,) and the rows to use (m,), indices into these, to outputs
            out of fold of these, (m, class) or (m,); None where training again would cost more than a moment.
        relearn_seconds: Roughly what that takes with all rows; 0 where it is a moment.
    """

    rows: NDArray[np.int64]
    outputs: Mapping[str, NDArray[np.float64]]
    truth: NDArray[Any]
    folds: NDArray[np.int64]
    groups: NDArray[np.int64]
    learned_from: NDArray[np.bool_]
    features: NDArray[Any] | None = None
    blocks: tuple[int, ...] = ()
    relearn: Callable[[NDArray[Any], NDArray[np.int64]], NDArray[np.float64]] | None = None
    relearn_seconds: float = 0.0

    def __post_init__(self) -> None:
        _require_rows(self, ("truth", "folds", "groups", "learned_from", "features"), len(self.rows))

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model answered to some images or rows, and the truth where it is known.

    A subclass for each family of tasks holds the answers themselves and says the truth.

    Attributes:
        paths: One name an image or row.
        repeats: How often each row was answered by another model (repeated cross-validation); rows follow
            each other repeat by repeat.
        folds: int64 (row,), which fold of its repeat held the row out; None where one split did.
        abstain: str (row,), one of `ABSTAIN`, why the model should not answer alone, or "" where it may; None
            where nothing was asked.
        decisions: int64 (row,), what costs least: a class index, or -1 to abstain; None without costs.
    """

    paths: tuple[str, ...]
    repeats: int = 1
    folds: NDArray[np.int64] | None = None
    abstain: NDArray[np.str_] | None = None
    decisions: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.paths)
        _require_rows(self, ("folds", "abstain", "decisions"), count)
        if self.repeats < 1 or count % self.repeats:
            raise ValueError(f"`repeats` must divide the {count} rows. Received repeats={self.repeats}.")

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def task(self) -> Task:
        """The task that such answers belong to."""
        raise NotImplementedError

    @property
    def truth(self) -> NDArray[Any] | None:
        """(row,) what is right, or None where it is not known."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Predictions(Answers):
    """Answers in classes; see `Answers` for the fields that are not here.

    Attributes:
        classes: Class names; column i of `probabilities` belongs to `classes[i]`.
        probabilities: float64 (image, class), rows summing to 1.
        labels: True class index of each image, or None where nothing is known.
        answers: Class index that is named for each image, where thresholds decide and not the largest
            probability; None where that decides.
        sets: bool (image, class), the label set of each image, never empty; None where nothing was asked.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64] | None = None
    answers: NDArray[np.int64] | None = None
    sets: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.probabilities.shape != (len(self.paths), len(self.classes)):
            raise ValueError(
                f"`probabilities` must be ({len(self.paths)}, {len(self.classes)}): one row an image, one "
                f"column a class. Received {self.probabilities.shape}."
            )
        _require_rows(self, ("labels", "answers", "sets"), len(self.paths))
        if self.sets is not None and not self.sets.any(axis=1).all():
            empty = int((~self.sets.any(axis=1)).sum())
            raise ValueError(f"`sets` must name at least one class in each row. Received {empty} empty rows.")

    @property
    def task(self) -> Task:
        """One of "binary" and "multiclass"."""
        return Task("binary" if len(self.classes) == 2 else "multiclass")

    @property
    def truth(self) -> NDArray[np.int64] | None:
        """The labels."""
        return self.labels

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Class index that is named for each image."""
        return self.probabilities.argmax(axis=1) if self.answers is None else self.answers


@dataclass(frozen=True, kw_only=True)
class Estimates(Answers):
    """Answers in numbers; see `Answers` for the fields that are not here.

    Attributes:
        values: float64 (row,), what the model estimates.
        targets: float64 (row,), the truth, or None where nothing is known.
        low, high: float64 (row,), ends of a prediction interval, or None where there is none.
    """

    values: NDArray[np.float64]
    targets: NDArray[np.float64] | None = None
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("values", "targets", "low", "high"):
            array = getattr(self, name)
            if array is not None and array.shape != (len(self.paths),):
                raise ValueError(
                    f"`{name}` must be ({len(self.paths)},): one number a row. Received {array.shape}."
                )

    @property
    def task(self) -> Task:
        """Always "regression"."""
        return Task("regression")

    @property
    def truth(self) -> NDArray[np.float64] | None:
        """The targets."""
        return self.targets


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Something noticed about the training itself, with the figure that shows it and what to try.

    Attributes:
        kind: A short word, such as "constant-prediction" or "rate-too-high".
        message: One sentence for people: what was seen, with its number.
        remedy: One sentence: what to try.
        evidence: The figure as data: {"title", "x", "y", "series": {name: [[x, y], …]}}; "x" and "y" say what
            the axes count.

    Example:
        >>> figure = {"title": "Loss", "x": "step", "y": "loss", "series": {"train": [[1, 0.7], [2, 9.1]]}}
        >>> Diagnosis(kind="rate-too-high", message="The loss rose to 9.1.",
        ...           remedy="Try a tenth of the learning rate.", evidence=figure).kind
        'rate-too-high'
    """

    kind: str
    message: str
    remedy: str
    evidence: Mapping[str, Any]

    def __post_init__(self) -> None:
        missing = {"title", "x", "y", "series"} - set(self.evidence)
        if missing:
            raise ValueError(
                "`evidence` must have title, x, y and series. "
                f"Received {', '.join(self.evidence) or 'nothing'}, without {', '.join(sorted(missing))}."
            )


class Listener(Protocol):
    """Hears what a long call does. The prompt draws bars; a notebook prints; the default is silent."""

    def say(self, sentence: str) -> None:
        """One line for people."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` units (images, steps) of a named stage are finished."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """One row of the training history, as it will stand in history.csv."""


class Silent:
    """A listener that ignores everything."""

    def say(self, sentence: str) -> None:
        """Ignore a line."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Ignore progress."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Ignore an epoch."""


SILENT: Listener = Silent()


R = TypeVar("R")


def record_of(kind: type[R], values: Mapping[str, Any]) -> R:
    """A record of those of some values by name, such as the arguments of a call, that it has fields for.

    Example:
        >>> record_of(Finding, {"kind": "leak", "files": (), "message": "", "action": "kept", "code": 3}).kind
        'leak'
    """
    names = (one.name for one in fields(cast(Any, kind)))
    return kind(**{name: values[name] for name in names if name in values})
