"""What reading took for granted is said: separators, headers, names of rows, rows of another length."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.data.tables.parsing.delimited import Layout
from mindle.data.tables.parsing.layouts import layout_findings, require_whole_rows, row_names_in, told
from mindle.errors import DataError


def layout(**changes: object) -> Layout:
    plain = {"encoding": "utf-8", "separator": ",", "header": 1, "names": ("a", "b"), "width": 2}
    return Layout(**{**plain, **changes})  # type: ignore[arg-type]


def said(*, settled: bool = False, **changes: object) -> list[tuple[str, bool, str]]:
    findings = layout_findings(Path("cars.csv"), layout(**changes), settled=settled)
    return [(finding.kind, finding.decision, finding.message) for finding in findings]


def test_what_is_plain_needs_no_words() -> None:
    assert said() == said(separator=";") == said(separator="\t") == said(header=0, settled=True) == []


def test_what_was_assumed_is_said() -> None:
    ((kind, decision, message),) = said(separator="|", header=0, before=2)
    assert (kind, decision) == ("layout", False)
    assert "separated by '|'" in message
    assert "after 2 lines" in message
    assert "no line names the columns" in message
    assert "rather than by ';'" in said(others=(";",))[0][2]
    assert not list(layout_findings(Path("x"), layout(separator="^"), settled=True, separated=True))


def test_several_lines_of_header_are_a_decision_until_they_are_said() -> None:
    ((kind, decision, message),) = said(header=2, names=("a x", "b"), aliases=(("x", "a x"),))
    assert (kind, decision) == ("header-lines", True)
    assert "--header 2" in message
    assert said(header=2, settled=True) == []


@pytest.mark.parametrize(
    ("names", "cells", "found"),
    [
        (["", "a"], ["7", "3", "5"], 1),
        (["Unnamed: 0", "a"], ["7", "3", "5"], 1),
        (["Unnamed: 0.1", "Unnamed: 0"], ["7", "3", "5"], 2),
        (["", "a"], ["7", "3", "3"], 0),
        (["", "a"], ["7", "3", ""], 0),
        (["", "a"], ["7", "3", "1.5"], 0),
        (["n", "a"], ["7", "3", "5"], 0),
        (["Unnamed", "a"], ["7", "3", "5"], 0),
    ],
)
def test_columns_that_only_name_rows(names: list[str], cells: list[str], found: int) -> None:
    assert row_names_in(names, {"c1": cells, "c2": cells}) == ("c1", "c2")[:found]


def test_rows_of_another_length_are_refused_with_their_likely_cause() -> None:
    require_whole_rows("cars.csv", layout(), [3, 3], 4)
    with pytest.raises(DataError, match=r"3 of 5 rows.*mostly 4.*separated by ','.*decimal commas"):
        require_whole_rows("cars.csv", layout(), [4, 4, 3], 5)
    with pytest.raises(DataError, match=r"--separator.*--header.*3 columns with --columns"):
        require_whole_rows("cars.csv", layout(separator=";"), [3, 3, 3], 4)
    with pytest.raises(DataError, match="only a header"):
        require_whole_rows("cars.csv", layout(), [], 0)


def test_errors_name_the_separator() -> None:
    assert told(layout(separator="\t")) == "Cells were separated by tabs."
