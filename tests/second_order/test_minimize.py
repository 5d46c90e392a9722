"""SciPy through our bridge against SciPy on the same function in NumPy."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy import optimize

from kerasopt.second_order import minimize

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 3))
LABELS = (X @ [1.0, -2.0, 0.5] + RNG.normal(size=40) > 0).astype("float64")[:, None]
L2 = 1 / 64  # Keras rounds it to float32


def logistic():
    """Logistic regression: a convex loss with one minimum."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_regularizer=keras.regularizers.L2(L2))])
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model


@pytest.fixture(scope="module")
def model():
    return logistic()


@pytest.fixture
def start(model):
    model.set_weights([np.full((3, 1), 0.5, dtype="float32"), np.full(1, -0.25, dtype="float32")])
    return np.array([0.5, 0.5, 0.5, -0.25])


def oracle(point):
    w, b = point[:3, None], point[3]
    z = X @ w + b
    value = np.mean(np.logaddexp(0, z) - LABELS * z) + L2 * np.sum(w**2)
    slope = (1 / (1 + np.exp(-z)) - LABELS) / len(X)
    return value, np.r_[(X.T @ slope + 2 * L2 * w).ravel(), slope.sum()]


def minimum(start, **arguments):
    return optimize.minimize(oracle, start, jac=True, **arguments)


def test_l_bfgs_takes_scipys_path(model, start):
    steps = []
    ours = minimize(model, X, LABELS, callback=lambda step, loss: steps.append((step, loss)), verbose=0)
    theirs = minimum(start, method="L-BFGS-B", options={"maxiter": 200})
    assert ours.nit == theirs.nit == len(steps)
    assert steps[-1] == (ours.nit, pytest.approx(theirs.fun, abs=1e-12))
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-8)
    assert ours.fun == pytest.approx(theirs.fun, abs=1e-12)
    # The model holds it, in float32.
    np.testing.assert_allclose(np.r_[model.get_weights()[0].ravel(), model.get_weights()[1]], ours.x, rtol=1e-6)


@pytest.mark.parametrize(
    "method",
    ["CG", "TNC", "BFGS", "SLSQP", "Newton-CG", "trust-ncg", "trust-krylov", "trust-constr", "trust-exact"],
)
def test_every_method_finds_the_minimum(model, start, method):
    best = minimum(start, method="BFGS", tol=1e-10)
    tolerance = 1e-9 if method == "SLSQP" else 1e-7  # of the loss there, of the gradient in most others
    ours = minimize(model, X, LABELS, method, tolerance=tolerance, max_steps=500, batch_size=15, verbose=0)
    assert ours.fun == pytest.approx(best.fun, abs=1e-7)


def test_without_gradients(model, start):
    assert minimize(model, X, LABELS, "Nelder-Mead", verbose=0).fun == pytest.approx(minimum(start).fun, abs=1e-4)


def test_sample_weights_count(model, start):
    weights = np.r_[np.zeros(20), np.ones(20)]
    result = minimize(model, X, LABELS, sample_weight=weights, max_steps=1, verbose=0)
    assert result.fun != minimum(start, method="L-BFGS-B", options={"maxiter": 1}).fun


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_exception_gives_the_weights_back(model, start, error):
    before = model.get_weights()

    def callback(step, loss):
        assert not np.array_equal(model.get_weights()[0], before[0])
        if step == 2:
            raise error

    with pytest.raises(error):
        minimize(model, X, LABELS, callback=callback, verbose=0)
    for weight, after in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, after)


def test_a_callback_may_stop_it(model, start):
    def callback(step, loss):
        raise StopIteration

    assert minimize(model, X, LABELS, callback=callback, verbose=0).nit == 1


def test_the_bar(model, start, capsys):
    minimize(model, X, LABELS, max_steps=2, verbose=0)
    assert capsys.readouterr().out == ""
    minimize(model, X, LABELS, max_steps=2, verbose=1)
    assert "loss" in capsys.readouterr().out


def test_memory_is_refused_in_plain_words():
    big = keras.Sequential([keras.Input((784,)), layers.Dense(256), layers.Dense(10)])
    big.compile(loss="mse")
    x, y = np.zeros((2, 784)), np.zeros((2, 10))
    with pytest.raises(MemoryError, match=r"203,530 parameters make 331\.4 GB in float64 \(165\.7 GB in float32\)"):
        minimize(big, x, y, "BFGS", max_memory=16e9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "Adam"}, "method"),
        ({"method": None}, "method"),
        ({"max_steps": 0}, "max_steps"),
        ({"verbose": "auto"}, "verbose"),
        ({"batch_size": -1}, "batch_size"),
        ({"x": X[:0], "y": LABELS[:0]}, "not 0"),
        ({"x": X[:5]}, "of one length"),
        ({"x": X * np.nan}, "finite"),
    ],
)
def test_bad_arguments(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        minimize(**{"model": model, "x": X, "y": LABELS, "verbose": 0, **arguments})


def test_an_unbuilt_model_is_refused():
    with pytest.raises(ValueError, match="built"):
        minimize(keras.Sequential([layers.Dense(1)]), X, LABELS, verbose=0)
