"""The oracles against other libraries where the definitions meet, and against a step by hand where they do not."""

import copy
import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from . import libraries
from . import optimizers as oracles

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def paths_of(tmp_path_factory):
    """The weights that a library computes, for all its cases; each library runs once, in a process of its own."""
    results = {}

    def run(library):
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
        if library not in results:
            path = tmp_path_factory.mktemp(library) / "paths.npz"
            command = [sys.executable, "-m", f"{libraries.__package__}.libraries", library, str(path)]
            root = ROOT if libraries.__package__.startswith("tests") else ROOT / "tests"
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            results[library] = np.load(path)
        return results[library]

    return run


@pytest.mark.parametrize(
    ("library", "name"), [(library, name) for library, cases in libraries.LIBRARIES.items() for name in cases]
)
def test_oracle_equals_library(paths_of, library, name):
    expected = paths_of(library)
    oracle = copy.deepcopy(libraries.LIBRARIES[library][name][0])
    path = libraries.trajectory(lambda weights, gradients, t: oracle.step(weights, gradients))
    for i, weights in enumerate(zip(*path, strict=True)):
        # Float64 rounds at 1e-16; fifty steps that feed back amplify it by less than 1e6.
        np.testing.assert_allclose(np.stack(weights), expected[f"{name} {i}"], rtol=1e-10, atol=1e-10)


def steps(oracle, weights, *gradients):
    """The weights after each of the given gradients, for one variable."""
    path = []
    for g in gradients:
        (weights,) = oracle.step([np.asarray(weights, "float64")], [np.asarray(g, "float64")])
        path.append(weights)
    return path


def test_nesterov_returns_the_look_ahead_point_of_the_textbook():
    # The textbook literally: the gradient at theta - lr mu v, then v = mu v + g, theta = theta - lr v.
    rate, mu = 0.05, 0.8
    theta, v = libraries.initial_weights(), [0.0, 0.0]
    oracle, stored = oracles.Nesterov(rate, mu), libraries.initial_weights()
    for t in range(20):
        g = libraries.gradients([w - rate * mu * u for w, u in zip(theta, v, strict=True)], t)
        v = [mu * u + d for u, d in zip(v, g, strict=True)]
        theta = [w - rate * u for w, u in zip(theta, v, strict=True)]
        stored = oracle.step(stored, libraries.gradients(stored, t))
        for i in range(2):
            np.testing.assert_allclose(oracle.state[i].theta, theta[i], rtol=1e-13)
            np.testing.assert_allclose(stored[i], theta[i] - rate * mu * v[i], rtol=1e-13)


def test_adam_without_bias_correction_by_hand():
    # m = 0.1 * 2 = 0.2, v = 0.001 * 4 = 0.004: the step is 0.5 * 0.2 / (sqrt(0.004) + 0.01).
    # Then m = 0.9 * 0.2 - 0.1 = 0.08, v = 0.999 * 0.004 + 0.001 = 0.004996.
    first, second = steps(oracles.Adam(0.5, epsilon=0.01, bias_correction=False), 1.0, 2.0, -1.0)
    assert first == pytest.approx(1 - 0.1 / (math.sqrt(0.004) + 0.01), rel=1e-14)
    assert second == pytest.approx(first - 0.04 / (math.sqrt(0.004996) + 0.01), rel=1e-14)


def test_qhm_by_hand():
    # d = 0.25 * 2 = 0.5; the step is 0.1 (0.3 * 2 + 0.7 * 0.5). Then d = 0.75 * 0.5 + 0.25 * 4 = 1.375.
    first, second = steps(oracles.QHM(0.1, momentum=0.75, nu=0.7), 1.0, 2.0, 4.0)
    assert first == pytest.approx(1 - 0.095, rel=1e-14)
    assert second == pytest.approx(first - 0.1 * (1.2 + 0.7 * 1.375), rel=1e-14)


def test_yogi_by_hand():
    # From v = 1, g = 2: v = 1 + 0.1 * 4 = 1.4 and m = 0.4. Then g = 1, below v: v = 1.4 - 0.1 = 1.3, m = 0.52.
    oracle = oracles.Yogi(0.5, 0.8, 0.9, epsilon=0.1, initial_accumulator=1.0)
    first, second = steps(oracle, 1.0, 2.0, 1.0)
    assert first == pytest.approx(1 - 0.2 / (math.sqrt(1.4) + 0.1), rel=1e-14)
    assert second == pytest.approx(first - 0.26 / (math.sqrt(1.3) + 0.1), rel=1e-14)


def test_lars_by_hand():
    # ||w|| = 5, ||g|| = 10: the ratio is 0.1 * 5 / (10 + 0.2 * 5 + 1) = 1 / 24, the move 0.5 / 24 (g + 0.2 w).
    arguments = {"learning_rate": 0.5, "momentum": 0.9, "trust_coefficient": 0.1, "epsilon": 1.0, "weight_decay": 0.2}
    w, g = np.array([[3.0, 4.0]]), np.array([[6.0, -8.0]])
    first, second = steps(oracles.LARS(**arguments), w, g, 0 * g)
    move = 0.5 / 24 * np.array([[6.6, -7.2]])
    np.testing.assert_allclose(first, w - move, rtol=1e-14)
    # A gradient of zero: the ratio is 1, so the decay alone moves the weights, on top of the velocity.
    np.testing.assert_allclose(second, first - 0.9 * move - 0.5 * 0.2 * first, rtol=1e-14)
    # A vector of the same numbers knows neither ratio nor decay.
    np.testing.assert_allclose(steps(oracles.LARS(**arguments), w[0], g[0]), [w[0] - 0.5 * g[0]], rtol=1e-14)
    # Weights of zero: the ratio is 1.
    np.testing.assert_allclose(steps(oracles.LARS(**arguments), 0 * w, g), [-0.5 * g], rtol=1e-14)


def test_cocob_rate_multiplies_the_step_by_hand():
    # g = -2: largest 2, total 2, theta 2; reward 0. The target is 2 / (2 * max(4, 20)) * 2 = 0.1 above the start.
    assert steps(oracles.COCOB(1.0, alpha=10.0), 3.0, -2.0)[0] == pytest.approx(3.1, rel=1e-14)
    # At half the rate half the way, 3.05; then the reward is 0.05 * 2 = 0.1, theta 4, total 4:
    # the target is 3 + 4 / (2 * 20) * 2.1 = 3.21, and half the way from 3.05 is 3.13.
    np.testing.assert_allclose(steps(oracles.COCOB(0.5, alpha=10.0), 3.0, -2.0, -2.0), [3.05, 3.13], rtol=1e-14)


def test_prodigy_stands_still_until_a_gradient_comes():
    oracle = oracles.Prodigy(initial_d=0.5)
    assert steps(oracle, 1.0, 0.0) == [1.0]
    # m = 0.1 d g and v = 0.001 (d g)^2: the step is d 0.1 / sqrt(0.001) whatever g is.
    assert steps(oracles.Prodigy(initial_d=0.5, epsilon=1e-300), 1.0, 7.0)[0] == pytest.approx(
        1 - 0.05 / math.sqrt(0.001), rel=1e-13
    )


def test_prodigy_distance_only_grows_and_reaches_the_scale_of_the_problem():
    oracle, w, distances = oracles.Prodigy(), [np.array([3.0, -4.0])], []
    for _ in range(200):
        w = oracle.step(w, [np.sign(w[0])])
        distances.append(oracle.d)
    assert np.all(np.diff(distances) >= 0)
    # The paper proves d <= ||w_0 - w*||_inf for its l1 form; it starts from 1e-6.
    assert 0.1 < oracle.d < 5


def test_schedule_free_keeps_the_weighted_mean_for_evaluation():
    oracle = oracles.ScheduleFreeAdamW(0.1, warmup_steps=3)
    y = libraries.initial_weights()
    for t in range(10):
        y = oracle.step(y, libraries.gradients(y, t))
    # The weights are the squares of the largest rate so far: 1/9, 4/9, then 1 of 0.1 squared.
    counts = np.array([1 / 9, 4 / 9, 1, 1, 1, 1, 1, 1, 1, 1])
    for i in range(2):
        x = np.average(oracle.state[i].z[1:], axis=0, weights=counts)
        np.testing.assert_allclose(oracle.state[i].x, x, rtol=1e-13)
        np.testing.assert_allclose(y[i], 0.9 * x + 0.1 * oracle.state[i].z[-1], rtol=1e-13)


def test_lookahead_by_hand():
    # From 1 with rate 0.1 and gradients of 1: 0.9, 0.8 -> 1 + 0.25 (0.8 - 1) = 0.95; 0.85, 0.75 -> 0.9.
    oracle = oracles.Lookahead(oracles.SGD(0.1), sync_period=2, slow_step_size=0.25)
    np.testing.assert_allclose(steps(oracle, 1.0, 1.0, 1.0, 1.0, 1.0), [0.9, 0.95, 0.85, 0.9], rtol=1e-14)


def test_oracles_do_not_touch_what_they_are_given():
    for name in [n for n, c in vars(oracles).items() if isinstance(c, type) and hasattr(c, "step") and n != "Oracle"]:
        cls = getattr(oracles, name)
        oracle = cls(oracles.SGD()) if name == "Lookahead" else cls()
        weights, g = libraries.initial_weights(), libraries.gradients(libraries.initial_weights(), 0)
        before = copy.deepcopy((weights, g))
        moved = oracle.step(weights, g)
        for given, kept in zip([*weights, *g], [*before[0], *before[1]], strict=True):
            np.testing.assert_array_equal(given, kept)
        assert all(not np.array_equal(a, b) for a, b in zip(moved, weights, strict=True)), name
