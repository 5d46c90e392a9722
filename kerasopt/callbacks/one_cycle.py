"""The 1cycle policy for an optimizer whose rate is a number."""

from kerasopt import schedules
from kerasopt._arguments import at_least
from kerasopt.callbacks._policy import PerBatch, position


class OneCycle(PerBatch):
    """One cycle of the rate, and of the momentum the other way, over the whole training, batch by batch.

    The rates are those of `kerasopt.schedules.OneCycle` at `step = optimizer.iterations`: a training that was stopped
    goes on in mid-cycle. The momentum falls from `high` to `low` while the rate rises, and rises again while it falls;
    in the last phase of three it stays `high`.

    The usual mistake is to train on with an optimizer that has made its cycle: its `iterations` go on. That raises;
    compile the model anew for a second cycle. Prefer the schedule where the momentum stays: it costs nothing, while
    this callback acts between batches, which `kerasopt.fit` then calls one at a time.

    Args:
        max_learning_rate: Highest rate, in [0, inf); `kerasopt.callbacks.LearningRateFinder` suggests one.
        steps: Steps (batches) of the whole training, an integer >= 1; by default the epochs of the `fit` times the
            batches in one.
        momentum: Two bounds `(low, high)` in [0, 1), or None to leave the momentum alone. For
            `kerasopt.optimizers.Momentum`, and for `keras.optimizers.SGD` without `nesterov`.
        **kwargs: `rise`, `div_factor`, `final_div_factor`, `anneal` and `three_phase`, as in the schedule.

    Raises:
        ValueError: If an argument is outside its interval; when training, if the optimizer's rate is a schedule, if its
            momentum cannot be set, if several batches are one call, or if the cycle is over.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.callbacks import OneCycle
        >>> from kerasopt.optimizers import Momentum
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(Momentum(), "mse")
        >>> x = np.ones((8, 1))
        >>> history = model.fit(x, x, batch_size=2, epochs=5, verbose=0, callbacks=[OneCycle(0.1)]).history
        >>> print([round(rate, 4) for rate in history["learning_rate"]])  # of each epoch's last batch
        [0.0668, 0.095, 0.0611, 0.0188, 0.0]
        >>> print([round(momentum, 3) for momentum in history["momentum"]])
        [0.885, 0.855, 0.889, 0.931, 0.95]

    Reference:
        Smith, "A disciplined approach to neural network hyper-parameters: part 1" (2018), arXiv 1803.09820.
    """

    instead = "kerasopt.schedules.OneCycle"

    def __init__(self, max_learning_rate, steps=None, momentum=(0.85, 0.95), **kwargs):
        super().__init__(momentum)
        schedules.OneCycle(max_learning_rate, 1, **kwargs)  # which checks them now
        self.steps = None if steps is None else at_least(1, steps=steps)
        self._arguments = {"max_learning_rate": max_learning_rate} | kwargs

    def on_train_begin(self, logs=None):
        """Check what is to be set, and count the steps."""
        super().on_train_begin(logs)
        steps = self.steps
        if steps is None:
            if not self.params.get("steps"):
                raise ValueError("Argument `steps` must be given: the number of batches in an epoch is not known.")
            steps = self.params["epochs"] * self.params["steps"]
        self.schedule = schedules.OneCycle(steps=steps, **self._arguments)

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate and the momentum of this batch."""
        step = position(self.model.optimizer)
        if step >= self.schedule.steps:
            raise ValueError(
                f"The cycle of {self.schedule.steps} steps is over, and the optimizer has made {step}. Compile the "
                "model anew to start another, or pass the `steps` of all trainings together."
            )
        super().on_train_batch_begin(batch, logs)
