"""A bundle comes back as it was written, or says what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.artifacts.bundle import Bundle, read_bundle, write_bundle_document
from mindle.errors import ArtifactError
from mindle.records import Column, InputSpec, TableSpec

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)
PROBABILITIES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)


def written(folder: Path) -> Bundle:
    """A bundle on disk; to the document a graph is only bytes with a hash."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"the graph")
    np.savez(folder / "reference.npz", pixels=PIXELS, probabilities=PROBABILITIES)
    bundle = Bundle(
        folder=folder,
        classes=("장미", "해바라기"),
        spec=InputSpec(height=6, width=8, fit="pad", interpolation="bicubic", mean=(0.5, 0.4, 0.3)),
        temperature=1.25,
        metrics={"n": 40, "accuracy": {"value": 0.9, "low": 0.77, "high": 0.96}},
        licences=({"name": "꽃 사진", "licence": "Apache-2.0", "source": "https://example.org"},),
        details={"task": "binary", "strategy": "probe", "parity": {"difference": 1e-6}},
    )
    write_bundle_document(bundle)
    return bundle


def document(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((folder / "bundle.json").read_text("utf-8"))
    return fields


def rewrite(folder: Path, **fields: Any) -> None:
    """Change some fields of the document, or take those away that are given as None."""
    changed = {name: value for name, value in {**document(folder), **fields}.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(changed), "utf-8")


def test_a_bundle_with_hangul_names_comes_back_whole(tmp_path: Path) -> None:
    bundle = written(tmp_path / "꽃" / "bundle")
    assert read_bundle(bundle.folder) == bundle
    reference = read_bundle(bundle.folder).reference()
    np.testing.assert_array_equal(reference["pixels"], PIXELS)
    np.testing.assert_array_equal(reference["probabilities"], PROBABILITIES)


def test_a_bundle_of_rows_comes_back_whole(tmp_path: Path) -> None:
    columns = (
        Column(name="값", kind="number", thousands=","),
        Column(name="id", kind="category", role="id"),
        Column(name="가격", kind="number", role="target"),
    )
    bundle = replace(
        written(tmp_path / "bundle"),
        classes=(),
        spec=TableSpec(columns=columns, task="regression"),
    )
    np.savez(bundle.folder / "intervals.npz", residuals=np.arange(3.0))
    write_bundle_document(bundle)
    found = read_bundle(bundle.folder)
    assert found == bundle
    np.testing.assert_array_equal(found.intervals()["residuals"], [0.0, 1.0, 2.0])
    (bundle.folder / "intervals.npz").unlink()
    with pytest.raises(ArtifactError, match=r"must hold intervals\.npz"):
        read_bundle(bundle.folder)


def test_class_names_are_readable_in_the_document(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    assert "장미" in (bundle.folder / "bundle.json").read_text("utf-8")
    assert document(bundle.folder)["input"]["mean"] == [0.5, 0.4, 0.3]
    assert sorted(document(bundle.folder)["files"]) == ["model.onnx", "reference.npz"]


def test_a_bundle_may_be_moved(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    moved = bundle.folder.rename(tmp_path / "elsewhere")
    assert read_bundle(moved) == replace(bundle, folder=moved)
    assert read_bundle(moved).model.read_bytes() == b"the graph"


@pytest.mark.parametrize("name", ["model.onnx", "reference.npz"])
def test_a_changed_file_is_named(tmp_path: Path, name: str) -> None:
    bundle = written(tmp_path / "bundle")
    data = bytearray((bundle.folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle.folder / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{name} must be the file .* SHA-256 differs.* copy the whole"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("name", ["model.onnx", "reference.npz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    bundle = written(tmp_path / "bundle")
    (bundle.folder / name).unlink()
    with pytest.raises(ArtifactError, match=rf"must hold {name}\. Received .*Copy the whole folder"):
        read_bundle(bundle.folder)


def test_a_folder_without_a_document_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"A bundle must hold bundle\.json"):
        read_bundle(tmp_path)


def test_a_newer_schema_says_to_upgrade(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    rewrite(bundle.folder, schema=2)
    with pytest.raises(ArtifactError, match=r"bundle uses schema 2; .* reads up to 1\. Upgrade mindle"):
        read_bundle(bundle.folder)


def test_half_a_document_is_damaged(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    file = bundle.folder / "bundle.json"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ArtifactError, match=r"must be readable JSON .* bundle is damaged"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": None},
        {"input": None},
        {"input": [224, 224]},
        {"input": {"height": 6, "width": 8}},
        {"input": {"height": 0, "width": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}},
        {"input": {"height": 6, "width": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "depth": 3}},
        {"temperature": "warm"},
        {"metrics": None},
        {"licences": 3},
        {"classes": "ab"},
        {"metrics": [1]},
        {"temperature": -1.0},
    ],
    ids=str,
)
def test_a_document_with_a_wrong_or_missing_field_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    bundle = written(tmp_path / "bundle")
    rewrite(bundle.folder, **fields)
    with pytest.raises(ArtifactError, match=r"bundle\.json must be a whole bundle document"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("files", [None, {}, ["model.onnx"], {"model.onnx": "0" * 64}], ids=str)
def test_a_document_without_hashes_of_both_files_is_refused(tmp_path: Path, files: object) -> None:
    bundle = written(tmp_path / "bundle")
    rewrite(bundle.folder, files=files)
    with pytest.raises(ArtifactError, match=r"must hold the hashes of model\.onnx and reference\.npz"):
        read_bundle(bundle.folder)


def test_the_document_is_not_written_before_its_files(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    unfinished = replace(bundle, folder=tmp_path / "unfinished")
    unfinished.folder.mkdir()
    (unfinished.folder / "model.onnx").write_bytes(b"the graph")
    with pytest.raises(FileNotFoundError):
        write_bundle_document(unfinished)
    assert [file.name for file in unfinished.folder.iterdir()] == ["model.onnx"]
