"""Optimizers, schedules, initializers, callbacks and ensembles for Keras 3, and the textbook's source."""

from kerasopt import _runtime

_runtime.start()

# Keras must have started before anything else is imported.
from kerasopt import (  # noqa: E402
    augmentation,
    callbacks,
    datasets,
    diagnostics,
    ensembles,
    initializers,
    optimizers,
    plotting,
    pretraining,
    problems,
    schedules,
    second_order,
    training,
)
from kerasopt.training import compare, fit  # noqa: E402

__all__ = [
    "augmentation",
    "callbacks",
    "compare",
    "datasets",
    "diagnostics",
    "ensembles",
    "fit",
    "initializers",
    "optimizers",
    "plotting",
    "pretraining",
    "problems",
    "schedules",
    "second_order",
    "training",
]
__version__ = "0.1.0"
