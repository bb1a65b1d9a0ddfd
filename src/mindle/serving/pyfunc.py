"""A bundle as MLflow's `pyfunc` opens it: MLflow calls `_load_pyfunc` here and then `predict`.

MLflow keeps the bundle's files and the name of this module, no pickle. Whatever loads the model needs mindle
and neither torch nor the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.serving.opened import open_model

if TYPE_CHECKING:
    import pandas as pd


class BundleModel:
    """Answers data frames with the columns of `mindle predict`: path, predicted, confidence, …, reason.

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
        opened = open_model(self.path)
        return opened.frame(opened.source.frame(model_input))


def _load_pyfunc(path: str) -> BundleModel:
    """What MLflow calls with the folder that it kept."""
    return BundleModel(path)
