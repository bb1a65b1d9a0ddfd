"""Near duplicates: found without comparing all pairs, confirmed on pixels, joined into groups."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from mindle.data.common.groups import Groups
from mindle.data.images import duplicates
from mindle.data.images.decoding.decode import examine
from mindle.data.images.duplicates import (
    PairsOfHashes,
    PairsOfVectors,
    alike,
    near_duplicates,
    perceptual_hashes,
)


def scene(seed: int, side: int = 160) -> Image.Image:
    """A picture with large shapes and some grain, as a photo has."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8)).resize((side, side), 2)
    grain = rng.normal(0, 8, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse) * 0.8 + 20 + grain, 0, 255).astype(np.uint8))


def thumbnail(image: Image.Image, quality: int = 92) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return examine(stream.getvalue()).thumbnail


def search(thumbnails: NDArray[np.uint8], kinds: NDArray[np.int64] | None = None) -> list[list[int]]:
    count = len(thumbnails)
    found = near_duplicates(
        thumbnails.__getitem__,
        perceptual_hashes(thumbnails),
        kinds=np.zeros(count, np.int64) if kinds is None else kinds,
        small=np.zeros(count, bool),
    )
    pairs: list[list[int]] = found.pairs.tolist()
    return pairs


def by_brute_force(hashes: NDArray[np.uint64], distance: int) -> list[list[int]]:
    return [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= distance
    ]


def pairs_within(hashes: NDArray[np.uint64], distance: int, most: int = 10**9) -> list[list[int]]:
    return found_near(hashes, np.zeros(len(hashes)), distance, most)


def found_near(
    hashes: NDArray[np.uint64], measure: NDArray[Any], distance: int, most: int = 10**9
) -> list[list[int]]:
    near = PairsOfHashes(
        hashes=hashes,
        vectors=measure[:, None].astype(np.float32),
        rows=np.arange(len(hashes)),
        distance=distance,
        reach=1,
        most=most,
    )
    return sorted(sorted(pair) for pairs in near.search() for pair in pairs.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(1, 12), st.integers(0, 60))
def test_pairs_are_those_of_a_comparison_of_all(seed: int, distance: int, flips: int, count: int) -> None:
    """Clusters of hashes that differ in up to `flips` bits, some equal, some with the highest bit set."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, max(1, count // 6), dtype=np.uint64, endpoint=False)
    hashes = rng.choice(centres, count)
    for position in range(count):
        for bit in rng.integers(0, 64, rng.integers(0, flips + 1)):
            hashes[position] ^= np.uint64(1) << np.uint64(bit)
    assert pairs_within(hashes, distance) == by_brute_force(hashes, distance)


def test_pairs_of_many_random_hashes() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 1500, dtype=np.uint64)
    hashes[700:750] = hashes[:50] ^ np.uint64(0b10000000001)
    assert pairs_within(hashes, 6) == by_brute_force(hashes, 6)
    with pytest.raises(ValueError, match="distance=40"):
        pairs_within(hashes, 40)


@pytest.mark.parametrize(
    ("change", "quality"),
    [
        (lambda image: image, 30),
        (lambda image: image.resize((53, 53)), 92),
        (lambda image: image.resize((400, 300)), 92),
        (lambda image: image.convert("L"), 92),
        (lambda image: ImageEnhance.Contrast(image).enhance(0.7), 92),
        (lambda image: ImageEnhance.Brightness(image).enhance(1.1), 92),
        (lambda image: image.crop((1, 1, 159, 159)), 92),
    ],
    ids=["quality 30", "a third", "squashed", "gray", "contrast", "brightness", "one pixel cut"],
)
def test_saved_again_is_the_same_picture(change: object, quality: int) -> None:
    originals = [scene(seed) for seed in range(12)]
    first = np.stack([thumbnail(image) for image in originals])
    second = np.stack([thumbnail(change(image), quality) for image in originals])  # type: ignore[operator]
    pairs = search(np.concatenate([first, second]))
    assert pairs == [[number, number + 12] for number in range(12)]


def test_other_pictures_are_not_alike() -> None:
    assert search(np.stack([thumbnail(scene(seed)) for seed in range(60)])) == []


def test_another_object_on_the_same_backdrop_is_another_picture() -> None:
    backdrop = np.add.outer(np.arange(32) * 5, np.arange(32) * 2).astype(np.uint8)
    first, second = backdrop.copy(), backdrop.copy()
    first[12:16, 12:16] = 255
    second[20:24, 4:8] = 255
    assert not alike(first[None], second[None])[0]
    assert alike(first[None], first[None] // 2 + 30)[0]


def test_flat_pictures_are_never_alike() -> None:
    flat = np.full((1, 32, 32), 200, np.uint8)
    assert not alike(flat, flat // 4)[0]
    assert search(np.concatenate([flat] * 40)) == []


def test_small_pictures_must_be_more_alike() -> None:
    rng = np.random.default_rng(1)
    first = np.kron(rng.integers(0, 200, (8, 8)), np.ones((4, 4)))
    second = first + np.kron(rng.normal(0, 9, (8, 8)), np.ones((4, 4)))  # correlation about 0.99
    a, b = first.astype(np.uint8)[None], np.clip(second, 0, 255).astype(np.uint8)[None]
    assert alike(a, b)[0]
    two, hashes, kinds = np.concatenate([a, b]), np.zeros(2, np.uint64), np.zeros(2, np.int64)
    for small, pairs in ((False, 1), (True, 0)):
        found = near_duplicates(two.__getitem__, hashes, kinds=kinds, small=np.array([small, False]))
        assert len(found.pairs) == pairs


def test_thousands_of_one_hash_are_chained_and_pairs_of_two_kinds_are_all_told() -> None:
    base = np.asarray(scene(3).convert("L").resize((32, 32)))
    rng = np.random.default_rng(0)
    frames = np.clip(base + rng.normal(0, 1, (1200, 32, 32)), 0, 255).astype(np.uint8)
    kinds = np.zeros(len(frames), np.int64)
    found = near_duplicates(
        frames.__getitem__, perceptual_hashes(frames), kinds=kinds, small=np.zeros(len(frames), bool)
    )
    groups = Groups(len(frames))
    groups.join(found.pairs)
    assert set(groups.roots().tolist()) == {0}
    assert len(found.pairs) < 100 * len(frames)  # all pairs would be 0.7 million
    kinds[7] = 1
    pairs = search(frames[:9], kinds[:9])
    assert any(7 in pair for pair in pairs)


def test_work_is_cut_short_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnails = np.stack([thumbnail(scene(0), quality) for quality in range(60, 95)])
    hashes = perceptual_hashes(thumbnails)
    kinds, small = np.arange(len(hashes)), np.zeros(len(hashes), bool)
    assert near_duplicates(thumbnails.__getitem__, hashes, kinds=kinds, small=small).complete
    monkeypatch.setattr(duplicates, "MOST_CONFIRMATIONS", 10)
    assert not near_duplicates(thumbnails.__getitem__, hashes, kinds=kinds, small=small).complete


def test_the_longest_runs_are_shortened_to_bound_the_comparisons() -> None:
    hashes = np.arange(400, dtype=np.uint64)  # nearly all blocks are equal everywhere
    assert 0 < len(pairs_within(hashes, 6, most=20_000)) < len(pairs_within(hashes, 6))


def test_only_pairs_within_reach_of_the_vectors_are_compared() -> None:
    measure = np.array([0, 1, 2.5, 3, 3.75])
    assert found_near(np.zeros(5, np.uint64), measure, distance=2) == [[0, 1], [2, 3], [3, 4]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(1, 10))
def test_pairs_of_vectors_are_those_of_a_comparison_of_all(seed: int, count: int, width: int) -> None:
    vectors = np.random.default_rng(seed).normal(0, 2, (count, width)).astype(np.float32)
    vectors = vectors[np.argsort(vectors[:, 0])]
    near = PairsOfVectors(vectors=vectors, rows=np.arange(count), reach=1.5, most=10**9)
    found = sorted(sorted(pair) for pairs in near.search() for pair in pairs.tolist())
    gaps = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert found == [[a, b] for a, b in np.argwhere(gaps <= 1.5).tolist() if a < b]


def test_the_hash_is_exact_and_keeps_its_value() -> None:
    """Written down once: another value would mean that other machines or versions group differently."""
    picture = (np.add.outer(np.arange(32) ** 2, 3 * np.arange(32)) % 251).astype(np.uint8)
    assert hex(int(perceptual_hashes(picture[None])[0])) == HASH


HASH = "0x501e4c76cbab1e65"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_connected_components(pairs: list[tuple[int, int]]) -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    groups = Groups(20)
    groups.join(np.array(pairs, np.int64).reshape(-1, 2))
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    graph = coo_matrix((np.ones(len(pairs)), (first, second)), shape=(20, 20))
    _, expected = connected_components(graph, directed=False)
    roots = groups.roots()
    leaders = {label: int(np.flatnonzero(expected == label).min()) for label in set(expected.tolist())}
    assert roots.tolist() == [leaders[label] for label in expected.tolist()]


@pytest.mark.shared
def test_real_studio_pictures_are_not_glued_together(shared) -> None:  # type: ignore[no-untyped-def]
    """TrashNet: hundreds of objects before one backdrop. The pairs that are found were looked at by eye."""
    files = sorted((shared / "data" / "trashnet-150" / "paper").iterdir())
    thumbnails = np.stack([examine(file.read_bytes()).thumbnail for file in files])
    pairs = search(thumbnails)
    named = {tuple(files[number].stem for number in pair) for pair in pairs}
    assert ("paper101", "paper108") in named
    assert ("paper185", "paper390") in named
    assert 8 <= len(pairs) <= 16
    groups = Groups(len(files))
    groups.join(np.array(pairs))
    assert np.unique(groups.roots(), return_counts=True)[1].max() <= 3
