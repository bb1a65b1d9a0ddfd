"""Records check themselves, and say what must hold and what was received."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.records import (
    SILENT,
    ArrayImages,
    Dataset,
    Diagnosis,
    FileImages,
    Hashes,
    InputSpec,
    OutOfFold,
    Predictions,
    Texts,
    of_rows,
)


def spec(**changes: Any) -> InputSpec:
    return InputSpec(**{"height": 32, "width": 48, **changes})


def dataset(**changes: Any) -> Dataset:
    columns: dict[str, Any] = {
        "name": "leaves",
        "kind": "folder",
        "source": "leaves",
        "classes": ("birch", "oak"),
        "paths": ("birch/a.jpg", "birch/b.jpg", "oak/c.jpg", "oak/d.jpg"),
        "labels": np.array([0, 0, 1, 1]),
        "given": ("", "", "", ""),
        "groups": ("", "", "", ""),
        "images": FileImages(
            root=Path("leaves"), names=("birch/a.jpg", "birch/b.jpg", "oak/c.jpg", "oak/d.jpg")
        ),
        "set_aside": ("", "truncated", "", ""),
    }
    return Dataset(**{**columns, **changes})


def test_a_spec_knows_its_shape() -> None:
    assert spec().shape == (32, 48, 3)
    assert spec(colour="gray", mean=(0.5,), std=(0.25,)).shape == (32, 48, 1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"height": 0}, r"`height` must lie in 1 to 4096 pixels\. Received height=0"),
        ({"width": 5000}, r"`width` must lie in 1 to 4096 pixels\. Received width=5000"),
        ({"fit": "strech"}, r"`fit` must be one of squash, pad, crop\. Received fit='strech'"),
        (
            {"interpolation": "cubic"},
            "`interpolation` must be one of .*bicubic.* Received interpolation='cubic'",
        ),
        ({"colour": "cmyk"}, r"`colour` must be one of rgb, gray\. Received colour='cmyk'"),
        ({"colour": "gray"}, r"must have 1 value\(s\) for colour='gray'"),
        ({"std": (1.0, 0.0, 1.0)}, r"`std` must be above 0\. Received std=\(1.0, 0.0, 1.0\)"),
    ],
)
def test_a_wrong_spec_says_what_must_hold(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        spec(**changes)


def test_rows_leave_out_what_is_set_aside() -> None:
    assert len(dataset()) == 4
    assert dataset().rows().tolist() == [0, 2, 3]
    split = dataset(splits=("train", "", "train", "test"))
    assert split.rows("train").tolist() == [0, 2]
    assert split.rows("test").tolist() == [3]
    assert split.rows("val").tolist() == []


@pytest.mark.parametrize("column", ["labels", "given", "groups", "set_aside"])
def test_columns_are_equally_long(column: str) -> None:
    with pytest.raises(ValueError, match=rf"`{column}` must have 4 rows\. Received 3"):
        dataset(**{column: getattr(dataset(), column)[:3]})


def test_later_columns_are_empty_or_full() -> None:
    with pytest.raises(ValueError, match=r"`sha256` must be empty or have 4 rows\. Received 1"):
        dataset(sha256=("0" * 64,))


def test_predictions_have_a_column_for_each_class() -> None:
    with pytest.raises(ValueError, match=r"`probabilities` must be \(1, 2\).* Received \(1, 3\)"):
        Predictions(classes=("birch", "oak"), paths=("a.jpg",), probabilities=np.full((1, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"`labels` must have 1 rows\. Received 2"):
        Predictions(
            classes=("birch", "oak"),
            paths=("a.jpg",),
            probabilities=np.full((1, 2), 0.5),
            labels=np.array([0, 1]),
        )


def test_records_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        spec().height = 64  # type: ignore[misc]


def test_silence_hears_everything_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    SILENT.say("three classes")
    SILENT.progress("check", 1, 3)
    SILENT.epoch({"epoch": 1})
    assert tuple(capfd.readouterr()) == ("", "")


def test_a_diagnosis_brings_its_figure() -> None:
    figure = {"title": "Loss", "x": "step", "y": "loss", "series": {"train": [[1, 0.7], [2, 0.69]]}}
    found = Diagnosis(kind="stuck", message="It stood still.", remedy="Shuffle.", evidence=figure)
    assert found.evidence["series"]["train"][-1] == [2, 0.69]
    with pytest.raises(ValueError, match="without series, y"):
        Diagnosis(kind="stuck", message="", remedy="", evidence={"title": "Loss", "x": "step"})


def test_the_task_follows_from_classes_and_targets() -> None:
    def made(classes: tuple[str, ...], targets: list[float]) -> Dataset:
        return Dataset(
            name="a",
            kind="csv",
            source="a.csv",
            classes=classes,
            paths=("a", "b"),
            labels=np.array([0, 1]),
            given=("", ""),
            groups=("", ""),
            images=ArrayImages(array=np.zeros((2, 2, 2), np.uint8)),
            set_aside=("", ""),
            targets=np.array(targets),
        )

    assert made(("x", "y"), []).task == "binary"
    assert made(("x", "y", "z"), []).task == "multiclass"
    assert made((), [1.0, 2.0]).task == "regression"
    with pytest.raises(ValueError, match="`targets` must be empty or have 2 rows"):
        made((), [1.0])


@pytest.mark.parametrize("made", [Texts, Hashes])
def test_a_column_of_texts_is_like_a_tuple_of_them(made: type[Texts]) -> None:
    texts = ("ab" * 32, "", "00" * 31 + "01", "cd" * 32)
    column = made(texts)
    assert (column, column[-1], len(column)) == (texts, texts[-1], 4)
    assert column[1:3] == texts[1:3] == of_rows(column, np.array([1, 2]))
    assert column != (*texts[:3], "")
    with pytest.raises(IndexError):
        column[4]


def test_a_column_of_names_holds_whatever_a_disk_does() -> None:
    names = ("참나무/잎.jpg", "\udcff.jpg", "")
    assert Texts(names) == names


def test_a_million_hashes_take_little_more_than_their_bytes() -> None:
    column = Hashes(["ab" * 32] * 1000)
    assert column.digests.nbytes == 32_000


def test_a_label_set_names_at_least_one_class() -> None:
    def predictions(sets: list[list[bool]]) -> Predictions:
        return Predictions(
            paths=("a",), classes=("x", "y"), probabilities=np.array([[0.6, 0.4]]), sets=np.array(sets)
        )

    assert predictions([[True, True]]).sets is not None
    with pytest.raises(ValueError, match="`sets` must name at least one class in each row. Received 1 empty"):
        predictions([[False, False]])
    with pytest.raises(ValueError, match="`sets` must have 1 rows. Received 2"):
        predictions([[True, False], [True, False]])


def test_what_was_said_out_of_fold_has_a_truth_for_each_row() -> None:
    def found(truth: list[int]) -> OutOfFold:
        rows = np.arange(2)
        return OutOfFold(
            rows=rows,
            outputs={"probabilities": np.eye(2)},
            truth=np.array(truth),
            folds=rows,
            groups=rows,
            learned_from=np.ones(2, bool),
        )

    assert len(found([0, 1])) == 2
    with pytest.raises(ValueError, match="`truth` must have 2 rows. Received 1"):
        found([0])
