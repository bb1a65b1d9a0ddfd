"""Damaged pictures and bundles, a few of those that `benchmarks/mutations.py` makes by the thousand."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutations import mutated_bytes, mutated_document, seeds
from mindle.data.images.decoding.decode import UndecodableImage, decode, examine
from mindle.errors import ArtifactError
from mindle.records import InputSpec
from mindle.serving.opened import open_model
from tests.serving.test_session import brightness_bundle

SPEC = InputSpec(height=16, width=16)


@pytest.mark.parametrize("name", sorted(seeds()))
def test_damaged_pictures_are_pixels_or_a_sentence(name: str) -> None:
    rng, good = random.Random(0), seeds()[name]
    assert decode(good, SPEC).shape == SPEC.shape
    for _ in range(40):
        data = mutated_bytes(good, rng)
        seen = examine(data, [SPEC])
        assert bool(seen.kind) == bool(seen.detail) != bool(seen.pixels)
        if seen.kind:
            with pytest.raises(UndecodableImage, match=re.escape(seen.detail)):
                decode(data, SPEC)
        else:
            np.testing.assert_array_equal(decode(data, SPEC), seen.pixels[0])


def test_damaged_documents_are_answers_or_a_sentence(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    document, refused = bundle.folder / "bundle.json", 0
    good = document.read_bytes()
    for seed in range(150):
        rng = random.Random(seed)
        changed = json.dumps(mutated_document(json.loads(good), rng)).encode()
        document.write_bytes(changed if seed % 5 else mutated_bytes(good, rng))
        try:
            opened = open_model(bundle.folder)
        except ArtifactError as error:
            assert str(bundle.folder) in str(error)  # noqa: PT017  # some mutations do no harm
            refused += 1
            continue
        (row,) = opened.rows([("black", np.zeros((4, 4, 3), np.uint8))])
        assert row["predicted"] in opened.classes
    assert 75 < refused < 150


@pytest.mark.parametrize("name", ["model.onnx", "reference.npz"])
def test_damaged_files_of_a_bundle_are_told_by_their_hashes(tmp_path: Path, name: str) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    good = (bundle.folder / name).read_bytes()
    for seed in range(30):
        changed = mutated_bytes(good, random.Random(seed))
        (bundle.folder / name).write_bytes(changed)
        if changed != good:
            with pytest.raises(ArtifactError, match=name.replace(".", "[.]")):
                open_model(bundle.folder)
    shutil.rmtree(bundle.folder)
