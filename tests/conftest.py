"""Cores for test processes: networks this small train no faster on many, and two processes on the same are slower."""

import os


def pytest_configure():
    """Give each of pytest-xdist's processes, and what it starts, cores of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):  # Linux
        workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        cores = sorted(os.sched_getaffinity(0))[int(worker.removeprefix("gw")) % workers :: workers]
        if cores:
            os.sched_setaffinity(0, cores)
