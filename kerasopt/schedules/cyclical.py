"""Cyclical learning rates."""

import math

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.schedules._base import Schedule, in_steps

MODES = ("triangular", "triangular2", "exp_range")


@keras.saving.register_keras_serializable(package="kerasopt")
class Cyclical(Schedule):
    """Cyclical rate: up and down in straight lines between two bounds, again and again.

    With `s = steps_per_half_cycle`:

        cycle = floor(1 + step / (2 * s))
        x = abs(step / s - 2 * cycle + 1)
        height = max(0, 1 - x) * scale
        rate = base_learning_rate + (max_learning_rate - base_learning_rate) * height

    where the mode "triangular" has `scale = 1`, "triangular2" `scale = 1 / 2**(cycle - 1)`, which halves the triangle
    after each cycle, and "exp_range" `scale = gamma**step`. Step 0 runs at the base.

    The rising half shakes the weights out of poor places, the falling half lets them settle; evaluate where the rate is
    lowest. Smith suggests half cycles of 2 to 10 epochs and bounds from a learning-rate range test, which is
    `kerasopt.callbacks.LearningRateFinder`. The usual mistake is to count epochs where steps are meant.

    Args:
        base_learning_rate: Lower bound, in [0, inf).
        max_learning_rate: Upper bound, at least the lower one.
        steps_per_half_cycle: Steps from one bound to the other, an integer >= 1.
        mode: "triangular", "triangular2" or "exp_range".
        gamma: Factor a step of "exp_range", in (0, 1]; the other modes leave it aside.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.schedules import Cyclical
        >>> schedule = Cyclical(0.1, 0.5, steps_per_half_cycle=4, mode="triangular2")
        >>> print([round(float(schedule(step)), 2) for step in (0, 2, 4, 6, 8, 12)])
        [0.1, 0.3, 0.5, 0.3, 0.1, 0.3]

    Reference:
        Smith, "Cyclical learning rates for training neural networks" (2017), arXiv 1506.01186, section 3 and Figure 2.
    """

    def __init__(self, base_learning_rate, max_learning_rate, steps_per_half_cycle, mode="triangular", gamma=1.0):
        self.base_learning_rate = within("[0, inf)", base_learning_rate=base_learning_rate)
        self.max_learning_rate = within(f"[{self.base_learning_rate}, inf)", max_learning_rate=max_learning_rate)
        self.steps_per_half_cycle = at_least(1, steps_per_half_cycle=steps_per_half_cycle)
        if mode not in MODES:
            raise ValueError(f"Argument `mode` must be one of {MODES}. Received: mode={mode!r}")
        self.mode = mode
        self.gamma = within("(0, 1]", gamma=gamma)

    @classmethod
    def from_epochs(
        cls,
        base_learning_rate,
        max_learning_rate,
        epochs_per_half_cycle,
        mode="triangular",
        gamma=1.0,
        *,
        steps_per_epoch,
    ):
        """Create the schedule with the half cycle in epochs of `steps_per_epoch` batches; `gamma` remains a step's."""
        steps = in_steps(epochs_per_half_cycle, steps_per_epoch, "epochs_per_half_cycle")
        return cls(base_learning_rate, max_learning_rate, steps, mode, gamma)

    def height(self, step):
        """Return the share of the way from the lower to the upper bound, in [0, 1], at an integer step."""
        s = self.steps_per_half_cycle
        x = ops.abs(step % (2 * s) - s)
        height = ops.cast(s - x, "float32") / s
        if self.mode == "triangular2":
            return height * ops.power(0.5, ops.cast(step // (2 * s), "float32"))
        if self.mode == "exp_range":  # The logarithm in float64: gamma is so near 1 that float32 would lose its digits.
            return height * ops.exp(ops.cast(step, "float32") * math.log(self.gamma))
        return height

    def rate(self, step):
        """Return the rate of an integer step."""
        return self.base_learning_rate + (self.max_learning_rate - self.base_learning_rate) * self.height(step)

    def momentum(self, step, low, high):
        """Return the momentum that cycles the other way between two bounds: `high` where the rate is lowest."""
        return high - (high - low) * self.height(ops.cast(step, "int32"))
