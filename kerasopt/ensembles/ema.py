"""Evaluate with the exponential moving average of the weights."""

import contextlib

from keras import ops

from kerasopt._nested import optimizers_within


@contextlib.contextmanager
def swap_ema(model):
    """Put the optimizer's moving average of the weights in place of the weights, for the time of a `with` block.

    With `use_ema=True` an optimizer keeps `average = ema_momentum * average + (1 - ema_momentum) * w`. The average
    often predicts better than the weights of a step, and training should go on from the latter. On leaving the block,
    also by an exception or Ctrl-C, the model has its own weights again.

    Keras averages what is trained and nothing else: where there is batch normalization, call `refresh_batch_norm`
    within the block. Those statistics, too, are put back at its end. Mind that `fit` itself overwrites the weights
    with the average at its end.

    Args:
        model: A compiled model whose optimizer was made with `use_ema=True` and has begun to train it.

    Yields:
        The model.

    Raises:
        ValueError: If the optimizer keeps no average, or has not been built.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mse")
        >>> model.optimizer.build(model.trainable_variables)
        >>> for _ in range(2):
        ...     model.optimizer.apply([model.layers[0].kernel * 0 + 1, model.layers[0].bias * 0])
        >>> with swap_ema(model):
        ...     print(float(model.layers[0].kernel[0, 0]))
        -0.5
        >>> float(model.layers[0].kernel[0, 0])
        -1.0

    Differences:
        `keras.callbacks.SwapEMAWeights` works during `fit` alone, and leaves the average in the model after `predict`.

    Reference:
        Polyak and Juditsky, "Acceleration of stochastic approximation by averaging" (1992), SIAM J. Control Optim. 30.
    """
    optimizer = getattr(model, "optimizer", None)
    keepers = [held for held in optimizers_within(optimizer) if getattr(held, "use_ema", False)]
    if not keepers or not optimizer.built:
        raise ValueError(
            "Argument `model` must be compiled with an optimizer that has `use_ema=True`, and its training begun. "
            f"Received: optimizer={optimizer!r}"
        )
    own = model.get_weights()
    try:
        optimizer.finalize_variable_values(model.trainable_variables)
        for variable in model.trainable_variables:
            # On JAX it now shares its memory with the average, and `predict` gives that memory away.
            variable.assign(ops.copy(variable))
        yield model
    finally:
        model.set_weights(own)
