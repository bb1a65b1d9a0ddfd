"""The estimator of images inside the machinery of scikit-learn."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from mindle.sklearn import ImageClassifier

NET = ImageClassifier(
    recipe="scratch",
    model="small-resnet",
    image_shape=(8, 8),
    settings={"train.epochs": 5, "train.batch_size": 8},
    random_state=0,
)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows of 64 numbers from 0 to 1, and the names of their digits, of three."""
    rows, labels = load_digits(return_X_y=True)
    some = np.flatnonzero(labels < 3)[:240]
    return rows[some] / 16, np.array(["zero", "one", "two"])[labels[some]]


@pytest.fixture(autouse=True)
def _own_cache(cache: Path) -> None:
    """Nothing is left in the user's cache."""


def test_labels_keep_their_type_and_probabilities_their_order(digits: Any) -> None:
    rows, names = digits
    fitted = clone(NET).fit(rows[:180], names[:180])
    assert fitted.classes_.tolist() == ["one", "two", "zero"]
    probabilities = fitted.predict_proba(rows[180:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert fitted.predict(rows[180:]).tolist() == fitted.classes_[probabilities.argmax(axis=1)].tolist()
    assert fitted.score(rows[180:], names[180:]) > 0.9
    numbers = np.unique(names[:180], return_inverse=True)[1] * 10
    assert clone(NET).fit(rows[:180], numbers).predict(rows[180:]).dtype == numbers.dtype


def test_it_says_what_is_still_possible_and_when_not_to_answer(digits: Any) -> None:
    rows, names = digits
    fitted = clone(NET).set_params(val_fraction=0.4).fit(rows[:200], names[:200])
    sets = fitted.predict_set(rows[200:])
    truth = np.searchsorted(fitted.classes_, names[200:])
    assert sets.shape == (40, 3)
    assert sets[np.arange(40), fitted.predict_proba(rows[200:]).argmax(axis=1)].all()
    assert sets[np.arange(40), truth].mean() >= 0.9
    assert fitted.predict_set(rows[200:], level=0.999).sum() == 40  # too few to promise that
    codes = fitted.abstains(np.concatenate([rows[200:], np.zeros((2, 64)), np.ones((2, 64))]))
    assert (codes[:40] == "").mean() > 0.8
    assert (codes[40:] != "").all()
    assert (
        pickle.loads(pickle.dumps(fitted)).abstains(rows[:5]).tolist() == fitted.abstains(rows[:5]).tolist()
    )


def test_the_same_seed_gives_the_same_answers(digits: Any) -> None:
    rows, names = digits
    first, second = (clone(NET).fit(rows[:120], names[:120]).predict_proba(rows[120:]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_parameters_come_back_and_are_left_alone(digits: Any) -> None:
    settings = {"train.epochs": 1}
    net = clone(NET).set_params(settings=settings, budget="5m")
    assert net.get_params()["budget"] == "5m"
    before = net.get_params()
    net.fit(digits[0][:60], digits[1][:60])
    assert net.get_params() == before
    assert clone(net).get_params() == before
    assert not hasattr(clone(net), "classes_")


def test_it_works_in_a_pipeline_under_cross_validation(digits: Any) -> None:
    rows, names = digits
    pipeline = make_pipeline(MinMaxScaler(clip=True), clone(NET))
    scores = cross_val_score(pipeline, rows * 16, names, cv=StratifiedKFold(2, shuffle=True, random_state=0))
    assert scores.mean() > 0.85


def test_a_grid_goes_over_its_parameters(digits: Any) -> None:
    grid = GridSearchCV(
        clone(NET),
        {
            "settings": [
                {"train.epochs": 1, "train.learning_rate": 1e-6},
                {"train.epochs": 5, "train.batch_size": 8},
            ]
        },
        cv=2,
    ).fit(*digits)
    assert grid.best_params_["settings"] == {"train.epochs": 5, "train.batch_size": 8}


@pytest.mark.parametrize("together", [VotingClassifier, StackingClassifier])
def test_it_votes_and_stacks_with_others(digits: Any, together: Any) -> None:
    rows, names = digits
    members = [("net", clone(NET)), ("linear", LogisticRegression())]
    options: dict[str, Any] = {"voting": "soft"} if together is VotingClassifier else {"cv": 2}
    combined = together(members, **options).fit(rows[:180], names[:180])
    assert combined.score(rows[180:], names[180:]) > 0.9


def test_paths_are_images_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths, labels = [], []
    for number in range(40):
        shade = 60 if number % 2 else 190
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(rng.integers(shade - 50, shade + 50, (16, 16, 3)).astype(np.uint8)).save(paths[-1])
        labels.append(bool(number % 2))
    (tmp_path / "3.png").write_bytes(b"torn")
    net = ImageClassifier(
        strategy="scratch", settings={"train.epochs": 6, "train.batch_size": 8}, random_state=0
    )
    with pytest.warns(UserWarning, match="1 of 30 images are not used"):
        net.fit(paths[:30], labels[:30])
    assert any("3.png" in name for finding in net.findings_ for name in finding.files)
    assert net.classes_.tolist() == [False, True]
    assert net.score(paths[30:], labels[30:]) == 1.0
    (tmp_path / "31.png").write_bytes(b"torn")
    with pytest.raises(ValueError, match="Every image must be one that can be read"):
        net.predict(paths[30:])


def test_wrong_input_is_named(digits: Any) -> None:
    rows, names = digits
    with pytest.raises(NotFittedError):
        clone(NET).predict(rows)
    with pytest.raises(ValueError, match=r"flattened rows \(image, 64\).*Received shape \(240, 63\)"):
        clone(NET).fit(rows[:, 1:], names)
    with pytest.raises(ValueError, match="floats from 0 to 1. Received float64 from 0 to 16"):
        clone(NET).fit(rows * 16, names)
    with pytest.raises(ValueError, match="at least two classes. Received 1"):
        clone(NET).fit(rows[:20], ["zero"] * 20)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clone(NET).fit(rows[:20], names[:19])
    with pytest.raises(ValueError, match="`strategy` must be one of"):
        clone(NET).set_params(strategy="magic").fit(rows, names)


def test_images_of_another_shape_than_in_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (24, 12, 10, 3), dtype=np.uint8)
    images[::2] //= 3
    net = ImageClassifier(
        model="small-resnet", strategy="scratch", settings={"train.epochs": 1}, random_state=0
    ).fit(images, np.arange(24) % 2)
    assert net.input_shape_ == (12, 10, 3)
    assert len(net.predict(images[0][None])) == len(net.predict([images[0]])) == 1
    for wrong, said in (
        (images[0], r"\(image, 12, 10, 3\), as in `fit`. Received shape \(12, 10, 3\). It is one image"),
        (images[:2, :6], r"Received shape \(2, 6, 10, 3\). Resize it"),
        (images[..., 0], r"Received shape \(24, 12, 10\)"),
        (images.transpose(0, 3, 1, 2), r"with 1 or 3 channels. Received shape \(24, 3, 12, 10\)"),
        ([images[0], images[1, :6]], r"of one shape. Received \(12, 10, 3\), \(6, 10, 3\)"),
    ):
        with pytest.raises(ValueError, match=said):
            net.predict(wrong)
    with pytest.raises(TypeError, match="must be paths, or uint8 or float arrays. Received bytes"):
        net.predict([b"jpeg"])
