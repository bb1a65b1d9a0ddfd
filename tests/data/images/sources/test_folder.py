"""Class folders: layouts, splits, and every odd name with its stated behaviour."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from mindle.data.common.classes import settle_given
from mindle.data.common.names import litter, nfc, split_of
from mindle.data.images.sources.folder import read_folder, walk
from mindle.errors import DataError
from mindle.records import Dataset, FileImages, Finding

CAT = "고양이"


def build(root: Path, *files: str) -> Path:
    """Make files below a root; a name that ends in a slash is an empty folder."""
    for file in files:
        place = root / file
        if file.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.encode())
    return root


def read(root: Path, label_from: str | None = None) -> Dataset:
    return read_folder(root, label_from).dataset(name=root.name, source=str(root))


def finding(dataset: Dataset, kind: str) -> Finding:
    found = [one for one in dataset.findings if one.kind == kind]
    assert len(found) == 1, (kind, dataset.findings)
    return found[0]


def kinds(dataset: Dataset) -> list[str]:
    return [one.kind for one in dataset.findings]


def label_of(dataset: Dataset, path: str) -> str:
    label = dataset.labels[dataset.paths.index(path)]
    return dataset.classes[label] if label >= 0 else ""


def aside(dataset: Dataset) -> dict[str, str]:
    return {path: why for path, why in zip(dataset.paths, dataset.set_aside, strict=True) if why}


def test_flat_class_folders(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "dog/1.jpg", "dog/2.jpg", "cat/1.jpg", "cat/2"))
    assert dataset.classes == ("cat", "dog")
    assert dataset.paths == ("cat/1.jpg", "cat/2", "dog/1.jpg", "dog/2.jpg")
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert dataset.given == ("", "", "", "")
    assert dataset.findings == ()
    assert dataset.images == FileImages(root=tmp_path, names=dataset.paths)


def test_nested_folders_belong_to_their_class(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "cat/2019/may/1.jpg", "cat/2.jpg", "dog/train/1.jpg", "dog/2.jpg"))
    assert dataset.classes == ("cat", "dog")
    assert label_of(dataset, "cat/2019/may/1.jpg") == "cat"
    assert label_of(dataset, "dog/train/1.jpg") == "dog"


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "VALID", "Testing"), ("TRAIN", "dev", "test")],
)
def test_a_given_split_is_honoured(tmp_path: Path, train: str, val: str, test: str) -> None:
    files = [f"{part}/{label}/{n}.jpg" for part in (train, val, test) for label in ("a", "b") for n in "12"]
    dataset = read(build(tmp_path, *files))
    assert dataset.classes == ("a", "b")
    assert [dataset.given[dataset.paths.index(f"{part}/a/1.jpg")] for part in (train, val, test)] == [
        "train",
        "val",
        "test",
    ]
    assert dataset.findings == ()


@pytest.mark.parametrize("word", ["val", "Validation", "dev"])
def test_one_held_out_part_is_the_test_part_whatever_its_name(tmp_path: Path, word: str) -> None:
    files = [f"{part}/{label}/{n}.jpg" for part in ("train", word) for label in ("a", "b") for n in "12"]
    dataset = read(build(tmp_path, *files))
    assert set(dataset.given) == {"train", "test"}
    assert word in finding(dataset, "held-out").message


def test_only_train_is_no_split(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "train/b/2.jpg"))
    assert dataset.classes == ("a", "b")
    assert set(dataset.given) == {""}


def test_a_train_folder_beside_vehicles_is_a_class_and_that_is_said(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "train/1.jpg", "train/2.jpg", "bus/1.jpg", "bus/2.jpg"))
    assert dataset.classes == ("bus", "train")
    assert not finding(dataset, "part-names").decision


def test_val_and_test_without_train_are_held_out(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "val/a/1.jpg", "val/b/2.jpg", "test/a/1.jpg", "test/b/2.jpg"))
    assert dataset.classes == ("a", "b")
    assert set(dataset.given) == {"val", "test"}


def test_hidden_and_loose_things_beside_a_split_do_not_hide_it(tmp_path: Path) -> None:
    files = ["train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"]
    dataset = read(build(tmp_path, *files, ".git/config", "__MACOSX/x", "labels.txt", "train/notes.txt"))
    assert dataset.classes == ("a", "b")
    assert aside(dataset) == {
        ".git/config": "hidden",
        "__MACOSX/x": "foreign",
        "labels.txt": "stray",
        "train/notes.txt": "stray",
    }
    assert finding(dataset, "stray").files == ("labels.txt", "train/notes.txt")


def test_litter_gets_rows_that_are_set_aside(tmp_path: Path) -> None:
    files = [f"{label}/{n}.jpg" for label in ("a", "b") for n in "12"]
    odd = [
        "a/Thumbs.db",
        "a/.DS_Store",
        "b/desktop.ini",
        ".ipynb_checkpoints/1.jpg",
        "b/.ipynb_checkpoints/1.jpg",
    ]
    dataset = read(build(tmp_path, *files, *odd))
    assert dataset.classes == ("a", "b")
    assert len(dataset) == 9
    assert aside(dataset) == {
        ".ipynb_checkpoints/1.jpg": "hidden",
        "a/.DS_Store": "hidden",
        "a/Thumbs.db": "foreign",
        "b/.ipynb_checkpoints/1.jpg": "hidden",
        "b/desktop.ini": "foreign",
    }
    assert label_of(dataset, ".ipynb_checkpoints/1.jpg") == ""
    assert label_of(dataset, "a/Thumbs.db") == "a"
    assert set(kinds(dataset)) == {"hidden", "foreign"}


def test_hangul_composed_and_decomposed_is_one_class(tmp_path: Path) -> None:
    composed, decomposed = unicodedata.normalize("NFC", CAT), unicodedata.normalize("NFD", CAT)
    build(tmp_path, f"{composed}/1.jpg", f"{decomposed}/2.jpg", "개/1.jpg", "개/2.jpg")
    if len(list(tmp_path.iterdir())) == 2:
        pytest.skip("this file system makes one folder of both spellings")
    dataset = read(tmp_path)
    assert dataset.classes == ("개", composed)
    assert dataset.labels.tolist() == [0, 0, 1, 1]
    assert set(finding(dataset, "unicode-normalised").files) == {composed, decomposed}
    assert isinstance(dataset.images, FileImages)
    assert all((tmp_path / name).is_file() for name in dataset.images.names)
    assert all(unicodedata.is_normalized("NFC", path) for path in dataset.paths)


def test_a_decomposed_class_alone_is_simply_normalised(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, f"{unicodedata.normalize('NFD', CAT)}/1.jpg", "b/1.jpg", "b/2.jpg"))
    assert dataset.classes == ("b", CAT)


def test_files_that_differ_only_in_spelling_keep_different_paths(tmp_path: Path) -> None:
    composed, decomposed = f"{CAT}.jpg", unicodedata.normalize("NFD", f"{CAT}.jpg")
    build(tmp_path, f"a/{composed}", f"a/{decomposed}", "b/1.jpg", "b/2.jpg")
    if len(list((tmp_path / "a").iterdir())) == 1:
        pytest.skip("this file system makes one file of both spellings")
    dataset = read(tmp_path)
    assert dataset.paths[:2] == (f"a/{CAT}.jpg", f"a/{CAT} (2).jpg") or sorted(dataset.paths[:2]) == sorted(
        (f"a/{CAT}.jpg", f"a/{CAT} (2).jpg")
    )
    assert len(set(dataset.paths)) == len(dataset)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
def test_names_that_are_no_unicode_still_get_readable_paths(tmp_path: Path) -> None:
    build(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg")
    for text in ("가", "나"):
        with open(os.path.join(os.fsencode(tmp_path / "a"), text.encode("cp949") + b".jpg"), "wb"):
            pass
    dataset = read(tmp_path)
    assert len(set(dataset.paths)) == 5
    assert all(path.encode() for path in dataset.paths)
    assert isinstance(dataset.images, FileImages)
    assert all((tmp_path / name).is_file() for name in dataset.images.names)


def test_spaces_and_no_dots_in_names(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "big cat/my photo", "big cat/2.jpg", "dog/1 .jpg", "dog/n9151jpg"))
    assert dataset.classes == ("big cat", "dog")
    assert not any(dataset.set_aside)


def test_an_empty_class_is_left_out_and_named(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "c/", "d/.hidden"))
    assert dataset.classes == ("a", "b")
    empty = [one for one in dataset.findings if one.kind == "empty-class"]
    assert [one.files for one in empty] == [("c",), ("d",)]
    assert all(one.decision for one in empty)


def test_a_class_of_one_image_is_named(tmp_path: Path) -> None:
    single = finding(read(build(tmp_path, "a/1.jpg", "b/1.jpg", "b/2.jpg")), "single")
    assert single.files == ("a/1.jpg",)
    assert single.decision


def test_names_that_differ_in_case_stay_two_classes_and_need_a_decision(tmp_path: Path) -> None:
    build(tmp_path, "Cat/1.jpg", "Cat/2.jpg", "cat/3.jpg", "cat/4.jpg")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell case apart")
    dataset = read(tmp_path)
    assert dataset.classes == ("Cat", "cat")
    collision = finding(dataset, "name-collision")
    assert collision.files == ("Cat", "cat")
    assert collision.decision


def test_a_class_missing_from_a_held_out_part_is_kept_and_named(tmp_path: Path) -> None:
    files = ["train/a/1.jpg", "train/a/2.jpg", "train/b/1.jpg", "train/b/2.jpg", "val/a/1.jpg", "val/b/1.jpg"]
    dataset = read(build(tmp_path, *files, "test/a/1.jpg", "test/b/"))
    assert dataset.classes == ("a", "b")
    missing = finding(dataset, "class-missing")
    assert (missing.files, missing.decision) == (("b",), True)
    assert "test split" in missing.message


def test_an_extra_class_in_a_held_out_part_is_set_aside(tmp_path: Path) -> None:
    files = [
        "train/a/1.jpg",
        "train/a/2.jpg",
        "train/b/1.jpg",
        "train/b/2.jpg",
        "test/a/1.jpg",
        "test/b/1.jpg",
    ]
    dataset = read(build(tmp_path, *files, "test/c/1.jpg"))
    assert dataset.classes == ("a", "b")
    assert aside(dataset) == {"test/c/1.jpg": "class-extra"}
    assert label_of(dataset, "test/c/1.jpg") == ""
    assert finding(dataset, "class-extra").files == ("test/c/1.jpg",)


def test_one_class_points_one_level_deeper(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "flowers/rose/1.jpg", "flowers/2.jpg"))
    assert dataset.classes == ("flowers",)
    assert "one level deeper" in finding(dataset, "one-class").message


def test_numbered_classes_are_in_order_of_value(tmp_path: Path) -> None:
    files = [f"{number}/{n}.png" for number in (0, 1, 2, 10, 11) for n in "12"]
    assert read(build(tmp_path, *files)).classes == ("0", "1", "2", "10", "11")


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder where links can be made, or a skip."""
    try:
        (tmp_path / "probe").symlink_to(tmp_path, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not allow links")
    (tmp_path / "probe").unlink()
    return tmp_path


def test_symlink_loops_end_and_each_real_folder_is_read_once(links: Path) -> None:
    build(links, "a/1.jpg", "a/deep/2.jpg", "b/1.jpg", "b/2.jpg")
    (links / "a" / "deep" / "up").symlink_to(links, target_is_directory=True)
    (links / "a" / "self").symlink_to(links / "a" / "self")
    (links / "aa").symlink_to(links / "b", target_is_directory=True)
    dataset = read(links)
    assert dataset.classes == ("a", "b")
    assert aside(dataset) == {"a/self": "missing"}
    assert finding(dataset, "symlink-loop").files == ("a/deep/up", "aa")


def test_links_to_folders_and_files_elsewhere_are_followed(links: Path) -> None:
    pool = build(links / "pool", "cats/1.jpg", "cats/2.jpg", "one.jpg")
    root = build(links / "data", "dog/1.jpg")
    (root / "cat").symlink_to(pool / "cats", target_is_directory=True)
    (root / "dog" / "2.jpg").symlink_to(pool / "one.jpg")
    (root / "dog" / "gone.jpg").symlink_to(pool / "gone.jpg")
    dataset = read(root)
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.rows()) == 4
    assert aside(dataset) == {"dog/gone.jpg": "missing"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(build(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg") / "a" / "pipe.jpg")
    dataset = read(tmp_path)
    assert len(dataset) == 4
    assert finding(dataset, "special").files == ("a/pipe.jpg",)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="locked folders need an unprivileged user"
)
def test_a_locked_folder_is_a_finding(tmp_path: Path) -> None:
    locked = build(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "a/locked/3.jpg") / "a" / "locked"
    locked.chmod(0)
    try:
        assert finding(read(tmp_path), "unreadable").files == ("a/locked",)
    finally:
        locked.chmod(0o755)


def test_images_without_class_folders_say_which_layout_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 files that lie in none, such as '1.jpg'.*one folder per class"):
        read(build(tmp_path, "1.jpg", "2.jpg"))


def test_parts_without_class_folders_say_which_layout_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must lie in class folders"):
        read(build(tmp_path, "train/1.jpg", "test/2.jpg"))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold images.*one folder per class"):
        read(build(tmp_path, "a/", "b/", ".hidden/1.jpg"))


def test_a_train_folder_without_images_leaves_only_held_out_rows(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, "train/a/", "test/a/1.jpg", "test/b/1.jpg"))
    assert "train" not in dataset.given  # all of it is held out; training refuses it, evaluating may use it
    assert dataset.classes == ("a", "b")


def test_reading_changes_nothing(tmp_path: Path) -> None:
    build(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/Thumbs.db", ".x/y")

    def state() -> list[tuple[str, int, int]]:
        places = [tmp_path, *sorted(tmp_path.rglob("*"))]
        return [(str(place), place.stat().st_mtime_ns, place.stat().st_size) for place in places]

    before = state()
    read(tmp_path)
    assert state() == before


def test_order_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    files = [f"{label}/{number:03d}.png" for label in "cab" for number in range(20)]
    shuffled = np.random.default_rng(3).permutation(files).tolist()
    one = read(build(tmp_path / "one", *files))
    other = read(build(tmp_path / "other", *shuffled))
    assert one.paths == other.paths == tuple(sorted(files))


def test_walk_is_in_order_of_names(tmp_path: Path) -> None:
    build(tmp_path, "b/2.jpg", "b/1.jpg", "a.jpg", "c.jpg")
    assert [one.path for one in walk(tmp_path) if one.kind == "file"] == [
        "a.jpg",
        "b/1.jpg",
        "b/2.jpg",
        "c.jpg",
    ]


def test_small_words() -> None:
    assert [split_of(word) for word in ("Train", " dev ", "TESTING", "holdout")] == [
        "train",
        "val",
        "test",
        None,
    ]
    assert litter("__MACOSX") == "foreign"
    assert nfc(unicodedata.normalize("NFD", CAT)) == CAT
    assert settle_given(["train", "test", ""])[0] == ["train", "test", ""]


NAMED = [f"{name}.{number}.JPG" for name in ("cat", "dog") for number in range(5)]


@pytest.mark.parametrize("part", ["", "train/", "photos/", "all/train/train/"])
def test_files_called_by_class_and_number_are_labelled_by_name(tmp_path: Path, part: str) -> None:
    dataset = read(build(tmp_path, *(f"{part}{name}" for name in NAMED)))
    assert dataset.classes == ("cat", "dog")
    assert np.bincount(dataset.labels).tolist() == [5, 5]
    assert "{class}.{n}" in finding(dataset, "labelled-by-name").message


@pytest.mark.parametrize("test", ["test1/1.jpg", "test1/test1/1.jpg", "test/test_1.jpg", "test/1.jpg"])
def test_a_part_without_labels_is_left_out(tmp_path: Path, test: str) -> None:
    dataset = read(build(tmp_path, *(f"train/{name}" for name in NAMED), test, "sampleSubmission.csv"))
    assert aside(dataset) == {test: "unlabelled", "sampleSubmission.csv": "stray"}
    assert set(dataset.given) == {""}
    assert not finding(dataset, "unlabelled").decision


def test_a_test_part_whose_names_tell_classes_is_a_test_part(tmp_path: Path) -> None:
    dataset = read(build(tmp_path, *(f"{part}/{name}" for part in ("train", "test") for name in NAMED)))
    assert dataset.given.count("test") == 10
    assert not aside(dataset)


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_1.jpg", "DSC_2.jpg"],
        ["cat_1.jpg"],
        ["a_1.jpg", "b_1.jpg", "photo.jpg"],
        ["train_1.jpg", "test_1.jpg"],
        ["2021-05.jpg", "2022-05.jpg"],
    ],
)
def test_names_that_leave_doubt_are_refused_with_the_way_to_settle_it(
    tmp_path: Path, names: list[str]
) -> None:
    files = [
        f"{number}{name}" if name[0].isdigit() else name.replace("1", f"1{number}", 1)
        for name in names
        for number in range(9)
    ]
    with pytest.raises(DataError, match="--label-from"):
        read(build(tmp_path, *files))


def test_a_template_settles_where_the_label_stands(tmp_path: Path) -> None:
    files = [f"shots/{n}_{name}.jpg" for n in (1, 2) for name in ("cat", "dog")]
    dataset = read(build(tmp_path, *files, "shots/other.jpg", "notes.txt"), "{n}_{class}")
    assert dataset.classes == ("cat", "dog")
    assert aside(dataset) == {"shots/other.jpg": "unlabelled", "notes.txt": "stray"}


def test_a_template_that_fits_nothing_or_gives_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fits none of 2 files"):
        read(build(tmp_path, "a-1.jpg", "b-1.jpg"), "{class}_{n}")
    with pytest.raises(DataError, match=r"Received '\.\.' for 'x/\.\._1\.jpg'|hidden|'' for"):
        read(build(tmp_path, "x/a_1.jpg", "x/_1.jpg"), "{class}_{n}")


@pytest.mark.parametrize(
    "text",
    [
        "cat_{n}",
        "{class}{class}",
        "{name}_{n}",
        "{class",
        "{*}{class}",
        "a/{class}",
        "{*}1{*}2{*}3{*}{n}{class}",
    ],
)
def test_what_is_no_template_is_a_wrong_call(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="label_from"):
        read(build(tmp_path, "a_1.jpg"), text)
