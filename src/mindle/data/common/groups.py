"""Rows that must stay on one side of a split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP_FRACTION = 0.02  # a group of more of the data than that is none that a split keeps together
GROUP_LEAST = 5  # 2 % of a small data set is less than a pair: as many are always kept together


class Groups:
    """Which of `count` things belong together, as pairs of them are joined (union-find).

    Example:
        >>> groups = Groups(4)
        >>> groups.join(np.array([[0, 2], [2, 3]]))
        >>> groups.roots().tolist()
        [0, 1, 0, 0]
    """

    def __init__(self, count: int) -> None:
        self._parents = np.arange(count)

    def join(self, pairs: NDArray[np.integer[Any]]) -> None:
        """Put the two of each pair into one group."""
        parents = self._parents
        for first, second in pairs.tolist():
            a, b = self._root(first), self._root(second)
            # The smaller index leads, so that the leader does not depend on the order of joining.
            parents[max(a, b)] = min(a, b)

    def _root(self, index: int) -> int:
        parents = self._parents
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = int(parents[index])
        return index

    def roots(self) -> NDArray[np.int64]:
        """The smallest index of each thing's group."""
        while True:
            shorter = self._parents[self._parents]
            if np.array_equal(shorter, self._parents):
                return self._parents
            self._parents = shorter


def bind_groups(
    names: Sequence[str], bound: Iterable[Sequence[int]], contents: Sequence[str]
) -> tuple[str, ...]:
    """Join the groups that came with the data and those that were found.

    Args:
        names: Group of each row, or "".
        bound: Rows that belong together.
        contents: Hash of each row's content, which names a group that was found, whatever the order of rows.

    Returns:
        Group of each row, or "".

    Example:
        >>> bind_groups(["", "a", "", ""], [[0, 1], [2, 3]], ["x", "y", "z", "z"])
        ('a', 'a', 'alike-z', 'alike-z')
    """
    joined = list(names)
    groups = Groups(len(joined))
    leaders: dict[str, int] = {}
    pairs = [(leaders.setdefault(name, row), row) for row, name in enumerate(joined) if name]
    pairs += [(rows[0], row) for rows in bound for row in rows[1:]]
    groups.join(np.array(pairs, np.int64).reshape(-1, 2))
    members: dict[int, list[int]] = defaultdict(list)
    roots = groups.roots()
    for row in np.flatnonzero(np.bincount(roots, minlength=len(roots))[roots] > 1).tolist():
        members[int(roots[row])].append(row)
    for rows in members.values():
        given = sorted({joined[row] for row in rows} - {""})
        name = given[0] if given else "alike-" + min(contents[row] for row in rows)[:16]
        for row in rows:
            joined[row] = name
    return tuple(joined)


def group_numbers(groups: Sequence[str], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for the group of each of some rows; a row without a group has its own.

    Example:
        >>> group_numbers(("b", "", "a", "b"), np.arange(4)).tolist()
        [2, 0, 1, 2]
    """
    names = [groups[row] or f"\0{row}" for row in rows.tolist()]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
