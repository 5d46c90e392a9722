"""Plain gradient descent."""

import keras

from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class SGD(Optimizer):
    """Gradient descent: a step against the gradient, and nothing remembered.

    With the weight `w` and its gradient `g`:

        w = w - learning_rate * g

    The yardstick of every other rule, and a good one where the loss is well scaled. In a narrow valley the largest
    rate that does not diverge across it crawls along it: on a quadratic of curvature `c` the step is stable only for
    `learning_rate < 2 / c`. The usual mistake is to blame the network when the rate is ten times off.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        None.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        Two steps on `w**2`, whose gradient is `2 * w`, multiply `w` by `1 - 2 * 0.25` each:

        >>> import keras
        >>> from kerasopt.optimizers import SGD
        >>> w = keras.Variable([1.0, -2.0])
        >>> optimizer = SGD(learning_rate=0.25)
        >>> for _ in range(2):
        ...     optimizer.apply([2 * w], [w])
        >>> print(w.numpy())
        [ 0.25 -0.5 ]

    Differences:
        `keras.optimizers.SGD` is the same rule, and holds momentum too: see `Momentum` for where that differs.

    Reference:
        Robbins and Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22 (1951).
    """

    def __init__(self, learning_rate=0.01, **kwargs):
        super().__init__(learning_rate, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr = self.unpack(gradient, variable, learning_rate)
        self.assign_sub(variable, lr * g)
