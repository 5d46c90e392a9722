"""Prodigy."""

import keras
from keras import ops

from kerasopt._arguments import flag, within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class Prodigy(Optimizer):
    """Prodigy: Adam that finds its own rate, from how far the weights have come.

    With `w0` the first weights, the estimate `d` of the distance to the solution, one number for the whole model,
    and the rate `step = d * learning_rate` (times Adam's bias correction, if that is on); all other state from 0:

        numerator = beta_3 * numerator + d / initial_d * step * sum(g * (w0 - w))
        m = beta_1 * m + d * (1 - beta_1) * g
        v = beta_2 * v + d**2 * (1 - beta_2) * g**2
        s = beta_3 * s + d / initial_d * step * g
        d = max(d, d_coefficient * numerator / sum(abs(s)))        over all variables; it never falls
        w = w - step * weight_decay * w - step * m / (sqrt(v) + d * epsilon)

    Use it with `learning_rate=1`, or a schedule that starts at 1. The usual mistakes are to tune the rate, to forget
    `d` in a checkpoint (it is a variable here), and a long warm-up without `safeguard_warmup`.

    Args:
        learning_rate: Multiplier of the estimated rate, a number in [0, inf), a schedule or a callable.
        beta_1: Decay a step of the mean of the gradients, in [0, 1).
        beta_2: Decay a step of the mean of their squares, in [0, 1).
        beta_3: Decay a step of the estimate's sums, in [0, 1), or None for `sqrt(beta_2)`.
        epsilon: Floor of the root, in gradient units, in [0, inf).
        initial_d: First value of `d`, smaller than any sensible distance, in (0, inf).
        d_coefficient: Multiplier of the estimate, in (0, inf).
        growth_rate: Largest factor by which `d` grows in a step, in [1, inf].
        bias_correction: If True, `step` is multiplied by `sqrt(1 - beta_2**t) / (1 - beta_1**t)`.
        safeguard_warmup: If True, `s` adds `d` in place of `step`, so that a warm-up's small rates cannot inflate `d`.
        weight_decay: Decoupled decay, scaled by `step`, in [0, inf), or None.
        **kwargs: Keras's base arguments: `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`, `ema_momentum`,
            `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `momentum` (`m`), `velocity` (`v`), `gradient_sum` (`s`), all shaped as the variable, from 0; `initial` (`w0`),
        a copy of the variable; `numerator`, one number a variable; `d`, `d_max` and `step`, one number for the model.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        From 1e-6, `d` finds the scale of a solution that is 5 away:

        >>> import keras
        >>> from kerasopt.optimizers import Prodigy
        >>> w = keras.Variable([5.0])
        >>> optimizer = Prodigy()
        >>> for _ in range(100):
        ...     optimizer.apply([2 * w], [w])
        >>> print(w.numpy().round(2), optimizer.d.numpy().round(1))
        [0.01] 2.7

    Differences:
        Algorithm 4 of the paper in the form of its authors' code, which divides both sums by `initial_d` to keep them
        from underflowing. `numerator` is kept for each variable and summed, which is the same number. `optax.contrib`'s
        has `bias_correction` always on. Keras has none.

    Reference:
        Mishchenko and Defazio, "Prodigy: an expeditiously adaptive parameter-free learner" (2023), arXiv 2306.06101,
        Algorithm 4.
    """

    own_weight_decay = True

    def __init__(
        self,
        learning_rate=1.0,
        beta_1=0.9,
        beta_2=0.999,
        beta_3=None,
        epsilon=1e-8,
        initial_d=1e-6,
        d_coefficient=1.0,
        growth_rate=float("inf"),
        bias_correction=False,
        safeguard_warmup=False,
        weight_decay=None,
        **kwargs,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.beta_1 = within("[0, 1)", beta_1=beta_1)
        self.beta_2 = within("[0, 1)", beta_2=beta_2)
        self.beta_3 = None if beta_3 is None else within("[0, 1)", beta_3=beta_3)
        self.epsilon = within("[0, inf)", epsilon=epsilon)
        self.initial_d = within("(0, inf)", initial_d=initial_d)
        self.d_coefficient = within("(0, inf)", d_coefficient=d_coefficient)
        self.growth_rate = within("[1, inf]", growth_rate=growth_rate)
        self.bias_correction = flag(bias_correction=bias_correction)
        self.safeguard_warmup = flag(safeguard_warmup=safeguard_warmup)
        self._measuring = False

    def build(self, variables):
        """Copy the initial weights, and create the moments and the estimate."""
        scalars = {"d": self.initial_d, "d_max": self.initial_d, "step": 0.0}
        slots = {"momentum": 0.0, "velocity": 0.0, "gradient_sum": 0.0, "initial": "weights", "numerator": "scalar"}
        super().build(variables, scalars, **slots)

    def begin_step(self, gradients, variables, learning_rate):
        """Take this step's rate from the old `d`, let every variable measure, then raise `d`."""
        step = self.d * ops.cast(learning_rate, "float32")
        if self.bias_correction:
            step *= ops.sqrt(self.correction(self.beta_2, "float32")) / self.correction(self.beta_1, "float32")
        self.assign(self.step, step)
        self._measuring = True
        self.sweep(gradients, variables, learning_rate)
        self._measuring = False

        slots = [self.slots_of(variable) for variable in variables]
        numerator = sum(numerator for *_, numerator in slots)
        denominator = sum(ops.sum(ops.cast(ops.abs(s), "float32")) for _, _, s, _, _ in slots)
        estimate = self.d_coefficient * numerator / ops.where(denominator > 0, denominator, 1.0)
        d, d_max = ops.convert_to_tensor(self.d), ops.maximum(self.d_max, estimate)
        # The first estimate may exceed `growth_rate`: until then `d` is only the guess `initial_d`.
        d = ops.where(ops.equal(d, self.initial_d), ops.maximum(d, estimate), d)
        self.assign(self.d, ops.minimum(d_max, d * self.growth_rate))
        self.assign(self.d_max, d_max)

    def update_step(self, gradient, variable, learning_rate):
        """Measure with the gradient, or make the step, for one variable."""
        g, _, momentum, velocity, gradient_sum, initial, numerator = self.unpack(gradient, variable, learning_rate)
        d, step = ops.cast(self.d, variable.dtype), ops.cast(self.step, variable.dtype)
        if self._measuring:
            beta_3 = self.beta_2**0.5 if self.beta_3 is None else self.beta_3
            scale = d / self.initial_d
            progress = ops.sum(ops.cast(scale * step * g * (initial - variable), "float32"))
            self.assign(numerator, beta_3 * numerator + progress)
            self.assign(momentum, momentum + (1 - self.beta_1) * (d * g - momentum))
            self.assign(velocity, velocity + (1 - self.beta_2) * (ops.square(d * g) - velocity))
            self.assign(gradient_sum, beta_3 * gradient_sum + scale * (d if self.safeguard_warmup else step) * g)
        else:
            update = momentum / (ops.sqrt(velocity) + d * self.epsilon)
            if self.decays(variable):
                update = update + self.weight_decay * variable
            self.assign_sub(variable, step * update)
