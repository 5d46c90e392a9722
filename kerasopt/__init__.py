"""Optimizers, schedules, initializers, callbacks and ensembles for Keras 3, and the textbook's source."""

from kerasopt import _runtime

_runtime.start()

# Keras must have started before anything else is imported.
from kerasopt import datasets, initializers, optimizers, plotting, pretraining, problems, training  # noqa: E402
from kerasopt.training import compare, fit  # noqa: E402

__all__ = [
    "compare",
    "datasets",
    "fit",
    "initializers",
    "optimizers",
    "plotting",
    "pretraining",
    "problems",
    "training",
]
__version__ = "0.1.0"
