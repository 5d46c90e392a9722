"""Step decay."""

import math

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.schedules._base import Schedule, in_steps


@keras.saving.register_keras_serializable(package="kerasopt")
class StepDecay(Schedule):
    """A staircase: the rate falls by the same factor every so many steps.

        rate = learning_rate * drop**floor(step / steps_per_drop)

    The oldest schedule and still a strong one: train at a high rate until the loss stalls, drop, repeat. The usual
    mistake is to drop too early: a low rate learns fast for one epoch and then much less for all the others.

    Args:
        learning_rate: Rate of the first steps, in [0, inf).
        steps_per_drop: Steps at one rate, an integer >= 1. Step `steps_per_drop` is the first at the second rate.
        drop: Factor at each drop, in (0, 1].

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.schedules import StepDecay
        >>> schedule = StepDecay(0.1, steps_per_drop=100, drop=0.5)
        >>> print([round(float(schedule(step)), 4) for step in (0, 99, 100, 250)])
        [0.1, 0.1, 0.05, 0.025]

    Differences:
        `keras.optimizers.schedules.ExponentialDecay(staircase=True)` divides in float32, where the quotient may round
        up to the next stair a step early; here the division is one of integers.

    Reference:
        Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks" (2012),
        section 5; He and others (2016), arXiv 1512.03385, section 3.4.
    """

    def __init__(self, learning_rate, steps_per_drop, drop=0.5):
        self.learning_rate = within("[0, inf)", learning_rate=learning_rate)
        self.steps_per_drop = at_least(1, steps_per_drop=steps_per_drop)
        self.drop = within("(0, 1]", drop=drop)

    @classmethod
    def from_epochs(cls, learning_rate, epochs_per_drop, drop=0.5, *, steps_per_epoch):
        """Create the schedule with the stairs' length in epochs; `steps_per_epoch` is the number of batches in one."""
        return cls(learning_rate, in_steps(epochs_per_drop, steps_per_epoch, "epochs_per_drop"), drop)

    def rate(self, step):
        """Return the rate of an integer step."""
        drops = ops.cast(step // self.steps_per_drop, "float32")
        # The logarithm in float64: a factor near 1, taken many times, would lose its digits in float32.
        return self.learning_rate * ops.exp(drops * math.log(self.drop))
