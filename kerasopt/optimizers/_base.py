"""What all optimizers of the package share: slots declared once, one hook a step.

This is the only module that touches hooks of Keras's base optimizer that its documentation does not name:
`_backend_update_step`, `_apply_weight_decay`, `_use_weight_decay`, `_get_variable_index` and `_trainable_variables`.
"""

import contextlib
import inspect
import math

import keras
from keras import ops

from kerasopt._arguments import at_least, within


def norm(tensor):
    """Return the Euclidean norm of all entries, summed in float32 so that half precision does not stall the sum."""
    return ops.sqrt(ops.sum(ops.square(ops.cast(tensor, "float32"))))


def _checked(learning_rate, base_arguments):
    """Check what goes to Keras's base class, which takes no int for a rate and lets negative values pass."""
    if not callable(learning_rate):  # neither a schedule nor a function
        learning_rate = within("[0, inf)", learning_rate=learning_rate)
    real = {"weight_decay": "[0, inf)", "ema_momentum": "[0, 1]", "loss_scale_factor": "(0, inf)"}
    real |= dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), "(0, inf)")
    whole = {"ema_overwrite_frequency": 1, "gradient_accumulation_steps": 2}
    for name, value in base_arguments.items():
        if value is not None and name in real:
            within(real[name], **{name: value})
        elif value is not None and name in whole:
            at_least(whole[name], **{name: value})
    return learning_rate


def _has_value(variable):
    """Tell whether `variable` can be read outside of the step being compiled; False while its model is unbuilt."""
    seen = []

    def look(shape, dtype):
        seen.append(tuple(ops.copy(variable).shape))  # TensorFlow gives an empty tensor where there is no value yet
        return ops.zeros(shape, dtype)

    with keras.StatelessScope():
        keras.Variable(look, shape=(), dtype="float32", trainable=False)
    return seen == [tuple(variable.shape)]


class Optimizer(keras.optimizers.Optimizer):
    """Base of the package's optimizers: a subclass names its state in `build` and writes `update_step`.

    Attributes:
        own_weight_decay: True where the algorithm itself says how weights decay; Keras's decoupled decay is then off.
    """

    own_weight_decay = False

    def __init__(self, learning_rate, **kwargs):
        super().__init__(_checked(learning_rate, kwargs), **kwargs)

    def build(self, variables, scalars=None, **slots):
        """Create the state; Keras calls it before the first step.

        Args:
            variables: The model's trainable variables.
            scalars: The state kept once for the model: a dictionary from attribute names to first values.
            **slots: The state kept for each variable, from the slot's name to its first value: a number for a tensor
                shaped as the variable, `"weights"` for a copy of the variable, `"scalar"` for one zero in float32.
        """
        if self.built:
            return
        super().build(variables)
        for name, start in (scalars or {}).items():
            # In float32 whatever the variables are: half precision cannot hold a product or a sum over many steps.
            start = keras.initializers.Constant(start)
            setattr(self, name, self.add_variable((), start, "float32", aggregation="only_first_replica", name=name))
        self._slots = [[self._add_slot(v, name, start) for name, start in slots.items()] for v in variables]

    def _add_slot(self, variable, name, start):
        if start == "scalar":
            return self.add_variable((), "zeros", "float32", name=name)
        if start != "weights":
            return self.add_variable_from_reference(variable, name, keras.initializers.Constant(start))

        # An initializer, and not an assignment: TensorFlow builds inside the first compiled step, where an assigned
        # value is lost. A copy, and not the tensor: torch and JAX would share the variable's memory.
        def initial_weights(shape, dtype):
            return ops.copy(variable)

        # XLA cannot create a variable from another one within a step. Keras initializes what is created in a stateless
        # scope when the scope ends, outside of the step; that needs a variable which has its value by then.
        with keras.StatelessScope() if _has_value(variable) else contextlib.nullcontext():
            return self.add_variable_from_reference(variable, name, initial_weights)

    def slots_of(self, variable):
        """Return the slots of `variable`, in the order in which `build` names them."""
        return self._slots[self._get_variable_index(variable)]

    def unpack(self, gradient, variable, learning_rate):
        """Return the gradient and the rate in the variable's dtype, then the slots of `variable`."""
        dtype = variable.dtype
        return ops.cast(gradient, dtype), ops.cast(learning_rate, dtype), *self.slots_of(variable)

    def step_number(self):
        """Return t = 1, 2, ..., the number of the step being made, in float32."""
        return ops.cast(self.iterations + 1, "float32")

    def correction(self, beta, dtype):
        """Return `1 - beta**t` in `dtype`, keeping the digits that the subtraction loses in single precision."""
        if beta == 0.0:
            return ops.ones((), dtype)
        return ops.cast(-ops.expm1(self.step_number() * math.log(beta)), dtype)

    def decays(self, variable):
        """Tell whether weight decay is on for `variable`, for the rules that decay weights themselves."""
        return bool(self.weight_decay) and self._use_weight_decay(variable)

    def begin_step(self, gradients, variables, learning_rate):
        """Update the scalars; called once a step, before the variables' `update_step`."""

    def sweep(self, gradients, variables, learning_rate):
        """Call `update_step` for every variable, with the sum of the replicas' gradients where there are replicas."""
        super()._backend_update_step(gradients, variables, learning_rate)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        self.begin_step(grads, trainable_variables, learning_rate)
        self.sweep(grads, trainable_variables, learning_rate)

    def apply(self, grads, trainable_variables=None):
        """Update the variables as Keras does, with the sparse gradients of embeddings made dense."""
        # TensorFlow's IndexedSlices, the one kind that has this attribute, become a tensor by adding a number to them.
        grads = [ops.add(g, 0.0) if hasattr(g, "dense_shape") else g for g in grads]
        super().apply(grads, trainable_variables)

    def finalize_variable_values(self, var_list):
        """Overwrite the variables with their moving averages where `use_ema` is on."""
        super().finalize_variable_values(var_list)
        for variable in var_list:
            # On JAX the two now share a buffer, which makes the next compiled step, and so a second `fit`, fail.
            variable.assign(ops.copy(variable))

    def _apply_weight_decay(self, variables):
        if not self.own_weight_decay:
            super()._apply_weight_decay(variables)

    def _argument_names(self):
        """Return the names of the constructor's own arguments; a subclass stores each under its name."""
        _, *parameters = inspect.signature(type(self).__init__).parameters.values()
        return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "learning_rate"]

    def get_config(self):
        """Return the constructor's arguments."""
        return super().get_config() | {name: getattr(self, name) for name in self._argument_names()}
