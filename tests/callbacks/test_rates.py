"""The callbacks that set rates and momenta, in stock `fit` and in `kerasopt.fit`; on every backend."""

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt import callbacks, schedules

from .training import X, Y, linear, train

RTOL = 1e-6
FITS = pytest.mark.parametrize("fit", [keras.Model.fit, kerasopt.fit], ids=["stock", "kerasopt"])
ONE_IN_EACH = pytest.mark.parametrize(("name", "fit"), [("CyclicLR", kerasopt.fit), ("OneCycle", keras.Model.fit)])
CASES = {
    "CyclicLR": (
        lambda **kwargs: callbacks.CyclicLR(0.01, 0.1, 4, "triangular2", **kwargs),
        schedules.Cyclical(0.01, 0.1, 4, "triangular2"),
    ),
    "OneCycle": (
        lambda **kwargs: callbacks.OneCycle(0.1, 24, three_phase=True, **kwargs),
        schedules.OneCycle(0.1, 24, three_phase=True),
    ),
}


@ONE_IN_EACH
def test_each_batch_has_the_rate_of_the_schedule(name, fit, capsys):
    make, schedule = CASES[name]
    watch, history = train(linear(keras.optimizers.Adam()), [make(momentum=None)], 3, fit)
    expected = [float(schedule(step)) for step in range(18)]
    np.testing.assert_allclose(watch.rates, expected, rtol=RTOL)
    np.testing.assert_allclose(history["learning_rate"], expected[5::6], rtol=RTOL)
    if fit is kerasopt.fit and keras.backend.backend() != "torch":
        assert capsys.readouterr().out.count("acts on every batch") == 1


@ONE_IN_EACH
def test_a_stopped_training_goes_on_in_mid_cycle(name, fit, tmp_path):
    """Rates, momenta and weights, bit for bit, from a file and with callbacks that know nothing of the first part."""
    make, _ = CASES[name]
    whole, _ = train(linear(kerasopt.optimizers.Momentum()), [make(momentum=(0.8, 0.9))], 3, fit)
    model = linear(kerasopt.optimizers.Momentum())
    train(model, [make(momentum=(0.8, 0.9))], 1, fit)
    model.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    rest, _ = train(model, [make(momentum=(0.8, 0.9))], 3, fit, initial_epoch=1)
    np.testing.assert_array_equal(rest.rates, whole.rates[6:])
    np.testing.assert_array_equal(rest.weights, whole.weights[6:])


@FITS
def test_step_decay(fit):
    """From the first rate and the epoch's number: neither a second `fit` nor a wrong rate in the optimizer matters."""
    model = linear(keras.optimizers.SGD(77.0))
    decay = callbacks.StepDecay(0.1, epochs_per_drop=2, drop=0.1)
    _, history = train(model, [decay], 3, fit)
    _, more = train(model, [callbacks.StepDecay(0.1, epochs_per_drop=2, drop=0.1)], 6, fit, initial_epoch=3)
    expected = [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    np.testing.assert_allclose(history["learning_rate"] + more["learning_rate"], expected, rtol=RTOL)


def test_step_decay_needs_no_batches(capsys):
    kerasopt.fit(linear(keras.optimizers.SGD()), X, Y, verbose=0, callbacks=[callbacks.StepDecay(0.1, 2)])
    assert "acts on every batch" not in capsys.readouterr().out


def test_on_plateau():
    plateau = callbacks.StepDecay.on_plateau(monitor="loss", drop=0.1, patience=1, min_delta=1e9)
    assert type(plateau) is keras.callbacks.ReduceLROnPlateau
    _, history = train(linear(keras.optimizers.SGD(0.1)), [plateau], 3)
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.01], rtol=RTOL)


def test_one_cycle_counts_the_steps_itself():
    watch, _ = train(linear(keras.optimizers.SGD()), [callbacks.OneCycle(0.1, momentum=None)], 2)
    np.testing.assert_allclose(watch.rates, [float(schedules.OneCycle(0.1, 12)(step)) for step in range(12)], rtol=RTOL)


def test_one_cycle_is_made_once():
    model = linear(keras.optimizers.SGD())
    train(model, [callbacks.OneCycle(0.1, momentum=None)])
    with pytest.raises(ValueError, match="The cycle of 6 steps is over, and the optimizer has made 6"):
        train(model, [callbacks.OneCycle(0.1, momentum=None)])


def test_accumulated_gradients_get_the_rate_that_a_schedule_gives_them():
    model = linear(keras.optimizers.SGD(1.0, gradient_accumulation_steps=3))
    ours, _ = train(model, [callbacks.CyclicLR(0.01, 0.1, 4)], 2)
    schedule = schedules.Cyclical(0.01, 0.1, 4)
    theirs, _ = train(linear(keras.optimizers.SGD(schedule, gradient_accumulation_steps=3)), (), 2)
    np.testing.assert_allclose(ours.weights, theirs.weights, rtol=1e-5, atol=1e-7)


def test_the_table_of_rates_is_computed_anew_far_out():
    callback = callbacks.CyclicLR(0.01, 0.1, 4, momentum=(0.8, 0.9))
    callback._from = None
    for step in (5, 4095, 4096, 10_000_003, 5):
        rate, momentum = callback._at(step)
        assert rate == float(callback.schedule(step))
        assert momentum == float(callback.schedule.momentum(step, 0.8, 0.9))


@pytest.mark.parametrize(
    ("callback", "instead"),
    [
        (lambda: callbacks.StepDecay(0.1, 2), "StepDecay"),
        (lambda: callbacks.CyclicLR(0.1, 0.2, 2), "Cyclical"),
        (lambda: callbacks.OneCycle(0.1), "OneCycle"),
    ],
)
def test_a_rate_that_is_a_schedule_already(callback, instead):
    for rate in (schedules.StepDecay(0.1, 2), lambda: 0.1):
        with pytest.raises(ValueError, match=rf"kerasopt\.schedules\.{instead}\(\.\.\.\) without the callback"):
            train(linear(keras.optimizers.SGD(rate)), [callback()])


def test_no_optimizer():
    with pytest.raises(ValueError, match="compile the model with one"):
        callbacks.LearningRateFinder().find(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), X, Y)


OTHERS = [
    lambda: keras.optimizers.Adam(),
    lambda: kerasopt.optimizers.Adam(),
    lambda: kerasopt.optimizers.Nesterov(),
    lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    lambda: keras.optimizers.SGD(0.1),
    lambda: kerasopt.optimizers.Momentum(0.1, momentum=0.0),
    lambda: kerasopt.optimizers.Momentum(0.1, gradient_accumulation_steps=2),
    lambda: kerasopt.optimizers.Lookahead(kerasopt.optimizers.Momentum(0.1)),
]


@pytest.mark.parametrize("optimizer", OTHERS)
def test_a_momentum_that_cannot_cycle_is_refused(optimizer):
    for callback in (callbacks.OneCycle(0.1), callbacks.CyclicLR(0.1, 0.2, 3, momentum=(0.8, 0.9))):
        with pytest.raises(ValueError, match=f"{type(callback).__name__} can cycle the momentum of kerasopt"):
            train(linear(optimizer()), [callback])


def test_several_batches_in_one_call_are_refused():
    if keras.backend.backend() == "torch":
        pytest.skip("one batch a call is all that Keras can do there")
    with pytest.raises(ValueError, match="sets the rate of every batch, and 3 batches were one call"):
        train(linear(keras.optimizers.SGD()), [callbacks.CyclicLR(0.1, 0.2, 3)], fit=kerasopt.fit, chunks=2)
    model = linear(keras.optimizers.SGD())
    model.compile(keras.optimizers.SGD(), "mse", steps_per_execution=2)
    with pytest.raises(ValueError, match="sets the rate of every batch, and 2 batches were one call"):
        train(model, [callbacks.CyclicLR(0.1, 0.2, 3)])


BAD = [
    (callbacks.StepDecay, {"learning_rate": -1, "epochs_per_drop": 2}, "learning_rate"),
    (callbacks.StepDecay, {"learning_rate": 1, "epochs_per_drop": 0}, "epochs_per_drop"),
    (callbacks.StepDecay, {"learning_rate": 1, "epochs_per_drop": 2, "drop": 2}, "drop"),
    (callbacks.CyclicLR, {"base_learning_rate": 1, "max_learning_rate": 0, "steps_per_half_cycle": 2}, "max_learn"),
    (callbacks.OneCycle, {"max_learning_rate": 1, "rise": 2}, "rise"),
    (callbacks.OneCycle, {"max_learning_rate": 1, "steps": 0}, "steps"),
    (callbacks.OneCycle, {"max_learning_rate": 1, "momentum": 0.9}, "momentum"),
    (callbacks.OneCycle, {"max_learning_rate": 1, "momentum": (0.9, 0.8)}, "momentum"),
    (callbacks.OneCycle, {"max_learning_rate": 1, "momentum": (0.9, 1.0)}, "momentum"),
    (callbacks.LearningRateFinder, {"low": 0}, "low"),
    (callbacks.LearningRateFinder, {"high": 1e-7}, "high"),
    (callbacks.LearningRateFinder, {"steps": 5}, "steps"),
    (callbacks.LearningRateFinder, {"smoothing": 1}, "smoothing"),
    (callbacks.LearningRateFinder, {"stop": 1}, "stop"),
]


@pytest.mark.parametrize(("function", "arguments", "name"), BAD)
def test_bad_arguments(function, arguments, name):
    with pytest.raises(ValueError, match=rf"Argument `{name}\w*` must be .*Received: {name}"):
        function(**arguments)
