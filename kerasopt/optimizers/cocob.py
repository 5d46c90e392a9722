"""COCOB."""

import keras
from keras import ops

from kerasopt._arguments import within
from kerasopt.optimizers._base import Optimizer


@keras.saving.register_keras_serializable(package="kerasopt")
class COCOB(Optimizer):
    """COntinuous COin Betting: gradient descent without a learning rate.

    Each weight is a gambler who bets on the sign of the next gradient. With the weight's first value `w0`, the largest
    gradient `L` from `epsilon`, and `G`, `reward` and `theta` from 0:

        L = max(L, abs(g))
        G = G + abs(g)
        reward = max(reward - (w - w0) * g, 0)
        theta = theta - g
        target = w0 + theta / (L * max(G + L, alpha * L)) * (L + reward)
        w = w + learning_rate * (target - w)

    While the gradients agree the stake grows exponentially, so that no rate has to be found. The usual mistakes: a
    saved state without `w0`, from which training cannot continue, and a `learning_rate` other than 1.

    Args:
        learning_rate: Multiplier of the step, a number in [0, inf), a schedule or a callable. The paper's rule is 1.
        alpha: Holds back the first steps: a step is at most about `1 / alpha` while `G < alpha * L`; in (0, inf).
        epsilon: First value of `L`, in gradient units, in (0, inf).
        **kwargs: Keras's base arguments: `weight_decay`, `clipnorm`, `clipvalue`, `global_clipnorm`, `use_ema`,
            `ema_momentum`, `ema_overwrite_frequency`, `loss_scale_factor`, `gradient_accumulation_steps`, `name`.

    State:
        `initial` (`w0`, a copy of the variable), `largest` (`L`), `total` (`G`), `reward` and `theta`, all shaped as
        the variable.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        A steady gradient: each step is longer than the one before, without a rate.

        >>> import keras
        >>> from kerasopt.optimizers import COCOB
        >>> w = keras.Variable([1.0])
        >>> optimizer = COCOB(alpha=10.0)
        >>> for _ in range(3):
        ...     optimizer.apply([w * 0 + 7], [w])
        >>> print(w.numpy().round(4))
        [0.604]

    Differences:
        None from the paper's Algorithm 2, written here for gradients where the paper uses their negatives. Since
        each step returns to `w0`, decoupled `weight_decay` moves `w0` by as much as it moves the weights. Keras has
        none.

    Reference:
        Orabona and Tommasi, "Training deep networks without learning rates through coin betting" (2017), arXiv
        1705.07795, Algorithm 2 (COCOB-Backprop).
    """

    own_weight_decay = True

    def __init__(self, learning_rate=1.0, alpha=100.0, epsilon=1e-8, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.alpha = within("(0, inf)", alpha=alpha)
        self.epsilon = within("(0, inf)", epsilon=epsilon)

    def build(self, variables):
        """Copy the initial weights and create the gamblers' books."""
        super().build(variables, initial="weights", largest=self.epsilon, total=0.0, reward=0.0, theta=0.0)

    def update_step(self, gradient, variable, learning_rate):
        """Make one step for one variable."""
        g, lr, initial, largest, total, reward, theta = self.unpack(gradient, variable, learning_rate)
        size = ops.abs(g)
        L = ops.maximum(largest, size)  # noqa: N806  (the paper's symbols)
        G = total + size  # noqa: N806
        won = ops.maximum(reward - (variable - initial) * g, 0.0)
        bets = theta - g
        step = initial + bets / (L * ops.maximum(G + L, self.alpha * L)) * (L + won) - variable
        if self.decays(variable):
            decay = self.weight_decay * variable
            self.assign_sub(initial, lr * decay)
            step = step - decay
        self.assign(largest, L)
        self.assign(total, G)
        self.assign(reward, won)
        self.assign(theta, bets)
        self.assign_add(variable, lr * step)
