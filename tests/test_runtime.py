"""The start: quiet, sparing with GPU memory, and hiding nothing once it is over."""

import os
import subprocess
import sys

import keras
import pytest

from kerasopt import _runtime


def python(code, **environment):
    """Run code in a fresh interpreter; its output and its standard error."""
    environment = os.environ | environment
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr.strip()


def test_import_is_quiet_lazy_and_hides_nothing_afterwards():
    code = """
import keras, sys
before = set(sys.modules)
import kerasopt, os
print(sorted({"matplotlib", "pandas"} & (set(sys.modules) - before)))
os.write(2, b"heard")
"""
    quiet_code = code.replace("import keras, sys", "import sys")
    assert python(code)[0] == "[]", "drawing and table libraries load only when used"
    assert python(quiet_code)[1] == "heard"


def test_the_backend_is_what_the_environment_says():
    pytest.importorskip("jax")
    assert python("import kerasopt, keras; print(keras.backend.backend())", KERAS_BACKEND="jax") == ("jax", "")


def test_standard_error_is_held_inside_the_block_only(capfd):
    with _runtime.held_stderr():
        os.write(2, b"inside")
    os.write(2, b"outside")
    assert capfd.readouterr().err == "outside"


def test_standard_error_is_given_back_when_the_block_fails(capfd):
    def fail():
        os.write(2, b"the reason")
        raise ImportError("no backend")

    with pytest.raises(ImportError, match="no backend"), _runtime.held_stderr():
        fail()
    assert capfd.readouterr().err == "the reason"


def test_a_process_without_standard_error_is_left_alone(monkeypatch):
    def no_such_descriptor(descriptor):
        raise OSError("bad file descriptor")

    monkeypatch.setattr(os, "dup", no_such_descriptor)
    with _runtime.held_stderr():
        pass


@pytest.mark.parametrize(("value", "heard"), [("1", True), ("0", False), ("", False)])
def test_the_opt_out_shows_the_start(monkeypatch, capfd, value, heard):
    monkeypatch.setenv("KERASOPT_VERBOSE", value)
    monkeypatch.setattr(_runtime, "_discover_devices", lambda: os.write(2, b"start-up"))
    _runtime.start()
    assert ("start-up" in capfd.readouterr().err) is heard


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the switch is TensorFlow's")
@pytest.mark.parametrize("refusal", [None, RuntimeError("already initialized"), ValueError("virtual devices")])
def test_every_gpu_is_told_to_grow(monkeypatch, refusal):
    import tensorflow as tf

    told = []

    def set_memory_growth(gpu, enable):
        if refusal:
            raise refusal
        told.append((gpu, enable))

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu 0", "gpu 1"] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    _runtime._discover_devices()
    assert told == ([] if refusal else [("gpu 0", True), ("gpu 1", True)])
