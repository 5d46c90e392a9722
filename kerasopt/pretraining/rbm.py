"""The restricted Boltzmann machine, trained by contrastive divergence."""

import keras
import numpy as np
from keras import ops

from kerasopt._arguments import at_least, flag
from kerasopt.pretraining._checks import check_unit_interval


@keras.saving.register_keras_serializable(package="kerasopt")
class RBM(keras.Model):
    r"""A restricted Boltzmann machine: binary hidden units that learn to reconstruct what they see.

    The energy of visible units `v` and hidden units `h`, the chance of either given the other, and the free energy,
    which sums the hidden units up:

        E(v, h)  = -v'b - h'c - v'W h           W = kernel, b = visible_bias, c = hidden_bias
        p(h | v) = sigmoid(v W + c)             p(v | h) = sigmoid(h W' + b)
        F(v)     = -v'b - sum softplus(v W + c) p(v) = exp(-F(v)) / Z

    Training raises the probability of the data against that of what the model itself makes of them:

        loss = mean F(data) - mean F(sample)    no gradient flows into the sample

    whose gradient is that of contrastive divergence: `data' p(h | data) - sample' p(h | sample)`, with the sign of a
    loss. The sample comes from `steps` steps of Gibbs sampling, hidden and visible units in turn, that start at the
    data (CD-k) or go on where they stopped at the last batch (`persistent`). The hidden units that the data drive are
    drawn as 0 or 1; the last ones enter with their probabilities. The loss itself says little: watch
    `reconstruction_error`, the mean square between data and reconstruction, or `pseudo_likelihood`.

    It is a Keras model: `compile` it with an optimizer and no loss, and `fit` it, or use `kerasopt.fit`, which compiles
    whole epochs. Its output is `p(h | v)`. The usual mistakes: inputs outside of [0, 1], a rate that is too high (the
    reconstruction error rises), and hidden probabilities in place of samples, which let a unit pass on more than a bit.

    Args:
        units: Number of hidden units, at least 1.
        steps: Gibbs steps to a sample, at least 1. More are slower, and nearer to the likelihood's gradient.
        persistent: Whether the samples are chains of their own that go on from batch to batch.
        chains: Number of those chains, at least 1.
        sample_visible: Whether visible units are drawn as 0 or 1, or keep their probabilities, as is usual in CD.
            By default they are drawn where chains persist.
        seed: Seed of all draws, a non-negative integer, or None.
        **kwargs: `name` and the like, for `keras.Model`.

    Attributes:
        kernel: `W`, of shape `(visible, units)`, drawn at first from a normal of deviation 0.01.
        visible_bias: `b`, zeros at first. (The log odds of the data's mean are a good start, if you like.)
        hidden_bias: `c`, zeros at first.
        particles: The chains, of shape `(chains, visible)`, drawn at first by fair coins; None if none persist.

    Raises:
        ValueError: If an argument is outside its interval; in `fit`, if the data are not in [0, 1].

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.pretraining import RBM
        >>> x = np.repeat(np.eye(4), 50, axis=0)
        >>> rbm = RBM(8, seed=0)
        >>> rbm.compile(keras.optimizers.SGD(0.5))
        >>> history = rbm.fit(x, epochs=60, batch_size=20, verbose=0)
        >>> print(history.history["reconstruction_error"][-1] < 0.05)
        True

    References:
        Hinton, "Training products of experts by minimizing contrastive divergence" (2002); Hinton, "A practical guide
        to training restricted Boltzmann machines" (2010), sections 3 and 8; Tieleman, "Training restricted Boltzmann
        machines using approximations to the likelihood gradient" (2008), for `persistent`.
    """

    def __init__(self, units, steps=1, persistent=False, chains=100, sample_visible=None, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.units = at_least(1, units=units)
        self.steps = at_least(1, steps=steps)
        self.persistent = flag(persistent=persistent)
        self.chains = at_least(1, chains=chains)
        self.sample_visible = None if sample_visible is None else flag(sample_visible=sample_visible)
        self.seed = None if seed is None else at_least(0, seed=seed)
        self.random = keras.random.SeedGenerator(seed)
        self.reconstruction_error = keras.metrics.Mean(name="reconstruction_error")
        self.particles = None

    def build(self, input_shape):
        """Create weights, and chains if they persist."""
        if len(input_shape) != 2:
            raise ValueError(f"The data must have shape (samples, visible units). Received: {tuple(input_shape)}")
        visible = input_shape[-1]
        normal = keras.initializers.RandomNormal(stddev=0.01, seed=self.random)
        self.kernel = self.add_weight((visible, self.units), normal, name="kernel")
        self.visible_bias = self.add_weight((visible,), "zeros", name="visible_bias")
        self.hidden_bias = self.add_weight((self.units,), "zeros", name="hidden_bias")
        if self.persistent:
            coins = lambda shape, dtype: self.draw(ops.full(shape, 0.5, dtype))  # noqa: E731
            self.particles = self.add_weight((self.chains, visible), coins, trainable=False, name="particles")
        self.built = True

    def call(self, visible):
        """The probabilities of the hidden units."""
        return ops.sigmoid(ops.matmul(visible, self.kernel) + self.hidden_bias)

    def visible_probabilities(self, hidden):
        """The probabilities of the visible units, given hidden ones."""
        hidden = ops.cast(hidden, self.compute_dtype)
        return ops.sigmoid(ops.matmul(hidden, ops.transpose(self.kernel)) + self.visible_bias)

    def draw(self, probabilities):
        """Draw zeros and ones."""
        uniform = keras.random.uniform(ops.shape(probabilities), dtype=probabilities.dtype, seed=self.random)
        return ops.cast(uniform < probabilities, probabilities.dtype)

    def gibbs(self, visible, steps=1, sample_visible=True):
        """Go `steps` steps of Gibbs sampling from the given visible units, and return those at the end."""
        visible = ops.cast(visible, self.compute_dtype)
        for _ in range(steps):
            visible = self.visible_probabilities(self.draw(self(visible)))
            if sample_visible:
                visible = self.draw(visible)
        return visible

    def reconstruct(self, visible):
        """The visible units' probabilities, given the hidden units' probabilities."""
        return self.visible_probabilities(self(ops.cast(visible, self.compute_dtype)))

    def free_energy(self, visible):
        """`F(v)` of every sample; `F(v) + log Z` is minus its log likelihood."""
        visible = ops.cast(visible, self.compute_dtype)
        return -ops.matmul(visible, self.visible_bias) - ops.sum(
            ops.softplus(ops.matmul(visible, self.kernel) + self.hidden_bias), axis=-1
        )

    def pseudo_likelihood(self, visible, seed=None):
        """The log of the chance of every visible unit given all others, summed over them, for every sample.

        Args:
            visible: Samples of zeros and ones, of shape `(samples, visible)`.
            seed: None computes the sum; an integer estimates it by one unit a sample, drawn with this seed, and is
                faster by a factor of as many units as there are.

        Returns:
            NumPy array of shape `(samples,)`.
        """
        visible = np.asarray(ops.convert_to_numpy(visible), self.compute_dtype)
        check_unit_interval(visible)
        samples, units = visible.shape
        here = ops.convert_to_numpy(self.free_energy(visible))

        def log_chance(which):
            flipped = visible.copy()
            flipped[np.arange(samples), which] = 1 - flipped[np.arange(samples), which]
            return -np.logaddexp(0, here - ops.convert_to_numpy(self.free_energy(flipped)))

        if seed is not None:
            return units * log_chance(np.random.default_rng(seed).integers(units, size=samples))
        return sum(log_chance(unit) for unit in range(units))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The data's mean free energy less that of the model's samples; the error of reconstruction is noted."""
        if y is not None or sample_weight is not None:
            raise ValueError("An RBM learns from `x` alone: `y` and `sample_weight` must be None.")
        x = ops.cast(x, self.compute_dtype)
        start = ops.convert_to_tensor(self.particles) if self.persistent else x
        sample = self.gibbs(start, self.steps, self.persistent if self.sample_visible is None else self.sample_visible)
        sample = ops.stop_gradient(sample)
        if self.persistent and training:
            self.particles.assign(sample)
        # Here and not in `compute_metrics`, which on JAX does not see the weights.
        error = ops.square(x - self.visible_probabilities(y_pred))
        self.reconstruction_error.update_state(ops.stop_gradient(ops.mean(error, axis=-1)))
        return ops.mean(self.free_energy(x)) - ops.mean(self.free_energy(sample))

    def fit(self, x=None, *args, **kwargs):
        """As `keras.Model.fit`, for arrays that hold values in [0, 1]."""
        check_unit_interval(x)
        return super().fit(x, *args, **kwargs)

    def save_own_variables(self, store):
        """Save the state of the random draws with the weights, so that training goes on as if never stopped."""
        super().save_own_variables(store)
        store["random"] = ops.convert_to_numpy(self.random.state)

    def load_own_variables(self, store):
        """Load what `save_own_variables` has saved."""
        self.random.state.assign(store["random"])
        super().load_own_variables({name: store[name] for name in store.keys() if name != "random"})  # noqa: SIM118

    def get_config(self):
        """Return the constructor's arguments."""
        names = ("units", "steps", "persistent", "chains", "sample_visible", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}
