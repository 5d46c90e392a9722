"""Train several optimizers under equal conditions, on one machine or on many."""

import hashlib
import inspect
import json
import os
import re
import threading
import time
import uuid
import zlib
from concurrent.futures import as_completed
from pathlib import Path

import keras
import numpy as np

from kerasopt.training._arrays import as_array
from kerasopt.training._programs import to_device
from kerasopt.training.comparison import Comparison
from kerasopt.training.fit import fit


def compare(
    build,
    optimizers,
    data,
    *,
    validation_data=None,
    epochs=1,
    batch_size=32,
    seeds=1,
    metric=None,
    rates=None,
    executor=None,
    checkpoint=None,
    verbose=1,
):
    """Train a fresh model with every optimizer, rate and seed, and return all that was measured.

    Runs of one seed start from the same weights and see the same batches in the same order, whoever the contender is.
    A run whose loss stops being finite ends there and is flagged; its remaining values are NaN.

    Args:
        build: Function without arguments that returns a model compiled with its loss and metrics. The optimizer in it
            is replaced by the contender's.
        optimizers: Dictionary from a name to a contender: a Keras optimizer (used as a pattern, never trained), its
            name or serialized configuration, or a function that returns one. The function may return
            `(optimizer, callbacks)` instead, and is called with the rate if it takes an argument: so schedules and
            callbacks are attached.
        data: `(x, y)` or `(x, y, sample_weight)` of arrays, or a function without arguments that returns it. With an
            executor arrays travel with every run, while a function is called once in each process.
        validation_data: The same for validation after every epoch, or None.
        epochs: Epochs of a run.
        batch_size: Samples a step.
        seeds: Number of seeds, counted from 0, or a sequence of them.
        metric: Name in the logs by which rates are picked and contenders ranked. None (default) takes the first of
            `val_accuracy`, `val_loss`, `accuracy`, `loss` that was logged.
        rates: Learning rates to try with every contender; needs `validation_data`. None keeps each one's own.
        executor: Any `concurrent.futures.Executor`, for instance a `ProcessPoolExecutor` with the start method
            "spawn", Dask's `client.get_executor()` or `mpi4py.futures.MPIPoolExecutor`. `build` and function
            contenders must then be importable. None (default) runs one after the other in this process, and compiles
            once an optimizer.
        checkpoint: Folder in which finished runs are kept; a second call with equal arguments continues there. It
            compares functions by name, so empty the folder after you change one.
        verbose: 0, or 1 for a progress bar.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: If there is nothing to compare, or if `rates` is given without `validation_data` or for a contender
            with a schedule, which has no rate to set.

    Example:
        >>> import keras, numpy as np
        >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
        >>> def build():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(loss="mse")
        ...     return model
        >>> contenders = {"sgd": keras.optimizers.SGD(0.1), "momentum": keras.optimizers.SGD(0.1, momentum=0.9)}
        >>> result = compare(build, contenders, (x, 3 * x), epochs=3, seeds=2, verbose=0)
        >>> len(result.runs), sorted(result.runs[0]["history"])
        (4, ['loss'])
    """
    if not isinstance(optimizers, dict) or not optimizers:
        raise ValueError(f"Argument `optimizers` must be a dictionary with an entry. Received: optimizers={optimizers}")
    if rates is not None and validation_data is None:
        raise ValueError("Argument `validation_data` must be given to pick one of `rates`. Received: None")
    seeds = list(range(seeds)) if isinstance(seeds, int) else [int(seed) for seed in seeds]
    rates = [None] if rates is None else [float(rate) for rate in rates]
    if not seeds or not rates:
        raise ValueError(f"Arguments `seeds` and `rates` must not be empty. Received: seeds={seeds}, rates={rates}")
    contenders = {str(name): _portable(contender) for name, contender in optimizers.items()}
    for name, contender in contenders.items():
        _make(name, contender, rates[0])  # Errors show before any training.
    shared = {
        "sweep": uuid.uuid4().hex,
        "backend": keras.backend.backend(),
        "build": build,
        "data": data,
        "validation_data": validation_data,
        "epochs": epochs,
        "batch_size": batch_size,
    }
    tasks = [
        {"name": name, "contender": contender, "rate": rate, "seed": seed}
        for name, contender in contenders.items()
        for rate in rates
        for seed in seeds
    ]
    starts = {seed: _start(build, data, seed) for seed in seeds}
    store = _Store(checkpoint, shared) if checkpoint is not None else None
    runs = [store.load(task) if store else None for task in tasks]
    todo = [i for i, run in enumerate(runs) if run is None]
    progress = keras.utils.Progbar(len(tasks), verbose=verbose, unit_name="run") if verbose else None

    def finish(i, run):
        runs[i] = run
        if store and "failure" not in run:
            store.save(tasks[i], run)
        if progress:
            progress.update(sum(run is not None for run in runs))

    try:
        if executor is None:
            for i in todo:
                finish(i, _run(shared | tasks[i] | {"start": starts[tasks[i]["seed"]]}))
        else:
            _scatter(executor, shared, starts, tasks, todo, finish)
    finally:
        _benches.clear()
    result = Comparison(runs, metric)
    for run in result.failures:
        print(f"kerasopt.compare: {run['contender']} (rate {run['rate']}, seed {run['seed']}): {run['failure']}")
    return result


def _scatter(executor, shared, starts, tasks, todo, finish):
    futures = {}
    try:
        for i in todo:
            task = shared | tasks[i] | {"start": starts[tasks[i]["seed"]]}
            futures[executor.submit(_run, task)] = i
        for future in as_completed(futures):
            task = tasks[futures[future]]
            try:
                run = future.result()
            except Exception as error:  # A worker that died, or what its run raised: the others go on.
                run = {"contender": task["name"], "rate": task["rate"], "seed": task["seed"], "history": {}}
                run |= {"failure": f"{type(error).__name__}: {error}", "diverged": False, "seconds": None}
            finish(futures[future], run)
    finally:
        for future in futures:
            future.cancel()


def _portable(contender):
    """Return a contender that can travel: a function, or a serialized optimizer."""
    if callable(contender) and not isinstance(contender, keras.optimizers.Optimizer):
        return contender
    return keras.saving.serialize_keras_object(keras.optimizers.get(contender))


def _make(name, contender, rate):
    """Return a new optimizer with this rate, and its callbacks."""
    if not callable(contender):
        made = keras.saving.deserialize_keras_object(contender)
    elif inspect.signature(contender).parameters and rate is not None:
        made, rate = contender(rate), None
    else:
        made = contender()
    optimizer, callbacks = made if isinstance(made, tuple) else (made, [])
    if rate is not None:
        try:
            optimizer.learning_rate = rate
        except (TypeError, AttributeError) as error:
            raise ValueError(
                f"Contender {name!r} has a schedule, which `rates` cannot set: make it a function of the rate. "
                f"Received: rates={rate}"
            ) from error
    return optimizer, list(callbacks)


_benches = {}
_lock = threading.Lock()  # Seeds are global to a process, so its runs go one by one.


def _run(task):
    """Make one run; in a worker process, too."""
    if task["backend"] != keras.backend.backend():
        raise RuntimeError(f"This worker runs Keras on {keras.backend.backend()}, the sweep on {task['backend']}")
    with _lock:
        if task["sweep"] not in _benches:
            _benches.clear()
            _benches[task["sweep"]] = _Bench(task)
        return _benches[task["sweep"]].run(task)


class _Bench:
    """What a process keeps between runs: data on the device, one model with its compiled steps, its starting states."""

    def __init__(self, task):
        self._data, self._validation = (_on_device(task[key]) for key in ("data", "validation_data"))
        self._model = _built(task["build"], self._data)
        self._optimizer = None

    def run(self, task):
        seed = task["seed"]
        optimizer, callbacks = _make(task["name"], task["contender"], task["rate"])
        for variable, value in zip(_state(self._model), task["start"], strict=True):
            variable.assign(value)
        rate = float(optimizer.learning_rate) if task["rate"] is None else task["rate"]
        self._install(optimizer)
        keras.utils.set_random_seed(seed)
        watch = _Watch()
        start = time.perf_counter()
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(self._data)
        history = fit(
            self._model,
            x,
            y,
            sample_weight=sample_weight,
            batch_size=task["batch_size"],
            epochs=task["epochs"],
            validation_data=self._validation,
            callbacks=[*callbacks, watch],
            verbose=0,
            seed=seed,
        ).history
        seconds = time.perf_counter() - start
        missing = task["epochs"] - len(watch.steps) if watch.diverged else 0
        per_epoch = watch.steps[0] if watch.steps else 0
        return {
            "contender": task["name"],
            "rate": rate,
            "seed": seed,
            "seconds": seconds,
            "diverged": watch.diverged,
            "steps": watch.steps + [watch.steps[-1] + per_epoch * (i + 1) for i in range(missing)],
            "history": {name: [*map(float, values)] + [float("nan")] * missing for name, values in history.items()},
        }

    def _install(self, optimizer):
        """Give the model this optimizer, or its state to an equal one whose steps are compiled already."""
        if isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer) and not isinstance(
            optimizer, keras.optimizers.LossScaleOptimizer
        ):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(self._model.trainable_variables)  # Slots may copy the weights, so they are made for this seed.
        pattern = _without_rates(keras.saving.serialize_keras_object(optimizer))
        if pattern != self._optimizer:
            self._model.optimizer = optimizer
            self._model.make_train_function(force=True)
            self._optimizer = pattern
            return
        for old, new in zip(self._model.optimizer.variables, optimizer.variables, strict=True):
            old.assign(new.value)


def _built(build, data):
    model = build()
    if not model.built:
        model(keras.tree.map_structure(lambda a: a[:1], data[0]))
    return model


def _start(build, data, seed):
    """Return the state in which a model is built after this seed.

    One process does it for all: elsewhere another thread may draw from Python's generator, which Keras seeds, too.
    """
    keras.utils.set_random_seed(seed)
    model = build()
    if not model.built:
        keras.utils.set_random_seed(seed)
        model = _built(build, data() if callable(data) else data)
    return [keras.ops.convert_to_numpy(keras.ops.copy(v.value)) for v in _state(model)]


def _state(model):
    return [*model.trainable_variables, *model.non_trainable_variables]


def _without_rates(config):
    """Return a configuration without names and constant rates, which are no part of a compiled step."""
    if not isinstance(config, dict):
        return config
    constant = {"learning_rate"} if isinstance(config.get("learning_rate"), (int, float)) else set()
    # A schedule stays as it is: its numbers, its own `learning_rate` among them, are compiled into the step.
    return {
        k: v if k == "learning_rate" else _without_rates(v)
        for k, v in config.items()
        if k not in constant | {"name", "build_config"}
    }


def _on_device(data):
    data = data() if callable(data) else data
    as_tensor = lambda a: None if a is None else to_device(as_array(a))  # noqa: E731
    return data if data is None else keras.tree.map_structure(as_tensor, tuple(data))


class _Watch(keras.callbacks.Callback):
    """Counts steps, and ends a run whose loss is no longer finite."""

    def __init__(self):
        super().__init__()
        self.diverged, self.steps = False, []

    def on_epoch_end(self, epoch, logs=None):
        self.steps.append((epoch + 1) * self.params["steps"])
        if not np.isfinite(logs["loss"]):
            self.diverged = self.model.stop_training = True


class _Store:
    """A folder with one small file a finished run, named by everything that decides its outcome."""

    def __init__(self, folder, shared):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        model = shared["build"]()
        try:
            config = json.dumps(model.get_config(), default=str)
        except NotImplementedError:
            config = type(model).__qualname__
        shapes = [tuple(v.shape) for v in model.weights]
        # Keras numbers its automatic names through the life of a process.
        described = [re.sub(r"_\d+\b", "", config), shapes, str(model.loss), shared["epochs"], shared["batch_size"]]
        described += [_fingerprint(shared[key]) for key in ("data", "validation_data")]
        self._sweep = repr([shared["backend"], *described])

    def _file(self, task):
        contender = task["contender"]
        contender = _name(contender) if callable(contender) else _without_names(contender)
        key = repr((self._sweep, task["name"], json.dumps(contender, sort_keys=True, default=str), task["rate"]))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}-{task['seed']}.json"

    def load(self, task):
        try:
            return json.loads(self._file(task).read_text())
        except FileNotFoundError:
            return None

    def save(self, task, run):
        file = self._file(task)
        part = file.with_suffix(f".{uuid.uuid4().hex}.part")  # Renamed when whole: a kill leaves no half of a run.
        part.write_text(json.dumps(run))
        os.replace(part, file)


def _without_names(config):
    return {k: _without_names(v) for k, v in config.items() if k != "name"} if isinstance(config, dict) else config


def _name(function):
    return getattr(function, "__qualname__", type(function).__qualname__)


def _fingerprint(data):
    if callable(data):
        return _name(data)
    leaves = [np.ascontiguousarray(a) for a in keras.tree.flatten(data) if a is not None]
    return [(a.shape, str(a.dtype), zlib.crc32(a)) for a in leaves]
