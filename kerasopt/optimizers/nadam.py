"""Nadam."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Nadam(Optimizer):
    """Adam with Nesterov's look-ahead, and a momentum that warms up.

    With the moments `m` and `v` of `Adam`, the product `P` from 1, and `t` = 1, 2, ...:

        mu(t) = beta_1 * (1 - 0.5 * 0.96**(momentum_decay * t))
        P = P * mu(t)
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = mu(t + 1) * m / (1 - P * mu(t + 1)) + (1 - mu(t)) * g / (1 - P)
        w = w - learning_rate * m_hat / (sqrt(v / (1 - beta_2**t)) + epsilon)

    `mu` climbs from half of `beta_1` towards `beta_1`, half way after about 4000 steps. It is often a little faster
    than Adam early on. The usual mistakes are to multiply `P` once a variable instead of once a step, and to drop
    `momentum_decay`, which shortens the warm-up 250 times.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, and the momentum's limit, in [0, 1).
        beta_2: Decay a step of the mean of their squares, in [0, 1).
        epsilon: Floor of the root, in gradient units, in [0, inf).
        momentum_decay: Speed of the momentum's warm-up, a step, in [0, inf).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum` and `velocity`, shaped as the variable, from 0; `product`, one number for the model, from 1.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> import keras
        >>> from kerasopt.optimizers import Nadam
        >>> w = keras.Variable([1.0])
        >>> optimizer = Nadam(learning_rate=0.1)
        >>> for _ in range(3):
        ...     optimizer.apply([2 * w], [w])
        >>> print(w.numpy().round(4), optimizer.product.numpy().round(4))
        [0.7527] 0.0912

    Differences:
        `keras.optimizers.Nadam` has no `momentum_decay` (it is 1 there), so that its momentum is warm after some
        hundred steps. `torch.optim.NAdam` is the rule given here.

    Reference:
        Dozat, "Incorporating Nesterov momentum into Adam" (2016), Algorithm 2, with the momentum schedule of its
        experiments, `0.96**(t / 250)`.
    """

    def __init__(self, learning_rate=0.002, beta_1=0.9, beta_2=0.999, epsilon=1e-8, momentum_decay=0.004, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.momentum_decay = within("[0, inf)", momentum_decay=momentum_decay)

    def build(self, variables):
        """Create the two moments and the product of the momenta."""
        super().build(variables, scalars={"product": 1.0}, momentum=0.0, velocity=0.0)

    def _mu(self, t):
        return self.beta_1 * (1 - 0.5 * ops.power(0.96, self.momentum_decay * t))

    def begin_step(self, gradients, variables, learning_rate):
        """Multiply this step's momentum into the product."""
        self.assign(self.product, self.product * self._mu(self.step_number()))

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, velocity = self.unpack(gradient, variable, learning_rate)
        t = self.step_number()
        mu, mu_next = self._mu(t), self._mu(t + 1)
        m = momentum + (1 - self.beta_1) * (g - momentum)
        v = velocity + (1 - self.beta_2) * (ops.square(g) - velocity)
        self.assign(momentum, m)
        self.assign(velocity, v)
        of_m = ops.cast(mu_next / (1 - self.product * mu_next), variable.dtype)
        of_g = ops.cast((1 - mu) / (1 - self.product), variable.dtype)
        v_hat = v / self.correction(self.beta_2, variable.dtype)
        self.assign_sub(variable, lr * (of_m * m + of_g * g) / (ops.sqrt(v_hat) + self.epsilon))
