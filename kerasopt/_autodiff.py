"""Values, gradients and Hessian products of scalar functions, and of a Keras model's whole loss, on three backends.

Both are functions of ONE array: a model's trainable weights, laid one after the other. What they return is NumPy's, in
float64. In float64 a model is rebuilt from its configuration, since its layers and losses cast to the type they were
made with; the model itself is never touched.
"""

import contextlib
import copy
import functools
import inspect
import random
import warnings

import keras
import numpy as np
from keras import ops

FLOATS = {"float16", "bfloat16", "float32", "mixed_float16", "mixed_bfloat16"}


@contextlib.contextmanager
def precision(dtype):
    """Make `dtype` Keras's float type within the block.

    For float64, JAX has to be told, and so has Keras: on JAX and torch its `ops` round float64 to float32 wherever
    types are promoted, and the table by which they do so has no setting. It is reached through the public function
    that reads it, changed and put back.
    """
    before = keras.config.floatx()
    with contextlib.ExitStack() as stack:
        if dtype == "float64" and keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(True))
        keras.config.set_floatx(dtype)
        stack.callback(keras.config.set_floatx, before)
        if dtype == "float64" and keras.backend.result_type(dtype, dtype) != dtype:
            demotions = keras.backend.result_type.__globals__.get("BIT64_TO_BIT32_DTYPE", {})
            stack.callback(demotions.update, {dtype: demotions.get(dtype, dtype)})
            demotions[dtype] = dtype
            if keras.backend.result_type(dtype, dtype) != dtype:
                raise NotImplementedError("This version of Keras does not compute in float64 on this backend.")
        yield


def _tensorflow(function):
    import tensorflow as tf

    def gradient(point, *data):
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point, *data)
        return value, tf.convert_to_tensor(tape.gradient(value, point, unconnected_gradients="zero"))

    def product(point, vector, *data):
        with tf.GradientTape() as tape:
            tape.watch(point)
            slope = gradient(point, *data)[1]
        return tape.gradient(slope, point, output_gradients=vector, unconnected_gradients="zero")

    # A partial has no code object, by which TensorFlow counts: it would warn at the fifth objective of one function.
    return [tf.function(functools.partial(f), autograph=False) for f in (function, gradient, product)]


def _jax(function):
    import jax

    def product(point, vector, *data):
        return jax.jvp(lambda p: jax.grad(function)(p, *data), (point,), (vector,))[1]

    return [jax.jit(f) for f in (function, jax.value_and_grad(function), product)]


def _torch(function):
    import torch

    def slope(value, point, **arguments):
        if not value.requires_grad:
            return torch.zeros_like(point)
        return torch.autograd.grad(value, point, allow_unused=True, materialize_grads=True, **arguments)[0]

    def value(point, *data):
        with torch.no_grad():
            return function(point, *data)

    def gradient(point, *data):
        point = point.detach().requires_grad_()
        result = function(point, *data)
        return result.detach(), slope(result, point)

    def product(point, vector, *data):
        point = point.detach().requires_grad_()
        return slope(torch.sum(slope(function(point, *data), point, create_graph=True) * vector), point)

    return [value, gradient, product]


DERIVATIVES = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


class Objective:
    """A scalar function of one array, written with `keras.ops`, and its derivatives, compiled where the backend can.

    Args:
        function: Takes a tensor, returns a scalar tensor.
        dtype: Float type of the computation.

    Raises:
        ValueError: On a backend without gradients.
    """

    def __init__(self, function, dtype="float64"):
        backend = keras.backend.backend()
        if backend not in DERIVATIVES:
            raise ValueError(f"Keras's backend must be one of {', '.join(DERIVATIVES)}. Received: {backend}")
        self.dtype = dtype
        self.pieces = [(1.0, ())]  # (share of the sum, further arguments of the function)
        self._value, self._gradient, self._product = DERIVATIVES[backend](function)

    def value(self, point):
        """The function's value, a float."""
        return float(self._sum(self._value, point))

    def value_and_gradient(self, point):
        """The value and the gradient, shaped as the point."""
        value, gradient = self._sum(self._gradient, point)
        return float(value), gradient

    def hessian_vector_product(self, point, vector):
        """The Hessian times a vector, shaped as the point; the Hessian itself is not formed."""
        return self._sum(self._product, point, vector)

    def hessian(self, point):
        """The full Hessian of a small problem, of shape `(n, n)`, a product for each column."""
        units = np.eye(np.size(point))
        return np.stack(
            [self.hessian_vector_product(point, unit.reshape(np.shape(point))).ravel() for unit in units], axis=1
        )

    def _sum(self, compiled, *arrays):
        with precision(self.dtype):
            arrays = [ops.convert_to_tensor(array, dtype=self.dtype) for array in arrays]
            total = 0.0
            for share, data in self.pieces:
                result = compiled(*arrays, *data)
                if isinstance(result, tuple):  # a value and a gradient
                    result = np.array([share * self._numpy(part) for part in result], dtype=object)
                else:
                    result = share * self._numpy(result)
                total = total + result
            return total

    @staticmethod
    def _numpy(tensor):
        return np.asarray(ops.convert_to_numpy(tensor), dtype="float64")


class ModelObjective(Objective):
    """A model's whole loss on given data, regularizers included, as a function of its trainable weights.

    The loss is that of `evaluate`: dropout is off and batch norm uses its moving statistics, so it is a deterministic
    function. `start` holds the weights that the model has now; `shapes` and `paths` say which is which.

    Args:
        model: A built and compiled Keras model.
        x: Inputs, an array or a nest of arrays.
        y: Targets, likewise.
        sample_weight: Weights of the samples.
        dtype: Float type of the computation; `None` is the model's own, and uses the model itself rather than a copy.
        batch_size: Samples a piece, where all at once would not fit memory; the result is the same.

    Raises:
        ValueError: If the model is not built or compiled or cannot be rebuilt; if the data are empty, not finite or of
            different lengths; if a loss is not a mean over samples, and `batch_size` is given.
    """

    def __init__(self, model, x, y, sample_weight=None, dtype="float64", batch_size=None):
        if not isinstance(model, keras.Model) or not model.built:
            raise ValueError(f"Argument `model` must be a built Keras model. Received: model={model}")
        if not model.compiled:
            raise ValueError("Argument `model` must be compiled with a loss: call its `compile()`.")
        if not model.trainable_variables:
            raise ValueError("Argument `model` must have trainable weights.")
        if batch_size is not None and not (isinstance(batch_size, int) and batch_size > 0):
            raise ValueError(f"Argument `batch_size` must be a positive integer. Received: batch_size={batch_size}")
        self.model = model
        self.variables = list(model.trainable_variables)
        self.shapes = [tuple(v.shape) for v in self.variables]
        self.paths = [v.path for v in self.variables]
        self.start = self.flat(ops.convert_to_numpy(v) for v in self.variables)
        if not np.isfinite(self.start).all():
            raise ValueError("Argument `model` must have finite weights.")
        self.batch_size = batch_size
        if batch_size is not None and any(
            isinstance(loss, keras.Loss) and loss.reduction not in ("sum_over_batch_size", "mean")
            for loss in keras.tree.flatten(model.loss)
        ):
            raise ValueError("Argument `batch_size` must be None where a loss is not a mean over the samples.")
        dtype = dtype or keras.backend.standardize_dtype(self.variables[0].dtype)
        data = _checked(x, y, sample_weight)
        if dtype == "float64":
            with precision(dtype):
                model, self.variables = _in_float64(model, data[0])
        shapes, trainable, others = self.shapes, self.variables, list(model.non_trainable_variables)

        def loss(point, state, x, y, sample_weight):
            parts = cut(point, shapes)
            mapping = [*zip(trainable, parts, strict=True), *zip(others, state, strict=True)]
            with keras.StatelessScope(mapping, collect_losses=True):
                y_pred = model(x, training=False)
                return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)

        super().__init__(loss, dtype)
        self._others = others
        self.place(data)
        if dtype == "float64":
            self._compare_with(self.model, data)

    def on(self, x, y, sample_weight=None):
        """The same loss on other data; what is compiled is shared."""
        other = copy.copy(self)
        other.place(_checked(x, y, sample_weight))
        return other

    def flat(self, arrays):
        """Lay arrays shaped as the weights one after the other."""
        return np.concatenate([np.asarray(array, dtype="float64").ravel() for array in arrays])

    def split(self, point):
        """The arrays shaped as the weights that a point holds."""
        return cut(point, self.shapes, np.reshape)

    def assign(self, point):
        """Give the model these weights."""
        for variable, part in zip(self.model.trainable_variables, self.split(point), strict=True):
            variable.assign(part)

    def place(self, data):
        """Put the data where the backend computes, in pieces."""
        count = len(keras.tree.flatten(data[0])[0])
        size = self.batch_size or count
        with precision(self.dtype):

            def tensor(array):
                floating = np.issubdtype(array.dtype, np.floating)
                return ops.convert_to_tensor(array, dtype=self.dtype if floating else None)

            state = [ops.convert_to_tensor(v) for v in self._others]
            self.pieces = []
            for begin in range(0, count, size):
                piece = _each(lambda a, b=begin: tensor(a[b : b + size]), data)
                self.pieces.append((min(size, count - begin) / count, (state, *piece)))

    def _compare_with(self, model, data):
        """Notice a copy that is not the model's: a configuration may leave something out."""
        few = _each(lambda a: a[:32], data)
        ours = self.on(*few).value(self.start)
        with keras.StatelessScope([(v, v.value) for v in model.variables], collect_losses=True):
            y_pred = model(few[0], training=False)
            y, weight = (_each(ops.convert_to_tensor, part) for part in few[1:])
            theirs = float(ops.convert_to_numpy(model.compute_loss(few[0], y, y_pred, weight, training=False)))
        if np.isfinite(theirs) and abs(ours - theirs) > 0.02 * abs(theirs) + 1e-3:
            raise ValueError(
                "Argument `model` could not be rebuilt in float64: its copy's loss differs. Does `get_config` of every "
                f"custom layer and loss return all arguments? Received: loss {theirs:.6g}, the copy's {ours:.6g}"
            )


def cut(point, shapes, reshape=ops.reshape):
    """The arrays of these shapes that lie in a vector one after the other."""
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes]).tolist()
    return [reshape(point[b:e], shape) for b, e, shape in zip([0, *ends], ends, shapes, strict=False)]


def _each(function, data):
    """Apply a function to every array of a nest."""
    return keras.tree.map_structure(lambda a: None if a is None else function(a), data)


def _checked(x, y, sample_weight):
    """The data as NumPy arrays, checked."""
    data = _each(lambda a: ops.convert_to_numpy(a) if ops.is_tensor(a) else np.asarray(a), (x, y, sample_weight))
    arrays = [array for array in keras.tree.flatten(data) if array is not None]
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("Arguments `x`, `y` and `sample_weight` must hold arrays of samples.")
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(
            f"Arguments `x`, `y` and `sample_weight` must be of one length, not 0. Received: lengths {sorted(lengths)}"
        )
    for array in arrays:
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise ValueError("Arguments `x`, `y` and `sample_weight` must be finite. Received: NaN or infinity")
    return data


class _Float64Loss(keras.Loss):
    """A loss without its own rounding; not all of Keras's could be rebuilt from their configurations."""

    def __init__(self, loss):
        super().__init__(loss.name, loss.reduction, dtype="float64")
        self.loss = loss

    def call(self, y_true, y_pred):
        return self.loss.call(y_true, y_pred)


def _in_float64(model, x):
    """A copy of the compiled model in float64, and the copies of its trainable variables."""
    clone = rebuilt(model, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a loss may be a lambda: it stays in this process
        loss_weights = model.get_compile_config().get("loss_weights")
    loss = keras.tree.map_structure(lambda f: _Float64Loss(f) if isinstance(f, keras.Loss) else f, model.loss)
    clone.compile(loss=loss, loss_weights=loss_weights)
    place = {id(weight): index for index, weight in enumerate(model.weights)}
    return clone, [clone.weights[place[id(variable)]] for variable in model.trainable_variables]


def rebuilt(layer, x):
    """A copy in float64 of a layer or model, with its weights; to be called within `precision("float64")`."""
    generator = random.getstate()  # new layers draw their seeds from it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = keras.saving.serialize_keras_object(layer)
        config.pop("compile_config", None)
        custom = _custom_objects(layer)
        clone = keras.saving.deserialize_keras_object(_retyped(config), custom_objects=custom, safe_mode=False)
        if len(clone.weights) != len(layer.weights):
            clone(_each(lambda a: a[:1], x))
        clone.set_weights([np.asarray(ops.convert_to_numpy(w)) for w in layer.weights])
        return clone
    except Exception as error:
        raise ValueError(
            f"`{layer.name}` cannot be rebuilt in float64 from its configuration: give every custom layer a "
            f"`get_config` that returns all arguments. Received: {type(error).__name__}: {error}"
        ) from error
    finally:
        random.setstate(generator)


def _retyped(config):
    """The configuration with every float type replaced by float64."""
    if isinstance(config, list | tuple):
        return type(config)(_retyped(entry) for entry in config)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and config["config"]["name"] in FLOATS:
        return {**config, "config": {**config["config"], "name": "float64"}}
    return {
        key: "float64" if key == "dtype" and isinstance(value, str) and value in FLOATS else _retyped(value)
        for key, value in config.items()
    }


def _custom_objects(model):
    """Classes and functions that the model uses and that are not Keras's own, by name, registered or not."""
    found = {}
    for owner in [model, *getattr(model, "layers", [])]:
        for value in [owner, *vars(owner).values()]:
            named = value if inspect.isfunction(value) else type(value)
            if (named is value or hasattr(value, "get_config")) and not named.__module__.startswith("keras."):
                found[named.__name__] = named
    return found
