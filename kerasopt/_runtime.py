"""Start Keras: quietly, and without taking the whole GPU.

TensorFlow writes about nine start-up lines to file descriptor 2, past every Python logger and every environment
variable, and a notebook stores them in its output. They are held back while the backend is imported and its devices
are discovered, and given back if that fails with an exception. Nothing is hidden afterwards. Set ``KERASOPT_VERBOSE=1``
to see them, for instance to learn why a GPU was not found or why the process crashed.
"""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def held_stderr():
    """Hold back what is written to file descriptor 2, C++ libraries included; replay it if the block raises."""
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush_stderr()
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            _flush_stderr()
            os.dup2(saved, 2)
            os.close(saved)
            if failed:
                held.seek(0)
                os.write(2, held.read())


def _flush_stderr():
    if sys.stderr is not None:
        sys.stderr.flush()


def _discover_devices():
    """Import Keras with its backend and let GPU memory grow as it is needed."""
    # JAX reads this when it first meets a device; TensorFlow has a function instead.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            # Refused once the GPU is in use or divided into virtual ones: whoever started it first has chosen.
            with contextlib.suppress(RuntimeError, ValueError):
                tf.config.experimental.set_memory_growth(gpu, True)


def start():
    """Import Keras and its backend as described above."""
    verbose = os.environ.get("KERASOPT_VERBOSE", "0").lower() not in ("", "0", "false", "no")
    with contextlib.nullcontext() if verbose else held_stderr():
        _discover_devices()
