"""The learning-rate range test."""

import itertools
import math

import keras
import numpy as np

from kerasopt._arguments import at_least, within
from kerasopt.callbacks._borrowed import untouched
from kerasopt.callbacks._policy import settable


class LearningRateFinder:
    """Sweep the rate from tiny to huge over a few batches, and look where the loss falls.

    In step `i` = 0, 1, ... the model makes one training step on one batch, at the rate

        rate = low * (high / low)**(i / (steps - 1))

    and the loss of that batch is smoothed, with the bias of the zero start corrected:

        mean = smoothing * mean + (1 - smoothing) * loss
        smoothed = mean / (1 - smoothing**(i + 1))

    The sweep ends when the smoothed loss exceeds `stop` times its best, or is no number. Two rules then suggest a rate:

    - **steepest**: where the smoothed loss falls fastest in the logarithm of the rate, over a tenth of the sweep;
    - **valley**: two thirds of the way, in the logarithm of the rate, along the longest sequence of falling losses; the
      more cautious of the two.

    Never take the rate of the lowest loss, which is about to diverge: it is the usual mistake. Take these suggestions
    as the middle of a search, and as the highest rate of a cycle.

    The model comes out as it went in, bit for bit, also after an error or Ctrl-C: weights, batch-norm statistics,
    random states, metrics, and the optimizer's slots, rate and iterations (the slots of a fresh optimizer now exist, at
    their first values).

    Args:
        low: First rate, in (0, inf).
        high: Last rate, above `low`.
        steps: Training steps of the whole sweep, an integer >= 10.
        smoothing: Share of the mean kept in a step, in [0, 1). The smoothed curve lags about `1 / (1 - smoothing)`
            steps behind.
        stop: Multiple, in (1, inf), of the best smoothed loss at which the sweep ends.

    Attributes:
        learning_rates: The rates tried, an array.
        losses: The loss of each batch before its step.
        smoothed: The same, smoothed.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.callbacks import LearningRateFinder
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.default_rng(0).normal(size=(256, 2))
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.01), "mse")
        >>> finder = LearningRateFinder().find(model, x, x @ [[3.0], [-2.0]])
        >>> rates = finder.suggestions()
        >>> print(all(0.001 < rates[rule] < 1 for rule in ("steepest", "valley")))
        True

    Differences:
        Keras logs the mean loss of an epoch so far; these are the losses of single batches.

    Reference:
        Smith, "Cyclical learning rates for training neural networks" (2017), arXiv 1506.01186, section 3.3, the range
        test; Howard and others, fastai, for the geometric sweep, the stop at 4 times the best, and the two rules.
    """

    def __init__(self, low=1e-6, high=10.0, steps=100, smoothing=0.9, stop=4.0):
        self.low = within("(0, inf)", low=low)
        self.high = within(f"({self.low}, inf)", high=high)
        self.steps = at_least(10, steps=steps)
        self.smoothing = within("[0, 1)", smoothing=smoothing)
        self.stop = within("(1, inf)", stop=stop)
        self.learning_rates = self.losses = self.smoothed = np.array([])

    def find(self, model, x, y=None, sample_weight=None, batch_size=32, seed=0):
        """Make the sweep.

        Args:
            model: A built model, compiled with an optimizer whose rate is a number.
            x: Inputs, an array or a structure of arrays; or, without `y`, an iterable of batches `(x, y)` or
                `(x, y, sample_weight)`, a `tf.data.Dataset` or a `keras.utils.PyDataset` for example, which is started
                again when it ends.
            y: Targets, an array or a structure of arrays.
            sample_weight: Weight of each sample in the loss, or None.
            batch_size: Samples a step, an integer >= 1: as in the training to come, since the best rate depends on it.
            seed: Non-negative integer that fixes the order of the samples.

        Returns:
            The finder itself.
        """
        settable(model, "LearningRateFinder")
        if not model.built:
            raise ValueError("Argument `model` must be built: give it a `keras.Input`, or call it on a batch.")
        rates = self.low * (self.high / self.low) ** np.linspace(0, 1, self.steps)
        batches = _batches(x, y, sample_weight, at_least(1, batch_size=batch_size), at_least(0, seed=seed))
        points, mean, best = [], 0.0, math.inf
        with untouched(model):
            for rate, batch in zip(rates, batches, strict=False):
                model.optimizer.learning_rate = float(rate)
                loss = float(model.train_on_batch(*batch, return_dict=True)["loss"])  # which resets Keras's mean
                if not math.isfinite(loss):
                    break
                mean = self.smoothing * mean + (1 - self.smoothing) * loss
                smoothed = mean / (1 - self.smoothing ** (len(points) + 1))
                points.append((rate, loss, smoothed))
                best = min(best, smoothed)
                if smoothed > self.stop * best:
                    break
        self.learning_rates, self.losses, self.smoothed = np.array(points).reshape(-1, 3).T
        return self

    def suggestions(self):
        """Apply the rules to the last sweep.

        Returns:
            A dictionary from the rule's name, "steepest" and "valley", to a rate.
        """
        # The mean of the first few losses is mostly their noise.
        settled = min(self.steps // 10, len(self.smoothed) // 2)
        rates, losses = self.learning_rates[settled:], self.smoothed[settled:]
        if len(losses) < 3 or (losses[1:] >= losses[0]).all():
            raise ValueError(
                f"The loss did not fall at any of {len(losses)} rates: sweep from a lower `low`, or with more `steps` "
                "or larger batches."
            )
        half = max(1, len(losses) // 20)  # of the stretch that a slope is taken over, since neighbours differ by noise
        steepest = half + (losses[2 * half :] - losses[: -2 * half]).argmin()
        falling = _longest_fall(losses)
        valley = rates[falling[0]] ** (1 / 3) * rates[falling[-1]] ** (2 / 3)
        return {"steepest": float(rates[steepest]), "valley": float(valley)}

    def plot(self, ax=None):
        """Draw the losses over the rate, with the suggestions.

        Args:
            ax: Axes to draw into; a new figure by default.

        Returns:
            The Axes.
        """
        from kerasopt.plotting import COLORS, subplots

        ax = ax if ax is not None else subplots()[1]
        ax.plot(self.learning_rates, self.losses, color=COLORS[0], alpha=0.3, label="batch")
        ax.plot(self.learning_rates, self.smoothed, color=COLORS[0], label="smoothed")
        for (rule, rate), color, style in zip(self.suggestions().items(), COLORS[1:], ("--", ":"), strict=False):
            ax.axvline(rate, color=color, linestyle=style, label=f"{rule} {rate:.2g}")
        low, high = self.smoothed.min(), self.smoothed[0]
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(low - 0.1 * (high - low), 2 * high - low))
        ax.legend(frameon=False, loc="lower left")
        return ax


def _longest_fall(values):
    """Return the indices of the longest subsequence, adjacent or not, in which every value is below the one before."""
    length, before = np.ones(len(values), int), np.full(len(values), -1)
    for i in range(1, len(values)):
        above = np.flatnonzero(values[:i] > values[i])
        if len(above):
            before[i] = above[length[above].argmax()]
            length[i] = length[before[i]] + 1
    indices = [int(length.argmax())]
    while before[indices[0]] >= 0:
        indices.insert(0, int(before[indices[0]]))
    return indices


def _batches(x, y, sample_weight, batch_size, seed):
    """Yield batches without end: full ones of arrays in a fresh order each time round, or those of an iterable."""
    if isinstance(x, keras.utils.PyDataset):
        yield from (keras.utils.unpack_x_y_sample_weight(x[i % x.num_batches]) for i in itertools.count())
    elif y is None and not isinstance(x, dict) and not hasattr(x, "__array__"):
        while True:
            batch = None
            for batch in x:
                yield keras.utils.unpack_x_y_sample_weight(batch)
            if batch is None:
                return
    data = (x, y, sample_weight)
    data = keras.tree.map_structure(lambda a: None if a is None else keras.ops.convert_to_numpy(a), data)
    samples = next(len(leaf) for leaf in keras.tree.flatten(data) if leaf is not None)
    batch_size = min(batch_size, samples)
    random = np.random.default_rng(seed)
    while True:
        for some in random.permutation(samples)[: samples // batch_size * batch_size].reshape(-1, batch_size):
            yield keras.tree.map_structure(lambda a: None if a is None else a[some], data)  # noqa: B023
