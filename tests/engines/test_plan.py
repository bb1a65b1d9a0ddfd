"""Plans: what they may hold, the default, and the one that is pinned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mindle.engines.plan import Plan, default_plan, pinned_plan, read_plan, whole


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "tensorrt"},
        {"precision": "int4"},
        {"precision": "bfloat16"},
        {"batch": -1},
        {"streams": 0},
        {"threads": 0},
    ],
)
def test_a_plan_says_what_it_must_hold(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Plan(**wrong)  # type: ignore[arg-type]


def test_a_plan_comes_back_from_its_document() -> None:
    plan = Plan(engine="openvino", batch=4, streams=2, precision="bfloat16")
    assert read_plan(plan.as_dict()) == plan
    assert plan.numerics == "openvino-bfloat16"


@pytest.mark.parametrize(("side", "batch"), [(224, 1), (180, 1), (64, 8), (28, 32), (8, 32)])
def test_small_images_go_together_by_default(side: int, batch: int) -> None:
    assert default_plan((side, side, 3), 4) == Plan(batch=batch, streams=4)


def test_what_is_no_image_goes_whole() -> None:
    assert default_plan((13,), 3) == whole(3) == Plan(batch=0, threads=3)


def test_the_variable_pins_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINDLE_ENGINE", raising=False)
    assert pinned_plan((224, 224, 3), 2) is None
    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime")
    assert pinned_plan((224, 224, 3), 2) == default_plan((224, 224, 3), 2)
    monkeypatch.setenv("MINDLE_ENGINE", "openvino:batch=4,streams=3,threads=2")
    pinned = Plan(engine="openvino", batch=4, streams=3, threads=2)
    assert pinned_plan((224, 224, 3), 2) == pinned
    assert pinned_plan((224, 224, 3), 2, "bfloat16") == replace(pinned, precision="bfloat16")


@pytest.mark.parametrize(
    "text",
    [
        "tensorrt",
        "openvino:batch",
        "openvino:batch=x",
        "openvino:precision=bfloat16",
        "openvino:colour=1",
        ":",
    ],
)
def test_a_pin_that_is_no_plan_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDLE_ENGINE", text)
    with pytest.raises(ValueError, match=f"MINDLE_ENGINE must be an engine .* Received '{text}'"):
        pinned_plan((224, 224, 3), 2)
