"""LSUV: weights scaled layer by layer until every layer's output has unit variance on real data."""

import contextlib
import math
from collections import namedtuple

import keras
import numpy as np
from keras import ops

from kerasopt._arguments import at_least, flag, within
from kerasopt._nested import layers_within


class LSUVReport(list):
    """What `lsuv` did: a list with one entry a layer, in the order in which the data pass. It prints as a table.

    Args:
        layers: Entries with `name`; `before` and `after`, the variances of the layer's output before its activation;
            `scalings`, how often its kernel was scaled; and `reached`, whether `after` is within the tolerance.
    """

    def __init__(self, layers):
        super().__init__(layers)

    def __str__(self):
        width = max([5, *(len(layer.name) for layer in self)])
        lines = [f"{'layer':{width}}  variance before   after  scalings"]
        for layer in self:
            line = f"{layer.name:{width}}  {layer.before:15.4g}  {layer.after:6.3f}  {layer.scalings:8d}"
            lines.append(line + ("" if layer.reached else "  tolerance not reached"))
        return "\n".join(lines)


_Entry = namedtuple("_Entry", "name before after scalings reached")


def lsuv(model, x, tolerance=0.1, max_iterations=10, orthonormal=True, seed=0):
    """Give every layer's output unit variance on the data `x`: layer-sequential unit-variance initialization.

        kernel = an orthonormal matrix                                  for every layer, then, in the data's order,
        while |Var(output) - 1| >= tolerance:  kernel = kernel / sqrt(Var(output))

    The output is taken before the activation, and its variance over samples, positions and units together. It helps
    where no formula knows the right scale: unusual activations, branches, residual sums, maxima. The usual mistakes
    are to scale the bias too, to measure behind the activation, and to leave dropout on.

    Scaled are dense and convolution layers, and all others with a trainable `kernel` and an `activation` of their own,
    in nested models as well; recurrent cells and frozen layers stay as they are. (In a separable convolution the
    pointwise kernel is scaled.) A layer that is used in several places is scaled to unit variance over all of them.
    The model runs in inference mode: dropout is off, and batch normalization uses its moving statistics.

    Args:
        model: A built model: sequential, functional, or subclassed. Its kernels are changed in place.
        x: Input samples, as the model takes them; a batch of some hundreds is enough.
        tolerance: How far a variance may stay from 1, in (0, 1).
        max_iterations: How often a kernel is scaled at most, at least 1.
        orthonormal: Whether to draw all kernels anew, as the paper does, or to scale the ones that are there.
        seed: Seed of the draws, a non-negative integer.

    Returns:
        An `LSUVReport`.

    Raises:
        ValueError: If the model is not built or has nothing to scale, if `x` is empty or not finite, if a layer's
            output does not vary, or if an argument is outside its interval. The kernels are then as they were.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.initializers import lsuv
        >>> x = 5 * np.random.default_rng(0).normal(size=(256, 50))
        >>> layers = [keras.layers.Dense(50, "relu", name=f"hidden_{i}") for i in range(2)]
        >>> report = lsuv(keras.Sequential([keras.Input((50,)), *layers]), x)
        >>> [(layer.name, abs(layer.after - 1) < 0.1, layer.scalings) for layer in report]
        [('hidden_0', True, 1), ('hidden_1', True, 1)]

    Reference:
        Mishkin and Matas, "All you need is a good init" (2016), arXiv 1511.06422, Algorithm 1.
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"Argument `model` must be a built Keras model. Received: model={model!r}")
    arrays = [np.asarray(array) for array in keras.tree.flatten(x)]
    if not arrays or not all(array.size and np.all(np.isfinite(array)) for array in arrays):
        raise ValueError(f"Argument `x` must hold finite numbers. Received: shapes {[a.shape for a in arrays]}")
    tolerance = within("(0, 1)", tolerance=tolerance)
    max_iterations = at_least(1, max_iterations=max_iterations)
    orthonormal, seed = flag(orthonormal=orthonormal), at_least(0, seed=seed)

    layers = [layer for layer in layers_within(model) if _kernels(layer)]
    with _kernels_kept_on_error(layers), _listening(layers) as heard:

        def variances():
            heard.clear()
            model(x, training=False)
            return {layer: float(np.var(np.concatenate(outputs))) for layer, outputs in heard.items()}

        before = variances()
        if not before:
            raise ValueError(
                "Argument `model` must have a trainable layer with a kernel and an activation. "
                f"Received: model={model!r}"
            )
        for number, kernel in enumerate(kernel for layer in before for kernel in _kernels(layer)):
            if orthonormal:
                kernel.assign(keras.initializers.Orthogonal(seed=seed + number)(kernel.shape, kernel.dtype))
        scalings = dict.fromkeys(before, 0)
        now = variances()
        for layer in before:  # a dictionary keeps the order in which the data came by
            while abs(now[layer] - 1) >= tolerance and scalings[layer] < max_iterations:
                if not 0 < now[layer] < math.inf:
                    raise ValueError(
                        "Argument `x` must make the output of every layer vary. "
                        f"Received: a variance of {now[layer]} in layer {layer.name!r}"
                    )
                last_kernel = _kernels(layer)[-1]
                last_kernel.assign(last_kernel / math.sqrt(now[layer]))
                scalings[layer] += 1
                now = variances()
    return LSUVReport(
        _Entry(layer.name, before[layer], v, scalings[layer], abs(v - 1) < tolerance) for layer, v in now.items()
    )


def _kernels(layer):
    """Return the kernels that can be scaled, the last one applied last."""
    if not layer.trainable or not hasattr(layer, "activation") or hasattr(layer, "state_size"):
        return []  # what has a state is a recurrent cell
    kernels = [getattr(layer, name, None) for name in ("kernel", "depthwise_kernel", "pointwise_kernel")]
    return [kernel for kernel in kernels if isinstance(kernel, keras.Variable)]


@contextlib.contextmanager
def _listening(layers):
    """Yield a dictionary in which each layer's outputs before the activation arrive, as flat float64 arrays."""
    heard = {}

    def listener(layer, activation):
        def listen(output):
            values = ops.convert_to_numpy(ops.cast(output, "float32"))
            heard.setdefault(layer, []).append(np.ravel(values).astype("float64"))
            return output if activation is None else activation(output)

        return listen

    # Not by assignment, which Keras would track. torch keeps an activation that is a layer somewhere else.
    own = [(layer, vars(layer).get("activation")) for layer in layers]
    try:
        for layer in layers:
            vars(layer)["activation"] = listener(layer, layer.activation)
        yield heard
    finally:
        for layer, activation in own:
            vars(layer).pop("activation", None)
            if activation is not None:
                vars(layer)["activation"] = activation


@contextlib.contextmanager
def _kernels_kept_on_error(layers):
    kept = [(kernel, ops.copy(kernel)) for layer in layers for kernel in _kernels(layer)]
    try:
        yield
    except BaseException:
        for kernel, value in kept:
            kernel.assign(value)
        raise
