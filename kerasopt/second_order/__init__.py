"""Methods that use curvature: Newton's, for small problems, and SciPy's, for a Keras model."""

from kerasopt.second_order.minimize import minimize
from kerasopt.second_order.newton import NewtonResult, newton

__all__ = ["NewtonResult", "minimize", "newton"]
