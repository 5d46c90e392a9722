"""The tests of `fit` once more, on JAX: one process has one backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the tests run on JAX already")
def test_fit_on_jax():
    files = sorted(str(file) for file in Path(__file__).parent.glob("test_fit*.py") if file.name != Path(__file__).name)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *files]
    run = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
