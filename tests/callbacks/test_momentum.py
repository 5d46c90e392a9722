"""A cycling momentum, against torch: the weights after every step, not only the numbers that were set."""

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt import callbacks

from .training import X, Y, linear, train

torch = pytest.importorskip("torch")
STEPS = 48
FITS = pytest.mark.parametrize("fit", [keras.Model.fit, kerasopt.fit], ids=["stock", "kerasopt"])


def theirs(make):
    """Weights after each step of torch's SGD under a scheduler that cycles rate and momentum."""
    weights = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=1.0, momentum=0.5)
    scheduler = make(optimizer)
    x, y = torch.tensor(np.c_[X, np.ones(24)], dtype=torch.float64), torch.tensor(Y[:, 0], dtype=torch.float64)
    path = []
    for step in range(STEPS):
        batch = slice(step % 6 * 4, step % 6 * 4 + 4)
        optimizer.zero_grad()
        ((x[batch] @ weights - y[batch]) ** 2).mean().backward()
        optimizer.step()
        path.append(weights.detach().numpy().copy())
        if step + 1 < STEPS:
            scheduler.step()
    return path


@FITS
def test_one_cycle_walks_torchs_path(fit):
    expected = theirs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS, base_momentum=0.6, max_momentum=0.95)
    )
    # The momentum that the optimizer was made with is the one that is compiled; it must not matter.
    model = linear(kerasopt.optimizers.Momentum(0.77, momentum=0.5))
    watch, history = train(model, [callbacks.OneCycle(0.1, momentum=(0.6, 0.95))], STEPS // 6, fit)
    np.testing.assert_allclose(watch.weights, expected, rtol=1e-4, atol=1e-5)
    assert min(history["momentum"]) < 0.65
    assert history["momentum"][-1] == pytest.approx(0.95)
    assert model.optimizer.momentum == 0.5


@FITS
def test_cyclic_lr_walks_torchs_path(fit):
    arguments = {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "base_momentum": 0.6, "max_momentum": 0.9}
    expected = theirs(lambda o: torch.optim.lr_scheduler.CyclicLR(o, mode="triangular2", **arguments))
    cycle = callbacks.CyclicLR(0.01, 0.1, 5, "triangular2", momentum=(0.6, 0.9))
    watch, _ = train(linear(kerasopt.optimizers.Momentum()), [cycle], STEPS // 6, fit)
    np.testing.assert_allclose(watch.weights, expected, rtol=1e-4, atol=1e-5)


def test_keras_sgd_cycles_too():
    """Its velocity holds the rate, so the path is another one: v = momentum * v - rate * g, w = w + v."""
    cycle = callbacks.OneCycle(0.1, momentum=(0.6, 0.95))
    watch, _ = train(linear(keras.optimizers.SGD(0.77, momentum=0.5)), [cycle], STEPS // 6)
    steps = np.arange(STEPS)
    rates = keras.ops.convert_to_numpy(cycle.schedule(steps))
    momenta = keras.ops.convert_to_numpy(cycle.schedule.momentum(steps, 0.6, 0.95))
    x, w, v, path = np.c_[X, np.ones(24)].astype("float64"), np.zeros(4), np.zeros(4), []
    for step in range(STEPS):
        batch = slice(step % 6 * 4, step % 6 * 4 + 4)
        g = 2 * x[batch].T @ (x[batch] @ w - Y[batch, 0]) / 4
        v = momenta[step] * v - rates[step] * g
        w = w + v
        path.append(w)
    np.testing.assert_allclose(watch.weights, path, rtol=1e-4, atol=1e-5)
