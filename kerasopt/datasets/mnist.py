"""The real MNIST, from wherever it is, or the drawn digits where there is no network."""

import contextlib
import lzma
import os
import socket
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from kerasopt.datasets.digits import synthetic_digits

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
MAX_BYTES = 256 * 2**20  # of one array: five times MNIST's largest, and still no decompression bomb
TIMEOUT = 10  # seconds without an answer before the network counts as absent


def load_mnist(path=None, source=None):
    """Load the MNIST digits, as `keras.datasets.mnist.load_data` does, and work without a network too.

    Looks, in this order, at `path`; the file that the environment variable `KERASOPT_MNIST` names; `data/mnist.npz` of
    a checkout of this project; Keras's cache (`~/.keras/datasets/mnist.npz`); then downloads the file that Keras uses,
    checked by its SHA-256, into the checkout's `data/` or else Keras's cache. Where that fails it says why in one line
    and returns `synthetic_digits()`, as it does without a word where `KERASOPT_MNIST=synthetic`. A file that is found
    but broken is an error, never skipped.

    Args:
        path: A file to read instead of looking for one: an `.npz` with `x_train`, `y_train`, `x_test`, `y_test`.
        source: `"mnist"` forbids the drawn digits, `"synthetic"` asks for them. Default `None`: MNIST if it can be had.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(n, 28, 28)`, uint8 from 0 (paper) to 255 (ink), and
        labels of shape `(n,)`, uint8 from 0 to 9. MNIST has 60,000 and 10,000 of them.

    Raises:
        ValueError: If an argument is wrong, or a file is not a valid MNIST archive.
        OSError: If a named file cannot be read, or `source="mnist"` and MNIST cannot be had.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = load_mnist(source="synthetic")
        >>> x_train.shape, y_test.shape
        ((60000, 28, 28), (10000,))

    Reference: LeCun, Bottou, Bengio and Haffner, 1998, Gradient-based learning applied to document recognition.
    """
    if source not in (None, "mnist", "synthetic"):
        raise ValueError(f'Argument `source` must be None, "mnist" or "synthetic". Received: source={source!r}')
    if source == "synthetic":
        if path is not None:
            raise ValueError(f'Argument `path` must be None when source="synthetic". Received: path={path!r}')
        return synthetic_digits()
    variable = os.environ.get("KERASOPT_MNIST", "")
    if variable == "synthetic" and path is None and source is None:
        return synthetic_digits()
    if path is not None or variable not in ("", "synthetic"):
        named = Path(variable if path is None else path).expanduser().absolute()
        if not named.exists():
            argument = "Argument `path`" if path is not None else "Environment variable `KERASOPT_MNIST`"
            raise FileNotFoundError(f"{argument} must name a file that exists. Received: {named}")
        return _read_npz(named)
    for candidate in _places():
        if candidate.exists():
            return _read_npz(candidate)
    try:
        return _read_npz(_download(_places()[0]))
    except OSError as error:
        if source == "mnist":
            looked = ", ".join(str(place) for place in _places())
            raise OSError(
                'source="mnist", but MNIST cannot be had. Tried: the environment variable KERASOPT_MNIST (no file), '
                f"{looked} (no such file), {ORIGIN} ({error}). Place the file by hand at one of them."
            ) from error
        print(f"MNIST cannot be had ({error}): using the offline digits of kerasopt.datasets.synthetic_digits instead.")
        return synthetic_digits()


def _read_npz(path):
    """Read and check an MNIST archive without trusting it: no pickles, nothing unpacked before its size is known.

    Args:
        path: The `.npz` file.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, as `load_mnist`.

    Raises:
        ValueError: If it is not a valid MNIST archive; the text says what is wrong.
        OSError: If the file cannot be read.
    """
    if path.is_dir():
        raise IsADirectoryError(f"An MNIST archive must be a file. Received: the directory {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            splits = [_read_split(archive, split) for split in ("train", "test")]
    # What zipfile and its decompressors raise for damaged files; the last two for encrypted and exotic ones.
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, UnicodeError, RuntimeError) as error:
        raise ValueError(f"{path} is not an .npz archive, or is damaged: {error}") from error
    except _BadArrayError as error:
        raise ValueError(f"{path} is not a valid MNIST archive: {error}") from error
    return tuple(splits)


class _BadArrayError(Exception):
    """What is wrong with one array of an archive."""


def _read_split(archive, split):
    x = _read_array(archive, f"x_{split}", "images of shape (n, 28, 28)", lambda shape: shape[1:] == (28, 28))
    y = _read_array(archive, f"y_{split}", f"labels of shape ({len(x)},)", lambda shape: shape == (len(x),))
    if y.max() > 9:
        raise _BadArrayError(f"`y_{split}` must hold labels from 0 to 9. Received: a label {y.max()}")
    return x, y


def _read_array(archive, key, expected, is_expected):
    try:
        entry = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise _BadArrayError(f"`{key}` is missing. Received: {sorted(archive.namelist())}") from None
    if entry.file_size > MAX_BYTES:
        raise _BadArrayError(f"`{key}` must unpack to at most {MAX_BYTES:,} bytes. Received: {entry.file_size:,}")
    try:
        with archive.open(entry) as file:
            major, _ = np.lib.format.read_magic(file)
            read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise _BadArrayError(f"`{key}` must not hold pickled Python objects, which can run code")
        if dtype != np.uint8 or not is_expected(shape) or shape[0] == 0:
            raise _BadArrayError(f"`{key}` must be uint8 {expected}, n at least 1. Received: {dtype}, shape {shape}")
        # The header can claim more than the archive holds: numpy would allocate it before it finds out.
        if np.prod(shape, dtype=object) > entry.file_size:
            raise _BadArrayError(f"`{key}` is cut short: its header claims shape {shape} in {entry.file_size:,} bytes")
        with archive.open(entry) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:  # numpy's word for a damaged .npy header or too few bytes
        raise _BadArrayError(f"`{key}` is not a NumPy array: {error}") from error


def _places():
    """Where the file may already be, first the place where a download lands."""
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    root = Path(__file__).resolve().parents[2]
    checkout = [root / "data"] if (root / "data" / "README.md").is_file() else []
    return [folder / "mnist.npz" for folder in (*checkout, cache)]


def _download(destination):
    """Fetch MNIST through Keras (progress bar, SHA-256) into a temporary folder, then rename it into place."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _knock(ORIGIN)
        with tempfile.TemporaryDirectory(dir=destination.parent) as folder, _timeout(TIMEOUT):
            fetched = keras.utils.get_file("mnist.npz", ORIGIN, file_hash=SHA256, cache_dir=folder, cache_subdir="")
            os.replace(fetched, destination)
    except OSError:
        raise
    # Keras wraps what the network raises in a bare Exception, and reports a wrong checksum as ValueError.
    except Exception as error:
        raise OSError(str(error)) from error
    return destination


def _knock(url):
    """Raise OSError unless the server answers soon: behind a silent firewall a download would wait at every address."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or urllib.request.getproxies():
        return
    addresses = socket.getaddrinfo(parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM)
    stop = time.monotonic() + TIMEOUT
    for *_, address in addresses:
        try:
            socket.create_connection(address[:2], timeout=max(0.1, stop - time.monotonic())).close()
            return
        except OSError as error:
            reason = error
    raise reason


@contextlib.contextmanager
def _timeout(seconds):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
