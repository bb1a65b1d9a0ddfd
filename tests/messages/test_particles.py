"""Korean particles agree with names that a user chose."""

from __future__ import annotations

import pytest

from mindle.messages import with_particles


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("'고양이'을(를)", "'고양이'를"),
        ("'꽃'을(를)", "'꽃'을"),
        ("서울(으)로", "서울로"),
        ("집(으)로", "집으로"),
        ("학교(으)로", "학교로"),
        ("10은(는)", "10은"),
        ("12은(는)", "12는"),
        ("93.5%이(가)", "93.5%가"),
        ("cat과(와) dog", "cat과 dog"),
        ("daisy은(는)", "daisy는"),
        ("tulip은(는)", "tulip은"),
        ("CNN이(가)", "CNN이"),
        ("'CSV'(으)로", "'CSV'로"),
        ("model(으)로", "model로"),
        ("image을(를)", "image를"),
        ("file은(는)", "file은"),
        ("'rose'(이)라", "'rose'라"),
        ("민들레이(가) 아니라 (이)", "민들레가 아니라 (이)"),
    ],
)
def test_particles(written: str, said: str) -> None:
    assert with_particles(written) == said
