"""The surfaces on which optimizers are compared: each makes one difficulty visible. Formulas need only arithmetic."""

import math

import numpy as np

from kerasopt.problems.problem import Problem

# The first is exact; the others are the roots of the gradient to the last digit of a float64.
HIMMELBLAU = [
    [3.0, 2.0],
    [-2.805118086952745, 3.131312518250573],
    [-3.779310253377747, -3.283185991286169],
    [3.5844283403304917, -1.8481265269644034],
]


def _above(bound, **argument):
    ((name, value),) = argument.items()
    if not bound < value < math.inf:
        raise ValueError(f"Argument `{name}` must be in ({bound}, inf). Received: {name}={value}")
    return float(value)


def quadratic(condition=100.0, angle=0.0):
    """A bowl `(u^2 + condition v^2) / 2`: round at a condition number of 1, a ravine at 100.

    Gradient descent is stable below a learning rate of `2 / condition`, and shrinks `u` by only `1 - learning_rate` a
    step: hence the zigzag across the ravine and the crawl along it. `angle` turns the ravine away from the axes, which
    matters to methods with a rate for each coordinate and to no others.

    Args:
        condition: Ratio of the largest to the smallest curvature, in [1, inf).
        angle: By how much the ravine is turned against the x axis, in radians, counterclockwise.

    Returns:
        A `Problem` with its minimum, 0, at the origin.

    Raises:
        ValueError: If `condition` is below 1 or `angle` is not finite.

    Example:
        >>> from kerasopt.problems import quadratic
        >>> ravine = quadratic(condition=100)
        >>> print(ravine([1.0, 1.0]), ravine.gradient([1.0, 1.0]))
        50.5 [  1. 100.]
    """
    if not 1 <= condition < math.inf:
        raise ValueError(f"Argument `condition` must be in [1, inf). Received: condition={condition}")
    if not math.isfinite(angle):
        raise ValueError(f"Argument `angle` must be finite. Received: angle={angle}")
    c, s = math.cos(angle), math.sin(angle)
    xx, xy, yy = c * c + condition * s * s, (1 - condition) * c * s, s * s + condition * c * c  # the Hessian
    half = np.array([2.4, min(1.6, 6 / math.sqrt(condition))])
    turn = np.array([[c, -s], [s, c]])
    corner = np.abs(turn) @ half
    return Problem(
        f"bowl, condition number {condition:g}",
        lambda x, y: (xx * x**2 + 2 * xy * x * y + yy * y**2) / 2,
        lambda x, y: (xx * x + xy * y, xy * x + yy * y),
        window=np.stack([-corner, corner], axis=1),
        minima=[[0.0, 0.0]],
        start=turn @ [-2.0, half[1] / 2],
    )


def valley():
    """The shallow valley `x^2 / 20 + y^2`, of condition number 20: steep across, almost level along.

    Returns:
        A `Problem` with its minimum, 0, at the origin; it starts at (-7, 2).

    Example:
        >>> from kerasopt.problems import valley
        >>> print(valley().gradient([-7.0, 2.0]))
        [-0.7  4. ]
    """
    return Problem(
        "valley",
        lambda x, y: x**2 / 20 + y**2,
        lambda x, y: (x / 10, 2 * y),
        window=[(-10, 10), (-5, 5)],
        minima=[[0.0, 0.0]],
        start=[-7.0, 2.0],
    )


def beale():
    """Beale's function: a flat valley that bends, between walls that rise like the eighth power.

    Returns:
        A `Problem` with its minimum, 0, at (3, 0.5).

    Example:
        >>> from kerasopt.problems import beale
        >>> print(beale()([3.0, 0.5]), beale()([1.0, 1.0]))
        0.0 14.203125

    Reference:
        Beale, "On an iterative method for finding a local minimum of a function of more than one variable" (1958);
        Moré, Garbow and Hillstrom, "Testing unconstrained optimization software" (1981), function 5.
    """

    def residuals(x, y):
        return 1.5 - x * (1 - y), 2.25 - x * (1 - y**2), 2.625 - x * (1 - y**3)

    def derivatives(x, y):
        a, b, c = residuals(x, y)
        return (
            -2 * (a * (1 - y) + b * (1 - y**2) + c * (1 - y**3)),
            2 * x * (a + 2 * b * y + 3 * c * y**2),
        )

    return Problem(
        "Beale",
        lambda x, y: sum(r**2 for r in residuals(x, y)),
        derivatives,
        window=[(-0.5, 4.2), (-1.5, 1.7)],
        minima=[[3.0, 0.5]],
        start=[0.7, 1.4],
    )


def rosenbrock():
    """Rosenbrock's banana `(1 - x)^2 + 100 (y - x^2)^2`: into the bent valley in a few steps, along it in thousands.

    Returns:
        A `Problem` with its minimum, 0, at (1, 1); it starts at the classic (-1.2, 1).

    Example:
        >>> from kerasopt.problems import rosenbrock
        >>> print(rosenbrock()([-1.2, 1.0]).round(1))
        24.2

    Reference:
        Rosenbrock, "An automatic method for finding the greatest or least value of a function" (1960).
    """
    return Problem(
        "Rosenbrock",
        lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
        lambda x, y: (-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)),
        window=[(-1.8, 1.8), (-0.8, 2.4)],
        minima=[[1.0, 1.0]],
        start=[-1.2, 1.0],
    )


def himmelblau():
    """Himmelblau's function `(x^2 + y - 11)^2 + (x + y^2 - 7)^2`: four minima, so that the start decides.

    Returns:
        A `Problem` with four minima, all 0; four saddle points and a maximum lie between them.

    Example:
        >>> from kerasopt.problems import himmelblau
        >>> print(himmelblau()([3.0, 2.0]), len(himmelblau().minima))
        0.0 4

    Reference:
        Himmelblau, "Applied nonlinear programming" (1972).
    """

    def derivatives(x, y):
        a, b = x**2 + y - 11, x + y**2 - 7
        return 4 * a * x + 2 * b, 2 * a + 4 * b * y

    return Problem(
        "Himmelblau",
        lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
        derivatives,
        window=[(-5.5, 5.5), (-5.5, 5.5)],
        minima=HIMMELBLAU,
        start=[0.5, -0.5],
    )


def saddle():
    """A saddle point at the origin, `x^2 / 2 - y^2 / 2 + y^4 / 4`, between two minima.

    The gradient vanishes at the saddle, and near it the way down is so slight that plain gradient descent takes long
    to find it. On the line y = 0 it never does, but for noise.

    Returns:
        A `Problem` with minima of -1/4 at (0, -1) and (0, 1). It starts a ten-thousandth beside the line y = 0.

    Example:
        >>> from kerasopt.problems import saddle
        >>> print(saddle().gradient([0.0, 0.0]), saddle().best)
        [0. 0.] -0.25
    """
    return Problem(
        "saddle",
        lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
        lambda x, y: (x, y**3 - y),
        window=[(-1.6, 1.6), (-1.6, 1.6)],
        minima=[[0.0, -1.0], [0.0, 1.0]],
        start=[-1.4, 1e-4],
    )


def dent(hump=1.5):
    """A curve with a dent beside its lowest point: the polynomial with derivative `x (x - hump) (x - 2)`.

    Gradient descent from the right stays in the dent at 2. Momentum rolls over the hump if it is low enough.

    Args:
        hump: Where the hump between dent and minimum lies, in (1, 2): the nearer to 2, the shallower the dent.

    Returns:
        A `Problem` of one coordinate, with its minimum, 0, at 0 and the dent at 2; it starts at 2.9.

    Raises:
        ValueError: If `hump` is outside its interval.

    Example:
        >>> from kerasopt.problems import dent
        >>> curve = dent()
        >>> print(curve([[0.0], [1.5], [2.0]]).round(3))
        [0.    0.703 0.667]
    """
    if not 1 < hump < 2:
        raise ValueError(f"Argument `hump` must be in (1, 2). Received: hump={hump}")
    return Problem(
        "dent",
        lambda x: x**4 / 4 - (hump + 2) * x**3 / 3 + hump * x**2,
        lambda x: (x * (x - hump) * (x - 2),),
        window=[(-1.1, 3.0)],
        minima=[[0.0], [2.0]],
        start=[2.9],
    )


def sharp_and_flat(sharp=30.0, flat=1.0, dimensions=2):
    """A sharp and a flat minimum side by side, both 0: `a b / (a + b)` of the bowls `a` at -1 and `b` at 1.

    With `a = sharp |p - (-1, 0)|^2 / 2` and `b = flat |p - (1, 0)|^2 / 2`, the curvature at each minimum is exactly
    that of its bowl. Gradient descent with a learning rate above `2 / sharp` cannot settle in the sharp one: it dances
    about there, and at some three times that rate it leaves for the flat one.

    Args:
        sharp: Curvature at -1, in (0, inf).
        flat: Curvature at 1, in (0, inf).
        dimensions: Number of coordinates, 1 or 2.

    Returns:
        A `Problem` with two minima.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.problems import sharp_and_flat
        >>> wells = sharp_and_flat(sharp=30, flat=1)
        >>> h = 1e-4  # curvature: twice the value a little aside, over the distance squared
        >>> print((2 * wells([[-1, h], [1, h]]) / h**2).round(3))
        [30.  1.]
    """
    sharp, flat = _above(0, sharp=sharp), _above(0, flat=flat)
    if dimensions not in (1, 2):
        raise ValueError(f"Argument `dimensions` must be 1 or 2. Received: dimensions={dimensions}")

    def bowls(x, *y):
        height = sum(v**2 for v in y)
        return sharp * ((x + 1) ** 2 + height) / 2, flat * ((x - 1) ** 2 + height) / 2

    def function(*point):
        a, b = bowls(*point)
        return a * (b / (a + b))

    def derivatives(x, *y):
        a, b = bowls(x, *y)
        share_a, share_b = sharp * (b / (a + b)) ** 2, flat * (a / (a + b)) ** 2
        return share_a * (x + 1) + share_b * (x - 1), *((share_a + share_b) * v for v in y)

    return Problem(
        "sharp and flat",
        function,
        derivatives,
        window=[(-2.4, 3.2), (-1.6, 1.6)][:dimensions],
        minima=[[-1.0, 0.0][:dimensions], [1.0, 0.0][:dimensions]],
        start=[-1.5, 0.8][:dimensions],
    )
