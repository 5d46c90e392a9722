"""Rectified Adam."""

import math

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


def _coth_minus_inverse(x):
    """Return `coth(x) - 1 / x` for `x` from 0 to 0.5, to seven digits."""
    return x / 3 - x**3 / 45 + 2 * x**5 / 945 - x**7 / 4725


@keras.saving.register_keras_serializable(package="kerasopt")
class RAdam(Optimizer):
    """Rectified Adam: Adam that waits until its second moment can be trusted, instead of a warm-up schedule.

    With `m_hat` and `v_hat` of `Adam` and `t` = 1, 2, ...:

        rho_inf = 2 / (1 - beta_2) - 1
        rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
        r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        w = w - learning_rate * r * m_hat / (sqrt(v_hat) + epsilon)    if rho > rho_threshold
        w = w - learning_rate * m_hat                                  otherwise

    `rho` is how many gradients `v_hat` amounts to (about `t` at first), and `r` grows from 0 to 1 with it. It helps
    where Adam needs a warm-up. In the first steps the rate multiplies the plain gradient: the usual mistake is to make
    that step zero, or to forget that large gradients are not normalized in it.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, in [0, 1).
        beta_2: Decay a step of the mean of their squares, in (0, 1).
        epsilon: Floor of the root, in gradient units, in [0, inf).
        rho_threshold: Number of gradients from which `v_hat` is used, in [4, inf): 4 in the paper, 5 in common code.
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum` and `velocity`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        Four steps of plain gradient, then short ones that grow:

        >>> import keras
        >>> from kerasopt.optimizers import RAdam
        >>> w = keras.Variable([0.0])
        >>> optimizer = RAdam(learning_rate=0.1)
        >>> for _ in range(6):
        ...     optimizer.apply([w * 0 - 5], [w])
        ...     print(w.numpy().round(4))
        [0.5]
        [1.]
        [1.5]
        [2.]
        [2.0017]
        [2.0043]

    Differences:
        The paper's Algorithm 2 has no epsilon. `torch.optim.RAdam` is this rule with `rho_threshold=5`. Keras has none.

    Reference:
        Liu and others, "On the variance of the adaptive learning rate and beyond" (2020), arXiv 1908.03265,
        Algorithm 2.
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, rho_threshold=4.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("(0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.rho_threshold = within("[4, inf)", rho_threshold=rho_threshold)

    def build(self, variables):
        """Create the two moments."""
        super().build(variables, momentum=0.0, velocity=0.0)

    def _rho(self):
        """Return rho of this step.

        In the first steps the closed form is a difference of two numbers near `rho_inf`, of which single precision
        leaves nothing. With `h = -log(beta_2)` and `f(x) = coth(x) - 1 / x` it equals
        `t + f(h / 2) - t * f(t * h / 2)`.
        """
        t, h = self.step_number(), -math.log(self.beta_2)
        early = t + _coth_minus_inverse(h / 2) - t * _coth_minus_inverse(t * h / 2)
        late = 2 / (1 - self.beta_2) - 1 - 2 * t / ops.expm1(t * h)
        return ops.where(t * h < 1, early, late)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, velocity = self.unpack(gradient, variable, learning_rate)
        m = momentum + (1 - self.beta_1) * (g - momentum)
        v = velocity + (1 - self.beta_2) * (ops.square(g) - velocity)
        self.assign(momentum, m)
        self.assign(velocity, v)
        m_hat = m / self.correction(self.beta_1, variable.dtype)
        v_hat = v / self.correction(self.beta_2, variable.dtype)
        rho, rho_inf = self._rho(), 2 / (1 - self.beta_2) - 1
        rectifiable = rho > self.rho_threshold
        ratio = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
        r = ops.cast(ops.sqrt(ops.where(rectifiable, ratio, 0.0)), variable.dtype)
        self.assign_sub(variable, lr * ops.where(rectifiable, r * m_hat / (ops.sqrt(v_hat) + self.epsilon), m_hat))
