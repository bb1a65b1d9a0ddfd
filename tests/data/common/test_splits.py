"""Splits: each class in its share, groups whole, given splits kept, the same everywhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindle.data.common.regression import bands
from mindle.data.common.splits import split
from mindle.errors import DataError
from mindle.records import SPLITS, ArrayImages, Dataset


def dataset_of(
    labels: list[int], *, groups: list[str] | None = None, parts: list[str] | None = None
) -> Dataset:
    """Rows whose content hashes and paths are all different."""
    count = len(labels)
    return Dataset(
        name="rows",
        kind="npz",
        source="rows.npz",
        classes=tuple(f"class{label}" for label in range(max(labels, default=0) + 1)),
        paths=tuple(f"train/{row:06d}" for row in range(count)),
        labels=np.array(labels, np.int64),
        given=tuple(parts or [""] * count),
        groups=tuple(groups or [""] * count),
        images=ArrayImages(array=np.zeros((count, 2, 2), np.uint8)),
        set_aside=("",) * count,
        sha256=tuple(f"{row * 7919:064x}" for row in range(count)),
    )


def reordered(dataset: Dataset, order: list[int]) -> Dataset:
    return replace(
        dataset,
        paths=tuple(dataset.paths[row] for row in order),
        labels=dataset.labels[order],
        given=tuple(dataset.given[row] for row in order),
        groups=tuple(dataset.groups[row] for row in order),
        set_aside=tuple(dataset.set_aside[row] for row in order),
        sha256=tuple(dataset.sha256[row] for row in order),
    )


def counts_of(dataset: Dataset) -> Counter[tuple[int, str]]:
    return Counter(zip(dataset.labels.tolist(), dataset.splits, strict=True))


label_lists = st.lists(st.integers(0, 4), min_size=1, max_size=120)


@settings(max_examples=80, deadline=None)
@given(label_lists, st.integers(0, 3))
def test_without_groups_each_class_is_within_one_image_of_its_share(labels: list[int], seed: int) -> None:
    done = split(dataset_of(labels), seed=seed)
    assert set(done.splits) <= set(SPLITS)
    counts = counts_of(done)
    for label, size in Counter(labels).items():
        for part, fraction in zip(SPLITS, (0.70, 0.15, 0.15), strict=True):
            assert abs(counts[label, part] - size * fraction) <= 1 or size < 7
            assert counts[label, part] >= 1 or size < 3


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=80),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_groups_are_whole_and_the_order_of_rows_decides_nothing(rows, seed, random) -> None:  # type: ignore[no-untyped-def]
    labels = [label for label, _ in rows]
    groups = [f"g{group}" if group < 8 else "" for _, group in rows]
    dataset = dataset_of(labels, groups=groups)
    done = split(dataset, seed=seed)
    assert all(part in SPLITS for part in done.splits)
    for name in set(groups) - {""}:
        assert len({part for part, group in zip(done.splits, groups, strict=True) if group == name}) == 1
    order = random.sample(range(len(rows)), len(rows))
    again = split(reordered(dataset, order), seed=seed)
    assert dict(zip(again.paths, again.splits, strict=True)) == dict(
        zip(done.paths, done.splits, strict=True)
    )


def test_pairs_in_groups_do_not_move_the_shares() -> None:
    labels = [row % 3 for row in range(300)]
    groups = [f"pair{row // 6}-{row % 3}" if row < 60 else "" for row in range(300)]
    counts = counts_of(split(dataset_of(labels, groups=groups)))
    for label in range(3):
        assert [counts[label, part] for part in SPLITS] == [70, 15, 15]


def test_the_split_keeps_its_value() -> None:
    """Written down once: another value would mean that other versions or machines part differently."""
    done = split(dataset_of([0] * 20 + [1] * 20), seed=5)
    assert "".join(part[1] for part in done.splits) == EXPECTED


EXPECTED = "arrarrrrrrerarrrreerrrrerrrarerrrrearrar"


def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    dataset = dataset_of([0, 1] * 50)
    assert split(dataset, seed=1).splits == split(dataset, seed=1).splits
    assert split(dataset, seed=1).splits != split(dataset, seed=2).splits


def test_unchecked_data_are_parted_by_their_paths() -> None:
    unchecked = replace(dataset_of([0, 1] * 20), sha256=())
    assert Counter(split(unchecked).splits) == {"train": 28, "val": 6, "test": 6}


@pytest.mark.parametrize(
    ("size", "expected"),
    [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (4, (2, 1, 1)), (7, (5, 1, 1)), (20, (14, 3, 3))],
)
def test_small_classes(size: int, expected: tuple[int, int, int]) -> None:
    done = split(dataset_of([0] * size + [1] * 40))
    counts = counts_of(done)
    assert tuple(counts[0, part] for part in SPLITS) == expected
    missing = [finding for finding in done.findings if finding.kind == "class-missing"]
    assert bool(missing) == (0 in expected)
    if size == 2:
        assert missing[0].files == ("class0",)
        assert "the val split" in missing[0].message


def test_a_class_in_one_group_is_learned_and_the_rest_is_told() -> None:
    done = split(dataset_of([0] * 10 + [1] * 40, groups=["all"] * 10 + [""] * 40))
    assert set(done.splits[:10]) == {"train"}
    assert "val and test splits" in done.findings[0].message


def test_a_few_large_groups_reach_every_part() -> None:
    labels = [row % 2 for row in range(60)]
    for count in (3, 4, 5):
        done = split(dataset_of(labels, groups=[f"person{row * count // 60}" for row in range(60)]))
        assert set(done.splits) == set(SPLITS)


def test_many_small_classes_do_not_all_err_to_one_side() -> None:
    parts = Counter(split(dataset_of([row // 10 for row in range(1000)])).splits)
    assert parts == {"train": 700, "val": 150, "test": 150}


def test_a_given_split_is_kept() -> None:
    given_parts = ["train"] * 20 + ["val"] * 5 + ["test"] * 5
    done = split(dataset_of([0, 1] * 15, parts=given_parts), seed=9)
    assert list(done.splits) == given_parts


@pytest.mark.parametrize("held_out", ["val", "test"])
def test_one_held_out_part_is_the_test_part_and_val_comes_from_train(held_out: str) -> None:
    done = split(dataset_of([0, 1] * 100, parts=["train"] * 160 + [held_out] * 40))
    assert set(done.splits[160:]) == {"test"}
    assert counts_of(done)[0, "val"] == counts_of(done)[1, "val"] == 12
    assert Counter(done.splits[:160]) == {"train": 136, "val": 24}


def test_rows_without_a_part_belong_to_train() -> None:
    done = split(dataset_of([0, 1] * 20, parts=[""] * 30 + ["test"] * 10))
    assert set(done.splits[30:]) == {"test"}
    assert set(done.splits[:30]) == {"train", "val"}


def test_rows_set_aside_have_no_part() -> None:
    dataset = dataset_of([0, 1] * 20)
    done = split(replace(dataset, set_aside=("tiny",) + ("",) * 39))
    assert done.splits[0] == ""
    assert "" not in done.splits[1:]


def test_a_given_part_without_a_class_is_told_once() -> None:
    parts = ["train"] * 20 + ["test"] * 4
    dataset = dataset_of([0, 1] * 10 + [0] * 4, parts=parts)
    told = [finding for finding in split(dataset).findings if finding.kind == "class-missing"]
    assert [finding.files for finding in told] == [("class1",)]
    again = split(replace(dataset, findings=tuple(told)))
    assert len(again.findings) == 1


@pytest.mark.parametrize(
    "fractions", [(0.7, 0.2, 0.2), (0.0, 0.5, 0.5), (1.1, -0.1, 0.0), (0.7, 0.3), (0.5, float("nan"), 0.5)]
)
def test_wrong_fractions_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="adding up to 1"):
        split(dataset_of([0, 1]), fractions=fractions)  # type: ignore[arg-type]


def test_other_fractions() -> None:
    done = split(dataset_of([0, 1] * 50), fractions=(0.8, 0.0, 0.2))
    assert Counter(done.splits) == {"train": 80, "test": 20}
    assert done.findings == ()


def test_nothing_to_part_is_refused() -> None:
    dataset = dataset_of([0, 1])
    with pytest.raises(DataError, match="needs usable images"):
        split(replace(dataset, set_aside=("tiny", "tiny")))
    with pytest.raises(DataError, match="usable training images"):
        split(replace(dataset, given=("val", "test")))


def test_numbers_are_parted_by_bands_and_groups_stay_whole() -> None:
    rng = np.random.default_rng(3)
    targets = rng.exponential(1, 200)
    groups = [f"g{row // 2}" if row < 40 else "" for row in range(200)]
    dataset = replace(
        dataset_of([0] * 200, groups=groups), classes=(), labels=np.full(200, -1), targets=targets, target="y"
    )
    parted = split(dataset, seed=1)
    for part, share in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
        rows = parted.rows(part)
        assert abs(len(rows) - 200 * share) <= 10
        # A tenth of the numbers lies in each tenth of the range, in every part.
        assert abs(np.median(targets[rows]) - np.median(targets)) < 0.25
    assert all(parted.splits[row] == parted.splits[row + 1] for row in range(0, 40, 2))
    assert parted.splits == split(dataset, seed=1).splits
    assert parted.findings == ()


def test_bands_hold_equally_many() -> None:
    assert Counter(bands(np.arange(100.0)).tolist()) == dict.fromkeys(range(10), 10)
    assert set(bands(np.zeros(5)).tolist()) == {0}
    assert len(bands(np.zeros(0))) == 0
