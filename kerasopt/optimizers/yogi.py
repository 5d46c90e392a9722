"""Yogi."""

import keras
from keras import ops

from kerasopt._arguments import flag, within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Yogi(Optimizer):
    """Yogi: Adam whose second moment moves by steps of the size of the new square, not of the gap to it.

    With the momentum `m` from 0 and the second moment `v` from `initial_accumulator`:

        m = beta_1 * m + (1 - beta_1) * g
        v = v - (1 - beta_2) * sign(v - g**2) * g**2
        w = w - learning_rate * m / (sqrt(v) + epsilon)

    Where Adam forgets a large `v` as `beta_2**t` once the gradients get small, and its rate shoots up, Yogi's `v` falls
    slowly. The usual mistake is Adam's epsilon: the paper's is 1e-3, which is part of what makes it work.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, in [0, 1).
        beta_2: `1 - beta_2` is the speed of the second moment, a step; in [0, 1).
        epsilon: Added to the root, in gradient units, in [0, inf).
        initial_accumulator: First value of `v`, in squared gradient units, in [0, inf).
        bias_correction: If True, `m` and `v` are divided by `1 - beta**t` as in `Adam`.
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum`, shaped as the variable, from 0; `velocity`, the same, from `initial_accumulator`.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The gradient 1 raises `v` from 0 to 0.25; the step is `0.5 / sqrt(0.25)` rates:

        >>> import keras
        >>> from kerasopt.optimizers import Yogi
        >>> w = keras.Variable([1.0])
        >>> optimizer = Yogi(learning_rate=0.25, beta_1=0.5, beta_2=0.75, epsilon=0.0, initial_accumulator=0.0)
        >>> optimizer.apply([w * 0 + 1], [w])
        >>> print(w.numpy())
        [0.75]

    Differences:
        None from the paper's Algorithm 2, which has no bias correction; `optax.yogi` has it. Keras has none.

    Reference:
        Zaheer and others, "Adaptive methods for nonconvex optimization" (2018), Algorithm 2.
    """

    def __init__(
        self,
        learning_rate=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-3,
        initial_accumulator=1e-6,
        bias_correction=False,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.initial_accumulator = within("[0, inf)", initial_accumulator=initial_accumulator)
        self.bias_correction = flag(bias_correction=bias_correction)

    def build(self, variables):
        """Create the two moments."""
        super().build(variables, momentum=0.0, velocity=self.initial_accumulator)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, velocity = self.unpack(gradient, variable, learning_rate)
        square = ops.square(g)
        m = momentum + (1 - self.beta_1) * (g - momentum)
        v = velocity - (1 - self.beta_2) * ops.sign(velocity - square) * square
        self.assign(momentum, m)
        self.assign(velocity, v)
        if self.bias_correction:
            m = m / self.correction(self.beta_1, variable.dtype)
            v = v / self.correction(self.beta_2, variable.dtype)
        self.assign_sub(variable, lr * m / (ops.sqrt(v) + self.epsilon))
