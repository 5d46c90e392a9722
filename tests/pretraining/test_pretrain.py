"""Greedy training, layer by layer: what each RBM sees, what each layer gets, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt
from kerasopt.optimizers import Momentum
from kerasopt.pretraining import RBM, pretrain

IMAGES = np.random.default_rng(0).integers(0, 256, (120, 3, 4)).astype("float32")


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def network(*middle, units=(6, 5), **arguments):
    dense = [layers.Dense(n, "sigmoid", **arguments) for n in units]
    return keras.Sequential(
        [
            keras.Input((3, 4)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            dense[0],
            *middle,
            *dense[1:],
            layers.Dense(3, "softmax"),
        ]
    )


def dense_of(model):
    return [layer for layer in model.layers if isinstance(layer, layers.Dense)]


@pytest.fixture(scope="module")
def pretrained():
    model = network(layers.Dropout(0.5), layers.GaussianNoise(0.1))
    before = [numpy(layer.kernel) for layer in dense_of(model)]
    rbms = pretrain(model, IMAGES, epochs=2, batch_size=30, steps=2, seed=3)
    return model, before, rbms


def test_layers_get_the_weights_and_the_hidden_biases(pretrained):
    model, before, rbms = pretrained
    *hidden, output = dense_of(model)
    assert len(rbms) == 2
    for layer, rbm, old in zip(hidden, rbms, before, strict=False):
        np.testing.assert_array_equal(numpy(layer.kernel), numpy(rbm.kernel))
        np.testing.assert_array_equal(numpy(layer.bias), numpy(rbm.hidden_bias))
        assert not np.allclose(numpy(layer.kernel), old)
        assert numpy(layer.bias).any()
        assert rbm.steps == 2
        assert len(rbm.history.history["reconstruction_error"]) == 2
    np.testing.assert_array_equal(numpy(output.kernel), before[2])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="stock `fit` on torch draws the order of the samples")
def test_each_rbm_learns_from_the_hidden_probabilities_of_the_one_before(pretrained):
    _, _, rbms = pretrained
    x = (IMAGES / 255).reshape(len(IMAGES), -1)
    for number, rbm in enumerate(rbms):
        again = RBM(rbm.units, steps=2, seed=3 + number)
        again.compile(Momentum(0.05, momentum=0.5))
        kerasopt.fit(again, x, epochs=2, batch_size=30, verbose=0, seed=3 + number)
        np.testing.assert_allclose(numpy(again.kernel), numpy(rbm.kernel), atol=1e-5)
        x = (1 / (1 + np.exp(-(x @ numpy(rbm.kernel) + numpy(rbm.hidden_bias))))).astype("float32")


def test_the_model_is_fine_tuned_as_usual(pretrained):
    model, _, _ = pretrained
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = np.arange(len(IMAGES)) % 3
    assert np.isfinite(model.fit(IMAGES, labels, verbose=0).history["loss"][0])


def test_layers_chosen_and_said(capsys):
    model = network(use_bias=False)
    rbms = pretrain(model, IMAGES, epochs=1, layers=1, optimizer=keras.optimizers.SGD(0.2), verbose=1)
    first, second, _ = dense_of(model)
    assert len(rbms) == 1
    assert float(rbms[0].optimizer.learning_rate) == pytest.approx(0.2)
    np.testing.assert_array_equal(numpy(first.kernel), numpy(rbms[0].kernel))
    assert second.kernel.shape == (6, 5)
    assert f"{first.name}: 12 -> 6 units, reconstruction error 0." in capsys.readouterr().out


def small(*stack):
    return keras.Sequential([keras.Input((4,)), *stack])


X = np.full((8, 4), 0.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pretrain(keras.Sequential([layers.Dense(3), layers.Dense(3)]), X),
        lambda: pretrain(keras.Model(i := keras.Input((4,)), layers.Dense(3)(i)), X),
        lambda: pretrain(small(layers.Dense(3)), X),
        lambda: pretrain(small(), X),
        lambda: pretrain(small(layers.Dense(3), layers.BatchNormalization(), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.BatchNormalization(), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.Dense(3), layers.Reshape((3, 1)), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.Reshape((4, 1)), layers.Conv1D(2, 2), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.Reshape((2, 2)), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X[:0]),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X * np.nan),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X + 1),
        lambda: pretrain(small(layers.Rescaling(3.0), layers.Dense(3), layers.Dense(3)), X),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, epochs=0),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, batch_size=0),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, layers=0),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, layers=3),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, seed=-1),
        lambda: pretrain(small(layers.Dense(3), layers.Dense(3)), X, optimizer="sgd"),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()
