"""Quasi-hyperbolic momentum."""

import keras

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class QHM(Optimizer):
    """Quasi-hyperbolic momentum: a mean of the plain gradient and of a damped momentum.

    With the running mean of gradients `d`, which starts at 0:

        d = momentum * d + (1 - momentum) * g
        w = w - learning_rate * ((1 - nu) * g + nu * d)

    `nu=0` is `SGD`, `nu=1` damped momentum, `nu=momentum` Nesterov's method at `learning_rate * (1 - momentum)`. A long
    memory with a fresh gradient on top often beats both. The usual mistake is a rate carried over from `Momentum`: here
    `d` is a mean and not a sum, so the rate is larger by `1 / (1 - momentum)`.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        momentum: Decay a step of the mean, in [0, 1).
        nu: Weight of the mean against the fresh gradient, in [0, 1].
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `mean_gradient`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The gradient 1 once: `d` is 0.5, and the step `0.75 * 1 + 0.25 * 0.5`.

        >>> import keras
        >>> from kerasopt.optimizers import QHM
        >>> w = keras.Variable([1.0])
        >>> QHM(learning_rate=1.0, momentum=0.5, nu=0.25).apply([w * 0 + 1], [w])
        >>> print(w.numpy())
        [0.125]

    Differences:
        None from the paper. Keras has none.

    Reference:
        Ma and Yarats, "Quasi-hyperbolic momentum and Adam for deep learning" (2019), arXiv 1810.06801, equations 3 and
        4; the defaults are its rule of thumb.
    """

    def __init__(self, learning_rate=1.0, momentum=0.999, nu=0.7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.momentum = within("[0, 1)", momentum=momentum)
        self.nu = within("[0, 1]", nu=nu)

    def build(self, variables):
        """Create the mean gradient."""
        super().build(variables, mean_gradient=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, mean_gradient = self.unpack(gradient, variable, learning_rate)
        d = mean_gradient + (1 - self.momentum) * (g - mean_gradient)
        self.assign(mean_gradient, d)
        self.assign_sub(variable, lr * ((1 - self.nu) * g + self.nu * d))
