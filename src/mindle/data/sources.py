"""What is done to images and to rows after they were read, and where that is picked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mindle.data.common.summary import describe, ready, split_counts
from mindle.data.images.checks import check
from mindle.data.images.cues import cues, facets
from mindle.data.tables.checks import check_table
from mindle.data.tables.cues import cues as table_cues
from mindle.data.tables.parsing.columns import describe_columns
from mindle.data.tables.summary import describe_table, ready_table
from mindle.records import Cue, Dataset, Examples, Table


@dataclass(frozen=True, kw_only=True)
class Source:
    """The steps from data that were read to data that can be learned from.

    Attributes:
        check: Gives the data with what was noticed about them, and with what cannot be used set aside.
        ready: Gives checked data, split; raises a `DataError` where nothing can be learned from them.
        describe: Gives lines that say what there is to learn from.
        facts: Gives the same for programs, as run.json keeps it.
        cues: Gives what some rows of checked data might be distinguished by.
        facets: Gives by what some rows are grouped where slices are looked for.
    """

    check: Callable[..., Any]
    ready: Callable[..., Any]
    describe: Callable[[Any], list[str]]
    facts: Callable[[Any], dict[str, Any]]
    cues: Callable[..., list[Cue]]
    facets: Callable[..., list[Cue]]


def _image_facts(dataset: Dataset) -> dict[str, Any]:
    named = {"target": dataset.target} if dataset.target else {}
    return {**named, "counts": split_counts(dataset)}


def _table_facts(table: Table) -> dict[str, Any]:
    rows = len(table.rows())
    columns = [
        {**asdict(facts), "missing": round(facts.missing_fraction * rows)}
        for facts in describe_columns(table)
    ]
    return {"counts": {}, "columns": columns}


# By what the rows are; see `Examples.unit`.
SOURCES = {
    "images": Source(
        check=check, ready=ready, describe=describe, facts=_image_facts, cues=cues, facets=facets
    ),
    "rows": Source(
        check=check_table,
        ready=ready_table,
        describe=describe_table,
        facts=_table_facts,
        cues=table_cues,
        facets=table_cues,
    ),
}


def of(data: Examples) -> Source:
    """What is done to such data.

    Example:
        >>> from mindle.data import read
        >>> of(read("digits")) is SOURCES["images"]
        True
    """
    return SOURCES[data.unit]
