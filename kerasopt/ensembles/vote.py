"""The vote of several models."""

import keras
from keras import ops

from kerasopt.ensembles._models import members_outputs


def majority_vote(models):
    """One model that gives the class for which most models vote.

        votes(class) = number of the n models whose highest probability is for the class
        output(class) = (votes(class) + mean probability(class)) / (n + 1)

    The highest output is the class with most votes, and among classes with equally many the one with the highest mean
    probability. A vote drops what a model knows about the other classes, so it mostly does a little worse than
    `average`; it is of use where the models' probabilities cannot be compared.

    Args:
        models: Functional or `Sequential` classifiers, at least one, with the same inputs and one output each, over at
            least two classes. They are copied. Logits vote like probabilities, and only ties among them are broken
            otherwise.

    Returns:
        A functional `keras.Model`, which gives the output above for each class. It is saved and loaded like any other.

    Raises:
        ValueError: If there is no model, if one of them is not built or has other inputs or outputs than the first, or
            if their output is not one probability a class.

    Example:
        >>> import numpy as np
        >>> def always(p):
        ...     bias = keras.initializers.Constant(np.log(p))
        ...     layers = [keras.layers.Dense(3, "softmax", kernel_initializer="zeros", bias_initializer=bias)]
        ...     return keras.Sequential([keras.Input((1,)), *layers])
        >>> models = [always(p) for p in ([0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0001, 0.9998, 0.0001])]
        >>> vote = majority_vote(models).predict(np.zeros((1, 1)), verbose=0)
        >>> print(vote.round(3), vote.argmax())
        [[0.567 0.383 0.05 ]] 0

    Reference:
        Hansen and Salamon, "Neural network ensembles" (1990), IEEE PAMI 12.
    """
    models = list(models)
    inputs, outputs = members_outputs(models, logits=False)
    shape = getattr(outputs[0], "shape", ())
    if len(shape) < 2 or shape[-1] is None or shape[-1] < 2:
        raise ValueError(f"Argument `models` must have one output over two classes or more. Received: shape={shape}")
    votes = [ops.one_hot(ops.argmax(p, axis=-1), shape[-1], dtype=p.dtype) for p in outputs]
    mean = ops.mean(ops.stack(outputs), axis=0)
    total = ops.sum(ops.stack(votes), axis=0) + mean
    return keras.Model(inputs, total / (len(models) + 1.0), name="majority_vote")
