"""Optimizers, schedules, initializers, callbacks and ensembles for Keras 3, and the textbook's source."""

from kerasopt import _runtime

_runtime.start()

# Keras must have started before anything else is imported.
from kerasopt import callbacks, datasets, ensembles, optimizers, plotting, training  # noqa: E402
from kerasopt.training import compare, fit  # noqa: E402

__all__ = ["callbacks", "compare", "datasets", "ensembles", "fit", "optimizers", "plotting", "training"]
__version__ = "0.1.0"
