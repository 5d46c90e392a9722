"""Callbacks that set, search and watch: for optimizers whose learning rate is a number.

Where the rate alone follows a rule, the same rule in `kerasopt.schedules` costs nothing in training.
"""

from kerasopt.callbacks.cyclic_lr import CyclicLR
from kerasopt.callbacks.layer_statistics import LayerStatistics
from kerasopt.callbacks.lr_finder import LearningRateFinder
from kerasopt.callbacks.one_cycle import OneCycle
from kerasopt.callbacks.step_decay import StepDecay

__all__ = ["CyclicLR", "LayerStatistics", "LearningRateFinder", "OneCycle", "StepDecay"]
