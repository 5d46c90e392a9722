"""Newton's method."""

import math
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from kerasopt._autodiff import Objective

FLAT = 1e-12  # an eigenvalue this small beside the largest is zero but for rounding


@dataclass(frozen=True, eq=False)
class NewtonResult:
    """What `newton` did.

    Attributes:
        path: The points, of shape `(steps + 1, n)`, the start first.
        values: The function's value at each.
        verdict: "minimum", "maximum", "saddle" or "flat" (a zero eigenvalue decides) where the gradient has vanished;
            otherwise "singular" (the Hessian cannot be inverted), "diverged" or "not converged".
        eigenvalues: Of the Hessian at the last point, in rising order.
    """

    path: np.ndarray
    values: np.ndarray
    verdict: str
    eigenvalues: np.ndarray

    def __repr__(self):
        return f"NewtonResult({self.verdict} after {len(self.path) - 1} steps: {self.values[-1]:.6g})"


def newton(function, start, gradient=None, hessian=None, damping=0.0, saddle_free=False, max_steps=50, tolerance=1e-10):
    """Minimize a small function by Newton's method, in float64.

        w = w - (H + damping * I)^-1 g          H, g = Hessian and gradient at w
        w = w - (|H| + damping * I)^-1 g        with saddle_free

    where |H| has H's eigenvectors and its eigenvalues without their signs. A quadratic's minimum is one step away. The
    usual mistake is to start where H is not positive definite: plain Newton then goes to a saddle or a maximum as
    gladly; the saddle-free form goes downhill in every direction. The Hessian of n numbers takes n^2 of memory and n^3
    of time.

    Args:
        function: Takes an array of shape `(n,)` and returns a number. Written with `keras.ops`, unless `gradient` and
            `hessian` are given, which makes NumPy do.
        start: The first point, `n` numbers.
        gradient: Returns the gradient, of shape `(n,)`.
        hessian: Returns the Hessian, of shape `(n, n)`.
        damping: Added to every eigenvalue, in [0, inf).
        saddle_free: Whether the eigenvalues' signs are dropped.
        max_steps: Most steps made, at least 1.
        tolerance: Length of the gradient at which it has vanished, in (0, inf).

    Returns:
        A `NewtonResult`.

    Raises:
        ValueError: If an argument is out of range, only one of `gradient` and `hessian` is given, or the Hessian is not
            symmetric.

    Example:
        Beside a saddle, plain Newton goes to it and the saddle-free form away from it:

        >>> import numpy as np
        >>> from kerasopt.second_order import newton
        >>> def function(w):
        ...     return w[0] ** 2 - w[1] ** 2 + w[1] ** 4
        >>> newton(function, [1.0, 0.1]).verdict
        'saddle'
        >>> newton(function, [1.0, 0.1], saddle_free=True)
        NewtonResult(minimum after 10 steps: -0.25)

    Reference:
        Dauphin, Pascanu, Gulcehre, Cho, Ganguli and Bengio, "Identifying and attacking the saddle point problem in
        high-dimensional non-convex optimization" (2014), arXiv 1406.2572, section 6 for `saddle_free`.
    """
    point = np.asarray(start, dtype="float64")
    if point.ndim != 1 or point.size == 0 or not np.isfinite(point).all():
        raise ValueError(f"Argument `start` must be one or more finite numbers in a row. Received: start={start}")
    if (gradient is None) != (hessian is None):
        raise ValueError("Arguments `gradient` and `hessian` must both be given, or neither.")
    if not (isinstance(damping, Real) and 0 <= damping < math.inf):
        raise ValueError(f"Argument `damping` must be in [0, inf). Received: damping={damping}")
    if not (isinstance(max_steps, Integral) and max_steps >= 1):
        raise ValueError(f"Argument `max_steps` must be an integer of at least 1. Received: max_steps={max_steps}")
    if not (isinstance(tolerance, Real) and 0 < tolerance < math.inf):
        raise ValueError(f"Argument `tolerance` must be in (0, inf). Received: tolerance={tolerance}")
    if gradient is None:
        objective = Objective(function)
        function, hessian = objective.value, objective.hessian

        def gradient(w):
            return objective.value_and_gradient(w)[1]

    path, values = [point], [float(function(point))]
    while True:
        g, h = np.asarray(gradient(point), dtype="float64"), np.asarray(hessian(point), dtype="float64")
        if not (np.isfinite(values[-1]) and np.isfinite(g).all() and np.isfinite(h).all()):
            return _result(path, values, "diverged", np.full(point.shape, np.nan))
        if not np.allclose(h, h.T, rtol=1e-6, atol=1e-8 * np.abs(h).max()):
            raise ValueError(f"The Hessian must be symmetric. Received: {h}")
        eigenvalues, vectors = np.linalg.eigh(h)
        if np.linalg.norm(g) <= tolerance:
            return _result(path, values, _kind(eigenvalues), eigenvalues)
        if len(path) > max_steps:
            return _result(path, values, "not converged", eigenvalues)
        curvature = (np.abs(eigenvalues) if saddle_free else eigenvalues) + damping
        if np.abs(curvature).min() <= FLAT * np.abs(curvature).max():
            return _result(path, values, "singular", eigenvalues)
        point = point - vectors @ (vectors.T @ g / curvature)
        path.append(point)
        values.append(float(function(point)))


def _kind(eigenvalues):
    """What a point without a gradient is."""
    flat = FLAT * np.abs(eigenvalues).max()
    if (np.abs(eigenvalues) <= flat).any():
        return "flat"
    return "minimum" if eigenvalues.min() > 0 else "maximum" if eigenvalues.max() < 0 else "saddle"


def _result(path, values, verdict, eigenvalues):
    return NewtonResult(np.stack(path), np.array(values), verdict, eigenvalues)
