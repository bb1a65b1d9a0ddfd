"""Arrays as data: npz keys and scales, idx files, CIFAR in both layouts, built-in names."""

from __future__ import annotations

import gzip
import pickle
import runpy
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.data import read
from mindle.data.images.sources.arrays import is_cifar, is_idx, read_built_in, to_pixels
from mindle.errors import DataError
from mindle.records import ArrayImages, Dataset, Finding

RANDOM = np.random.default_rng(0)


def images(count: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(count).integers(0, 256, (count, *(shape or (5, 4))), dtype=np.uint8)


def npz(folder: Path, *, packed: bool = False, **arrays: Any) -> Dataset:
    file = folder / "set.npz"
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return read(file)


def pixels(dataset: Dataset) -> NDArray[np.uint8]:
    assert isinstance(dataset.images, ArrayImages)
    return dataset.images.array


def finding(dataset: Dataset, kind: str) -> Finding:
    found = [one for one in dataset.findings if one.kind == kind]
    assert len(found) == 1, (kind, dataset.findings)
    return found[0]


LABELS = np.array([0, 1, 2, 0, 1, 2])


# --- npz -----------------------------------------------


@pytest.mark.parametrize("keys", [("data", "targets"), ("image", "label"), ("images", "labels"), ("X", "y")])
@pytest.mark.parametrize("packed", [False, True])
def test_pairs_of_keys(tmp_path: Path, keys: tuple[str, str], packed: bool) -> None:
    data = images(6, 5, 4, 3)
    dataset = npz(tmp_path, packed=packed, **{keys[0]: data, keys[1]: LABELS})
    np.testing.assert_array_equal(pixels(dataset), data)
    assert dataset.classes == ("0", "1", "2")
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.paths[:2] == ("data/000000", "data/000001")
    assert set(dataset.given) == {""}
    assert dataset.findings == ()


def test_a_plain_array_stays_on_the_disk(tmp_path: Path) -> None:
    assert isinstance(pixels(npz(tmp_path, data=images(6), targets=LABELS)), np.memmap)


def test_a_fortran_array_keeps_its_axes(tmp_path: Path) -> None:
    data = images(6)
    np.testing.assert_array_equal(pixels(npz(tmp_path, data=np.asfortranarray(data), targets=LABELS)), data)


@pytest.mark.parametrize("keys", [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_keys_by_part(tmp_path: Path, keys: tuple[str, str]) -> None:
    arrays: dict[str, Any] = {}
    for count, part in ((6, "train"), (3, "val"), (3, "test")):
        arrays |= {keys[0].format(part): images(count), keys[1].format(part): LABELS[:count].reshape(-1, 1)}
    dataset = npz(tmp_path, **arrays)
    assert dataset.given == ("train",) * 6 + ("val",) * 3 + ("test",) * 3
    assert dataset.paths[6] == "val/000000"
    np.testing.assert_array_equal(pixels(dataset)[6:9], arrays[keys[0].format("val")])


def test_keras_names_without_test_have_no_split(tmp_path: Path) -> None:
    assert set(npz(tmp_path, x_train=images(6), y_train=LABELS).given) == {""}


def test_one_held_out_part_is_the_test_part(tmp_path: Path) -> None:
    dataset = npz(tmp_path, x_train=images(6), y_train=LABELS, x_val=images(3), y_val=LABELS[:3])
    assert dataset.given[6:] == ("test",) * 3
    assert finding(dataset, "held-out").files == ("val",)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (LABELS.astype(np.float32), ("0", "1", "2")),
        (np.eye(3)[LABELS], ("0", "1", "2")),
        (LABELS + 9, ("9", "10", "11")),
        (LABELS > 0, ("0", "1")),
        (np.array(["cat", "dog", "개", "cat", "dog", "개"]), ("cat", "dog", "개")),
        (np.array([b"cat", b"dog", b"emu"] * 2), ("cat", "dog", "emu")),
    ],
)
def test_labels_of_many_kinds(tmp_path: Path, labels: NDArray[Any], classes: tuple[str, ...]) -> None:
    dataset = npz(tmp_path, data=images(6), targets=labels)
    assert dataset.classes == classes
    assert dataset.labels.tolist() == (LABELS if len(classes) == 3 else LABELS > 0).astype(int).tolist()


def test_class_names_keep_their_order(tmp_path: Path) -> None:
    dataset = npz(tmp_path, data=images(6), targets=LABELS, names=np.array(["zebra", "고양이", "ape"]))
    assert dataset.classes == ("zebra", "고양이", "ape")
    assert dataset.labels.tolist() == LABELS.tolist()


def test_a_named_class_without_images_is_left_out(tmp_path: Path) -> None:
    dataset = npz(tmp_path, data=images(6), targets=LABELS * 2 % 4, names=np.array(["a", "b", "c"]))
    assert dataset.classes == ("a", "c")
    assert dataset.labels.tolist() == [0, 1, 0] * 2
    assert finding(dataset, "empty-class").files == ("b",)


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (LABELS[:5], None, "6 images and 5 labels"),
        (LABELS, ["a", "b"], r"must lie in 0 to 1.*Received 0 to 2"),
        (LABELS - 1, ["a", "b", "c"], "Received -1 to 1"),
        (LABELS, ["a", "a", "b"], "must be different"),
        (np.array(["x", "y", "z"] * 2), ["x", "y"], "Received 'z', which is not among x, y"),
        (LABELS + 0.5, ["a", "b", "c"], "fractions, such as 0.5"),
        (np.ones((6, 3)), None, "one-hot"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: Any, names: Any, message: str) -> None:
    extra: dict[str, Any] = {} if names is None else {"names": np.array(names)}
    with pytest.raises(DataError, match=message):
        npz(tmp_path, data=images(6), targets=labels, **extra)


def test_numbers_with_fractions_are_estimated(tmp_path: Path) -> None:
    dataset = npz(tmp_path, data=images(6), targets=np.array([[1.5], [2], [3], [-1], [0], [1e6]], np.float32))
    assert (dataset.task, dataset.target, dataset.classes) == ("regression", "target", ())
    assert dataset.targets.tolist() == [1.5, 2, 3, -1, 0, 1e6]
    assert dataset.labels.tolist() == [-1] * 6
    assert dataset.set_aside == ("",) * 6


def test_a_fraction_in_one_part_is_enough(tmp_path: Path) -> None:
    train, test = {"x_train": images(4), "y_train": np.arange(4.0)}, {"x_test": images(2)}
    assert npz(tmp_path, **train, **test, y_test=np.array([1.0, 2.0])).task == "multiclass"
    dataset = npz(tmp_path, **train, **test, y_test=np.array([0.25, 2]))
    assert dataset.targets.tolist() == [0, 1, 2, 3, 0.25, 2]
    assert dataset.given == ("train",) * 4 + ("test",) * 2


@pytest.mark.parametrize("labels", [LABELS, LABELS.astype(np.float64), LABELS.astype(np.uint8)])
def test_whole_numbers_are_classes_unless_asked(tmp_path: Path, labels: NDArray[Any]) -> None:
    assert npz(tmp_path, data=images(6), targets=labels).task == "multiclass"
    file = tmp_path / "set.npz"
    dataset = read(file, task="regression")
    assert (dataset.task, dataset.targets.tolist()) == ("regression", LABELS.tolist())


def test_an_image_without_a_finite_number_is_set_aside(tmp_path: Path) -> None:
    targets = np.array([0.5, np.nan, 2, np.inf, 4, 5])
    dataset = npz(tmp_path, data=images(6), targets=targets)
    assert dataset.set_aside == ("", "not-a-number", "", "not-a-number", "", "")
    found = finding(dataset, "not-a-number")
    assert found.files == ("data/000001", "data/000003")
    assert "2 images have a target that is not a finite number; first: data/000001 (nan)" in found.message
    assert found.decision


@pytest.mark.parametrize(
    ("labels", "task", "message"),
    [
        (LABELS + 0.5, "classification", "fractions, such as 0.5"),
        (np.array(["old", "new", "old"] * 2), "regression", "must be one number per image"),
        (np.eye(3)[LABELS], "regression", r"shape \(6, 3\)"),
        (np.full(6, np.nan), "regression", "must be finite for some images"),
        (LABELS[:5] + 0.5, None, "6 images and 5 labels"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(tmp_path: Path, labels: Any, task: Any, message: str) -> None:
    np.savez(tmp_path / "set.npz", data=images(6), targets=labels)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "set.npz", task=task)
    with pytest.raises(ValueError, match="`task` must be one of"):
        read(tmp_path / "set.npz", task="guessing")


def test_python_objects_are_refused_and_not_unpickled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'targets' holds Python objects"):
        npz(tmp_path, data=images(6), targets=np.array([{}, 1, "a", None, [], ()], dtype=object))


def test_other_keys_are_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"with features, weights\. It should hold data and targets"):
        npz(tmp_path, features=images(6), weights=LABELS)


def test_damaged_files_are_data_errors(tmp_path: Path) -> None:
    npz(tmp_path, packed=True, data=images(600), targets=np.arange(600) % 3)
    file = tmp_path / "set.npz"
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive", whole[:200] + b"\0" * 500 + whole[700:]):
        file.write_bytes(content)
        with pytest.raises(DataError, match="damaged"):
            read(file)


def test_a_member_that_claims_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (9000000, 900, 900), }"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr(
            "data.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 100
        )
        archive.writestr("targets.npy", b"")
    with pytest.raises(DataError, match="damaged"):
        read(tmp_path / "set.npz")


# --- numbers that are not uint8 -----------------------------------------------


@pytest.mark.parametrize(
    ("array", "expected", "action"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255], "scaled to 0 to 255"),
        (np.array([0.0, 99.6, 255.0]), [0, 100, 255], "rounded to whole numbers"),
        (np.array([0, 7, 255], np.int64), [0, 7, 255], "rounded to whole numbers"),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255], "scaled to 0 to 255"),
        (np.array([False, True, True]), [0, 255, 255], "scaled to 0 to 255"),
    ],
)
def test_scales(array: NDArray[Any], expected: list[int], action: str) -> None:
    findings: list[Finding] = []
    assert to_pixels(array.reshape(1, 1, 3), where="data", findings=findings).ravel().tolist() == expected
    assert [one.action for one in findings] == [action]


@pytest.mark.parametrize("low", [-1.0, 300.0, np.nan, -np.inf])
def test_normalised_or_broken_numbers_are_refused(low: float) -> None:
    array = np.full((2, 3, 3), 0.5)
    array[1, 1, 1] = low
    with pytest.raises(DataError, match="0 to 1 or 0 to 255"):
        to_pixels(array, where="data", findings=[])


def test_channels_first_are_moved_last() -> None:
    array = images(2, 3, 8, 6)
    findings: list[Finding] = []
    moved = to_pixels(array, where="data", findings=findings)
    assert moved.shape == (2, 8, 6, 3)
    np.testing.assert_array_equal(moved[0, :, :, 2], array[0, 2])
    assert findings[0].kind == "channels-first"


@pytest.mark.parametrize("shape", [(6, 20), (6, 5, 4, 2), (6,), (0, 5, 4), (2, 2, 5, 4, 3)])
def test_shapes_that_are_no_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"Images in an array must"):
        to_pixels(np.zeros(shape, np.uint8), where="data", findings=[])


def test_parts_of_different_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one shape\. Received x_train \(5, 4\), x_test \(6, 4\)"):
        npz(tmp_path, x_train=images(6), y_train=LABELS, x_test=images(3, 6, 4), y_test=LABELS[:3])


# --- idx -----------------------------------------------


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, *, dot: str = "-", packed: bool = False) -> dict[str, NDArray[np.uint8]]:
    made = {}
    for word, count in (("train", 6), ("t10k", 3)):
        made[word] = images(count, 7, 7)
        for kind, array in (("images", made[word]), ("labels", LABELS[:count].astype(np.uint8))):
            name = f"{word}-{kind}{dot}idx{array.ndim}-ubyte"
            (folder / (name + ".gz" * packed)).write_bytes(
                gzip.compress(idx(array)) if packed else idx(array)
            )
    return made


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(tmp_path: Path, dot: str, packed: bool) -> None:
    made = write_idx(tmp_path, dot=dot, packed=packed)
    assert is_idx(tmp_path)
    dataset = read(tmp_path)
    assert (dataset.kind, dataset.classes) == ("idx", ("0", "1", "2"))
    assert dataset.given == ("train",) * 6 + ("test",) * 3
    np.testing.assert_array_equal(pixels(dataset), np.concatenate([made["train"], made["t10k"]]))
    assert dataset.paths[6] == "test/000000"


def test_idx_without_labels_says_which_file_is_needed(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="Put the labels of 't10k' beside it"):
        read(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_damaged_idx_files_are_data_errors(tmp_path: Path, packed: bool) -> None:
    write_idx(tmp_path, packed=packed)
    file = tmp_path / ("train-images-idx3-ubyte" + ".gz" * packed)
    whole = idx(images(6, 7, 7))
    lies = bytes((0, 0, 8, 3)) + struct.pack(">3I", 2**31, 2**31, 2**31)
    for content in (whole[:-1], whole + b"\0", b"", lies, bytes((0, 0, 13, 3)) + whole[4:]):
        file.write_bytes(gzip.compress(content) if packed else content)
        with pytest.raises(DataError, match="damaged"):
            read(tmp_path)
    if packed:
        file.write_bytes(gzip.compress(whole)[:-30])
        with pytest.raises(DataError, match="damaged"):
            read(tmp_path)


# --- CIFAR -----------------------------------------------


def planes(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Rows as CIFAR has them (planes of red, green, blue), and the same as images."""
    rows = np.random.default_rng(count).integers(0, 256, (count, 3072), dtype=np.uint8)
    return rows, rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def test_cifar10_binary(tmp_path: Path) -> None:
    expected = []
    for number, name in enumerate(("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"), start=2):
        rows, pictures = planes(number)
        np.concatenate([np.arange(number, dtype=np.uint8)[:, None] % 2, rows], axis=1).tofile(tmp_path / name)
        expected.append(pictures)
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\n\n")
    assert is_cifar(tmp_path)
    dataset = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert dataset.given == ("train",) * 5 + ("test",) * 4
    np.testing.assert_array_equal(pixels(dataset), np.concatenate(expected))
    assert len(set(dataset.paths)) == 9


def test_cifar100_binary_has_fine_labels(tmp_path: Path) -> None:
    for name, count in (("train.bin", 4), ("test.bin", 2)):
        coarse_and_fine = np.array([[1, 0], [1, 1]] * 2, np.uint8)[:count]
        np.concatenate([coarse_and_fine, planes(count)[0]], axis=1).tofile(tmp_path / name)
    (tmp_path / "fine_label_names.txt").write_text("apple\nrose\n")
    dataset = read(tmp_path)
    assert [dataset.classes[label] for label in dataset.labels] == ["apple", "rose"] * 3


def test_cifar_binary_of_a_wrong_size_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "train.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(DataError, match="3,073 bytes are no whole number of records"):
        read(tmp_path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar10_python(tmp_path: Path, protocol: int) -> None:
    for name, count in (("data_batch_1", 4), ("data_batch_2", 2), ("test_batch", 2)):
        batch = {b"batch_label": b"x", b"labels": [1, 0] * (count // 2), b"data": planes(count)[0]}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    (tmp_path / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": [b"cat", b"dog"]}, protocol=protocol)
    )
    assert is_cifar(tmp_path)
    dataset = read(tmp_path)
    assert [dataset.classes[label] for label in dataset.labels] == ["dog", "cat"] * 4
    np.testing.assert_array_equal(pixels(dataset)[:4], planes(4)[1])
    assert dataset.given == ("train",) * 6 + ("test",) * 2


def test_cifar100_python(tmp_path: Path) -> None:
    for name, count in (("train", 4), ("test", 2)):
        batch = {"fine_labels": [1, 0] * (count // 2), "coarse_labels": [0] * count, "data": planes(count)[0]}
        (tmp_path / name).write_bytes(pickle.dumps(batch))
    (tmp_path / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "rose"]}))
    dataset = read(tmp_path)
    assert dataset.classes == ("apple", "rose")


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_a_malicious_batch_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": planes(2)[0], "labels": Evil(target)}))
    with pytest.raises(DataError, match="nothing of it was run"):
        read(tmp_path)
    assert not target.exists()


def test_a_batch_without_pixels_is_a_data_error(tmp_path: Path) -> None:
    for batch in ({"labels": [1]}, [1], {"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}):
        (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch))
        with pytest.raises(DataError, match="damaged"):
            read(tmp_path)


def test_class_folders_are_neither_idx_nor_cifar(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "data_batch_1").write_text("not a pickle")
    assert not is_idx(tmp_path)
    assert not is_cifar(tmp_path)


# --- built-in names -----------------------------------------------


def test_digits_fill_the_range_of_uint8() -> None:
    dataset = read("digits")
    assert dataset.classes == tuple("0123456789")
    assert (pixels(dataset).min(), pixels(dataset).max(), str(pixels(dataset).dtype)) == (0, 255, "uint8")
    assert len(set(np.unique(pixels(dataset)).tolist())) == 17


def test_an_unknown_built_in_name_is_an_error() -> None:
    with pytest.raises(DataError, match="Built in: digits"):
        read_built_in("faces")


# --- the real ones -----------------------------------------------


@pytest.mark.shared
def test_fashion_mnist(shared: Path) -> None:
    dataset = read(shared / "data" / "fashion-mnist")
    assert pixels(dataset).shape == (70_000, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [7000] * 10
    assert dataset.given.count("test") == 10_000


@pytest.mark.shared
def test_cifar10_as_its_authors_give_it(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["unpack_cifar10.py", str(tmp_path)])
    runpy.run_path(str(shared / "data" / "unpack_cifar10.py"), run_name="__main__")
    dataset = read(tmp_path)
    assert dataset.classes[0] == "airplane"
    assert pixels(dataset).shape == (60_000, 32, 32, 3)
    assert np.bincount(dataset.labels[:50_000]).tolist() == [5000] * 10
    # Ships and airplanes have blue around them, frogs and deer have not: the planes are in the right order.
    means = [pixels(dataset)[dataset.labels == label].mean((0, 1, 2)) for label in range(10)]
    assert means[8][2] > means[8][0]
    assert means[4][2] < means[4][0]
