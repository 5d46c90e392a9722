"""Small surfaces whose minima are known, and `descend`, which walks any Keras optimizer down one of them."""

from kerasopt.problems.descent import descend
from kerasopt.problems.problem import Problem
from kerasopt.problems.surfaces import (
    beale,
    dent,
    himmelblau,
    quadratic,
    rosenbrock,
    saddle,
    sharp_and_flat,
    valley,
)

__all__ = [
    "Problem",
    "beale",
    "dent",
    "descend",
    "himmelblau",
    "quadratic",
    "rosenbrock",
    "saddle",
    "sharp_and_flat",
    "valley",
]
