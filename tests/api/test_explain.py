"""`explain` from a run or a bundle to its folder."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.api.explain import CHECKS
from mindle.errors import DataError
from mindle.explanation.maps import scored
from mindle.explanation.occlusion import occlusion
from mindle.serving.opened import open_model
from tests.fixtures.record import write_data
from tests.processes import python

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small runs of pictures and of rows, and the data they learned from."""
    folder = tmp_path_factory.mktemp("explain")
    write_data(folder)
    for name in ("shapes-1", "discs", "iris", "diabetes"):
        with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
            archive.extractall(folder / "runs")
    return folder


@pytest.fixture(autouse=True)
def _at_the_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)


def images(count: int = 1) -> list[str]:
    return sorted(str(path) for path in Path("shapes").rglob("*.png"))[:count]


def test_a_run_is_explained_and_its_checks_are_kept(desk: Path) -> None:
    found = mindle.load("runs/shapes-1").explain(images(), features=True)
    assert found.folder == Path("runs/shapes-1/explanations")
    (first,) = found.document["explained"]
    assert list(first["maps"]) == ["occlusion", "grad-cam", "layer-cam"]
    for drawn in first["maps"].values():
        assert (found.folder / drawn["file"]).read_bytes().startswith(b"\x89PNG")
    assert first["features"]
    assert "<iframe" in found._repr_html_()
    assert found.checks["of"] == "test"
    assert set(found.checks["methods"]) == set(first["maps"])
    assert [each["name"] for each in found.checks["borders"]] == list(mindle.load("runs/shapes-1").classes)
    kept = json.loads((found.folder / CHECKS).read_text("utf-8"))
    kept["pictures"] = 99
    (found.folder / CHECKS).write_text(json.dumps(kept), encoding="utf-8")
    again = mindle.explain("runs/shapes-1", images(), method="occlusion", lang="ko")
    assert again.checks["pictures"] == 99  # they are made once for a model
    assert 'lang="ko"' in again.page.read_text("utf-8")


def test_a_bundle_draws_the_same_map_without_torch(desk: Path) -> None:
    script = (
        "import sys, json; sys.modules['torch'] = None; import mindle\n"
        f"found = mindle.explain('runs/shapes-1/bundle', {images()!r}, out='of-bundle')\n"
        "print(json.dumps(found.document['explained'][0]['maps']))"
    )
    maps = json.loads(python(script).stdout.splitlines()[-1])
    assert list(maps) == ["occlusion"]
    of_run = mindle.explain("runs/shapes-1", images(), out="of-run", method="occlusion")
    theirs = of_run.document["explained"][0]["maps"]["occlusion"]
    assert maps["occlusion"]["deletion"] == pytest.approx(theirs["deletion"], abs=1e-4)
    pictures = [Path(folder, maps["occlusion"]["file"]).read_bytes() for folder in ("of-bundle", "of-run")]
    assert pictures[0] == pictures[1]


def test_a_map_of_the_bundle_is_that_of_the_run_in_torch() -> None:
    drawn = []
    for engine in ("onnx", "torch"):
        opened = open_model("runs/shapes-1", engine=engine)
        (batch,) = opened.source.batches(opened.source.inputs(images()))
        drawn.append(occlusion(scored(opened), batch.feed["pixels"][0], 0))
    assert np.ptp(drawn[0]) > 1e-3
    np.testing.assert_allclose(*drawn, atol=1e-4)


def test_a_number_has_maps_too() -> None:
    found = mindle.explain("runs/discs", "discs/0000.png")
    assert found.document["explained"][0]["maps"]["occlusion"]["file"].endswith(".png")
    assert found.checks["methods"]["occlusion"]["passed"]


@pytest.mark.parametrize(("run", "table"), [("iris", "iris.csv"), ("diabetes", "diabetes.csv")])
def test_rows_have_shapley_values_that_add_up(run: str, table: str) -> None:
    found = mindle.explain(f"runs/{run}", table)
    assert len(found.document["explained"]) == 20
    first = found.document["explained"][0]
    total = first["base"] + sum(each["share"] for each in first["columns"])
    if run == "diabetes":
        assert total == pytest.approx(first["predicted"], abs=1e-3)
    else:
        p = first["confidence"]
        assert total == pytest.approx(np.log(p / (1 - p)), abs=0.05)
    assert all(each["error"] >= 0 for each in first["columns"])
    of_bundle = mindle.explain(f"runs/{run}/bundle", table, out=f"rows-of-{run}")
    assert of_bundle.document["explained"][0]["predicted"] == first["predicted"]


@pytest.mark.parametrize(
    ("model", "given", "options", "error", "said"),
    [
        ("runs/shapes-1/bundle", "image", {}, ValueError, "`out` must be given"),
        ("runs/shapes-1/bundle", "image", {"out": "x", "method": "grad-cam"}, ValueError, "need a run"),
        ("runs/shapes-1", "image", {"method": "gradcam"}, ValueError, "Did you mean 'grad-cam'"),
        ("runs/shapes-1", "image", {"out": "shapes"}, ValueError, "must"),
        ("runs/shapes-1", "image", {"lang": "fr"}, ValueError, "lang"),
        ("runs/iris", "iris.csv", {"method": "occlusion"}, ValueError, "about images"),
        ("runs/shapes-1", "iris.csv", {}, DataError, "something to explain"),
    ],
)
def test_what_cannot_be_explained_is_refused(
    model: str, given: str, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        mindle.explain(model, images()[0] if given == "image" else given, **options)


def test_an_image_that_cannot_be_read_has_a_reason_and_the_rest_go_on() -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = mindle.explain("runs/shapes-1", ["broken.png", *images()], out="some", method="occlusion")
    broken, good = found.document["explained"]
    assert broken["reason"]
    assert "maps" not in broken
    assert good["maps"]


def test_a_folder_that_an_interrupted_call_left_is_used_again(desk: Path) -> None:
    Path("begun").mkdir()
    (Path("begun") / CHECKS).write_text("{}")
    found = mindle.explain("runs/shapes-1", images(), out="begun", method="occlusion")
    assert found.page.exists()
    assert "occlusion" in found.checks["methods"]


def test_training_images_are_kept_in_the_run_alone(desk: Path) -> None:
    """Another model may write to the same folder, whose neighbours these are not."""
    mindle.explain("runs/shapes-1", images(), out="shared", method="occlusion")
    assert not (Path("shared") / "neighbours.npz").exists()


def test_data_that_have_moved_are_said(desk: Path) -> None:
    shutil.copytree("runs/shapes-1", "runs/moved", ignore=shutil.ignore_patterns("explanations"))
    document = json.loads(Path("runs/moved/run.json").read_text("utf-8"))
    document["asked"]["source"] = "gone"
    Path("runs/moved/run.json").write_text(json.dumps(document), encoding="utf-8")
    said: list[str] = []
    listener = SimpleNamespace(say=said.append, progress=lambda *_: None)
    found = mindle.explain("runs/moved", images(), method="occlusion", listener=listener)
    assert found.checks["of"] == "given"
    assert any("No nearest training images are shown" in each and "gone" in each for each in said)
