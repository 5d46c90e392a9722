"""Snapshots: their rates against a table, their moments, their files, their ensemble, and what is refused."""

import math

import keras
import numpy as np
import pytest

import kerasopt
from kerasopt.ensembles import SnapshotCycles, SnapshotEnsemble

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
BACKEND = keras.backend.backend()


def net(rate=0.05, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], **arguments)
    return model


def table(kind, total, cycles, top, low):
    """The papers' formulas, with their steps counted from 1."""
    length, rates = math.ceil(total / cycles), []
    for i in range(1, total + 1):
        if kind == "cosine":  # Huang et al., equation 2
            rates.append(low + (top - low) / 2 * (math.cos(math.pi * ((i - 1) % length) / length) + 1))
        else:  # Garipov et al., section 4
            t = ((i - 1) % length + 1) / length
            rates.append((1 - 2 * t) * top + 2 * t * low if t <= 0.5 else (2 - 2 * t) * low + (2 * t - 1) * top)
    return rates


class Diary(keras.callbacks.Callback):
    """Keeps the rate and the weights of every step."""

    def __init__(self):
        super().__init__()
        self.rates, self.weights = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.weights.append([np.array(w) for w in self.model.get_weights()])


@pytest.mark.parametrize("shape", ["cosine", "triangular"])
@pytest.mark.parametrize(
    ("fit", "epochs", "cycles", "due"),
    [
        (kerasopt.fit, 4, 4, [4, 9, 14, 19]),
        (kerasopt.fit, 3, 4, [3, 7, 11, 14]),
        (kerasopt.fit, 1, 4, [1, 3, 4]),
        (keras.Model.fit, 2, 3, [3, 7, 9]),
    ],
)
def test_rates_and_moments(fit, epochs, cycles, due, shape, capsys):
    """5 steps an epoch: cycles that end with epochs, within them, that are cut short, and that never begin."""
    total = 5 * epochs
    snapshots, diary, model = SnapshotEnsemble(cycles, 0.4, 0.1, shape), Diary(), net()
    fit(model, X, Y, 8, epochs, verbose=0, shuffle=False, callbacks=[snapshots, diary])
    expected = table(shape, total, cycles, 0.4, 0.1)
    # Rates of float32: a relative error of 6e-8, and as much again for each operation.
    assert diary.rates == pytest.approx(expected, rel=5e-7)
    length = math.ceil(total / cycles)
    begun = range(0, total, length)
    lowest = [min(start + (length if shape == "cosine" else length // 2), total) - 1 for start in begun]
    if shape == "cosine":
        assert lowest == due
    assert len(snapshots.snapshots) == len(lowest)
    for step, snapshot in zip(lowest, snapshots.snapshots, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(snapshot, diary.weights[step], strict=True))
    assert (f"only {len(lowest)} of {cycles} cycles" in capsys.readouterr().out) == (len(lowest) < cycles)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


def test_a_compiled_schedule_gives_the_same_run_without_a_look_at_each_batch(capsys):
    driven, compiled = SnapshotEnsemble(4, 0.4), SnapshotEnsemble(4, 0.4)
    one, two = net(), net(compiled.schedule(20))
    kerasopt.fit(one, X, Y, 8, 4, verbose=0, seed=0, callbacks=[driven])
    capsys.readouterr()
    record = {} if BACKEND == "torch" else {"record": True}
    history = kerasopt.fit(two, X, Y, 8, 4, verbose=0, seed=0, callbacks=[compiled], **record)
    assert "acts on every batch" not in capsys.readouterr().out
    if BACKEND == "torch":
        return  # draws the order itself
    assert history.steps["learning_rate"] == pytest.approx(table("cosine", 20, 4, 0.4, 0.0), abs=1e-7)
    for a, b in zip(driven.snapshots, compiled.snapshots, strict=True):
        assert np.allclose(a[0], b[0], atol=1e-6)  # XLA may order the sums of two programs differently
    assert len(compiled.snapshots) == 4


def test_cosine_is_the_builtin_between_the_restarts():
    for length in (1, 2, 7, 41, 938):
        steps = np.arange(3 * length)
        builtin = keras.optimizers.schedules.CosineDecayRestarts(0.3, length, t_mul=1.0, alpha=0.1)
        theirs = np.array([float(builtin(int(t))) for t in steps[:: max(1, length // 40)]])
        ours = keras.ops.convert_to_numpy(SnapshotCycles(0.3, length, 0.03)(steps))[:: max(1, length // 40)]
        assert ours == pytest.approx(theirs, abs=1e-6)  # the built-in's quotient loses digits


@pytest.mark.skipif(BACKEND == "torch", reason="torch has no compiled loop")
def test_no_restart_is_missed_in_a_compiled_loop():
    """41 steps a cycle, where 82 / 41 in compiled code is a little less than 2."""
    model = net(SnapshotCycles(0.4, 41))
    history = kerasopt.fit(model, X, Y, 2, 9, verbose=0, record=True)
    assert history.steps["learning_rate"][::41] == pytest.approx([0.4] * 5)


def test_ensemble_of_snapshots(tmp_path):
    folder, model = tmp_path / "s", net()
    snapshots = SnapshotEnsemble(4, 0.4, directory=folder)
    kerasopt.fit(model, X, Y, 8, 4, verbose=0, callbacks=[snapshots])
    assert sorted(p.name for p in folder.iterdir()) == [f"snapshot_{i:02d}.weights.h5" for i in (1, 2, 3, 4)]
    final = model.get_weights()
    each = snapshots.evaluate_each(X, Y)
    probabilities = []
    for weights, scores in zip(snapshots.snapshots, each, strict=True):
        logits = X @ weights[0].astype("float64") + weights[1]
        probabilities.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
        entropy = -np.log(probabilities[-1][np.arange(len(Y)), Y]).mean()
        assert scores["loss"] == pytest.approx(entropy, abs=1e-5)
        assert scores["accuracy"] == pytest.approx((probabilities[-1].argmax(1) == Y).mean())
    assert all(np.array_equal(a, b) for a, b in zip(final, model.get_weights(), strict=True))
    for last in (None, 2, 1):
        ensemble = snapshots.average(last)
        path = tmp_path / f"{last}.keras"
        ensemble.save(path)
        for m in (ensemble, keras.models.load_model(path)):
            predicted = m.predict(X, verbose=0)
            assert predicted == pytest.approx(np.mean(probabilities[-(last or 0) :], axis=0), abs=1e-5)
    with pytest.raises(ValueError, match=r"at most 4.*last=5"):
        snapshots.models(5)


def test_a_run_that_starts_late_says_what_is_missing(tmp_path, capsys):
    snapshots = SnapshotEnsemble(4, 0.4, directory=tmp_path)
    kerasopt.fit(net(), X, Y, 8, 2, verbose=0, callbacks=[SnapshotEnsemble(2, 0.4, directory=tmp_path)])
    (tmp_path / "snapshot_01.weights.h5").unlink()
    capsys.readouterr()
    kerasopt.fit(net(), X, Y, 8, 4, initial_epoch=2, verbose=0, callbacks=[snapshots])
    out = capsys.readouterr().out
    assert "no snapshot 1" in out
    assert "no snapshot 2" not in out
    assert len(snapshots.snapshots) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        {"cycles": 0},
        {"initial_rate": 0.0},
        {"initial_rate": -1.0},
        {"minimum_rate": 0.2},
        {"minimum_rate": -0.1},
        {"shape": "square"},
    ],
)
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match=f"Argument `{next(iter(arguments))}`"):
        SnapshotEnsemble(**arguments)


def test_refusals():
    def fit(snapshots, rate=0.05, epochs=2, chunks=None, **arguments):
        kerasopt.fit(net(rate, **arguments), X, Y, 8, epochs, verbose=0, callbacks=[snapshots], chunks=chunks)

    with pytest.raises(ValueError, match="No snapshot"):
        SnapshotEnsemble(2).models()
    with pytest.raises(ValueError, match=r"follows a schedule.*schedule\(10\)"):
        fit(SnapshotEnsemble(2, 0.4), keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    with pytest.raises(ValueError, match="follows a schedule"):
        fit(SnapshotEnsemble(2, 0.4), SnapshotEnsemble(2, 0.4).schedule(11))  # of a longer run
    fit(SnapshotEnsemble(2, None), keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5))
    if BACKEND != "torch":  # has neither
        with pytest.raises(ValueError, match=r"steps_per_execution=5.*schedule\(10\)"):
            fit(SnapshotEnsemble(2, 0.4), steps_per_execution=5)
        with pytest.raises(ValueError, match="leave `chunks`"):
            fit(SnapshotEnsemble(2, 0.4), chunks=1)
        with pytest.raises(ValueError, match="see the end of every cycle, but"):
            fit(SnapshotEnsemble(3, None), chunks=1)
    model = net(SnapshotEnsemble(2, 0.4).schedule(10))
    model.optimizer.iterations.assign(3)
    with pytest.raises(ValueError, match="schedule is at step 3"):
        kerasopt.fit(model, X, Y, 8, 2, verbose=0, callbacks=[SnapshotEnsemble(2, 0.4)])


def test_wrapped_optimizers_and_schedules_are_found():
    snapshots = SnapshotEnsemble(2, 0.4)
    model = net()
    inner = kerasopt.optimizers.SGD(snapshots.schedule(10))
    model.compile(kerasopt.optimizers.Lookahead(inner), "sparse_categorical_crossentropy")
    kerasopt.fit(model, X, Y, 8, 2, verbose=0, callbacks=[snapshots])
    assert len(snapshots.snapshots) == 2
