"""Slices and sharpness against NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.diagnostics import loss_slice, sharpness, top_eigenvalue
from kerasopt.plotting import plot_slice

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 2))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    result = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    result.compile(loss="mse")
    return result


def oracle(w, b):
    return np.mean((X @ w + b - Y) ** 2)


def test_a_plane_is_numpys(model):
    before = model.get_weights()
    result = loss_slice(model, X, Y, points=5, span=(-1, 2))
    (w, b), (d, e) = before, result.directions
    for i, j in np.ndindex(5, 5):
        s, t = result.coordinates[0][i], result.coordinates[1][j]
        # float32 throughout
        assert result.losses[i, j] == pytest.approx(oracle(w + s * d[0] + t * e[0], b), rel=1e-5)
    for direction in (d, e):
        np.testing.assert_allclose(np.linalg.norm(direction[0], axis=0), np.linalg.norm(w, axis=0), rtol=1e-6)
        np.testing.assert_array_equal(direction[1], 0)
    for weight, after in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, after)


def test_given_directions_are_taken_as_they_are(model):
    w, b = model.get_weights()
    result = loss_slice(model, X, Y, directions=[[np.ones((3, 2)), np.ones(2)]], points=3, batch_size=7)
    np.testing.assert_allclose(result.losses, [oracle(w + a, b + a) for a in (-1, 0, 1)], rtol=1e-5)
    assert "3 points" in repr(result)


def test_drawing(model):
    for directions in (1, 2):
        ax = plot_slice(loss_slice(model, X, Y, directions=directions, points=3))
        assert ax.get_xlabel().startswith("along")
        ax.figure.clear()


def test_sharpness_is_the_rise_at_sams_point(model):
    w, b = (v.astype("float64") for v in model.get_weights())
    d = 2 * (X @ w + b - Y) / Y.size
    g, h = X.T @ d, d.sum(0)
    length = np.sqrt(np.sum(g**2) + np.sum(h**2))
    expected = oracle(w + 0.3 * g / length, b + 0.3 * h / length) - oracle(w, b)
    assert sharpness(model, X, Y, rho=0.3) == pytest.approx(expected, rel=1e-10)


def test_the_top_eigenvalue_is_the_hessians(model):
    extended = np.c_[X, np.ones(len(X))]
    # The loss is a mean over samples and both outputs.
    expected = np.linalg.eigvalsh(extended.T @ extended / len(X)).max()
    assert top_eigenvalue(model, X, Y, tolerance=1e-8) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize(
    ("call", "arguments", "message"),
    [
        (loss_slice, {"points": 1}, "points"),
        (loss_slice, {"span": (1, -1)}, "span"),
        (loss_slice, {"directions": 3}, "directions"),
        (loss_slice, {"directions": [[np.ones(2)]]}, "directions"),
        (sharpness, {"rho": 0}, "rho"),
        (top_eigenvalue, {"tolerance": 2}, "tolerance"),
    ],
)
def test_bad_arguments(model, call, arguments, message):
    with pytest.raises(ValueError, match=message):
        call(model, X, Y, **arguments)
