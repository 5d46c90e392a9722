"""Callbacks that set, search and watch, and runs that continue exactly where they were stopped.

Those that set the rate are for optimizers whose rate is a number. Where the rate alone follows a rule, the same rule in
`kerasopt.schedules` costs nothing in training.
"""

from kerasopt.callbacks.backup import Backup
from kerasopt.callbacks.cyclic_lr import CyclicLR
from kerasopt.callbacks.layer_statistics import LayerStatistics
from kerasopt.callbacks.lr_finder import LearningRateFinder
from kerasopt.callbacks.one_cycle import OneCycle
from kerasopt.callbacks.resumable import Resumable
from kerasopt.callbacks.step_decay import StepDecay

__all__ = ["Backup", "CyclicLR", "LayerStatistics", "LearningRateFinder", "OneCycle", "Resumable", "StepDecay"]
