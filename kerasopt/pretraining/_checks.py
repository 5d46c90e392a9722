"""What data an RBM can take."""

import numpy as np
from keras import ops


def check_unit_interval(x):
    """Raise unless `x`, if it is an array, holds finite numbers in [0, 1]."""
    if not hasattr(x, "__array__"):
        return
    x = np.asarray(ops.convert_to_numpy(x) if ops.is_tensor(x) else x)
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"Argument `x` must have shape (samples, visible units), none of them 0. Received: {x.shape}")
    low, high = float(np.min(x)), float(np.max(x))
    if not (low >= 0 and high <= 1):  # NaN compares as False
        raise ValueError(f"Argument `x` must hold values in [0, 1]. Received: values from {low:g} to {high:g}")
