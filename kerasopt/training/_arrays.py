"""The data of `fit`: from what people pass to arrays of one length, as Keras packs them."""

import math

import keras
import numpy as np


class CannotCompile(Exception):  # noqa: N818  (a decision, not an error)
    """Says why this call of `fit` is left to Keras."""


def as_array(value):
    """Return `value` as Keras would slice it: floats as `floatx`, a pandas series as a column."""
    if value is None:
        return None
    if not hasattr(value, "__array__") or not hasattr(value, "shape"):
        raise CannotCompile(f"the data contain a {type(value).__name__}, which is not an array")
    if hasattr(value, "iloc"):
        value = value.to_numpy() if value.ndim > 1 else value.to_numpy()[:, None]
    if not keras.ops.is_tensor(value):
        value = np.asarray(value)
    if getattr(value.dtype, "kind", "f") in "OSUMm" or value.dtype == "string":
        raise CannotCompile(f"the data contain {value.dtype} values")
    if keras.backend.is_float_dtype(value.dtype) and keras.backend.standardize_dtype(value.dtype) != (
        floatx := keras.backend.floatx()
    ):
        value = keras.ops.cast(value, floatx) if keras.ops.is_tensor(value) else value.astype(floatx)
    return value


def count_samples(data):
    """Return the common length of the arrays."""
    return next(len(leaf) for leaf in keras.tree.flatten(data) if leaf is not None)


def pack(x, y=None, sample_weight=None, class_weight=None):
    """Return `(x, y, sample_weight)` as Keras packs them, of arrays of one length."""
    x, y, sample_weight = (keras.tree.map_structure(as_array, part) for part in (x, y, sample_weight))
    if class_weight is not None:
        if sample_weight is not None or keras.tree.is_nested(y):
            raise ValueError(
                "Argument `class_weight` must be None where `sample_weight` is given or the model has several outputs. "
                f"Received: class_weight={class_weight}"
            )
        sample_weight = _class_weights(y, class_weight)
    elif sample_weight is not None and keras.tree.is_nested(y) and not keras.tree.is_nested(sample_weight):
        weights = sample_weight
        sample_weight = keras.tree.map_structure(lambda _: weights, y)
    data = keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
    lengths = {len(leaf) for leaf in keras.tree.flatten(data) if leaf is not None}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"All arrays must hold the same number of samples, at least 1. Received: {sorted(lengths)}")
    return keras.tree.lists_to_tuples(data)


def _class_weights(y, class_weight):
    labels = keras.ops.convert_to_numpy(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] != 1 else labels[..., 0]
    labels, where = np.unique(np.round(labels).astype("int32"), return_inverse=True)
    return np.array([class_weight.get(int(label), 1.0) for label in labels], keras.backend.floatx())[where]


def split(data, fraction):
    """Return the first part of the data, and the last `fraction` of it."""
    samples = count_samples(data)
    at = math.floor(samples * (1.0 - fraction))
    if not 0 < at < samples:
        raise ValueError(
            f"Argument `validation_split` must leave samples on both sides of {samples}. "
            f"Received: validation_split={fraction}"
        )
    part = lambda s: keras.tree.map_structure(lambda a: None if a is None else a[s], data)  # noqa: E731
    return part(slice(at)), part(slice(at, None))
