"""Every schedule in training: stored, loaded in mid-cycle, and the same inside the compiled step. On every backend."""

import inspect

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt import schedules

from .table import CASES

X = np.linspace(-1, 1, 12, dtype="float32")[:, None]


def small_model(learning_rate):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(kerasopt.optimizers.Momentum(learning_rate), "mse")
    return model


def test_every_schedule_has_a_case():
    public = {name for name, value in vars(schedules).items() if inspect.isclass(value)}
    assert public == set(schedules.__all__) == {name.split(" ")[0] for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_configuration(name):
    schedule = CASES[name].schedule
    again = type(schedule).from_config(schedule.get_config())
    for copy in (again, keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))):
        assert type(copy) is type(schedule)
        assert copy.get_config() == schedule.get_config()
        assert float(copy(9)) == float(schedule(9))


@pytest.fixture(scope="module")
def everything():
    """One schedule that holds all others, so that one compiled model tries them all."""
    parts = [case.schedule for case in CASES.values()]
    return schedules.Joined(parts, list(range(6, 6 * len(parts), 6)))


def test_a_model_saved_in_mid_cycle_goes_on(everything, tmp_path):
    model = small_model(everything)
    model.fit(X, X, batch_size=1, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 24
    for epoch in range(3):
        for m in (model, again):
            m.fit(X, X, batch_size=1, epochs=1, verbose=0, shuffle=False)
        assert float(again.optimizer.learning_rate) == float(model.optimizer.learning_rate)
        assert float(model.optimizer.learning_rate) == pytest.approx(float(everything(24 + 12 * (epoch + 1))), rel=1e-6)
        for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_compiled_step_uses_these_rates(everything):
    if keras.backend.backend() == "torch":
        pytest.skip("kerasopt.fit records where it compiles")
    steps = len(CASES) * 6
    model = small_model(everything)
    history = kerasopt.fit(model, X, X, batch_size=1, epochs=steps // 12, verbose=0, record=True, seed=0)
    expected = [float(everything(step)) for step in range(steps // 12 * 12)]
    np.testing.assert_allclose(history.steps["learning_rate"], expected, rtol=1e-6, atol=1e-12)
