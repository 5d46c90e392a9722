"""Average the predictions of several models."""

import keras

from kerasopt.ensembles._models import members_outputs


def average(models, logits=False):
    """One model that averages the probabilities of several.

        p(class | x) = mean of p_k(class | x) over the models k

    The errors of independently trained models partly cancel, and the mean of their cross-entropies is never below the
    cross-entropy of the mean. The usual mistakes: to average logits or labels in place of probabilities, and to
    average models that are too much alike.

    Args:
        models: Functional or `Sequential` models, at least one, with the same inputs and outputs. They are copied, so
            that training one of them further does not change the ensemble.
        logits: Whether the models end in logits; each then gets a softmax first.

    Returns:
        A functional `keras.Model`. It is saved and loaded like any other; compile it to evaluate.

    Raises:
        ValueError: If there is no model, if one of them is not built or has other inputs or outputs than the first, or
            if one was compiled with a loss that takes logits and `logits` is False.

    Example:
        >>> import numpy as np
        >>> def always(p):
        ...     bias = keras.initializers.Constant(np.log([p, 1 - p]))
        ...     layers = [keras.layers.Dense(2, "softmax", kernel_initializer="zeros", bias_initializer=bias)]
        ...     return keras.Sequential([keras.Input((1,)), *layers])
        >>> ensemble = average([always(0.9), always(0.5)])
        >>> print(ensemble.predict(np.zeros((1, 1)), verbose=0).round(3))
        [[0.7 0.3]]

    Reference:
        Hansen and Salamon, "Neural network ensembles" (1990), IEEE PAMI 12.
    """
    inputs, outputs = members_outputs(models, logits)
    mean = keras.layers.Average()
    merged = keras.tree.map_structure(lambda *o: mean(o) if len(o) > 1 else o[0], *outputs)
    return keras.Model(inputs, merged, name="average")
