"""A linear warm-up."""

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.schedules._base import Schedule, constant_or_schedule, from_config, in_steps, rate_at, to_config


@keras.saving.register_keras_serializable(package="kerasopt")
class Warmup(Schedule):
    """A straight line up to a schedule's first rate, and then that schedule from its own step 0.

        rate = schedule(0) * (start + (1 - start) * step / steps)       step < steps
        rate = schedule(step - steps)                                   afterwards

    The first gradients of a fresh network are large and adaptive moments are estimated from few of them: a few hundred
    steps of warm-up let a higher rate survive. The usual mistake is a warm-up that eats into a schedule counted from
    the start of training; here the schedule begins when the warm-up is over.

    Args:
        schedule: Any `LearningRateSchedule`, or a constant rate in [0, inf).
        steps: Steps of the warm-up, an integer >= 1.
        start: Rate of step 0 as a share of `schedule(0)`, in [0, 1]. At 0 the first step changes nothing.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.schedules import Warmup
        >>> schedule = Warmup(0.4, steps=4, start=0.5)
        >>> print([round(float(schedule(step)), 2) for step in (0, 1, 2, 3, 4, 5)])
        [0.2, 0.25, 0.3, 0.35, 0.4, 0.4]

    Reference:
        Goyal and others, "Accurate, large minibatch SGD: training ImageNet in 1 hour" (2017), arXiv 1706.02677,
        section 2.2.
    """

    def __init__(self, schedule, steps, start=0.0):
        self.schedule = constant_or_schedule(schedule, "schedule")
        self.steps = at_least(1, steps=steps)
        self.start = within("[0, 1]", start=start)

    @classmethod
    def from_epochs(cls, schedule, epochs, start=0.0, *, steps_per_epoch):
        """Create the schedule with a warm-up of `epochs`, a number in (0, inf), of `steps_per_epoch` batches each."""
        return cls(schedule, in_steps(epochs, steps_per_epoch), start)

    def rate(self, step):
        """Return the rate of an integer step."""
        left = ops.cast(ops.maximum(self.steps - step, 0), "float32") / self.steps
        done = ops.cast(ops.minimum(step, self.steps), "float32") / self.steps
        return rate_at(self.schedule, ops.maximum(step - self.steps, 0)) * (self.start * left + done)

    def get_config(self):
        """Return the constructor's arguments, the schedule serialized."""
        return super().get_config() | {"schedule": to_config(self.schedule)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Create the schedule from what `get_config` returned."""
        return cls(**(config | {"schedule": from_config(config["schedule"], custom_objects)}))
