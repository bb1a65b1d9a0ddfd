"""Settings: each stands with its range, and one check reads it."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from mindle.training.settings import (
    AugmentSettings,
    CountOr,
    ModelSettings,
    ProbeSettings,
    Range,
    Setting,
    TableSettings,
    TrainSettings,
    settings_of,
)

RECORDS = (AugmentSettings, ModelSettings, ProbeSettings, TableSettings, TrainSettings)
RANGED = [
    pytest.param(record, setting, rule, id=f"{record.__name__}.{setting.name}")
    for record in RECORDS
    for setting in settings_of(record)
    for rule in setting.rules
    if isinstance(rule, Range)
]


@pytest.mark.parametrize(("record", "setting", "rule"), RANGED)
def test_every_range_is_held_at_both_ends(record: type[Any], setting: Setting, rule: Range) -> None:
    def made(value: float) -> Any:
        return record(**{setting.name: (value,) if setting.member else value})

    assert made(rule.low)
    for outside in (rule.low - 1, rule.high if rule.below else rule.high + 1, math.nan):
        with pytest.raises(ValueError, match=rf"`{setting.name}` must lie in .*{setting.name}={outside}"):
            made(outside)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"trainable": True}, r'`trainable` must be "all" or a number of stages. Received trainable=True'),
        ({"trainable": -1}, r"`trainable` must lie in 0 to 1e\+06. Received trainable=-1"),
        ({"pooling": "mean"}, r"`pooling` must be one of none, avg, max, both. Received pooling='mean'"),
    ],
)
def test_words_and_counts_are_checked(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ModelSettings(**changed)


def test_the_values_of_a_setting_are_told_in_words() -> None:
    allowed = {setting.name: setting.allowed for setting in settings_of(TrainSettings)}
    assert allowed["balance"] == "none, weights, sampling, smote, auto"
    assert (allowed["momentum"], allowed["l1"], allowed["shuffle"]) == ("[0, 1)", "0 to 1000", "")
    assert str(CountOr("auto", "views", 100)) == "auto, or 0 to 100"


def test_settings_cannot_be_changed_after_the_check() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainSettings().epochs = 0  # type: ignore[misc]
