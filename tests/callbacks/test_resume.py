"""Runs that are killed and started again; what `Backup` and `Resumable` keep, and what they refuse."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt.callbacks import Backup, Resumable
from kerasopt.callbacks import _state as state_file
from kerasopt.ensembles import SWA, SnapshotEnsemble

HERE = Path(__file__).parent
X = np.random.default_rng(0).normal(size=(48, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def test_killed_runs_end_bit_for_bit_as_one_that_was_not():
    """KERASOPT_KILLS=20 kills the runs of each kind twenty times; the default keeps the suite quick."""
    if keras.backend.backend() == "torch":
        pytest.skip("torch draws the order of the samples itself")
    kills = os.environ.get("KERASOPT_KILLS", "2")
    paths = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, str(HERE / "killed.py"), "snapshots", "cyclic", "swa", "--kills", kills]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    runs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert sum(len(run.get("epochs at kills", [])) for run in runs) == 3 * int(kills)


class Stop(Exception):  # noqa: N818
    """Ends a run as rudely as one process can."""


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stop


@functools.cache
def made(optimizer):
    """A compiled model, made once, and the first values of all its variables."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    optimizer = {"adam": keras.optimizers.Adam(0.01), "sgd": keras.optimizers.SGD(0.05)}[optimizer]
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model, [np.array(keras.ops.convert_to_numpy(v)) for v in variables(model)]


def variables(model):
    return [*model.variables, *model.optimizer.variables]


def train(callbacks, epochs=6, optimizer="adam", fit=kerasopt.fit):
    """Train a model that is as good as new; return the values of its variables, and the history."""
    model, first = made(optimizer)
    for variable, value in zip(variables(model), first, strict=True):
        variable.assign(value)
    seed = {"seed": 5} if fit is kerasopt.fit else {"shuffle": False}
    history = fit(model, X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks, **seed)
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables(model)], history


def train_twice(folder, callbacks, stop=3, **arguments):
    """Train up to epoch `stop`, then from there in a new model; `callbacks()` makes new ones for both."""
    with pytest.raises(Stop):
        train([*callbacks(), StopAt(stop), Backup(folder)], **arguments)
    return train([*callbacks(), Backup(folder)], **arguments)


def equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("fit", [kerasopt.fit, keras.Model.fit], ids=["ours", "stock"])
def test_weights_dropout_and_history_continue(tmp_path, fit):
    values, history = train_twice(tmp_path / "b", list, fit=fit)
    expected, whole = train([], fit=fit)
    assert equal(values, expected)  # among them the state of dropout's generator
    assert history.epoch == whole.epoch == list(range(6))
    assert history.history == whole.history
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("make", "attributes"),
    [
        (
            lambda: keras.callbacks.EarlyStopping("loss", patience=1, min_delta=0.01, restore_best_weights=True),
            "best wait",
        ),
        (lambda: keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=1, min_delta=0.05, cooldown=1), "best wait"),
    ],
    ids=["EarlyStopping", "ReduceLROnPlateau"],
)
def test_keras_own_callbacks_go_on_counting(tmp_path, make, attributes):
    ours = []
    callbacks = lambda: ours.append(Resumable(make())) or ours[-1:]  # noqa: E731
    for stop in (1, 2, 3):
        folder = tmp_path / str(stop)
        whole = make()
        expected, expected_history = train([whole], optimizer="sgd")
        with pytest.raises(Stop):
            train([*callbacks(), StopAt(stop), Backup(folder)], optimizer="sgd")
        values, history = train([*callbacks(), Backup(folder)], optimizer="sgd")
        assert history.history == expected_history.history
        assert equal(values, expected)
        for name in [*attributes.split(), "min_delta", "monitor_op"]:
            assert getattr(ours[-1], name) == getattr(whole, name)


def test_checkpoints_remember_the_best(tmp_path):
    make = lambda: Resumable(  # noqa: E731
        keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"), "loss", save_best_only=True, mode="max")
    )
    train_twice(tmp_path / "b", lambda: [make()])
    again = sorted(path.name for path in tmp_path.glob("*.keras"))
    for path in tmp_path.glob("*.keras"):
        path.unlink()
    train([make()])
    assert again == sorted(path.name for path in tmp_path.glob("*.keras"))


def test_a_run_that_a_callback_stopped_stays_stopped(tmp_path):
    class StopEarly(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    class Interrupted(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            raise Stop

    with pytest.raises(Stop):
        train([StopEarly(), Interrupted(), Backup(tmp_path / "b")])
    _, history = train([StopEarly(), Backup(tmp_path / "b")])
    assert history.epoch == [0, 1, 2]


def test_a_failure_while_writing_leaves_the_backup_before(tmp_path, monkeypatch):
    folder = tmp_path / "b"
    savez = np.savez
    calls = []

    def failing(file, **arrays):
        calls.append(file)
        if len(calls) == 4:
            file.write(b"half of it")
            raise Stop
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", failing)
    with pytest.raises(Stop):
        train([Backup(folder)])
    assert sorted(path.name for path in folder.iterdir()) == ["backup.npz", "training_metadata.json"]
    assert state_file.read(folder / "backup.npz")["epoch"] == 3
    values, _ = train([Backup(folder)])
    expected, _ = train([])
    assert equal(values, expected)


def test_a_kept_backup_is_extended(tmp_path):
    train([Backup(tmp_path, delete_checkpoint=False)], epochs=2)
    values, history = train([Backup(tmp_path, delete_checkpoint=False)], epochs=6)
    expected, whole = train([])
    assert equal(values, expected)
    assert history.history == whole.history


def test_the_model_trains_from_the_first_epoch_afterwards(tmp_path):
    train_twice(tmp_path / "b", list)
    _, history = train([], epochs=2)
    assert history.epoch == [0, 1]


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="Empty"):
        Backup("")
    with pytest.raises(ValueError, match="must be a Keras callback"):
        Resumable("early stopping")
    with pytest.raises(ValueError, match=r"must come last.*SWA"):
        train([Backup(tmp_path / "a"), SWA(1)])
    train([SWA(0), Backup(tmp_path / "b", delete_checkpoint=False)], epochs=1)
    with pytest.raises(ValueError, match=r"callbacks \['SWA'\].*\['SnapshotEnsemble'\]"):
        train([SnapshotEnsemble(2, None), Backup(tmp_path / "b")])
    with pytest.raises(ValueError, match="another model or optimizer"):
        train([SWA(0), Backup(tmp_path / "b")], optimizer="sgd")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "latest.weights.h5").touch()
    with pytest.raises(ValueError, match="a folder of its own"):
        train([Backup(tmp_path / "c")])


def test_what_cannot_be_saved_is_named(tmp_path):
    class Odd(keras.callbacks.Callback):
        def __init__(self, given):
            super().__init__()
            self.given = given  # configuration: left alone

        def on_epoch_end(self, epoch, logs=None):
            self.made = object()

    assert Resumable(Odd(object())).get_state() == {}
    with pytest.raises(ValueError, match="`made` of Odd: a object"):
        train([Resumable(Odd(object())), Backup(tmp_path)])


def test_the_file_holds_what_python_and_numpy_hold(tmp_path):
    bfloat16 = keras.ops.convert_to_numpy(keras.ops.array([1.5, -2.0], "bfloat16"))
    value = {
        "plain": [None, True, 3, 0.1, float("inf"), "text"],
        2: (np.arange(3, dtype="int16"), np.float32(0.1), [bfloat16]),
        "op": keras.ops.less,
    }
    state_file.write(tmp_path / "s.npz", value)
    read = state_file.read(tmp_path / "s.npz")
    assert read["plain"] == value["plain"]
    assert read["op"] is keras.ops.less
    assert type(read[2]) is tuple
    assert read[2][0].dtype == "int16"
    assert type(read[2][1]) is np.float32
    assert read[2][1] == np.float32(0.1)
    assert read[2][2][0].dtype == bfloat16.dtype
    assert np.array_equal(read[2][2][0].astype("float32"), [1.5, -2.0])
    with pytest.raises(TypeError, match="array of Python objects"):
        state_file.write(tmp_path / "s.npz", {"x": np.array([object()])})


def test_the_hooks_of_a_wrapped_callback_are_its_own(capsys):
    wrapped = Resumable(keras.callbacks.EarlyStopping("loss"))
    train([wrapped], epochs=1)
    assert "acts on every batch" not in capsys.readouterr().out
    assert wrapped.patience == 0
    with pytest.raises(AttributeError):
        wrapped.nothing  # noqa: B018
