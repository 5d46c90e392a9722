"""Averaged weights: SWA and batch-norm statistics against NumPy, and the swap of moving averages."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt
from kerasopt.ensembles import SWA, refresh_batch_norm, swap_ema

RNG = np.random.default_rng(3)
X = (RNG.normal(size=(90, 5)) * [1, 2, 3, 4, 5] + 7).astype("float32")
Y = (X[:, 0] > 7).astype("int32")


def net(*hidden, optimizer="sgd"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((5,)), *hidden, layers.Dense(2, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Diary(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights, self.rates = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append([np.array(w, "float64") for w in self.model.get_weights()])
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


@pytest.mark.parametrize(("start", "every", "counted"), [(0, 1, [0, 1, 2, 3, 4, 5, 6]), (2, 2, [2, 4, 6]), (6, 3, [6])])
@pytest.mark.parametrize("fit", [kerasopt.fit, keras.Model.fit], ids=["ours", "stock"])
def test_swa_is_the_mean_of_the_epochs(fit, start, every, counted):
    diary, swa, model = Diary(), SWA(start, rate=0.2, every=every), net(optimizer=keras.optimizers.SGD(0.05))
    fit(model, X, Y, epochs=7, verbose=0, callbacks=[swa, diary])
    for i, weight in enumerate(model.get_weights()):
        mean = np.mean([diary.weights[epoch][i] for epoch in counted], axis=0)
        assert weight == pytest.approx(mean, rel=1e-6, abs=1e-7)  # stored in float32
    assert swa.count == len(counted)
    assert diary.rates == pytest.approx([0.05] * start + [0.2] * (7 - start))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


def test_swa_says_when_it_did_nothing(capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    kerasopt.fit(net(), X, Y, epochs=5, verbose=0, callbacks=[SWA(3), Stop()])
    assert "SWA: training ended before epoch 3" in capsys.readouterr().out


def test_swa_refusals():
    for arguments in ({"start_epoch": -1}, {"rate": 0.0}, {"every": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=f"Argument `{next(iter(arguments))}`"):
            SWA(**{"start_epoch": 0} | arguments)
    with pytest.raises(ValueError, match="less than the 2 epochs"):
        kerasopt.fit(net(), X, Y, epochs=2, verbose=0, callbacks=[SWA(2)])
    with pytest.raises(ValueError, match="training inputs"):
        kerasopt.fit(net(layers.BatchNormalization()), X, Y, epochs=2, verbose=0, callbacks=[SWA(0)])
    scheduled = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(ValueError, match="follows a schedule"):
        kerasopt.fit(net(optimizer=scheduled), X, Y, epochs=2, verbose=0, callbacks=[SWA(0, rate=0.1)])


def test_batch_norm_is_refreshed_to_the_data():
    norms = [layers.BatchNormalization(momentum=m) for m in (0.99, 0.5)]
    model = net(norms[0], layers.Dropout(0.0), layers.Dense(4, "relu"), norms[1])
    before = [np.array(w) for w in model.get_weights()]
    norms[1].moving_variance.assign(np.full(4, np.nan, "float32"))  # what was there must not matter
    order = np.argsort(X[:, 0])  # sorted data
    assert refresh_batch_norm(model, X[order], batch_size=len(X)) == 2
    x = X.astype("float64")
    assert np.array(norms[0].moving_mean) == pytest.approx(x.mean(0), rel=1e-5)
    assert np.array(norms[0].moving_variance) == pytest.approx(x.var(0), rel=1e-4)
    kernel, bias = (w.astype("float64") for w in before[4:6])
    hidden = np.maximum((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) @ kernel + bias, 0)
    assert np.array(norms[1].moving_mean) == pytest.approx(hidden.mean(0), rel=1e-4)
    assert np.array(norms[1].moving_variance) == pytest.approx(hidden.var(0), rel=1e-4)
    assert [n.momentum for n in norms] == [0.99, 0.5]
    for i in (0, 1, 4, 5, 6, 7, 10, 11):  # all that is trained stays
        assert np.array_equal(model.get_weights()[i], before[i])
    # The first layer's statistics do not depend on the batches, not even on a short last one.
    refresh_batch_norm(model, X, batch_size=32)
    assert np.array(norms[0].moving_mean) == pytest.approx(x.mean(0), rel=1e-5)
    assert np.array(norms[0].moving_variance) == pytest.approx(x.var(0), rel=1e-4)


def test_batch_norm_anywhere_is_found_and_nothing_else_changes():
    @keras.saving.register_keras_serializable("test")
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [layers.BatchNormalization(axis=1), {"drop": layers.Dropout(0.5)}]
            self.frozen = layers.BatchNormalization(trainable=False)

        def build(self, shape):
            self.parts[0].build(shape)
            self.frozen.build(shape)

        def call(self, x, training=None):
            return self.frozen(self.parts[1]["drop"](self.parts[0](x, training=training), training=training))

    block = Block()
    inner = keras.Sequential([keras.Input((3, 2)), block, layers.TimeDistributed(layers.BatchNormalization())])
    model = keras.Sequential([keras.Input((3, 2)), inner, layers.BatchNormalization(renorm=True)])
    x = RNG.normal(3, 2, size=(50, 3, 2)).astype("float32")
    states = [np.array(v) for v in model.variables if "seed" in v.path]
    assert refresh_batch_norm(model, x, 20) == 3
    assert np.array(block.parts[0].moving_mean) == pytest.approx(x.mean((0, 2)), rel=1e-4)
    assert np.array(block.parts[0].moving_variance) == pytest.approx(x.var((0, 2)), rel=1e-4)
    assert np.array_equal(block.frozen.moving_mean, np.zeros(2))
    assert all(
        np.array_equal(a, v) for a, v in zip(states, (v for v in model.variables if "seed" in v.path), strict=True)
    )
    renorm = model.layers[-1]
    assert np.array(renorm.moving_stddev) == pytest.approx(np.sqrt(np.array(renorm.moving_variance) + 1e-3), rel=1e-5)
    assert refresh_batch_norm(net(), X) == 0
    for arguments in ((net(layers.BatchNormalization()), X[:0]), (net(), [X, X[:3]])):
        with pytest.raises(ValueError, match="arrays of one length"):
            refresh_batch_norm(*arguments)
    with pytest.raises(ValueError, match="batch_size"):
        refresh_batch_norm(net(), X, 0)


def test_swa_with_batch_norm_needs_the_refresh(monkeypatch):
    """With the moving averages of so short a run the averaged weights guess; the refresh makes them good."""
    x = np.random.default_rng(1).normal(100, 2, size=(500, 5)).astype("float32")
    y = (x[:, 0] > 100).astype("int32")
    # In a hundred steps the moving mean comes two thirds of the way from 0 to 100.
    hidden = layers.BatchNormalization(), layers.Dense(16, "relu")
    model, swa = net(*hidden, optimizer=keras.optimizers.SGD(0.5)), SWA(2, x=x)
    monkeypatch.setattr("kerasopt.ensembles.swa.refresh_batch_norm", lambda *_: None)
    kerasopt.fit(model, x, y, epochs=6, verbose=0, seed=0, callbacks=[swa])
    without = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    refresh_batch_norm(model, x)
    refreshed = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    assert without < 0.7 < 0.9 < refreshed


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_moving_averages_are_swapped_in_and_always_out(error):
    model = net(layers.BatchNormalization(), optimizer=keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.6))
    model.optimizer.build(model.trainable_variables)
    mean, seen = None, []
    for step in range(3):
        gradients = [keras.ops.ones(v.shape) * (step + 1) for v in model.trainable_variables]
        model.optimizer.apply(gradients, model.trainable_variables)
        weights = [np.array(keras.ops.convert_to_numpy(v), "float64") for v in model.trainable_variables]
        mean = weights if mean is None else [0.6 * m + 0.4 * w for m, w in zip(mean, weights, strict=True)]
    before = [np.array(w) for w in model.get_weights()]
    try:
        with swap_ema(model) as swapped:
            seen = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
            refresh_batch_norm(model, X)
            model.predict(X, verbose=0)
            assert swapped is model
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        assert error
    for s, m in zip(seen, mean, strict=True):
        assert s == pytest.approx(m, abs=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    kerasopt.fit(model, X, Y, epochs=1, verbose=0)  # on JAX the two must not share their memory


def test_swap_needs_an_average():
    with pytest.raises(ValueError, match="use_ema=True"), swap_ema(net()):
        pass
    with pytest.raises(ValueError, match="use_ema=True"), swap_ema(keras.Sequential([layers.Dense(1)])):
        pass
