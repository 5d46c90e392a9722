"""Weight decay for kernels only."""

import keras

from kerasopt.optimizers._wrapper import Wrapper


@keras.saving.register_keras_serializable(package="kerasopt")
class DecayKernelsOnly(Wrapper):
    """Weight decay without biases and norm parameters, for any optimizer, kept when the model is saved.

    Keras decays every variable. Decay is meant for weights that multiply a signal; pulling biases and the scales of
    normalization layers to 0 only costs accuracy. Those are told by shape: fewer than two dimensions. Keras's own
    `exclude_from_weight_decay` goes by names, and is forgotten when the model is saved.

    Args:
        inner: Any Keras optimizer with a `weight_decay`. It makes all steps.
        name: Name of the optimizer.

    State:
        That of `inner`.

    Raises:
        ValueError: If `inner` is not an optimizer, or decays nothing.

    Example:
        Gradients of 0, so that only the decay is seen: of the kernel, and not of the bias.

        >>> import keras
        >>> from kerasopt.optimizers import Adam, DecayKernelsOnly
        >>> kernel, bias = keras.Variable([[1.0]]), keras.Variable([1.0])
        >>> optimizer = DecayKernelsOnly(Adam(learning_rate=0.5, weight_decay=0.5))
        >>> optimizer.apply([kernel * 0, bias * 0], [kernel, bias])
        >>> print(kernel.numpy(), bias.numpy())
        [[0.75]] [1.]

    Reference:
        Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), arXiv 1711.05101, for the decay itself.
    """

    def __init__(self, inner, name=None):
        super().__init__(inner, name)
        if not inner.weight_decay:
            raise ValueError(f"Argument `inner` must have a `weight_decay` > 0. Received: {inner.weight_decay!r}")

    def build(self, variables):
        """Exclude by shape, and build `inner`."""
        self.inner.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        """Let `inner` make its step."""
        if not self.built:
            self.build(trainable_variables)
        self.inner.apply(grads, trainable_variables)
