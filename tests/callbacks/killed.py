"""Train in processes that are killed at random moments, and compare the end with that of a run that was not.

    python tests/callbacks/killed.py KIND ... [--kills 20] [--most 5] [--seed 0]

Keras is imported once: every run is a fork of this process, made before any tensor is.
"""

import argparse
import json
import os
import pickle
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

import kerasopt
from kerasopt.callbacks import Backup, Resumable
from kerasopt.ensembles import SWA, SnapshotEnsemble

EPOCHS, SAMPLES, BATCH = 12, 256, 16
TOTAL = EPOCHS * SAMPLES // BATCH


class Rates(keras.callbacks.Callback):
    """Keeps the rate at the end of each epoch, in a public attribute."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


class Ready(keras.callbacks.Callback):
    """Tells the parent process that training begins."""

    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_train_begin(self, logs=None):
        os.write(self.pipe, b"!")


def train(kind, folder, pipe):
    """Train from the start or from the backup, and store all that there is to compare."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(1).normal(size=(SAMPLES, 20)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("int32")
    layers = [keras.layers.Dense(16, "relu"), keras.layers.Dropout(0.3), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((20,)), *layers, keras.layers.Dense(2, "softmax")])
    rate, snapshots, swa = 0.01, None, None
    if kind == "snapshots":  # the rate is a schedule; cycles end within epochs; files
        snapshots = SnapshotEnsemble(5, 0.02, directory=folder / "snapshots")
        rate = snapshots.schedule(TOTAL)
        others = [snapshots, Resumable(keras.callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True))]
    elif kind == "cyclic":  # the rate is set before every batch; memory
        snapshots = SnapshotEnsemble(4, 0.02, 0.001)
        others = [snapshots]
    elif kind == "swa":
        swa = SWA(5, rate=0.02, every=2, x=x)
        others = [swa, Resumable(keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, cooldown=1))]
    rates = Rates()
    model.compile(kerasopt.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [*others, Resumable(rates), Ready(pipe), Backup(folder / "backup")]
    validation = (x[:50], y[:50]) if kind == "swa" else None
    history = kerasopt.fit(
        model, x, y, BATCH, EPOCHS, validation_data=validation, verbose=0, seed=3, callbacks=callbacks
    )
    arrays = lambda values: [keras.ops.convert_to_numpy(v) for v in values]  # noqa: E731
    result = {
        "weights": arrays(model.variables),
        "optimizer": arrays(model.optimizer.variables),
        "rates": rates.rates,
        "snapshots": snapshots.snapshots if snapshots else [],
        "swa": [swa.count] if swa else [],
        "history": [history.epoch, history.history],
    }
    (folder / "result.pickle").write_bytes(pickle.dumps(result))


def fork(kind, folder):
    """Start a run; return its process and the pipe on which it says that training begins."""
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.close(read)
            train(kind, folder, write)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write)
    return process, read


def complete(kind, folder):
    """Run to the end; return the seconds of training and the result."""
    process, pipe = fork(kind, folder)
    os.read(pipe, 1)
    start = time.perf_counter()
    _, status = os.waitpid(process, 0)
    os.close(pipe)
    if status:
        sys.exit(f"the run failed with status {status}")
    return time.perf_counter() - start, pickle.loads((folder / "result.pickle").read_bytes())


def kill(kind, folder, seconds):
    """Run for so many seconds of training, then kill; return the epochs it had made, or None if it was over."""
    process, pipe = fork(kind, folder)
    os.read(pipe, 1)
    os.close(pipe)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, "the run failed"
        return None
    backup = folder / "backup" / "backup.npz"
    if not backup.exists():
        return 0
    with np.load(backup) as file:
        return json.loads(str(file["state"]))["dict"][0][1]


def differences(one, two):
    """Return the names of the parts that are not equal bit for bit, types included."""
    text = lambda part: repr(  # noqa: E731
        keras.tree.map_structure(lambda v: (v.dtype, v.shape, v.tobytes()) if hasattr(v, "tobytes") else v, part)
    )
    return [name for name in one if text(one[name]) != text(two[name])]


def check(kind, kills, most, rng, folder):
    """Kill runs of one kind, `most` times each, until there were enough kills; return the number of bad ends."""
    seconds, expected = complete(kind, Path(tempfile.mkdtemp(dir=folder)))
    print(json.dumps({"kind": kind, "seconds": round(seconds, 2), "epochs": expected["history"][0]}), flush=True)
    failed = 0
    while kills > 0:
        place, epochs = Path(tempfile.mkdtemp(dir=folder)), []
        while len(epochs) < min(most, kills):
            epoch = kill(kind, place, rng.uniform(0, 1.5 * seconds / most))
            if epoch is None:
                seconds = max(0.05, 0.7 * seconds)  # It was over: the first run was slower than those to come.
                break
            epochs.append(epoch)
        else:
            complete(kind, place)
        kills -= len(epochs)
        unequal = differences(expected, pickle.loads((place / "result.pickle").read_bytes()))
        left = sorted(path.name for path in place.rglob("*") if "partial" in path.name or "backup" in path.name)
        failed += bool(unequal or left)
        print(json.dumps({"epochs at kills": epochs, "unequal": unequal, "left over": left}), flush=True)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+", choices=["snapshots", "cyclic", "swa"])
    parser.add_argument("--kills", type=int, default=20, help="of each kind, in all")
    parser.add_argument("--most", type=int, default=5, help="of one run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        if keras.backend.backend() == "jax":  # It compiles every small operation anew in each process.
            import jax

            jax.config.update("jax_compilation_cache_dir", folder + "/compiled")
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
            jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        failed = sum(check(kind, options.kills, options.most, rng, folder) for kind in options.kinds)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
