"""The tables of this folder on JAX and torch, and on two devices."""

import pytest

from ..backends import run_on

TABLES = ["optimizers/test_rules.py", "optimizers/test_training.py", "optimizers/test_meanings.py"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_table(backend):
    run_on(backend, *TABLES)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices(backend):
    run_on(backend, "optimizers/two_devices.py", XLA_FLAGS="--xla_force_host_platform_device_count=2")
