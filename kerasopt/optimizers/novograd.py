"""NovoGrad."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer, norm


@keras.saving.register_keras_serializable(package="kerasopt")
class NovoGrad(Optimizer):
    """NovoGrad: momentum of gradients that are normalized layer by layer.

    With one number `v` for each variable and the momentum `m` from 0:

        v = norm(g)**2                                             at the first step
        v = beta_2 * v + (1 - beta_2) * norm(g)**2                 later
        m = beta_1 * m + (g / (sqrt(v) + epsilon) + weight_decay * w)
        w = w - learning_rate * m

    It keeps half of Adam's state, and bears large gradients at the start and large batches. The usual mistakes are to
    start `v` at 0, which makes the first steps 7 times too long at the defaults, and a rate carried over from Adam: the
    momentum is a sum and not a mean.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Share of the momentum kept in a step, in [0, 1).
        beta_2: Decay a step of the squared norm, in [0, 1).
        epsilon: Added to the norm, in gradient units, in [0, inf).
        weight_decay: Decay inside the momentum, in [0, inf), or None. Not Keras's decoupled decay.
        **kwargs: Keras's base arguments: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum`, shaped as the variable, from 0; `second_moment`, one number a variable.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The gradient's norm is 5, and the first step one rate long in its direction:

        >>> import keras
        >>> from kerasopt.optimizers import NovoGrad
        >>> w = keras.Variable([1.0, 1.0])
        >>> NovoGrad(learning_rate=0.5).apply([keras.ops.array([3.0, 4.0])], [w])
        >>> print(w.numpy())
        [0.7 0.6]

    Differences:
        None from the paper's Algorithm 1. Keras has none.

    Reference:
        Ginsburg and others, "Stochastic gradient methods with layer-wise adaptive moments for training of deep
        networks" (2019), arXiv 1905.11286, Algorithm 1.
    """

    own_weight_decay = True

    def __init__(self, learning_rate=0.01, beta_1=0.95, beta_2=0.98, epsilon=1e-8, weight_decay=None, **kwargs):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the momentum, and one second moment a variable."""
        super().build(variables, momentum=0.0, second_moment="scalar")

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, second_moment = self.unpack(gradient, variable, learning_rate)
        square = ops.square(norm(g))
        later = self.beta_2 * second_moment + (1 - self.beta_2) * square
        v = ops.where(ops.equal(self.iterations, 0), square, later)
        normalized = g / ops.cast(ops.sqrt(v) + self.epsilon, g.dtype)
        if self.decays(variable):
            normalized = normalized + self.weight_decay * variable
        m = self.beta_1 * momentum + normalized
        self.assign(second_moment, v)
        self.assign(momentum, m)
        self.assign_sub(variable, lr * m)
