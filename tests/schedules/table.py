"""Every schedule of the package: how to make one, and its rates written from the paper in float64.

A new schedule without a case here fails `test_every_schedule_has_a_case`.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerasopt import schedules


def step_decay(step, learning_rate, steps_per_drop, drop=0.5):
    return learning_rate * drop ** (step // steps_per_drop)


def cyclical(step, base, top, s, mode="triangular", gamma=1.0):
    cycle = math.floor(1 + step / (2 * s))
    x = abs(step / s - 2 * cycle + 1)
    scale = {"triangular": 1.0, "triangular2": 2.0 ** (1 - cycle), "exp_range": gamma**step}[mode]
    return base + (top - base) * max(0.0, 1 - x) * scale


def one_cycle(
    step, top, steps, rise=0.3, div_factor=25.0, final_div_factor=1e4, anneal="cos", three_phase=False, points=None
):
    first = top / div_factor
    points = points or [first, top, *([first] if three_phase else []), first / final_div_factor]
    ends = [rise * steps - 1, 2 * rise * steps - 2, steps - 1] if three_phase else [rise * steps - 1, steps - 1]
    step, start = min(step, steps - 1), 0
    for a, b, end in zip(points[:-1], points[1:], ends, strict=True):
        if (step <= end and end > 0) or end is ends[-1]:
            p = (step - start) / (end - start)
            return a + (b - a) * (p if anneal == "linear" else (1 - math.cos(math.pi * p)) / 2)
        start = end
    raise AssertionError


def warmup(step, rate, steps, start=0.0):
    return rate(0) * (start + (1 - start) * step / steps) if step < steps else rate(step - steps)


def joined(step, rates, boundaries):
    part = sum(step >= boundary for boundary in boundaries)
    return rates[part](step - [0, *boundaries][part])


@dataclass(frozen=True)
class Case:
    """A schedule and its rate at any step; `low` and `high` bound the rates, `period` is their period, if any."""

    schedule: Any
    oracle: Any
    low: float
    high: float
    period: int | None = None


def _staircase(step):
    return step_decay(step, 0.1, 7, 0.3)


def _one(step):
    return one_cycle(step, 0.5, 41)


CASES = {
    "StepDecay": Case(schedules.StepDecay(0.1, 7, 0.3), _staircase, 0.0, 0.1),
    "StepDecay each step": Case(schedules.StepDecay(2, 1, 0.97), lambda t: step_decay(t, 2, 1, 0.97), 0.0, 2),
    "StepDecay flat": Case(schedules.StepDecay(0.1, 3, 1), lambda t: 0.1, 0.1, 0.1, 1),
    "Cyclical": Case(schedules.Cyclical(0.1, 0.7, 6), lambda t: cyclical(t, 0.1, 0.7, 6), 0.1, 0.7, 12),
    "Cyclical of 1": Case(schedules.Cyclical(0, 1, 1), lambda t: cyclical(t, 0, 1, 1), 0, 1, 2),
    "Cyclical triangular2": Case(
        schedules.Cyclical(0.01, 0.7, 5, "triangular2"), lambda t: cyclical(t, 0.01, 0.7, 5, "triangular2"), 0.01, 0.7
    ),
    "Cyclical exp_range": Case(
        schedules.Cyclical(0.1, 0.7, 6, "exp_range", 0.98),
        lambda t: cyclical(t, 0.1, 0.7, 6, "exp_range", 0.98),
        0.1,
        0.7,
    ),
    "OneCycle": Case(schedules.OneCycle(0.5, 41), _one, 0.5 / 25e4, 0.5),
    "OneCycle linear": Case(
        schedules.OneCycle(1.0, 30, 0.5, 10, 100, "linear"),
        lambda t: one_cycle(t, 1.0, 30, 0.5, 10, 100, "linear"),
        1e-3,
        1.0,
    ),
    "OneCycle of three phases": Case(
        schedules.OneCycle(1.0, 57, 0.42, three_phase=True),
        lambda t: one_cycle(t, 1.0, 57, 0.42, three_phase=True),
        1 / 25e4,
        1.0,
    ),
    "OneCycle of one step": Case(schedules.OneCycle(1.0, 1), lambda t: one_cycle(t, 1.0, 1), 1 / 25e4, 1 / 25e4),
    "OneCycle without a rise": Case(schedules.OneCycle(1.0, 3), lambda t: one_cycle(t, 1.0, 3), 1 / 25e4, 1.0),
    "Warmup": Case(schedules.Warmup(0.4, 5), lambda t: warmup(t, lambda _: 0.4, 5), 0.0, 0.4),
    "Warmup of a staircase": Case(
        schedules.Warmup(schedules.StepDecay(0.1, 7, 0.3), 4, 1 / 3),
        lambda t: warmup(t, _staircase, 4, 1 / 3),
        0.0,
        0.1,
    ),
    "Joined": Case(
        schedules.Joined([0.2, schedules.StepDecay(0.1, 7, 0.3), schedules.OneCycle(0.5, 41)], [5, 20]),
        lambda t: joined(t, [lambda _: 0.2, _staircase, _one], [5, 20]),
        0.0,
        0.5,
    ),
    "Joined with Keras's": Case(
        schedules.Joined([keras.optimizers.schedules.InverseTimeDecay(0.3, 10, 0.5), 0.2], [8]),
        lambda t: joined(t, [lambda u: 0.3 / (1 + 0.5 * u / 10), lambda _: 0.2], [8]),
        0.2,
        0.3,
    ),
}


def rates(schedule, steps):
    """The rates of the first `steps` steps, by one call on a vector."""
    return keras.ops.convert_to_numpy(schedule(np.arange(steps)))


def compiled(function):
    """`function` of an integer as compiled code, where the backend compiles."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True, input_signature=[tf.TensorSpec((), "int64")])
    if backend == "jax":
        import jax

        return jax.jit(function)
    return function
