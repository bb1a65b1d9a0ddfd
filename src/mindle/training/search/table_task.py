"""A search over the models of a table as a task that any process can be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mindle.data.common.splits import Fractions
from mindle.data.tables.checks import check_table
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import split_table
from mindle.data.tables.summary import NESTED_BELOW, require_learnable_table
from mindle.records import Table
from mindle.training.budget import Deadline
from mindle.training.recipe import TABLE, from_dict
from mindle.training.search.space import Space, make_space
from mindle.training.search.study import Search, open_search
from mindle.training.search.table_trials import MODELS, TableBench, candidates
from mindle.training.tables.passes import Rows, TableProblem

# Below NESTED_BELOW rows a part of 15 % would say too little; all of them nested would need a search a fold.
SMALL_FRACTIONS: Fractions = (0.80, 0.0, 0.20)


def seal(table: Table, *, seed: int) -> Table:
    """The checked table with a test part that the search does not see, also where the table is small.

    Args:
        table: As it was read.
        seed: Of the split.
    """
    table = check_table(table)
    small = len(table.rows()) < NESTED_BELOW
    require_learnable_table(table)
    table = (
        split_table(table, seed=seed, fractions=SMALL_FRACTIONS) if small else split_table(table, seed=seed)
    )
    require_learnable_table(table)
    return table


def open_rows(table: Table) -> Rows:
    """The rows of a sealed table that may be learned from."""
    return np.sort(np.concatenate([table.rows("train"), table.rows("val")]))


def table_entries(entries: Mapping[str, Any], table: Table, models: Sequence[str] = ()) -> dict[str, Any]:
    """The entries of a space with what "models" stands for spelt out, and what then never applies left out.

    Args:
        entries: As `read_space` gives them.
        table: Sealed.
        models: Names of the models to choose from; all that suit the table unless given.

    Raises:
        ValueError: If a name is none.
    """
    rows = open_rows(table)
    at_hand = [
        list(names) for names in candidates(TableProblem.of(table, rows), np.arange(len(rows)), models)
    ]
    found = dict(entries)
    entry = found.get("table.models")
    if not isinstance(entry, Mapping) or entry.get("choices") != MODELS:
        return found
    found["table.models"] = {**entry, "choices": at_hand}
    return {name: entry for name, entry in found.items() if _can_apply(entry, at_hand[0])}


def _can_apply(entry: Any, models: Sequence[str]) -> bool:
    """Whether an entry is not about models alone that are not there."""
    when = entry.get("when", {}).get("table.models") if isinstance(entry, Mapping) else None
    if when is None:
        return True
    wanted = when if isinstance(when, list) else [when]
    return any(isinstance(one, list) or one in models for one in wanted)


@dataclass(frozen=True, kw_only=True)
class TableTask:
    """Everything that a process must know to take part in a search over a table; all of it can stand in JSON.

    Attributes:
        source: What the user typed for the data.
        reading: What else `read_table` is told.
        split_seed: Of the sealed part.
        storage: URL of the study's storage.
        name: Of the study.
        entries: Of the space.
        base: The recipe that points change, as nested settings.
        sampler: "tpe", "random" or "grid".
        trials: How many the study should have; None for as many as there is time for.
        seed: Of what is drawn, and of every trial.
        session: Of the call that the process belongs to.
    """

    source: str
    reading: Mapping[str, Any]
    split_seed: int
    storage: str
    name: str
    entries: Mapping[str, Any]
    base: Mapping[str, Any]
    sampler: str
    trials: int | None
    seed: int
    session: str = ""

    def space(self) -> Space:
        """What is varied."""
        return make_space(self.entries, {TABLE: from_dict(self.base)}, TABLE)

    def search(self) -> Search:
        """The study, opened by this process."""
        return open_search(
            self.storage,
            self.name,
            self.space(),
            sampler=self.sampler,
            seed=self.seed,
            # One fold says little of a trial; a fifth of this passes before one is compared with others.
            epochs=2 * from_dict(self.base).table.folds,
            session=self.session,
        )

    def table(self) -> Table:
        """The data, read, checked and sealed as the call that began did."""
        return seal(read_table(self.source, **self.reading), seed=self.split_seed)

    def bench(self, table: Table, deadline: Deadline, *, threads: int | None = None) -> TableBench:
        """What judges its recipes."""
        rows = open_rows(table)
        return TableBench(
            problem=TableProblem.of(table, rows, threads=threads),
            rows=np.arange(len(rows)),
            folds=from_dict(self.base).table.folds,
            seed=self.seed,
            deadline=deadline,
        )
