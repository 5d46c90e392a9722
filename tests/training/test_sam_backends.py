"""The tests of `SAM` once more on JAX and torch: one process has one backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="one backend is being tested already")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_sam_on(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", str(Path(__file__).with_name("test_sam.py"))]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
