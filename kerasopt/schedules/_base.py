"""What all schedules of the package share."""

import inspect

import keras
from keras import ops

from kerasopt._arguments import at_least, within


def in_steps(epochs, steps_per_epoch, name="epochs"):
    """Return a length in epochs, which may be a fraction, as a whole number of steps, at least 1."""
    steps_per_epoch = at_least(1, steps_per_epoch=steps_per_epoch)
    return max(1, round(within("(0, inf)", **{name: epochs}) * steps_per_epoch))


def constant_or_schedule(value, name):
    """Return a schedule as it is and a number as a float; else raise."""
    if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        return value
    if callable(value):
        raise ValueError(f"Argument `{name}` must be a number or a LearningRateSchedule. Received: {name}={value!r}")
    return within("[0, inf)", **{name: value})


def rate_at(schedule, step):
    """Return a schedule's rate in float32, or the constant itself."""
    return ops.cast(schedule(step), "float32") if callable(schedule) else schedule


def to_config(schedule):
    """Return a schedule in the form that Keras saves, and a number as it is."""
    return keras.saving.serialize_keras_object(schedule) if callable(schedule) else schedule


def from_config(config, custom_objects=None):
    """Return what `to_config` was given."""
    return keras.saving.deserialize_keras_object(config, custom_objects) if isinstance(config, dict) else config


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Base of the package's schedules: a subclass writes `rate`, with the step as an integer tensor.

    Steps are counted in integers until the last division, because float32 has no odd numbers from 2**24 steps on, and a
    quotient just below a whole number may round up to it.
    """

    def __call__(self, step):
        """Return the rate of step 0, 1, 2, ... as a float32 tensor, of the shape of `step`."""
        return self.rate(ops.cast(step, "int32"))

    def get_config(self):
        """Return the constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
