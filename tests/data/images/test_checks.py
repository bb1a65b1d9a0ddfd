"""Checks: what is found in a folder, what follows from it, and that nothing is decoded twice."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.data.common import store as store_module
from mindle.data.common.findings import kinds as known_kinds
from mindle.data.common.splits import split
from mindle.data.images import scan as facts_module
from mindle.data.images.checks import check
from mindle.data.images.decoding.decode import Examined, decode, examine
from mindle.data.images.pixels import pixel_store, pixels
from mindle.data.images.sources.source import read
from mindle.records import ArrayImages, Dataset, Finding, InputSpec, Silent
from tests.discs import write_discs

SPEC = InputSpec(height=24, width=24)


def scene(seed: int, side: int = 80) -> Image.Image:
    """A picture with large shapes and some grain, as a photo has."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((side, side), 2)
    grain = rng.normal(0, 8, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) * 0.8 + 20 + grain, 0, 255).astype(np.uint8))


def draw(root: Path, name: str, seed: int, **options: object) -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    scene(seed).save(file, **options)
    return file


def photos(root: Path, per_class: int = 22, classes: str = "ab", below: str = "") -> Path:
    """Class folders of different pictures; enough of them that no class has few."""
    for number in range(per_class * len(classes)):
        label = classes[number % len(classes)]
        draw(root, f"{below}{label}/{number:03d}.png", seed=number + 1000 * len(below))
    return root


def copy(root: Path, name: str, other: str) -> None:
    (root / other).parent.mkdir(parents=True, exist_ok=True)
    (root / other).write_bytes((root / name).read_bytes())


def the(dataset: Dataset, kind: str) -> Finding:
    """The one finding of a kind."""
    found = [finding for finding in dataset.findings if finding.kind == kind]
    assert len(found) == 1, [finding.kind for finding in dataset.findings]
    return found[0]


def kinds(dataset: Dataset) -> set[str]:
    return {finding.kind for finding in dataset.findings}


def reason(dataset: Dataset, path: str) -> str:
    return dataset.set_aside[dataset.paths.index(path)]


def group(dataset: Dataset, path: str) -> str:
    return dataset.groups[dataset.paths.index(path)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos"


# ---------------------------------------------------------------------------------- the pass itself


def test_a_clean_folder_has_no_findings_and_every_fact(folder: Path, cache: Path) -> None:
    checked = check(read(photos(folder)))
    assert checked.findings == ()
    assert set(checked.heights.tolist()) == set(checked.widths.tolist()) == {80}
    assert all(len(sha256) == 64 for sha256 in checked.sha256)
    assert set(checked.groups) == {""}


def test_a_second_check_decodes_nothing_and_says_the_same(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(photos(folder), "a/000.png", "a/copy.png")
    first = check(read(folder), specs=[SPEC])
    decoded: list[int] = []

    def counting(data: bytes, specs: list[InputSpec]) -> Examined:
        decoded.append(len(data))
        return examine(data, specs)

    monkeypatch.setattr(facts_module, "examine", counting)
    second = check(read(folder), specs=[replace(SPEC, mean=(0.5, 0.5, 0.5))])
    assert decoded == []
    assert second.findings == first.findings
    assert second.groups == first.groups
    np.testing.assert_array_equal(second.heights, first.heights)
    draw(folder, "a/new.png", 77)
    check(read(folder), specs=[SPEC])
    assert len(decoded) == 1


def test_the_pixels_of_every_spec_are_stored_on_the_way(folder: Path, cache: Path) -> None:
    small = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))
    checked = check(read(photos(folder, 4)), specs=[SPEC, small, SPEC])
    for spec in (SPEC, small):
        assert pixel_store(spec).missing(checked.sha256) == []
        got = pixels(checked, np.array([3]), spec)[np.array([0])][0]
        np.testing.assert_array_equal(got, decode(folder / checked.paths[3], spec))


def test_damaged_facts_are_made_again(folder: Path, cache: Path) -> None:
    first = check(read(photos(folder, 4)))
    file = next((cache / "facts-v2").glob("*.rows"))
    data = bytearray(file.read_bytes())
    data[100] ^= 255
    file.write_bytes(bytes(data))
    store_module._SOUND.clear()  # as a new process
    heard: list[str] = []

    class Hearing(Silent):
        def say(self, sentence: str) -> None:
            heard.append(sentence)

    again = check(read(folder), listener=Hearing())
    assert heard == ["1 entry of the cache could not be read back; looking at the images again."]
    np.testing.assert_array_equal(again.heights, first.heights)


def test_progress_reaches_the_end(folder: Path, cache: Path) -> None:
    seen: list[tuple[str, int, int]] = []

    class Hearing(Silent):
        def progress(self, stage: str, done: int, total: int) -> None:
            seen.append((stage, done, total))

    check(read(photos(folder, 20)), listener=Hearing())
    assert seen[-1] == ("check", 40, 40)
    assert len(seen) == 2


def test_the_order_of_files_and_threads_decide_nothing(folder: Path, cache: Path) -> None:
    photos(folder)
    for number in range(3):
        draw(folder, f"b/again{number}.jpg", 1 + 2 * number, quality=60)
    first = check(read(folder))
    store_module._SOUND.clear()
    results: list[Dataset] = []
    threads = [threading.Thread(target=lambda: results.append(check(read(folder)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.findings for result in results] == [first.findings] * 2
    assert [result.groups for result in results] == [first.groups] * 2


@pytest.mark.shared
def test_every_kind_has_a_meaning_and_every_finding_a_kind(shared: Path, folder: Path, cache: Path) -> None:
    for file in (shared / "data" / "odd").iterdir():
        copy(Path("/"), str(file), str(folder / "odd" / file.name))
    photos(folder)
    checked = check(read(folder))
    assert kinds(checked) <= set(known_kinds())
    assert set(checked.set_aside) - {""} <= set(known_kinds())
    assert list(known_kinds()) == sorted(known_kinds())
    assert all(finding.files and finding.message and finding.action for finding in checked.findings)


# ------------------------------------------------------------------------------------ single pictures


def test_files_that_are_no_pixels_are_set_aside_by_name_and_reason(folder: Path, cache: Path) -> None:
    photos(folder)
    whole = draw(folder, "a/whole.jpg", 500).read_bytes()
    (folder / "a/cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "a/empty.jpg").write_bytes(b"")
    (folder / "b/notes.jpg").write_bytes(b"these are not the pixels you are looking for")
    (folder / "b/video.jpg").write_bytes(b"neither are these")
    checked = check(read(folder))
    assert reason(checked, "a/cut.jpg") == "truncated"
    assert reason(checked, "a/empty.jpg") == "empty"
    assert the(checked, "not-an-image").files == ("b/notes.jpg", "b/video.jpg")
    finding = the(checked, "truncated")
    assert finding.message.startswith("1 image ends early (a 1); first: a/cut.jpg.")
    assert (finding.action, finding.decision) == ("set aside", False)
    assert checked.sha256[checked.paths.index("a/cut.jpg")] != ""
    assert len(checked.rows()) == 45


def test_files_that_read_set_aside_are_hashed_and_not_decoded(folder: Path, cache: Path) -> None:
    photos(folder)
    copy(folder, "a/000.png", "a/.hidden.png")
    checked = check(read(folder))
    row = checked.paths.index("a/.hidden.png")
    assert checked.sha256[row] == checked.sha256[checked.paths.index("a/000.png")]
    assert (checked.set_aside[row], int(checked.heights[row])) == ("hidden", 0)
    assert "duplicate" not in kinds(checked)


def test_a_file_that_goes_away_is_a_finding(folder: Path, cache: Path) -> None:
    dataset = read(photos(folder))
    (folder / "a/000.png").unlink()
    checked = check(dataset)
    assert reason(checked, "a/000.png") == "missing"
    assert checked.sha256[checked.paths.index("a/000.png")] == ""


def test_a_file_too_large_to_read_is_refused(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(folder)
    (folder / "a/huge.png").write_bytes((folder / "a/000.png").read_bytes() + bytes(2_000_000))
    monkeypatch.setattr(import_module("mindle.data.images.decoding.decode"), "FILE_LIMIT", 1 << 20)
    checked = check(read(folder))
    assert reason(checked, "a/huge.png") == "bomb"
    assert "above 1 MiB are not read" in the(checked, "bomb").message


def test_tiny_pictures_among_larger_ones_are_set_aside(folder: Path, cache: Path) -> None:
    photos(folder)
    Image.effect_noise((5, 90), 80).save(folder / "a/line.png")
    checked = check(read(folder))
    assert reason(checked, "a/line.png") == "tiny"
    assert "a/line.png (90 x 5)" in the(checked, "tiny").message


def test_sets_of_small_pictures_are_fine(cache: Path) -> None:
    assert check(read("digits")).findings == ()


def test_blank_pictures_are_set_aside_unless_they_are_what_a_class_shows(folder: Path, cache: Path) -> None:
    photos(folder)
    Image.new("RGB", (80, 80), "white").save(folder / "a/white.png")
    for number in range(22):
        place = folder / "nothing" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        Image.new("RGB", (80, 80), (number, 90, 90)).save(place)
    checked = check(read(folder))
    assert reason(checked, "a/white.png") == "blank"
    found = {finding.action: finding for finding in checked.findings if finding.kind == "blank"}
    assert found["set aside"].files == ("a/white.png",)
    assert found["kept"].decision
    assert len(found["kept"].files) == 22
    assert kinds(checked) == {"blank"}  # flat pictures are not near duplicates of each other


def test_odd_modes_are_kept_and_counted(folder: Path, cache: Path) -> None:
    photos(folder)
    scene(900).convert("CMYK").save(folder / "a/print.jpg")
    scene(901).convert("RGBA").save(folder / "a/clear.png")
    frames = [scene(902), scene(903)]
    frames[0].save(folder / "b/moving.gif", save_all=True, append_images=frames[1:])
    scene(904).convert("L").save(folder / "b/gray.png")
    finding = the(check(read(folder)), "odd-mode")
    assert finding.files == ("a/clear.png", "a/print.jpg", "b/moving.gif")
    assert all(text in finding.message for text in ("CMYK 1", "RGBA 1", "animated 1"))
    assert finding.action == "kept, converted"


# ------------------------------------------------------------------ pictures that are there more than once


def test_copies_within_a_class_stay_together(folder: Path, cache: Path) -> None:
    photos(folder)
    copy(folder, "a/000.png", "a/copy.png")
    checked = check(read(folder))
    assert the(checked, "duplicate").files == ("a/000.png", "a/copy.png")
    assert group(checked, "a/000.png") == group(checked, "a/copy.png") != ""
    assert len(checked.rows()) == 45


def test_the_same_picture_under_two_labels_is_set_aside_everywhere(folder: Path, cache: Path) -> None:
    photos(folder)
    copy(folder, "a/000.png", "b/other.png")
    copy(folder, "a/000.png", "a/copy.png")
    checked = check(read(folder))
    finding = the(checked, "two-labels")
    assert set(finding.files) == {"a/000.png", "a/copy.png", "b/other.png"}
    assert {reason(checked, path) for path in finding.files} == {"two-labels"}
    assert finding.decision
    assert "1 image has two labels, in 3 identical files (a 2, b 1)" in finding.message
    assert checked.findings[0] == finding


def test_a_leak_is_dropped_from_train_and_the_test_part_stays_as_given(folder: Path, cache: Path) -> None:
    for part in ("train/", "test/", "val/"):
        photos(folder, below=part)
    copy(folder, "train/a/000.png", "test/a/leak.png")
    copy(folder, "train/a/000.png", "val/a/leak.png")
    copy(folder, "train/b/001.png", "val/b/leak.png")
    copy(folder, "train/b/003.png", "train/b/copy.png")
    checked = check(read(folder))
    finding = the(checked, "leak")
    assert finding.decision
    assert finding.action == "dropped from train and val"
    assert [path for path in checked.paths if reason(checked, path) == "leak"] == [
        "train/a/000.png",
        "train/b/001.png",
        "val/a/leak.png",
    ]
    parts = split(checked).splits
    assert parts.count("test") == 45
    assert parts.count("val") == 45
    assert the(checked, "duplicate").files == ("train/b/003.png", "train/b/copy.png")


def test_near_duplicates_are_grouped_with_their_copies(folder: Path, cache: Path) -> None:
    photos(folder)
    draw(folder, "a/again.jpg", 0, quality=40)
    copy(folder, "a/again.jpg", "a/again2.jpg")
    checked = check(read(folder))
    assert set(the(checked, "near-duplicate").files) == {"a/000.png", "a/again.jpg"}
    names = {group(checked, path) for path in ("a/000.png", "a/again.jpg", "a/again2.jpg")}
    assert len(names) == 1
    assert names != {""}


def test_near_duplicates_under_two_labels_or_in_two_parts_need_a_decision(folder: Path, cache: Path) -> None:
    photos(folder, below="train/")
    photos(folder, below="test/")
    scene(50_000).save(folder / "train/a/x.png")
    scene(50_000).save(folder / "train/b/x.jpg", quality=50)
    scene(60_000).save(folder / "train/b/y.png")
    scene(60_000).save(folder / "test/b/y.jpg", quality=50)
    checked = check(read(folder))
    assert the(checked, "near-two-labels").files == ("train/a/x.png", "train/b/x.jpg")
    assert the(checked, "near-leak").files == ("test/b/y.jpg", "train/b/y.png")
    assert all(the(checked, kind).decision for kind in ("near-two-labels", "near-leak"))
    assert "near-duplicate" not in kinds(checked)
    assert group(checked, "train/a/x.png") == group(checked, "train/b/x.jpg") != ""
    assert len(split(checked).rows("test")) == 45


def test_a_group_that_is_too_large_is_only_a_finding(folder: Path, cache: Path) -> None:
    photos(folder)
    for quality in range(40, 52, 2):
        draw(folder, f"b/burst{quality}.jpg", 7, quality=quality)
    copy(folder, "b/burst40.jpg", "b/burst40-copy.jpg")
    checked = check(read(folder))
    finding = the(checked, "large-group")
    assert len(finding.files) == 8
    assert finding.decision
    assert group(checked, "b/burst42.jpg") == ""
    # What is certainly the same still stays together.
    assert group(checked, "b/burst40.jpg") == group(checked, "b/burst40-copy.jpg") != ""


def test_groups_that_came_with_the_data_are_joined_with_those_found(folder: Path, cache: Path) -> None:
    photos(folder)
    draw(folder, "a/again.jpg", 0, quality=40)
    dataset = read(folder)
    names = ["person 1" if path in ("a/000.png", "b/001.png") else "" for path in dataset.paths]
    checked = check(replace(dataset, groups=tuple(names)))
    for path in ("a/000.png", "b/001.png", "a/again.jpg"):
        assert group(checked, path) == "person 1"
    given = tuple("test" if path.startswith("b/") else "train" for path in dataset.paths)
    cut = check(replace(dataset, groups=tuple(names), given=given))
    assert the(cut, "group-cut").files == ("a/000.png", "b/001.png")


# ------------------------------------------------------------------------------------------- the whole


def test_uneven_few_and_unusable_classes(folder: Path, cache: Path) -> None:
    photos(folder, 30, "a")
    photos(folder, 8, "b")
    (folder / "c").mkdir()
    (folder / "c/broken.jpg").write_bytes(b"no picture")
    for number in range(8):  # the pictures of b must differ from those of a
        draw(folder, f"b/{number:03d}.png", 9000 + number)
    checked = check(read(folder))
    assert the(checked, "unusable-class").files == ("c",)
    assert the(checked, "few").files == ("b",)
    assert the(checked, "imbalance").files == ("a", "b")
    assert "3.8 times" in the(checked, "imbalance").message


def test_findings_that_need_a_decision_come_first_and_those_of_reading_stay(
    folder: Path, cache: Path
) -> None:
    photos(folder)
    copy(folder, "a/000.png", "b/other.png")
    (folder / "empty").mkdir()
    (folder / "Thumbs.db").write_bytes(b"x")
    checked = check(read(folder))
    decisions = [finding.decision for finding in checked.findings]
    assert decisions == sorted(decisions, reverse=True)
    assert {"empty-class", "foreign", "two-labels"} <= kinds(checked)


def test_arrays_are_checked_too(cache: Path) -> None:
    images: NDArray[np.uint8] = np.stack([np.asarray(scene(seed)) for seed in range(44)])
    images[10] = images[0]  # a copy in the same class
    images[11] = images[20]  # under two labels
    images[12] = 7
    dataset = Dataset(
        name="arrays",
        kind="npz",
        source="arrays.npz",
        classes=("a", "b"),
        paths=tuple(f"train/{row:06d}" for row in range(44)),
        labels=np.arange(44) % 2,
        given=("",) * 44,
        groups=("",) * 44,
        images=ArrayImages(array=images),
        set_aside=("",) * 44,
    )
    checked = check(dataset, specs=[SPEC, InputSpec(height=80, width=80)])
    assert the(checked, "duplicate").files == ("train/000000", "train/000010")
    assert the(checked, "two-labels").files == ("train/000011", "train/000020")
    assert the(checked, "blank").files == ("train/000012",)
    assert [path.name for path in (cache / "pixels").iterdir()] == ["24x24-squash-bilinear-rgb-v1"]


# ------------------------------------------------------------------------------------------- real data


@pytest.mark.shared
def test_the_leak_in_flowers5(shared: Path, cache: Path) -> None:
    checked = check(read(shared / "data" / "flowers5"))
    finding = the(checked, "leak")
    assert len(finding.files) == 2
    assert finding.action == "dropped from train"
    parts = split(checked).splits
    assert parts.count("test") == 450
    assert parts.count("") == 1
    assert len(the(checked, "near-duplicate").files) == 4


@pytest.mark.shared
def test_the_contradictory_pairs_in_trashnet(shared: Path, cache: Path) -> None:
    checked = check(read(shared / "data" / "trashnet-150"))
    finding = the(checked, "two-labels")
    assert len(finding.files) == 6
    assert len({checked.sha256[checked.paths.index(path)] for path in finding.files}) == 3
    assert the(checked, "imbalance").files == ("paper", "trash")
    assert len(checked.rows()) == 2521
    assert "large-group" not in kinds(checked)


# ------------------------------------------------------------------------------------------- numbers


def test_one_picture_under_two_numbers(tmp_path: Path, cache: Path) -> None:
    file = write_discs(tmp_path, 20)
    lines = file.read_text(encoding="utf-8").splitlines()
    for name, line in (("same.png", 1), ("close.png", 2), ("other.png", 3)):
        shutil.copy(tmp_path / lines[line].split(",")[0], tmp_path / name)
    spread = float(np.std([float(line.split(",")[1]) for line in lines[1:]]))
    numbers = [float(lines[line].split(",")[1]) for line in (1, 2, 3)]
    lines += [f"same.png,{numbers[0]}", f"close.png,{numbers[1] + 0.05 * spread}"]
    lines += [f"other.png,{numbers[2] + spread}"]
    file.write_text("\n".join(lines), encoding="utf-8")
    checked = check(read(file))
    assert kinds(checked) == {"duplicate", "two-targets", "few-numbers"}
    assert reason(checked, "same.png") == reason(checked, "close.png") == ""
    assert group(checked, "close.png") == group(checked, lines[2].split(",")[0]) != ""
    assert reason(checked, "other.png") == reason(checked, lines[3].split(",")[0]) == "two-targets"


def test_numbers_far_from_all_others_and_numbers_that_never_vary(tmp_path: Path, cache: Path) -> None:
    file = write_discs(tmp_path, 20)
    text = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*text[:-1], f"{text[-1].split(',')[0]},99999"]), encoding="utf-8")
    odd = next(finding for finding in check(read(file)).findings if finding.kind == "odd-target")
    assert odd.files == (text[-1].split(",")[0],)
    file.write_text("\n".join(["path,target", *(f"{n:04d}.png,3" for n in range(20))]), encoding="utf-8")
    assert "one-target" in kinds(check(read(file)))
