"""`kerasopt.plotting.plot_schedule`."""

import keras
import numpy as np
import pytest

from kerasopt import schedules
from kerasopt.plotting import plot_schedule


def test_one_schedule():
    schedule = schedules.StepDecay(0.1, 10)
    ax = plot_schedule(schedule, 30)
    steps, rates = ax.lines[0].get_data()
    np.testing.assert_array_equal(steps, np.arange(30))
    np.testing.assert_allclose(rates, [0.1] * 10 + [0.05] * 10 + [0.025] * 10, rtol=1e-6)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_legend()) == ("step", "learning rate", None)


def test_several_over_epochs():
    several = {
        "function": lambda step: 0.1 if step < 10 else 0.05,
        "long": schedules.Cyclical(0.0, 1.0, 10_000),
    }
    ax = plot_schedule(several, 100_000, steps_per_epoch=1000)
    assert [line.get_label() for line in ax.lines] == list(several)
    epochs, rates = ax.lines[1].get_data()
    assert (epochs[0], epochs[-1], len(epochs)) == (0, 99.999, 1000)
    assert max(rates) > 0.99
    assert ax.get_xlabel() == "epoch"
    keras_own = keras.optimizers.schedules.CosineDecayRestarts(0.1, 20)
    assert plot_schedule(keras_own, 20, ax=ax) is ax
    np.testing.assert_allclose(ax.lines[2].get_ydata(), 0.05 + 0.05 * np.cos(np.pi * np.arange(20) / 20), atol=1e-6)


@pytest.mark.parametrize("steps", [0, 1.5, None, True])
def test_bad_steps(steps):
    with pytest.raises(ValueError, match=r"Argument `steps` must be an integer >= 1\. Received: steps="):
        plot_schedule(schedules.StepDecay(0.1, 10), steps)


def test_a_number_is_no_schedule():
    with pytest.raises(ValueError, match="Argument `schedule` must hold schedules or functions"):
        plot_schedule({"constant": 0.1}, 10)
