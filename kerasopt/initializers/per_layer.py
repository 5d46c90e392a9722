"""One initializer for many layers, without equal weights in them."""

import keras

from kerasopt.initializers._seeds import successor


@keras.saving.register_keras_serializable(package="kerasopt")
class PerLayer(keras.initializers.Initializer):
    """Let one random initializer serve many layers: each of them gets a draw of its own.

    An initializer of Keras that has drawn once draws the same again. Two layers of one shape that share an instance
    then start with equal weights, seeded or not, and where their outputs are added they stay equal. Around it, this
    class moves its seed on at every call. `He`, `LeCun` and `Xavier` of this package need no such help.

    Args:
        initializer: A random initializer of Keras, one with a `seed`, or its name. It stays as it is.
        seed: An integer from which all draws follow; by default that of `initializer`.

    Raises:
        ValueError: If `initializer` draws nothing, or `seed` is not a non-negative integer.

    Example:
        >>> import keras
        >>> from kerasopt.initializers import PerLayer
        >>> shared = keras.initializers.Orthogonal(seed=0)
        >>> print(bool(keras.ops.all(shared((9, 9)) == shared((9, 9)))))
        True
        >>> shared = PerLayer(shared)
        >>> print(bool(keras.ops.all(shared((9, 9)) == shared((9, 9)))))
        False
    """

    def __init__(self, initializer, seed=None):
        self.initializer = keras.initializers.get(initializer)
        settings = self.initializer.get_config() if isinstance(self.initializer, keras.initializers.Initializer) else {}
        if "seed" not in settings:
            raise ValueError(f"Argument `initializer` must be one with a seed. Received: initializer={initializer!r}")
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
            raise ValueError(f"Argument `seed` must be a non-negative integer. Received: seed={seed!r}")
        self.seed = seed
        self._next = self.initializer.seed if seed is None else seed

    def __call__(self, shape, dtype=None):
        """Draw a tensor, and go on to the next seed."""
        settings = self.initializer.get_config() | {"seed": self._next}
        self._next = successor(self._next)
        return type(self.initializer).from_config(settings)(shape, dtype)

    def get_config(self):
        """Return the constructor's arguments."""
        return {"initializer": keras.saving.serialize_keras_object(self.initializer), "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Create the inner initializer first."""
        return cls(keras.saving.deserialize_keras_object(config["initializer"]), config["seed"])
