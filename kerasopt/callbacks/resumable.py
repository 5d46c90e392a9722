"""Callbacks that remember across a restart."""

import keras

from kerasopt.callbacks._state import Stateful, pack

_HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]


class Resumable(Stateful):
    """Any callback, with its state in the `Backup` of the run.

    Keras's `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` start anew after a restart: they forget the best
    value so far, and for how long they have been waiting. Wrapped, they go on counting where they were. The usual
    mistake is to wrap them and to leave out the `Backup`, which is what writes the state down.

    The state is every public attribute of the callback: numbers, texts, arrays such as the best weights, and lists,
    tuples and dictionaries of these. What was given to the constructor and cannot be saved, a function for instance,
    is left as it is. The wrapper has the attributes of the callback, so that `Resumable(callback).best` works.

    Args:
        callback: A `keras.callbacks.Callback`.

    Raises:
        ValueError: If `callback` is not one; or, when it is backed up, if it has made an attribute that cannot be
            saved.

    Example:
        >>> stopping = Resumable(keras.callbacks.EarlyStopping("loss", patience=3))
        >>> stopping.get_state()["patience"], stopping.wait
        (3, 0)
    """

    def __init__(self, callback):
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(f"Argument `callback` must be a Keras callback. Received: callback={callback!r}")
        super().__init__()
        self.callback = callback
        self._given = dict(vars(callback))
        # The callback's own methods, so that whoever asks which hooks are at work gets the right answer.
        for hook in _HOOKS:
            setattr(self, hook, getattr(callback, hook))

    def __getattr__(self, name):
        if name.startswith("_") or name == "callback":
            raise AttributeError(name)
        return getattr(self.callback, name)

    def set_model(self, model):
        """Give the model to the callback."""
        super().set_model(model)
        self.callback.set_model(model)

    def set_params(self, params):
        """Give the parameters of `fit` to the callback."""
        super().set_params(params)
        self.callback.set_params(params)

    def get_state(self):
        """The callback's public attributes.

        Returns:
            A dictionary.
        """
        state = {}
        for name, value in vars(self.callback).items():
            if name.startswith("_") or name in ("params", "model") or name in _HOOKS:
                continue
            try:
                pack(value, [])
            except TypeError as reason:
                if self._given.get(name) is value:
                    continue
                owner = type(self.callback).__name__
                raise ValueError(f"`Resumable` cannot save the attribute `{name}` of {owner}: {reason}") from None
            state[name] = value
        return state

    def set_state(self, state):
        """Set the attributes.

        Args:
            state: What `get_state` returned.
        """
        vars(self.callback).update(state)
