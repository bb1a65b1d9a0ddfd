"""The model card has every section, of a run and of a bundle alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.artifacts.bundle import read_bundle
from mindle.artifacts.run import RunFolder
from mindle.certification.card import model_card
from mindle.serving.opened import open_model
from tests.certification.models import recorded

# Mitchell et al. 2019, figure 1.
SECTIONS = [
    "model_details",
    "intended_use",
    "factors",
    "metrics",
    "evaluation_data",
    "training_data",
    "quantitative_analyses",
    "ethical_considerations",
    "caveats",
]
EVALUATED = {"source": None, "n": 10, "of": 20, "seed": 0}


@pytest.mark.parametrize("name", ["shapes-0", "diabetes"])
def test_a_card_has_the_nine_sections(name: str, tmp_path: Path) -> None:
    folder = recorded(name, tmp_path)
    run, bundle = RunFolder(folder), read_bundle(folder / "bundle")
    card = model_card(open_model(folder), bundle, run, {"owner": "Ada"}, EVALUATED)
    assert list(card) == SECTIONS
    assert card["model_details"]["owner"] == "Ada"
    assert card["intended_use"] == {"intended_use": None, "out_of_scope": None}
    assert card["training_data"]["name"] == run.document()["name"]
    alone = model_card(open_model(folder / "bundle"), bundle, None, {}, EVALUATED)
    assert alone["training_data"]["fingerprint"] == card["training_data"]["fingerprint"]
    assert alone["training_data"]["name"] is None
