"""Exact resume."""

import json
import os

import keras
import numpy as np

from kerasopt.callbacks._state import read, registered, write


class Backup(keras.callbacks.BackupAndRestore):
    """Continue a run that was killed, as if it had not been.

    After every epoch all there is to know goes to one file, which takes the place of its predecessor as a whole: the
    weights, the optimizer's variables, the states of random generators such as dropout's, the history, and the state
    of every `Resumable`, `SnapshotEnsemble` and `SWA` of this `fit`. Started again, the same program continues after
    the last epoch in the file. In `kerasopt.fit` with a `seed`, it ends with the weights and the history of a run that
    was never stopped: bit for bit on a CPU.

    Put it **last** in the list, so that the other callbacks have done their part of the epoch. The usual mistakes: no
    `seed`, so that the second half sees the samples in another order (in stock `fit` the order starts anew after a
    restart in any case); and callbacks of Keras that are not wrapped in `Resumable`.

    Args:
        backup_dir: Folder for the file, of this run alone.
        delete_checkpoint: Whether to delete the folder when the run is complete.

    Raises:
        ValueError: If `backup_dir` is empty. When training, if a callback with a state comes later in the list, or if
            the backup is of another model, or of other callbacks.

    Example:
        >>> import tempfile, numpy as np
        >>> import kerasopt
        >>> def run(epochs, backup_dir):
        ...     keras.utils.set_random_seed(0)
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     x, backup = np.ones((8, 1)), kerasopt.callbacks.Backup(backup_dir, delete_checkpoint=False)
        ...     history = kerasopt.fit(model, x, x, epochs=epochs, seed=0, verbose=0, callbacks=[backup])
        ...     return history.history["loss"]
        >>> with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        ...     _ = run(2, one)  # stopped after two epochs of four, say
        ...     print(run(4, one) == run(4, two))
        True

    Differences:
        `keras.callbacks.BackupAndRestore` keeps weights, the optimizer's variables and the epoch, in two files that a
        kill can leave half-written or of different epochs; what was random starts anew, and callbacks forget.
        `save_freq` and `double_checkpoint` are not offered: an epoch that was cut short is repeated from its start,
        and the file is always whole. With `record=True`, `history.steps` has the steps since the restart.
    """

    def __init__(self, backup_dir, delete_checkpoint=True):
        super().__init__(os.fspath(backup_dir) if backup_dir else "", delete_checkpoint=delete_checkpoint)
        self._path = os.path.join(self.backup_dir, "backup.npz")
        self._past = None

    def on_train_begin(self, logs=None):
        """Restore what is there."""
        late = [type(c).__name__ for c in registered(self.params)[len(self._stateful) :]]
        if late:
            raise ValueError(f"`Backup` must come last in the list of callbacks, but {late} come after it.")
        if os.path.exists(os.path.join(self.backup_dir, "latest.weights.h5")):
            raise ValueError(
                "Argument `backup_dir` must be a folder of its own: this one holds a backup of Keras's "
                f"BackupAndRestore. Received: backup_dir={self.backup_dir}"
            )
        epoch = self._restore(read(self._path)) if os.path.exists(self._path) else 0
        self._start_at(epoch)

    def set_params(self, params):
        """Take note of the callbacks with a state that come before."""
        super().set_params(params)
        self._stateful = registered(params)

    def on_epoch_begin(self, epoch, logs=None):
        """Give the history back, after Keras has reset it."""
        self._restore_history()

    def on_epoch_end(self, epoch, logs=None):
        """Write everything down."""
        history = self.model.history
        epochs, values = list(history.epoch), {name: list(v) for name, v in history.history.items()}
        if epoch not in epochs:  # Keras calls its History after us.
            epochs.append(epoch)
            for name, value in (logs or {}).items():
                values.setdefault(name, []).append(value)
        state = {
            "epoch": epoch + 1,
            "stopped": bool(self.model.stop_training),
            "variables": self._variables(),
            "callbacks": [(_name(c), c.get_state()) for c in self._stateful],
            "history": {"epoch": epochs, "history": values},
        }
        write(self._path, state)

    def on_train_end(self, logs=None):
        """Delete the folder if that is wanted; a later `fit` starts at its own first epoch again."""
        self._restore_history()
        self._start_at(0)
        super().on_train_end(logs)

    def _variables(self):
        """Return the model's variables, which include the states of its random generators, and the optimizer's."""
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        return [*self.model.variables, *(optimizer.variables if optimizer is not None else ())]

    def _restore(self, state):
        variables, values = self._variables(), state["variables"]
        ours = [(tuple(v.shape), np.dtype(keras.ops.convert_to_numpy(v).dtype).name) for v in variables]
        theirs = [(np.shape(v), v.dtype.name) for v in values]
        names = [_name(c) for c in self._stateful]
        if ours != theirs:
            raise ValueError(
                f"The backup in {self.backup_dir} is of another model or optimizer: delete the folder to start anew. "
                f"It has the variables {theirs}, the model has {ours}."
            )
        if names != [name for name, _ in state["callbacks"]]:
            raise ValueError(
                f"The backup in {self.backup_dir} has the state of the callbacks {[n for n, _ in state['callbacks']]}, "
                f"but these are here: {names}. Give `fit` the same callbacks, or delete the folder to start anew."
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for callback, (_, callback_state) in zip(self._stateful, state["callbacks"], strict=True):
            callback.set_state(callback_state)
        self._past = state["history"]
        # A run that a callback has stopped is over.
        return max(state["epoch"], self.params["epochs"]) if state["stopped"] else state["epoch"]

    def _restore_history(self):
        past, self._past = self._past, None
        if past is not None:
            self.model.history.epoch, self.model.history.history = past["epoch"], past["history"]

    def _start_at(self, epoch):
        """Let Keras's own callback tell `fit` the first epoch, as it alone may: through its file."""
        os.makedirs(self.backup_dir, exist_ok=True)
        with open(os.path.join(self.backup_dir, "training_metadata.json"), "w", encoding="utf-8") as file:
            json.dump({"epoch": epoch, "batch": 0}, file)
        super().on_train_begin()


def _name(callback):
    return type(getattr(callback, "callback", callback)).__name__
