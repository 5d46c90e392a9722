"""Stochastic weight averaging."""

import keras
import numpy as np

from kerasopt._arguments import at_least, within
from kerasopt.callbacks._state import Stateful
from kerasopt.ensembles._models import batch_norm_layers
from kerasopt.ensembles.batch_norm import refresh_batch_norm


class SWA(Stateful):
    """Stochastic weight averaging: end with the mean of the weights that training passes through.

    At the end of epoch `start_epoch`, and of every `every`-th epoch after it, with `n` = 0, 1, ... counting them:

        mean = mean + (w - mean) / (n + 1)

    Training goes on undisturbed; at its end the model gets the mean for weights. A rate that stays high keeps the
    weights wandering around a wide valley, and the mean lies in its middle: about as good as an ensemble, at the cost
    of one model. The usual mistakes: a rate that has decayed, so that there is nothing left to average; and
    batch-norm statistics that belong to none of the averaged networks. These are computed anew from `x`.

    Args:
        start_epoch: First epoch, counted from 0, whose weights count; an integer >= 0, less than the epochs of `fit`.
            The paper starts at three quarters of the budget.
        rate: Constant learning rate in (0, inf) from `start_epoch` on. None leaves the rate to the optimizer: to its
            number, its schedule, or a callback with cycles.
        every: Epochs between two weights that count, an integer >= 1: the length of a cycle, with cyclic rates.
        x: The training inputs, as arrays. Needed where the model has batch normalization: see `refresh_batch_norm`.
        batch_size: Samples a batch in that refresh, an integer >= 1.

    Raises:
        ValueError: If an argument is outside its interval. When training, if `start_epoch` is never reached, if `rate`
            is given and the optimizer has a schedule, or if the model has batch normalization and `x` is None.

    Example:
        >>> import kerasopt
        >>> x = np.ones((4, 1))
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.array([[0.0]])])
        >>> model.compile(keras.optimizers.SGD(0.25), "mse")  # w becomes (w + 1) / 2: 0.5, 0.75, 0.875
        >>> _ = kerasopt.fit(model, x, x, epochs=3, verbose=0, callbacks=[SWA(start_epoch=1)])
        >>> print(model.get_weights()[0])
        [[0.8125]]

    Note:
        All trainable weights are averaged, in float64. The optimizer keeps its state, and the rate is put back at the
        end of training, though not when an exception ends it, of which Keras tells no callback: the model then has the
        weights of its last step. With a `kerasopt.callbacks.Backup` a run that was killed continues with its mean.

    Reference:
        Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better
        generalization" (2018), arXiv 1803.05407, Algorithm 1.
    """

    def __init__(self, start_epoch, rate=None, every=1, x=None, batch_size=1000):
        super().__init__()
        self.start_epoch = at_least(0, start_epoch=start_epoch)
        self.rate = None if rate is None else within("(0, inf)", rate=rate)
        self.every = at_least(1, every=every)
        self.x = x
        self.batch_size = at_least(1, batch_size=batch_size)
        self.count = 0
        self._mean = []
        self._before = None  # the optimizer's own rate, while the callback sets it

    def on_train_begin(self, logs=None):
        """Check the run, and forget the mean of the one before."""
        epochs = self.params["epochs"]
        if self.start_epoch >= epochs:
            raise ValueError(
                f"Argument `start_epoch` must be less than the {epochs} epochs of `fit`. "
                f"Received: start_epoch={self.start_epoch}"
            )
        if self.x is None and batch_norm_layers(self.model):
            raise ValueError(
                "Argument `x` must be the training inputs: the model has batch normalization, whose statistics belong "
                "to the averaged weights only after they are computed from data. Received: x=None"
            )
        if self.rate is not None and not isinstance(self.model.optimizer.learning_rate, keras.Variable):
            raise ValueError(
                "Argument `rate` must be None where the optimizer follows a schedule. Compile it with a number, or let "
                f"its schedule end in a constant rate. Received: rate={self.rate}"
            )
        self.count, self._mean = 0, []

    def on_epoch_begin(self, epoch, logs=None):
        """Set the rate."""
        if self.rate is not None and epoch >= self.start_epoch:
            optimizer = self.model.optimizer
            if self._before is None:
                self._before = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            optimizer.learning_rate = self.rate

    def on_epoch_end(self, epoch, logs=None):
        """Let the weights count."""
        if epoch < self.start_epoch or (epoch - self.start_epoch) % self.every:
            return
        weights = [np.asarray(keras.ops.convert_to_numpy(v), "float64") for v in self.model.trainable_variables]
        mean = self._mean or [np.zeros_like(w) for w in weights]
        self._mean = [m + (w - m) / (self.count + 1) for m, w in zip(mean, weights, strict=True)]
        self.count += 1

    def on_train_end(self, logs=None):
        """Give the mean to the model, and refresh its batch normalization."""
        if self._before is not None:
            self.model.optimizer.learning_rate = self._before
            self._before = None
        if not self.count:
            print(f"SWA: training ended before epoch {self.start_epoch}: the model keeps its weights")
            return
        for variable, mean in zip(self.model.trainable_variables, self._mean, strict=True):
            variable.assign(mean)
        if self.x is not None:
            refresh_batch_norm(self.model, self.x, self.batch_size)

    def get_state(self):
        """The mean, and of how many weights it is.

        Returns:
            A dictionary.
        """
        return {"count": self.count, "mean": self._mean, "before": self._before}

    def set_state(self, state):
        """Continue with the mean of an earlier run.

        Args:
            state: What `get_state` returned.
        """
        self.count, self._mean, self._before = state["count"], state["mean"], state["before"]
