"""A bundle as MLflow opens it, without MLflow and without torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mindle
from mindle.errors import DataError, DataWarning
from mindle.records import SILENT
from mindle.serving.pyfunc import _load_pyfunc
from tests.pictures import photo_folder
from tests.serving.test_rows import adder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle, and the photos that it was trained on."""
    folder = tmp_path_factory.mktemp("pyfunc")
    photos = photo_folder(folder / "photos", 8)
    run = mindle.train(
        photos,
        strategy="scratch",
        set={"train.epochs": 1, "input.height": 16, "input.width": 16},
        device="cpu",
        out=folder / "run",
        listener=SILENT,
    )
    return run.folder.bundle, photos


def test_paths_bytes_and_arrays_get_mindles_answers(trained: tuple[Path, Path]) -> None:
    bundle, photos = trained
    paths = [str(path) for path in sorted(photos.rglob("*.png"))[:3]]
    expected = mindle.load(bundle).predict(paths)
    model = _load_pyfunc(str(bundle))
    by_path = model.predict(pd.DataFrame({"path": paths}))
    pd.testing.assert_frame_equal(by_path, expected)
    answers = [name for name in expected if name != "path"]
    by_bytes = model.predict(pd.DataFrame({"image": [Path(path).read_bytes() for path in paths]}))
    pd.testing.assert_frame_equal(by_bytes[answers], expected[answers])
    by_array = model.predict([np.asarray(Image.open(path)) for path in paths])
    assert by_array["predicted"].tolist() == expected["predicted"].tolist()


def test_a_file_that_is_not_there_has_a_reason(trained: tuple[Path, Path]) -> None:
    (row,) = _load_pyfunc(str(trained[0])).predict(pd.DataFrame({"path": ["none.jpg"]})).to_dict("records")
    assert row["reason"]
    assert row["predicted"] is None or pd.isna(row["predicted"])


def test_a_frame_without_images_is_refused(trained: tuple[Path, Path]) -> None:
    with pytest.raises(ValueError, match="path or image. Received picture"):
        _load_pyfunc(str(trained[0])).predict(pd.DataFrame({"picture": ["a.jpg"]}))


def test_rows_get_mindles_answers(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    model = _load_pyfunc(str(tmp_path / "bundle"))
    rows = pd.DataFrame({"who": ["Ada", "Bob"], "a": [1, 2], "b": [3.5, None]})
    expected = mindle.load(tmp_path / "bundle").predict(rows)
    for given in (rows, rows.to_dict("records"), rows.to_dict("list")):
        pd.testing.assert_frame_equal(model.predict(given), expected)
    assert expected["who"].tolist() == ["Ada", "Bob"]


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    adder(tmp_path / "bundle")
    model = _load_pyfunc(str(tmp_path / "bundle"))
    with pytest.warns(
        DataWarning, match="1 cell of 'b' is not a number and is read as missing; first in row 2"
    ):
        model.predict({"a": [1, 2], "b": [3.5, "many"]})
    with pytest.raises(DataError, match="none of 1 cell of 'b' is a number"):
        model.predict({"a": [1, 2], "b": ["", "many"]})
    with pytest.raises(DataError, match="without b"):
        model.predict(pd.DataFrame({"a": [1]}))
