"""The 1cycle policy."""

import math

import keras
from keras import ops

from kerasopt._arguments import at_least, flag, within
from kerasopt.schedules._base import Schedule, in_steps


@keras.saving.register_keras_serializable(package="kerasopt")
class OneCycle(Schedule):
    """One cycle for the whole training: up to a high rate, then down to one far below the start.

        initial = max_learning_rate / div_factor
        final = initial / final_div_factor
        phases: initial -> max_learning_rate -> final
        with three_phase: initial -> max_learning_rate -> initial -> final

    The first phase ends at step `rise * steps - 1`, the second of three at `2 * rise * steps - 2`, the last at
    `steps - 1`, and from there on the rate stays `final`. Within a phase, with `p` from 0 to 1, the rate goes from
    `a` to `b` as

        rate = a + (b - a) * (1 - cos(pi * p)) / 2      anneal="cos"
        rate = a + (b - a) * p                          anneal="linear"

    The high rate in the middle regularizes, so that other regularization should be weaker than usual; with the momentum
    cycling the other way (`kerasopt.callbacks.OneCycle`) rates may be higher still. The usual mistakes: `steps` that
    are not those of the training, so that the end, which brings most of the accuracy, is never reached; and a last rate
    equal to the first.

    Args:
        max_learning_rate: Highest rate, in [0, inf); `kerasopt.callbacks.LearningRateFinder` suggests one.
        steps: Steps of the whole training, an integer >= 1.
        rise: Share of the steps in which the rate rises, in (0, 1), with `three_phase` in (0, 0.5].
        div_factor: Highest rate over the first one, in [1, inf).
        final_div_factor: First rate over the last one, in [1, inf).
        anneal: "cos" or "linear".
        three_phase: Whether the rate falls as long as it rose and then drops to the last rate, as in the paper.

    Raises:
        ValueError: If an argument is outside its interval.

    Example:
        >>> from kerasopt.schedules import OneCycle
        >>> schedule = OneCycle(1.0, steps=11, rise=0.5, div_factor=10, anneal="linear")
        >>> print([round(float(schedule(step)), 3) for step in (0, 2, 4, 5, 10)])
        [0.1, 0.5, 0.9, 0.909, 0.0]

    Differences:
        The rates are those of `torch.optim.lr_scheduler.OneCycleLR` with `pct_start=rise`, at every step.

    Reference:
        Smith, "A disciplined approach to neural network hyper-parameters: part 1" (2018), arXiv 1803.09820, section
        4.1; Smith and Topin, "Super-convergence" (2017), arXiv 1708.07120.
    """

    def __init__(
        self,
        max_learning_rate,
        steps,
        rise=0.3,
        div_factor=25.0,
        final_div_factor=1e4,
        anneal="cos",
        three_phase=False,
    ):
        self.max_learning_rate = within("[0, inf)", max_learning_rate=max_learning_rate)
        self.steps = at_least(1, steps=steps)
        self.three_phase = flag(three_phase=three_phase)
        self.rise = within("(0, 0.5]" if three_phase else "(0, 1)", rise=rise)
        self.div_factor = within("[1, inf)", div_factor=div_factor)
        self.final_div_factor = within("[1, inf)", final_div_factor=final_div_factor)
        if anneal not in ("cos", "linear"):
            raise ValueError(f"Argument `anneal` must be 'cos' or 'linear'. Received: anneal={anneal!r}")
        self.anneal = anneal

    @classmethod
    def from_epochs(cls, max_learning_rate, epochs, *, steps_per_epoch, **kwargs):
        """Create the schedule for a training of `epochs` epochs of `steps_per_epoch` batches."""
        return cls(max_learning_rate, in_steps(epochs, steps_per_epoch), **kwargs)

    def rate(self, step):
        """Return the rate of an integer step."""
        top, first = self.max_learning_rate, self.max_learning_rate / self.div_factor
        last = first / self.final_div_factor
        return self._through([first, top, first, last] if self.three_phase else [first, top, last], step)

    def momentum(self, step, low, high):
        """Return the momentum that cycles the other way between two bounds: `high` where the rate is lowest."""
        points = [high, low, high, high] if self.three_phase else [high, low, high]
        return self._through(points, ops.cast(step, "int32"))

    def _through(self, points, step):
        """Anneal from point to point, one phase between two of them."""
        first_end = self.rise * self.steps - 1
        ends = [first_end, 2 * first_end, self.steps - 1] if self.three_phase else [first_end, self.steps - 1]
        step = ops.clip(step, 0, self.steps - 1)
        starts = [0, *ends[:-1]]
        phases = list(zip(starts, ends, points[:-1], points[1:], strict=True))
        value = self._between(step, *phases.pop())
        for phase in reversed(phases):
            if (end := phase[1]) > 0:  # A phase shorter than a step is none.
                value = ops.where(step <= math.floor(end), self._between(step, *phase), value)
        return value

    def _between(self, step, start, end, a, b):
        # The sum of two shares keeps the digits of the smaller rate, which a difference of the larger ones loses.
        done = ops.cast(step - math.floor(start), "float32") - (start - math.floor(start))
        left = ops.cast(math.floor(end) - step, "float32") + (end - math.floor(end))
        return a * self._share(left / (end - start)) + b * self._share(done / (end - start))

    def _share(self, p):
        p = ops.clip(p, 0.0, 1.0)
        return ops.square(ops.sin(p * (math.pi / 2))) if self.anneal == "cos" else p
