"""Answers that a model should not give alone are marked, however they are asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.artifacts.bundle import ABSTENTION, read_bundle, write_bundle_document
from mindle.artifacts.files import write_arrays
from mindle.data.images.quality import STATISTICS
from mindle.errors import ArtifactError
from mindle.evaluation.trust.abstention import Abstention
from mindle.evaluation.trust.fitting import fit_abstention
from mindle.evaluation.trust.label_sets import fit_label_sets
from mindle.evaluation.trust.limits import Limits
from mindle.formats import images, write
from mindle.models.classifier import ClassScores, layers_model
from mindle.records import InputSpec, OutOfFold
from mindle.serving.opened import Opened, open_bundle, open_model
from mindle.serving.source import Noticed
from tests.bundles import bundle_of
from tests.processes import mindle

SPEC = InputSpec(height=16, width=16, mean=(0.5,) * 3, std=(0.25,) * 3)
CLASSES = ("round", "square")
EASY = dict.fromkeys(STATISTICS, (-1e9, 1e9))
UNLIKE = {"limit": 1.0, "neighbours": 5, "vectors": 200, "parts": ["distance"]}
LAYERS = [
    {"kind": "conv", "channels": 8, "activation": "relu"},
    {"kind": "global_pool"},
    {"kind": "dense", "units": "classes"},
]


def pictures(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures that vary smoothly."""
    rng = np.random.default_rng(seed)
    small = rng.integers(60, 200, (count, 4, 4, 3), np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((16, 16), Image.Resampling.BICUBIC)) for each in small]
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of a net that abstains from what is unlike 200 pictures."""
    model = layers_model(LAYERS, ClassScores(CLASSES), spec=SPEC, seed=0).eval()
    folder = tmp_path / "bundle"
    write("onnx", images.exportable(model, pictures(4, seed=1)), folder)
    known = pictures(200)
    outputs = images.torch_outputs(model, known)
    found = OutOfFold(
        rows=np.arange(200),
        outputs={"probabilities": outputs["probabilities"]},
        truth=np.arange(200) % 2,
        folds=np.arange(200) % 5,
        groups=np.arange(200),
        learned_from=np.ones(200, bool),
        features=outputs["features"],
        blocks=(8,),
    )
    abstention = fit_abstention(found, refuse=0.05).abstention
    assert abstention.limits is not None
    limits = replace(abstention.limits, quality=EASY | {"brightness": (40.0, 1e9)}, side=12)
    abstention = replace(abstention, limits=limits)
    write_arrays(folder / ABSTENTION, abstention.arrays())
    details = {"abstention": abstention.document()}
    write_bundle_document(replace(bundle_of(model, folder), details=details))
    return folder


def asked(folder: Path) -> tuple[list[Any], list[str]]:
    """Images, and what should be said of each."""
    one = pictures(1, seed=2)[0]
    Image.fromarray(one).save(folder / "one.png")
    whole = (folder / "one.png").read_bytes()
    (folder / "torn.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_bytes(b"no picture")
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    given = [
        folder / "one.png",
        folder / "torn.png",
        folder / "text.png",
        one[:8],
        one // 8,
        noise,
        folder / "absent.png",
    ]
    return given, ["", "torn", "unreadable", "small", "dark", "unlike_training", "unreadable"]


def test_every_reason_is_said(bundle: Path, tmp_path: Path) -> None:
    given, codes = asked(tmp_path)
    opened = open_model(bundle)
    assert opened.columns[-3:] == ["abstain", "label_set", "reason"]
    rows = list(opened.rows(opened.source.inputs(given)))
    assert [row["abstain"] for row in rows] == codes
    for row in rows:
        if row["reason"]:
            assert row["predicted"] is row["label_set"] is None
        else:
            assert row["predicted"] in json.loads(row["label_set"])


def test_the_same_is_said_of_one_image_and_of_many_and_of_stored_pixels(bundle: Path) -> None:
    opened = open_bundle(read_bundle(bundle))
    known = np.concatenate([pictures(150), pictures(50, seed=5) // 3, pictures(20, seed=6) // 2 + 120])
    names = tuple(map(str, range(len(known))))
    stored = opened.answer_stored(known, names)
    assert stored.abstain is not None
    many = [row["abstain"] for row in opened.rows(opened.source.inputs(list(known)))]
    alone = [next(opened.rows(opened.source.inputs([each])))["abstain"] for each in known[::10]]
    assert stored.abstain.tolist() == many
    assert many[::10] == alone
    assert {"", "dark", "unlike_training"} <= set(many)


def test_a_bundle_that_says_nothing_has_no_such_columns(tmp_path: Path) -> None:
    model = layers_model(LAYERS, ClassScores(CLASSES), spec=SPEC, seed=0).eval()
    write("onnx", images.exportable(model, pictures(4)), tmp_path)
    write_bundle_document(bundle_of(model, tmp_path))
    assert json.loads((tmp_path / "bundle.json").read_text())["schema"] == 1
    assert open_model(tmp_path).columns == [
        "path",
        "predicted",
        "confidence",
        "p_round",
        "p_square",
        "reason",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "`abstention.schema` must be 1"),
        ({"refuse": "much"}, "`abstention.refuse` must be a finite number"),
        ({"reasons": {"unlike_training": {"limit": 1.0}}}, "unlike_training` must hold limit"),
        ({"reasons": {"unlike_training": UNLIKE | {"limit": "x"}}}, "limit` must be a finite number"),
        ({"reasons": {"unlike_training": UNLIKE, "one_hot": [[7, 2]]}}, "blocks of the features"),
        ({"reasons": {"quality": {"brightness": [1.0]}}}, "least and most"),
        (
            {"costs": {"classes": ["a", "b"], "table": [[0, 1], [1, 0]], "abstain": None}},
            "must name the classes",
        ),
        ({"costs": {"classes": ["a", "b"]}}, "`abstention.costs` must be whole"),
        ({"label_sets": {"method": "threshold"}}, "label_sets"),
        ({"reasons": {"quality": {"brightness": [0.0, 1.0]}}}, "`quality` must name brightness, contrast"),
    ],
    ids=str,
)
def test_a_changed_bundle_is_refused(bundle: Path, change: dict[str, Any], message: str) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    document["abstention"] |= change
    (bundle / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=message):
        open_model(bundle)


def test_limits_of_other_classes_are_refused(bundle: Path) -> None:
    document = json.loads((bundle / "bundle.json").read_text())
    document["abstention"]["label_sets"] |= {"limit": [0.1] * 3, "n": [100] * 3}
    (bundle / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"`label_sets.limit` must hold one number, or 2"):
        open_model(bundle)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(9), "scale": np.ones(9), "vectors": np.ones((200, 9), np.float16)}, "features"),
        ({"scale": np.zeros(8)}, "must be above 0"),
        ({"own": np.zeros(200, np.float32)}, "must be above 0"),
        ({"own": np.ones(3, np.float32)}, "`own` must be"),
        ({"vectors": np.full((200, 8), np.nan, np.float16)}, "`vectors` must be finite"),
        ({"vectors": np.ones((200, 8))}, "vectors must be f2"),
    ],
    ids=["features", "scale", "own", "rows", "nan", "type"],
)
def test_changed_arrays_are_refused(bundle: Path, change: dict[str, Any], message: str) -> None:
    with np.load(bundle / ABSTENTION) as arrays:
        known = {name: arrays[name] for name in arrays.files}
    write_arrays(bundle / ABSTENTION, known | change)
    write_bundle_document(read_bundle_unchecked(bundle))
    with pytest.raises(ArtifactError, match=message):
        open_model(bundle)


def read_bundle_unchecked(folder: Path) -> Any:
    """The bundle of a document, whatever its files hold now."""
    model = layers_model(LAYERS, ClassScores(CLASSES), spec=SPEC, seed=0)
    document = json.loads((folder / "bundle.json").read_text())
    return replace(bundle_of(model, folder), details={"abstention": document["abstention"]})


def test_named_classes_are_in_where_thresholds_decide(bundle: Path) -> None:
    opened = open_model(bundle)
    sets = fit_label_sets(np.tile([0.9, 0.1], (100, 1)), np.zeros(100, int))
    abstention = Abstention(label_sets=sets, refuse=0.05, limits=Limits())
    never = replace(opened, thresholds=np.array([1e-6, 1 - 1e-6]), abstention=abstention)
    rows = list(never.rows(never.source.inputs(list(pictures(5)))))
    assert {row["predicted"] for row in rows} == {"round"}
    assert all("round" in json.loads(row["label_set"]) for row in rows)


def test_the_prompt_counts_what_should_not_be_used_alone(bundle: Path, tmp_path: Path) -> None:
    for at, picture in enumerate([*pictures(3), *pictures(2) // 8]):
        Image.fromarray(picture).save(tmp_path / f"{at}.png")
    names = [str(tmp_path / f"{at}.png") for at in range(5)]
    done = mindle("predict", str(bundle), *names, "--out", str(tmp_path / "answers.json"))
    assert "abstains on 2 of the answers: 2 too dark" in done.stderr
    rows = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))["predictions"]
    assert [row["abstain"] for row in rows] == ["", "", "", "dark", "dark"]


def test_evaluation_says_it_too(bundle: Path, tmp_path: Path) -> None:
    opened: Opened = open_model(bundle)
    for label in CLASSES:
        (tmp_path / "data" / label).mkdir(parents=True)
        for at, picture in enumerate(pictures(12, seed=len(label))):
            shown = picture // 8 if at == 3 else picture
            Image.fromarray(shown).save(tmp_path / "data" / label / f"{at}.png")
    from mindle.api.evaluate import evaluate

    said = Noticed()
    found = evaluate(bundle, tmp_path / "data", out=tmp_path / "answers.csv", listener=said)
    assert any("abstains on 2 answers: 2 too dark; the others" in line for line in said.sentences())
    assert found["test"]["n"] == 24
    header, *rows = (tmp_path / "answers.csv").read_text("utf-8-sig").splitlines()
    assert header == "path,label,predicted,confidence,p_round,p_square,abstain,label_set"
    dark = [row for row in rows if ",dark," in row]
    assert sorted(row.split(",")[0] for row in dark) == ["round/3.png", "square/3.png"]
    assert opened.abstention is not None
