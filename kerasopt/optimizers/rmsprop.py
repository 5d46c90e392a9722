"""RMSProp."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class RMSProp(Optimizer):
    """Root mean square propagation: AdaGrad with a memory that fades.

    With the running mean of squares `h`, which starts at 0:

        h = rho * h + (1 - rho) * g**2
        w = w - learning_rate * g / (sqrt(h) + epsilon)

    The steps do not fade as those of `AdaGrad` do, and follow a gradient whose scale changes. Because `h` starts at 0
    and is not corrected, the first step is `1 / sqrt(1 - rho)` rates long, 3.2 at the default. The usual mistake is to
    carry `epsilon` from one framework to another: added inside the root, 1e-7 amounts to a floor of 3e-4.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        rho: Decay a step of the mean of squares, in [0, 1).
        epsilon: Added to the root, in gradient units, in [0, inf).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `velocity`, the mean of squares, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The first step with `rho=0.75` is `1 / sqrt(1 - 0.75)`, two rates long:

        >>> import keras
        >>> from kerasopt.optimizers import RMSProp
        >>> w = keras.Variable([1.0])
        >>> RMSProp(learning_rate=0.25, rho=0.75).apply([w * 0 + 8], [w])
        >>> print(w.numpy())
        [0.5]

    Differences:
        `keras.optimizers.RMSprop` puts epsilon inside the root. `torch.optim.RMSprop` does as here, at `alpha=0.99`.

    Reference:
        Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5 (2012).
    """

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.rho = within("[0, 1)", rho=rho)
        self.epsilon = within("[0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the mean of squares."""
        super().build(variables, velocity=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, velocity = self.unpack(gradient, variable, learning_rate)
        h = self.rho * velocity + (1 - self.rho) * ops.square(g)
        self.assign(velocity, h)
        self.assign_sub(variable, lr * g / (ops.sqrt(h) + self.epsilon))
