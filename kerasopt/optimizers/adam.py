"""Adam."""

import keras
from keras import ops

from kerasopt._arguments import flag, within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Adam(Optimizer):
    """Adaptive moments: momentum, divided by the root mean square of the gradients.

    With the moments `m` and `v`, which start at 0, and the step number `t` = 1, 2, ...:

        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        w = w - learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    A step is at most about `learning_rate` long in each weight, whatever the gradient's scale, so that the defaults
    work almost anywhere. The usual mistakes: L2 in the loss, which the division undoes (use `weight_decay`, which
    makes this AdamW), and `epsilon` copied from an implementation that puts it elsewhere.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, in [0, 1).
        beta_2: Decay a step of the mean of their squares, in [0, 1).
        epsilon: Floor of the root, in gradient units, in [0, inf).
        bias_correction: If False, `m` and `v` are used as they are. The first steps are then too long by a factor of
            `(1 - beta_1**t) / sqrt(1 - beta_2**t)`: 3.2 in step 1 and 6.6 in step 12 at the defaults. For the lesson.
        amsgrad: If True, `v` is replaced, before its correction, by the largest `v` so far.
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum` and `velocity`, and with `amsgrad` `velocity_max`, shaped as the variable, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        The first step is `learning_rate` long against the sign of the gradient, however large that is:

        >>> import keras
        >>> from kerasopt.optimizers import Adam
        >>> w = keras.Variable([1.0, 1.0])
        >>> Adam(learning_rate=0.5).apply([keras.ops.array([0.001, -1000.0])], [w])
        >>> print(w.numpy().round(3))
        [0.5 1.5]

    Differences:
        None from the paper's Algorithm 1. `keras.optimizers.Adam` adds epsilon before the correction (the paper's
        "epsilon hat"), 1e-7 by default, which at the first step amounts to an epsilon of 3e-6 here.

    Reference:
        Kingma and Ba, "Adam: a method for stochastic optimization" (2015), arXiv 1412.6980, Algorithm 1; Reddi, Kale
        and Kumar, "On the convergence of Adam and beyond" (2018), arXiv 1904.09237, for `amsgrad`; Loshchilov and
        Hutter, "Decoupled weight decay regularization" (2019), arXiv 1711.05101, Algorithm 2.
    """

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, bias_correction=True, amsgrad=False, **kwargs
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.bias_correction = flag(bias_correction=bias_correction)
        self.amsgrad = flag(amsgrad=amsgrad)

    def build(self, variables):
        """Create the two moments, and the largest second moment if it is wanted."""
        super().build(variables, momentum=0.0, velocity=0.0, **({"velocity_max": 0.0} if self.amsgrad else {}))

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, momentum, velocity, *velocity_max = self.unpack(gradient, variable, learning_rate)
        m = momentum + (1 - self.beta_1) * (g - momentum)
        v = velocity + (1 - self.beta_2) * (ops.square(g) - velocity)
        self.assign(momentum, m)
        self.assign(velocity, v)
        if self.amsgrad:
            v = ops.maximum(velocity_max[0], v)
            self.assign(velocity_max[0], v)
        if self.bias_correction:
            lr = lr / self.correction(self.beta_1, variable.dtype)
            v = v / self.correction(self.beta_2, variable.dtype)
        self.assign_sub(variable, lr * m / (ops.sqrt(v) + self.epsilon))
