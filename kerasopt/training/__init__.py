"""Ways to train a model: an epoch in one program, comparisons made of many such epochs, and sharpness-aware steps."""

from kerasopt.training.compare import compare
from kerasopt.training.comparison import Comparison
from kerasopt.training.fit import fit
from kerasopt.training.sam import SAM

__all__ = ["SAM", "Comparison", "compare", "fit"]
