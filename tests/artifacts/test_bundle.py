"""A bundle comes back as it was written, or says what is wrong with it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.artifacts.bundle import Bundle, Precision, read_bundle, write_bundle_document
from mindle.artifacts.environment import libraries
from mindle.errors import ArtifactError
from mindle.records import Column, InputSpec, TableSpec
from mindle.version import __version__
from tests.processes import python

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


def read(folder: Path) -> Bundle:
    """The bundle of a folder without what every document says of the program that wrote it."""
    bundle = read_bundle(folder)
    details = dict(bundle.details)
    assert (details.pop("mindle"), details.pop("libraries")) == (__version__, libraries())
    assert details.pop("thresholds") == {}
    return replace(bundle, details=details)


def document(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((folder / "bundle.json").read_text("utf-8"))
    return fields


def rewrite(folder: Path, **fields: Any) -> None:
    """Change some fields of the document, or take those away that are given as None."""
    changed = {name: value for name, value in {**document(folder), **fields}.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(changed), "utf-8")


def test_a_bundle_with_hangul_names_comes_back_whole(tmp_path: Path) -> None:
    bundle = written(tmp_path / "꽃" / "bundle")
    assert read(bundle.folder) == bundle
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
        details={"task": "regression"},
    )
    answers = {"estimate": np.zeros(2), "fold_estimates": np.zeros((2, 2))}
    np.savez(bundle.folder / "reference.npz", numbers=np.zeros((2, 1)), **answers)
    np.savez(bundle.folder / "intervals.npz", errors=np.array([0.5, 1.0, 0.25]), counts=np.array([2, 1]))
    write_bundle_document(bundle)
    found = read(bundle.folder)
    assert found == bundle
    np.testing.assert_array_equal(found.intervals()["errors"], [0.5, 1.0, 0.25])
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
    assert read(moved) == replace(bundle, folder=moved)
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
    rewrite(bundle.folder, schema=3)
    with pytest.raises(ArtifactError, match=r"bundle uses schema 3; .* reads up to 2\. Upgrade mindle"):
        read_bundle(bundle.folder)


def test_what_knows_no_precision_refuses_a_bundle_of_another_than_float32(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    assert (bundle.precision.name, document(bundle.folder)["schema"]) == ("float32", 1)
    stated = Precision(name="bfloat16", reference_difference=0.02, float32_is_as_good=False)
    write_bundle_document(replace(bundle, details={**bundle.details, "precision": asdict(stated)}))
    assert document(bundle.folder)["schema"] == 2
    assert read_bundle(bundle.folder).precision == stated
    rewrite(bundle.folder, precision={"name": "int8"})
    with pytest.raises(ArtifactError, match=r"one of float32, bfloat16\. Received 'int8'"):
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
        {"temperature": True},
        {"temperature": 10**400},
        {"classes": ["장미"]},
        {"classes": ["장미", "장미"]},
        {"classes": ["장미", ""]},
        {"classes": ["장미", 3]},
        {"classes": {"장미": 1, "해바라기": 2}},
        {"classes": ["장미", "해바라기", "튤립"]},
        {"classes": []},
        {"task": "multiclass"},
        {"thresholds": {"장미": 0.4}},
        {"thresholds": {"장미": 0.4, "국화": 0.6}},
        {"thresholds": {"장미": 0.4, "해바라기": 0}},
        {"thresholds": {"장미": 0.4, "해바라기": None}},
        {"thresholds": [0.4, 0.6]},
        {"input": {"columns": []}},
        {"input": {"columns": 3, "task": "binary"}},
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


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../model.onnx", "/proc/kmsg", "sub/model.onnx", "weights.bin", ""]
)
def test_only_the_names_of_a_bundle_are_opened(tmp_path: Path, name: str) -> None:
    bundle = written(tmp_path / "bundle")
    rewrite(bundle.folder, files=document(bundle.folder)["files"] | {name: "0" * 64})
    with pytest.raises(ArtifactError, match="and of nothing else"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize("target", ["/dev/zero", "/proc/kmsg", "/etc", "pipe"])
@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "reference.npz", "intervals.npz"])
def test_links_lead_to_regular_files(tmp_path: Path, name: str, target: str) -> None:
    bundle = written(tmp_path / "bundle")
    os.mkfifo(bundle.folder / "pipe")
    if name == "intervals.npz":
        rewrite(bundle.folder, files=document(bundle.folder)["files"] | {name: "0" * 64})
    (bundle.folder / name).unlink(missing_ok=True)
    (bundle.folder / name).symlink_to(target)
    with pytest.raises(ArtifactError, match=name.replace(".", "[.]")):
        read_bundle(bundle.folder)


def test_a_bundle_may_lie_in_a_cache_of_links(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for file in bundle.folder.iterdir():
        (linked / file.name).symlink_to(file)
    assert read(linked) == replace(bundle, folder=linked)


def test_intervals_that_the_document_does_not_know_are_refused(tmp_path: Path) -> None:
    bundle = written(tmp_path / "bundle")
    np.savez(bundle.folder / "intervals.npz", errors=np.ones(1), counts=np.ones(1, np.int64))
    with pytest.raises(ArtifactError, match=r"intervals\.npz must be the file that was written"):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pixels": PIXELS}, "must hold pixels, probabilities, features, and holds pixels"),
        ({"pixels": PIXELS[:, :4], "probabilities": PROBABILITIES}, r"pixels must be u1 \(any, 6, 8, 3\)"),
        ({"pixels": PIXELS, "probabilities": PROBABILITIES[:1]}, "must hold 1 to 64 rows in each"),
        ({"pixels": PIXELS[:0], "probabilities": PROBABILITIES[:0]}, "must hold 1 to 64 rows in each"),
        ({"pixels": PIXELS, "probabilities": np.ones((2, 3))}, r"probabilities must be f \(any, 2\)"),
    ],
)
def test_a_reference_of_other_shapes_is_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str
) -> None:
    bundle = written(tmp_path / "bundle")
    np.savez(bundle.folder / "reference.npz", **arrays)
    write_bundle_document(bundle)
    with pytest.raises(ArtifactError, match=message):
        read_bundle(bundle.folder)


@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b"{}", b"null", b'{"schema": true}', b"\xff\xfe{\0}\0"], ids=range(5)
)
def test_what_is_no_document_is_refused(tmp_path: Path, data: bytes) -> None:
    bundle = written(tmp_path / "bundle")
    (bundle.folder / "bundle.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"bundle\.json"):
        read_bundle(bundle.folder)


UNREADABLE = """
import os, sys
from pathlib import Path
from mindle.artifacts.bundle import read_bundle
from mindle.errors import DeviceError
if os.geteuid() == 0:
    os.setuid(65534)  # root ignores modes
try:
    read_bundle(Path(sys.argv[1]))
except DeviceError as error:
    assert "permission" in str(error).lower(), error
    print("done")
"""


@pytest.mark.parametrize("name", ["bundle.json", "model.onnx", "reference.npz", "."])
def test_what_may_not_be_read_is_not_called_damaged(name: str) -> None:
    with TemporaryDirectory() as root:  # the folders of pytest are closed to others
        os.chmod(root, 0o755)
        bundle = written(Path(root, "bundle"))
        (bundle.folder / name).chmod(0)
        done = python(UNREADABLE, str(bundle.folder), check=False, cwd="/")
        (bundle.folder / name).chmod(0o755)
    assert done.stdout == "done\n", done.stderr
