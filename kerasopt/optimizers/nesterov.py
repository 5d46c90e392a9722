"""Nesterov's accelerated gradient."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Nesterov(Optimizer):
    """Nesterov momentum: the gradient is taken where the velocity is about to carry the weights.

    The textbook keeps the weights `theta` and needs the gradient `g` at another point, the look-ahead:

        y = theta - learning_rate * momentum * v
        v = momentum * v + g(y)
        theta = theta - learning_rate * v

    A framework takes the gradient at the weights that it stores, so `y` is what is stored. Written for `y` alone, at a
    constant rate, the same steps are

        v = momentum * v + g
        y = y - learning_rate * (g + momentum * v)

    The look-ahead damps the overshoot of `Momentum` along steep directions. The usual mistake is to compare the stored
    weights with the textbook's `theta`: `textbook_weights` returns `theta`.

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
        One step with the gradient 1. The textbook's `theta` moves by 1 (rate 1, velocity 1); the stored look-ahead
        point is half a velocity further:

        >>> import keras
        >>> from kerasopt.optimizers import Nesterov
        >>> w = keras.Variable([3.0])
        >>> optimizer = Nesterov(learning_rate=1.0, momentum=0.5)
        >>> optimizer.apply([w * 0 + 1], [w])
        >>> print(w.numpy(), optimizer.textbook_weights()[0].numpy())
        [1.5] [2.]

    Differences:
        `keras.optimizers.SGD(momentum=..., nesterov=True)` and `torch.optim.SGD(nesterov=True)` store the same point;
        Keras's keeps the rate inside the velocity, as told under `Momentum`.

    Reference:
        Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)" (1983); Sutskever
        and others, "On the importance of initialization and momentum in deep learning" (2013), equations 3 and 4;
        Bengio, Boulanger-Lewandowski and Pascanu, arXiv 1212.0901, equation 7, for the form in `y`.
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
        self.assign_sub(variable, lr * (g + self.momentum * v))

    def textbook_weights(self, learning_rate=None):
        """Return the textbook's theta, `y + learning_rate * momentum * v`, as one tensor for each variable.

        Args:
            learning_rate: Rate of the last step. By default the current one, which is the same unless a schedule or an
                assignment has changed it since.
        """
        lead = self.momentum * ops.cast(self.learning_rate if learning_rate is None else learning_rate, "float32")
        velocities = [self.slots_of(y)[0] for y in self._trainable_variables]
        return [y + ops.cast(lead, y.dtype) * v for y, v in zip(self._trainable_variables, velocities, strict=True)]
