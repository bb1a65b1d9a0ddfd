"""Data whose truth is a class."""

from __future__ import annotations

import mindle.data
from mindle.data.common.classification import ClassificationData


def test_truths_are_named_and_counted() -> None:
    digits, task = mindle.data.read("digits"), ClassificationData()
    assert task.text(digits, 0) == digits.classes[digits.labels[0]]
    assert task.summary(digits, range(len(digits))).endswith(" and 2 more classes")
    assert task.spread(digits) == 0
    task.require_drawable(digits, 5)
