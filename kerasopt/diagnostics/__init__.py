"""Is the gradient right, and what does the loss look like around a point?"""

from kerasopt.diagnostics.gradient_check import GradientCheck, gradient_check
from kerasopt.diagnostics.loss_slice import LossSlice, loss_slice
from kerasopt.diagnostics.sharpness import sharpness, top_eigenvalue

__all__ = ["GradientCheck", "LossSlice", "gradient_check", "loss_slice", "sharpness", "top_eigenvalue"]
