"""Which language is spoken."""

from __future__ import annotations

import pytest

from mindle.messages import current_language, speaking


def test_a_call_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINDLE_LANG", raising=False)
    assert current_language() == "en"
    monkeypatch.setenv("MINDLE_LANG", "ko")
    assert current_language() == "ko"
    with speaking("en"):
        assert current_language() == "en"
        with speaking(None):
            assert current_language() == "en"
    assert current_language() == "ko"


def test_an_unknown_language() -> None:
    with pytest.raises(ValueError, match="Received lang='fr'"), speaking("fr"):
        pass
