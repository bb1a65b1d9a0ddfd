"""Records of the linear view: the same answers as the libraries give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern
from torch.nn import functional as F

from mindle.models.tables.scorers import DenseNets, Exponential, KernelMachine, Linear, kernel_of


@pytest.mark.parametrize(
    ("kernel", "theirs"),
    [("matern32", Matern(1.0, nu=1.5)), ("rbf", RBF(0.5**0.5))],
)
def test_kernels_are_those_of_the_book(kernel: str, theirs: Matern) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    assert kernel_of(a, b, kernel) == pytest.approx(theirs(a, b), abs=1e-12)


def test_a_kernel_machine_is_the_mean_of_a_process() -> None:
    rng = np.random.default_rng(0)
    x, y, asked = rng.normal(size=(30, 2)), rng.normal(size=30), rng.normal(size=(8, 2))
    lengths = np.array([0.7, 2.0])
    process = GaussianProcessRegressor(Matern(lengths, nu=1.5), alpha=0.1, optimizer=None).fit(x, y)
    machine = KernelMachine(
        points=x / lengths,
        lengths=lengths,
        coefficients=process.alpha_.reshape(-1, 1),
        offset=np.zeros(1),
        kernel="matern32",
    )
    assert machine.scores(asked)[:, 0] == pytest.approx(process.predict(asked), abs=1e-10)


def test_nets_are_averaged() -> None:
    rng = np.random.default_rng(0)
    weights = (rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 6, 2)))
    offsets = (rng.normal(size=(3, 6)), rng.normal(size=(3, 2)))
    x = rng.normal(size=(9, 4))
    each = [
        F.relu(torch.from_numpy(x @ weights[0][net] + offsets[0][net])).numpy() @ weights[1][net]
        + offsets[1][net]
        for net in range(3)
    ]
    assert DenseNets(weights=weights, offsets=offsets).scores(x) == pytest.approx(np.mean(each, axis=0))


def test_a_linear_model_is_a_product() -> None:
    model = Linear(weights=np.array([[2.0], [3.0]]), offset=np.array([1.0]))
    assert model.scores(np.array([[1.0, 1.0]])).tolist() == [[6.0]]


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match="`kernel` must be one of rbf, matern32"):
        KernelMachine(
            points=np.zeros((1, 1)),
            lengths=np.ones(1),
            coefficients=np.zeros((1, 1)),
            offset=np.zeros(1),
            kernel="cubic",
        )


def test_exponentials_stay_finite() -> None:
    inner = KernelMachine(
        points=np.zeros((1, 1)),
        lengths=np.ones(1),
        coefficients=np.array([[2.0]]),
        offset=np.zeros(1),
        kernel="rbf",
    )
    model = Exponential(inner=inner, factor=0.5, shift=1.0, centre=1.0, scale=2.0)
    assert model.scores(np.zeros((1, 1)))[0, 0] == pytest.approx((np.exp(2.0) - 1) / 2)
    far = Exponential(inner=inner, factor=1e6, shift=0.0)
    assert np.isfinite(far.scores(np.zeros((1, 1)))).all()
