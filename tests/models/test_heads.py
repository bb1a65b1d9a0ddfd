"""Heads answer what scikit-learn's models answer, and come back from a description and a state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mindle.models.heads import (
    BlendHead,
    Head,
    KernelHead,
    LinearHead,
    NetHead,
    ScaledHead,
    Standardise,
    build_head,
    describe_head,
)

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(3.0, 2.0, (120, 6))
LABELS = (FEATURES[:, 0] > 3).astype(int) + (FEATURES[:, 1] > 4)
SCALER = StandardScaler().fit(FEATURES)
STANDARDISE = Standardise(SCALER.mean_, SCALER.scale_)
X = torch.from_numpy(FEATURES).float()


def linear(labels: np.ndarray) -> tuple[LinearHead, LogisticRegression]:
    model = LogisticRegression().fit(SCALER.transform(FEATURES), labels)
    return LinearHead(STANDARDISE, model.coef_, model.intercept_), model


def pairwise_coefficients(dual: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """scikit-learn's `dual_coef_` spread to one column a pair of classes: (0, 1), (0, 2), … (1, 2), …"""
    classes, ends = len(counts), np.cumsum(counts)
    block = [slice(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    columns = np.zeros((int(ends[-1]), len(pairs)))
    for column, (i, j) in enumerate(pairs):
        columns[block[i], column] = dual[j - 1, block[i]]
        columns[block[j], column] = dual[i, block[j]]
    return columns


def kernel(labels: np.ndarray) -> tuple[KernelHead, SVC]:
    model = SVC(gamma=0.1, C=3.0, decision_function_shape="ovo").fit(SCALER.transform(FEATURES), labels)
    coefficients = pairwise_coefficients(model.dual_coef_, model.n_support_)
    pairs = coefficients.shape[1]
    head = KernelHead(
        STANDARDISE,
        model.support_vectors_,
        0.1,
        coefficients,
        model.intercept_,
        np.eye(max(pairs, 2))[:, :pairs],
        np.zeros(max(pairs, 2)),
    )
    return head, model


@pytest.mark.parametrize("classes", [2, 3])
def test_linear_head_is_the_logistic_regression(classes: int) -> None:
    head, model = linear(np.minimum(LABELS, classes - 1))
    expected = model.predict_proba(SCALER.transform(FEATURES))
    np.testing.assert_allclose(torch.softmax(head(X), 1).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_kernel_head_is_the_support_vector_machine(classes: int) -> None:
    head, model = kernel(np.minimum(LABELS, classes - 1))
    expected = model.decision_function(SCALER.transform(FEATURES)).reshape(len(FEATURES), -1)
    np.testing.assert_allclose(head(X).numpy()[:, : expected.shape[1]], expected, atol=1e-4)


def test_blend_is_the_weighted_mean_of_log_probabilities() -> None:
    one, two = linear(LABELS)[0], kernel(LABELS)[0]
    blend = BlendHead([one, two], np.array([3.0, 1.0]))
    expected = 0.75 * torch.log_softmax(one(X), 1) + 0.25 * torch.log_softmax(two(X), 1)
    torch.testing.assert_close(blend(X), expected)


def test_blend_can_give_each_head_its_own_features() -> None:
    one = linear(LABELS)[0]
    blend = BlendHead([one, one], np.ones(2), columns=[(0, 6), (6, 12)])
    torch.testing.assert_close(blend(torch.cat([X, X], dim=1)), torch.log_softmax(one(X), 1))


def test_a_feature_that_never_varied_stays_finite() -> None:
    head = LinearHead(Standardise(np.zeros(2), np.array([1.0, 0.0])), np.eye(2), np.zeros(2))
    assert torch.isfinite(head(torch.ones(1, 2))).all()


def heads() -> list[Head]:
    layers = [{"kind": "dense", "units": 8, "activation": "relu"}, {"kind": "dense", "units": "classes"}]
    net = NetHead(STANDARDISE, layers, classes=3, seed=1)
    basic: list[Head] = [linear(LABELS)[0], kernel(LABELS)[0], net]
    return [
        *basic,
        BlendHead(basic, np.array([1.0, 2.0, 3.0])),
        ScaledHead(basic[0], np.array([1.0, 2.0, 0.5]), np.array([0.0, 0.1, -0.2])),
        BlendHead([net], np.ones(1), columns=[(0, 6)]),
    ]


@pytest.mark.parametrize("place", range(6))
def test_description_and_state_rebuild_a_head(place: int) -> None:
    head = heads()[place]
    again = build_head(describe_head(head))
    again.load_state_dict(head.state_dict(), strict=True)
    assert torch.equal(again(X), head(X))
    assert describe_head(again) == describe_head(head)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Standardise(np.zeros(2), np.ones(3)), "vectors of one length"),
        (
            lambda: LinearHead(Standardise.identity(2), np.eye(3), np.zeros(3)),
            r"`weight` must have the shape",
        ),
        (
            lambda: LinearHead(Standardise.identity(2), np.eye(2), np.zeros(3)),
            r"`bias` must have the shape \(2\)",
        ),
        (lambda: BlendHead([], np.zeros(0)), "`weights` must be 0 or more"),
        (lambda: BlendHead([linear(LABELS)[0]], np.array([-1.0])), "`weights` must be 0 or more"),
        (lambda: BlendHead([linear(LABELS)[0]], np.ones(1), columns=[]), "`columns` must have 1 pairs"),
        (lambda: build_head({"kind": "forest"}), "`kind` must be linear, kernel, net, blend, mean or scaled"),
    ],
)
def test_wrong_parts_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_only_heads_are_described() -> None:
    with pytest.raises(TypeError, match="one of the heads"):
        describe_head(torch.nn.Identity())


def test_large_coefficients_that_cancel_cost_no_precision() -> None:
    rng = np.random.default_rng(0)
    half, weights = rng.normal(size=(200, 60)) / 60**0.5, rng.normal(size=(200, 3)) * 1000
    support = np.concatenate([half, half + 1e-3]).astype(np.float32)
    coefficients = np.concatenate([weights, -weights]).astype(np.float32)
    head = KernelHead(
        Standardise.identity(60), support, 0.5, coefficients, np.zeros(3), np.eye(3), np.zeros(3)
    )
    x = rng.normal(size=(5, 60)).astype(np.float32) / 60**0.5
    distances = np.square(x[:, None].astype(np.float64) - support).sum(axis=2)
    expected = np.exp(-0.5 * distances) @ coefficients
    assert np.abs(expected).max() < 0.05 * np.abs(coefficients).max()
    with torch.inference_mode():
        found = head(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_kernel_head_that_is_loaded_measures_its_vectors_again() -> None:
    head, _ = kernel(LABELS)
    empty = build_head(describe_head(head))
    empty.load_state_dict(head.state_dict())
    torch.testing.assert_close(empty(X), head(X))
