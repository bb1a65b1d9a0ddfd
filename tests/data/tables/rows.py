"""Tables drawn in code, for the tests of what is done with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mindle.data.tables.reader import read_table
from mindle.records import Finding, Table


def table_of(columns: Mapping[str, Sequence[Any]], **options: Any) -> Table:
    """A table of some columns, the last of which is the target."""
    return read_table(pd.DataFrame(dict(columns)), target="last", **options)


def noise(count: int, seed: int = 0) -> list[float]:
    """Numbers that say nothing."""
    return np.random.default_rng(seed).normal(size=count).round(6).tolist()


def houses(count: int = 300, seed: int = 0) -> dict[str, list[Any]]:
    """Sizes, towns and prices that hang together, as columns."""
    random = np.random.default_rng(seed)
    size = random.uniform(30, 200, count).round(6)
    town = random.choice(["Bonn", "Rome", "Seoul"], count)
    price = 3 * size + 80 * (town == "Seoul") + random.normal(0, 30, count)
    return {"size": size.tolist(), "town": town.tolist(), "price": price.round(2).tolist()}


def kinds(table: Table) -> set[str]:
    """The kinds of all findings."""
    return {finding.kind for finding in table.findings}


def the(table: Table, kind: str) -> Finding:
    """The only finding of a kind."""
    (found,) = [finding for finding in table.findings if finding.kind == kind]
    return found
