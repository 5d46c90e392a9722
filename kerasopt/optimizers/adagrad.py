"""AdaGrad."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class AdaGrad(Optimizer):
    """Adaptive gradient: each weight's rate is divided by the root of the sum of its squared gradients.

    With the sum `h`, which starts at 0:

        h = h + g**2
        w = w - learning_rate * g / (sqrt(h) + epsilon)

    Rarely active weights, as of rare words, keep a large rate. The sum never shrinks, so the steps fade as
    `1 / sqrt(t)`: right for convex problems, and the usual reason why a deep network stops learning with it.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        epsilon: Added to the root, in gradient units, in [0, inf).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `accumulator`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The gradient 2 twice: the first step is the rate, the second is shorter by `sqrt(2)`.

        >>> import keras
        >>> from kerasopt.optimizers import AdaGrad
        >>> w = keras.Variable([1.0])
        >>> optimizer = AdaGrad(learning_rate=0.5)
        >>> for _ in range(2):
        ...     optimizer.apply([w * 0 + 2], [w])
        >>> print(w.numpy().round(4))
        [0.1464]

    Differences:
        `keras.optimizers.Adagrad` starts `h` at 0.1 and puts epsilon inside the root. While the gradients are small
        that 0.1 rules: with `g = 1e-4` its first step is some 3000 times shorter than `learning_rate`.

    Reference:
        Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", Journal
        of Machine Learning Research 12 (2011), Figure 1, the diagonal case.
    """

    def __init__(self, learning_rate=0.01, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.epsilon = within("[0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the sum of squares."""
        super().build(variables, accumulator=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, accumulator = self.unpack(gradient, variable, learning_rate)
        h = accumulator + ops.square(g)
        self.assign(accumulator, h)
        self.assign_sub(variable, lr * g / (ops.sqrt(h) + self.epsilon))
