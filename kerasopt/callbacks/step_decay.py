"""Step decay for an optimizer whose rate is a number."""

import keras

from kerasopt import schedules
from kerasopt.callbacks._policy import settable


class StepDecay(keras.callbacks.Callback):
    """Lower the rate by the same factor every so many epochs.

        rate = learning_rate * drop**floor(epoch / epochs_per_drop)        epoch = 0, 1, 2, ...

    The rate is computed from the first one and the number of the epoch, never from the rate that the optimizer happens
    to hold: that one may come from a checkpoint and would be lowered twice. Keras numbers the epochs of each `fit` from
    `initial_epoch`, which `BackupAndRestore` sets; pass it when you continue by hand.

    Args:
        learning_rate: Rate of the first epochs, in [0, inf). It replaces the optimizer's.
        epochs_per_drop: Epochs at one rate, an integer >= 1. The epoch of this number is the first at the second rate.
        drop: Factor at each drop, in (0, 1].

    Raises:
        ValueError: If an argument is outside its interval or, when training, if the optimizer's rate is a schedule.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.callbacks import StepDecay
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(), "mse")
        >>> x = np.ones((8, 1))
        >>> history = model.fit(x, x, epochs=5, verbose=0, callbacks=[StepDecay(0.1, epochs_per_drop=2)])
        >>> print([round(rate, 4) for rate in history.history["learning_rate"]])
        [0.1, 0.1, 0.05, 0.05, 0.025]

    Differences:
        `kerasopt.schedules.StepDecay` is the same rule inside the optimizer, counted in steps.
    """

    def __init__(self, learning_rate, epochs_per_drop, drop=0.5):
        super().__init__()
        try:
            self.schedule = schedules.StepDecay(learning_rate, epochs_per_drop, drop)
        except ValueError as error:
            raise ValueError(str(error).replace("steps_per_drop", "epochs_per_drop")) from None

    @staticmethod
    def on_plateau(monitor="val_loss", drop=0.5, patience=5, **kwargs):
        """Return the callback that lowers the rate when a metric has stopped improving, Keras's `ReduceLROnPlateau`.

        It lowers the rate that the optimizer holds, and what it has seen is not saved: after a restart its patience
        begins anew.

        Args:
            monitor: Name of the metric in the logs.
            drop: Factor at each drop, in (0, 1).
            patience: Epochs without improvement before a drop.
            **kwargs: The other arguments of `keras.callbacks.ReduceLROnPlateau`.

        Returns:
            A `keras.callbacks.ReduceLROnPlateau`.
        """
        return keras.callbacks.ReduceLROnPlateau(monitor, factor=drop, patience=patience, **kwargs)

    def on_train_begin(self, logs=None):
        """Check that the rate can be set."""
        settable(self.model, "StepDecay", "kerasopt.schedules.StepDecay")

    def on_epoch_begin(self, epoch, logs=None):
        """Set the rate of this epoch."""
        self.model.optimizer.learning_rate = float(self.schedule(epoch))

    def on_epoch_end(self, epoch, logs=None):
        """Record the rate of this epoch."""
        if logs is not None:
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
