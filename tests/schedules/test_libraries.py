"""Rates equal torch's schedulers at every step. torch computes in float64, most of them by recursion."""

import keras
import numpy as np
import pytest

from kerasopt import schedules

from .table import rates

torch = pytest.importorskip("torch")
RTOL = 4e-6


def theirs(make, steps, learning_rate=1.0, **arguments):
    """The rates, and momenta, that a torch scheduler sets in `steps` steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], learning_rate, momentum=0.9)
    scheduler = make(optimizer, **arguments)
    values = []
    for step in range(steps):
        values.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return np.array(values).T


def test_step_decay():
    expected, _ = theirs(torch.optim.lr_scheduler.StepLR, 60, 0.3, step_size=7, gamma=0.4)
    np.testing.assert_allclose(rates(schedules.StepDecay(0.3, 7, 0.4), 60), expected, rtol=RTOL)


@pytest.mark.parametrize(("mode", "gamma"), [("triangular", 1.0), ("triangular2", 1.0), ("exp_range", 0.97)])
@pytest.mark.parametrize("half", [1, 4, 13])
def test_cyclical(mode, gamma, half):
    arguments = {"mode": mode, "gamma": gamma, "base_momentum": 0.8, "max_momentum": 0.9}
    expected, momenta = theirs(
        torch.optim.lr_scheduler.CyclicLR, 90, base_lr=0.1, max_lr=0.7, step_size_up=half, **arguments
    )
    ours = schedules.Cyclical(0.1, 0.7, half, mode, gamma)
    np.testing.assert_allclose(rates(ours, 90), expected, rtol=RTOL)
    np.testing.assert_allclose(ours.momentum(np.arange(90), 0.8, 0.9), momenta, rtol=RTOL)


@pytest.mark.parametrize("anneal", ["cos", "linear"])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(
    ("steps", "rise"), [(1, 0.3), (2, 0.3), (3, 0.3), (10, 0.25), (97, 0.3), (100, 0.5), (1000, 0.1)]
)
def test_one_cycle(anneal, three_phase, steps, rise):
    expected, momenta = theirs(
        torch.optim.lr_scheduler.OneCycleLR,
        steps,
        max_lr=0.7,
        total_steps=steps,
        pct_start=rise,
        anneal_strategy=anneal,
        three_phase=three_phase,
    )
    ours = schedules.OneCycle(0.7, steps, rise, anneal=anneal, three_phase=three_phase)
    np.testing.assert_allclose(rates(ours, steps), expected, rtol=RTOL)
    np.testing.assert_allclose(ours.momentum(np.arange(steps), 0.85, 0.95), momenta, rtol=RTOL)


def test_warmup_and_joined():
    def linear(optimizer):
        return torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.2, total_iters=6)

    expected, _ = theirs(linear, 20, 0.3)
    np.testing.assert_allclose(rates(schedules.Warmup(0.3, 6, 0.2), 20), expected, rtol=RTOL)

    def sequential(optimizer):
        parts = [linear(optimizer), torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)]
        parts.append(torch.optim.lr_scheduler.ConstantLR(optimizer, 0.25, 1000))
        return torch.optim.lr_scheduler.SequentialLR(optimizer, parts, [6, 19])

    expected, _ = theirs(sequential, 40, 0.3)
    staircase = schedules.StepDecay(0.3, 4, 0.5)
    nested = schedules.Joined([schedules.Warmup(staircase, 6, 0.2), 0.3 * 0.25], [19])
    flat = schedules.Joined([schedules.Warmup(0.3, 6, 0.2), staircase, 0.3 * 0.25], [6, 19])
    for ours in (nested, flat):
        np.testing.assert_allclose(rates(ours, 40), expected, rtol=RTOL)


def test_cosine_restarts_are_keras_own():
    restarts = keras.optimizers.schedules.CosineDecayRestarts(0.3, 10, t_mul=1.0)
    ours = schedules.Joined([0.1, restarts], [5])
    expected, _ = theirs(torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, 35, 0.3, T_0=10)
    actual = [float(ours(step)) for step in range(40)]
    np.testing.assert_allclose(actual, [0.1] * 5 + expected.tolist(), rtol=1e-5, atol=1e-7)
