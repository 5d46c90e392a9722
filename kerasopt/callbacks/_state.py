"""The state of callbacks: who has one, and how it is written to a file."""

import contextlib
import inspect
import json
import os

import keras
import numpy as np

_REGISTER = "kerasopt_stateful"


class Stateful(keras.callbacks.Callback):
    """A callback whose state `Backup` keeps. A subclass has `get_state`, and `set_state` for what that returned."""

    def set_params(self, params):
        """Register with this `fit`: Keras gives one and the same dictionary to all of its callbacks."""
        super().set_params(params)
        register(self, params)


def register(callback, params):
    """Tell a `Backup` among the callbacks of these `params` that `callback` has a state."""
    callbacks = params.setdefault(_REGISTER, [])
    if not any(c is callback for c in callbacks):
        callbacks.append(callback)


def registered(params):
    """Return the callbacks of these `params` that have a state, in their order."""
    return list(params.get(_REGISTER, ()))


@contextlib.contextmanager
def replacing(path):
    """Yield the path of a temporary file that takes the place of `path` at the end: whole, or not at all."""
    folder, name = os.path.split(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, f"partial-{name}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        raise


def write(path, state):
    """Write a tree of plain values and arrays to one file, which is replaced as a whole."""
    arrays = []
    text = json.dumps(pack(state, arrays))
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, state=np.array(text), **{f"a{i}": a for i, a in enumerate(arrays)})


def read(path):
    """Return what `write` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return _unpack(json.loads(str(file["state"])), file)


def pack(value, arrays):
    """Return `value` as JSON takes it, the arrays in it moved to `arrays`; raise TypeError for what is neither."""
    if keras.ops.is_tensor(value) or isinstance(value, (keras.Variable, np.ndarray, np.generic)):
        array = np.asarray(keras.ops.convert_to_numpy(value) if not isinstance(value, np.generic) else value)
        if array.dtype.kind == "O":
            raise TypeError("an array of Python objects")
        # NumPy writes types that are not its own, such as bfloat16, without their name.
        own = array.dtype.kind in "biufcSUmM"
        arrays.append(array if own else array.view(f"u{array.dtype.itemsize}"))
        return {"array": len(arrays) - 1, "dtype": array.dtype.name if not own else None}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [pack(v, arrays) for v in value]
    if isinstance(value, tuple):
        return {"tuple": [pack(v, arrays) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[pack(k, arrays), pack(v, arrays)] for k, v in value.items()]}
    # Such as the comparison that `EarlyStopping` chose.
    if inspect.isfunction(value) and getattr(keras.ops, value.__name__, None) is value:
        return {"op": value.__name__}
    raise TypeError(f"a {type(value).__name__}")


def _unpack(value, file):
    if isinstance(value, list):
        return [_unpack(v, file) for v in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        array = file[f"a{value['array']}"]
        return (array.view(value["dtype"]) if value["dtype"] else array)[()]
    if "tuple" in value:
        return tuple(_unpack(v, file) for v in value["tuple"])
    if "dict" in value:
        return {_unpack(k, file): _unpack(v, file) for k, v in value["dict"]}
    return getattr(keras.ops, value["op"])
