"""Compare a gradient with differences of the loss."""

import html
from dataclasses import dataclass, field
from numbers import Integral, Real

import keras
import numpy as np
from keras import ops

from kerasopt._autodiff import ModelObjective, Objective, cut, precision, rebuilt

FINE, WRONG = 1e-7, 1e-3
ROUNDING = 20 * np.finfo("float64").eps  # of a loss near 1, summed over a batch
GAP = 1e-4  # a bend of the loss below this fraction of its slopes is not told from rounding


@dataclass(frozen=True)
class GradientCheck:
    """What `gradient_check` found; it prints as a table.

    Attributes:
        names: One name a layer's weight.
        errors: Relative error of each.
        checked: How many of its parameters were compared.
        sizes: How many it has.
        kinks: How many of those compared lie at a kink that explains the difference; they are left out of the error.
        error: Relative error over all.
        verdict: "right", "suspicious" or "wrong".
    """

    names: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    checked: list = field(default_factory=list)
    sizes: list = field(default_factory=list)
    kinks: list = field(default_factory=list)
    error: float = 0.0
    verdict: str = "right"

    def rows(self):
        """The table, a tuple of texts a row, the heading first.

        Returns:
            List of tuples.
        """
        parts = zip(self.names, self.errors, self.checked, self.sizes, self.kinks, strict=True)
        rows = [(n, f"{e:.1e}", f"{c:,} of {s:,}", f"{k:,}", _verdict(e)) for n, e, c, s, k in parts]
        total = ("all", f"{self.error:.1e}", f"{sum(self.checked):,} of {sum(self.sizes):,}", f"{sum(self.kinks):,}")
        return [("weight", "relative error", "checked", "kinks", "verdict"), *rows, (*total, self.verdict)]

    def __repr__(self):
        widths = [max(map(len, column)) for column in zip(*self.rows(), strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in self.rows())

    def _repr_html_(self):
        lines = ["".join(f"<td>{html.escape(text)}</td>" for text in row) for row in self.rows()]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def gradient_check(target, x, y=None, sample_weight=None, gradient=None, step=1e-5, max_parameters=1000, seed=0):
    """Compare a gradient g with central differences d of the function, in float64.

        d_i = (f(w + h_i e_i) - f(w - h_i e_i)) / (2 h_i),   h_i = step * max(1, |w_i|)
        error = ||g - d|| / (||g|| + ||d||)

    for each weight and over all. At most 1e-7 is "right", at most 1e-3 "suspicious", more is "wrong". Where both are
    zero, or differ by no more than rounding can explain, the error is 0.

    The loss is the whole one, regularizers included. Dropout is off and batch norm uses its moving statistics, or
    differences would compare different functions. At a kink, such as a rectifier's at 0, no derivative exists: where
    one-sided slopes disagree by enough to explain a difference, the parameter is counted as a kink and left out. A
    trained model's gradient is small: check before training as well.

    Args:
        target: What is checked: a built and compiled model; a layer, of which a random combination of outputs is
            differentiated by weights and inputs; or a function of one array, written with `keras.ops` unless
            `gradient` is given.
        x: The model's or layer's inputs, or the function's point. A few dozen samples do.
        y: The model's targets.
        sample_weight: The model's sample weights.
        gradient: A hand-written gradient to check rather than the backend's: of a model, a function of its trainable
            weights as a list of float64 arrays, which returns a list; of a function, a function of its point.
        step: Relative length of the step, in (0, 0.1).
        max_parameters: Most parameters compared. A model with more is sampled: as many from each weight as its share,
            but at least 10.
        seed: Of the sample and of a layer's random combination.

    Returns:
        A `GradientCheck`.

    Raises:
        ValueError: If an argument is out of range; if the model is not built or compiled, cannot be rebuilt in float64,
            or its data are empty or not finite; if two evaluations at one point differ.

    Example:
        >>> import numpy as np
        >>> from kerasopt.diagnostics import gradient_check
        >>> gradient_check(lambda w: np.sum(w**3), np.array([1.0, 2.0]), gradient=lambda w: 3 * w**2).verdict
        'right'
        >>> print(gradient_check(lambda w: np.sum(w**2), np.array([1.0, 2.0]), gradient=lambda w: w))
        weight  relative error  checked  kinks  verdict
        point   3.3e-01         2 of 2   0      wrong
        all     3.3e-01         2 of 2   0      wrong

    Reference:
        Bengio, "Practical recommendations for gradient-based training of deep architectures" (2012), arXiv 1206.5533,
        section 4.2.
    """
    if not (isinstance(step, Real) and 0 < step < 0.1):
        raise ValueError(f"Argument `step` must be in (0, 0.1). Received: step={step}")
    if not (isinstance(max_parameters, Integral) and max_parameters > 0):
        raise ValueError(f"Argument `max_parameters` must be a positive integer. Received: {max_parameters}")
    rng = np.random.default_rng(seed)
    value, slope, start, names, shapes = _problem(target, x, y, sample_weight, gradient, rng)
    if not np.isfinite(start).all():
        raise ValueError("The point of the check must be finite. Received: NaN or infinity")
    center = value(start)
    if not np.isfinite(center) or value(start) != center:
        raise ValueError(f"The function must be finite, and the same twice. Received: {center}, {value(start)}")
    analytic = np.asarray(slope(start), dtype="float64")
    if analytic.shape != start.shape:
        raise ValueError(f"The gradient must be shaped as the point, {start.shape}. Received: {analytic.shape}")

    sizes = [int(np.prod(shape)) for shape in shapes]
    result = GradientCheck(names, sizes=sizes)
    squares = []
    for begin, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        count = size if start.size <= max_parameters else min(size, max(10, size * max_parameters // start.size))
        indices = begin + np.sort(rng.choice(size, count, replace=False))
        # Of a weight that is sampled the gradient's largest entry is always compared: a small sample may be all zero.
        largest = begin + np.abs(analytic[begin : begin + size]).argmax()
        if largest not in indices:
            indices[0] = largest
        steps = step * np.maximum(1.0, np.abs(start[indices]))
        pairs = [_differences(value, center, start, i, h) for i, h in zip(indices, steps, strict=True)]
        numeric, bend = np.array(pairs).reshape(-1, 2).T
        g = analytic[indices]
        noise = ROUNDING * max(1.0, abs(center)) / step
        kink = (bend > np.maximum(GAP * (np.abs(g) + np.abs(numeric)), 10 * noise)) & (abs(g - numeric) <= 10 * bend)
        squares.append([np.sum(np.square(part[~kink])) for part in (g - numeric, g, numeric)])
        result.errors.append(_relative(squares[-1], noise * np.sqrt(count)))
        result.checked.append(count)
        result.kinks.append(int(kink.sum()))
    error = _relative(np.sum(squares, axis=0), noise * np.sqrt(sum(result.checked)))
    # A wrong gradient of a small weight must not drown in a large one's.
    verdict = _verdict(max(error, *result.errors))
    return GradientCheck(names, result.errors, result.checked, sizes, result.kinks, error, verdict)


def _problem(target, x, y, sample_weight, gradient, rng):
    """The value and gradient as functions of a flat point, the point, and the names and shapes of its parts."""
    if isinstance(target, keras.Model):
        loss = ModelObjective(target, x, y, sample_weight)

        def by_hand(point):
            parts = gradient(loss.split(point))
            shapes = [np.shape(part) for part in parts]
            if shapes != loss.shapes:
                raise ValueError(f"The gradient must return shapes {loss.shapes}. Received: {shapes}")
            return loss.flat(parts)

        slope = by_hand if gradient else lambda point: loss.value_and_gradient(point)[1]
        return loss.value, slope, loss.start, loss.paths, loss.shapes
    if y is not None or sample_weight is not None:
        raise ValueError("Arguments `y` and `sample_weight` must be None where `target` is not a model.")
    if isinstance(target, keras.layers.Layer):
        if gradient is not None:
            raise ValueError("Argument `gradient` must be None where `target` is a layer.")
        return _layer_problem(target, x, rng)
    if not callable(target):
        raise ValueError(f"Argument `target` must be a model, a layer or a function. Received: {target}")
    shape = np.shape(x)
    start = np.asarray(x, dtype="float64").ravel()
    if gradient is not None:
        return (
            lambda point: float(target(point.reshape(shape))),
            lambda point: np.ravel(gradient(point.reshape(shape))),
            start,
            ["point"],
            [shape],
        )
    function = Objective(lambda point: target(ops.reshape(point, shape)))
    return function.value, lambda point: function.value_and_gradient(point)[1], start, ["point"], [shape]


def _layer_problem(layer, x, rng):
    """A random combination of a layer's outputs as a function of its weights and, unless they are integers, inputs."""
    x = np.asarray(x)
    floating = np.issubdtype(x.dtype, np.floating)
    with precision("float64"):
        clone = rebuilt(layer, x)
        if not clone.built:
            clone(x[:1])
        variables = clone.trainable_variables
        combination = ops.convert_to_tensor(rng.standard_normal(tuple(clone(x).shape)), dtype="float64")
    arrays = [ops.convert_to_numpy(v).astype("float64") for v in variables] + (
        [x.astype("float64")] if floating else []
    )
    if not arrays:
        raise ValueError(f"Argument `target` must have weights, or floating inputs. Received: {layer}")
    shapes = [array.shape for array in arrays]

    def function(point):
        parts = cut(point, shapes)
        with keras.StatelessScope(zip(variables, parts, strict=False)):
            return ops.sum(ops.multiply(combination, clone(parts[-1] if floating else x)))

    loss = Objective(function)
    start = np.concatenate([array.ravel() for array in arrays])
    names = [v.path for v in layer.trainable_variables or variables] + ["input"] * floating
    return loss.value, lambda point: loss.value_and_gradient(point)[1], start, names, shapes


def _differences(value, center, start, index, step):
    """The central difference along one coordinate, and how far the function is from smooth there."""

    def at(offset):
        point = start.copy()
        point[index] += offset
        return value(point)

    ahead, behind, half_ahead, half_behind = at(step), at(-step), at(step / 2), at(-step / 2)
    whole, half = (ahead - behind) / (2 * step), (half_ahead - half_behind) / step
    # The one-sided slopes of a smooth function differ in proportion to the step, and its central ones hardly at all.
    whole_gap = (ahead - 2 * center + behind) / step
    half_gap = 2 * (half_ahead - 2 * center + half_behind) / step
    return whole, abs(whole_gap - 2 * half_gap) + abs(whole - half)


def _relative(squares, noise):
    """||g - d|| / (||g|| + ||d||) from the three squared norms; 0 below the noise."""
    difference, analytic, numeric = np.sqrt(squares)
    return 0.0 if difference <= noise else float(difference / (analytic + numeric))


def _verdict(error):
    return "right" if error <= FINE else "suspicious" if error <= WRONG else "wrong"
