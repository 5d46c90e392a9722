"""What every optimizer must compute: float64 NumPy, written from the papers, sharing nothing with the package.

An oracle is slow on purpose. Where a paper keeps a running average, the oracle keeps the gradients and writes the sum
out, and a bias correction is what it means: the division by the sum of the weights. `t` counts steps from 1.

    oracle = Adam(learning_rate=0.1)
    weights = oracle.step(weights, gradients)       # lists of arrays; the gradients are those at `weights`

`learning_rate` is a number or a function of the step, which counts from 0 there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np


def discounted_sum(values, decay):
    """The sum of decay^(t-i) values_i: the newest value counts once, the one before it `decay` times, and so on."""
    return sum(decay**age * value for age, value in enumerate(reversed(values)))


def moving_average(values, decay):
    """The running average a = decay a + (1 - decay) value that started at 0."""
    return (1 - decay) * discounted_sum(values, decay)


def weighted_mean(values, decay):
    """The moving average with its bias corrected: its weights sum to 1 at every t."""
    return discounted_sum(values, decay) / discounted_sum([1.0] * len(values), decay)


def squares(values):
    return [np.square(value) for value in values]


@dataclass
class Oracle:
    """Counts the steps and keeps a namespace of state for each variable; a rule fills in `update`."""

    learning_rate: float | Callable[[int], float]

    def step(self, weights, gradients):
        weights, gradients = ([np.asarray(a, "float64") for a in arrays] for arrays in (weights, gradients))
        if not hasattr(self, "t"):
            self.t = 0
            self.state = [SimpleNamespace(initial=w.copy(), gradients=[]) for w in weights]
        self.t += 1
        self.lr = self.learning_rate(self.t - 1) if callable(self.learning_rate) else self.learning_rate
        for state, g in zip(self.state, gradients, strict=True):
            state.gradients.append(g.copy())
        return self.update_all(weights)

    def update_all(self, weights):
        return [self.update(w, s.gradients[-1], s) for w, s in zip(weights, self.state, strict=True)]

    def update(self, w, g, state):
        """The new weights of one variable; `state.gradients` holds all its gradients, `g` last."""
        raise NotImplementedError


@dataclass
class SGD(Oracle):
    """Robbins and Monro 1951; Goodfellow, Bengio and Courville 2016, Algorithm 8.1."""

    learning_rate: float = 0.01

    def update(self, w, g, state):
        return w - self.lr * g


@dataclass
class Momentum(Oracle):
    """Polyak 1964, in the form of Sutskever 2013 with the rate outside the velocity (as torch)."""

    learning_rate: float = 0.01
    momentum: float = 0.9

    def update(self, w, g, state):
        return w - self.lr * discounted_sum(state.gradients, self.momentum)


@dataclass
class Nesterov(Oracle):
    """Nesterov 1983; Sutskever 2013, equations 3 and 4. The weights given and returned are the look-ahead points.

    A gradient step from the look-ahead point theta - lr mu v lands on the next theta; `state.theta` keeps it.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def update(self, w, g, state):
        state.theta = w - self.lr * g
        velocity = discounted_sum(state.gradients, self.momentum)
        return state.theta - self.lr * self.momentum * velocity


@dataclass
class AdaGrad(Oracle):
    """Duchi, Hazan and Singer 2011, Figure 1 (diagonal), with epsilon outside the root."""

    learning_rate: float = 0.01
    epsilon: float = 1e-7

    def update(self, w, g, state):
        return w - self.lr * g / (np.sqrt(sum(squares(state.gradients))) + self.epsilon)


@dataclass
class AdaDelta(Oracle):
    """Zeiler 2012 (arXiv 1212.5701), Algorithm 1, with a rate on top that the paper does not have."""

    learning_rate: float = 1.0
    rho: float = 0.95
    epsilon: float = 1e-6

    def update(self, w, g, state):
        # The mean of no updates at all is 0: the first step is the root of epsilon over the gradient's.
        state.updates = getattr(state, "updates", [])
        rms_g = np.sqrt(moving_average(squares(state.gradients), self.rho) + self.epsilon)
        rms_update = np.sqrt(moving_average(squares(state.updates), self.rho) + self.epsilon)
        state.updates.append(-rms_update / rms_g * g)
        return w + self.lr * state.updates[-1]


@dataclass
class RMSProp(Oracle):
    """Tieleman and Hinton 2012, lecture 6e, with epsilon outside the root."""

    learning_rate: float = 0.001
    rho: float = 0.9
    epsilon: float = 1e-7

    def update(self, w, g, state):
        return w - self.lr * g / (np.sqrt(moving_average(squares(state.gradients), self.rho)) + self.epsilon)


@dataclass
class Adam(Oracle):
    """Kingma and Ba 2015 (arXiv 1412.6980), Algorithm 1; AMSGrad: Reddi, Kale and Kumar 2018, Algorithm 2.

    AMSGrad's paper has no bias correction: here the maximum is of the second moments before it, as in torch.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    bias_correction: bool = True
    amsgrad: bool = False

    def update(self, w, g, state):
        m = moving_average(state.gradients, self.beta_1)
        v = moving_average(squares(state.gradients), self.beta_2)
        if self.amsgrad:
            v = state.v_max = np.maximum(v, getattr(state, "v_max", v))
        if self.bias_correction:
            # A moving average of ones is the factor by which the start at 0 has made the averages too small.
            m = m / moving_average([1.0] * self.t, self.beta_1)
            v = v / moving_average([1.0] * self.t, self.beta_2)
        return w - self.lr * m / (np.sqrt(v) + self.epsilon)


@dataclass
class Nadam(Oracle):
    """Dozat 2016, Algorithm 2, with his schedule mu_t = beta_1 (1 - 0.96^(t / 250) / 2)."""

    learning_rate: float = 0.002
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 0.004

    def update(self, w, g, state):
        mu = [self.beta_1 * (1 - 0.5 * 0.96 ** (self.momentum_decay * t)) for t in range(1, self.t + 2)]
        m_hat = moving_average(state.gradients, self.beta_1) / (1 - math.prod(mu))
        g_hat = g / (1 - math.prod(mu[:-1]))
        v_hat = weighted_mean(squares(state.gradients), self.beta_2)
        return w - self.lr * (mu[-1] * m_hat + (1 - mu[-2]) * g_hat) / (np.sqrt(v_hat) + self.epsilon)


@dataclass
class RAdam(Oracle):
    """Liu 2020 (arXiv 1908.03265), Algorithm 2; the length rho_t from the definition that precedes equation 4."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    rho_threshold: float = 4.0

    def update(self, w, g, state):
        m_hat = weighted_mean(state.gradients, self.beta_1)
        # rho_t: the length of the plain average whose mean age, (rho + 1) / 2, is that of the moving average.
        mean_age = weighted_mean(range(self.t, 0, -1), self.beta_2)
        rho = 2 * mean_age - 1
        rho_inf = 2 / (1 - self.beta_2) - 1
        if rho <= self.rho_threshold:
            return w - self.lr * m_hat
        v_hat = weighted_mean(squares(state.gradients), self.beta_2)
        r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        return w - self.lr * r * m_hat / (np.sqrt(v_hat) + self.epsilon)


@dataclass
class QHM(Oracle):
    """Ma and Yarats 2019 (arXiv 1810.06801), equations 3 and 4: damped momentum, mixed with the plain gradient."""

    learning_rate: float = 1.0
    momentum: float = 0.999
    nu: float = 0.7

    def update(self, w, g, state):
        return w - self.lr * ((1 - self.nu) * g + self.nu * moving_average(state.gradients, self.momentum))


@dataclass
class Yogi(Oracle):
    """Zaheer 2018, Algorithm 2, which corrects no bias; the second moment moves by g^2, whatever its distance."""

    learning_rate: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-3
    initial_accumulator: float = 1e-6
    bias_correction: bool = False

    def update(self, w, g, state):
        v = getattr(state, "v", np.full_like(w, self.initial_accumulator))
        direction = np.where(g**2 > v, 1.0, np.where(g**2 < v, -1.0, 0.0))
        v = state.v = v + direction * (1 - self.beta_2) * g**2
        m = moving_average(state.gradients, self.beta_1)
        if self.bias_correction:
            m, v = m / (1 - self.beta_1**self.t), v / (1 - self.beta_2**self.t)
        return w - self.lr * m / (np.sqrt(v) + self.epsilon)


@dataclass
class AdaBelief(Oracle):
    """Zhuang 2020 (arXiv 2010.07468), Algorithm 2: epsilon joins the accumulator at every step, and the root."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-16

    def update(self, w, g, state):
        history = state.gradients
        predictions = [moving_average(history[: i + 1], self.beta_1) for i in range(self.t)]
        surprises = [np.square(g - m) for g, m in zip(history, predictions, strict=True)]
        s = moving_average(surprises, self.beta_2) + self.epsilon * discounted_sum([1.0] * self.t, self.beta_2)
        m_hat, s_hat = predictions[-1] / (1 - self.beta_1**self.t), s / (1 - self.beta_2**self.t)
        return w - self.lr * m_hat / (np.sqrt(s_hat) + self.epsilon)


@dataclass
class LARS(Oracle):
    """You, Gitman and Ginsburg 2017 (arXiv 1708.03888), equation 6 and Algorithm 1: the rate inside the velocity.

    Biases and norm parameters, which have fewer than two axes, are trained with plain momentum and do not decay.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    trust_coefficient: float = 0.001
    epsilon: float = 0.0
    weight_decay: float | None = None

    def update(self, w, g, state):
        decay = (self.weight_decay or 0.0) if w.ndim >= 2 else 0.0
        norm_w, norm_g = np.linalg.norm(w), np.linalg.norm(g)
        ratio = 1.0
        if w.ndim >= 2 and norm_w > 0 and norm_g > 0:
            ratio = self.trust_coefficient * norm_w / (norm_g + decay * norm_w + self.epsilon)
        state.moves = getattr(state, "moves", [])
        state.moves.append(self.lr * ratio * (g + decay * w))
        return w - discounted_sum(state.moves, self.momentum)


@dataclass
class NovoGrad(Oracle):
    """Ginsburg 2019 (arXiv 1905.11286), Algorithm 1: one second moment a variable, which starts as ||g_1||^2."""

    learning_rate: float = 0.01
    beta_1: float = 0.95
    beta_2: float = 0.98
    epsilon: float = 1e-8
    weight_decay: float | None = None

    def update(self, w, g, state):
        first, *later = [np.sum(np.square(gradient)) for gradient in state.gradients]
        v = self.beta_2 ** (self.t - 1) * first + moving_average(later, self.beta_2)
        state.moves = getattr(state, "moves", [])
        state.moves.append(g / (np.sqrt(v) + self.epsilon) + (self.weight_decay or 0.0) * w)
        return w - self.lr * discounted_sum(state.moves, self.beta_1)


@dataclass
class COCOB(Oracle):
    """Orabona and Tommasi 2017 (arXiv 1705.07795), Algorithm 2 (COCOB-Backprop); their g is minus the gradient.

    The paper has no rate: `learning_rate` multiplies the step from the old weights to the ones it asks for.
    """

    learning_rate: float = 1.0
    alpha: float = 100.0
    epsilon: float = 1e-8

    def update(self, w, g, state):
        bets = [-gradient for gradient in state.gradients]
        largest = np.max(np.abs([np.full_like(w, self.epsilon), *bets]), axis=0)
        total = np.sum(np.abs(bets), axis=0)
        state.reward = np.maximum(getattr(state, "reward", 0.0) + (w - state.initial) * bets[-1], 0.0)
        fraction = sum(bets) / (largest * np.maximum(total + largest, self.alpha * largest))
        target = state.initial + fraction * (largest + state.reward)
        return w + self.lr * (target - w)


@dataclass
class Prodigy(Oracle):
    """Mishchenko and Defazio 2023 (arXiv 2306.06101), Algorithm 4, with the options of the authors' code.

    `d` estimates the distance to the solution, over all variables together, and never shrinks.
    """

    learning_rate: float = 1.0
    beta_1: float = 0.9
    beta_2: float = 0.999
    beta_3: float | None = None
    epsilon: float = 1e-8
    initial_d: float = 1e-6
    d_coefficient: float = 1.0
    growth_rate: float = math.inf
    bias_correction: bool = False
    safeguard_warmup: bool = False
    weight_decay: float | None = None

    def update_all(self, weights):
        if self.t == 1:
            self.d, self.d_max = self.initial_d, self.initial_d
            self.distances, self.ds, self.pulls = [], [], [[] for _ in weights]
        beta_3 = math.sqrt(self.beta_2) if self.beta_3 is None else self.beta_3
        d, rate = self.d, self.d * self.lr
        if self.bias_correction:
            rate *= math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)

        # How far the gradients see the weights from their start, and how far they pull; d / initial_d only scales.
        scale = d / self.initial_d
        gradients = [state.gradients[-1] for state in self.state]
        seen = sum(np.sum(g * (s.initial - w)) for g, s, w in zip(gradients, self.state, weights, strict=True))
        self.distances.append(scale * rate * seen)
        for pulls, g in zip(self.pulls, gradients, strict=True):
            pulls.append(scale * (d if self.safeguard_warmup else rate) * g)
        self.ds.append(d)
        total_pull = sum(np.sum(np.abs(discounted_sum(pulls, beta_3))) for pulls in self.pulls)
        if total_pull == 0:
            return [w.copy() for w in weights]  # no gradient has been seen yet

        estimate = self.d_coefficient * discounted_sum(self.distances, beta_3) / total_pull
        if d == self.initial_d:
            d = max(d, estimate)
        self.d_max = max(self.d_max, estimate)
        self.d = min(self.d_max, d * self.growth_rate)

        new_weights = []
        for w, state in zip(weights, self.state, strict=True):
            scaled = [d * g for d, g in zip(self.ds, state.gradients, strict=True)]
            m, v = moving_average(scaled, self.beta_1), moving_average(squares(scaled), self.beta_2)
            move = m / (np.sqrt(v) + self.d * self.epsilon) + (self.weight_decay or 0.0) * w
            new_weights.append(w - rate * move)
        return new_weights


@dataclass
class ScheduleFreeAdamW(Oracle):
    """Defazio 2024 (arXiv 2405.15682), Algorithm 1. The weights given and returned are y; `state.x` is the average.

    z takes the steps, x is the mean of all z so far, weighted by t^r max(lr)^weight_lr_power, and gradients are
    taken at y = beta_1 x + (1 - beta_1) z.
    """

    learning_rate: float = 0.0025
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0
    r: float = 0.0
    weight_lr_power: float = 2.0
    weight_decay: float = 0.0

    def update_all(self, weights):
        lr = self.lr * min(1.0, self.t / self.warmup_steps) if self.warmup_steps else self.lr
        self.rates = [*getattr(self, "rates", []), lr]
        return [self.update(y, s.gradients[-1], s) for y, s in zip(weights, self.state, strict=True)]

    def update(self, y, g, state):
        v_hat = weighted_mean(squares(state.gradients), self.beta_2)
        move = g / (np.sqrt(v_hat) + self.epsilon) + self.weight_decay * y
        state.z = [*getattr(state, "z", [state.initial])]
        state.z.append(state.z[-1] - self.rates[-1] * move)
        weights = [t**self.r * max(self.rates[:t]) ** self.weight_lr_power for t in range(1, self.t + 1)]
        steps = list(zip(weights, state.z[1:], strict=True))
        state.x = sum(a * z for a, z in steps) / sum(weights) if sum(weights) else state.initial
        return self.beta_1 * state.x + (1 - self.beta_1) * state.z[-1]


class Lookahead:
    """Zhang 2019 (arXiv 1907.08610), Algorithm 1: the slow weights start as the weights before the first step."""

    def __init__(self, inner, sync_period=5, slow_step_size=0.5):
        self.inner = inner
        self.sync_period = sync_period
        self.slow_step_size = slow_step_size
        self.t = 0

    def step(self, weights, gradients):
        if self.t == 0:
            self.slow = [np.array(w, "float64") for w in weights]
        self.t += 1
        fast = self.inner.step(weights, gradients)
        if self.t % self.sync_period:
            return fast
        alpha = self.slow_step_size
        self.slow = [(1 - alpha) * s + alpha * f for s, f in zip(self.slow, fast, strict=True)]
        return [s.copy() for s in self.slow]
