"""LARS."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer, norm


@keras.saving.register_keras_serializable(package="kerasopt")
class LARS(Optimizer):
    """Layer-wise adaptive rate scaling: momentum, with each layer's step in proportion to the layer's weights.

    With the velocity `v` from 0, and norms taken over a whole variable:

        ratio = trust_coefficient * norm(w) / (norm(g) + weight_decay * norm(w) + epsilon)
        v = momentum * v + learning_rate * ratio * (g + weight_decay * w)
        w = w - v

    The ratio is 1 where either norm is 0. Biases and norm parameters (fewer than two dimensions) get ratio 1 and no
    decay. Made for batches of thousands, where one layer would diverge at a rate that another needs. The usual mistake
    is to scale biases too, which start at 0 and would then hardly move.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        momentum: Share of the velocity kept in a step, in [0, 1).
        trust_coefficient: Share of a layer's norm that a step at rate 1 may change, in (0, inf).
        epsilon: Added to the ratio's denominator, in gradient units, in [0, inf).
        weight_decay: L2 coefficient inside the ratio, in [0, inf), or None. Not Keras's decoupled decay.
        **kwargs: Keras's base arguments: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `velocity`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The norms of `w` and `g` are 5 and 10, so the step is `0.1 * 5 / 10` of the gradient:

        >>> import keras
        >>> from kerasopt.optimizers import LARS
        >>> w = keras.Variable([[3.0, 4.0]])
        >>> LARS(learning_rate=1.0, trust_coefficient=0.1).apply([2 * w], [w])
        >>> print(w.numpy())
        [[2.7 3.6]]

    Differences:
        The paper's Algorithm 1 without its polynomial schedule, which is a `learning_rate` schedule; it treats all
        variables alike, and the exception for biases is that of its successors. `optax.lars` and others keep the rate
        outside the velocity. Keras has none (its `Lamb` scales Adam).

    Reference:
        You, Gitman and Ginsburg, "Large batch training of convolutional networks" (2017), arXiv 1708.03888,
        Algorithm 1.
    """

    own_weight_decay = True

    def __init__(
        self, learning_rate=0.1, momentum=0.9, trust_coefficient=0.001, epsilon=0.0, weight_decay=None, **kwargs
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.momentum = within("[0, 1)", momentum=momentum)
        self.trust_coefficient = within("(0, inf)", trust_coefficient=trust_coefficient)
        self.epsilon = within("[0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the velocity."""
        super().build(variables, velocity=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, velocity = self.unpack(gradient, variable, learning_rate)
        if len(variable.shape) >= 2:
            decay = self.weight_decay if self.decays(variable) else 0.0
            norm_w, norm_g = norm(variable), norm(g)
            ratio = self.trust_coefficient * norm_w / (norm_g + decay * norm_w + self.epsilon)
            ratio = ops.where(ops.logical_and(norm_w > 0, norm_g > 0), ratio, 1.0)
            g = ops.cast(ratio, g.dtype) * (g + decay * variable)
        v = self.momentum * velocity + lr * g
        self.assign(velocity, v)
        self.assign_sub(variable, v)
