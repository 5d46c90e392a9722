"""Layer statistics against a float64 computation by hand; on every backend."""

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt import callbacks
from kerasopt.callbacks.layer_statistics import STATISTICS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 5)).astype("float32")
Y = RNG.integers(0, 3, 32)


def network(optimizer):
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(6, "relu", name="hidden", kernel_initializer=keras.initializers.RandomNormal(seed=1)),
        keras.layers.Dropout(0.5, name="dropout"),
        keras.layers.Dense(3, "softmax", name="out", kernel_initializer=keras.initializers.RandomNormal(seed=2)),
    ]
    model = keras.Sequential(layers)
    kernel, bias = model.layers[0].get_weights()
    bias[:2] = -100  # two dead units of six
    model.layers[0].set_weights([kernel, bias])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def by_hand(model, rate):
    """The statistics of the weights that the model has now, for plain gradient descent."""
    w1, b1, w2, b2 = (w.astype("float64") for w in model.get_weights())
    z = X @ w1 + b1
    h = np.maximum(z, 0)
    p = np.exp(h @ w2 + b2)
    p /= p.sum(axis=1, keepdims=True)
    d2 = (p - np.eye(3)[Y]) / len(X)
    d1 = (d2 @ w2.T) * (z > 0)
    result = {}
    for name, a, gradients, weights in [
        ("hidden", h, (X.T @ d1, d1.sum(0)), (w1, b1)),
        ("dropout", h, None, None),
        ("out", p, (h.T @ d2, d2.sum(0)), (w2, b2)),
    ]:
        norm, size = (np.sqrt(sum((g**2).sum() for g in gs)) if gs else np.nan for gs in (gradients, weights))
        result[name] = [a.mean(), a.std(), (a == 0).all(axis=0).mean(), norm, rate * norm / size]
    return result


@pytest.fixture(scope="module")
def watched():
    """Two epochs in each `fit`, one model; the weights that it had in the end."""
    model = network(keras.optimizers.SGD(0.05))
    statistics = callbacks.LayerStatistics(X, Y)
    expected = []
    by_the_way = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: expected.append(by_hand(model, 0.05)))
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[statistics, by_the_way])
    kerasopt.fit(model, X, Y, epochs=4, initial_epoch=2, verbose=0, callbacks=[statistics, by_the_way], seed=0)
    return statistics, expected


def test_every_number(watched):
    statistics, expected = watched
    assert [record["epoch"] for record in statistics.records] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert [record["layer"] for record in statistics.records] == ["hidden", "dropout", "out"] * 4
    for record in statistics.records:
        numbers = expected[record["epoch"] - 1][record["layer"]]
        np.testing.assert_allclose([record[name] for name in STATISTICS], numbers, rtol=2e-4, err_msg=str(record))
    assert statistics.records[0]["dead_share"] >= 2 / 6


def test_frame_and_plot(watched):
    statistics, _ = watched
    assert list(statistics.frame.columns) == ["epoch", "layer", *STATISTICS]
    axes = statistics.plot()
    assert [len(ax.lines) for ax in axes] == [3, 3, 3, 2, 2]
    assert [ax.get_yscale() for ax in axes] == ["linear"] * 3 + ["log"] * 2
    assert statistics.plot(axes) is axes


def test_training_is_not_disturbed(capsys):
    """With Adam's slots, dropout's random state and metrics: the same weights bit for bit, in long chunks."""

    def run(with_statistics):
        keras.utils.set_random_seed(3)
        model = network(keras.optimizers.Adam(0.01))
        model.fit(X, Y, verbose=0, shuffle=False)
        watch = [callbacks.LayerStatistics(X, Y, layers=["out"])] if with_statistics else []
        kerasopt.fit(model, X, Y, epochs=3, verbose=0, seed=0, callbacks=watch)
        return watch, [*model.get_weights(), *(keras.ops.convert_to_numpy(v) for v in model.optimizer.variables)]

    (watch,), ours = run(True)
    _, plain = run(False)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {record["layer"] for record in watch.records} == {"out"}
    assert all(0 < record["update_ratio"] < 1 for record in watch.records)
    assert "acts on every batch" not in capsys.readouterr().out


def test_refusals():
    model = network("sgd")
    with pytest.raises(ValueError, match=r"must name layers among \['hidden', 'dropout', 'out'\]"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LayerStatistics(X, Y, layers=["other"])])

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own.compile("sgd", "mse")
    with pytest.raises(ValueError, match="needs a built Sequential or functional model"):
        own.fit(X, X[:, :3], verbose=0, callbacks=[callbacks.LayerStatistics(X, X[:, :3])])
