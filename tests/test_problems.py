"""Gradients are derivatives, minima are minima, and `descend` takes the steps that the papers' rules take."""

import math

import keras
import numpy as np
import pytest
from scipy.optimize import minimize

from kerasopt import optimizers, problems
from kerasopt.problems import Problem, descend

from .oracles import optimizers as oracles

PROBLEMS = [
    problems.quadratic(),
    problems.quadratic(1.0),
    problems.quadratic(30.0, angle=0.6),
    problems.valley(),
    problems.beale(),
    problems.rosenbrock(),
    problems.himmelblau(),
    problems.saddle(),
    problems.dent(),
    problems.dent(hump=1.9),
    problems.sharp_and_flat(),
    problems.sharp_and_flat(sharp=5, flat=2, dimensions=1),
]
IDS = [f"{i}-{problem.name}" for i, problem in enumerate(PROBLEMS)]


def differences(problem, points, h=1e-5):
    """The gradient by central differences of the fourth order."""
    parts = []
    for e in h * np.eye(problem.dimensions):
        near, far = problem(points + e) - problem(points - e), problem(points + 2 * e) - problem(points - 2 * e)
        parts.append((8 * near - far) / (12 * h))
    return np.stack(parts, axis=-1)


def hessian(problem, point, h=1e-5):
    return np.stack(
        [(problem.gradient(point + e) - problem.gradient(point - e)) / (2 * h) for e in h * np.eye(problem.dimensions)]
    )


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_gradients_are_derivatives(problem):
    points = np.random.default_rng(0).uniform(*problem.window.T, (5, 40, problem.dimensions))
    gradient = problem.gradient(points)
    assert gradient.shape == points.shape
    assert problem(points).shape == (5, 40)
    np.testing.assert_allclose(gradient, differences(problem, points), rtol=1e-7, atol=1e-7 * np.abs(gradient).max())
    np.testing.assert_allclose(problem.gradient(points[0, 0]), gradient[0, 0], rtol=1e-15)  # one point alone


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_minima_are_minima_and_in_view(problem):
    assert len(problem.minima) > 0
    for minimum in problem.minima:
        assert np.all((problem.window[:, 0] < minimum) & (minimum < problem.window[:, 1]))
        np.testing.assert_allclose(problem.gradient(minimum), 0, atol=1e-13)
        assert np.linalg.eigvalsh(hessian(problem, minimum)).min() > 0.09
        assert problem.distance(minimum) == 0
    assert np.all((problem.window[:, 0] < problem.start) & (problem.start < problem.window[:, 1]))
    assert np.linalg.norm(problem.gradient(problem.start)) > 0.1
    assert problem(problem.grid(101)).min() >= problem.best - 1e-15


@pytest.mark.parametrize("problem", PROBLEMS, ids=IDS)
def test_there_are_no_other_minima_in_view(problem):
    for start in problem.grid(7).reshape(-1, problem.dimensions):
        end = minimize(problem, start, jac=problem.gradient, method="BFGS", tol=1e-7).x
        inside = np.all((problem.window[:, 0] < end) & (end < problem.window[:, 1]))
        saddle = np.linalg.eigvalsh(hessian(problem, end)).min() < 0
        assert problem.distance(end) < 1e-4 or saddle or not inside, end


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_the_ravine_has_the_condition_number_given(angle):
    np.testing.assert_allclose(
        np.linalg.eigvalsh(hessian(problems.quadratic(30.0, angle), np.zeros(2))), [1, 30], rtol=1e-6
    )
    # The mild direction is the x axis, turned.
    along = [math.cos(angle), math.sin(angle)]
    assert problems.quadratic(30.0, angle)(along) == pytest.approx(0.5)


def test_wells_are_as_sharp_as_they_say():
    wells = problems.sharp_and_flat(sharp=7, flat=2)
    sharp, flat = wells.minima
    np.testing.assert_allclose(hessian(wells, sharp), 7 * np.eye(2), atol=1e-3)
    np.testing.assert_allclose(hessian(wells, flat), 2 * np.eye(2), atol=1e-3)


def test_the_dent_has_its_hump_where_it_says():
    curve = problems.dent(hump=1.7)
    assert curve.gradient([1.7])[0] == pytest.approx(0, abs=1e-14)
    assert curve([1.7]) > curve([2.0]) > curve([0.0]) == curve.best == 0


def test_known_values():
    assert problems.beale()([1.0, 1.0]) == 1.5**2 + 2.25**2 + 2.625**2
    assert problems.rosenbrock()([-1.2, 1.0]) == pytest.approx(24.2)
    assert problems.himmelblau()([0.0, 0.0]) == 11**2 + 7**2
    assert problems.valley()([-7.0, 2.0]) == pytest.approx(49 / 20 + 4)
    assert problems.quadratic()([3.0, 2.0]) == (9 + 100 * 4) / 2
    assert problems.saddle()([2.0, 2.0]) == 2 - 2 + 4
    assert problems.dent()([2.0]) == pytest.approx(2 / 3)


def test_functions_take_tensors():
    for problem in PROBLEMS:
        point = keras.ops.convert_to_tensor(problem.start.astype("float32"))
        value = problem.function(*(point[i] for i in range(problem.dimensions)))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(value), problem(problem.start), rtol=1e-5)


OPTIMIZERS = {
    "sgd": (lambda: optimizers.SGD(0.02), lambda: oracles.SGD(0.02)),
    "momentum": (lambda: optimizers.Momentum(0.02, momentum=0.8), lambda: oracles.Momentum(0.02, 0.8)),
    "adam": (lambda: optimizers.Adam(0.1), lambda: oracles.Adam(0.1)),
    "lookahead": (
        lambda: optimizers.Lookahead(optimizers.Adam(0.1), sync_period=4),
        lambda: oracles.Lookahead(oracles.Adam(0.1), sync_period=4),
    ),
    "built-in": (lambda: keras.optimizers.SGD(0.02), lambda: oracles.SGD(0.02)),
    "schedule": (
        lambda: optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(0.02, 1, 0.1)),
        lambda: oracles.SGD(lambda step: 0.02 / (1 + 0.1 * step)),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("problem", [problems.saddle(), problems.dent()], ids=["saddle", "dent"])
def test_paths_are_those_of_a_plain_loop(name, problem):
    make, make_oracle = OPTIMIZERS[name]
    path = descend(make(), problem, steps=40)
    oracle, point = make_oracle(), problem.start
    for taken in path[1:]:
        (point,) = oracle.step([point], [problem.gradient(point)])
        np.testing.assert_allclose(taken, point, rtol=2e-5, atol=2e-5)  # float32 over 40 steps
    assert path.shape == (41, problem.dimensions)
    assert path.dtype == "float64"
    np.testing.assert_array_equal(path[0], np.float32(problem.start))


def test_noise_is_seeded_and_of_the_size_given():
    flat = Problem("flat", lambda x, y: 0 * x, lambda x, y: (0 * x, 0 * y), [(-1, 1), (-1, 1)])
    sgd = optimizers.SGD(1.0)
    path = descend(sgd, flat, [0.0, 0.0], steps=400, noise=0.3, seed=1)
    steps = np.diff(path, axis=0)
    # The standard error of a deviation from 400 draws is 3.5 %, that of the mean 0.015, of the correlation 0.05.
    np.testing.assert_allclose(steps.std(axis=0), 0.3, rtol=0.14)
    np.testing.assert_allclose(steps.mean(axis=0), 0, atol=0.06)
    assert abs(np.corrcoef(steps.T)[0, 1]) < 0.2
    np.testing.assert_array_equal(path[:51], descend(sgd, flat, [0.0, 0.0], steps=50, noise=0.3, seed=1))
    assert not np.array_equal(path[:51], descend(sgd, flat, [0.0, 0.0], steps=50, noise=0.3, seed=2))


def test_an_optimizer_is_a_pattern_and_stays_as_it_is():
    problem, adam = problems.valley(), optimizers.Adam(0.3)
    first = descend(adam, problem, steps=5)
    assert not adam.built
    w = keras.Variable([1.0, 2.0])
    adam.apply([keras.ops.array([1.0, 1.0])], [w])
    state = [keras.ops.convert_to_numpy(v) for v in adam.variables]
    np.testing.assert_array_equal(descend(adam, problem, steps=5), first)
    for before, v in zip(state, adam.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(v), before)


def test_what_makes_an_optimizer_will_do():
    problem = problems.valley()
    path = descend(lambda: optimizers.SGD(lambda: 0.1), problem, steps=3)
    np.testing.assert_array_equal(path, descend(optimizers.SGD(0.1), problem, steps=3))
    np.testing.assert_array_equal(descend("sgd", problem, steps=3), descend(keras.optimizers.SGD(), problem, steps=3))
    trained = optimizers.Momentum(0.1)
    descend(lambda: trained, problem, steps=3)
    # What a function returns is used as it is while it is new, and copied once it has made steps.
    np.testing.assert_array_equal(
        descend(lambda: trained, problem, steps=3), descend(optimizers.Momentum(0.1), problem, steps=3)
    )


def test_divergence_is_silent():
    path = descend(optimizers.SGD(1.0), problems.rosenbrock(), steps=20)  # pytest makes errors of warnings
    assert not np.isfinite(path[-1]).any()
    assert np.isfinite(path[1]).all()
    assert not np.isfinite(problems.rosenbrock()(path)[-1])


def test_no_steps_are_a_path_of_one_point():
    np.testing.assert_array_equal(descend(optimizers.SGD(1.0), problems.valley(), steps=0), [[-7.0, 2.0]])


LESSONS = {
    "a rate far above 2 / sharp leaves the sharp minimum": (
        lambda: descend(optimizers.SGD(0.2), problems.sharp_and_flat(), [-1.1, 0.05], steps=100)[-1],
        [1.0, 0.0],
    ),
    "a rate below it stays": (
        lambda: descend(optimizers.SGD(0.05), problems.sharp_and_flat(), [-1.1, 0.05], steps=100)[-1],
        [-1.0, 0.0],
    ),
    "plain descent stops in the dent": (
        lambda: descend(optimizers.SGD(0.03), problems.dent(), steps=200)[-1],
        [2.0],
    ),
    "momentum rolls over the hump": (
        lambda: descend(optimizers.Momentum(0.03), problems.dent(), steps=200)[-1],
        [0.0],
    ),
}


@pytest.mark.parametrize("lesson", LESSONS)
def test_lessons(lesson):
    walk, end = LESSONS[lesson]
    np.testing.assert_allclose(walk(), end, atol=0.01)


def test_grids_are_laid_out_as_pictures_are():
    grid = problems.valley().grid(3)
    np.testing.assert_array_equal(grid[0, :, 0], [-10, 0, 10])
    np.testing.assert_array_equal(grid[:, 0, 1], [-5, 0, 5])
    assert problems.dent().grid(4).shape == (4, 1)


def test_distance_is_to_the_nearest_minimum():
    assert problems.saddle().distance([[0.0, 2.0], [3.0, -1.0]]).tolist() == [1.0, 3.0]
    plane = Problem("plane", lambda x: x, lambda x: (1.0,), [(0, 4)])
    assert plane.distance([[1.0]]).tolist() == [np.inf]
    assert math.isnan(plane.best)
    assert plane.start.tolist() == [1.0]
    assert plane.gradient([[1.0], [2.0]]).tolist() == [[1.0], [1.0]], "constant derivatives take the points' shape"


def parabola(**changes):
    arguments = {"name": "p", "function": lambda x: x * x, "derivatives": lambda x: (2 * x,), "window": [(-1, 1)]}
    return Problem(**arguments | changes)


@pytest.mark.parametrize(
    "call",
    [
        lambda: parabola(window=[]),
        lambda: parabola(window=[(1, -1)]),
        lambda: parabola(window=[(0, np.inf)]),
        lambda: parabola(window=[(0, 1)] * 3),
        lambda: parabola(minima=[[0.0, 0.0]]),
        lambda: parabola(minima=[0.0]),
        lambda: parabola(start=[0.0, 0.0]),
        lambda: parabola(names=()),
        lambda: parabola()([1.0, 2.0]),
        lambda: parabola()(1.0),
        lambda: problems.quadratic(condition=0.5),
        lambda: problems.quadratic(condition=np.nan),
        lambda: problems.quadratic(angle=np.inf),
        lambda: problems.dent(hump=2),
        lambda: problems.dent(hump=1),
        lambda: problems.sharp_and_flat(sharp=0),
        lambda: problems.sharp_and_flat(flat=-1),
        lambda: problems.sharp_and_flat(dimensions=3),
        lambda: descend(optimizers.SGD(0.1), problems.valley, steps=1),
        lambda: descend(optimizers.SGD(0.1), problems.valley(), [1.0], steps=1),
        lambda: descend(optimizers.SGD(0.1), problems.valley(), [1.0, np.nan], steps=1),
        lambda: descend(optimizers.SGD(0.1), problems.valley(), steps=-1),
        lambda: descend(optimizers.SGD(0.1), problems.valley(), steps=1, noise=-1.0),
        lambda: descend(optimizers.SGD(0.1), problems.valley(), steps=1, seed=-1),
        lambda: descend(0.1, problems.valley(), steps=1),
        lambda: descend(lambda: 0.1, problems.valley(), steps=1),
        lambda: descend(optimizers.SGD(lambda: 0.1), problems.valley(), steps=1),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()
