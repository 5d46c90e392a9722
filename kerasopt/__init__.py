"""Optimizers, schedules, initializers, callbacks and ensembles for Keras 3, and the textbook's source."""

from kerasopt import _runtime

_runtime.start()

from kerasopt import datasets, plotting  # noqa: E402  (Keras must have started)

__all__ = ["datasets", "plotting"]
__version__ = "0.1.0"
