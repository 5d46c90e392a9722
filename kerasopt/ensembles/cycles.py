"""The learning rates of snapshot ensembles."""

import math

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.schedules._base import Schedule


@keras.saving.register_keras_serializable(package="kerasopt")
class SnapshotCycles(Schedule):
    """Equal cycles of the learning rate, each of which comes to rest where a snapshot is worth taking.

    With the step `t` = 0, 1, ... and `u = t mod cycle_steps`, for `shape="cosine"`:

        rate = minimum_rate + (initial_rate - minimum_rate) * (1 + cos(pi * u / cycle_steps)) / 2

    which is lowest at a cycle's last step; and for `shape="triangular"`, down and up again, lowest in the middle,

        v = (u + 1) / cycle_steps
        rate = minimum_rate + (initial_rate - minimum_rate) * abs(1 - 2 * v)

    `SnapshotEnsemble.schedule` makes one that fits the cycles to the length of a run.

    Args:
        initial_rate: Rate in [0, inf) at the cycle's start.
        cycle_steps: Steps a cycle, an integer >= 1.
        minimum_rate: Rate in [0, `initial_rate`] that a cycle falls to.
        shape: `"cosine"` or `"triangular"`.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> rate = SnapshotCycles(1.0, cycle_steps=4)
        >>> [round(float(rate(t)), 3) for t in range(6)]
        [1.0, 0.854, 0.5, 0.146, 1.0, 0.854]
        >>> rate = SnapshotCycles(1.0, cycle_steps=4, shape="triangular")
        >>> [round(float(rate(t)), 3) for t in range(6)]
        [0.5, 0.0, 0.5, 1.0, 0.5, 0.0]

    Differences:
        The cosine is `keras.optimizers.schedules.CosineDecayRestarts(initial_rate, cycle_steps, t_mul=1.0)`, except
        that here the position within the cycle is an integer. Keras takes the fraction of a quotient, which in compiled
        steps can come out just below a whole number: with 41 steps a cycle, some restarts are at a rate of 0.

    Reference:
        Huang et al., "Snapshot ensembles: train 1, get M for free" (2017), arXiv 1704.00109, equation 2; Garipov et
        al., "Loss surfaces, mode connectivity, and fast ensembling of DNNs" (2018), arXiv 1802.10026, section 4.
    """

    def __init__(self, initial_rate, cycle_steps, minimum_rate=0.0, shape="cosine"):
        self.initial_rate = within("[0, inf)", initial_rate=initial_rate)
        self.cycle_steps = at_least(1, cycle_steps=cycle_steps)
        self.minimum_rate = within("[0, inf)", minimum_rate=minimum_rate)
        if minimum_rate > initial_rate:
            raise ValueError(
                "Argument `minimum_rate` must be in [0, initial_rate]. "
                f"Received: minimum_rate={minimum_rate}, initial_rate={initial_rate}"
            )
        if shape not in ("cosine", "triangular"):
            raise ValueError(f'Argument `shape` must be "cosine" or "triangular". Received: shape={shape!r}')
        self.shape = shape

    def rate(self, step):
        """Return the rate of an integer step."""
        position = ops.cast(ops.mod(step, self.cycle_steps), "float32")
        if self.shape == "cosine":
            part = 0.5 * (1.0 + ops.cos(math.pi * position / self.cycle_steps))
        else:
            part = ops.abs(1.0 - 2.0 * (position + 1.0) / self.cycle_steps)
        return self.minimum_rate + (self.initial_rate - self.minimum_rate) * part

    def snapshot_steps(self, steps):
        """The steps after which a snapshot is due in a run of so many steps.

        Args:
            steps: Number of steps of the run, an integer >= 1.

        Returns:
            A list of step numbers, from 0, one for each cycle: the one with the lowest rate. A last cycle that the run
            cuts short before that gives its last step.
        """
        lowest = self.cycle_steps if self.shape == "cosine" else max(1, self.cycle_steps // 2)
        return [min(start + lowest, steps) - 1 for start in range(0, steps, self.cycle_steps)]
