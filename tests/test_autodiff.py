"""Derivatives against NumPy and differences, in float64, of functions and of models made in float32."""

import logging
import random

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasopt._autodiff import ModelObjective, Objective

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(24, 6, 6, 1)).astype("float32")
LABELS = RNG.integers(0, 3, 24)


@keras.saving.register_keras_serializable(package="kerasopt-tests")
class Scaled(layers.Layer):
    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", regularizer="l2")

    def call(self, inputs):
        return inputs * self.scale * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    result = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            Scaled(1.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    result.compile("adam", "sparse_categorical_crossentropy")
    result.fit(IMAGES, LABELS, verbose=0)
    return result


@pytest.fixture(scope="module")
def loss(model):
    return ModelObjective(model, IMAGES, LABELS)


def test_many_objectives_do_not_warn_of_retracing(monkeypatch):
    # TensorFlow logs a warning after five traces of one function; its logger does not pass them on to pytest's.
    logged = []
    monkeypatch.setattr(logging.getLogger("tensorflow"), "handle", logged.append)

    def square(w):
        return ops.sum(w**2)

    for _ in range(7):
        objective = Objective(square)
        assert objective.hessian_vector_product(np.ones(2), np.ones(2)) == pytest.approx([2.0, 2.0])
        assert objective.value(np.ones(2)) == 2.0
    assert not logged


def test_a_function_of_an_array():
    objective = Objective(lambda w: ops.sum(w**4) + w[0] * w[1])
    w, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 2.0])
    value, gradient = objective.value_and_gradient(w)
    assert objective.value(w) == value == 100.0
    np.testing.assert_allclose(gradient, 4 * w**3 + [2, 1, 0], rtol=1e-15)
    hessian = np.diag(12 * w**2) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(objective.hessian(w), hessian, rtol=1e-15)
    np.testing.assert_allclose(objective.hessian_vector_product(w, v), hessian @ v, rtol=1e-15)


def test_a_linear_and_a_constant_function():
    w = np.ones(2)
    np.testing.assert_array_equal(Objective(lambda w: w[0]).hessian(w), np.zeros((2, 2)))
    assert Objective(lambda w: ops.sum(w) * 0 + 3.0).value_and_gradient(w)[0] == 3.0


def test_a_models_loss_is_evaluates(model, loss):
    assert loss.value(loss.start) == pytest.approx(model.evaluate(IMAGES, LABELS, verbose=0), rel=1e-6)
    own = ModelObjective(model, IMAGES, LABELS, dtype=None)
    assert own.value(own.start) == pytest.approx(loss.value(loss.start), rel=1e-6)


def test_a_models_derivatives_are_differences_of_the_float64_loss(loss):
    direction, h = np.random.default_rng(1).normal(size=loss.start.size), 1e-5
    ahead, behind = loss.start + h * direction, loss.start - h * direction
    slope = (loss.value(ahead) - loss.value(behind)) / (2 * h)
    assert loss.value_and_gradient(loss.start)[1] @ direction == pytest.approx(slope, rel=1e-7)
    bend = (loss.value_and_gradient(ahead)[1] - loss.value_and_gradient(behind)[1]) / (2 * h)
    np.testing.assert_allclose(loss.hessian_vector_product(loss.start, direction), bend, atol=1e-6 * np.abs(bend).max())


def test_pieces_sum_to_the_whole(model, loss):
    pieces = ModelObjective(model, IMAGES, LABELS, batch_size=7)
    value, gradient = loss.value_and_gradient(loss.start)
    assert pieces.value(loss.start) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(pieces.value_and_gradient(loss.start)[1], gradient, atol=1e-14)


def test_other_data_are_taken_without_touching_the_first(loss):
    before = loss.value(loss.start)
    other = loss.on(IMAGES[:5], LABELS[:5], np.arange(5.0))
    assert other.value(loss.start) != before
    assert loss.value(loss.start) == before


def test_several_inputs_outputs_weights_and_frozen_layers():
    keras.utils.set_random_seed(1)
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = layers.Concatenate()([a, layers.Dense(2, trainable=False)(b)])
    model = keras.Model({"a": a, "b": b}, [layers.Dense(2)(both), layers.Dense(1, activation="sigmoid")(both)])
    model.compile(loss=[keras.losses.Huber(0.5), "binary_crossentropy"], loss_weights=[1.0, 0.3])
    x = {"a": RNG.normal(size=(9, 2)), "b": RNG.normal(size=(9, 3))}
    y = [RNG.normal(size=(9, 2)), RNG.integers(0, 2, (9, 1))]
    loss = ModelObjective(model, x, y)
    assert loss.start.size == 2 * 4 + 2 + 4 + 1
    assert loss.value(loss.start) == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-6)


def test_the_model_and_the_settings_are_left_as_they_were(model):
    weights, state = model.get_weights(), random.getstate()
    ModelObjective(model, IMAGES, LABELS).value_and_gradient(np.zeros(model.count_params() - 6))
    assert keras.config.floatx() == "float32"
    assert model.dtype_policy.name == "float32"
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert random.getstate() == state


class Forgetful(layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return super().get_config()


def test_a_copy_that_is_not_the_model_is_noticed():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1), Forgetful(3.0)])
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="its copy's loss differs"):
        ModelObjective(model, np.ones((4, 2)), np.zeros((4, 1)))


def small(**arguments):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(loss=keras.losses.MeanSquaredError(**arguments))
    return model


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((0, 2)), np.zeros((0, 1)), "not 0"),
        (np.zeros((3, 2)), np.zeros((2, 1)), "of one length"),
        (np.full((3, 2), np.nan), np.zeros((3, 1)), "finite"),
        (np.zeros((3, 2)), np.full((3, 1), np.inf), "finite"),
        (1.0, np.zeros((3, 1)), "arrays of samples"),
    ],
)
def test_bad_data_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        ModelObjective(small(), x, y)


def test_bad_models_are_refused():
    x, y = np.zeros((3, 2)), np.zeros((3, 1))
    with pytest.raises(ValueError, match="built"):
        ModelObjective(keras.Sequential([layers.Dense(1)]), x, y)
    with pytest.raises(ValueError, match="compiled"):
        ModelObjective(keras.Sequential([keras.Input((2,)), layers.Dense(1)]), x, y)
    flat = keras.Sequential([keras.Input((2,)), layers.Flatten()])
    flat.compile(loss="mse")
    with pytest.raises(ValueError, match="trainable weights"):
        ModelObjective(flat, x, x)
    broken = small()
    broken.set_weights([np.full((2, 1), np.nan), np.zeros(1)])
    with pytest.raises(ValueError, match="finite weights"):
        ModelObjective(broken, x, y)
    with pytest.raises(ValueError, match="batch_size"):
        ModelObjective(small(), x, y, batch_size=0)
    with pytest.raises(ValueError, match="not a mean"):
        ModelObjective(small(reduction="sum"), x, y, batch_size=2)
