"""The tests of `fit` and `SAM` on the other backends."""

import pytest

from ..backends import run_on


def test_fit_on_jax():
    run_on("jax", "training/test_fit.py", "training/test_fit_equality.py")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_sam(backend):
    run_on(backend, "training/test_sam.py")
