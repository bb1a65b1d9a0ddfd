"""What is done to images and to rows after they were read, behind one protocol, and where it is picked."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from mindle.data.common.summary import describe, ready
from mindle.data.images.checks import check
from mindle.data.tables.checks import check_table
from mindle.data.tables.summary import describe_table, ready_table
from mindle.records import SILENT, Dataset, Examples, Listener, Table

E = TypeVar("E", bound=Examples)


class Source(Protocol[E]):
    """The steps from data that were read to data that can be learned from."""

    def check(self, data: E, *, listener: Listener = SILENT) -> E:
        """The data with what was noticed about them, and with what cannot be used set aside."""

    def ready(self, data: E, *, seed: int = 0) -> E:
        """Checked data, split.

        Raises:
            DataError: If nothing can be learned from them.
        """

    def describe(self, data: E) -> list[str]:
        """Lines that say what there is to learn from."""


class ImageSource:
    """Images; see `Source`."""

    def check(self, data: Dataset, *, listener: Listener = SILENT) -> Dataset:
        """See `mindle.data.check`."""
        return check(data, listener=listener)

    def ready(self, data: Dataset, *, seed: int = 0) -> Dataset:
        """See `mindle.data.common.summary.ready`."""
        return ready(data, seed=seed)

    def describe(self, data: Dataset) -> list[str]:
        """Classes or targets, counts, what was set aside."""
        return describe(data)


class TableSource:
    """Rows of a table; see `Source`."""

    def check(self, data: Table, *, listener: Listener = SILENT) -> Table:
        """See `mindle.data.check_table`."""
        return check_table(data, listener=listener)

    def ready(self, data: Table, *, seed: int = 0) -> Table:
        """See `mindle.data.ready_table`."""
        return ready_table(data, seed=seed)

    def describe(self, data: Table) -> list[str]:
        """Columns, counts, what was set aside."""
        return describe_table(data)


# By what the rows are; see `Examples.unit`.
SOURCES: dict[str, Source[Any]] = {"images": ImageSource(), "rows": TableSource()}


def of(data: Examples) -> Source[Any]:
    """What is done to such data.

    Example:
        >>> from mindle.data import read
        >>> of(read("digits")) is SOURCES["images"]
        True
    """
    return SOURCES[data.unit]
