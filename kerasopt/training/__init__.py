"""Fast training: an epoch in one program, and comparisons made of many such epochs."""

from kerasopt.training.compare import compare
from kerasopt.training.comparison import Comparison
from kerasopt.training.fit import fit

__all__ = ["Comparison", "compare", "fit"]
