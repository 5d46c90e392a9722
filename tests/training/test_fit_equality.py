"""`fit` against `Model.fit` in the same batch order: the same losses and weights, whatever the model is made of.

The file runs on the backend that Keras was started with; test_backends.py runs it once more on JAX.
"""

import keras
import numpy as np
import pytest
from keras import layers

import kerasopt
from kerasopt.training.fit import _order, fit

BACKEND = keras.backend.backend()
EPOCHS = 3
RNG = np.random.default_rng(7)
X = RNG.normal(size=(64, 6)).astype("float32")
LABELS = RNG.integers(0, 3, 64)
TARGET = (X @ RNG.normal(size=(6, 2)) + 0.1 * RNG.normal(size=(64, 2))).astype("float32")
IMAGES = RNG.normal(size=(48, 6, 6, 1)).astype("float32")
SERIES = RNG.normal(size=(32, 5, 3)).astype("float32")


def net(*hidden, optimizer="sgd", loss="mse", units=2, activation=None, shape=(6,), **compile_arguments):
    model = keras.Sequential([keras.Input(shape), *hidden, layers.Dense(units, activation)])
    model.compile(optimizer, loss, **compile_arguments)
    return model


def classifier(*hidden, loss="sparse_categorical_crossentropy", metrics=("accuracy",), **arguments):
    return net(*hidden, loss=loss, metrics=list(metrics), units=3, activation="softmax", **arguments)


def weights(model):
    return [keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")) for v in model.weights]


# TensorFlow's stock step is not compiled by XLA, which sums in another order: a hundred roundings of float32, to which
# twelve steps of a small stable model enlarge one. On JAX XLA compiles both: a rounding here and there.
TOLERANCE = {"tensorflow": 2e-5, "jax": 2e-6}[BACKEND]


def both(make, *data, tolerance=TOLERANCE, jit_compile=False, **arguments):
    """Train two equal models; assert equal histories after every epoch and equal weights at the end."""
    models, histories = [], []
    for train in (keras.Model.fit, fit):
        keras.utils.set_random_seed(1)
        model = make()
        if jit_compile and BACKEND == "tensorflow" and train is keras.Model.fit:
            model.jit_compile = True
        arguments = {"epochs": EPOCHS, "batch_size": 16, "shuffle": False, "verbose": 0} | arguments
        histories.append(train(model, *data, **arguments).history)
        models.append(model)
    stock, ours = histories
    assert "_kerasopt_said" not in vars(models[1])  # no fall-back
    assert stock.keys() == ours.keys()
    assert len(ours["loss"]) == len(stock["loss"])
    assert np.isfinite(ours["loss"]).all()
    for name in stock:
        np.testing.assert_allclose(ours[name], stock[name], rtol=tolerance, atol=tolerance, err_msg=name)
    for a, b in zip(*map(weights, models), strict=True):
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance, err_msg="weights")
    iterations = [int(model.optimizer.iterations) for model in models]
    assert iterations[0] == iterations[1] > 0
    return models[1]


O = keras.optimizers  # noqa: E741
OPTIMIZERS = {
    "SGD": lambda: O.SGD(0.05),
    "momentum": lambda: O.SGD(0.02, momentum=0.9),
    "nesterov": lambda: O.SGD(0.02, momentum=0.9, nesterov=True),
    "RMSprop": O.RMSprop,
    "Adam": O.Adam,
    "amsgrad": lambda: O.Adam(amsgrad=True),
    "AdamW": O.AdamW,
    "Adamax": O.Adamax,
    "Nadam": O.Nadam,
    "Adagrad": O.Adagrad,
    "Adadelta": lambda: O.Adadelta(1.0),
    "Adafactor": O.Adafactor,
    "Ftrl": O.Ftrl,
    "Lion": O.Lion,
    "Lamb": O.Lamb,
    "Muon": O.Muon,
    "weight_decay": lambda: O.SGD(0.05, weight_decay=0.01),
    "clipnorm": lambda: O.SGD(0.05, clipnorm=0.1),
    "clipvalue": lambda: O.SGD(0.05, clipvalue=0.01),
    "global_clipnorm": lambda: O.SGD(0.05, global_clipnorm=0.1),
    "ema": lambda: O.SGD(0.05, use_ema=True, ema_momentum=0.9),
    "ema_overwrite": lambda: O.SGD(0.05, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5),
    "accumulation": lambda: O.Adam(0.01, gradient_accumulation_steps=3),
    "loss_scale_factor": lambda: O.SGD(0.05, loss_scale_factor=8.0),
    "loss_scaling": lambda: O.LossScaleOptimizer(O.SGD(0.05), dynamic_growth_steps=3),
    "exponential": lambda: O.SGD(O.schedules.ExponentialDecay(0.05, 3, 0.7)),
    "restarts": lambda: O.Adam(O.schedules.CosineDecayRestarts(0.02, 4, t_mul=1.0)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    # One step of Lion is a sign and one of Muon a normalized matrix: both enlarge a rounding near zero.
    both(lambda: net(optimizer=OPTIMIZERS[name]()), X, TARGET, tolerance={"Muon": 1e-3}.get(name, TOLERANCE))


OURS = getattr(kerasopt, "optimizers", None)


@pytest.mark.parametrize("name", getattr(OURS, "__all__", []))
def test_our_optimizer(name):
    kind = getattr(OURS, name)
    wraps = name in ("Lookahead", "DecayKernelsOnly")
    both(lambda: net(optimizer=kind(O.SGD(0.05, weight_decay=0.01)) if wraps else kind()), X, TARGET)


def regularized():
    penalty = keras.regularizers.L1L2(0.01, 0.02)
    return layers.Dense(5, "tanh", kernel_regularizer=penalty, kernel_constraint=keras.constraints.MaxNorm(1))


def test_regularizers_and_constraints():
    both(lambda: net(regularized()), X, TARGET)


def test_batch_normalization_and_a_partial_last_batch():
    model = both(lambda: net(layers.Dense(5), layers.BatchNormalization(momentum=0.5)), X[:60], TARGET[:60])
    assert int(model.optimizer.iterations) == 4 * EPOCHS


def test_a_batch_larger_than_the_data():
    both(net, X, TARGET, batch_size=100)


def test_class_weights_and_integer_labels():
    both(classifier, X, LABELS, class_weight={0: 1.0, 1: 3.0})


def test_class_weights_and_one_hot_labels():
    one_hot = np.eye(3, dtype="float32")[LABELS]
    make = lambda: classifier(loss="categorical_crossentropy", weighted_metrics=["accuracy"])  # noqa: E731
    both(make, X, one_hot, class_weight={0: 0.5, 2: 2.0})


def test_sample_weights_and_a_column_of_labels():
    both(classifier, X.astype("float64"), LABELS[:, None], sample_weight=np.linspace(0, 2, 64))


def two_by_two(names):
    a, b = keras.Input((6,), name="a"), keras.Input((2,), name="b")
    joined = layers.Concatenate()([layers.Dense(4, "tanh")(a), b])
    outputs = [layers.Dense(2, name="left")(joined), layers.Dense(1, name="right")(joined)]
    if names:
        model = keras.Model({"a": a, "b": b}, {"left": outputs[0], "right": outputs[1]})
        model.compile("adam", {"left": "mse", "right": "mae"}, {"left": 1.0, "right": 0.5}, {"right": ["mae"]})
    else:
        model = keras.Model([a, b], outputs)
        model.compile("adam", ["mse", "mae"])
    return model


def test_dictionaries_of_inputs_and_outputs():
    y = {"left": TARGET, "right": X[:, :1]}
    both(lambda: two_by_two(True), {"a": X, "b": TARGET}, y, validation_split=0.25, sample_weight=np.linspace(0, 1, 64))


def test_lists_of_inputs_and_outputs():
    both(lambda: two_by_two(False), [X, TARGET], [TARGET, X[:, :1]])


def test_a_frozen_layer():
    def make():
        model = net(layers.Dense(5, "tanh"), layers.Dense(4, "tanh"))
        model.layers[0].trainable = False
        model.compile("adam", "mse")
        return model

    model = both(make, X, TARGET)
    assert len(model.trainable_variables) == 4


def convolutional():
    stack = layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()
    return classifier(*stack, optimizer="adam", shape=(6, 6, 1))


def test_convolution():
    both(convolutional, IMAGES, LABELS[:48], tolerance=max(1e-4, TOLERANCE))


@pytest.mark.parametrize("layer", [layers.LSTM, layers.SimpleRNN])
def test_recurrence(layer):
    both(lambda: net(layer(4), shape=(5, 3), optimizer="adam"), SERIES, TARGET[:32], epochs=2)


class Halved(keras.Model):
    """A model with a train step of its own, which reports something besides the metrics."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)

    if BACKEND == "tensorflow":

        def train_step(self, data):
            logs = super().train_step((data[0] * 0.5, data[1]))
            return logs | {"norm": keras.ops.norm(self.dense.kernel.value)}

    else:

        def train_step(self, state, data):
            logs, state = super().train_step(state, (data[0] * 0.5, data[1]))
            return logs | {"norm": keras.ops.norm(state[0][0])}, state


def test_a_train_step_of_its_own_in_a_model_not_yet_built():
    def make():
        model = Halved()
        model.compile(keras.optimizers.SGD(0.1), "mse", metrics=["mae"])
        return model

    model = both(make, X, TARGET)
    assert "norm" in model.history.history


def test_an_unbuilt_model_has_the_weights_of_stock():
    def make():
        model = keras.Sequential([layers.Dense(4, "tanh"), layers.Dense(2)])
        model.compile("adam", "mse")
        return model

    both(make, X, TARGET)


def test_mixed_bfloat16():
    policy = keras.DTypePolicy("mixed_bfloat16")
    make = lambda: net(layers.Dense(8, "tanh", dtype=policy), optimizer=keras.optimizers.SGD(0.01))  # noqa: E731
    # bfloat16 has 8 bits: one rounding is 4e-3.
    both(make, X, TARGET, jit_compile=True, tolerance=1e-2)


def test_mixed_float16_with_loss_scaling():
    def make():
        keras.config.set_dtype_policy("mixed_float16")
        try:
            model = net(layers.Dense(8, "tanh"), optimizer=keras.optimizers.SGD(0.01))
        finally:
            keras.config.set_dtype_policy("float32")
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
        return model

    both(make, X, TARGET, jit_compile=True, tolerance=5e-3)  # float16 has 11 bits: one rounding is 5e-4.


def test_validation_data_and_frequency():
    validation = X[:25], LABELS[:25], np.linspace(0, 1, 25)
    make = lambda: classifier(layers.Dropout(0.0), weighted_metrics=["accuracy"])  # noqa: E731
    arguments = {"validation_batch_size": 7, "validation_freq": 2}
    model = both(make, X, LABELS, validation_data=validation, epochs=4, **arguments)
    assert len(model.history.history["val_loss"]) == 2


def test_the_shuffled_order_is_the_documented_one():
    """Each epoch of `fit` equals an unshuffled epoch of stock on data in NumPy's order of (seed, epoch)."""
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        models.append(net(optimizer="adam"))
    fit(models[0], X, TARGET, batch_size=16, epochs=EPOCHS, verbose=0, seed=11)
    for epoch in range(EPOCHS):
        order = np.random.default_rng([11, epoch]).permutation(64)
        models[1].fit(X[order], TARGET[order], batch_size=16, shuffle=False, verbose=0)
    for a, b in zip(*map(weights, models), strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE)


class NoiseLog(keras.layers.Layer):
    """Keeps the sum of every batch's noise, so that a repeated mask would show."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(5)
        self.sums = self.add_weight(shape=(16,), trainable=False, initializer="zeros")
        self.step = self.add_weight(shape=(), dtype="int32", trainable=False, initializer="zeros")

    def call(self, x, training=False):
        if training:
            noise = keras.random.normal((16,), seed=self.seeds)
            at = keras.ops.one_hot(self.step, 16)
            self.sums.assign(self.sums + at * keras.ops.sum(noise))
            self.step.assign(self.step + 1)
        return x


@pytest.mark.parametrize("jit_compile", [True, False])
def test_random_layers_draw_afresh_in_every_step(jit_compile):
    def make():
        return net(NoiseLog(), layers.GaussianNoise(0.5), layers.Dropout(0.4), jit_compile="auto")

    # XLA draws the same bits in our loop and in stock's compiled step; stock's uncompiled step draws others.
    if jit_compile or BACKEND == "jax":
        model = both(make, X, TARGET, epochs=4, jit_compile=True)
    else:
        keras.utils.set_random_seed(3)
        model = make()
        fit(model, X, TARGET, batch_size=16, epochs=4, verbose=0)
    sums = next(w for w in weights(model.layers[0]) if w.shape == (16,))
    assert len(set(sums.tolist())) == 16
    # A sum of 16 unit normals has the deviation 4; of 16 such sums the deviation is 4 +- 0.7 (one sigma).
    assert 2 < sums.std() < 6


def test_dropout_drops_the_stated_fraction():
    """With the mean as the loss and linear units, the gradient counts the units that were kept."""
    keras.utils.set_random_seed(0)
    ones = np.ones((3200, 8), "float32")
    model = net(layers.Dropout(0.25), shape=(8,), loss=lambda y, p: keras.ops.mean(p), units=1, optimizer=O.SGD(1.0))
    before = weights(model)[0]
    fit(model, ones, ones[:, :1], batch_size=32, verbose=0)
    after = weights(model)[0]
    # 100 steps x 32 samples x 8 units: the standard error of the mean of kept / 0.75 is 0.577 / 160 = 0.0036.
    assert abs((before - after).mean() / 100 - 1) < 5 * 0.0036


def test_two_runs_with_one_seed_are_equal_and_another_seed_is_not():
    ends = []
    for seed in (4, 4, 5, None, None):
        keras.utils.set_random_seed(0)
        model = net(layers.Dropout(0.3), optimizer="adam")
        fit(model, X, TARGET, epochs=2, verbose=0, seed=seed)
        ends.append(np.concatenate([w.ravel() for w in weights(model)]))
    assert (ends[0] == ends[1]).all()
    assert (ends[3] == ends[4]).all()  # Keras's seed
    assert (ends[0] != ends[2]).any()


def test_no_order_repeats_and_each_is_a_permutation():
    orders = [_order(50, 8, True, [seed, epoch]) for seed in (0, 1) for epoch in range(3)]
    assert len({order.tobytes() for order in orders}) == 6
    assert all(sorted(order) == list(range(50)) for order in orders)
    batchwise = _order(20, 8, "batch", [0, 0])
    assert [sorted(batchwise[i : i + 8]) for i in (0, 8, 16)] == [list(range(i, min(i + 8, 20))) for i in (0, 8, 16)]
    assert batchwise.tolist() != list(range(20))
