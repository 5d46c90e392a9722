"""A model's loss along directions through its weights, with the first layer's products made once, not at every point.

    W = W0 + a W1 + b W2    gives    x W = x W0 + a x W1 + b x W2

so that all that is linear in the weights at the input is computed once a direction. In a network such as 784-256-10
that is 99 % of the work.
"""

import keras
import numpy as np
from keras import layers, ops

from kerasopt._autodiff import Objective, cut, precision

# What these make of their inputs, before the activation, is linear in kernel and bias together. The number says from
# how many inputs to a unit it pays: from fewer, an output is computed as fast as three are added up.
LINEAR = {layers.Dense: 32, layers.Conv1D: 4, layers.Conv2D: 4, layers.Conv3D: 4}
AGREEMENT = 1e-3  # relative, of two ways in float32; what is not the same function is farther away


def losses_on(loss, directions, points):
    """The losses `loss.value(loss.start + point @ directions)` of all points, by way of the first layer's products.

    Args:
        loss: A `ModelObjective`.
        directions: Array of shape `(k, n)`, `n` being the number of weights.
        points: Coordinates, of shape `(count, k)`.

    Returns:
        Array of shape `(count,)`; None if the model is more than a chain of layers or does not start with one that is
        linear in its weights, or where the other way is faster.
    """
    chain = _chain(loss.model)
    first = next((i for i, layer in enumerate(chain) if layer.trainable_variables), None)
    if first is None or not _is_linear(chain[first]):
        return None
    model, layer, shapes = loss.model, chain[first], loss.shapes
    others = list(model.non_trainable_variables)

    def value(point, start, directions, outputs, state, x, y, sample_weight):
        weights = cut(start + ops.matmul(point, directions), shapes)
        mapping = [*zip(loss.variables, weights, strict=True), *zip(others, state, strict=True)]
        with keras.StatelessScope(mapping, collect_losses=True):
            h = outputs[0]
            for i, output in enumerate(outputs[1:]):
                h = h + point[i] * output
            h = layer.activation(h) if layer.activation is not None else h
            for later in chain[first + 1 :]:
                h = later(h, training=False)
            return model.compute_loss(x=x, y=y, y_pred=h, sample_weight=sample_weight, training=False)

    objective = Objective(value, loss.dtype)
    total = np.zeros(len(points))
    with precision(loss.dtype):
        start, rows = (ops.convert_to_tensor(array, dtype=loss.dtype) for array in (loss.start, directions))
        for share, (state, x, *targets) in loss.pieces:
            h, *more = keras.tree.flatten(x)
            if more or len(h.shape) != len(model.inputs[0].shape):
                return None
            h = ops.cast(h, model.inputs[0].dtype)
            with keras.StatelessScope(collect_losses=True):  # which leaves the layers as they are
                for earlier in chain[:first]:
                    h = earlier(h, training=False)
            outputs = _outputs(layer, h, loss, [loss.start, *directions])
            objective.pieces = [(share, (start, rows, outputs, state, x, *targets))]
            total += [objective.value(point) for point in points]
    # A `call` of the model's own, a mask or a layer that knows where it stands would make this another function.
    expected = loss.value(loss.start + points[0] @ directions)
    return total if np.isclose(total[0], expected, AGREEMENT, AGREEMENT**2, equal_nan=True) else None


def _chain(model):
    """The layers of a model that calls them one after the other, without inputs; none for any other model."""
    if len(getattr(model, "inputs", None) or ()) != 1:
        return []
    chain = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    if not isinstance(model, keras.Sequential):
        tensors = [model.inputs[0], *(layer.output for layer in chain)]
        if len(model.outputs) != 1 or model.outputs[0] is not tensors[-1]:
            return []
        if any(layer.input is not before for layer, before in zip(chain, tensors, strict=False)):
            return []
    return chain


def _is_linear(layer):
    """Whether a kernel of enough inputs and perhaps a bias, of one type, are all the weights that the layer has."""
    if type(layer) not in LINEAR or layer.activity_regularizer or layer.compute_dtype != layer.variable_dtype:
        return False
    known = [layer.kernel] if layer.bias is None else [layer.kernel, layer.bias]
    inputs = np.prod(layer.kernel.shape[:-1])
    present = [{id(v) for v in variables} for variables in (known, layer.variables, layer.trainable_variables)]
    return present[0] == present[1] == present[2] and inputs >= LINEAR[type(layer)]


def _outputs(layer, h, loss, flat):
    """What the layer makes of `h` before its activation, with the weights that each of the flat arrays holds."""
    config = {"activation": None, "kernel_initializer": "zeros", "bias_initializer": "zeros"}
    config |= {f"{part}_{kind}": None for part in ("kernel", "bias") for kind in ("regularizer", "constraint")}
    linear = type(layer).from_config(layer.get_config() | config)
    linear.build(h.shape)
    place = {id(variable): i for i, variable in enumerate(loss.variables)}
    outputs = []
    for array in flat:
        parts = loss.split(array)
        for variable, own in zip(linear.variables, layer.variables, strict=True):
            variable.assign(parts[place[id(own)]])
        outputs.append(ops.stop_gradient(linear(h)))
    return outputs
