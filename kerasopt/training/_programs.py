"""Many training steps as one compiled program: what `fit` needs of each backend, and nothing else.

A program is called with the data, the order of the samples (steps x batch), and the first and last step to take. These
are arguments of the compiled code, so that no chunk, permutation, weight or learning rate ever compiles anything again.
"""

import contextlib
import os
import weakref
from functools import partial

import keras
import numpy as np

_copies = {}  # by the identity of an array, and what may be changed in place, for as long as it lives


def to_device(array):
    """Return a copy of `array` on the device."""
    if keras.ops.is_tensor(array) or keras.backend.backend() == "torch" or not _on_cpu():
        return keras.ops.convert_to_tensor(array)
    # The backends take an array over as it is if its address allows, and else make a copy in new memory. To fill memory
    # for the first time takes many times as long as to copy, so that the next `fit` uses this again.
    key = (id(array), array.shape, array.dtype)
    copy = _copies.get(key)
    if copy is None:
        memory = np.empty(array.nbytes + 64, "uint8")
        start = -memory.ctypes.data % 64
        copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        _copies[key] = copy
        weakref.finalize(array, _copies.pop, key)
    copy[...] = array
    if keras.backend.backend() == "jax":
        import jax

        return jax.device_put(copy)  # `jnp.asarray` would copy once more.
    return keras.ops.convert_to_tensor(copy)


def _on_cpu():
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")


def make_program(model, kind, data, order, record):
    """Compile `model.train_step` or `model.test_step` (`kind`) into a program, for data and order of these shapes."""
    backends = {"tensorflow": TensorFlowProgram, "jax": JaxProgram}
    return backends[keras.backend.backend()](model, kind, data, order, record)


def _loss_tracker(model):
    """Return the running mean that Keras calls "loss", or None where a custom model keeps no such mean."""
    return next((m for m in model.metrics if isinstance(m, keras.metrics.Mean) and m.name == "loss"), None)


def _gather(data, indices):
    return keras.tree.map_structure(lambda a: None if a is None else keras.ops.take(a, indices, axis=0), data)


class TensorFlowProgram:
    """A `tf.while_loop` over the model's own step, compiled by XLA where that is possible and faster."""

    def __init__(self, model, kind, data, order, record):
        import tensorflow as tf

        tracker = _loss_tracker(model) if record else None

        # Keras traces its own steps without autograph, too.
        @tf.autograph.experimental.do_not_convert
        def step(batch):
            entry = {}
            if record:
                entry["learning_rate"] = tf.cast(model.optimizer.learning_rate, "float32")
            if tracker:  # The logs hold running means: start from zero, and add what was there afterwards.
                before = [tf.identity(v.value) for v in tracker.variables]
                tracker.reset_state()
            logs = model.train_step(batch) if kind == "train" else model.test_step(batch)
            logs = tf.nest.map_structure(tf.convert_to_tensor, logs or {})
            if record and "loss" in logs:
                entry["loss"] = tf.cast(logs["loss"], "float32")
            if tracker:
                for variable, value in zip(tracker.variables, before, strict=True):
                    variable.assign(variable + value)
                logs["loss"] = tracker.result() if "loss" in logs else None
            return logs, entry

        specs = tf.nest.map_structure(lambda a: tf.TensorSpec((order.shape[1], *a.shape[1:]), a.dtype), data)
        # A concrete function is traced here once and never again.
        step = tf.function(step).get_concrete_function(specs)

        @tf.autograph.experimental.do_not_convert
        def loop(data, order, first, last):
            def body(i, logs, entries):
                logs, entry = step(_gather(data, order[i]))
                entries = tf.nest.map_structure(
                    lambda all_, one: tf.tensor_scatter_nd_update(all_, [[i]], [one]), entries, entry
                )
                return i + 1, logs, entries

            logs, entry = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), step.structured_outputs)
            entries = tf.nest.map_structure(lambda t: tf.zeros((order.shape[0], *t.shape), t.dtype), entry)
            return tf.while_loop(lambda i, *_: i < last, body, (first, logs, entries), parallel_iterations=1)[1:]

        specs = tf.nest.map_structure(lambda a: tf.TensorSpec(a.shape, a.dtype), (data, order))
        scalar = tf.TensorSpec((), "int32")

        def compile_loop(jit_compile):
            self._loop = tf.function(loop, jit_compile=jit_compile).get_concrete_function(*specs, scalar, scalar)
            self(data, order, 0, 0)  # No step: what cannot be compiled shows before any training.

        # In XLA's loops on a CPU the gradients of convolutions run in one thread of plain code (see _convolutions.py).
        slow = _on_cpu() and _has_convolution(step.graph.as_graph_def())
        try:
            with _wide_vectors():
                compile_loop(jit_compile=not slow)
        except tf.errors.OpError:
            if slow:
                raise
            compile_loop(jit_compile=False)

    def __call__(self, data, order, first, last):
        """Take the steps from `first` up to, not including, `last`; return the last step's logs and all records."""
        import tensorflow as tf

        return self._loop(data, order, tf.constant(first), tf.constant(last))


@contextlib.contextmanager
def _wide_vectors():
    """Ask XLA for vectors of 512 bits while the block compiles; without the flag it uses half of such a processor's."""
    import tensorflow as tf

    # TensorFlow's XLA reads the variable once, when it first compiles, and ends the process if it does not know a flag.
    if not _on_cpu() or not tf.__version__.startswith("2.21."):
        yield
        return
    before = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"--xla_cpu_prefer_vector_width=512 {before or ''}"  # The last one counts: the user's.
    try:
        yield
    finally:
        if before is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = before


def _has_convolution(graph):
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any("Conv" in node.op and "Backprop" in node.op for node in nodes)


class JaxProgram:
    """A `lax.fori_loop` over the model's own stateless step."""

    def __init__(self, model, kind, data, order, record):
        import jax
        import jax.numpy as jnp

        tracker = _loss_tracker(model) if record else None
        tracked = tracker.variables if tracker else []
        places = [i for i, v in enumerate(model.metrics_variables) if any(v is t for t in tracked)]
        optimizer_variables = model.optimizer.variables if kind == "train" else []
        self._variables = [model.trainable_variables, model.non_trainable_variables]
        self._variables += [optimizer_variables] if kind == "train" else []
        self._variables += [model.metrics_variables]

        def step(state, batch):
            entry = {}
            if record:
                with keras.StatelessScope(state_mapping=list(zip(optimizer_variables, state[2], strict=True))):
                    entry["learning_rate"] = jnp.asarray(model.optimizer.learning_rate, "float32")
            before = state[-1]
            # The logs hold running means: start from zero, and add what was there afterwards.
            metrics = [jnp.zeros_like(v) if i in places else v for i, v in enumerate(before)]
            take = model.train_step if kind == "train" else model.test_step
            logs, state = take((*state[:-1], metrics), batch)
            logs = jax.tree.map(jnp.asarray, logs or {})
            metrics = [v + before[i] if i in places else v for i, v in enumerate(state[-1])]
            if record and "loss" in logs:
                entry["loss"] = jnp.asarray(logs["loss"], "float32")
            if places and "loss" in logs:
                with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, metrics, strict=True))):
                    logs["loss"] = tracker.result()
            return (*(list(part) for part in state[:-1]), metrics), logs, entry

        step = jax.jit(step)  # Traced once, though called under several names.
        first_batch = _gather(data, order[0])
        traced = step.trace(self._state(), first_batch)
        _, logs, entry = traced.out_info
        if _on_cpu() and "conv_general_dilated" in str(traced.jaxpr):
            from kerasopt.training._convolutions import canonical

            step = canonical(step)

        def body(i, carry, data, order):
            state, _, entries = carry
            state, logs, entry = step(state, _gather(data, order[i]))
            return state, logs, jax.tree.map(lambda all_, one: all_.at[i].set(one), entries, entry)

        # Where the processor has vectors of 512 bits, XLA uses half of them unless told to.
        options = {"xla_cpu_prefer_vector_width": 512} if _on_cpu() else None
        empty = jax.tree.map(lambda t: jnp.zeros(t.shape, t.dtype), logs)
        entries = jax.tree.map(lambda t: jnp.zeros((len(order), *t.shape), t.dtype), entry)

        @partial(jax.jit, compiler_options=options)
        def loop(state, data, order, first, last):
            go = lambda i, carry: body(i, carry, data, order)  # noqa: E731
            return jax.lax.fori_loop(first, last, go, (state, empty, entries))

        self._loop = loop
        self(data, order, 0, 0)  # No step: what cannot be compiled shows before any training.

    def _state(self):
        return tuple([v.value for v in part] for part in self._variables)

    def __call__(self, data, order, first, last):
        """Take the steps from `first` up to, not including, `last`; return the last step's logs and all records."""
        state, logs, entries = self._loop(self._state(), data, order, first, last)
        # The variables keep their old arrays until here, so that an interrupt leaves the model whole.
        for part, values in zip(self._variables, state, strict=True):
            for variable, value in zip(part, values, strict=True):
                variable.assign(value)
        return logs, entries
