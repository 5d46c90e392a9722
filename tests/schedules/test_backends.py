"""The tables of this folder on JAX and torch."""

import pytest

from ..backends import run_on


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_table(backend):
    run_on(backend, "schedules/test_formulas.py", "schedules/test_saving.py")
