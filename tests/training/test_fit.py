"""What `fit` does besides arithmetic: callbacks, chunks, records, fall-backs, reuse, interrupts.

The file runs on the backend that Keras was started with; test_backends.py runs it once more on JAX.
"""

import copy
import gc
import os
import signal

import keras
import numpy as np
import psutil
import pytest
from keras import layers

from kerasopt.training._programs import to_device
from kerasopt.training.fit import fit

RNG = np.random.default_rng(7)
X = RNG.normal(size=(80, 4)).astype("float32")
Y = (X @ RNG.normal(size=(4, 1))).astype("float32")


def net(*hidden, optimizer=None, seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", metrics=["mae"], **arguments)
    return model


def kernel(model):
    return model.get_weights()[0].ravel().tolist()


class Diary(keras.callbacks.Callback):
    """Writes down the calls it gets at the level of epochs, with rounded logs."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def _write(self, hook, *arguments):
        logs = arguments[-1] or {}
        self.calls.append((hook, *arguments[:-1], {name: round(value, 3) for name, value in logs.items()}))

    def on_train_begin(self, logs=None):
        self._write("train_begin", logs)

    def on_train_end(self, logs=None):
        self._write("train_end", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._write("epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._write("epoch_end", epoch, logs)

    def on_test_begin(self, logs=None):
        self._write("test_begin", logs)

    def on_test_end(self, logs=None):
        self._write("test_end", logs)


def callbacks_of(kind, folder):
    c = keras.callbacks
    return {
        "early_stopping": lambda: [c.EarlyStopping("val_loss", min_delta=10.0, patience=2, restore_best_weights=True)],
        "checkpoint": lambda: [c.ModelCheckpoint(folder / "{epoch}.weights.h5", save_weights_only=True)],
        "scheduler": lambda: [c.LearningRateScheduler(lambda epoch, rate: rate / (1 + epoch))],
        "plateau": lambda: [c.ReduceLROnPlateau("loss", min_delta=10.0, patience=1)],
        "csv": lambda: [c.CSVLogger(folder / "log.csv")],
        "tensorboard": lambda: [c.TensorBoard(folder / "logs")],
        "nan": lambda: [c.TerminateOnNaN()],
        "lambda": lambda: [c.LambdaCallback(on_epoch_end=lambda epoch, logs: None)],
        "list": list,
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["early_stopping", "checkpoint", "scheduler", "plateau", "csv", "tensorboard", "nan", "lambda", "list"],
)
def test_callbacks_do_what_they_do_in_stock_fit(kind, tmp_path):
    if kind == "tensorboard":
        pytest.importorskip("tensorboard")
    outcomes = []
    for train, folder in ((keras.Model.fit, tmp_path / "stock"), (fit, tmp_path / "ours")):
        folder.mkdir()
        model, diary = net(), Diary()
        callbacks = [diary, *callbacks_of(kind, folder)]
        if kind == "list":
            callbacks = keras.callbacks.CallbackList(callbacks, add_history=True, model=model, epochs=4, steps=5)
        history = train(model, X, Y, 16, 4, verbose=0, callbacks=callbacks, validation_data=(X, Y), shuffle=False)
        files = sorted(f.name for f in folder.iterdir())
        outcomes.append((diary.calls, history.epoch, files, float(model.optimizer.learning_rate), kernel(model)))
    (calls, epochs, files, rate, end), ours = outcomes
    assert ours[0] == calls
    assert ours[1] == epochs
    assert ours[2] == files
    assert ours[3] == pytest.approx(rate)
    np.testing.assert_allclose(ours[4], end, atol=1e-5)  # a hundred roundings, as in test_fit_equality.py
    if kind == "early_stopping":  # no gain of 10 is possible, so the first epoch is the best
        assert epochs == [0, 1, 2]


def test_nan_terminates_at_the_end_of_a_chunk(capsys):
    model = net()
    history = fit(model, X * np.inf, Y, epochs=3, chunks=1, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert history.epoch == [0]
    assert "Invalid loss" in capsys.readouterr().out


def test_backup_and_restore_resumes_in_the_same_order(tmp_path):
    whole = net(optimizer="adam")
    fit(whole, X, Y, epochs=4, verbose=0, seed=9)

    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("power cut")

    backup = lambda: keras.callbacks.BackupAndRestore(tmp_path / "backup")  # noqa: E731
    with pytest.raises(RuntimeError, match="power cut"):
        fit(net(optimizer="adam"), X, Y, epochs=4, verbose=0, seed=9, callbacks=[backup(), Crash()])
    resumed = net(optimizer="adam", seed=1)
    history = fit(resumed, X, Y, epochs=4, verbose=0, seed=9, callbacks=[backup()])
    assert history.epoch == [2, 3]
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Batches(keras.callbacks.Callback):
    """Takes down batch numbers and running losses, and halves the rate after batch 2."""

    def __init__(self):
        super().__init__()
        self.begins, self.ends, self.losses = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begins.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)
        self.losses.append(logs["loss"])
        if batch == 2:
            self.model.optimizer.learning_rate = 0.0


def test_a_callback_on_batches_gets_every_batch_and_is_obeyed(capsys):
    model, batches = net(), Batches()
    fit(model, X, Y, 16, epochs=2, verbose=0, callbacks=[batches], shuffle=False)
    assert batches.begins == batches.ends == [0, 1, 2, 3, 4] * 2
    said = capsys.readouterr().out
    assert said.count("Batches acts on every batch") == 1
    by_hand = net()
    by_hand.fit(X[:48], Y[:48], 16, shuffle=False, verbose=0)  # the three batches before the rate became zero
    np.testing.assert_allclose(kernel(model), kernel(by_hand), atol=1e-6)  # ten roundings


def test_a_callback_on_batches_and_chunks():
    model, batches = net(), Batches()
    fit(model, X[:75], Y[:75], 16, verbose=0, callbacks=[batches], chunks=2)
    assert batches.begins == [0, 3, 4]
    assert batches.ends == [2, 3, 4]  # the smaller last batch is a program of its own


def test_chunks_change_nothing():
    ends = []
    for chunks in (None, 1, 3, 100):
        model = net(optimizer="adam")
        ends.append((fit(model, X, Y, 16, 2, verbose=0, chunks=chunks, seed=1).history, kernel(model)))
    assert all(end == ends[0] for end in ends)


@pytest.mark.parametrize("samples", [80, 75])
def test_record_holds_each_batch_loss_and_rate(samples):
    x, y, order = X[:samples], Y[:samples], np.random.default_rng([5, 0]).permutation(samples)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
    model, by_hand = net(optimizer=keras.optimizers.SGD(schedule)), net(optimizer=keras.optimizers.SGD(schedule))
    history = fit(model, x, y, 16, epochs=2, verbose=0, record=True, seed=5, chunks=2)
    losses = [float(by_hand.train_on_batch(x[i], y[i])[0]) for i in np.array_split(order, range(16, samples, 16))]
    np.testing.assert_allclose(history.steps["loss"][:5], losses, rtol=1e-5)  # a hundred roundings
    np.testing.assert_allclose(history.steps["learning_rate"], 0.05 * 0.9 ** np.arange(10), rtol=1e-6)
    sizes = np.minimum(16, samples - 16 * np.arange(5))
    mean = (history.steps["loss"][:5] * sizes).sum() / samples
    np.testing.assert_allclose(history.history["loss"][0], mean, rtol=1e-6)  # the epoch's log is untouched


def test_record_changes_nothing():
    runs = [fit(net(), X, Y, 16, 2, verbose=0, record=record, seed=1) for record in (False, True)]
    for name, values in runs[0].history.items():
        np.testing.assert_allclose(runs[1].history[name], values, rtol=1e-6)  # fused otherwise: ten roundings
    np.testing.assert_allclose(kernel(runs[0].model), kernel(runs[1].model), rtol=1e-6)


def test_progress_bar_counts_steps(capsys):
    fit(net(), X, Y, 16, 1, verbose=2)
    assert "5/5" in capsys.readouterr().out


def batches():
    while True:
        yield X[:16], Y[:16]


class Untraceable(layers.Layer):
    def call(self, x):
        if float(keras.ops.sum(x)) > 1e9:  # No value exists while a program is traced.
            return x * 2
        return x

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize(
    ("make", "data", "arguments", "why"),
    [
        (net, (batches(),), {"steps_per_epoch": 3, "shuffle": False}, "steps_per_epoch"),
        (lambda: net(run_eagerly=True), (X, Y), {}, "run_eagerly"),
        (net, (X, Y), {"batch_size": 16, "steps_per_epoch": 5}, "steps_per_epoch"),
    ],
)
def test_what_cannot_be_compiled_falls_back_and_says_so_once(make, data, arguments, why, capsys):
    model = make()
    for _ in range(2):
        history = fit(model, *data, verbose=0, **arguments)
        assert len(history.history["loss"]) == 1
    said = capsys.readouterr().out
    assert said.count("kerasopt.fit:") == said.count(why) == said.count("\n") == 1
    with pytest.raises(ValueError, match="Argument `record` must be False"):
        fit(model, *data, verbose=0, record=True, **arguments)


def test_a_dataset_falls_back(capsys):
    import tensorflow as tf

    history = fit(net(), tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), verbose=0, shuffle=False)
    assert len(history.history["loss"]) == 1
    assert "which is not an array" in capsys.readouterr().out


def test_a_dataset_to_validate_on_does_not(capsys):
    import tensorflow as tf

    validation = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    histories = [
        fit(net(), X, Y, verbose=0, seed=0, validation_data=data, validation_batch_size=16).history
        for data in ((X, Y), validation)
    ]
    assert histories[0] == {name: pytest.approx(values, rel=1e-5) for name, values in histories[1].items()}
    assert not capsys.readouterr().out


def test_a_step_that_does_not_compile_is_left_to_stock_and_its_error(capsys):
    with pytest.raises(Exception, match=r"(?i)build|symbolic|graph|tracer|_error_repr"):
        fit(net(Untraceable()), X, Y, verbose=0)
    assert "the step does not compile" in capsys.readouterr().out


def test_errors_of_keras_stay_errors():
    with pytest.raises(ValueError, match="compile"):
        fit(keras.Sequential([layers.Dense(1)]), X, Y)
    with pytest.raises(ValueError, match="same number of samples"):
        fit(net(), X, Y[:-1])
    with pytest.raises(ValueError, match="validation_split"):
        fit(net(), X[:1], Y[:1], validation_split=0.5)
    with pytest.raises(ValueError, match="class_weight"):
        fit(net(), X, Y, class_weight={0: 1.0}, sample_weight=np.ones(80))
    with pytest.raises(ValueError, match="validation_freq"):
        fit(net(), X, Y, validation_data=(X, Y), validation_freq="often", verbose=0)


@pytest.mark.parametrize("bad", [{"chunks": 0}, {"chunks": 2.5}, {"seed": -1}, {"seed": "a"}])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match=f"Argument `{next(iter(bad))}` must be"):
        fit(net(), X, Y, **bad)


def test_other_kinds_of_arrays():
    pandas = pytest.importorskip("pandas")
    ends = []
    for x, y in (
        (X, Y),
        (pandas.DataFrame(X), pandas.Series(Y[:, 0])),
        (keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)),
        (X.astype("float64"), Y.astype("float16").astype("float32") * 0 + Y),
    ):
        model = net()
        fit(model, x, y, verbose=0, seed=0)
        ends.append(kernel(model))
    assert all(end == ends[0] for end in ends)


def test_one_compilation_for_many_fits(made):
    model = net(optimizer="adam")
    for epochs in (1, 2):
        fit(model, X, Y, 16, epochs, verbose=0, validation_data=(X[:32], Y[:32]), validation_batch_size=16)
    assert made == ["train", "test"]
    model.set_weights([w * 0 for w in model.get_weights()])
    model.optimizer.learning_rate = 1e-4
    fit(model, X, Y, 16, verbose=0, seed=3, chunks=4, shuffle="batch", callbacks=[keras.callbacks.TerminateOnNaN()])
    assert made == ["train", "test"]
    assert np.abs(kernel(model)).max() <= 6 * 1e-4  # five steps of Adam at that rate
    model.compile("sgd", "mae")
    fit(model, X, Y, 16, verbose=0)
    assert made == ["train", "test", "train"]


@pytest.mark.parametrize("flags", [None, "--xla_cpu_prefer_vector_width=256"])
def test_the_environment_stays_as_it_was(monkeypatch, flags):
    if flags is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", flags)
    before = dict(os.environ)
    fit(net(), X, Y, 16, verbose=0)
    assert dict(os.environ) == before


def test_many_shapes_and_models_do_not_warn_of_retracing(made):
    # Warnings are errors here, and TensorFlow warns after five traces of one function.
    model = net()
    for samples in (16, 32, 48, 64, 80, 79):
        fit(model, X[:samples], Y[:samples], 16, verbose=0)
    for _ in range(3):
        fit(net(), X, Y, 16, verbose=0)
    assert len(made) == 6 + 1 + 3


def test_the_model_can_be_copied_saved_and_trained_on(tmp_path):
    model = net(optimizer="adam")
    fit(model, X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    for other in (keras.models.load_model(tmp_path / "model.keras"), copy.deepcopy(model)):
        np.testing.assert_array_equal(kernel(other), kernel(model))
        fit(other, X, Y, verbose=0)
        other.fit(X, Y, verbose=0)
        assert kernel(other) != kernel(model)


def test_memory_stays_after_ten_fits():
    model = net()
    x = np.zeros((250_000, 4, 10), "float32").reshape(-1, 40)  # 40 MB
    model = keras.Sequential([keras.Input((40,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    fit(model, x, x[:, :1], 5000, verbose=0)
    gc.collect()
    before = psutil.Process().memory_info().rss
    for _ in range(10):
        fit(model, x, x[:, :1], 5000, verbose=0)
    gc.collect()
    assert psutil.Process().memory_info().rss - before < x.nbytes  # less than one more copy


def test_data_changed_in_place_are_read_anew():
    x, y = X.copy(), Y.copy()
    model, fresh = net(), net()
    fit(model, x, y, verbose=0, seed=0)
    start = model.get_weights()
    x[:] = X[::-1]
    y[:] = 2 * Y
    fit(model, x, y, verbose=0, seed=1)
    fresh.set_weights(start)
    fit(fresh, x.copy(), y.copy(), verbose=0, seed=1)
    assert kernel(model) == kernel(fresh)


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")  # NumPy would rather have a new array
def test_data_reshaped_in_place_are_read_in_their_new_shape():
    x = X[:1].copy()
    before = to_device(x).shape
    x.shape = (4,)
    assert [tuple(before), tuple(to_device(x).shape)] == [(1, 4), (4,)]


def test_the_copy_of_the_data_goes_with_the_data():
    model = keras.Sequential([keras.Input((40,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((1_000_000, 40), "float32")  # 160 MB in the copy: zeros take no memory before something is written
    size = x.nbytes
    fit(model, x, x[:, :1], 10_000, verbose=0)
    before = psutil.Process().memory_info().rss
    del x
    gc.collect()
    assert before - psutil.Process().memory_info().rss > 0.8 * size


@pytest.fixture
def ctrl_c():
    """Python's handler of SIGINT, which a shell's background jobs start without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_within_a_chunk_and_leaves_the_model_whole(tmp_path, ctrl_c):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                ctrl_c()

    model = net(optimizer="adam")
    with pytest.raises(KeyboardInterrupt):
        fit(model, X, Y, 16, verbose=0, callbacks=[Interrupt()], chunks=5)
    assert int(model.optimizer.iterations) == 3
    assert np.isfinite(kernel(model)).all()
    model.save(tmp_path / "model.keras")
    fit(model, X, Y, 16, verbose=0)
    assert int(model.optimizer.iterations) == 8


def test_a_second_fit_with_averaged_weights():
    model = net(optimizer=keras.optimizers.SGD(0.05, use_ema=True))
    for _ in range(2):
        fit(model, X, Y, verbose=0)
    assert int(model.optimizer.iterations) == 6
