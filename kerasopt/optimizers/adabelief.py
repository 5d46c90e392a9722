"""AdaBelief."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class AdaBelief(Optimizer):
    """AdaBelief: Adam that divides by how much the gradient differs from what its momentum foretold.

    With the mean `m` and the spread `s`, both from 0, and `t` = 1, 2, ...:

        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * (g - m)**2 + epsilon
        w = w - learning_rate * (m / (1 - beta_1**t)) / (sqrt(s / (1 - beta_2**t)) + epsilon)

    Where the gradient is large but steady it takes long steps, which Adam does not. The usual mistakes are the old `m`
    in the square, and Adam's epsilon: it is added to `s` at every step and must be far smaller, 1e-16 to 1e-14.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, in [0, 1).
        beta_2: Decay a step of their spread, in [0, 1).
        epsilon: Added to the spread, in squared gradient units, and to its root; in [0, inf).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum` and `spread`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The first spread is `0.5 * (1 - 0.5)**2`, corrected 0.25: the step is two rates long, where Adam's is one.

        >>> import keras
        >>> from kerasopt.optimizers import AdaBelief
        >>> w = keras.Variable([1.0])
        >>> AdaBelief(learning_rate=0.25, beta_1=0.5, beta_2=0.5).apply([w * 0 + 1], [w])
        >>> print(w.numpy())
        [0.5]

    Differences:
        None from the paper's Algorithm 2. `optax.adabelief` takes the old `m` in the square. Keras has none.

    Reference:
        Zhuang and others, "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients" (2020), arXiv
        2010.07468, Algorithm 2.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-16, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Create the mean and the spread."""
        super().build(variables, momentum=0.0, spread=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, spread = self.unpack(gradient, variable, learning_rate)
        m = momentum + (1 - self.beta_1) * (g - momentum)
        s = spread + (1 - self.beta_2) * (ops.square(g - m) - spread) + self.epsilon
        self.assign(momentum, m)
        self.assign(spread, s)
        lr = lr / self.correction(self.beta_1, variable.dtype)  # one division in place of one a weight
        s_hat = s / self.correction(self.beta_2, variable.dtype)
        self.assign_sub(variable, lr * m / (ops.sqrt(s_hat) + self.epsilon))
