"""A format and a task from outside of the package: an entry, and a call, are all that they need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mindle
from mindle import formats, tasks
from mindle.artifacts import bundle as bundles
from mindle.errors import ArtifactError
from mindle.formats import Exportable, Format, Parity
from mindle.formats import tables as table_formats
from mindle.models.tables.scorers import Linear
from tests.discs import write_discs
from tests.formats.test_tables import CATEGORIES, NUMBERS, small
from tests.serving.test_another_task import Counting, CountLayout

# ---- a format: the weights of a linear model of a table as JSON -------------------------------------------


def write_weights(exportable: Exportable, folder: Path) -> None:
    """Write weights.json: what the model adds to the columns of its linear view."""
    (member,) = exportable.model.members
    document = {
        "weights": member.model.weights.tolist(),
        "offset": member.model.offset.tolist(),
        "centre": exportable.model.centre,
        "scale": exportable.model.scale,
    }
    (folder / "weights.json").write_text(json.dumps(document), encoding="utf-8")


def prove_weights(exportable: Exportable, folder: Path) -> Parity:
    """Answer from what the file says."""
    stored = json.loads((folder / "weights.json").read_text(encoding="utf-8"))
    inputs, model = exportable.inputs, exportable.model
    categories = np.where(inputs["categories"] == "", None, inputs["categories"])
    view = model.encoder.view("linear", inputs["numbers"], categories)
    scores = view @ np.array(stored["weights"]) + np.array(stored["offset"])
    return exportable.compare({"estimate": scores[:, 0] * stored["scale"] + stored["centre"]})


def test_a_format_from_outside_is_written_and_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(formats.FORMATS, "weights", Format(write=write_weights, prove=prove_weights))
    model = small(1)
    exportable = table_formats.exportable(model, NUMBERS[80:90], CATEGORIES[80:90])
    parity = formats.write("weights", exportable, tmp_path / "out")
    assert parity.images == table_formats.REFERENCE_ROWS + 10
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["weights.json"]

    (member,) = model.members
    assert isinstance(member.model, Linear)
    moved = replace(member, model=replace(member.model, offset=member.model.offset + 1))
    formats.FORMATS["weights"].write(
        replace(exportable, model=replace(model, members=(moved,))), tmp_path / "out"
    )
    with pytest.raises(ArtifactError, match="must answer like the model"):
        formats.FORMATS["weights"].prove(exportable, tmp_path / "out")


# ---- a task: whole numbers of at least 0 ------------------------------------------------------------------


@pytest.fixture
def counting() -> Iterator[None]:
    """Everything that a package with another task registers."""
    with tasks.register("count", like="regression", evaluation=Counting(), layout=CountLayout()):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("counting", "cache")
def test_a_task_from_outside_goes_from_data_to_a_report(tmp_path: Path) -> None:
    file = write_discs(tmp_path / "discs", 60, side=16, column="spots")
    whole = [line.split(".png,") for line in file.read_text().splitlines()[1:]]
    lines = [f"{name}.png,{float(number):.0f}" for name, number in whole]
    file.write_text("\n".join(["path,spots", *lines]) + "\n", encoding="utf-8")

    run = mindle.train(
        str(file),
        target="spots",
        task="count",
        strategy="scratch",
        set={"train.epochs": 2, "model.layers": [{"kind": "flatten"}, {"kind": "dense", "units": 1}]},
        out=tmp_path / "run",
    )
    assert run.metrics["task"] == "count"
    assert set(run.metrics["test"]) >= {"mae", "r2"}
    assert set(run.metrics["baselines"])

    bundle = bundles.read_bundle(tmp_path / "run" / "bundle")
    assert bundle.task == "count"
    found = mindle.load(tmp_path / "run").predict([tmp_path / "discs" / "0000.png"])
    assert found["predicted"][0] >= 0
    assert found["predicted"][0] % 1 == 0

    again = mindle.evaluate(tmp_path / "run", str(file), out=tmp_path / "answers.csv")
    assert again["test"]["n"] == 60
    assert (tmp_path / "answers.csv").read_text().splitlines()[0].startswith("path,target,predicted")

    page = mindle.report(tmp_path / "run", out=tmp_path / "page.html")
    assert "mean absolute error" in Path(page).read_text(encoding="utf-8")


@pytest.mark.usefixtures("counting", "cache")
def test_a_task_from_outside_learns_from_a_table_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size, kind = rng.normal(size=90), rng.choice(["oak", "elm"], 90)
    count = rng.poisson(np.exp(1 + 0.5 * size + (kind == "oak")))
    lines = [f"{x:.4f},{name},{n}" for x, name, n in zip(size, kind, count, strict=True)]
    file = tmp_path / "trees.csv"
    file.write_text("\n".join(["size,kind,birds", *lines]) + "\n", encoding="utf-8")

    run = mindle.train(
        file, target="birds", task="count", model="linear", folds=3, repeats=1, out=tmp_path / "run"
    )
    assert run.metrics["task"] == "count"
    assert set(run.metrics["test"]) >= {"mae", "r2"}
    assert set(run.metrics["baselines"])

    assert bundles.read_bundle(tmp_path / "run" / "bundle").task == "count"
    found = mindle.load(tmp_path / "run").predict(file)
    assert all(each >= 0 and each % 1 == 0 for each in found["predicted"])

    again = mindle.evaluate(tmp_path / "run", file, out=tmp_path / "answers.csv")
    assert again["test"]["n"] == 90
    page = mindle.report(tmp_path / "run", out=tmp_path / "page.html")
    assert "mean absolute error" in Path(page).read_text(encoding="utf-8")
