"""What may happen to data after training: a corruption, its severities, and where chance comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")
Chance = TypeVar("Chance")


@dataclass(frozen=True, kw_only=True)
class Corruption(Generic[Item, Chance]):
    """One way in which data get worse.

    Attributes:
        name: A short word, such as "blur"; its name for people is in the catalogue.
        amounts: How much of it each severity is, the mildest first.
        change: Takes an item, an amount and where chance comes from; gives another item.
    """

    name: str
    amounts: tuple[float, ...]
    change: Callable[[Item, float, Chance], Item]

    @property
    def severities(self) -> range:
        """1 and so on, as many as there are amounts."""
        return range(1, len(self.amounts) + 1)

    def apply(self, item: Item, severity: int, chance: Chance) -> Item:
        """An item as it is at a severity; what was given stays as it is.

        Raises:
            ValueError: If there is no such severity.
        """
        if severity not in self.severities:
            raise ValueError(
                f"`severity` of {self.name} must lie in 1 to {len(self.amounts)}. Received {severity}."
            )
        return self.change(item, self.amounts[severity - 1], chance)


def generator_of(content: str, name: str, seed: int = 0) -> np.random.Generator:
    """The generator of what happens to one image or row, whatever others come with it and in which order.

    It is the same for all severities, so that a stronger one is more of the same.

    Args:
        content: The hash of the image or row.
        name: Of the corruption.
        seed: Another one gives other draws.

    Example:
        >>> generator_of("ab", "noise").random() == generator_of("ab", "noise").random()
        True
    """
    digest = hashlib.sha256(f"{seed}/{name}/{content}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
