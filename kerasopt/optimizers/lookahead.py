"""Lookahead."""

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.optimizers._wrapper import Wrapper


@keras.saving.register_keras_serializable(package="kerasopt")
class Lookahead(Wrapper):
    """Lookahead around any optimizer: `sync_period` steps forward, then a part of the way back.

    The fast weights `w` are what `inner` moves. With the slow weights, which start as the first weights:

        w = inner's step                                           at every step
        slow = slow + slow_step_size * (w - slow);  w = slow       at every sync_period-th step

    It damps the oscillation of the inner optimizer, and makes it less sensitive to its rate. The usual mistake is a
    slow copy that shares memory with the fast weights, which makes the whole a no-op.

    Args:
        inner: Any Keras optimizer. It takes the learning rate, a schedule and all of Keras's base arguments.
        sync_period: Inner steps between two synchronizations, an integer >= 1.
        slow_step_size: Share of the way that the slow weights go, in (0, 1].
        name: Name of the optimizer.

    State:
        `slow`, a copy of the variable, and the state of `inner`. The steps counted are those of `inner`, so that
        accumulated or skipped steps count as they do there.

    Raises:
        ValueError: If an argument is outside its interval, or `inner` is not an optimizer.

    Example:
        Two steps of length 1 from 0, then half of the way back:

        >>> import keras
        >>> from kerasopt.optimizers import SGD, Lookahead
        >>> w = keras.Variable([0.0])
        >>> optimizer = Lookahead(SGD(learning_rate=1.0), sync_period=2)
        >>> for _ in range(2):
        ...     optimizer.apply([w * 0 - 1], [w])
        ...     print(w.numpy())
        [1.]
        [1.]

    Differences:
        None from the paper: the state of `inner` is kept at a synchronization, which is its default. Keras has none.

    Reference:
        Zhang, Lucas, Hinton and Ba, "Lookahead optimizer: k steps forward, 1 step back" (2019), arXiv 1907.08610,
        Algorithm 1.
    """

    def __init__(self, inner, sync_period=5, slow_step_size=0.5, name=None):
        super().__init__(inner, name)
        self.sync_period = at_least(1, sync_period=sync_period)
        self.slow_step_size = within("(0, 1]", slow_step_size=slow_step_size)

    def build(self, variables):
        """Copy the initial weights, and build `inner`."""
        super().build(variables, slow="weights")

    def apply(self, grads, trainable_variables=None):
        """Let `inner` make its step, then look whether it is time to synchronize."""
        if not self.built:
            self.build(trainable_variables)
        self.inner.apply(grads, trainable_variables)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Synchronize one variable, once `inner` has moved it, if it is time."""
        (slow,) = self.slots_of(variable)
        old, fast = ops.convert_to_tensor(slow), ops.convert_to_tensor(variable)
        synchronized = old + self.slow_step_size * (fast - old)
        # Between two steps of `inner`, as in accumulation, this may come again: the weights are then equal already.
        due = ops.equal(self.inner.iterations % self.sync_period, 0)
        self.assign(slow, ops.where(due, synchronized, old))
        self.assign(variable, ops.where(due, synchronized, fast))
