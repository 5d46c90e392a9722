"""Sharpness-aware minimization, as a training step for any Keras model."""

import math
from numbers import Real

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasopt")
class SAM(keras.Model):
    r"""Train a model towards flat minima: step with the gradient of the worst point nearby.

    One training step takes two gradients on the same batch:

        e = rho * g / ||g||              g = gradient of the loss at w, ||g|| its norm over ALL weights
        w = optimizer's step at w, with the gradient of the loss at w + e

    and with `adaptive=True`, where a weight may move in proportion to its size (T = |w| + eta, elementwise),

        e = rho * T^2 g / ||T g||

    The result is a model around the one given, whose weights it shares: compile and fit it as any other, with any
    optimizer, then go on using either of the two. It helps most where a model overfits, and costs two passes a step.
    Usual mistakes: the step is taken with `g` itself, which is plain training; or the weights are not put back before
    the step. Here they are never moved: the second pass reads w + e in place of them.

    What the second pass leaves behind is dropped: batch-norm statistics, metrics and random states are those of one
    plain pass at w. It starts from the states that the first one started from, so dropout draws the same mask in both
    as long as it draws from a `keras.random.SeedGenerator`, as Keras's layers do. Sample and class weights,
    regularizers and loss scaling count in both gradients; clipping, weight decay and accumulation act on the second
    alone, and the optimizer counts one iteration. Under a distribution strategy each replica finds its own `e` from
    its part of the batch, as the paper does. If the first gradient is 0, so is `e`.

    Args:
        model: A built Keras model that trains by Keras's own `train_step` and `compute_loss`.
        rho: Length of the move `e`, at least 0; 0 is plain training. The papers tune it between 0.01 and 0.2, and
            about ten times as high, 0.5 to 2, where it is adaptive.
        adaptive: Whether a weight's share of the move is scaled by its size.
        eta: What `adaptive` adds to the size, positive, so that a weight of 0 can move.
        **kwargs: `name` and the like, for `keras.Model`.

    Raises:
        ValueError: If `rho` or `eta` is out of range, or if the model is not built or has its own way to train. When
            training, if the model is not compiled or has a layer that does not read its weights through Keras.

    Example:
        >>> keras.utils.set_random_seed(0)
        >>> x = keras.random.normal((64, 2), seed=1)
        >>> y = x[:, :1] - x[:, 1:]
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> sam = SAM(model, rho=0.05)
        >>> sam.compile(keras.optimizers.SGD(0.1), "mse")
        >>> history = sam.fit(x, y, epochs=50, verbose=0)
        >>> round(sam.evaluate(x, y, verbose=0), 3)
        0.0

    Note:
        The adaptive form scales every weight, biases too, as the paper's equations do; its authors' code leaves the
        biases unscaled. Keras has no built-in of this kind.

    References:
        Foret, Kleiner, Mobahi and Neyshabur 2021, arXiv 2010.01412, Algorithm 1 and equation 2; Kwon, Kim, Park and
        Choi 2021 (ASAM), arXiv 2102.11600, Algorithm 1.
    """

    def __init__(self, model, rho=0.05, adaptive=False, eta=0.01, **kwargs):
        _check(model, rho, eta)
        # Keras scales the loss if the outermost policy is float16's.
        super().__init__(**{"dtype": model.dtype_policy, **kwargs})
        self.model = model
        self.rho = float(rho)
        self.adaptive = bool(adaptive)
        self.eta = float(eta)
        self.built = True

    def call(self, inputs, training=None):
        """The given model's outputs."""
        return self.model(inputs, training=training)

    def train_step(self, *args):
        """One step: on the batch `data`, or with JAX on `state` and `data`, as `keras.Model.train_step`."""
        if not self.compiled or self.optimizer is None:
            raise ValueError("SAM must be compiled with an optimizer before it is trained: call its `compile()`.")
        if not self.trainable_variables:
            return super().train_step(*args)  # which warns
        return _TRAIN_STEPS[keras.backend.backend()](self, *args)

    def perturbed(self, weights, gradients):
        """The point w + e as a list of tensors; a weight whose gradient is None stays."""
        weights = [ops.convert_to_tensor(w) for w in weights]
        # Half precision could not hold the squares.
        dtypes = [keras.backend.result_type(w.dtype, "float32") for w in weights]
        sizes = [
            ops.abs(ops.cast(w, d)) + self.eta if self.adaptive else 1.0 for w, d in zip(weights, dtypes, strict=True)
        ]
        scaled = [
            None if g is None else size * ops.cast(g, d) for g, size, d in zip(gradients, sizes, dtypes, strict=True)
        ]
        norm = ops.sqrt(sum(ops.sum(ops.square(s)) for s in scaled if s is not None))
        step = ops.divide_no_nan(ops.cast(self.rho, norm.dtype), norm)
        return [
            w if s is None else w + ops.cast(step * size * s, w.dtype)
            for w, size, s in zip(weights, sizes, scaled, strict=True)
        ]

    @property
    def output_names(self):
        """The given model's, by which `compile` takes losses and metrics for several outputs."""
        return self.model.output_names

    def get_config(self):
        """The model and the arguments; the weights are saved with the model."""
        model = keras.saving.serialize_keras_object(self.model)
        return {**super().get_config(), "model": model, "rho": self.rho, "adaptive": self.adaptive, "eta": self.eta}

    @classmethod
    def from_config(cls, config):
        """Rebuild the given model first."""
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})


def _check(model, rho, eta):
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"Argument `model` must be a built Keras model. Received: model={model}")
    own = [name for name in ("train_step", "compute_loss", "compute_metrics") if _overrides(model, name)]
    if own:
        raise ValueError(
            f"Argument `model` must train as `keras.Model` does: its own {', '.join(own)} would be ignored. "
            f"Received: model={model}"
        )
    if not (isinstance(rho, Real) and 0 <= rho < math.inf):
        raise ValueError(f"Argument `rho` must be a number of at least 0. Received: rho={rho}")
    if not (isinstance(eta, Real) and 0 < eta < math.inf):
        raise ValueError(f"Argument `eta` must be a positive number. Received: eta={eta}")


def _overrides(model, name):
    return getattr(type(model), name) is not getattr(keras.Model, name)


def _losses(sam, x, y, sample_weight):
    """The loss to differentiate, which the optimizer may have scaled, the loss itself, and the predictions."""
    y_pred = sam(x, training=True)
    loss = sam.compute_loss(x, y, y_pred, sample_weight, training=True)
    return sam.optimizer.scale_loss(loss), loss, y_pred


def _update_metrics(sam, loss, x, y, y_pred, sample_weight):
    batch_size = next(ops.shape(a)[0] for a in keras.tree.flatten(x) if a is not None)
    sam.metrics[0].update_state(loss, sample_weight=batch_size)  # the running mean of the loss is always the first
    return sam.compute_metrics(x, y, y_pred, sample_weight)


def _step(sam, data, gradients, replicas=1):
    """A step that changes variables in place; `gradients(f, at)` returns f() and the gradients of its first value."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    weights, others = sam.trainable_variables, sam.non_trainable_variables
    before = [ops.copy(v) for v in others]
    (_, loss, y_pred), first = gradients(lambda: _losses(sam, x, y, sample_weight), weights)

    def losses_nearby():
        mapping = [*zip(weights, nearby, strict=True), *zip(others, before, strict=True)]
        with keras.StatelessScope(mapping, collect_losses=True):
            return _losses(sam, x, y, sample_weight)

    nearby = sam.perturbed(weights, first)
    _, second = gradients(losses_nearby, nearby)
    for weight, g, h in zip(weights, first, second, strict=True):
        if g is not None and h is None:
            raise ValueError(f"SAM cannot move `{weight.path}`: its layer does not read it through Keras.")
    sam.optimizer.apply(second, weights)
    return _update_metrics(sam, loss * replicas, x, y, y_pred, sample_weight)


def _tensorflow_train_step(sam, data):
    import tensorflow as tf

    def gradients(function, at):
        with tf.GradientTape() as tape:
            tape.watch([a for a in at if isinstance(a, tf.Tensor)])  # variables are watched anyway
            values = function()
        # Those of an embedding are sparse, in both passes.
        return values, [None if g is None else tf.convert_to_tensor(g) for g in tape.gradient(values[0], at)]

    # Each replica's loss is its part of the sum over all.
    return _step(sam, data, gradients, replicas=tf.distribute.get_strategy().num_replicas_in_sync)


def _torch_train_step(sam, data):
    import torch

    # Keras's dropout draws from torch's own generators unless it is given a seed.
    start, start_cuda = torch.get_rng_state(), torch.cuda.get_rng_state_all()

    def gradients(function, at):
        torch.set_rng_state(start)
        torch.cuda.set_rng_state_all(start_cuda)
        at = [ops.convert_to_tensor(a).requires_grad_() for a in at]
        with torch.enable_grad():
            values = function()
        return values, torch.autograd.grad(values[0], at, allow_unused=True)

    with torch.no_grad():
        return _step(sam, data, gradients)


def _jax_train_step(sam, state, data):
    import jax

    weights, others, optimizer_variables, metrics_variables = state
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

    def gradients(at):
        return jax.grad(sam.compute_loss_and_updates, has_aux=True)(
            at, others, metrics_variables, x, y, sample_weight, training=True, optimizer_variables=optimizer_variables
        )

    first, (loss, y_pred, new_others, metrics_variables_after) = gradients(weights)
    second, _ = gradients(sam.perturbed(weights, first))
    weights, optimizer_variables = sam.optimizer.stateless_apply(optimizer_variables, second, weights)
    with keras.StatelessScope(zip(sam.metrics_variables, metrics_variables_after, strict=True)) as scope:
        logs = _update_metrics(sam, loss, x, y, y_pred, sample_weight)
    metrics_variables = [scope.get_current_value(v) for v in sam.metrics_variables]
    return logs, (weights, new_others, optimizer_variables, metrics_variables)


_TRAIN_STEPS = {"tensorflow": _tensorflow_train_step, "torch": _torch_train_step, "jax": _jax_train_step}
