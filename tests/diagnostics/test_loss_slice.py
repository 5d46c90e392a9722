"""Slices and sharpness against NumPy."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt._autodiff import ModelObjective
from kerasopt.diagnostics import loss_slice, sharpness, top_eigenvalue
from kerasopt.diagnostics._first_layer import losses_on
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


IMAGES, LABELS = np.random.default_rng(6).uniform(0, 1, (25, 6, 6, 1)), np.arange(25) % 3


def chain(*stack, kind=keras.Sequential):
    return kind([keras.Input((6, 6, 1)), *stack, layers.Flatten(), layers.Dense(3, "softmax")])


def rich():
    """Batch norm and dropout behind the first layer, a layer as activation, penalties on weights and outputs."""
    image = keras.Input((6, 6, 1))
    h = layers.Dense(7, activation=layers.LeakyReLU(), kernel_regularizer="l2")(layers.Flatten()(image))
    h = layers.Dropout(0.5)(layers.BatchNormalization()(h))
    return keras.Model(image, layers.Dense(3, "softmax", bias_regularizer="l1", activity_regularizer="l2")(h))


def branched():
    """The data reach the end by another way too."""
    image = keras.Input((6, 6, 1))
    flat = layers.Flatten()(image)
    h = layers.Concatenate()([layers.Dense(7, activation="relu")(flat), flat])
    return keras.Model(image, layers.Dense(3, "softmax")(h))


class Doubled(keras.Sequential):
    """A chain of layers by all looks."""

    def call(self, inputs, training=None, mask=None):
        return super().call(2 * inputs, training=training)


CHAINS = {
    "dense": lambda: chain(layers.Rescaling(2.0, -1), layers.Flatten(), layers.Dense(7, "tanh")),
    "no bias": lambda: chain(layers.Flatten(), layers.Dense(7, "relu", use_bias=False)),
    "convolution": lambda: chain(layers.Conv2D(4, 3, 2, "same", activation="relu", kernel_regularizer="l2")),
    "behind a frozen layer": lambda: chain(layers.Conv2D(4, 3, activation="relu", trainable=False)),
    "rich": rich,
}
OTHERS = {
    "branched": branched,
    "few inputs": lambda: chain(layers.Dense(2)),
    "batch norm first": lambda: chain(layers.BatchNormalization()),
    "an activity regularizer": lambda: chain(layers.Flatten(), layers.Dense(7, activity_regularizer="l2")),
    "a penalty before it": lambda: chain(
        layers.Conv2D(2, 3, trainable=False, activity_regularizer="l2"), layers.Flatten(), layers.Dense(7)
    ),
    "a call of its own": lambda: chain(layers.Flatten(), layers.Dense(7), kind=Doubled),
}


@pytest.mark.parametrize("name", [*CHAINS, *OTHERS])
def test_the_first_layers_products_may_be_made_once(name):
    keras.utils.set_random_seed(2)
    model = (CHAINS | OTHERS)[name]()
    model.compile(loss="sparse_categorical_crossentropy")
    rng = np.random.default_rng(7)
    model.set_weights([w + rng.uniform(0, 0.3, w.shape) for w in model.get_weights()])
    before = model.get_weights()
    loss = ModelObjective(model, IMAGES, LABELS, dtype=None, batch_size=10)
    flat = 0.3 * rng.normal(size=(2, loss.start.size))
    corners = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    # Both in float32, over sums of 36 products.
    expected = pytest.approx([loss.value(loss.start + corner @ flat) for corner in corners], rel=2e-5)
    assert (losses_on(loss, flat, corners) is None) == (name in OTHERS)
    directions = [loss.split(direction) for direction in flat]
    result = loss_slice(model, IMAGES, LABELS, directions=directions, points=2, batch_size=10)
    assert list(result.losses.ravel()) == expected
    for weight, after in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, after)


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
