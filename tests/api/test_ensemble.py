"""Runs that answer together: real small runs on digits, what is refused, and a result that is a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.data.images.sources.source import read
from mindle.errors import ArtifactError, ModelError
from mindle.records import SILENT, ArrayImages
from tests.pictures import fingerprints

LAYERS = {
    "net": [{"kind": "flatten"}, {"kind": "dense", "units": 24, "activation": "relu"}],
    "other": [
        {"kind": "conv", "channels": 6, "kernel": 3, "activation": "relu"},
        {"kind": "batch_norm"},
        {"kind": "flatten"},
    ],
}
END = {"kind": "dense", "units": "classes"}


def train(out: Path, seed: int, net: str = "net", data: str = "digits", **settings: Any) -> mindle.Run:
    recipe = out.parent / f"{net}.toml"
    lines = ['strategy = "scratch"']
    for layer in (*LAYERS[net], END):
        lines.append("[[model.layers]]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in layer.items()]
    recipe.write_text("\n".join(lines))
    few = {"train.epochs": 2, "train.batch_size": 64}
    return mindle.train(data, recipe=recipe, seed=seed, out=out, set=few, listener=SILENT, **settings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, mindle.Run]:
    """Three runs of one split: two seeds of one net, and another net."""
    root = tmp_path_factory.mktemp("members")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(root / "cache"))
        return {
            "a": train(root / "a", 0),
            "b": train(root / "b", 1),
            "c": train(root / "c", 0, "other"),
        }


def test_what_is_no_ensemble_is_refused_before_any_run_is_read(tmp_path: Path) -> None:
    for runs, settings, error, sentence in (
        ([tmp_path / "a", tmp_path / "b"], {}, ArtifactError, "must be a run or a bundle folder"),
        ([tmp_path / "a"], {"method": "mean"}, ValueError, "must be one of vote, weighted, stack, average"),
        ([tmp_path / "a"], {"lang": "fr"}, ValueError, "must be one of en, ko"),
        ([], {}, ValueError, "two runs or more. Received 0"),
    ):
        with pytest.raises(error, match=sentence):
            mindle.ensemble(runs, out=tmp_path / "out", listener=SILENT, **settings)
    assert not (tmp_path / "out").exists()


def digits(count: int = 50) -> np.ndarray:
    images = read("digits").images
    assert isinstance(images, ArrayImages)
    return images.array[:count]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["vote", "weighted", "stack"])
def test_an_ensemble_is_a_run_that_answers_like_its_members_mixed(
    runs: dict[str, mindle.Run], tmp_path: Path, method: str
) -> None:
    before = fingerprints(runs["a"].path.parent)
    members = [runs["a"], runs["c"]]
    run = mindle.ensemble(members, method=method, out=tmp_path / "both", listener=SILENT)
    described = run.metrics["ensemble"]
    assert described["method"] == method
    assert [member["name"] for member in described["members"]] == ["a", "c"]
    weights = np.array([member["weight"] for member in described["members"]])
    assert weights.sum() == pytest.approx(1)

    columns = [f"p_{name}" for name in run.classes]
    images = digits()
    apart = np.stack([member.predict(list(images))[columns].to_numpy(float) for member in members])
    together = run.predict(list(images))[columns].to_numpy(float)
    if method != "stack":
        assert np.abs(np.tensordot(weights, apart, axes=1) - together).max() < 1e-5
    if method == "vote":
        assert weights.tolist() == [0.5, 0.5]

    # What is written about the test part is what the bundle says of it.
    test = run.folder.answers()["test"]
    rows = {path: row for row, path in enumerate(read("digits").paths)}
    whole = digits(2000)[[rows[path] for path in test.paths]]
    answers = run.predict(list(whole))[columns].to_numpy(float)
    # A stack sees logarithms of what was written with eight decimals.
    assert np.abs(answers - test.probabilities).max() < (1e-4 if method == "stack" else 1e-5)
    assert test.paths == runs["a"].folder.answers()["test"].paths

    gain = described["gain"]["differences"]["accuracy"]
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert gain["second"] == pytest.approx(run.metrics["test"]["accuracy"]["value"])
    best = runs[described["best_member"]].metrics["test"]["accuracy"]["value"]
    assert gain["first"] == pytest.approx(best)
    assert min(described["milliseconds_per_image"].values()) > 0
    assert fingerprints(runs["a"].path.parent) == before


@pytest.mark.slow
def test_the_other_commands_understand_it(runs: dict[str, mindle.Run], tmp_path: Path) -> None:
    run = mindle.ensemble([runs["a"].path, runs["b"].path], out=tmp_path / "two", listener=SILENT)
    (row,) = mindle.list_runs(tmp_path)
    assert (row["state"], row["strategy"], row["data"]) == ("finished", "ensemble", "digits")
    assert row["accuracy"] == run.metrics["test"]["accuracy"]
    assert run.evaluate("digits")["test"]["n"] == 1797
    page = mindle.report(run, lang="ko", out=tmp_path / "r.html").read_text(encoding="utf-8")
    assert "ensemble" in page
    document = json.loads((run.path / "run.json").read_text())
    assert {member["name"]: member["seed"] for member in document["members"]} == {"a": 0, "b": 1}
    assert all(len(member["sha256"]) == 64 for member in document["members"])
    names = [attempt["name"] for attempt in document["tried"]]
    assert names == ["a", "b", "vote", "weighted", "stack"]
    assert [attempt["name"] for attempt in document["tried"] if attempt["chosen"]] == ["vote"]
    bundle = json.loads((run.path / "bundle" / "bundle.json").read_text())
    assert bundle["strategy"] == "ensemble"
    moved = shutil.copytree(run.path / "bundle", tmp_path / "moved")
    assert mindle.load(moved).predict(list(digits(3)))["predicted"].notna().all()
    # An ensemble has a manifest and predictions, so it may be a member, too.
    wider = mindle.ensemble([run, runs["c"]], out=tmp_path / "three", listener=SILENT)
    assert wider.metrics["test"]["n"] == run.metrics["test"]["n"]


@pytest.mark.slow
def test_averaged_weights_are_one_net_that_torch_answers_alike(
    runs: dict[str, mindle.Run], tmp_path: Path
) -> None:
    run = mindle.ensemble([runs["a"], runs["b"]], method="average", out=tmp_path / "soup", listener=SILENT)
    columns = [f"p_{name}" for name in run.classes]
    images = list(digits(20))
    onnx, torch = (
        run.predict(images, engine=engine)[columns].to_numpy(float) for engine in ("onnx", "torch")
    )
    assert np.abs(onnx - torch).max() < 1e-5
    best = runs[run.metrics["ensemble"]["best_member"]]
    assert run.metrics["val"]["log_loss"]["value"] <= best.metrics["val"]["log_loss"]["value"] + 1e-3


@pytest.mark.slow
def test_the_average_of_a_run_and_its_copy_is_the_run(runs: dict[str, mindle.Run], tmp_path: Path) -> None:
    copy = shutil.copytree(runs["c"].path, tmp_path / "copy")
    run = mindle.ensemble([runs["c"], copy], method="average", out=tmp_path / "soup", listener=SILENT)
    one, two = runs["c"].folder.answers()["test"], run.folder.answers()["test"]
    assert np.abs(one.probabilities - two.probabilities).max() < 1e-6
    assert [member["weight"] for member in run.metrics["ensemble"]["members"]] == [0.5, 0.5]


@pytest.mark.slow
def test_members_that_do_not_belong_together_are_refused_by_name(
    runs: dict[str, mindle.Run], tmp_path: Path
) -> None:
    def refused(members: list[Any], error: type[Exception], sentence: str, **settings: Any) -> None:
        with pytest.raises(error, match=sentence):
            mindle.ensemble(members, out=tmp_path / "out", listener=SILENT, **settings)
        assert not (tmp_path / "out").exists()

    a = runs["a"]
    refused([a], ValueError, "two runs or more")
    refused([a, a], ValueError, "may be a member once")
    refused([a, runs["b"]], ValueError, "must be one of vote, weighted, stack, average", method="mean")
    refused([a, a.path / "bundle"], ArtifactError, "a bundle, which keeps no predictions")
    refused([a, tmp_path], ArtifactError, "neither")
    split = train(tmp_path / "split", 0, split_seed=1)
    refused([a, split], ValueError, r"same test split. a and split differ.*they have 0 and 1")
    images = digits(400)
    np.savez(
        tmp_path / "two.npz",
        data=images,
        targets=np.array(["0", "one"])[(read("digits").labels[:400] > 4).astype(int)],
    )
    classes = train(tmp_path / "classes", 0, data=str(tmp_path / "two.npz"))
    refused([a, classes], ValueError, r"Of a and classes, only a has '1'.* and only classes has 'one'")


@pytest.mark.slow
def test_nets_that_differ_cannot_be_averaged_and_nothing_finished_is_left(
    runs: dict[str, mindle.Run], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="a and c differ in their layers"):
        mindle.ensemble([runs["a"], runs["c"]], method="average", out=tmp_path / "out", listener=SILENT)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("method", ["vote", "average"])
def test_it_abstains_and_has_label_sets(
    runs: dict[str, mindle.Run], method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of mixed answers one member says when not to answer; one net is asked itself. Sets are its own."""
    folders = [runs[name].folder.path for name in ("a", "b")]
    monkeypatch.setenv("MINDLE_CACHE", str(folders[0].parent / "cache"))
    run = mindle.ensemble(folders, method=method, out=tmp_path / "joined", listener=SILENT)
    answers = run.folder.answers()
    test, member = answers["test"], runs["a"].folder.answers()["test"]
    assert test.abstain is not None
    assert test.sets is not None
    if method == "vote":
        assert test.abstain.tolist() == member.abstain.tolist()
    digits = read("digits").images
    assert isinstance(digits, ArrayImages)
    rows = [int(path.rpartition("/")[2]) for path in test.paths]
    served = run.predict([digits.array[row] for row in rows[:60]])
    assert served["abstain"].tolist() == test.abstain[:60].tolist()
    named = [[test.classes[at] for at in np.flatnonzero(row)] for row in test.sets[:60]]
    assert [json.loads(names) for names in served["label_set"]] == named
    assert 0.8 < test.sets[np.arange(len(test)), test.labels].mean() <= 1
