"""Cyclical rates and momentum for an optimizer whose rate is a number."""

from kerasopt import schedules
from kerasopt.callbacks._policy import PerBatch


class CyclicLR(PerBatch):
    """Cycle the rate, and if wanted the momentum the other way, batch by batch.

    The rates are those of `kerasopt.schedules.Cyclical`, where the modes are explained, at `step =
    optimizer.iterations`: a training that was stopped goes on in mid-cycle. With `height` as there:

        rate = base_learning_rate + (max_learning_rate - base_learning_rate) * height
        momentum = high - (high - low) * height

    Prefer the schedule where the momentum stays: it costs nothing, while this callback acts between batches, which
    `kerasopt.fit` then calls one at a time.

    Args:
        base_learning_rate: Lower bound, in [0, inf).
        max_learning_rate: Upper bound, at least the lower one.
        steps_per_half_cycle: Steps (batches) from one bound to the other, an integer >= 1.
        mode: "triangular", "triangular2" or "exp_range".
        gamma: Factor a step of "exp_range", in (0, 1].
        momentum: Two bounds `(low, high)` in [0, 1), or None to leave the momentum alone. For
            `kerasopt.optimizers.Momentum`, and for `keras.optimizers.SGD` without `nesterov`.

    Raises:
        ValueError: If an argument is outside its interval; when training, if the optimizer's rate is a schedule, if its
            momentum cannot be set, or if several batches are one call.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.callbacks import CyclicLR
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.Adam(), "mse")
        >>> x = np.ones((8, 1))
        >>> cycle = CyclicLR(0.1, 0.5, steps_per_half_cycle=4)
        >>> history = model.fit(x, x, batch_size=4, epochs=4, verbose=0, callbacks=[cycle])
        >>> print([round(rate, 2) for rate in history.history["learning_rate"]])  # of each epoch's second batch
        [0.2, 0.4, 0.4, 0.2]

    Reference:
        Smith, "Cyclical learning rates for training neural networks" (2017), arXiv 1506.01186.
    """

    instead = "kerasopt.schedules.Cyclical"

    def __init__(
        self,
        base_learning_rate,
        max_learning_rate,
        steps_per_half_cycle,
        mode="triangular",
        gamma=1.0,
        momentum=None,
    ):
        super().__init__(momentum)
        self.schedule = schedules.Cyclical(base_learning_rate, max_learning_rate, steps_per_half_cycle, mode, gamma)
