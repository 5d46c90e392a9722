"""The tables of this folder on JAX and torch, and on two devices."""

import pytest

from ..backends import run_on

TABLES = ["optimizers/test_rules.py", "optimizers/test_training.py", "optimizers/test_meanings.py"]


<<<<<<< HEAD
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_table(backend):
    run_on(backend, *TABLES)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices(backend):
    run_on(backend, "optimizers/two_devices.py", XLA_FLAGS="--xla_force_host_platform_device_count=2")
=======
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="already within another backend's run")
@pytest.mark.parametrize("run", RUNS)
def test_in_a_process_of_its_own(run):
    backend, files, environment = RUNS[run]
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:randomly"]
    paths = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, *files],
        cwd=HERE,
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
>>>>>>> optimizers
