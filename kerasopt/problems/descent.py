"""The path of an optimizer down a surface."""

import warnings

import keras
import numpy as np

from kerasopt._arguments import at_least, within
from kerasopt.problems.problem import Problem


def descend(optimizer, problem, start=None, steps=100, *, noise=0.0, seed=0):
    """Walk an optimizer down a problem, with the problem's exact gradient, and return every point on the way.

    The steps are the optimizer's own, schedule, clipping, weight decay and all, in Keras's default float type. They
    run one by one, without compiling: 200 steps take some tenths of a second at most, and the first path is as fast
    as the next. A path that diverges runs on into infinity or NaN, silently.

    Args:
        optimizer: A Keras optimizer, the name of one, or a function without arguments that returns one. An optimizer
            is a pattern: a fresh copy walks, at the same settings, and this one stays as it is.
        problem: A `Problem`.
        start: Point to start from; the problem's own by default.
        steps: Number of steps, at least 0.
        noise: Standard deviation of the normal noise added to every partial derivative at every step, in gradient
            units, in [0, inf): what mini-batches do to a gradient.
        seed: Seed of that noise, a non-negative integer; equal seeds give every optimizer the same noise.

    Returns:
        Float64 array of shape `(steps + 1, dimensions)`, the start included. With a schedule-free optimizer these are
        the points at which it takes gradients.

    Raises:
        ValueError: If an argument is outside its interval, or if an optimizer cannot be copied because its rate is a
            plain function: give a function that makes it.

    Example:
        >>> from kerasopt.optimizers import Momentum
        >>> from kerasopt.problems import descend, valley
        >>> path = descend(Momentum(0.1, momentum=0.9), valley(), start=[-7.0, 2.0], steps=3)
        >>> print(path.round(3))
        [[-7.     2.   ]
         [-6.93   1.6  ]
         [-6.798  0.92 ]
         [-6.611  0.124]]
    """
    if not isinstance(problem, Problem):
        raise ValueError(f"Argument `problem` must be a `kerasopt.problems.Problem`. Received: problem={problem!r}")
    start = np.asarray(problem.start if start is None else start, dtype=float)
    if start.shape != (problem.dimensions,) or not np.all(np.isfinite(start)):
        raise ValueError(f"Argument `start` must be {problem.dimensions} finite numbers. Received: start={start}")
    steps, noise = at_least(0, steps=steps), within("[0, inf)", noise=noise)
    random = np.random.default_rng(at_least(0, seed=seed))
    optimizer = _copy(optimizer)
    point = keras.Variable(start, dtype=keras.config.floatx(), name="point")
    optimizer.build([point])
    path = [_numbers(point)]
    with np.errstate(all="ignore"):  # infinities, on their way to single precision too
        for disturbance in random.standard_normal((steps, problem.dimensions)):
            gradient = problem.gradient(path[-1]) + noise * disturbance
            optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(point.dtype))], [point])
            path.append(_numbers(point))
    return np.array(path)


def _numbers(variable):
    return np.array(keras.ops.convert_to_numpy(variable), "float64")


def _copy(optimizer):
    """Return a fresh optimizer of the same settings, or the one that a function or a name makes."""
    made = optimizer
    if callable(optimizer) and not isinstance(optimizer, keras.optimizers.Optimizer):
        made = optimizer()
    elif isinstance(optimizer, str):
        made = keras.optimizers.get(optimizer)
    if not isinstance(made, keras.optimizers.Optimizer):
        raise ValueError(
            "Argument `optimizer` must be a Keras optimizer, its name, or a function that returns one. "
            f"Received: optimizer={optimizer!r}"
        )
    if made is not optimizer and not made.built:
        return made
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras's, of a lambda: the error below says more
            return type(made).from_config(made.get_config())
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Argument `optimizer` must be one that Keras can copy; where its rate is a plain function, give a function "
            f"that makes the optimizer. Received: optimizer={optimizer!r}"
        ) from error
