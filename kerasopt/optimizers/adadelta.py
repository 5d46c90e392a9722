"""AdaDelta."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class AdaDelta(Optimizer):
    """AdaDelta: a step in the units of the weights, and so without a rate.

    With the running means `h` of squared gradients and `d` of squared updates, both from 0:

        h = rho * h + (1 - rho) * g**2
        update = sqrt(d + epsilon) / sqrt(h + epsilon) * g
        d = rho * d + (1 - rho) * update**2
        w = w - learning_rate * update

    The first steps are about `sqrt(epsilon / (1 - rho))` long, 0.004 at the defaults, and grow from there: epsilon is
    what sets it going. The usual mistake is a rate of 0.001, with which it seems not to learn; the paper has none.

    Args:
        learning_rate: Multiplier of the step, a number in [0, inf), a schedule or a callable. The paper's rule is 1.
        rho: Decay a step of both means, in [0, 1).
        epsilon: Added to both means, in squared units, in (0, inf). At 0 nothing would ever move.
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `mean_square_gradient` and `mean_square_update`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The first step is `sqrt(epsilon / (1 - rho))` long, `sqrt(0.01 / 0.25)` here, whatever the gradient's scale:

        >>> import keras
        >>> from kerasopt.optimizers import AdaDelta
        >>> w = keras.Variable([1.0])
        >>> AdaDelta(rho=0.75, epsilon=0.01).apply([w * 0 + 100], [w])
        >>> print(w.numpy().round(4))
        [0.8]

    Differences:
        `keras.optimizers.Adadelta` is the same rule at a rate of 0.001 and an epsilon of 1e-7.

    Reference:
        Zeiler, "ADADELTA: an adaptive learning rate method" (2012), arXiv 1212.5701, Algorithm 1.
    """

    def __init__(self, learning_rate=1.0, rho=0.95, epsilon=1e-6, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.rho = within("[0, 1)", rho=rho)
        self.epsilon = within("(0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the two means of squares."""
        super().build(variables, mean_square_gradient=0.0, mean_square_update=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, mean_square_gradient, mean_square_update = self.unpack(gradient, variable, learning_rate)
        h = self.rho * mean_square_gradient + (1 - self.rho) * ops.square(g)
        update = ops.sqrt(mean_square_update + self.epsilon) / ops.sqrt(h + self.epsilon) * g
        self.assign(mean_square_gradient, h)
        self.assign(mean_square_update, self.rho * mean_square_update + (1 - self.rho) * ops.square(update))
        self.assign_sub(variable, lr * update)
