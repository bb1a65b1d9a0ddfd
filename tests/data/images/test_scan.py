"""One look at every image: facts as columns, thumbnails from the cache, few images in memory at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindle.data.images.decoding.decode import examine
from mindle.data.images.duplicates import perceptual_hashes
from mindle.data.images.scan import scan
from mindle.data.images.sources.source import read
from mindle.errors import DeviceError
from mindle.records import SILENT, ArrayImages, InputSpec


def test_facts_are_those_of_examine(tmp_path: Path) -> None:
    digits = read("digits")
    hashes, problems, facts = scan(digits, (), tmp_path, SILENT)
    assert len(hashes) == len(facts.rows) == 1797
    assert not problems
    assert isinstance(digits.images, ArrayImages)
    rows = np.array([3, 1700])
    thumbnails, columns = (
        facts.thumbnails(rows),
        {name: facts.of(name, rows) for name in ("height", "contrast", "hash")},
    )
    both = thumbnails(np.array([0, 1]))
    expected = [examine(digits.images.array[row]) for row in rows.tolist()]
    np.testing.assert_array_equal(both, np.stack([one.thumbnail for one in expected]))
    np.testing.assert_array_equal(thumbnails(np.array([1]))[0], expected[1].thumbnail)
    assert columns["height"].tolist() == [one.height for one in expected]
    assert columns["contrast"] == pytest.approx([float(one.looks["contrast"]) for one in expected], abs=1e-4)
    np.testing.assert_array_equal(columns["hash"], perceptual_hashes(both))


def test_a_data_set_of_which_nothing_decodes(tmp_path: Path) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)
    (tmp_path / "photos" / "a" / "x.jpg").write_bytes(b"no picture")
    hashes, problems, facts = scan(read(tmp_path / "photos"), (), tmp_path / "cache", SILENT)
    assert len(hashes) == 1
    assert problems[0].kind == "not-an-image"
    assert len(facts.rows) == 0
    assert facts.thumbnails(np.zeros(0, np.int64))(np.zeros(0, np.int64)).shape == (0, 32, 32)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeviceError, match="MINDLE_CACHE"):
        scan(read("digits"), [InputSpec(height=16, width=16)], tmp_path / "file", SILENT)
