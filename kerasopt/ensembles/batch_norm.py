"""Batch-norm statistics of the weights as they are now."""

import keras
import numpy as np

from kerasopt._arguments import at_least
from kerasopt.ensembles._models import batch_norm_layers


def refresh_batch_norm(model, x, batch_size=1000):
    """Set the statistics of all batch normalization to those of the data `x` under the present weights.

    Batch normalization keeps running means of what it saw in training. Weights that were put together later, such as
    the mean of `SWA`, an average of the optimizer, or those of `ScheduleFreeAdamW.averaged_weights()`, have never seen
    any data, and their predictions can be useless until this is done.

    Each layer's mean and variance become those over all samples, every sample counting alike: not a moving average,
    which remembers the last batches best. The data pass once, in batches, in training mode as the paper has it: a layer
    normalizes each batch by the batch's own statistics. Nothing else changes, the states of random generators included.
    Layers that are frozen (`trainable=False`) keep theirs.

    Args:
        model: A built model.
        x: The training inputs: an array, or a list, tuple or dictionary of arrays. They are visited in a random order
            that is always the same, so that sorted data do no harm.
        batch_size: Samples a batch, an integer >= 1. The larger, the closer to what the layers do in inference.

    Returns:
        The number of layers whose statistics were set.

    Raises:
        ValueError: If the model is not built, if there is no sample, or if the arrays differ in length.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
        >>> refresh_batch_norm(model, np.array([[1.0], [2.0], [6.0]]), batch_size=2)
        1
        >>> print(*(w.round(4) for w in model.get_weights()[2:]))  # mean 3, variance (4 + 1 + 9) / 3
        [3.] [4.6667]

    Differences:
        The paper's code averages the variances within the batches; here the variance between the batches' means is
        added, which gives the variance over the data whatever the batch size.

    Reference:
        Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better
        generalization" (2018), arXiv 1803.05407, Algorithm 1.
    """
    batch_size = at_least(1, batch_size=batch_size)
    layers = batch_norm_layers(model)
    lengths = {len(a) for a in keras.tree.flatten(x)}
    if not model.built or len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "Arguments `model` and `x` must be a built model and arrays of one length, at least 1. "
            f"Received: built={model.built}, lengths={sorted(lengths)}"
        )
    if not layers:
        return 0
    order = np.random.default_rng(0).permutation(lengths.pop())
    totals = [(0.0, 0.0)] * len(layers)
    momenta = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0  # The statistics after a batch are then those of the batch.
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            batch = keras.tree.map_structure(lambda a, part=part: keras.ops.convert_to_tensor(np.asarray(a)[part]), x)
            found = _batch_statistics(model, batch, layers)
            totals = [_merge(start, *total, len(part), *new) for total, new in zip(totals, found, strict=True)]
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    for layer, (mean, variance) in zip(layers, totals, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
        if layer.renorm:
            layer.moving_stddev.assign(np.sqrt(variance + layer.epsilon))
    return len(layers)


def _batch_statistics(model, batch, layers):
    zeros = [
        (v, keras.ops.zeros(v.shape, v.dtype)) for layer in layers for v in (layer.moving_mean, layer.moving_variance)
    ]
    # The scope keeps every update away from the model, those of random generators and other statistics, too.
    with keras.StatelessScope(state_mapping=zeros) as scope:
        model(batch, training=True)
        values = [[scope.get_current_value(v) for v in (layer.moving_mean, layer.moving_variance)] for layer in layers]
    return [[keras.ops.convert_to_numpy(v).astype("float64") for v in pair] for pair in values]


def _merge(count, mean, variance, new_count, new_mean, new_variance):
    """Return mean and variance over two sets of samples."""
    share = new_count / (count + new_count)
    shift = new_mean - mean
    return mean + share * shift, (1 - share) * variance + share * new_variance + share * (1 - share) * shift**2
