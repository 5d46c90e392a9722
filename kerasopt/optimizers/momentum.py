"""Gradient descent with momentum."""

import keras

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Momentum(Optimizer):
    """Heavy-ball momentum: the step follows a decaying sum of the gradients.

    With the velocity `v`, which starts at 0, and the gradient `g`:

        v = momentum * v + g
        w = w - learning_rate * v

    Gradients that agree add up, to `1 / (1 - momentum)` times one of them; those that alternate across a valley cancel.
    The usual mistake is to raise `momentum` from 0.9 to 0.99 at the same rate, which makes the steps ten times larger.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        momentum: Share of the velocity kept in a step, in [0, 1).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `velocity`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The gradient 1 three times: the velocity is 1, 1.5, 1.75.

        >>> import keras
        >>> from kerasopt.optimizers import Momentum
        >>> w = keras.Variable([0.0])
        >>> optimizer = Momentum(learning_rate=0.5, momentum=0.5)
        >>> for _ in range(3):
        ...     optimizer.apply([w * 0 + 1], [w])
        >>> print(w.numpy())
        [-2.125]

    Differences:
        `keras.optimizers.SGD(momentum=...)` keeps the rate inside: `v = momentum * v - learning_rate * g; w = w + v`.
        At a constant rate the two are equal. When a schedule lowers the rate, Keras's goes on coasting at the old speed
        for about `1 / (1 - momentum)` steps; this one, like `torch.optim.SGD`, slows down at once.

    Reference:
        Polyak, "Some methods of speeding up the convergence of iteration methods" (1964), the method of the heavy ball.
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.momentum = within("[0, 1)", momentum=momentum)

    def build(self, variables):
        """Create the velocity."""
        super().build(variables, velocity=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, velocity = self.unpack(gradient, variable, learning_rate)
        v = self.momentum * velocity + g
        self.assign(velocity, v)
        self.assign_sub(variable, lr * v)
