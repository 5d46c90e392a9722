"""Pre-training, initializers and problems on JAX and torch: one process for all, since Keras takes long to start."""

import pytest

from ..backends import run_on

FILES = [
    "pretraining/test_rbm.py",
    "pretraining/test_pretrain.py",
    "initializers/test_lsuv.py",
    "initializers/test_scaled.py",
    "test_problems.py",
]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on(backend):
    run_on(backend, *FILES)
