"""`Model.fit` with whole stretches of an epoch inside one compiled program."""

import contextlib
import math
import time

import keras
import numpy as np

from kerasopt.training._arrays import CannotCompile, count_samples, pack, split
from kerasopt.training._programs import make_program, to_device

_BATCH_HOOKS = [f"on_{what}batch_{when}" for what in ("", "train_", "test_") for when in ("begin", "end")]
# Keras's own batch hooks that are as good at the end of a chunk, unless `save_freq` or `update_freq` counts batches.
_PATIENT_CALLBACKS = (
    keras.callbacks.BackupAndRestore,
    keras.callbacks.Callback,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TensorBoard,
    keras.callbacks.TerminateOnNaN,
)


def fit(
    model,
    x=None,
    y=None,
    batch_size=None,
    epochs=1,
    verbose="auto",
    callbacks=None,
    validation_split=0.0,
    validation_data=None,
    shuffle=True,
    class_weight=None,
    sample_weight=None,
    initial_epoch=0,
    steps_per_epoch=None,
    validation_steps=None,
    validation_batch_size=None,
    validation_freq=1,
    *,
    chunks=None,
    record=False,
    seed=None,
):
    """Train `model` as `model.fit` does, without leaving the compiled program between batches.

    Stock `fit` calls the backend once a batch; on a small network that call costs ten times the arithmetic. Here the
    data lies on the device and a program of many steps, each the model's own `train_step`, gathers its batches there.
    Losses and weights are those of stock `fit` in the same batch order, up to rounding.

    The order of the samples is drawn afresh in every epoch from `seed` and the number of the epoch alone, by NumPy: it
    is the same on every backend and after a restart. (Stock `fit` on TensorFlow repeats one order in every epoch once
    `keras.utils.set_random_seed` was called.)

    What cannot be compiled runs in `model.fit`, and a line says why: the torch backend, `run_eagerly`, data that are
    not arrays, `steps_per_epoch`, a distribution, and steps that fail to compile.

    Args:
        model: A compiled Keras model, built or not.
        x: As in `keras.Model.fit`, as are all arguments up to `validation_freq`.
        y: Targets, or None.
        batch_size: Samples a step, 32 by default.
        epochs: Number of the last epoch.
        verbose: `"auto"`, 0, 1 or 2.
        callbacks: Callbacks, or a `keras.callbacks.CallbackList`. Where one of them acts on batches, every batch
            becomes a chunk of its own.
        validation_split: Fraction, in [0, 1), of the data to validate on, taken from the end.
        validation_data: Data to validate on after an epoch.
        shuffle: Whether to reorder the samples in each epoch; `"batch"` reorders within batches only.
        class_weight: Dictionary from class to its weight in the loss.
        sample_weight: Weight of each sample in the loss.
        initial_epoch: Number of the first epoch.
        steps_per_epoch: Falls back to `model.fit`.
        validation_steps: Batches to validate on, through `model.evaluate`.
        validation_batch_size: Samples a validation step, `batch_size` by default.
        validation_freq: Validate every so many epochs, or in the epochs of this list.
        chunks: Calls of the compiled program an epoch, at least 1. The progress bar moves, batch-level callbacks are
            called, `stop_training` is obeyed and Ctrl-C is heard between two calls. None (default) makes calls of
            about half a second.
        record: Whether to keep the loss of every single batch and the learning rate of its step, as the arrays
            `history.steps["loss"]` and `history.steps["learning_rate"]`.
        seed: Non-negative integer that fixes the order of the samples. None (default) draws it from NumPy's global
            generator, which `keras.utils.set_random_seed` seeds.

    Returns:
        The model's `keras.callbacks.History`.

    Raises:
        ValueError: If `chunks` or `seed` is not such an integer, if arrays differ in length, if `validation_split`
            leaves no sample on one side, or if `record` is wanted of what cannot be compiled.

    Example:
        >>> import keras, numpy as np
        >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile(keras.optimizers.SGD(0.5), loss="mse")
        >>> history = fit(model, x, 3 * x, epochs=5, verbose=0, record=True, seed=0)
        >>> bool(history.history["loss"][-1] < 0.01), history.steps["loss"].shape
        (True, (10,))
    """
    stock_arguments = {
        "x": x,
        "y": y,
        "batch_size": batch_size,
        "epochs": epochs,
        "verbose": verbose,
        "callbacks": callbacks,
        "validation_split": validation_split,
        "validation_data": validation_data,
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "initial_epoch": initial_epoch,
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size,
        "validation_freq": validation_freq,
    }
    for name, value, least in (("chunks", chunks, 1), ("seed", seed, 0)):
        if value is not None and (not isinstance(value, (int, np.integer)) or value < least):
            raise ValueError(f"Argument `{name}` must be an integer of at least {least}. Received: {name}={value}")
    batch_size = batch_size or 32
    evaluate = None
    try:
        _check(model, steps_per_epoch)
        data = pack(x, y, sample_weight, class_weight)
        if validation_split and validation_data is None:
            data, validation_data = split(data, validation_split)
        train = _Steps(model, "train", data, batch_size, record)
        if validation_data is not None:
            evaluate = _validation(model, validation_data, validation_batch_size or batch_size, validation_steps)
    except CannotCompile as reason:
        if record:
            raise ValueError(f"Argument `record` must be False: {reason}. Received: record=True") from reason
        _say(model, f"{reason}: using model.fit")
        return model.fit(**stock_arguments)

    if keras.config.max_epochs():
        epochs = min(epochs, keras.config.max_epochs())
    if seed is None:  # The legacy generator is the one that Keras seeds.
        seed = np.random.randint(2**31)  # noqa: NPY002
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=train.count,
            model=model,
        )
    pace = _Pace(model, train.count, chunks, callbacks)
    model.stop_training = False
    logs = None
    callbacks.on_train_begin()
    for epoch in range(_restored_epoch(model) or initial_epoch, epochs):
        model.reset_metrics()
        callbacks.on_epoch_begin(epoch)
        order = _order(train.samples, batch_size, shuffle, [seed, epoch])
        logs = train.run(order, pace, callbacks.on_train_batch_begin, callbacks.on_train_batch_end)
        if evaluate and _is_due(epoch + 1, validation_freq):
            logs.update({f"val_{name}": value for name, value in evaluate(pace, callbacks).items()})
        callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if isinstance(model.optimizer, keras.optimizers.Optimizer) and epochs > 0:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end(logs=logs)
    if record:
        model.history.steps = train.steps()
    return model.history


def _check(model, steps_per_epoch):
    """Raise `CannotCompile` for what is known beforehand not to compile."""
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise CannotCompile(f"the {backend} backend has no compiled loop")
    if not model.compiled:
        raise CannotCompile("the model has not been compiled")  # Keras has the error for it.
    if model.run_eagerly or (backend == "jax" and not model.jit_compile):
        raise CannotCompile("the model was compiled with run_eagerly=True or jit_compile=False")
    if type(model).make_train_function is not keras.Model.make_train_function:
        raise CannotCompile("the model makes its own train function")
    if steps_per_epoch or keras.config.max_steps_per_epoch():
        raise CannotCompile("steps_per_epoch cuts epochs short")
    distributed = keras.distribution.distribution() is not None
    if backend == "tensorflow":
        import tensorflow as tf

        distributed |= tf.distribute.has_strategy() or model.distribute_strategy is not tf.distribute.get_strategy()
    if distributed:
        raise CannotCompile("a distribution is active")


def _say(model, line):
    """Print a line, once a model."""
    said = vars(model).setdefault("_kerasopt_said", set())
    if line not in said:
        said.add(line)
        print(f"kerasopt.fit: {line}")


def _restored_epoch(model):
    """Return the epoch at which `BackupAndRestore` resumes: Keras tells its own trainers through a private name."""
    return getattr(model, "_initial_epoch", None)


def _is_due(epoch, freq):
    if not isinstance(freq, (int, list)):
        raise ValueError(f"Argument `validation_freq` must be an integer or a list. Received: validation_freq={freq}")
    return epoch % freq == 0 if isinstance(freq, int) else epoch in freq


def _order(samples, batch_size, shuffle, seed):
    """Return the order of the samples in an epoch: a function of the seed, the epoch and the sizes alone."""
    order = np.arange(samples, dtype="int32")
    rng = np.random.default_rng(seed)
    if shuffle == "batch":
        return np.concatenate([rng.permutation(order[i : i + batch_size]) for i in range(0, samples, batch_size)])
    return rng.permutation(order) if shuffle else order


def _validation(model, data, batch_size, steps):
    """Return a function that evaluates the model: compiled for arrays, Keras's own for other data."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    try:
        if steps:
            raise CannotCompile("validation_steps cuts the validation short")
        test = _Steps(model, "test", pack(x, y, sample_weight), batch_size)
    except CannotCompile:  # Keras evaluates the same batches in the same order: nothing to tell.
        return lambda pace, callbacks: model.evaluate(
            x, y, batch_size, sample_weight=sample_weight, steps=steps, callbacks=callbacks, return_dict=True
        )

    def evaluate(pace, callbacks):
        model.stop_evaluating = False
        callbacks.on_test_begin()
        model.reset_metrics()
        order = np.arange(test.samples, dtype="int32")
        logs = test.run(order, pace, callbacks.on_test_batch_begin, callbacks.on_test_batch_end)
        callbacks.on_test_end(logs)
        return logs

    return evaluate


class _Pace:
    """How many steps the next call of a program takes."""

    def __init__(self, model, count, chunks, callbacks):
        self._fixed = math.ceil(count / chunks) if chunks else None
        self._size = max(1, count // 20)
        impatient = [c for c in callbacks.callbacks if _acts_on_batches(c)]
        if impatient and not chunks:
            self._fixed = model.steps_per_execution
            name = type(impatient[0]).__name__
            _say(model, f"{name} acts on every batch, so each becomes a call of its own (`chunks` makes fewer)")

    def size(self):
        return self._fixed or self._size

    def learn(self, steps, seconds):
        """Aim at half a second, long against the cost of a call and short for who waits."""
        self._size = max(1, round(steps * 0.5 / max(seconds, 1e-6)))


def _acts_on_batches(callback):
    if getattr(callback, "save_freq", getattr(callback, "update_freq", "epoch")) != "epoch":
        return True
    patient = [getattr(c, hook) for c in _PATIENT_CALLBACKS for hook in _BATCH_HOOKS]
    own = (getattr(callback, hook, None) for hook in _BATCH_HOOKS)
    return not all(hook is None or getattr(hook, "__func__", hook) in patient for hook in own)


class _Steps:
    """The way through one set of arrays: a program for the full batches, and one for a smaller last batch."""

    def __init__(self, model, kind, data, batch_size, record=False):
        self._model = model
        self._stop = {"train": "stop_training", "test": "stop_evaluating"}[kind]
        self.samples = count_samples(data)
        self._data = keras.tree.map_structure(lambda a: None if a is None else to_device(a), data)
        self._record = record
        self._entries = []
        full, rest = divmod(self.samples, batch_size)
        shapes = [(full, batch_size)] * (full > 0) + [(1, rest)] * (rest > 0)
        self.count = sum(steps for steps, _ in shapes)
        self._programs = [(_program(model, kind, self._data, shape, record), shape) for shape in shapes]

    def run(self, order, pace, before, after):
        """Take every step once, in chunks between calls of `before` and `after`; return the logs."""
        done = used = 0
        for program, (steps, batch_size) in self._programs:
            part = order[used : used + steps * batch_size].reshape(steps, batch_size)
            part = keras.ops.convert_to_tensor(part)
            first = 0
            while first < steps:
                last = min(first + pace.size(), steps)
                before(done + first)
                start = time.perf_counter()
                logs, entries = program(self._data, part, first, last)
                logs = keras.tree.map_structure(keras.ops.convert_to_numpy, logs)  # Waits for the device.
                pace.learn(last - first, time.perf_counter() - start)
                if self._record:
                    entries = {name: keras.ops.convert_to_numpy(value) for name, value in entries.items()}
                    self._entries.append({name: value[first:last] for name, value in entries.items()})
                after(done + last - 1, logs)
                if getattr(self._model, self._stop):
                    return self._result(logs)
                first = last
            done, used = done + steps, used + steps * batch_size
        return self._result(logs)

    def _result(self, logs):
        """The state of the metrics, unless the model's own step reports something else."""
        result = self._model.get_metrics_result()
        return dict(result if set(result) == set(logs) else logs)

    def steps(self):
        names = self._entries[0] if self._entries else ()
        return {name: np.concatenate([entry[name] for entry in self._entries]) for name in names}


def _program(model, kind, data, shape, record):
    """Return the program for this step and these shapes, from the model's own store if it is there."""
    # Whatever `compile`, freezing or adding a metric replaces: a program holds these very objects.
    optimizer = [model.optimizer] if kind == "train" else []
    parts = lambda: [*optimizer, *model.metrics, *model.trainable_variables]  # noqa: E731
    key = (record, shape, str(keras.tree.map_structure(lambda a: a if a is None else (a.shape, a.dtype), data)))
    # Not as an attribute, which Keras and TensorFlow would track and save.
    store = vars(model).setdefault("_kerasopt_programs", {})
    held, programs = store.get(kind, ((), {}))
    valid = len(held) == len(now := parts()) and all(a is b for a, b in zip(held, now, strict=True))
    if valid and key in programs:
        return programs[key]
    try:
        if not valid:
            _build(model, keras.tree.map_structure(lambda a: None if a is None else a[: shape[1]], data))
            store[kind] = (parts(), programs := {})
        programs[key] = make_program(model, kind, data, keras.ops.zeros(shape, "int32"), record)
    except Exception as error:  # Whatever it is: stock `fit` can do without, or has the better message.
        first_line = (str(error).strip().splitlines() or [""])[0]
        raise CannotCompile(f"the step does not compile ({type(error).__name__}: {first_line[:200]})") from error
    return programs[key]


def _build(model, batch):
    """Create every variable of the model, its loss, its metrics and its optimizer before anything is compiled."""
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    # The scopes discard every update. A model without `call` can only be built by its own train step.
    with contextlib.suppress(NotImplementedError):
        with keras.StatelessScope():
            prediction = model(x)
        with keras.StatelessScope(state_mapping=[(v, v.value) for v in model.variables]):
            if getattr(model, "loss", None) is not None:
                model.compute_loss(x, y, prediction, sample_weight)
            model.compute_metrics(x, y, prediction, sample_weight=sample_weight)
    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
