"""Snapshot ensembles."""

import math
import os

import keras
import numpy as np

from kerasopt._arguments import at_least, within
from kerasopt._nested import optimizers_within
from kerasopt.callbacks._state import Stateful, replacing
from kerasopt.ensembles._models import check_member, copy_of
from kerasopt.ensembles.average import average
from kerasopt.ensembles.cycles import SnapshotCycles


class SnapshotEnsemble(Stateful):
    """Train once, get several models: a snapshot of the weights wherever a cycle of the learning rate comes to rest.

    A run of `T` steps is cut into `cycles` of `L = ceil(T / cycles)` steps. In each the rate falls from `initial_rate`
    to about `minimum_rate`, at every step:

        rate = minimum_rate + (initial_rate - minimum_rate) * (1 + cos(pi * (t mod L) / L)) / 2

    and at the cycle's last step, before the rate jumps up and drives the weights elsewhere, they are kept. The models
    agree less than five checkpoints of an ordinary run do, so that averaging their probabilities gains more; how much
    that is depends on the task, and on an easy one it is little. The usual mistakes: a rate too low to leave a
    minimum; cycles too short to reach one; and an average over all snapshots where the first are bad: try
    `average(last=3)`.

    **Fast geometric ensembling** is `shape="triangular"` with a low `initial_rate`, on a model that has been trained
    already, with cycles of 2 to 4 epochs: the rate goes down and up again, and the weights are kept in the middle,
    where it is lowest.

    Two ways to set the rate:

    - The optimizer has a number as its rate. The callback sets it before every batch, and puts the number back at the
      end of training (not when an exception ends it, of which Keras tells no callback). In `kerasopt.fit` this makes
      every batch a call of its own.
    - The optimizer is compiled with `snapshots.schedule(steps)`, and the callback finds it there and leaves it alone.
      Nothing else is needed, and `kerasopt.fit` runs at full speed.

    With `initial_rate=None` the callback sets no rate, whatever the optimizer does, and takes the snapshots only.

    Args:
        cycles: Number of cycles, an integer >= 1. If it does not divide the steps, the last cycle is shorter, and gives
            its snapshot all the same; if the run is so short that some do not begin, a line says so.
        initial_rate: Rate in (0, inf) at the start of a cycle, or None.
        minimum_rate: Rate in [0, `initial_rate`] that a cycle falls to.
        shape: `"cosine"` or `"triangular"`.
        directory: Folder for the snapshots, `snapshot_01.weights.h5` and so on, which appear there whole or not at
            all. None keeps them in memory.

    Raises:
        ValueError: If an argument is outside its interval. When training, if the optimizer follows a schedule of its
            own or another one than that of this run, or if one call of the backend makes several steps across the end
            of a cycle.

    Example:
        >>> import kerasopt
        >>> keras.utils.set_random_seed(0)
        >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, "softmax")])
        >>> snapshots = SnapshotEnsemble(cycles=3, initial_rate=1.0)
        >>> model.compile(keras.optimizers.SGD(snapshots.schedule(6 * 2)), "sparse_categorical_crossentropy")
        >>> _ = kerasopt.fit(model, x, x > 0, epochs=6, seed=0, verbose=0, callbacks=[snapshots])
        >>> ensemble = snapshots.average()
        >>> len(snapshots.snapshots), ensemble.predict(x, verbose=0).shape
        (3, (64, 2))

    Note:
        Epochs count from 0, whatever `initial_epoch` is. With a `kerasopt.callbacks.Backup` a run that was killed
        continues with the snapshots it had.

    Reference:
        Huang et al., "Snapshot ensembles: train 1, get M for free" (2017), arXiv 1704.00109, equation 2; Garipov et
        al., "Loss surfaces, mode connectivity, and fast ensembling of DNNs" (2018), arXiv 1802.10026, section 4.
    """

    def __init__(self, cycles=5, initial_rate=0.1, minimum_rate=0.0, shape="cosine", directory=None):
        super().__init__()
        self.cycles = at_least(1, cycles=cycles)
        self.initial_rate = None if initial_rate is None else within("(0, inf)", initial_rate=initial_rate)
        self.minimum_rate = within("[0, inf)", minimum_rate=minimum_rate)
        self.shape = shape
        self.directory = None if directory is None else os.fspath(directory)
        self.schedule(1)  # which checks what it is given
        self._taken = {}  # cycle: weights, or the file that has them
        self._before = None  # the optimizer's own rate, while the callback sets it

    def schedule(self, steps):
        """The rates of a run.

        Args:
            steps: Steps of the whole run: epochs times batches an epoch.

        Returns:
            A `SnapshotCycles`, to compile an optimizer with.
        """
        length = math.ceil(at_least(1, steps=steps) / self.cycles)
        top = self.minimum_rate if self.initial_rate is None else self.initial_rate
        return SnapshotCycles(top, length, self.minimum_rate, self.shape)

    @property
    def snapshots(self):
        """The snapshots so far, first to last: for each what `get_weights` of the model gives."""
        return [self._read(self._taken[cycle]) for cycle in sorted(self._taken)]

    def models(self, last=None):
        """The snapshots as models of their own.

        Args:
            last: How many, from the end, an integer >= 1; None for all.

        Returns:
            A list of uncompiled models, first to last.
        """
        snapshots = self.snapshots
        if last is not None and at_least(1, last=last) > len(snapshots):
            raise ValueError(
                f"Argument `last` must be at most {len(snapshots)}, the snapshots there are. Received: last={last}"
            )
        if not snapshots:
            raise ValueError("No snapshot has been taken yet: give the callback to `fit`.")
        models = []
        for number, weights in list(enumerate(snapshots, start=1))[-(last or 0) :]:
            models.append(copy_of(self.model, f"snapshot_{number}"))
            models[-1].set_weights(weights)
        return models

    def average(self, last=None, logits=False):
        """The ensemble: one model that averages the probabilities of the snapshots.

        Args:
            last: How many snapshots to take, from the end, an integer >= 1; None for all.
            logits: Whether the model ends in logits; each snapshot then gets a softmax first.

        Returns:
            A functional `keras.Model`, uncompiled. It is saved and loaded like any other.
        """
        check_member(self.model, self.model, logits)
        return average(self.models(last), logits)

    def evaluate_each(self, x=None, y=None, **arguments):
        """Evaluate every snapshot by itself, with the loss and the metrics that the model was compiled with.

        Args:
            x: As in `keras.Model.evaluate`.
            y: As in `keras.Model.evaluate`.
            **arguments: Further arguments of `keras.Model.evaluate`.

        Returns:
            A list of dictionaries from the names of loss and metrics to their values, first to last.
        """
        model, own = self.model, self.model.get_weights()
        try:
            return [_evaluate(model, w, {"x": x, "y": y, **arguments}) for w in self.snapshots]
        finally:
            model.set_weights(own)

    def set_params(self, params):
        """Find out where the cycles end, and whether that or the rates need a look at every batch."""
        super().set_params(params)
        self._steps = params.get("steps")
        total = (self._steps or 0) * params.get("epochs", 0)
        self._due, self._rates = [], None
        if total:
            cycles = self.schedule(total)
            self._due = cycles.snapshot_steps(total)
            if self.initial_rate is not None and _is_number(self.model.optimizer):
                self._rates = keras.ops.convert_to_numpy(cycles(np.arange(total, dtype="int32")))
        within_epochs = any((step + 1) % self._steps for step in self._due)
        for hook in ("on_train_batch_begin", "on_train_batch_end"):
            vars(self).pop(hook, None)
        if self._rates is None and not within_epochs:
            # With Keras's own hooks in their place, `kerasopt.fit` need not stop at every batch.
            self.on_train_batch_begin = super().on_train_batch_begin
            self.on_train_batch_end = super().on_train_batch_end

    def on_train_begin(self, logs=None):
        """Check the run, and forget the snapshots of the one before."""
        if not self._due:
            raise ValueError(
                "SnapshotEnsemble must know the steps of an epoch: give `fit` arrays, or `steps_per_epoch`"
            )
        if self._rates is not None:
            if self.model.steps_per_execution != 1:
                raise ValueError(
                    "SnapshotEnsemble sets the rate before each step, but `compile` was given steps_per_execution="
                    f"{self.model.steps_per_execution}: compile the optimizer with {self._advice()} as its rate."
                )
            if self._before is None:  # else an exception ended the last run
                self._before = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        elif self.initial_rate is not None and _schedule(self.model.optimizer) != keras.saving.serialize_keras_object(
            self.schedule(self._total())
        ):
            raise ValueError(
                "SnapshotEnsemble cannot set the rate of an optimizer that follows a schedule. Compile the optimizer "
                f"with {self._advice()} or with a number, or use initial_rate=None to keep the schedule it has."
            )
        if len(self._due) < self.cycles:
            print(f"SnapshotEnsemble: only {len(self._due)} of {self.cycles} cycles begin within {self._total()} steps")
        self._taken = {}
        self._checked = False

    def on_epoch_begin(self, epoch, logs=None):
        """Take note of the epoch; in the first one, look where the run stands."""
        self._epoch = epoch
        if self._checked:
            return
        self._checked = True
        start = epoch * self._steps
        if self._rates is None and self.initial_rate is not None:
            optimizer = self.model.optimizer
            made, expected = int(optimizer.iterations), start // (optimizer.gradient_accumulation_steps or 1)
            if made != expected:
                raise ValueError(
                    f"SnapshotEnsemble: the optimizer's schedule is at step {made}, but epoch {epoch} begins at step "
                    f"{expected}. Compile the model anew before `fit`."
                )
        for cycle, step in enumerate(self._due):
            if step < start and cycle not in self._taken:
                if self.directory is not None and os.path.exists(self._file(cycle)):
                    self._taken[cycle] = self._file(cycle)
                else:
                    print(f"SnapshotEnsemble: training starts in epoch {epoch}, so there is no snapshot {cycle + 1}")

    def on_train_batch_begin(self, batch, logs=None):
        """Set the rate of the step."""
        self._first = self._epoch * self._steps + batch
        if self._rates is not None:
            self.model.optimizer.learning_rate = float(self._rates[self._first])

    def on_train_batch_end(self, batch, logs=None):
        """Take a snapshot if a cycle has come to rest."""
        step = self._epoch * self._steps + batch
        if step > self._first and (self._rates is not None or any(self._first <= due < step for due in self._due)):
            raise ValueError(
                f"SnapshotEnsemble must see the end of every cycle{' and set every rate' * (self._rates is not None)}, "
                f"but one call made the steps {self._first} to {step}: leave `chunks` and `steps_per_execution` alone."
            )
        self._take(step)

    def on_epoch_end(self, epoch, logs=None):
        """Take a snapshot if a cycle has come to rest."""
        self._take((epoch + 1) * self._steps - 1)

    def on_train_end(self, logs=None):
        """Put the optimizer's own rate back."""
        if self._before is not None:
            self.model.optimizer.learning_rate = self._before
            self._before = None

    def get_state(self):
        """The snapshots, or the names of their files.

        Returns:
            A dictionary.
        """
        return {"taken": self._taken, "before": self._before}

    def set_state(self, state):
        """Continue with the snapshots of an earlier run.

        Args:
            state: What `get_state` returned.
        """
        missing = [f for f in state["taken"].values() if isinstance(f, str) and not os.path.exists(f)]
        if missing:
            raise ValueError(f"The snapshots {missing} of the run to be continued are not there any more.")
        self._taken, self._before = state["taken"], state["before"]

    def _total(self):
        return self._steps * self.params["epochs"]

    def _advice(self):
        return f"`snapshots.schedule({self._total()})`"

    def _take(self, step):
        if step not in self._due:
            return
        cycle = self._due.index(step)
        weights = self.model.get_weights()
        if self.directory is None:
            # Some backends hand out views of the variables' own memory.
            self._taken[cycle] = [np.array(w) for w in weights]
            return
        snapshot = copy_of(self.model, "snapshot")
        with replacing(self._file(cycle)) as temporary:
            snapshot.save_weights(temporary)
        self._taken[cycle] = self._file(cycle)

    def _file(self, cycle):
        return os.path.join(self.directory, f"snapshot_{cycle + 1:02d}.weights.h5")

    def _read(self, snapshot):
        if not isinstance(snapshot, str):
            return snapshot
        model = copy_of(self.model, "snapshot")
        model.load_weights(snapshot)
        return model.get_weights()


def _evaluate(model, weights, arguments):
    model.set_weights(weights)
    return model.evaluate(**{"verbose": 0, **arguments}, return_dict=True)


def _is_number(optimizer):
    return isinstance(optimizer.learning_rate, keras.Variable)


def _schedule(optimizer):
    """Return the serialized rate of the optimizer, or of the one that it wraps."""
    return optimizers_within(optimizer)[-1].get_config()["learning_rate"]
