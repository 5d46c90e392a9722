"""The tables of this folder on JAX and torch."""

import pytest

from ..backends import run_on


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_table(backend):
    files = ["rates", "momentum", "lr_finder", "layer_statistics"]
    run_on(backend, *(f"callbacks/test_{file}.py" for file in files))
