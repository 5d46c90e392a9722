"""All but optimizers and training on JAX and torch: one process a backend, since Keras takes long to start."""

import pytest

from .backends import run_on

FILES = [
    "augmentation",
    "callbacks/test_layer_statistics.py",
    "callbacks/test_lr_finder.py",
    "callbacks/test_momentum.py",
    "callbacks/test_rates.py",
    "diagnostics/test_gradient_check.py",
    "diagnostics/test_loss_slice.py",
    "ensembles",
    "initializers",
    "pretraining",
    "schedules/test_formulas.py",
    "schedules/test_saving.py",
    "second_order",
    "test_autodiff.py",
    "test_problems.py",
]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    # On torch the order of the samples and dropout come from its own generators, so no run repeats to the bit.
    run_on(backend, *FILES, *(["callbacks/test_resume.py"] if backend == "jax" else []))
