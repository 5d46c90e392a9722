"""Borrow a model: whatever is done to it within a `with` block is undone, on every way out."""

import contextlib

import keras


@contextlib.contextmanager
def untouched(model):
    """Put weights, statistics, random states, metrics and the optimizer's variables back, bit for bit, at the end.

    Args:
        model: A built model, compiled with an optimizer.

    Yields:
        Nothing.
    """
    optimizer = model.optimizer
    if not optimizer.built:  # or its slots would not be there to be saved
        optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.metrics_variables, *optimizer.variables]
    before = [(variable, keras.ops.copy(variable)) for variable in variables]
    restore_framework = _framework_state(model)
    try:
        yield
    finally:
        if keras.backend.backend() == "jax":
            # A step that was broken off has left arrays to be written back later; they are given up here.
            model.jax_state_sync()
        model.reset_metrics()  # those that came into being since
        for variable, value in before:
            variable.assign(value)
        restore_framework()


def _framework_state(model):
    """Return a function that restores what one backend keeps outside of Keras's variables."""
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        # Keras's dropout draws from torch's own generators unless it is given a seed.
        random, cuda, training = torch.get_rng_state(), torch.cuda.get_rng_state_all(), model.training

        def restore():
            torch.set_rng_state(random)
            torch.cuda.set_rng_state_all(cuda)
            model.train(training)

        return restore
    return lambda: None


def no_gradients():
    """Return a context in which torch records nothing for a backward pass; the other backends never do so unasked."""
    if keras.backend.backend() != "torch":
        return contextlib.nullcontext()
    import torch

    return torch.no_grad()
