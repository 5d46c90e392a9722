"""Fast training: an epoch in one program, and comparisons made of many such epochs."""

from kerasopt.training.fit import fit

__all__ = ["fit"]
