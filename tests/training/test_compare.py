"""`compare`: equal conditions, a whole grid, diverged runs, sweeps that are interrupted or spread over processes."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pandas
import pytest

from kerasopt.training.compare import compare
from kerasopt.training.comparison import Comparison
from kerasopt.training.fit import fit
from tests.training import comparing

ROOT = Path(__file__).parents[2]
SETTINGS = {"validation_data": comparing.VALIDATION, "epochs": 2, "batch_size": 16, "verbose": 0}


def sweep(contenders=None, data=comparing.DATA, **settings):
    return compare(comparing.build, contenders or comparing.contenders(), data, **(SETTINGS | settings))


@pytest.fixture(scope="module")
def serial():
    return sweep(seeds=2)


def test_frame_is_tidy(serial):
    frame = serial.frame
    assert list(frame) == ["contender", "rate", "seed", "epoch", "step", "metric", "value", "diverged"]
    assert len(frame) == 2 * 2 * 2 * 4  # contenders, seeds, epochs, metrics
    assert not frame.duplicated(["contender", "rate", "seed", "epoch", "metric"]).any()
    assert set(zip(frame.epoch, frame.step, strict=True)) == {(1, 4), (2, 8)}
    assert frame.value.notna().all()
    rates = frame.groupby("contender").rate.unique().map(list).to_dict()
    assert rates == {"adam": [pytest.approx(0.001)], "decay": [pytest.approx(0.1)]}


def test_a_run_is_what_fit_alone_would_be(serial):
    """In spite of the reuse: the last contender's second seed, from a model built and trained apart."""
    keras.utils.set_random_seed(1)
    model = comparing.build()
    model.compile(comparing.decay(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    keras.utils.set_random_seed(1)
    history = fit(model, *comparing.DATA, 16, 2, 0, validation_data=comparing.VALIDATION, seed=1).history
    assert serial.runs[-1]["history"] == {name: pytest.approx(values, rel=1e-6) for name, values in history.items()}


def test_equal_contenders_get_equal_conditions(made):
    slots = {"a": keras.optimizers.Adam(0.1), "b": keras.optimizers.Adam(0.1), "c": keras.optimizers.Adam(0.1)}
    runs = sweep(slots, seeds=[4, 5]).runs
    a, b, c = (runs[i : i + 2] for i in (0, 2, 4))
    for seed in range(2):
        assert a[seed]["history"] == b[seed]["history"] == c[seed]["history"]
    assert a[0]["history"] != a[1]["history"]
    assert made == ["train", "test"]


def test_one_compilation_an_optimizer_class(made):
    contenders = {"sgd": "sgd", "momentum": keras.optimizers.SGD(momentum=0.9), "adam": keras.optimizers.Adam}
    result = sweep(contenders, rates=[0.1, 0.01], seeds=2)
    assert len(result.runs) == 12
    assert sorted(made) == ["test", "train", "train", "train"]


def test_rates_are_picked_on_validation_and_all_reported():
    x = comparing.X[:64]
    # The validation labels are the opposite: what learns well scores badly there, so the rate near zero is best.
    result = sweep({"sgd": "sgd"}, (x, comparing.Y[:64]), validation_data=(x, 1 - comparing.Y[:64]), rates=[1e-6, 1.0])
    assert sorted(result.frame.rate.unique()) == [1e-6, 1.0]
    assert result.metric == "val_accuracy"
    assert result.table().loc["sgd", "rate"] == 1e-6
    assert Comparison(result.runs, "accuracy").table().loc["sgd", "rate"] == 1.0
    assert Comparison(result.runs, "loss").table().loc["sgd", "rate"] == 1.0  # smaller is better there
    assert result.table().loc["sgd", "runs"] == 2


def test_a_function_is_called_with_the_rate():
    result = sweep({"decay": comparing.decay}, rates=[1e-6, 0.5])
    first, second = (run["history"]["loss"] for run in result.runs)
    assert abs(first[1] - first[0]) < abs(second[1] - second[0])


def test_a_schedule_with_a_rate_of_its_own_is_compiled_anew_at_each_rate():
    both = sweep({"step": comparing.stairs}, rates=[0.001, 1.0]).runs
    (alone,) = sweep({"step": comparing.stairs}, rates=[1.0]).runs
    assert both[1]["history"] == alone["history"] != both[0]["history"]


def test_diverged_runs_are_flagged_rows():
    result = sweep({"sgd": "sgd", "adam": "adam"}, rates=[0.01, 1e38], seeds=2, epochs=3)
    frame = result.frame
    lost = frame[frame.diverged]
    assert set(lost.rate) == {1e38}
    assert len(lost[lost.contender == "sgd"]) == 2 * 3 * 4  # seeds, epochs, metrics: none is missing
    assert lost[(lost.metric == "loss") & (lost.epoch == 3)].value.isna().all()
    assert sorted(lost.step.unique()) == [4, 8, 12]
    assert frame[frame.rate == 0.01].value.notna().all()
    table = result.table()
    assert table.loc["sgd", "diverged"] == 2
    assert table.loc["sgd", "rate"] == 0.01


def test_callbacks_come_with_a_function():
    seen = []

    def with_callback():
        spy = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        return keras.optimizers.SGD(0.1), [spy]

    sweep({"spied": with_callback}, seeds=2)
    assert seen == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"contenders": ["sgd"]}, "`optimizers` must be a dictionary"),
        ({"seeds": 0}, "must not be empty"),
        ({"rates": []}, "must not be empty"),
        ({"rates": [0.1], "validation_data": None}, "`validation_data` must be given"),
        ({"contenders": {"cosine": comparing.decay()}, "rates": [0.1]}, "'cosine' has a schedule"),
        ({"metric": "val_auc", "contenders": {"sgd": "sgd"}}, "`metric` must be one of"),
    ],
)
def test_bad_arguments(settings, match):
    with pytest.raises(ValueError, match=match):
        sweep(**settings)


def test_table_ranks_and_spreads(serial):
    table = serial.table()
    finals = serial.frame.query("metric == 'val_accuracy' and epoch == 2").groupby("contender").value
    assert table.val_accuracy.is_monotonic_decreasing
    for name in table.index:
        assert table.loc[name, "val_accuracy"] == pytest.approx(finals.mean()[name])
        assert table.loc[name, "spread"] == pytest.approx(finals.std()[name])
    assert (table.seconds > 0).all()
    assert "decay" in repr(serial)
    assert "<table" in serial._repr_html_()


def test_save_and_load(serial, tmp_path):
    serial.save(tmp_path / "sweep.json")
    loaded = Comparison.load(tmp_path / "sweep.json")
    pandas.testing.assert_frame_equal(loaded.frame, serial.frame)
    assert loaded.metric == serial.metric
    assert [file.name for file in tmp_path.iterdir()] == ["sweep.json"]


def test_plot_draws_each_contender_with_a_band(serial):
    import matplotlib

    matplotlib.use("agg")
    ax = serial.plot("val_loss")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["adam", "decay"]
    values = [run["history"]["val_loss"] for run in serial.runs[:2]]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.mean(values, axis=0))
    assert ax.get_ylabel() == "val loss"
    matplotlib.pyplot.close(ax.figure)


def test_plot_rates_draws_the_grid_without_what_diverged():
    import matplotlib

    matplotlib.use("agg")
    runs = [
        {"contender": "sgd", "rate": rate, "seed": seed, "steps": [1], "seconds": 1.0, "diverged": rate == 1.0}
        | {"history": {"val_loss": [np.nan if rate == 1.0 else rate + seed]}}
        for rate in (1.0, 0.1, 0.3)
        for seed in (0, 1)
    ]
    ax = Comparison(runs).plot_rates()
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0.1, 0.6], [0.3, 0.8], [1, np.nan]])
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().intervaly.tolist() == pytest.approx([0.1, 1.3])
    assert ax.get_xscale() == "log"
    matplotlib.pyplot.close(ax.figure)


class Interrupts:
    """A contender that stops the sweep when its second run is made."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.calls == 3:  # the first call only checks the contender
            raise KeyboardInterrupt
        return keras.optimizers.SGD(0.1)


def test_checkpoint_continues_an_interrupted_sweep(tmp_path, monkeypatch):
    ran = []
    module = compare.__globals__
    run = module["_run"]
    monkeypatch.setitem(module, "_run", lambda task: ran.append((task["name"], task["seed"])) or run(task))
    contenders = {"adam": "adam", "odd": Interrupts()}
    settings = {"seeds": 2, "checkpoint": tmp_path / "sweep"}
    with pytest.raises(KeyboardInterrupt):
        sweep(contenders, **settings)
    assert ran == [("adam", 0), ("adam", 1), ("odd", 0), ("odd", 1)]
    (tmp_path / "sweep" / "half.part").write_text("{")  # what a kill while writing leaves
    del ran[:]
    continued = sweep(contenders, **settings)
    assert ran == [("odd", 1)]
    whole = sweep({"adam": "adam", "odd": lambda: keras.optimizers.SGD(0.1)}, seeds=2)
    pandas.testing.assert_frame_equal(continued.frame, whole.frame)
    del ran[:]
    sweep(contenders, **settings)
    assert ran == []
    sweep(contenders, **(settings | {"epochs": 1}))
    assert len(ran) == 4  # other settings are another sweep


def test_threads_change_nothing(serial):
    with ThreadPoolExecutor(2) as executor:
        result = sweep(seeds=2, executor=executor)
    pandas.testing.assert_frame_equal(result.frame, serial.frame)


def workers(count):
    # Workers find the tests as the tests do, whatever started them.
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


@pytest.mark.usefixtures("importable")
def test_processes_change_nothing_and_a_dead_one_is_reported(serial, tmp_path, capsys):
    with workers(2) as executor:
        result = sweep(seeds=2, executor=executor, data=comparing.load)
        pandas.testing.assert_frame_equal(result.frame, serial.frame)
        lethal = {"sgd": "sgd", "lethal": comparing.KillsItsWorker()}
        settings = {"seeds": 1, "checkpoint": tmp_path}
        broken = sweep(lethal, executor=executor, **settings)
    assert "lethal" in {run["contender"] for run in broken.failures}
    assert "kerasopt.compare: lethal" in capsys.readouterr().out
    assert broken.frame.empty or set(broken.frame.contender) == {"sgd"}
    repaired = sweep(lethal, **settings)  # what was lost is made up for
    assert not repaired.failures
    assert set(repaired.frame.contender) == {"sgd", "lethal"}


@pytest.mark.usefixtures("importable")
def test_dask_changes_nothing(serial, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": tmp_path}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        result = sweep(seeds=2, executor=client.get_executor())
    pandas.testing.assert_frame_equal(result.frame, serial.frame)


@pytest.mark.usefixtures("importable")
def test_mpi_changes_nothing(serial, tmp_path):
    pytest.importorskip("mpi4py")
    mpiexec = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not mpiexec:
        pytest.skip("MPI is not installed")
    script = [sys.executable, "-m", "mpi4py.futures", Path(__file__).with_name("mpi_sweep.py"), tmp_path / "sweep.json"]
    run = subprocess.run([mpiexec, "-n", "3", *script], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr[-2000:]
    pandas.testing.assert_frame_equal(Comparison.load(tmp_path / "sweep.json").frame, serial.frame)
