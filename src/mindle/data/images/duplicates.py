"""Which pictures are the same picture: hashes that survive saving again, and a look at the pixels to be sure.

Pictures with near hashes are compared on 32x32 thumbnails. The hash of waves (low frequencies) distinguishes
photos well, but in soft pictures its bits hang on grain; that of outlines (bright and dark blocks) is steady
there, and says nothing about a small object before a plain ground, so that more is asked of such pairs. Their
thumbnails are so near that they are found by these, and the others by the hash of waves.

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

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.groups import Groups
from mindle.data.images.pixels import in_threads

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
MOST_COMPARISONS = 300_000_000  # in either search, about 10 s on one core
PER_PICTURE = 2_000  # comparisons of each, where that is more
MOST_CONFIRMATIONS = 1_000_000  # of thumbnails, about 10 s on one core
PER_HASH = 8  # neighbours among pictures of one hash that are looked at first
PER_GROUP = 2  # pictures of one hash and one group that are compared with others
_CHUNK = 1 << 16
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, near 2**64 over the golden ratio
_LOT = 1 << 10
_MANY = 100_000  # pictures, whose vectors would take 13 MB
_CELLS = 6  # numbers of a vector that are cut into cells where there are many pictures
_PARTS = (4, 16)  # numbers of a vector that are compared before all: most pairs fall there


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
    for start in range(0, len(thumbnails), _LOT):
        pixels = thumbnails[start : start + _LOT].astype(np.float64)
        along = (pixels.reshape(-1, 32) @ waves.T).reshape(-1, 32, 9)  # two large products, not n small ones
        spectrum = (along.transpose(0, 2, 1).reshape(-1, 32) @ waves.T).reshape(-1, 9, 9).transpose(0, 2, 1)
        # 63 terms of the lowest 8x8 without the constant one, and one more to make 64.
        terms = np.concatenate([spectrum[:, :8, :8].reshape(-1, 64)[:, 1:], spectrum[:, :1, 8]], axis=1)
        hashes[start : start + _LOT] = _above_median(terms)
    return hashes


def _above_median(values: NDArray[Any]) -> NDArray[np.uint64]:
    """The 64-bit hash of each row of 64 values, (n,): which of them are above their median."""
    bits = values > np.median(values, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def _count_bits(values: NDArray[np.uint64]) -> NDArray[Any]:
    """How many bits are set in each value.

    Source: Warren, "Hacker's Delight", section 5-1; NumPy has it from version 2 on.
    """
    if hasattr(np, "bitwise_count"):
        counted: NDArray[Any] = np.bitwise_count(values)
        return counted
    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    values = (values & pairs) + ((values >> np.uint64(2)) & pairs)
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (values * np.uint64(0x0101010101010101)) >> np.uint64(56)


@dataclass(kw_only=True)
class Pairs:
    """The pairs of vectors that are within reach of each other, and have something in common.

    There are tables of keys, such that what two of a pair have in common gives them one key in some table.
    Those of one key are compared whose vectors begin with near numbers.

    Attributes:
        vectors: (n, d), in the order of their first numbers; the first numbers of each should differ most.
        rows: Which to compare, ascending.
        reach: The largest length of a difference of two vectors.
        most: How many pairs may be compared; where there are more, each only with those that come next.
        complete: Whether all were compared so far.
    """

    vectors: NDArray[np.floating[Any]]
    rows: NDArray[np.int64]
    reach: float
    most: int
    complete: bool = True

    @property
    def tables(self) -> list[tuple[int, ...]]:
        """What distinguishes the tables."""
        raise NotImplementedError

    def keys(self, table: tuple[int, ...]) -> NDArray[np.uint64]:
        """The key of every vector, (n,)."""
        raise NotImplementedError

    def is_first(
        self, table: tuple[int, ...], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Which pairs of one key are met in no table before."""
        raise NotImplementedError

    @cached_property
    def last(self) -> NDArray[np.uint64]:
        """(n,) the last place whose vector begins within reach of each."""
        first = self.vectors[:, 0].astype(np.float32)
        return (np.searchsorted(first, first + np.float32(self.reach), side="right") - 1).astype(np.uint64)

    @cached_property
    def parts(self) -> list[NDArray[np.floating[Any]]]:
        """The beginnings of the vectors, and all: a part of a difference is never longer than the whole."""
        parts: list[NDArray[Any]] = []
        for width, dtype in zip(_PARTS, (np.dtype(np.float32), self.vectors.dtype), strict=True):
            beginnings = self.vectors[:, :width]
            parts.append(_zeros(len(beginnings), beginnings.shape[1], dtype))
            parts[-1][:] = beginnings
        return [*parts, self.vectors]

    def estimate(self) -> int:
        """About how many pairs will be compared, with the sorting as so many more."""
        return len(self.tables) * (int(self._runs(self.tables[0])[1].sum()) + len(self.rows))

    def search(self) -> Iterator[NDArray[np.int64]]:
        """The pairs in lots, each pair once."""
        return in_threads(self._near, self._lots())

    def _lots(self) -> Iterator[tuple[tuple[int, ...], NDArray[np.int64], NDArray[np.int64]]]:
        """What to compare, some ten thousand pairs at a time, with the table that gives them one key."""
        for table in self.tables:
            order, counts = self._runs(table)
            cap = _cap(counts, self.most // len(self.tables))
            self.complete &= int(counts.max(initial=0)) <= cap
            for left, right in _expand(np.minimum(counts, cap)):
                yield table, order[left], order[right]

    def _near(self, lot: tuple[tuple[int, ...], NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.int64]:
        """The pairs that a table is the first to find."""
        table, a, b = lot
        for part in self.parts:
            near = np.flatnonzero(_squares(part, a, b) <= self.reach**2)
            a, b = a[near], b[near]
        first = self.is_first(table, a, b)
        return np.stack([a[first], b[first]], axis=1)

    def _runs(self, table: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows sorted by key, and with how many that follow each is to be compared."""
        low = np.uint64((1 << len(self.vectors).bit_length()) - 1)
        # Spread over the high bits, with the row in the low ones: faster than sorting rows by keys.
        both = self.keys(table)[self.rows]
        both *= _SPREAD
        both &= ~low
        both |= self.rows.view(np.uint64)
        both.sort()
        order = (both & low).view(np.int64)
        end = self.last[order]
        end |= both & ~low
        counts = np.zeros(len(both), np.int64)
        some = np.flatnonzero(both[1:] <= end[:-1])
        counts[some] = np.searchsorted(both, end[some], side="right") - some - 1
        return order, counts


@dataclass(kw_only=True)
class PairsOfHashes(Pairs):
    """Pairs whose hashes are within a distance.

    The hash is cut into blocks. Of two hashes within the distance, no more than `distance` blocks differ, so
    that there is a table for each choice of blocks that are equal.

    Attributes:
        hashes: uint64 (n,).
        distance: Bits, 0 to 32.

    Source:
        Manku, Jain and Das Sarma 2007, "Detecting near-duplicates for web crawling", section 3.
    """

    hashes: NDArray[np.uint64]
    distance: int

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= 32:
            raise ValueError(f"`distance` must lie in 0 to 32 bits. Received distance={self.distance}.")

    @cached_property
    def tables(self) -> list[tuple[int, ...]]:
        """The choices of equal blocks: so many that those of one key by chance are few."""
        wanted, equal = min(32, math.log2(max(2, len(self.rows))) + 1), 1
        while 64 * equal / (equal + self.distance) < wanted and math.comb(equal + self.distance, equal) < 200:
            equal += 1
        return list(combinations(range(equal + self.distance), equal))

    @cached_property
    def masks(self) -> list[np.uint64]:
        """The bits of each block: they are dealt out in turn, because neighbours depend on each other."""
        count = len(self.tables[0]) + self.distance
        return [np.uint64(sum(1 << bit for bit in range(block, 64, count))) for block in range(count)]

    def keys(self, table: tuple[int, ...]) -> NDArray[np.uint64]:
        """The bits of the table's blocks."""
        return self.hashes & np.uint64(sum(int(self.masks[block]) for block in table))

    def is_first(
        self, table: tuple[int, ...], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Those within the distance that differ in the blocks that the table skips before its last."""
        differ = self.hashes[a] ^ self.hashes[b]
        first = _count_bits(differ) <= self.distance
        for block in set(range(table[-1])) - set(table):
            first &= differ & self.masks[block] != 0
        return first


@dataclass(kw_only=True)
class PairsOfVectors(Pairs):
    """All pairs within reach: each of the next numbers is cut into cells, in two ways, half a cell apart.

    A cell is twice as wide as the reach, so that two numbers within it share a cell in one of both ways.
    """

    @cached_property
    def tables(self) -> list[tuple[int, ...]]:
        """The ways of cutting each number."""
        numbers = min(_CELLS, len(self.rows).bit_length() // 3, self.vectors.shape[1] - 1)
        return list(product((0, 1), repeat=numbers))

    @cached_property
    def cells(self) -> list[list[NDArray[np.uint8]]]:
        """The cell of each vector, (n,), for each way of cutting each number."""
        numbers = self.vectors[:, 1 : 1 + len(self.tables[0])].T.astype(np.float32) / (2 * self.reach)
        return [
            [np.floor(each + 0.5 * way).astype(np.int8).view(np.uint8) for way in (0, 1)] for each in numbers
        ]

    def keys(self, table: tuple[int, ...]) -> NDArray[np.uint64]:
        """The cells of the numbers, a byte each."""
        keys = np.zeros((len(self.vectors), 8), np.uint8)
        for place, (way, cells) in enumerate(zip(table, self.cells, strict=True)):
            keys[:, place] = cells[way]
        return keys.view(np.uint64)[:, 0]

    def is_first(
        self, table: tuple[int, ...], a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Those that share no cell in the first way where the table takes the second."""
        first = np.ones(len(a), bool)
        for way, (cells, _) in zip(table, self.cells, strict=True):
            if way:
                first &= cells[a] != cells[b]
        return first


def _squares(
    vectors: NDArray[np.floating[Any]], a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The squared length of the difference of each pair, (pair,)."""
    # Five times as fast as indexing.
    gaps = vectors.take(a, axis=0).astype(np.float32) - vectors.take(b, axis=0).astype(np.float32)
    lengths: NDArray[np.float32] = np.einsum("nd,nd->n", gaps, gaps)
    return lengths


def _cap(counts: NDArray[np.int64], most: int) -> int:
    """The longest run that each may be compared with, so that the comparisons stay below `most`."""
    cap = int(counts.max(initial=1))
    while cap > 1 and int(np.minimum(counts, cap).sum()) > most:
        cap //= 2
    return cap


def _expand(counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of each position with as many that follow it, a few ten thousand at a time."""
    positions = np.flatnonzero(counts)
    ends = np.cumsum(counts[positions])
    begin = 0
    while begin < len(positions):
        done = int(ends[begin - 1]) if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        some = positions[begin:stop]
        count = counts[some]
        left = np.repeat(some, count)
        first = np.repeat(np.cumsum(count) - count, count)
        yield left, left + 1 + np.arange(len(left)) - first
        begin = stop


# ----------------------------------------------------------------------------------------- on the pixels


@dataclass(frozen=True, kw_only=True)
class _Gray:
    """What is known of the gray values of thumbnails, from whole sums, so that it is the same everywhere.

    Attributes:
        totals: (n,), the sum of each.
        std: (n,), the standard deviation of each.
        outlines: uint64 (n,), which 4x4 blocks are above the median.
        blocks: (n, 64), the means of the 4x4 blocks once mean and standard deviation are 0 and 1.
    """

    totals: NDArray[np.float64]
    std: NDArray[np.float64]
    outlines: NDArray[np.uint64]
    blocks: NDArray[np.float64]


def _gray(pixels: NDArray[np.float32]) -> _Gray:
    """Shape: pixels (n, 32, 32). Sums of so few bytes are exact in 32 bits, in whatever order."""
    rows = pixels.reshape(-1, 8, 4, 32).sum(axis=2)
    blocks = (rows[:, :, ::4] + rows[:, :, 1::4] + rows[:, :, 2::4] + rows[:, :, 3::4]).reshape(-1, 64)
    totals = blocks.sum(axis=1, dtype=np.float64)
    std = np.sqrt(1024 * _products(pixels, pixels) - totals**2) / 1024
    normalised = (blocks / 16 - totals[:, None] / 1024) / np.maximum(std, 1e-9)[:, None]
    return _Gray(totals=totals, std=std, outlines=_above_median(blocks), blocks=normalised)


def _frequencies() -> NDArray[np.float64]:
    """The cosine transform of 8x8 values without its constant term, (value, frequency); lengths stay."""
    order, place = np.arange(8)[:, None], np.arange(8)[None]
    waves = np.cos(np.pi * (2 * place + 1) * order / 16) * np.where(order, 0.5, math.sqrt(0.125))
    frequencies: NDArray[np.float64] = np.kron(waves, waves)[1:].T
    return frequencies


def _products(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sum of the products of the gray values of each pair, (pair,), exact."""
    rows: NDArray[np.float32] = np.einsum("nij,nij->ni", first, second)
    products: NDArray[np.float64] = rows.sum(axis=1, dtype=np.float64)
    return products


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
    pixels = first.astype(np.float32), second.astype(np.float32)
    a, b = map(_gray, pixels)
    spread = np.maximum(a.std, 1e-9) * np.maximum(b.std, 1e-9)
    # Rounded, so that the last bits of a quotient never decide.
    correlation = np.round((_products(*pixels) / 1024 - a.totals * b.totals / 1024**2) / spread, 6)
    local = np.round(np.abs(a.blocks - b.blocks).max(axis=1, initial=0.0), 6)
    structured = np.minimum(a.std, b.std) >= FLAT_STD
    same: NDArray[np.bool_] = (correlation >= needed) & (local <= BLOCK_DIFFERENCE) & structured
    return same


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
    search = _Search(thumbnails, hashes, kinds, small)
    del hashes, kinds, small  # the search has them in its own order
    search.look_at_equals()
    search.look_at_near()
    pairs = search.order[np.concatenate([np.zeros((0, 2), np.int64), *search.found])]
    return NearDuplicates(pairs=np.unique(np.sort(pairs, axis=1), axis=0), complete=search.complete)


class _Search:
    """Pairs are proposed by one kind of hash after the other, confirmed, and joined.

    Attributes:
        vectors: float16 (n, 63), the frequencies of the block means, those that differ most first.
        order: The pictures by the first of them; all else follows this order.
    """

    def __init__(
        self,
        thumbnails: Thumbnails,
        hashes: NDArray[np.uint64],
        kinds: NDArray[np.int64],
        small: NDArray[np.bool_],
    ) -> None:
        count = len(hashes)
        outlines, vectors = np.zeros(count, np.uint64), _zeros(count, 63, np.dtype(np.float16))
        structured, frequencies = np.zeros(count, bool), _frequencies()
        for start in range(0, count, _LOT):
            rows = np.arange(start, min(start + _LOT, count))
            gray = _gray(thumbnails(rows).astype(np.float32))
            outlines[rows], vectors[rows] = gray.outlines, gray.blocks @ frequencies
            structured[rows] = gray.std >= FLAT_STD
        self.order = _arrange(vectors)
        self.vectors, self.outlines = vectors, outlines[self.order]
        self.structured = structured[self.order]
        self.waves, self.kinds, self.small = hashes[self.order], kinds[self.order], small[self.order]
        self.thumbnails = thumbnails
        self.groups = Groups(count)
        self.found: list[NDArray[np.int64]] = []
        self.confirmations, self.complete = 0, True

    def look_at_equals(self) -> None:
        """Join most of those of one hash with their neighbours, so that thousands cost a few thousand."""
        for hashes in (self.waves, self.outlines):
            order = np.argsort(hashes, kind="stable")
            order = order[self.structured[order]]
            for step in range(1, PER_HASH + 1):
                equal = np.flatnonzero(hashes[order[:-step]] == hashes[order[step:]])
                self._confirm(np.stack([order[equal], order[equal + step]], axis=1))

    def look_at_near(self) -> None:
        """Pairs that correlate so much that near outlines are enough, then those that have near waves."""
        compared = self._compared(self.outlines, DOUBTFUL_CORRELATION[1])
        # Vectors distinguish photos and silhouettes, where outlines repeat; outlines distinguish noise.
        cheaper: Pairs = min(
            PairsOfVectors(**compared),
            PairsOfHashes(hashes=self.outlines, distance=OUTLINE_DISTANCE, **compared),
            key=Pairs.estimate,
        )
        self._look(cheaper)
        small, all_found = bool(self.small.all()), isinstance(cheaper, PairsOfVectors)
        del compared, cheaper  # each holds what it compared
        if not (small and all_found):  # small ones must correlate so that they were found already
            compared = self._compared(self.waves, DOUBTFUL_CORRELATION[small])
            self._look(PairsOfHashes(hashes=self.waves, distance=WAVE_DISTANCE, **compared))

    def _look(self, near: Pairs) -> None:
        waiting = np.zeros((0, 2), np.int64)  # so many at a time that finding their groups costs little
        for pairs in near.search():
            if len(pairs):
                waiting = np.concatenate([waiting, pairs])
            if len(waiting) > _CHUNK:
                self._confirm(waiting)
                waiting = waiting[:0]
        self._confirm(waiting)
        self.complete &= near.complete

    def _compared(self, hashes: NDArray[np.uint64], correlation: float) -> dict[str, Any]:
        """What to compare: pictures with structure; a few for those of one hash, kind and group."""
        columns = (self.kinds, self.groups.roots(), hashes)
        rows = np.lexsort(columns)
        rows = rows[self.structured[rows]]
        same = [values[rows[PER_GROUP:]] == values[rows[:-PER_GROUP]] for values in columns]
        rows = np.sort(np.concatenate([rows[:PER_GROUP], rows[PER_GROUP:][~np.all(same, axis=0)]]))
        most = max(MOST_COMPARISONS, PER_PICTURE * len(rows))
        return {"vectors": self.vectors, "rows": rows, "reach": math.sqrt(_room(correlation)), "most": most}

    def _confirm(self, pairs: NDArray[np.int64]) -> None:
        """Join the pairs that are alike; of one kind only those that are not joined yet."""
        for start in range(0, len(pairs), _CHUNK):
            some, roots = pairs[start : start + _CHUNK], self.groups.roots()
            differ = [values[some[:, 0]] != values[some[:, 1]] for values in (roots, self.kinds)]
            some = some[np.any(differ, axis=0)]
            needed = self._needed(some)
            possible = _squares(self.vectors, *some.T) <= _room(needed)
            some, needed = some[possible], needed[possible]
            room = max(0, MOST_CONFIRMATIONS - self.confirmations)
            self.complete &= len(some) <= room
            self.confirmations += len(some)
            for at in range(0, min(room, len(some)), _LOT):
                self._join(some[at : min(room, at + _LOT)], needed[at : min(room, at + _LOT)])

    def _join(self, pairs: NDArray[np.int64], needed: NDArray[np.float64]) -> None:
        first, second = (self.thumbnails(self.order[side]) for side in pairs.T)
        same = pairs[alike(first, second, needed)]
        self.groups.join(same)
        self.found.append(same)

    def _needed(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """The correlation that each pair must reach; more than any where neither hash is near."""
        waves, outlines = (_differing(hashes, pairs) for hashes in (self.waves, self.outlines))
        doubts = self.small[pairs].any(axis=1).astype(int) + (waves > WAVE_DISTANCE)
        doubts[(waves > WAVE_DISTANCE) & (outlines > OUTLINE_DISTANCE)] = -1
        needed: NDArray[np.float64] = np.array([*DOUBTFUL_CORRELATION, 2.0])[doubts]
        return needed


def _differing(hashes: NDArray[np.uint64], pairs: NDArray[np.int64]) -> NDArray[Any]:
    """In how many bits the hashes of each pair differ, (pair,)."""
    return _count_bits(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])


def _zeros(count: int, width: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """Room for so many vectors: in a file without a name where they are many, so that memory stays free."""
    if count >= _MANY and hasattr(os, "posix_fallocate"):
        with (
            suppress(OSError),
            tempfile.TemporaryFile() as file,
        ):  # a full disk shows here and at no later write
            os.posix_fallocate(file.fileno(), 0, count * width * kind.itemsize)
            return np.memmap(file, kind, "r+", shape=(count, width)).view(np.ndarray)
    return np.zeros((count, width), kind)


def _arrange(vectors: NDArray[np.float16]) -> NDArray[np.int64]:
    """Put the numbers that differ most first and the vectors in the order of these, in place: they are many.

    Returns:
        Where each vector was before.
    """
    lots = [slice(start, start + _CHUNK) for start in range(0, len(vectors), _CHUNK)]
    squares = sum((vectors[lot].astype(np.float32) ** 2).sum(axis=0) for lot in lots)
    columns = np.argsort(-np.broadcast_to(squares, vectors.shape[1:]), kind="stable")
    for lot in lots:
        vectors[lot] = vectors[lot][:, columns]
    order = np.argsort(vectors[:, 0], kind="stable")
    for start in range(0, vectors.shape[1], 8):
        vectors[:, start : start + 8] = vectors[order, start : start + 8]
    return order


def _room(needed: Any) -> Any:
    """The largest squared distance of the vectors of two pictures that correlate so.

    The mean squared difference of normalised pixels is 2 (1 - correlation), and that of block means is at
    most as large; with a little room for the rounding of 16-bit numbers.
    """
    return 64 * (2 * (1 - needed) + 5e-4)
