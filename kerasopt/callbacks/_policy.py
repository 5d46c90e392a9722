"""What callbacks that set the learning rate share: where training stands, what can be set, and when."""

import keras
import numpy as np

from kerasopt._arguments import within
from kerasopt._nested import optimizers_within
from kerasopt.optimizers.momentum import Momentum


def settable(model, callback, schedule=None):
    """Return the model's optimizer if its rate can be set; else raise, naming the schedule to use instead, if any."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError(f"{callback} sets the learning rate of an optimizer: compile the model with one.")
    if not isinstance(optimizer.learning_rate, keras.Variable):
        instead = f", or learning_rate={schedule}(...) without the callback" if schedule else ""
        raise ValueError(
            f"{callback} sets the learning rate of an optimizer that was made with a number, and the rate of this "
            f"{type(optimizer).__name__} is a schedule or a function. Give the optimizer a number{instead}."
        )
    return optimizer


def position(optimizer):
    """Return the number of the step about to be made, counted in batches as schedules count, from saved state."""
    batches = optimizers_within(optimizer)[-1].gradient_accumulation_steps or 1
    # Weights move at the last of the batches whose gradients are accumulated: that one's rate is what counts.
    return int(keras.ops.convert_to_numpy(optimizer.iterations)) * batches + batches - 1


def bounds(momentum):
    """Return the two momentums as floats, lowest first, or None."""
    if momentum is None:
        return None
    if not isinstance(momentum, (list, tuple)) or len(momentum) != 2:
        raise ValueError(f"Argument `momentum` must be two numbers (low, high), or None. Received: momentum={momentum}")
    low = within("[0, 1)", momentum=momentum[0])
    return low, within(f"[{low}, 1)", momentum=momentum[1])


class PerBatch(keras.callbacks.Callback):
    """Sets the rate, and if wanted the momentum, before every batch, as a schedule of ours has it.

    The momentum of an optimizer is a number that was compiled into its step, so that assigning it has no effect. Where
    the step is `v = momentum * v + ...` and uses the momentum nowhere else, scaling `v` before the step by the wanted
    momentum over the compiled one is the same, and that is done; other optimizers are refused.
    """

    instead = "kerasopt.schedules.Schedule"

    def __init__(self, momentum):
        super().__init__()
        self.momentum = bounds(momentum)
        self.schedule = None

    def on_train_begin(self, logs=None):
        """Check that what is to be set can be set."""
        optimizer = settable(self.model, type(self).__name__, self.instead)
        if self.momentum and not self._can_cycle(optimizer):
            raise ValueError(
                f"{type(self).__name__} can cycle the momentum of kerasopt.optimizers.Momentum and of "
                "keras.optimizers.SGD without nesterov, with a momentum above 0 and no gradient accumulation: the "
                "steps of all others hold it as a constant, so that setting it would change nothing. Pass "
                f"momentum=None to set the rate alone. Received: optimizer={type(optimizer).__name__}"
            )
        self._from = None

    @staticmethod
    def _can_cycle(optimizer):
        sgd = isinstance(optimizer, keras.optimizers.SGD) and not optimizer.nesterov
        step = keras.optimizers.SGD.update_step if sgd else Momentum.update_step
        return (
            type(optimizer).update_step is step and optimizer.momentum > 0 and not optimizer.gradient_accumulation_steps
        )

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate and the momentum of this batch."""
        self._batch = batch
        optimizer = self.model.optimizer
        step = position(optimizer)
        rate, momentum = self._at(step)
        optimizer.learning_rate = rate
        if self.momentum and optimizer.built:
            for velocity in self._velocities(optimizer):
                velocity.assign(velocity * (momentum / optimizer.momentum))
        self._now = momentum

    def on_train_batch_end(self, batch, logs=None):
        """Check that a batch was a call of its own."""
        if batch != self._batch:
            raise ValueError(
                f"{type(self).__name__} sets the rate of every batch, and {batch - self._batch + 1} batches were one "
                "call. Leave `chunks` and `steps_per_execution` at their defaults, or give the optimizer "
                f"learning_rate={self.instead}(...) in place of the callback."
            )

    def on_epoch_end(self, epoch, logs=None):
        """Record the rate, and the momentum, of the epoch's last batch."""
        if logs is not None:
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            if self.momentum:
                logs["momentum"] = self._now

    def _velocities(self, optimizer):
        if isinstance(optimizer, Momentum):
            return [slot for v in self.model.trainable_variables for slot in optimizer.slots_of(v)]
        return optimizer.momentums

    def _at(self, step, block=4096):
        """Return the rate and the momentum of a step, from a table: one call of the schedule for many steps."""
        first = step // block * block
        if self._from != first:
            steps = np.arange(first, first + block)
            tables = [self.schedule(steps)]
            tables += [self.schedule.momentum(steps, *self.momentum)] if self.momentum else []
            self._tables = [keras.ops.convert_to_numpy(table).tolist() for table in tables]
            self._from = first
        return (*(table[step - first] for table in self._tables), None)[:2]
