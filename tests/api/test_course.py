"""An experiment from data to page: both variants, resumed, shortened, and without the weights it wants."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mindle
from mindle.errors import DataError
from mindle.records import SILENT


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two colours under the names of the course, with a split."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 12)):
        for name, shade in (("daisy", 190), ("dandelion", 90), ("roses", 30)):
            folder = root / "flowers5" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = rng.normal(shade, 30, (40, 50, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def done(flowers: Path, tmp_path_factory: pytest.TempPathFactory) -> mindle.Course:
    out = tmp_path_factory.mktemp("out") / "mlp"
    return mindle.course("daisy-mlp", flowers, out=out, epochs=2, listener=SILENT)


def test_both_variants_are_ordinary_runs_beside_each_other(done: mindle.Course) -> None:
    document = done.document
    for name in ("as_written", "done_well"):
        entry, run = document[name], done.runs[name]
        assert entry["test"] == run.metrics["test"]
        assert entry["test"]["n"] == 24
        assert entry["parameters"] == {"all": 2_468_097, "trainable": 2_468_097}
        assert entry["recipe"]["train"]["epochs"] == 2
        assert len(entry["history"]) == 2
        assert run.folder.report.is_file()
    assert document["pairs"][0]["n"] == 24
    report = done.runs["as_written"].folder.report.read_text("utf-8")
    assert "The inputs were not scaled" in report
    assert "inputs-unscaled" in [found["kind"] for found in document["as_written"]["diagnoses"]]
    page = done.page.read_text("utf-8")
    assert "Inputs not scaled" in page
    assert "The inputs were not scaled" in page
    assert "about 55 %" in page
    assert "input.scale" in page
    assert "cut short" in page


def test_only_the_wanted_classes_are_taken_at_the_wanted_size(done: mindle.Course) -> None:
    with np.load(done.path / "data.npz") as packed:
        assert packed["names"].tolist() == ["daisy", "dandelion"]
        assert packed["x_train"].shape == (48, 80, 80, 3)


def test_a_second_call_goes_on_and_changes_nothing_that_is_finished(
    done: mindle.Course, flowers: Path
) -> None:
    before = {name: run.metrics for name, run in done.runs.items()}
    again = mindle.course("daisy-mlp", flowers, out=done.path, epochs=2, listener=SILENT)
    assert {name: run.metrics for name, run in again.runs.items()} == before
    with pytest.raises(ValueError, match=r"train\.epochs: 2, now 1"):
        mindle.course("daisy-mlp", flowers, out=done.path, epochs=1, listener=SILENT)


def test_some_variants_alone(flowers: Path, tmp_path: Path) -> None:
    done = mindle.course(
        "daisy-mlp", flowers, out=tmp_path, epochs=1, only=["done_well"], listener=SILENT, lang="ko"
    )
    assert list(done.runs) == ["done_well"]
    assert "left_out" in done.document["as_written"]
    assert done.page.is_file()
    with pytest.raises(ValueError, match="as_written, done_well"):
        mindle.course("daisy-mlp", flowers, out=tmp_path, only=["done_badly"], listener=SILENT)


def test_data_that_are_not_there_are_described(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photos of daisies and of dandelions"):
        mindle.course("daisy-mlp", tmp_path / "nowhere", out=tmp_path / "out", listener=SILENT)


OWN = """
title = "Two kinds of penalty"
about = "a linear model of wines against one with few neighbours"
base = "table"
seeds = [0, 1]
compare = [["pair", "linear"]]

[data]
source = "wine"

[variants.linear]
label = "linear model"
table = { models = ["linear"], folds = 2, repeats = 1 }

[variants.pair]
recipe = "linear"
table = { folds = 3 }
"""


def test_variants_of_a_file_are_compared_seed_by_seed(tmp_path: Path) -> None:
    (tmp_path / "wines.toml").write_text(OWN)
    done = mindle.course(tmp_path / "wines.toml", out=tmp_path / "out", listener=SILENT, lang="ko")
    assert list(done.runs) == ["linear-0", "linear-1", "pair-0", "pair-1"]
    seeds = [run.folder.document()["asked"]["seed"] for run in done.runs.values()]
    assert seeds == [0, 1, 0, 1]
    assert done.document["name"] == "wines"
    page = done.page.read_text("utf-8")
    assert "Two kinds of penalty" in page
    assert "linear model, 시드 1" in page
    assert "Course notes" not in page
    one = mindle.course(
        tmp_path / "wines.toml", "wine", out=tmp_path / "one", seed=2, only=["pair"], listener=SILENT
    )
    assert list(one.runs) == ["pair"]


def test_a_file_needs_data_and_known_entries(tmp_path: Path) -> None:
    path = tmp_path / "wines.toml"
    path.write_text(OWN.replace('source = "wine"', ""))
    with pytest.raises(ValueError, match="`data` must name"):
        mindle.course(path, out=tmp_path / "out", listener=SILENT)


def test_the_list_is_for_learners() -> None:
    assert all(row["about"] and row["teaches"] and row["notes"] for row in mindle.list_experiments())


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of columns of unlike units under the name of the course, without a header."""
    root = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    x = rng.uniform((0.3, 3, 180, 1), (0.9, 9, 720, 38), (120, 4))
    price = 5 * x[:, 1] - 30 * x[:, 0] - 0.3 * x[:, 3] + 25 + rng.normal(size=120)
    (root / "tabular").mkdir()
    np.savetxt(root / "tabular" / "boston-housing.csv", np.c_[x, price], fmt="%.5f", delimiter=",")
    return root


def test_the_experiment_of_a_table_compares_the_same_folds(houses: Path, tmp_path: Path) -> None:
    heard, settings = Heard(), {"table.hidden_layer_sizes": "32, 16", "as_written.table.epochs": "1"}
    wish = {"quick": True, "set": settings, "only": ["as_written", "same_net"]}
    done = mindle.course("boston-mlp", houses, out=tmp_path, listener=heard, **wish)
    document = done.document
    assert [document[name]["recipe"]["table"]["epochs"] for name in done.runs] == [1, 2]
    for name, nets in (("as_written", 1), ("same_net", 4)):
        one = 4 * 32 + 32 + 32 * 16 + 16 + 16 + 1
        assert document[name]["parameters"]["trainable"] == nets * one
        assert document[name]["test"]["n"] == 120
        assert document[name]["test"]["protocol"] == "nested 2-fold cross-validation"
    assert "rows-normalised" in [found["kind"] for found in document["as_written"]["diagnoses"]]
    assert "rows-normalised" not in [found["kind"] for found in document["same_net"]["diagnoses"]]
    assert document["pairs"][0]["n"] == 120
    assert "left_out" in document["done_well"]
    assert "over the same 120 rows" in " ".join(heard.sentences)
    page = done.page.read_text("utf-8")
    for said in ("Columns mixed by normalising rows", "MAE 6.004", "Mean absolute error", "table.scale"):
        assert said in page
    again = mindle.course("boston-mlp", houses, out=tmp_path, listener=heard, **wish)
    assert again.document["as_written"] == document["as_written"]


def test_a_table_that_is_not_there_is_described(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the table of 506 houses .* tabular/boston-housing\.csv or"):
        mindle.course("boston-mlp", tmp_path, out=tmp_path / "out", listener=SILENT)


@pytest.mark.shared
def test_houses_of_boston_as_written(shared: Path, tmp_path: Path) -> None:
    done = mindle.course(
        "boston-mlp", shared / "data", out=tmp_path, quick=True, only=["as_written"], listener=SILENT
    )
    entry = done.document["as_written"]
    assert entry["parameters"]["trainable"] == 179_713
    assert entry["test"]["n"] == 506
    assert entry["test"]["mae"]["value"] > 4
    assert "rows-normalised" in [found["kind"] for found in entry["diagnoses"]]


@pytest.mark.slow
def test_all_models_are_the_last_variant_of_a_table(houses: Path, tmp_path: Path) -> None:
    done = mindle.course("boston-mlp", houses, out=tmp_path, quick=True, listener=SILENT)
    assert list(done.runs) == ["as_written", "same_net", "done_well"]
    maes = {name: done.document[name]["test"]["mae"]["value"] for name in done.runs}
    assert maes["done_well"] < maes["same_net"] < maes["as_written"]
    assert len(done.document["pairs"]) == 3


class Heard:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def progress(self, stage: str, done: int, total: int) -> None: ...
    def epoch(self, row: object) -> None: ...


@pytest.mark.slow
def test_without_its_weights_vgg19_is_left_out_at_once_and_done_well_runs(
    flowers: Path, tmp_path: Path
) -> None:
    heard = Heard()
    done = mindle.course("flowers-vgg19", flowers, out=tmp_path / "out", quick=True, listener=heard)
    first = next(i for i, said in enumerate(heard.sentences) if said.startswith("as_written is skipped"))
    assert first < 3
    assert "--weights" in heard.sentences[first]
    document = json.loads((done.path / "course.json").read_text("utf-8"))
    assert "left_out" in document["as_written"]
    assert document["done_well"]["test"]["accuracy"]["value"] > 0.9
    assert list(done.runs) == ["done_well"]
    assert "The variant “as given” was skipped" in done.page.read_text("utf-8")


@pytest.mark.slow
def test_vgg19_runs_with_random_weights_where_that_is_asked_for(flowers: Path, tmp_path: Path) -> None:
    settings = {"as_written.model.random_init": "true", "as_written.input.height": "64"}
    settings |= {"as_written.input.width": "64", "as_written.train.batch_size": "8"}
    done = mindle.course(
        "flowers-vgg19", flowers, out=tmp_path / "out", epochs=1, set=settings, listener=SILENT
    )
    assert done.document["as_written"]["strategy"] == "inline"


@pytest.mark.slow
def test_inline_against_two_stage_measures_memory_and_disk(flowers: Path, tmp_path: Path) -> None:
    done = mindle.course("inline-vs-twostage", flowers, out=tmp_path / "out", epochs=1, listener=SILENT)
    document = done.document
    assert document["variants"] == ["as_written", "twostage", "done_well"]
    for name in document["variants"]:
        assert document[name]["cache_bytes"] > 0
        assert document[name]["seconds"]["total"] > 0
    # Two views of each image take twice the room of one.
    assert document["done_well"]["cache_bytes"] > document["twostage"]["cache_bytes"]
    assert len(document["pairs"]) == 3
