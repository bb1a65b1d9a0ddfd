"""Images that a program holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindle.data import check, pixels
from mindle.data.images.sources.memory import dataset_of, image_array
from mindle.records import InputSpec


def test_floats_from_0_to_1_become_bytes_whatever_their_range() -> None:
    dark = np.full((1, 2, 2), 0.2)  # no image here is white, and none may be stretched to it
    found = image_array(dark)
    assert found is not None
    assert found.dtype == np.uint8
    assert found.max() == 51


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((2, 4)), r"Received shape \(2, 4\)"),
        (np.zeros((2, 4, 4, 2), np.uint8), r"Received shape \(2, 4, 4, 2\)"),
        (np.full((2, 4, 4), 7.0), "Received float64 from 7 to 7"),
        (np.full((2, 4, 4), 7, np.int64), "Received int64"),
    ],
)
def test_arrays_that_are_no_images_are_refused(images: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        image_array(images)


def test_paths_are_read_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    Image.new("RGB", (4, 4), (10, 20, 30)).save(tmp_path / "사진.png")
    monkeypatch.chdir(tmp_path)
    dataset = check(dataset_of(["사진.png"], np.array([0]), ["a", "b"]))
    found = pixels(dataset, dataset.rows(), InputSpec(height=4, width=4))
    assert found[np.array([0])][0, 0, 0].tolist() == [10, 20, 30]


def test_labels_and_images_must_agree() -> None:
    with pytest.raises(ValueError, match="Received 1 for 2 images"):
        dataset_of(["a", "b"], np.array([0]), ["a"])
