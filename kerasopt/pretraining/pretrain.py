"""Greedy pre-training of a stack of dense layers."""

import keras
import numpy as np

from kerasopt._arguments import at_least
from kerasopt.optimizers import Momentum
from kerasopt.pretraining._checks import check_unit_interval
from kerasopt.pretraining.rbm import RBM
from kerasopt.training import fit


def pretrain(model, x, epochs=10, batch_size=100, optimizer=None, layers=None, seed=0, verbose=0, **arguments):
    """Give the dense layers of a model first weights that restricted Boltzmann machines have learned without labels.

    Greedily, from the input on: an `RBM` of as many hidden units as the layer has learns to reconstruct what comes
    into it; the layer takes over its `W` and its hidden bias; and the RBM's hidden probabilities are the data for the
    next. Then train the whole as usual ("fine-tuning"). The units of an RBM are sigmoid: it is made for such layers,
    and hands its weights to layers of any activation, whose outputs it does not look at.

    Before the first dense layer anything may stand whose output lies in [0, 1], such as `Flatten` or `Rescaling`; it
    is applied. Between dense layers, layers without weights that keep the shape, such as `Dropout` or `Activation`,
    are passed over: an RBM has a sigmoid of its own. After the last one to be trained nothing matters.

    Args:
        model: A built `keras.Sequential`. Its layers' weights are changed in place.
        x: Samples, as the model takes them.
        epochs: Epochs for each RBM, at least 1.
        batch_size: Samples a step.
        optimizer: A Keras optimizer, of which each RBM gets a copy; `Momentum(0.05, momentum=0.5)` by default.
        layers: How many dense layers to train, counted from the input; all but the last one, the output, by default.
        seed: Seed of the draws and of the order of the samples, a non-negative integer. (On torch, where
            `kerasopt.fit` leaves the work to Keras, that order follows `keras.utils.set_random_seed`.)
        verbose: 0, or 1 for a line after each layer.
        **arguments: What `RBM` takes besides: `steps`, `persistent` and so on.

    Returns:
        List of the RBMs, with their training in `rbm.history`.

    Raises:
        ValueError: If the model is not a built `Sequential`, if among the layers is one that cannot be trained so or
            passed, if the data are empty, not finite or not in [0, 1], or if an argument is outside its interval.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.pretraining import pretrain
        >>> x = np.repeat(np.eye(6), 50, axis=0)
        >>> hidden = [keras.layers.Dense(units, "sigmoid") for units in (8, 4)]
        >>> model = keras.Sequential([keras.Input((6,)), *hidden, keras.layers.Dense(6, "softmax")])
        >>> rbms = pretrain(model, x, epochs=5)
        >>> for rbm, layer in zip(rbms, hidden):
        ...     print(tuple(rbm.kernel.shape), bool(keras.ops.all(rbm.kernel == layer.kernel)))
        (6, 8) True
        (8, 4) True

    Reference:
        Hinton, Osindero and Teh, "A fast learning algorithm for deep belief nets" (2006); Hinton and Salakhutdinov,
        "Reducing the dimensionality of data with neural networks" (2006).
    """
    if not isinstance(model, keras.Sequential) or not model.built:
        raise ValueError(f"Argument `model` must be a built `keras.Sequential`. Received: model={model!r}")
    epochs, batch_size = at_least(1, epochs=epochs), at_least(1, batch_size=batch_size)
    seed = at_least(0, seed=seed)
    before, dense = _plan(model, layers)
    optimizer = Momentum(0.05, momentum=0.5) if optimizer is None else optimizer
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(f"Argument `optimizer` must be a Keras optimizer. Received: optimizer={optimizer!r}")

    x = np.asarray(x)
    if x.size == 0:
        raise ValueError(f"Argument `x` must hold at least one sample. Received: shape {x.shape}")
    if before:
        x = keras.Sequential([keras.Input(x.shape[1:]), *before]).predict(x, batch_size=1000, verbose=0)
    x = x.astype(keras.config.floatx())
    check_unit_interval(x)
    rbms = []
    for number, layer in enumerate(dense):
        rbm = RBM(layer.units, seed=seed + number, name=f"rbm_{number}", **arguments)
        rbm.compile(type(optimizer).from_config(optimizer.get_config()))
        history = fit(rbm, x, epochs=epochs, batch_size=batch_size, verbose=0, seed=seed + number)
        # Copies: on JAX the next step of one model would delete what it shares with the other.
        layer.kernel.assign(keras.ops.copy(rbm.kernel))
        if layer.use_bias:
            layer.bias.assign(keras.ops.copy(rbm.hidden_bias))
        if verbose:
            error = history.history["reconstruction_error"][-1]
            print(f"{layer.name}: {x.shape[1]} -> {layer.units} units, reconstruction error {error:.4f}")
        rbms.append(rbm)
        if number + 1 < len(dense):
            x = rbm.predict(x, batch_size=1000, verbose=0)
    return rbms


def _plan(model, count):
    """Return the layers before the first dense one, and the dense ones to be trained."""
    places = [i for i, layer in enumerate(model.layers) if isinstance(layer, keras.layers.Dense)]
    count = len(places) - 1 if count is None else at_least(1, layers=count)
    if not 1 <= count <= len(places):
        raise ValueError(
            f"Argument `model` must have that many dense layers, and one to be trained besides the output. "
            f"Received: {len(places)} of them, layers={count}"
        )
    places = places[:count]
    for layer in model.layers[: places[-1]]:
        if isinstance(layer, keras.layers.Dense):
            continue
        passable = not layer.weights and (layer in model.layers[: places[0]] or layer.input.shape == layer.output.shape)
        if not passable:
            raise ValueError(
                f"Argument `model` must have dense layers, and between them layers without weights that keep the "
                f"shape. Received: {type(layer).__name__} {layer.name!r}, which no RBM can stand for"
            )
    return model.layers[: places[0]], [model.layers[i] for i in places]
