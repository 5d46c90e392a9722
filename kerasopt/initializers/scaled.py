"""Normal and uniform draws, scaled by how many units a layer has on either side."""

import keras

from kerasopt.initializers._seeds import successor


class _Scaled(keras.initializers.VarianceScaling):
    """Keras's variance scaling, untruncated, with a new draw at every call."""

    def __init__(self, scale, mode, distribution, seed):
        distributions = {"normal": "untruncated_normal", "uniform": "uniform"}
        if distribution not in distributions:
            raise ValueError(
                f'Argument `distribution` must be "normal" or "uniform". Received: distribution={distribution!r}'
            )
        super().__init__(scale, mode, distributions[distribution], seed=seed)

    def __call__(self, shape, dtype=None):
        """Draw a tensor, and go on to the next seed."""
        drawn = super().__call__(shape, dtype)
        self.seed = successor(self.seed)
        return drawn

    def get_config(self):
        """Return the constructor's arguments."""
        config = super().get_config()
        return {"distribution": config["distribution"].removeprefix("untruncated_"), "seed": config["seed"]}


@keras.saving.register_keras_serializable(package="kerasopt")
class He(_Scaled):
    """He's draw, for ReLU: normal with a standard deviation of `sqrt(2 / n_in)`.

        normal:   randn * sqrt(2 / n_in)
        uniform:  between -sqrt(6 / n_in) and sqrt(6 / n_in), which has the same deviation

    A ReLU passes half of the mean square on, and the 2 makes up for it: the signal keeps its size through any number
    of layers. The usual mistake is Xavier's scale under ReLU, which halves the variance in every layer.

    An instance draws afresh at every call, so that it may serve many layers. (Keras's own give every layer of one
    shape the same weights: see `PerLayer`.) Clones start anew, and Keras's attention clones the initializer that it is
    given three times: with an integer seed its query, key and value are then equal.

    Args:
        distribution: `"normal"` or `"uniform"`.
        seed: An integer, for the same draws in the same order; None for others in every instance; or a
            `keras.random.SeedGenerator`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> import keras
        >>> from kerasopt.initializers import He
        >>> weights = He(seed=0)((400, 1000))
        >>> print(f"{keras.ops.std(weights):.3f} for {(2 / 400) ** 0.5:.3f}")
        0.071 for 0.071

    Differences:
        `keras.initializers.HeNormal` cuts the normal off at two deviations and widens it by 1 / 0.8796 to make up for
        that; variance and use are the same. Fans are counted as Keras counts them: for a convolution the receptive
        field times the channels. For a depthwise kernel that is too many by a factor of its channels, and in a
        transposed convolution Keras's `n_in` is the number of filters.

    Reference:
        He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015), arXiv 1502.01852, equation 10.
    """

    def __init__(self, distribution="normal", seed=None):
        super().__init__(2.0, "fan_in", distribution, seed)


@keras.saving.register_keras_serializable(package="kerasopt")
class LeCun(_Scaled):
    """LeCun's draw, for tanh and for SELU: normal with a standard deviation of `sqrt(1 / n_in)`.

        normal:   randn * sqrt(1 / n_in)
        uniform:  between -sqrt(3 / n_in) and sqrt(3 / n_in), which has the same deviation

    A linear layer then keeps the variance of its input exactly. Under tanh the signal still shrinks, slowly, since
    tanh is a little flatter than the straight line. Each call draws afresh, as with `He`.

    Args:
        distribution: `"normal"` or `"uniform"`.
        seed: As in `He`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> import keras
        >>> from kerasopt.initializers import LeCun
        >>> weights = LeCun("uniform", seed=0)((300, 1000))
        >>> print(f"{keras.ops.std(weights):.3f}, all below {keras.ops.max(weights):.3f}")
        0.058, all below 0.100

    Differences:
        As with `He`, from `keras.initializers.LecunNormal`.

    Reference:
        LeCun, Bottou, Orr and Müller, "Efficient BackProp" (1998), section 4.6, equation 16.
    """

    def __init__(self, distribution="normal", seed=None):
        super().__init__(1.0, "fan_in", distribution, seed)


@keras.saving.register_keras_serializable(package="kerasopt")
class Xavier(_Scaled):
    """Xavier Glorot's draw, for S-shaped activations: normal with a deviation of `sqrt(2 / (n_in + n_out))`.

        normal:   randn * sqrt(2 / (n_in + n_out))
        uniform:  between -sqrt(6 / (n_in + n_out)) and sqrt(6 / (n_in + n_out)), which has the same deviation

    A compromise: `1 / n_in` would keep the signal's variance on its way forward, `1 / n_out` the gradient's on its way
    back. Each call draws afresh, as with `He`.

    Args:
        distribution: `"normal"` or `"uniform"`.
        seed: As in `He`.

    Raises:
        ValueError: If an argument is none of these.

    Example:
        >>> import keras
        >>> from kerasopt.initializers import Xavier
        >>> xavier = Xavier(seed=0)
        >>> first, second = xavier((200, 300)), xavier((200, 300))
        >>> print(f"{keras.ops.std(first):.3f}, {keras.ops.std(second):.3f}, {keras.ops.std(first - second):.3f}")
        0.063, 0.063, 0.089

    Differences:
        As with `He`, from `keras.initializers.GlorotNormal`; the uniform form is that of `GlorotUniform`.

    Reference:
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010),
        equations 12 and 16.
    """

    def __init__(self, distribution="normal", seed=None):
        super().__init__(1.0, "fan_avg", distribution, seed)
