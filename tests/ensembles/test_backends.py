"""The tests of ensembles and of exact resume on the other backends."""

import pytest

from ..backends import run_on


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_ensembles_and_resume(backend):
    files = ["ensembles/test_snapshots.py", "ensembles/test_average.py", "ensembles/test_weights.py"]
    # On torch the order of the samples and dropout come from its own generators.
    run_on(backend, *files, *(["callbacks/test_resume.py"] if backend == "jax" else []))
