"""Schedule-free AdamW."""

import contextlib

import keras
from keras import ops

from kerasopt._arguments import at_least, within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class ScheduleFreeAdamW(Optimizer):
    """Schedule-free AdamW: averaging in place of a schedule, with no need to know when training stops.

    Three points: `z` takes the steps, `x` is the average to be used in the end, and the gradient is taken in between,
    at `y`, which is what the model stores in training. `z` starts as the weights, and with `t` = 1, 2, ...:

        rate = learning_rate * min(1, t / warmup_steps)
        v = beta_2 * v + (1 - beta_2) * g**2
        u = g / (sqrt(v / (1 - beta_2**t)) + epsilon) + weight_decay * y
        z = z - rate * u
        weight = t**r * (largest rate so far)**weight_lr_power
        c = weight / (sum of all weights so far)
        x = (1 - c) * x + c * z
        y = (1 - beta_1) * z + beta_1 * x

    `x` is not kept, because it follows from `y` and `z`. **Evaluate, predict and export within `averaged_weights()`**:

        with optimizer.averaged_weights():
            model.evaluate(x_test, y_test)

    The usual mistakes are to evaluate at `y`, and a decaying schedule on top. Batch-norm statistics are collected at
    `y`: recompute them at `x` before evaluating such a model.

    Args:
        learning_rate: Step size, a number in [0, inf), a schedule or a callable.
        beta_1: Where `y` stands between `z` and `x`, in (0, 1).
        beta_2: Decay a step of the mean of squares, in [0, 1).
        epsilon: Floor of the root, in gradient units, in [0, inf).
        warmup_steps: Steps over which the rate rises linearly to `learning_rate`, an integer >= 0.
        r: Power of the step number in the average's weights, in [0, inf): 0 weighs all steps alike.
        weight_lr_power: Power of the largest rate in the average's weights, in [0, inf).
        weight_decay: Decay at `y`, scaled by the rate, in [0, inf).
        **kwargs: Keras's base arguments: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `z`, a copy of the variable, and `velocity` (`v`), from 0, both shaped as the variable; `largest_rate`,
        `weight_sum`, `rate` and `c`, one number each for the model, from 0.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        Two steps of length 1. `x` is the mean of the places -1 and -2 where `z` was:

        >>> import keras
        >>> from kerasopt.optimizers import ScheduleFreeAdamW
        >>> w = keras.Variable([0.0])
        >>> optimizer = ScheduleFreeAdamW(learning_rate=1.0, beta_1=0.5)
        >>> for _ in range(2):
        ...     optimizer.apply([w * 0 + 3], [w])
        >>> print(w.numpy().round(4))
        [-1.75]
        >>> with optimizer.averaged_weights():
        ...     print(w.numpy().round(4))
        [-1.5]

    Differences:
        The rule of the paper with the weights of its authors' package. `keras.optimizers.ScheduleFreeAdamW` weighs all
        steps alike, and on TensorFlow and torch its `z` shares memory with, or loses, what it should hold.

    Reference:
        Defazio and others, "The road less scheduled" (2024), arXiv 2405.15682, Algorithm 1.
    """

    own_weight_decay = True

    def __init__(
        self,
        learning_rate=0.0025,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        warmup_steps=0,
        r=0.0,
        weight_lr_power=2.0,
        weight_decay=0.0,
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = within("(0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.warmup_steps = at_least(0, warmup_steps=warmup_steps)
        self.r = within("[0, inf)", r=r)
        self.weight_lr_power = within("[0, inf)", weight_lr_power=weight_lr_power)

    def build(self, variables):
        """Start z at the weights, and create the second moment and the average's weights."""
        scalars = dict.fromkeys(("largest_rate", "weight_sum", "rate", "c"), 0.0)
        super().build(variables, scalars, z="weights", velocity=0.0)

    def begin_step(self, gradients, variables, learning_rate):
        """Find the rate of this step and its share `c` of the average."""
        t, rate = self.step_number(), ops.cast(learning_rate, "float32")
        if self.warmup_steps:
            rate = rate * ops.minimum(t / self.warmup_steps, 1.0)
        largest_rate = ops.maximum(self.largest_rate, rate)
        weight = ops.power(t, self.r) * ops.power(largest_rate, self.weight_lr_power)
        weight_sum = self.weight_sum + weight
        self.assign(self.rate, rate)
        self.assign(self.largest_rate, largest_rate)
        self.assign(self.weight_sum, weight_sum)
        self.assign(self.c, ops.divide_no_nan(weight, weight_sum))  # while the rate is still 0, so is their sum

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, _, z, velocity = self.unpack(gradient, variable, learning_rate)
        rate, c = ops.cast(self.rate, variable.dtype), ops.cast(self.c, variable.dtype)
        v = velocity + (1 - self.beta_2) * (ops.square(g) - velocity)
        self.assign(velocity, v)
        u = g / (ops.sqrt(v / self.correction(self.beta_2, variable.dtype)) + self.epsilon)
        if self.decays(variable):
            u = u + self.weight_decay * variable
        z_new = z - rate * u
        # beta_1 * x before the step is y - (1 - beta_1) * z.
        x_times_beta = (1 - c) * (variable - (1 - self.beta_1) * z) + c * self.beta_1 * z_new
        self.assign(z, z_new)
        self.assign(variable, (1 - self.beta_1) * z_new + x_times_beta)

    @contextlib.contextmanager
    def averaged_weights(self):
        """Put the average `x` into the model for the length of a `with` block; `y` is back on every way out of it."""
        stored = [(variable, ops.copy(variable)) for variable in self._trainable_variables]
        try:
            for variable, y in stored:
                z, _ = self.slots_of(variable)
                variable.assign((y - (1 - self.beta_1) * z) / self.beta_1)
            yield
        finally:
            for variable, y in stored:
                variable.assign(y)
