"""Which pictures are the same picture: hashes that survive saving again, and a look at the pixels to be sure.

Two hashes propose pairs. That of waves (low frequencies) distinguishes photos well, but in soft pictures its
bits hang on grain; that of outlines (bright and dark blocks) is steady there, and says nothing about a small
object before a plain ground. What either proposes is confirmed on 32x32 thumbnails.

The constants were chosen by looking at every pair below the limits in photos of flowers, pets and waste
(6,977 files), and on copies made in code (saved at quality 10 and 30, at a third of the size, with other
brightness and contrast, a mark written across, borders cut):

- At a correlation of 0.975 no pair among the 6,977 that a person would call two pictures passes. At 0.96 two
  objects before one studio backdrop do.
- Where only the outlines are near, sheets of paper before one backdrop reach 0.987, and copies saved again
  0.998. Such pairs must reach 0.995.
- Pictures below 64 px a side hold little: two handwritten digits of 8x8 reach 0.990, with near outlines
  0.996. They must reach 0.995 and 0.999.

So, of 300 photos, 99 to 100 % of the copies are found that were saved at quality 10 or 30, shrunk to a third,
given less contrast, or lost a pixel at each side; 80 to 96 % of those made 30 % brighter; 34 to 69 % of those
that lost 2 % at each side. Mirrored, turned and further cut copies are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.groups import Groups

WAVE_DISTANCE = 6
OUTLINE_DISTANCE = 4
CORRELATION = 0.975
SMALL_SIDE = 64
# What a pair must reach where one is small, or only the outlines are near, and where both hold.
DOUBTFUL_CORRELATION = (CORRELATION, 0.995, 0.999)
# Largest difference of a 4x4 block of the thumbnails, in standard deviations: where one small object was
# exchanged for another before the same backdrop, the correlation stays high and this does not.
BLOCK_DIFFERENCE = 0.8
# Thumbnails flatter than this (gray values) have no structure to compare: any two would look alike.
FLAT_STD = 3.0

# Work is bounded whatever the data: a hundred thousand frames of one still camera are all alike.
MOST_COMPARISONS = 300_000_000  # of wave hashes, about 6 s on one core
MOST_OUTLINES = (
    10_000_000  # of outline hashes, which only fill gaps and collide by the million in silhouettes
)
MOST_CONFIRMATIONS = 1_000_000  # of thumbnails, about 40 s on one core
PER_HASH = 8  # neighbours among pictures of one hash that each is compared with
PER_PAIR = 2  # pictures of one hash that are compared with those of a near hash
_CHUNK = 1 << 20
_PAIR_CHUNK = 1 << 16
_CONFIRM_CHUNK = 1 << 12


Thumbnails = Callable[[NDArray[np.int64]], NDArray[np.uint8]]
"""Gives the thumbnails with some numbers, uint8 (n, 32, 32), so that few are in memory at a time."""


@dataclass(frozen=True, kw_only=True)
class NearDuplicates:
    """What the search found.

    Attributes:
        pairs: int64 (pair, 2), the first below the second; enough of them to join every group, and every
            pair whose kinds differ.
        complete: False where the pictures were so alike that the work was cut short.
    """

    pairs: NDArray[np.int64]
    complete: bool


# ----------------------------------------------------------------------------------------------- hashes


def _cosines() -> NDArray[np.float64]:
    """The nine lowest rows of the cosine transform of 32 values, as whole numbers.

    Whole numbers below 2**53 make every product and sum exact, so that the hash of a thumbnail is the same
    with every processor and matrix library.
    """
    order, place = np.arange(9)[:, None], np.arange(32)[None]
    waves: NDArray[np.float64] = np.rint(np.cos(np.pi * (2 * place + 1) * order / 64) * (1 << 14))
    return waves


def perceptual_hashes(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The 64-bit hash of each thumbnail: which low frequencies are stronger than their median.

    Shapes: thumbnails (n, 32, 32); result (n,).

    Source:
        The idea of comparing low cosine frequencies with their median: Zauner 2010, "Implementation and
        benchmarking of perceptual image hash functions", section 3.2; here without the constant term.

    Example:
        >>> picture = np.random.default_rng(0).integers(0, 200, (1, 32, 32), np.uint8)
        >>> bool(perceptual_hashes(picture) == perceptual_hashes(picture + 40))
        True
    """
    hashes = np.zeros(len(thumbnails), np.uint64)
    waves = _cosines()
    for start in range(0, len(thumbnails), 4096):
        pixels = thumbnails[start : start + 4096].astype(np.float64)
        spectrum = waves @ pixels @ waves.T  # (n, 9, 9)
        # 63 terms of the lowest 8x8 without the constant one, and one more to make 64.
        terms = np.concatenate([spectrum[:, :8, :8].reshape(-1, 64)[:, 1:], spectrum[:, :1, 8]], axis=1)
        hashes[start : start + 4096] = _above_median(terms)
    return hashes


def _above_median(values: NDArray[Any]) -> NDArray[np.uint64]:
    """The 64-bit hash of each row of 64 values, (n,): which of them are above their median."""
    bits = values > np.median(values, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def _count_bits(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """How many bits are set in each value (NumPy has this from version 2 on).

    Source: Warren, "Hacker's Delight", section 5-1.
    """
    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    values = (values & pairs) + ((values >> np.uint64(2)) & pairs)
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (values * np.uint64(0x0101010101010101)) >> np.uint64(56)


def distinct_pairs(
    hashes: NDArray[np.uint64], distance: int, most: int
) -> tuple[Iterator[NDArray[np.int64]], bool]:
    """Pairs of distinct hashes within a distance, in lots, some more than once; and whether it is all.

    The hash is cut into `distance // 2 + 1` bands; of two hashes within the distance, some band differs in
    at most one bit. So only hashes with equal or nearly equal bands are compared.

    Source:
        Norouzi, Punjani and Fleet 2012, "Fast search in Hamming space with multi-index hashing", section 2.
    """
    if not 0 <= distance <= 32:
        raise ValueError(f"`distance` must lie in 0 to 32 bits. Received distance={distance}.")
    edges = np.linspace(0, 64, distance // 2 + 2).astype(int).tolist()
    bands = [_band(hashes, low, high) for low, high in zip(edges[:-1], edges[1:], strict=True)]
    cap = _cap([counts for _, _, _, counts in bands], most)

    def search() -> Iterator[NDArray[np.int64]]:
        for order, elements, starts, counts in bands:
            for left, right in _expand(elements, starts, np.minimum(counts, cap)):
                a, b = order[left], order[right]
                near = _count_bits(hashes[a] ^ hashes[b]) <= distance
                yield np.stack([a[near], b[near]], axis=1)

    return search(), all(int(counts.max(initial=0)) <= cap for *_, counts in bands)


def _band(hashes: NDArray[np.uint64], low: int, high: int) -> tuple[NDArray[np.int64], ...]:
    """For each hash, in the order of one band's values, the runs of hashes to compare it with.

    Returns:
        order: The hashes sorted by the band.
        elements, starts, counts: Element `elements[i]` of that order is compared with the `counts[i]`
            elements from `starts[i]` on.
    """
    values = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
    order = np.argsort(values, kind="stable")
    values = values[order]
    everyone = np.arange(len(values))
    # Equal bands: everyone who comes later in the same run.
    elements, starts = [everyone], [everyone + 1]
    counts = [np.searchsorted(values, values, side="right") - everyone - 1]
    for bit in range(high - low):
        flag = np.uint64(1 << bit)
        lower = np.flatnonzero((values & flag) == 0)  # each pair is met from its smaller side only
        begin = np.searchsorted(values, values[lower] | flag, side="left")
        elements.append(lower)
        starts.append(begin)
        counts.append(np.searchsorted(values, values[lower] | flag, side="right") - begin)
    columns = [np.concatenate(parts) for parts in (elements, starts, counts)]
    used = columns[2] > 0
    return order, columns[0][used], columns[1][used], columns[2][used]


def _cap(counts: list[NDArray[np.int64]], most: int) -> int:
    """The longest run that each may be compared with, so that the comparisons stay below `most`."""
    every = np.concatenate(counts) if counts else np.zeros(0, np.int64)
    cap = int(every.max(initial=1))
    while cap > 1 and int(np.minimum(every, cap).sum()) > most:
        cap //= 2
    return cap


def _expand(
    elements: NDArray[np.int64], starts: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Write runs out as pairs of positions, about a million at a time."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        done = int(ends[begin - 1]) if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        count = counts[begin:stop]
        left = np.repeat(elements[begin:stop], count)
        offset = np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
        yield left, np.repeat(starts[begin:stop], count) + offset
        begin = stop


# ----------------------------------------------------------------------------------------- on the pixels


def alike(
    first: NDArray[np.uint8], second: NDArray[np.uint8], needed: NDArray[np.float64] | float = CORRELATION
) -> NDArray[np.bool_]:
    """Whether the thumbnails of each pair show the same picture, whatever its brightness and contrast.

    Shapes: first, second (pair, 32, 32); needed (pair,), the correlation that each must reach.

    Example:
        >>> ramp = np.arange(32 * 32).reshape(1, 32, 32) // 8
        >>> alike(ramp.astype(np.uint8), (ramp // 2 + 40).astype(np.uint8)).tolist()
        [True]
    """
    a, b = _normalised(first), _normalised(second)
    # Rounded, so that the last bits of a sum never decide.
    correlation = np.round((a * b).mean(axis=(1, 2)), 6)
    blocks = (a - b).reshape(len(a), 8, 4, 8, 4).mean(axis=(2, 4))  # (pair, 8, 8)
    local = np.round(np.abs(blocks).max(axis=(1, 2), initial=0.0), 6)
    structured = np.minimum(_std(first), _std(second)) >= FLAT_STD
    same: NDArray[np.bool_] = (correlation >= needed) & (local <= BLOCK_DIFFERENCE) & structured
    return same


def _std(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = thumbnails.astype(np.float64).std(axis=(1, 2))
    return spread


def _normalised(thumbnails: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean 0 and standard deviation 1 for each thumbnail."""
    pixels = thumbnails.astype(np.float64)
    pixels -= pixels.mean(axis=(1, 2), keepdims=True)
    pixels /= np.maximum(pixels.std(axis=(1, 2), keepdims=True), 1e-9)
    return pixels


def near_duplicates(
    thumbnails: Thumbnails,
    hashes: NDArray[np.uint64],
    *,
    kinds: NDArray[np.int64],
    small: NDArray[np.bool_],
) -> NearDuplicates:
    """Find the pictures that are the same but for how they were saved, in time that grows like their number.

    Args:
        thumbnails: Gives those of some pictures; a few thousand are asked for at a time.
        hashes: Their `perceptual_hashes`.
        kinds: A number an image, such as label and split; pairs of different kinds are all confirmed, pairs
            of one kind only until their group is joined.
        small: Whether the picture is below 64 px a side.

    Example:
        >>> ramp = (np.arange(32 * 32).reshape(1, 32, 32) // 8).astype(np.uint8)
        >>> three = np.concatenate([ramp, 255 - ramp, ramp // 2])
        >>> hashes, alone, large = perceptual_hashes(three), np.zeros(3, np.int64), np.zeros(3, bool)
        >>> near_duplicates(three.__getitem__, hashes, kinds=alone, small=large).pairs.tolist()
        [[0, 2]]
    """
    blocks, outlines = _blocks(thumbnails, len(hashes))
    groups = Groups(len(hashes))
    found = [np.zeros((0, 2), np.int64)]  # a pair can be found in several bands
    confirmations = 0
    waves, complete = _candidates(hashes, outlines, WAVE_DISTANCE, MOST_COMPARISONS)
    lots = chain(waves, _candidates(outlines, hashes, OUTLINE_DISTANCE, MOST_OUTLINES)[0])
    for pairs in (
        lot[start : start + _PAIR_CHUNK] for lot in lots for start in range(0, len(lot), _PAIR_CHUNK)
    ):
        roots = groups.roots()
        a, b = pairs[:, 0], pairs[:, 1]
        pairs = pairs[(roots[a] != roots[b]) | (kinds[a] != kinds[b])]
        needed = _needed(hashes, small, pairs)
        possible = _can_be_alike(blocks, pairs, needed)
        pairs, needed = pairs[possible], needed[possible]
        confirmations += len(pairs)
        if confirmations > MOST_CONFIRMATIONS:
            return NearDuplicates(pairs=np.unique(np.concatenate(found), axis=0), complete=False)
        for start in range(0, len(pairs), _CONFIRM_CHUNK):
            part = pairs[start : start + _CONFIRM_CHUNK]
            limits = needed[start : start + _CONFIRM_CHUNK]
            part = part[alike(thumbnails(part[:, 0]), thumbnails(part[:, 1]), limits)]
            groups.join(part)
            found.append(np.sort(part, axis=1))
    return NearDuplicates(pairs=np.unique(np.concatenate(found), axis=0), complete=complete)


def _blocks(thumbnails: Thumbnails, count: int) -> tuple[NDArray[np.float32], NDArray[np.uint64]]:
    """Means of the 4x4 blocks of every normalised thumbnail, (n, 64), and the outline hashes, (n,)."""
    means, outlines = np.zeros((count, 64), np.float32), np.zeros(count, np.uint64)
    for start in range(0, count, _CONFIRM_CHUNK):
        rows = np.arange(start, min(start + _CONFIRM_CHUNK, count))
        pixels = thumbnails(rows)
        grid = pixels.reshape(-1, 8, 4, 8, 4)
        outlines[rows] = _above_median(grid.sum(axis=(2, 4), dtype=np.int64).reshape(-1, 64))
        means[rows] = _normalised(pixels).reshape(grid.shape).mean(axis=(2, 4)).reshape(-1, 64)
    return means, outlines


def _needed(
    hashes: NDArray[np.uint64], small: NDArray[np.bool_], pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The correlation that each pair must reach."""
    a, b = pairs[:, 0], pairs[:, 1]
    doubts = (small[a] | small[b]).astype(int) + (_count_bits(hashes[a] ^ hashes[b]) > WAVE_DISTANCE)
    needed: NDArray[np.float64] = np.array(DOUBTFUL_CORRELATION)[doubts]
    return needed


def _can_be_alike(
    blocks: NDArray[np.float32], pairs: NDArray[np.int64], needed: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Whether the block means leave open that the pixels are alike; cheap, and never wrong to say no.

    The mean squared difference of normalised pixels is 2 (1 - correlation), and that of block means is at
    most as large.
    """
    gap = blocks[pairs[:, 0]] - blocks[pairs[:, 1]]
    # A little room for the rounding of 32-bit sums.
    possible: NDArray[np.bool_] = (gap * gap).mean(axis=1) <= 2 * (1 - needed) + 1e-4
    return possible


def _candidates(
    hashes: NDArray[np.uint64], others: NDArray[np.uint64], distance: int, most: int
) -> tuple[Iterator[NDArray[np.int64]], bool]:
    """Pairs of pictures with near hashes; and whether all of them.

    Pictures of one hash are compared with their neighbours only, so that a thousand of them cost a few
    thousand comparisons; the other hash puts those next to each other that are most alike.
    """
    order = np.lexsort((others, hashes))
    distinct, starts, counts = np.unique(hashes[order], return_index=True, return_counts=True)
    lots, complete = distinct_pairs(distinct, distance, most)
    ends = np.repeat(starts + counts, counts)
    used = np.minimum(counts, PER_PAIR)

    def search() -> Iterator[NDArray[np.int64]]:
        for step in range(1, PER_HASH + 1):
            here = np.flatnonzero(np.arange(len(order)) + step < ends)
            yield np.stack([order[here], order[here + step]], axis=1)
        for pairs in lots:
            a, b = pairs[:, 0], pairs[:, 1]
            times = used[a] * used[b]
            which = np.repeat(np.arange(len(pairs)), times)
            offset = np.arange(len(which)) - np.repeat(np.cumsum(times) - times, times)
            first = starts[a][which] + offset // used[b][which]
            second = starts[b][which] + offset % used[b][which]
            yield np.stack([order[first], order[second]], axis=1)

    return search(), complete
