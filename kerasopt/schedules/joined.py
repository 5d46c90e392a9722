"""Schedules end to end."""

import keras
from keras import ops

from kerasopt._arguments import at_least
from kerasopt.schedules._base import Schedule, constant_or_schedule, from_config, in_steps, rate_at, to_config


@keras.saving.register_keras_serializable(package="kerasopt")
class Joined(Schedule):
    """Several schedules end to end, each restarting from its own step 0.

        rate = schedules[0](step)                       step < boundaries[0]
        rate = schedules[i](step - boundaries[i - 1])   boundaries[i - 1] <= step < boundaries[i]

    The last schedule goes on for ever. The usual mistake is to give a schedule counted from the start of training: each
    counts from where it takes over.

    Args:
        schedules: One or more schedules, or constant rates in [0, inf).
        boundaries: The first step of each schedule but the first: increasing integers >= 1, one fewer than schedules.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.schedules import Joined, StepDecay
        >>> schedule = Joined([0.5, StepDecay(0.1, steps_per_drop=2)], boundaries=[3])
        >>> print([round(float(schedule(step)), 3) for step in range(7)])
        [0.5, 0.5, 0.5, 0.1, 0.1, 0.05, 0.05]

    Differences:
        The rates are those of `torch.optim.lr_scheduler.SequentialLR` with `milestones=boundaries`.
    """

    def __init__(self, schedules, boundaries):
        if not isinstance(schedules, (list, tuple)) or not schedules:
            raise ValueError(f"Argument `schedules` must be a list of schedules. Received: schedules={schedules!r}")
        self.schedules = [constant_or_schedule(schedule, "schedules") for schedule in schedules]
        if not isinstance(boundaries, (list, tuple)) or len(boundaries) != len(schedules) - 1:
            raise ValueError(
                f"Argument `boundaries` must be a list of {len(schedules) - 1} steps, one fewer than schedules. "
                f"Received: boundaries={boundaries!r}"
            )
        self.boundaries = []
        for boundary in boundaries:
            previous = self.boundaries[-1] if self.boundaries else 0
            self.boundaries.append(at_least(previous + 1, boundaries=boundary))

    @classmethod
    def from_epochs(cls, schedules, boundaries, *, steps_per_epoch):
        """Create the schedule with boundaries in epochs of `steps_per_epoch` batches; the parts still count steps."""
        return cls(schedules, [in_steps(boundary, steps_per_epoch, "boundaries") for boundary in boundaries])

    def rate(self, step):
        """Return the rate of an integer step."""
        rate = rate_at(self.schedules[0], step) * ops.ones_like(step, "float32")
        for schedule, boundary in zip(self.schedules[1:], self.boundaries, strict=True):
            rate = ops.where(step >= boundary, rate_at(schedule, ops.maximum(step - boundary, 0)), rate)
        return rate

    def get_config(self):
        """Return the constructor's arguments, the schedules serialized."""
        return super().get_config() | {"schedules": [to_config(schedule) for schedule in self.schedules]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Create the schedule from what `get_config` returned."""
        return cls(**(config | {"schedules": [from_config(part, custom_objects) for part in config["schedules"]]}))
