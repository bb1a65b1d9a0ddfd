"""Laying a split out: names, links, what fails, going on, and reading it back."""

from __future__ import annotations

import os
import shutil
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle
from mindle import data as data_room
from mindle.artifacts.manifest import fingerprint
from mindle.artifacts.prepared import INDEX, RUNNING, read_index, write_index
from mindle.data.images.prepare import distinct_names, parse_shape, safe_name
from mindle.errors import DataError, DeviceError
from mindle.records import SILENT, ArrayImages, Dataset, InputSpec
from tests.pictures import CLASSES, draw, fingerprints, photo_folder


def ready(source: Path | str, seed: int = 0) -> Dataset:
    return data_room.split(data_room.check(data_room.read(source)), seed=seed)


def facts(dataset: Dataset) -> dict[str, Any]:
    """What a training sees of a data set: of each part, in order, content, label and group pattern."""
    found: dict[str, Any] = {"classes": dataset.classes}
    for part in ("train", "val", "test"):
        rows = dataset.rows(part).tolist()
        groups = [dataset.groups[row] for row in rows]
        found[part] = [
            (dataset.sha256[row], int(dataset.labels[row]), groups.index(group) if group else -1)
            for row, group in zip(rows, groups, strict=True)
        ]
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_folder(tmp_path_factory.mktemp("prepare") / "photos", 12, dirty=True)


# ---- names ----------------------------------------------------------------------------------------------


def test_safe_names_are_left_as_they_are_and_others_made_safe() -> None:
    assert [safe_name(name) for name in ("oak", "사진 01.jpg", "a.b.png")] == [
        "oak",
        "사진 01.jpg",
        "a.b.png",
    ]
    for name in ("a/b", "..", ".x", "con", "LPT1.png", "x.", "y ", "", "a\nb", "Thumbs.db"):
        safe = safe_name(name)
        assert not set('/\\:*?"<>|\n') & set(safe)
        assert safe.strip(" .") == safe
        assert not safe.startswith(".")
        assert safe.lower() not in ("con", "lpt1.png", "thumbs.db")
        assert safe_name(safe) == safe != ""


def test_long_names_are_cut_between_letters_and_keep_their_ending() -> None:
    name = safe_name("가" * 200 + ".jpg")
    assert len(name.encode()) <= 200
    assert name.endswith("가.jpg")


def test_names_that_a_file_system_may_take_for_one_are_told_apart() -> None:
    composed, decomposed = "é.jpg", unicodedata.normalize("NFD", "é.jpg")
    names = distinct_names(["a.jpg", "A.JPG", composed, decomposed, "a-2.jpg", "a.jpg"])
    assert len({name.casefold() for name in names}) == 6
    assert names[0] == "a.jpg"
    assert names[4] == "a-2.jpg"  # an innocent name is not taken from its owner
    assert all(unicodedata.is_normalized("NFC", name) for name in names)


def test_a_size_is_read_as_typed() -> None:
    assert parse_shape("180x240") == parse_shape(" 180 , 240 ") == (180, 240)
    for text in ("", "0", "a", "1,2,3", "5000", "-3"):
        with pytest.raises(ValueError, match="`size` must be"):
            parse_shape(text)


# ---- folders --------------------------------------------------------------------------------------------


def test_folders_hold_the_same_bytes_in_the_same_parts(photos: Path, tmp_path: Path) -> None:
    before = fingerprints(photos)
    prepared = mindle.prepare(photos, tmp_path / "split")
    original, back = ready(photos), ready(tmp_path / "split")
    assert fingerprints(photos) == before
    assert fingerprint(back) == fingerprint(original)
    assert facts(back) == facts(original)
    assert back.classes == tuple(sorted(CLASSES))  # one of them has a name that not every system takes
    assert {finding.kind for finding in back.findings} == {"duplicate", "few"}
    assert prepared.counts == {
        name: {part: sum(back.labels[back.rows(part)] == label) for part in ("train", "val", "test")}
        for label, name in enumerate(back.classes)
    }
    assert prepared.set_aside == {"hidden": 1, "foreign": 1, "truncated": 1, "not-an-image": 1} | {
        "empty": 1,
        "two-labels": 2,
    }
    assert prepared.failed == {}
    assert prepared.written == len(original.rows())
    assert not list((tmp_path / "split").rglob("*.partial"))


def test_another_split_seed_is_another_split(photos: Path, tmp_path: Path) -> None:
    mindle.prepare(photos, tmp_path / "split", split_seed=5)
    back = ready(tmp_path / "split")
    assert fingerprint(back) == fingerprint(ready(photos, seed=5)) != fingerprint(ready(photos))


def test_same_names_in_nested_folders_get_numbers_and_keep_their_order(tmp_path: Path) -> None:
    for seed in range(12):
        for kind, name in enumerate(("round", "long")):
            place = tmp_path / "photos" / name / f"shelf {seed % 3}"
            place.mkdir(parents=True, exist_ok=True)
            draw(kind, seed).save(place / f"{seed // 3}.png")
    prepared = mindle.prepare(tmp_path / "photos", tmp_path / "split")
    files = list((tmp_path / "split").rglob("*.png"))
    assert len(files) == 24
    assert all(len(path.relative_to(tmp_path / "split").parts) == 3 for path in files)
    assert prepared.renamed > 0
    assert facts(ready(tmp_path / "split")) == facts(ready(tmp_path / "photos"))


def test_endings_that_keras_passes_over_are_mended_where_it_reads_the_content(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for kind, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        for seed in range(10):
            draw(kind, seed).save(root / name / f"{seed}.png")
    (root / "a" / "0.png").rename(root / "a" / "0")
    (root / "a" / "1.png").rename(root / "a" / "1.jfif")
    draw(1, 77).save(root / "b" / "w.webp")
    prepared = mindle.prepare(root, tmp_path / "split")
    names = {path.name for path in (tmp_path / "split").rglob("*") if path.is_file()}
    assert {"0.png", "1.jfif.png", "w.webp"} <= names
    assert prepared.renamed == 2
    assert prepared.unread_by_keras == ("b/w.webp",)


def test_class_names_that_no_folder_can_have_come_back(tmp_path: Path) -> None:
    lines = ["path,label,group"]
    for seed in range(24):
        kind = seed % 2
        draw(kind, seed).save(tmp_path / f"{seed}.png")
        lines.append(f"{seed}.png,{('a/b', '.c')[kind]},house {seed // 4}")
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    mindle.prepare(tmp_path / "list.csv", tmp_path / "split")
    original, back = ready(tmp_path / "list.csv"), ready(tmp_path / "split")
    assert {path.name for path in (tmp_path / "split" / "train").iterdir()} == {"a_b", "_.c"}
    assert back.classes == original.classes == (".c", "a/b")
    assert facts(back) == facts(original)  # the groups and the mixed order of the list, too


@pytest.mark.parametrize("link", ["hard", "symbolic"])
def test_links_lead_to_the_originals(photos: Path, tmp_path: Path, link: str) -> None:
    mindle.prepare(photos, tmp_path / "split", link=link)
    originals = {os.stat(path).st_ino: path for path in photos.rglob("*.png")}
    files = list((tmp_path / "split").rglob("*.png"))
    assert len(files) == len(ready(photos).rows())
    assert all(path.is_symlink() == (link == "symbolic") for path in files)
    assert all(os.stat(path).st_ino in originals for path in files)
    assert facts(ready(tmp_path / "split")) == facts(ready(photos))
    assert mindle.prepare(photos, tmp_path / "split", link=link).written == 0


def test_a_disk_that_cannot_link_says_what_helps(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across_disks(*_: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across_disks)
    with pytest.raises(DeviceError, match="--link copy"):
        mindle.prepare(photos, tmp_path / "split", link="hard")


def test_an_interrupted_call_goes_on_and_writes_nothing_twice(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    whole = mindle.prepare(photos, out)
    files = sorted(path for path in out.rglob("*.png"))
    lost, short, kept = files[0], files[1], files[2:]
    times = {path: path.stat().st_mtime_ns for path in kept}
    lost.unlink()
    short.write_bytes(short.read_bytes()[:100])  # as after a power cut
    (out / "train" / CLASSES[0] / ".000003.partial").write_bytes(b"half")
    index = read_index(out)
    assert index is not None
    write_index(out, replace(index, state=RUNNING))
    assert "unfinished" in [finding.kind for finding in data_room.read(out).findings]
    again = mindle.prepare(photos, out)
    assert again.written == 2
    assert again.counts == whole.counts
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    assert facts(ready(out)) == facts(ready(photos))
    assert "unfinished" not in [finding.kind for finding in data_room.read(out).findings]


def test_a_file_that_changes_or_vanishes_is_named_and_the_rest_is_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_folder(tmp_path / "photos", 10)
    gone, changed = photos / CLASSES[1] / "사진 03.png", photos / CLASSES[1] / "사진 04.png"
    split = data_room.split

    def meanwhile(*arguments: Any, **named: Any) -> Dataset:
        gone.unlink()
        draw(1, 500).save(changed)
        return split(*arguments, **named)

    monkeypatch.setattr(data_room, "split", meanwhile)
    prepared = mindle.prepare(photos, tmp_path / "split")
    assert set(prepared.failed) == {f"{CLASSES[1]}/{path.name}" for path in (gone, changed)}
    assert "changed" in prepared.failed[f"{CLASSES[1]}/{changed.name}"]
    assert prepared.written == 28
    assert sum(sum(parts.values()) for parts in prepared.counts.values()) == 28
    index = read_index(tmp_path / "split")
    assert index is not None
    assert index.failed == prepared.failed


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a system and user that obey modes")
def test_a_folder_without_permission_is_a_device_error(photos: Path, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(DeviceError, match="could not be written"):
            mindle.prepare(photos, tmp_path / "split")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_read_only_sources_are_copied_to_files_that_can_be_changed(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 8)
    for path in photos.rglob("*.png"):
        path.chmod(stat.S_IRUSR)
    mindle.prepare(photos, tmp_path / "split")
    assert all(path.stat().st_mode & stat.S_IWUSR for path in (tmp_path / "split").rglob("*.png"))


def test_an_array_becomes_png_files_with_the_same_pixels_order_and_classes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 9, 7), np.uint8)
    np.savez(tmp_path / "x.npz", data=images, targets=np.arange(60) % 3, names=["z", "a/b", "c"])
    mindle.prepare(tmp_path / "x.npz", tmp_path / "split")
    original, back = ready(tmp_path / "x.npz"), ready(tmp_path / "split")
    assert back.classes == original.classes == ("z", "a/b", "c")
    for part in ("train", "val", "test"):
        assert back.labels[back.rows(part)].tolist() == original.labels[original.rows(part)].tolist()
        for one, two in zip(original.rows(part), back.rows(part), strict=True):
            spec = InputSpec(height=9, width=7, colour="gray", mean=(0.0,), std=(1.0,))
            shown = data_room.decode(data_room.load(back, int(two)), spec)
            assert np.array_equal(shown[..., 0], data_room.load(original, int(one)))
    with pytest.raises(ValueError, match="`link` must be copy"):
        mindle.prepare(tmp_path / "x.npz", tmp_path / "links", link="hard")


# ---- npz ------------------------------------------------------------------------------------------------


def test_an_npz_holds_pixels_targets_names_and_the_split(photos: Path, tmp_path: Path) -> None:
    prepared = mindle.prepare(photos, tmp_path / "x.npz", size=(20, 30))
    original, back = ready(photos), ready(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["data"].shape == (len(original.rows()), 20, 30, 3)
        assert arrays["data"].dtype == np.uint8
        assert tuple(arrays["names"]) == tuple(arrays["classes"]) == original.classes
        assert arrays["targets"].dtype == np.int64
        assert set(arrays["split"]) == {"train", "val", "test"}
    assert isinstance(back.images, ArrayImages)
    assert isinstance(back.images.array, np.memmap)
    assert back.classes == original.classes
    for part in ("train", "val", "test"):
        rows = original.rows(part)
        assert [back.paths[row] for row in back.rows(part)] == [original.paths[row] for row in rows]
        assert back.labels[back.rows(part)].tolist() == original.labels[rows].tolist()
    assert prepared.written == len(original.rows())
    assert not list(tmp_path.glob(".*"))


def test_the_same_call_makes_the_same_npz_and_another_is_refused(photos: Path, tmp_path: Path) -> None:
    one = mindle.prepare(photos, tmp_path / "1.npz", size=(8, 8))
    mindle.prepare(photos, tmp_path / "2.npz", size=(8, 8))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    again = mindle.prepare(photos, tmp_path / "1.npz", size=(8, 8))
    assert again.written == 0
    assert again.counts == one.counts
    for change in ({"size": (9, 9)}, {"size": (8, 8), "split_seed": 1}):
        with pytest.raises(ValueError, match="never written over"):
            mindle.prepare(photos, tmp_path / "1.npz", **change)  # type: ignore[arg-type]


def test_gray_arrays_stay_gray_at_another_size(tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "gray.npz", data=gray, targets=np.arange(40) % 2)
    mindle.prepare(tmp_path / "gray.npz", tmp_path / "small.npz", size=(4, 4))
    with np.load(tmp_path / "small.npz") as arrays:
        assert arrays["data"].shape == (40, 4, 4)


def test_images_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 8)
    mindle.prepare(photos, tmp_path / "own.npz")
    with np.load(tmp_path / "own.npz") as arrays:
        assert arrays["data"].shape[1:] == (48, 48, 3)
    draw(0, 99, side=64).save(photos / CLASSES[0] / "large.png")
    with pytest.raises(ValueError, match="2 sizes, such as 48x48 and 64x64"):
        mindle.prepare(photos, tmp_path / "x.npz")


def test_a_split_column_is_read_in_any_words_and_must_be_complete(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)

    def save(**columns: Any) -> Path:
        np.savez(tmp_path / "x.npz", data=images, targets=[0, 1] * 3, **columns)
        return tmp_path / "x.npz"

    words = ["training", "train", "Validation", "val", "testing", "test"]
    dataset = data_room.read(save(split=words, groups=["a"] * 6, files=[f"{i}.jpg" for i in range(6)]))
    assert dataset.given == ("train", "train", "val", "val", "test", "test")
    assert dataset.groups == ("a",) * 6
    assert dataset.paths[0] == "0.jpg"
    assert data_room.read(save(files=["same.jpg"] * 6)).paths[0] == "data/000000"
    with pytest.raises(DataError, match="Received 'maybe'"):
        data_room.read(save(split=[*words[:5], "maybe"]))
    with pytest.raises(DataError, match="5 values for 6 images"):
        data_room.read(save(split=words[:5]))


# ---- refusals -------------------------------------------------------------------------------------------


def _other_files(out: Path) -> None:
    out.mkdir()
    (out / "notes.txt").write_text("mine")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [(_other_files, "holds other files"), (lambda out: out.write_text("x"), "which is a file")],
)
def test_a_place_that_holds_something_else_is_refused(
    photos: Path, tmp_path: Path, make: Callable[[Path], Any], sentence: str
) -> None:
    make(tmp_path / "out")
    before = fingerprints(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        mindle.prepare(photos, tmp_path / "out")
    assert fingerprints(tmp_path) == before


def test_a_folder_of_another_split_is_refused(photos: Path, tmp_path: Path) -> None:
    mindle.prepare(photos, tmp_path / "out")
    with pytest.raises(ValueError, match=r"differs in fingerprint, split_seed"):
        mindle.prepare(photos, tmp_path / "out", split_seed=1)
    with pytest.raises(ValueError, match=r"differs in link"):
        mindle.prepare(photos, tmp_path / "out", link="hard")


def test_nothing_is_written_into_the_data(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 8)
    before = fingerprints(photos)
    for out in (photos / "split", photos, photos / "x.npz"):
        with pytest.raises(ValueError, match=r"must lie outside of the data|holds other files"):
            mindle.prepare(photos, out)
    assert fingerprints(photos) == before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"layout": "zip"}, "`layout` must be one of folders, npz"),
        ({"link": "soft"}, "`link` must be one of copy, hard, symbolic"),
        ({"layout": "npz"}, "must end in .npz"),
        ({"size": (8, 8)}, "`size` is for an .npz"),
    ],
)
def test_wrong_arguments_are_told(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        mindle.prepare("digits", tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


# ---- the same run ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_training_on_what_was_laid_out_gives_the_same_run(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 12)
    mindle.prepare(photos, tmp_path / "split", split_seed=2)
    mindle.prepare(photos, tmp_path / "x.npz", size=(32, 32), split_seed=2)
    settings: dict[str, Any] = {
        "strategy": "scratch",
        "set": {"train.epochs": 2, "train.batch_size": 8, "input.height": 32, "input.width": 32},
        "listener": SILENT,
    }
    runs = [
        mindle.train(source, out=tmp_path / f"run {number}", split_seed=2 * (number == 0), **settings)
        for number, source in enumerate((photos, tmp_path / "split", tmp_path / "x.npz"))
    ]
    first = runs[0].folder.answers()
    for run in runs[1:]:
        assert run.classes == runs[0].classes
        for part, predictions in run.folder.answers().items():
            assert np.array_equal(predictions.probabilities, first[part].probabilities)
        assert run.metrics["test"] == runs[0].metrics["test"]


def test_images_added_later_are_read_after_the_others(photos: Path, tmp_path: Path) -> None:
    shutil.copytree(photos, tmp_path / "photos")
    mindle.prepare(tmp_path / "photos", tmp_path / "split")
    Image.fromarray(np.asarray(draw(1, 12345))).save(tmp_path / "split" / "train" / "circle" / "0 new.png")
    (tmp_path / "split" / "train" / "another").mkdir()
    draw(2, 777).save(tmp_path / "split" / "train" / "another" / "1.png")
    dataset = data_room.read(tmp_path / "split")
    assert dataset.classes == (*sorted(CLASSES), "another")
    assert dataset.paths[-2:] == ("train/another/1.png", "train/circle/0 new.png")
    assert INDEX not in dataset.paths
