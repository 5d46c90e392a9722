"""What holds for all arguments: bounds, periods, continuity at the joints, and refusals."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasopt import schedules

from .table import CASES, cyclical, one_cycle, rates, step_decay

few = settings(max_examples=40, deadline=None, derandomize=True, database=None)
rate = st.floats(1e-6, 10.0)
length = st.integers(1, 60)
SLACK = 1 + 1e-6  # a rounded sum of two shares


def check(schedule, low, high, steps=200):
    values = rates(schedule, steps)
    assert np.isfinite(values).all()
    assert (values >= low / SLACK).all()
    assert (values <= high * SLACK).all()
    return values


@few
@given(rate, length, st.floats(0.01, 1.0))
def test_step_decay(learning_rate, every, drop):
    values = check(schedules.StepDecay(learning_rate, every, drop), 0.0, learning_rate)
    assert (np.diff(values) <= 0).all()
    assert len(np.unique(values[: every * (200 // every)].reshape(-1, every), axis=1)[0]) <= 1 or every == 1
    np.testing.assert_allclose(
        values, [step_decay(t, learning_rate, every, drop) for t in range(200)], rtol=2e-5, atol=1e-30
    )


@few
@given(rate, rate, length, st.sampled_from(["triangular", "triangular2", "exp_range"]), st.floats(0.9, 1.0))
def test_cyclical(a, b, half, mode, gamma):
    low, high = min(a, b), max(a, b)
    values = check(schedules.Cyclical(low, high, half, mode, gamma), low, high, 4 * half + 50)
    assert values[0] == np.float32(low)
    if mode == "triangular":
        np.testing.assert_array_equal(values[: -2 * half], values[2 * half :])
        assert values.max() == pytest.approx(high)
    expected = [cyclical(t, low, high, half, mode, gamma) for t in range(len(values))]
    np.testing.assert_allclose(values, expected, rtol=2e-5)


@few
@given(
    rate,
    st.integers(1, 150),
    st.floats(0.01, 0.5),
    st.floats(1.0, 1000.0),
    st.floats(1.0, 1e6),
    st.sampled_from(["cos", "linear"]),
    st.booleans(),
)
def test_one_cycle(top, steps, rise, div, final, anneal, three_phase):
    arguments = (top, steps, rise, div, final, anneal, three_phase)
    schedule = schedules.OneCycle(*arguments)
    last = top / div / final
    values = check(schedule, last, top)
    assert values[steps - 1 :] == pytest.approx(last, rel=1e-5)
    peak = math.floor(rise * steps - 1)
    if peak > 0:
        assert (np.diff(values[: peak + 1]) >= -1e-6 * top).all()
        assert values[0] == pytest.approx(top / div, rel=1e-5)
    if (rise * steps) % 1 > 1e-9:  # else the reference divides 0 by 0 in a phase of no length
        np.testing.assert_allclose(values, [one_cycle(t, *arguments) for t in range(200)], rtol=2e-5)


@few
@given(rate, length, st.just(0.0) | st.floats(1e-6, 1.0))  # below, float32 has subnormals, which become zero
def test_warmup(learning_rate, steps, start):
    inner = schedules.Cyclical(learning_rate, 2 * learning_rate, 9)
    values = check(schedules.Warmup(inner, steps, start), start * learning_rate, 2 * learning_rate, 130)
    np.testing.assert_array_equal(values[steps:], rates(inner, 130 - steps))
    assert values[0] == pytest.approx(start * learning_rate)


@few
@given(st.lists(rate, min_size=1, max_size=5), st.data())
def test_joined(learning_rates, data):
    gaps = [data.draw(length) for _ in learning_rates[1:]]
    boundaries = np.cumsum(gaps).tolist() if gaps else []
    parts = [schedules.StepDecay(r, 5, 0.9) for r in learning_rates]
    values = rates(schedules.Joined(parts, boundaries), 320)
    for part, start, end in zip(parts, [0, *boundaries], [*boundaries, 320], strict=True):
        # Not equal bit for bit: the vector units that evaluate exp at most places round otherwise than the rest.
        np.testing.assert_allclose(values[start:end], rates(part, end - start), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if "Keras" not in name])
def test_bounds_and_periods_of_the_table(name):
    case = CASES[name]
    values = check(case.schedule, case.low, case.high)
    if case.period:
        np.testing.assert_array_equal(values[: -case.period], values[case.period :])


RATES = [-0.1, math.inf, math.nan, "0.1", None, True]
SHARES = [-0.1, 1.5, math.nan, None, "1"]
STEPS = [0, -1, 1.5, None, True, math.nan]
BAD = [
    *((schedules.StepDecay, {"learning_rate": 0.1, "steps_per_drop": 5} | {n: v}) for n, vs in
      {"learning_rate": RATES, "steps_per_drop": STEPS, "drop": [0, *SHARES]}.items() for v in vs),
    *((schedules.Cyclical, {"base_learning_rate": 0.1, "max_learning_rate": 0.2, "steps_per_half_cycle": 5} | {n: v})
      for n, vs in {"base_learning_rate": RATES, "max_learning_rate": [*RATES, 0.05], "steps_per_half_cycle": STEPS,
      "mode": ["square", None], "gamma": [0, *SHARES]}.items() for v in vs),
    *((schedules.OneCycle, {"max_learning_rate": 0.1, "steps": 5} | {n: v}) for n, vs in
      {"max_learning_rate": RATES, "steps": STEPS, "rise": [0, 1, *SHARES], "div_factor": [0.5, *RATES],
       "final_div_factor": [0.5, *RATES], "anneal": ["sine", None], "three_phase": [1, None]}.items() for v in vs),
    (schedules.OneCycle, {"max_learning_rate": 0.1, "steps": 5, "rise": 0.6, "three_phase": True}),
    *((schedules.Warmup, {"schedule": 0.1, "steps": 5} | {n: v}) for n, vs in
      {"schedule": [*RATES, abs], "steps": STEPS, "start": SHARES}.items() for v in vs),
    *((schedules.Joined, {"schedules": [0.1, 0.2], "boundaries": [5]} | {n: v}) for n, vs in
      {"schedules": [[], 0.1, [0.1], [0.1, None], [0.1, abs]], "boundaries": [[], [0], [5, 6], 5, [1.5]]}.items()
      for v in vs),
    (schedules.Joined, {"schedules": [0.1, 0.2, 0.3], "boundaries": [5, 5]}),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments"), BAD)
def test_bad_arguments(function, arguments):
    with pytest.raises(ValueError, match=r"Argument `\w+` must be .*Received: \w+="):
        function(**arguments)


@pytest.mark.parametrize(
    ("epochs", "steps_per_epoch"), [(0, 10), (math.inf, 10), (None, 10), (1, 0), (1, None), (1, 2.5)]
)
def test_bad_epochs(epochs, steps_per_epoch):
    with pytest.raises(ValueError, match=r"Argument `(epochs_per_drop|steps_per_epoch)` must be"):
        schedules.StepDecay.from_epochs(0.1, epochs, steps_per_epoch=steps_per_epoch)


def test_a_huge_step_is_finite():
    for case in CASES.values():
        assert math.isfinite(float(case.schedule(keras.ops.convert_to_tensor(2**31 - 1, "int32"))))
