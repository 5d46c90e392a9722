"""Rates against the papers' formulas in float64, at every step, and far out; on every backend."""

import keras
import numpy as np
import pytest

from kerasopt import schedules

from .table import CASES, compiled, cyclical, one_cycle, rates, step_decay

# Single precision: a relative 6e-8 an operation, a dozen operations; powers multiply the error of their base.
RTOL = 4e-6
MILLIONS = 3_000_001  # not a multiple of anything
FAR = [
    (schedules.StepDecay(0.1, MILLIONS, 0.5), lambda t: step_decay(t, 0.1, MILLIONS, 0.5), MILLIONS),
    (schedules.StepDecay(0.1, 49, 0.999999), lambda t: step_decay(t, 0.1, 49, 0.999999), 49 * 400_001),
    (schedules.Cyclical(0.1, 0.5, MILLIONS), lambda t: cyclical(t, 0.1, 0.5, MILLIONS), 2 * MILLIONS),
    (schedules.Cyclical(0, 1, 3, "triangular2"), lambda t: cyclical(t, 0, 1, 3, "triangular2"), 6 * 20),
    (
        schedules.Cyclical(0.0, 1.0, 7, "exp_range", 1 - 1e-6),
        lambda t: cyclical(t, 0.0, 1.0, 7, "exp_range", 1 - 1e-6),
        14 * 300_001,
    ),
    (schedules.OneCycle(0.1, 9 * MILLIONS), lambda t: one_cycle(t, 0.1, 9 * MILLIONS), 9 * MILLIONS - 1),
    (schedules.Joined([0.1, 0.2], [2**24 + 1]), lambda t: 0.2 if t > 2**24 else 0.1, 2**24 + 1),
    (schedules.Warmup(0.1, 2**24 + 1), lambda t: 0.1 * min(1, t / (2**24 + 1)), 2**24 + 1),
]


@pytest.mark.parametrize("name", CASES)
def test_every_step(name):
    case = CASES[name]
    expected = [case.oracle(step) for step in range(150)]
    if name != "Joined with Keras's":  # which takes no vector
        np.testing.assert_allclose(rates(case.schedule, 150), expected, rtol=RTOL, atol=1e-9)
    for step in (0, 1, 4, 5, 6, 7, 8, 149):
        rate = case.schedule(step)
        assert tuple(rate.shape) == ()
        assert keras.backend.standardize_dtype(rate.dtype) == "float32"
        assert float(rate) == pytest.approx(expected[step], rel=RTOL, abs=1e-9)


@pytest.mark.parametrize(("schedule", "oracle", "boundary"), FAR)
def test_boundaries_after_millions_of_steps(schedule, oracle, boundary):
    """Python's integers and float64 do not round here; float32 has no odd numbers from 2**24 on."""
    dtype = "int64" if keras.backend.backend() == "tensorflow" else "int32"  # of `optimizer.iterations`
    for function in (schedule, compiled(schedule)):
        for step in (boundary - 1, boundary, boundary + 1, 5 * boundary - 1, 5 * boundary):
            rate = function(keras.ops.convert_to_tensor(step, dtype))
            assert float(rate) == pytest.approx(oracle(step), rel=2e-5, abs=1e-9), step


def test_the_stairs_of_keras_come_early_where_ours_do_not():
    """The reason for integer arithmetic: a quotient just below a whole number rounds up to it."""
    theirs = keras.optimizers.schedules.ExponentialDecay(1.0, 2**23, 0.5, staircase=True)
    step = 2**25 - 1
    assert float(theirs(step)) == pytest.approx(0.5**4)
    assert float(schedules.StepDecay(1.0, 2**23, 0.5)(step)) == 0.5**3


def test_momentum_cycles_the_other_way():
    cycle = schedules.Cyclical(0.1, 0.5, 4, "triangular2")
    expected = [0.95 - 0.1 * (cyclical(t, 0, 1, 4, "triangular2")) for t in range(30)]
    np.testing.assert_allclose(cycle.momentum(np.arange(30), 0.85, 0.95), expected, rtol=RTOL)
    for three_phase in (False, True):
        schedule = schedules.OneCycle(1.0, 29, 0.4, three_phase=three_phase)
        points = [0.95, 0.85, 0.95, 0.95][: 3 + three_phase]
        expected = [one_cycle(t, 1.0, 29, 0.4, three_phase=three_phase, points=points) for t in range(29)]
        np.testing.assert_allclose(schedule.momentum(np.arange(29), 0.85, 0.95), expected, rtol=RTOL)


def test_epochs():
    per = {"steps_per_epoch": 469}
    pairs = [
        (schedules.StepDecay.from_epochs(0.1, 10, 0.5, **per), schedules.StepDecay(0.1, 4690, 0.5)),
        (
            schedules.Cyclical.from_epochs(0.1, 0.2, 2.5, "exp_range", 0.9, **per),
            schedules.Cyclical(0.1, 0.2, 1172, "exp_range", 0.9),
        ),
        (schedules.OneCycle.from_epochs(0.1, 3, rise=0.2, **per), schedules.OneCycle(0.1, 1407, 0.2)),
        (schedules.Warmup.from_epochs(0.1, 0.001, 0.5, **per), schedules.Warmup(0.1, 1, 0.5)),
        (schedules.Joined.from_epochs([0.1, 0.2, 0.3], [1, 2], **per), schedules.Joined([0.1, 0.2, 0.3], [469, 938])),
    ]
    for ours, expected in pairs:
        assert ours.get_config() == expected.get_config()
    assert {type(ours).__name__ for ours, _ in pairs} == set(schedules.__all__)
