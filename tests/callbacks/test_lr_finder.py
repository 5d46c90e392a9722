"""The learning-rate finder: its curve, its rules, and above all that it leaves no trace; on every backend."""

import keras
import numpy as np
import pytest

from kerasopt import callbacks, schedules

from .training import X, Y, linear

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(96, 6)).astype("float32")
LABELS = (IMAGES[:, 0] > 0).astype("int32")


@pytest.fixture(scope="module")
def model():
    """A network with everything that has state, trained for two epochs."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5, seed=3),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.003)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    return model


def state(model):
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return {f"{i} {v.path}": np.array(keras.ops.convert_to_numpy(v)) for i, v in enumerate(variables)}


def assert_same(model, before):
    after = state(model)
    assert list(after) == list(before)
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_no_trace_is_left(model):
    before = state(model)
    assert any("seed" in name for name in before)
    assert any("moving_mean" in name for name in before)
    finder = callbacks.LearningRateFinder(steps=40).find(model, IMAGES, LABELS)
    assert len(finder.losses) > 20
    assert_same(model, before)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("late", [False, True])
def test_no_trace_is_left_by_an_error(model, error, late, monkeypatch):
    """Whether it comes before a step or after one whose arrays the backend has given away."""
    before = state(model)
    model.make_train_function()
    step, calls = model.train_function, []

    def failing(*arguments):
        calls.append(1)
        if len(calls) < 5:
            return step(*arguments)
        if late:
            step(*arguments)
        raise error("on purpose")

    monkeypatch.setattr(model, "train_function", failing)
    with pytest.raises(error, match="on purpose"):
        callbacks.LearningRateFinder().find(model, IMAGES, LABELS)
    monkeypatch.setattr(model, "train_function", step)
    assert_same(model, before)
    # And training goes on as if nothing had been: on JAX an unfinished step might still be written back.
    callback = keras.callbacks.Callback()
    callback.set_model(model)
    assert callback.model is model
    assert_same(model, before)


def test_training_goes_on_as_if_nothing_had_been():
    """Dropout without a seed of its own included: the same losses with a sweep in between and without."""

    def run(sweep):
        keras.utils.set_random_seed(1)
        layers = [keras.Input((3,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
        model.fit(X, Y, verbose=0, shuffle=False)  # The first `fit` on torch draws numbers to find out shapes.
        if sweep:
            callbacks.LearningRateFinder(steps=12).find(model, X, Y, batch_size=4)
        return model.fit(X, Y, epochs=2, batch_size=4, verbose=0, shuffle=False).history["loss"]

    assert run(sweep=True) == run(sweep=False)


def test_the_losses_are_those_of_single_batches():
    """Keras logs running means: a pass by hand over the same batches tells them apart."""
    finder = callbacks.LearningRateFinder(low=1e-3, high=0.05, steps=20, smoothing=0.8)
    finder.find(linear(keras.optimizers.SGD(1.0)), X, Y, batch_size=4, seed=5)
    np.testing.assert_allclose(finder.learning_rates, np.geomspace(1e-3, 0.05, 20), rtol=1e-12)
    order = np.random.default_rng(5)
    batches = np.concatenate([order.permutation(24).reshape(6, 4) for _ in range(4)])
    w, losses, smoothed, mean = np.zeros(4), [], [], 0.0
    x = np.c_[X, np.ones(24)].astype("float64")
    for i, rate in enumerate(np.geomspace(1e-3, 0.05, 20)):
        error = x[batches[i]] @ w - Y[batches[i], 0]
        losses.append((error**2).mean())
        mean = 0.8 * mean + 0.2 * losses[-1]
        smoothed.append(mean / (1 - 0.8 ** (i + 1)))
        w = w - rate * 2 * x[batches[i]].T @ error / 4
    np.testing.assert_allclose(finder.losses, losses, rtol=1e-4)
    np.testing.assert_allclose(finder.smoothed, smoothed, rtol=1e-4)


def test_the_sweep_stops_at_four_times_the_best():
    finder = callbacks.LearningRateFinder(steps=60).find(linear(keras.optimizers.SGD(1.0)), X, Y, batch_size=24)
    assert len(finder.losses) < 60
    assert finder.smoothed[-1] > 4 * finder.smoothed.min()
    assert (finder.smoothed[:-1] <= 4 * np.minimum.accumulate(finder.smoothed)[:-1]).all()
    # Full batches on a parabola diverge above 2 / curvature, which is known; both rules must stay below.
    curvature = np.linalg.eigvalsh(2 * np.c_[X, np.ones(24)].T @ np.c_[X, np.ones(24)] / 24).max()
    suggestions = finder.suggestions()
    assert set(suggestions) == {"steepest", "valley"}
    assert all(1e-3 < rate < 2 / curvature for rate in suggestions.values())
    assert all(rate < finder.learning_rates[finder.smoothed.argmin()] for rate in suggestions.values())


def test_the_rules_on_a_known_curve():
    finder = callbacks.LearningRateFinder(low=1e-5, high=1, steps=101)
    decades = np.linspace(-5, 0, 101)
    finder.learning_rates = 10**decades
    # Flat, steepest at 1e-2 (a logistic fall), lowest at about 0.05, and up.
    finder.smoothed = 1 / (1 + np.exp(6 * (decades + 2))) + np.exp(20 * (decades + 0.8))
    suggestions = finder.suggestions()
    assert suggestions["steepest"] == pytest.approx(1e-2, rel=0.15)
    lowest = finder.learning_rates[finder.smoothed.argmin()]
    first = finder.learning_rates[10]
    assert suggestions["valley"] == pytest.approx(first ** (1 / 3) * lowest ** (2 / 3), rel=0.01)


def test_a_loss_that_is_no_number_ends_the_sweep():
    finder = callbacks.LearningRateFinder(low=1e-3, high=1e30, steps=40, stop=1e30)
    finder.find(linear(keras.optimizers.SGD(1.0)), X, Y, batch_size=24)
    assert 3 < len(finder.losses) < 40
    assert np.isfinite(finder.losses).all()


def test_a_curve_that_never_falls():
    finder = callbacks.LearningRateFinder()
    with pytest.raises(ValueError, match="The loss did not fall at any of 0 rates"):
        finder.suggestions()
    finder.learning_rates, finder.smoothed = np.geomspace(1e-3, 1, 50), np.arange(50.0)
    with pytest.raises(ValueError, match="The loss did not fall"):
        finder.suggestions()


def test_other_data():
    """Batches from an iterable, started again when it ends; a `PyDataset`; sample weights."""

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index * 12 : index * 12 + 12], Y[index * 12 : index * 12 + 12]

    model = linear(keras.optimizers.SGD(1.0))
    arguments = {"low": 1e-5, "high": 1e-4, "steps": 10}
    one = callbacks.LearningRateFinder(**arguments).find(model, [(X[:12], Y[:12]), (X[12:], Y[12:])])
    two = callbacks.LearningRateFinder(**arguments).find(model, Dataset())
    np.testing.assert_array_equal(one.losses, two.losses)
    assert len(one.losses) == 10
    ended = callbacks.LearningRateFinder(**arguments).find(model, ((X, Y) for _ in range(4)))
    assert len(ended.losses) == 4
    weighted = callbacks.LearningRateFinder(**arguments).find(model, X, Y, np.full(24, 2.0), batch_size=24)
    assert weighted.losses[0] == pytest.approx(2 * ended.losses[0], rel=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match=r"is a schedule or a function\. Give the optimizer a number\."):
        callbacks.LearningRateFinder().find(linear(keras.optimizers.SGD(schedules.StepDecay(0.1, 2))), X, Y)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Argument `model` must be built"):
        callbacks.LearningRateFinder().find(model, X, Y)


def test_plot():
    finder = callbacks.LearningRateFinder(steps=30).find(linear(keras.optimizers.SGD(1.0)), X, Y, batch_size=24)
    ax = finder.plot()
    assert ax.get_xscale() == "log"
    assert len(ax.lines) == 4
    assert finder.plot(ax=ax) is ax
