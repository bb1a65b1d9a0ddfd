"""A bundle as MLflow's `pyfunc` opens it: MLflow calls `_load_pyfunc` here and then `predict`.

MLflow keeps the bundle's files and the name of this module, no pickle. Whatever loads the model needs mindle
and neither torch nor the data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.data.images.sources.source import images_in, picture_of
from mindle.serving.opened import open_model
from mindle.serving.rows import OpenedRows

if TYPE_CHECKING:
    import pandas as pd

# What a column of images may be called: paths or bytes, in this order of preference.
COLUMNS = ("path", "image")


class BundleModel:
    """Answers data frames with mindle's own columns: path, predicted, confidence, p_<class>…, reason.

    A bundle of a table answers rows, with a column `row` and its id columns beside.

    Args:
        path: The bundle.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer images, or rows of a table.

        Args:
            model_input: Of images: a data frame with a column `path` (of files) or `image` (of their bytes),
                or a list of paths, bytes, PIL images or uint8 arrays. Of rows: a data frame or mappings by
                column name.
            params: Not used; MLflow passes it.

        Raises:
            ValueError: If a data frame of images has neither column.
            DataError: If rows lack columns that the model learned from, or no cell of one can be read.
        """
        import pandas as pd

        opened = open_model(self.path)
        if isinstance(opened, OpenedRows):
            found = pd.DataFrame(list(opened.rows([model_input])), columns=opened.columns)
            opened.report.warn()
            return found
        return pd.DataFrame(list(opened.rows(_named(model_input))), columns=opened.columns)


def _named(given: Any) -> list[tuple[str, Any]]:
    """A name and a payload for each row; a frame of paths or bytes, or a list."""
    columns = getattr(given, "columns", None)
    if columns is not None:
        found = [name for name in COLUMNS if name in columns]
        if not found:
            raise ValueError(
                f"The data frame must have a column {' or '.join(COLUMNS)}. "
                f"Received {', '.join(map(str, columns))}."
            )
        given = given[found[0]]
    return [
        (os.fspath(value) if isinstance(value, (str, os.PathLike)) else f"image {at}", picture_of(value))
        for at, value in enumerate(images_in(given))
    ]


def _load_pyfunc(path: str) -> BundleModel:
    """What MLflow calls with the folder that it kept."""
    return BundleModel(path)
