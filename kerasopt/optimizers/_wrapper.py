"""What optimizers that hold another optimizer share."""

import keras

from kerasopt.optimizers._base import Optimizer


class Wrapper(Optimizer):
    """An optimizer around `inner`, which keeps the rate, the step count, and Keras's base arguments."""

    def __init__(self, inner, name=None):
        if not isinstance(inner, keras.optimizers.Optimizer) or isinstance(inner, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "Argument `inner` must be a Keras optimizer, and a `LossScaleOptimizer` must be outermost. "
                f"Received: inner={inner!r}"
            )
        super().__init__(0.0, name=name)
        self.inner = inner

    def build(self, variables, **slots):
        """Build `inner`, then the wrapper's own slots."""
        self.inner.build(variables)
        super().build(variables, **slots)

    @property
    def variables(self):
        """The wrapper's own variables, then those of `inner`."""
        return [*super().variables, *self.inner.variables]

    @property
    def learning_rate(self):
        """The rate of `inner`; assigning sets it there."""
        return self.inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self.inner.learning_rate = learning_rate

    @property
    def iterations(self):
        """The steps that `inner` has made."""
        return self.inner.iterations

    @property
    def loss_scale_factor(self):
        """The factor of `inner`, which a `LossScaleOptimizer` around this optimizer sets to None."""
        return self.inner.loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor):
        if hasattr(self, "inner"):  # Keras's constructor sets it first
            self.inner.loss_scale_factor = factor

    def scale_loss(self, loss):
        """Scale the loss as `inner` wants it."""
        return self.inner.scale_loss(loss)

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Exclude variables from the decay of `inner`."""
        self.inner.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list):
        """Let `inner` set the final values, as with `use_ema`."""
        self.inner.finalize_variable_values(var_list)
        super().finalize_variable_values(var_list)

    def get_config(self):
        """Return the constructor's arguments, `inner` serialized."""
        config = super().get_config()
        config = {name: config[name] for name in self._argument_names()}
        return config | {"inner": keras.saving.serialize_keras_object(self.inner), "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Create the optimizer and its `inner` from what `get_config` returned."""
        inner = keras.saving.deserialize_keras_object(config["inner"], custom_objects)
        return cls(**(config | {"inner": inner}))
