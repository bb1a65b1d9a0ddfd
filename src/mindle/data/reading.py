"""How a user says that data are to be read: one record for every command and call that reads them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from mindle.data.common.draw import draw
from mindle.data.images.sources.headings import image_list
from mindle.data.images.sources.listing import lists_images
from mindle.data.images.sources.source import read
from mindle.data.tables.parsing.cells import missing_option
from mindle.data.tables.parsing.opening import is_parquet, is_text, is_workbook
from mindle.data.tables.reader import BUILT_IN, ENDINGS, is_frame, is_mapping_table, read_table
from mindle.records import Dataset, Table

ROWS_ONLY = ("columns", "kinds", "group", "time", "ids")
IMAGES_ONLY = ("label_from", "per_class")


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """What a user may say about data besides where they are; see `mindle.train` for each.

    Attributes:
        target: The column to learn, by name, position from 1, or "last".
        task: "classification" or "regression"; None where the target tells.
        columns: Names for a table without a header.
        kinds: "number", "category", "date" or "ignored" by column name of a table.
        group: A column of a table whose equal values hold rows together.
        time: A column of a table in whose order rows came.
        ids: Columns of a table that name a row.
        separator: What stands between the cells of a table or a list of images; None where the file tells.
        header: How many lines of header a table or a list of images has; None where the file tells.
        missing: Words that stand for nothing in a table or a list of images, as a list or a text with commas;
            the usual ones where None.
        label_from: A template such as "{class}_{n}" by which file names hold the labels of images.
        per_class: How many images of each class are used: a number, or numbers by part.

    Example:
        >>> ReadingOptions().read("wine").task
        'multiclass'
    """

    target: str | int | None = None
    task: str | None = None
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None
    group: str | int | None = None
    time: str | int | None = None
    ids: tuple[str | int, ...] = ()
    separator: str | None = None
    header: int | None = None
    missing: str | Sequence[str] | None = None
    label_from: str | None = None
    per_class: str | int | Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", missing_option(self.missing))

    def given(self) -> dict[str, Any]:
        """What the user said, by name, without what was left open.

        Example:
            >>> ReadingOptions(target="price", ids=("number",)).given()
            {'target': 'price', 'ids': ('number',)}
        """
        return {field.name: value for field in fields(self) if _is_said(value := getattr(self, field.name))}

    def as_dict(self) -> dict[str, Any]:
        """What the user said, as JSON holds it; `from_dict` reads it."""
        return {
            name: list(value)
            if isinstance(value, tuple)
            else dict(value)
            if isinstance(value, Mapping)
            else value
            for name, value in self.given().items()
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> ReadingOptions:
        """The options that stand in a document, such as `asked` in run.json; other keys are passed over.

        Example:
            >>> ReadingOptions.from_dict({"target": "price", "seed": 0}).target
            'price'
        """
        known: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value, list) else value
            for field in fields(cls)
            if (value := document.get(field.name)) is not None
        }
        return cls(**known)

    def is_table(self, data: Any) -> bool:
        """Whether the data are a table rather than images.

        Raises:
            DataError: If they are a file that cannot be read.
        """
        return is_table(data, self.target, separator=self.separator, header=self.header)

    def read(self, data: Any, *, split_seed: int = 0) -> Dataset | Table:
        """Read images or a table, as the data and the options say.

        Raises:
            DataError: If nothing can be read.
            ValueError: If an option is about other data than these, or names a column that is not there.
        """
        return self.read_table(data) if self.is_table(data) else self.read_images(data, split_seed=split_seed)

    def read_table(self, data: Any) -> Table:
        """Read a table.

        Raises:
            DataError: If the source is no table, or its target cannot be learned.
            ValueError: If an option is about images, or names a column that is not there.
        """
        self.refuse(IMAGES_ONLY, "images", "a table")
        return read_table(data, **{**replace(self, ids=()).given(), "ids": self.ids})

    def read_images(self, data: Any, *, split_seed: int = 0) -> Dataset:
        """Read images; `split_seed` draws those of `per_class`.

        Raises:
            DataError: If there are no images with labels.
            ValueError: If an option is about tables, or `label_from` is no template.
        """
        self.refuse(ROWS_ONLY, "a table", "images")
        about_images = replace(self, per_class=None).given()
        if self.label_from is not None:  # an empty one is no template, and is refused
            about_images["label_from"] = self.label_from
        dataset = read(data, **about_images)
        return dataset if self.per_class is None else draw(dataset, self.per_class, seed=split_seed)

    def refuse(self, names: tuple[str, ...], theirs: str, ours: str) -> None:
        """Refuse options that say something about other data than these; see `refuse`."""
        given = self.given()
        refuse({name: given.get(name) for name in names}, theirs, ours)


def refuse(arguments: Mapping[str, Any], theirs: str, ours: str) -> None:
    """Refuse arguments that say something about other data than these.

    Raises:
        ValueError: Naming the first of them.

    Example:
        >>> refuse({"folds": None}, "a table", "images")
    """
    given = [name for name, value in arguments.items() if _is_said(value)]
    if given:
        raise ValueError(
            f"`{given[0]}` must be left out for {ours}: it is about {theirs}. Received "
            f"{given[0]}={arguments[given[0]]!r}."
        )


def _is_said(value: Any) -> bool:
    return value is not None and value not in ("", (), {})  # a header of 0 lines is said


_ARRAYS = ".npz"


def is_table(
    source: Any,
    target: str | int | None = None,
    *,
    separator: str | None = None,
    header: int | None = None,
) -> bool:
    """Whether what a user gave is a table rather than images.

    The content of a file decides, not its ending. A file that lists images has a column `path`, or one that
    leads to pictures; a column `path` that leads to none makes a table all the same where a target is named.

    Raises:
        DataError: If it is a file that cannot be read, or no regular file.

    Example:
        >>> is_table("wine"), is_table("digits")
        (True, False)
    """
    if not isinstance(source, (str, os.PathLike)):
        return is_frame(source) or is_mapping_table(source)
    place = Path(os.path.expanduser(source))
    if not place.exists():
        return os.fspath(source) in BUILT_IN
    if place.is_dir() or place.suffix.lower() == _ARRAYS:
        return False
    if is_parquet(place):
        return True
    asked = (target, separator, header) != (None, None, None)
    if not (asked or place.suffix.lower() in ENDINGS or is_workbook(place) or is_text(place)):
        return False
    listed = image_list(place, separator=separator, header=header)
    if listed is None:
        return True
    if target is None or listed.names[listed.image] != "path":
        return False
    return not lists_images(place, separator=separator, header=header)
