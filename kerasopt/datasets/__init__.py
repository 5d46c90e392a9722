"""Real and drawn digits."""

from kerasopt.datasets.digits import synthetic_digits
from kerasopt.datasets.mnist import load_mnist

__all__ = ["load_mnist", "synthetic_digits"]
