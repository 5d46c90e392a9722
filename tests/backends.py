"""Run tests once more in a process of their own: Keras has one backend a process, and some need more devices."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent


def run_on(backend, *files, **environment):
    """Run test files (paths below this folder) on a backend, with additional environment variables; skip without it."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("already within another backend's run")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", *(str(HERE / file) for file in files)]
    environment = os.environ | {"KERAS_BACKEND": backend} | environment
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
