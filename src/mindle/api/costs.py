"""`--cost`: the table of what wrong answers cost, on its way into a model."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mindle.artifacts.files import unreadable
from mindle.artifacts.reading import SpecialFile, open_regular
from mindle.errors import DataError
from mindle.text import separator_of, uncell

if TYPE_CHECKING:
    from mindle.evaluation.trust.costs import Costs

Source = str | os.PathLike[str]


def costs_for(given: Source | None, classes: tuple[str, ...]) -> Costs | None:
    """The costs that a call names, for a model of some classes.

    Args:
        given: A CSV file: first column the truth, then a column for each predicted class and perhaps one
            named abstain. It may have gone through a spreadsheet.
        classes: Of the model; none where it estimates a number.

    Raises:
        TypeError: If it is no path.
        ValueError: If the model has no classes, or the table other ones or no numbers.
        DataError: If there is no such file.
    """
    if given is None:
        return None
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"`cost` must be the path of a CSV file. Received {type(given).__name__}.")
    if not classes:
        raise ValueError(
            "`cost` must be given for a model of classes. Received it for one that estimates a number: leave "
            "it out, and weigh the errors by the interval of each estimate."
        )
    from mindle.evaluation.trust.costs import costs_of

    return costs_of(_rows(Path(given)), os.fspath(given)).of_classes(classes)


def _rows(path: Path) -> list[list[str]]:
    """The cells of each line that has some, whatever stands between them."""
    try:
        with open_regular(path) as file:
            text = file.read().decode("utf-8-sig")
        separator = separator_of(text.partition("\n")[0])
        found = list(csv.reader(io.StringIO(text), delimiter=separator))
    except (PermissionError, SpecialFile) as error:
        raise unreadable(path, error) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"`cost` must be a CSV file in UTF-8. Received {path}, which cannot be read as one: {error}."
        ) from error
    # Names may be copied from what mindle wrote, where no spreadsheet runs them.
    rows = [[uncell(cell) for cell in row] for row in found if any(map(str.strip, row))]
    if separator != ",":  # where a semicolon stands between numbers, a comma may stand in them
        rows[1:] = [[row[0], *(cell.replace(",", ".") for cell in row[1:])] for row in rows[1:]]
    return rows
