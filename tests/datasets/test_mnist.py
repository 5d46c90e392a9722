"""Where MNIST is looked for, and every kind of file that is refused."""

import contextlib
import hashlib
import inspect
import io
import os
import re
import socket
import tempfile
import urllib.request
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasopt.datasets import load_mnist, mnist


def arrays(n=3):
    rng = np.random.default_rng(0)
    digits = {f"x_{split}": rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for split in ("train", "test")}
    return digits | {f"y_{split}": np.arange(n, dtype=np.uint8) for split in ("train", "test")}


def write(path, **changed):
    """Write an archive with some arrays changed, or left out where None."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {key: value for key, value in (arrays() | changed).items() if value is not None}
    np.savez_compressed(path, **content)
    return path


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two empty places to look at, no environment variable, and a network that refuses."""
    found = [tmp_path / "checkout" / "mnist.npz", tmp_path / "cache" / "mnist.npz"]
    monkeypatch.setattr(mnist, "_places", lambda: found)
    monkeypatch.setattr(mnist, "ORIGIN", "http://127.0.0.1:9/mnist.npz")
    monkeypatch.setattr(mnist, "synthetic_digits", lambda: "drawn")
    monkeypatch.delenv("KERASOPT_MNIST", raising=False)
    return found


def serve(tmp_path, monkeypatch, **changed):
    """Put a file where the download comes from, and expect its checksum."""
    source = write(tmp_path / "server" / "mnist.npz", **changed)
    monkeypatch.setattr(mnist, "ORIGIN", source.as_uri())
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(source.read_bytes()).hexdigest())


def test_a_good_file_is_read(tmp_path):
    (x_train, y_train), (x_test, y_test) = load_mnist(write(tmp_path / "good.npz"))
    expected = arrays()
    for found, key in [(x_train, "x_train"), (y_train, "y_train"), (x_test, "x_test"), (y_test, "y_test")]:
        np.testing.assert_array_equal(found, expected[key])
        assert found.dtype == np.uint8


def test_lookup_order(tmp_path, monkeypatch, places, capsys):
    def first_label():
        return load_mnist()[0][1][0]

    serve(tmp_path, monkeypatch, y_train=np.array([4, 1, 2], np.uint8))
    assert first_label() == 4, "downloaded"
    assert places[0].exists()
    assert not places[1].exists()
    places[0].unlink()
    write(places[1], y_train=np.array([3, 1, 2], np.uint8))
    assert first_label() == 3, "the cache"
    write(places[0], y_train=np.array([2, 1, 2], np.uint8))
    assert first_label() == 2, "the checkout"
    monkeypatch.setenv("KERASOPT_MNIST", str(write(tmp_path / "named.npz", y_train=np.array([1, 1, 2], np.uint8))))
    assert first_label() == 1, "the environment variable"
    assert load_mnist(write(tmp_path / "path.npz"))[0][1][0] == 0, "the argument"


def test_without_a_network_it_draws_and_says_so(places, capsys):
    assert load_mnist() == "drawn"
    assert re.search(r"MNIST cannot be had \(.*refused\): using the offline digits", capsys.readouterr().out)
    assert not list(places[0].parent.iterdir()), "nothing half-written stays"


def test_synthetic_can_be_asked_for(monkeypatch, places, capsys):
    good = write(places[0])
    assert load_mnist(source="synthetic") == "drawn"
    monkeypatch.setenv("KERASOPT_MNIST", "synthetic")
    assert load_mnist() == "drawn"
    assert capsys.readouterr().out == ""
    assert len(load_mnist(good)[0][0]) == len(load_mnist(source="mnist")[0][0]) == 3, "the arguments have the last word"


def test_the_places_are_the_checkout_and_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    cache = tmp_path / "home" / "datasets" / "mnist.npz"
    monkeypatch.setattr(mnist, "__file__", str(tmp_path / "site" / "kerasopt" / "datasets" / "mnist.py"))
    assert mnist._places() == [cache], "installed without a checkout"
    card = tmp_path / "site" / "data" / "README.md"
    card.parent.mkdir(parents=True)
    card.touch()
    assert mnist._places() == [card.with_name("mnist.npz"), cache]


def test_the_download_is_the_one_that_keras_uses():
    source = inspect.getsource(keras.datasets.mnist.load_data)
    folder, _, name = mnist.ORIGIN.rpartition("/")
    assert folder in source
    assert name in source
    assert mnist.SHA256 in source


def test_the_time_limit_is_put_back():
    before = socket.getdefaulttimeout()
    with mnist._timeout(3):
        assert socket.getdefaulttimeout() == 3
    assert socket.getdefaulttimeout() == before


def test_a_silent_server_counts_as_no_network(monkeypatch):
    tried = []

    def silent(address, timeout):
        tried.append((address, timeout))
        raise TimeoutError("no answer")

    monkeypatch.setattr(urllib.request, "getproxies", dict)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("192.0.2.1", 443))] * 2)
    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(TimeoutError, match="no answer"):
        mnist._knock("https://example.org/mnist.npz")
    assert [address for address, _ in tried] == [("192.0.2.1", 443)] * 2
    assert all(0 < timeout <= mnist.TIMEOUT for _, timeout in tried)


def test_mnist_can_be_insisted_on(places):
    with pytest.raises(OSError, match='source="mnist"') as error:
        load_mnist(source="mnist")
    for tried in ("KERASOPT_MNIST", *map(str, places), mnist.ORIGIN):
        assert tried in str(error.value)


def test_a_download_with_the_wrong_checksum_is_discarded(tmp_path, monkeypatch, places, capsys):
    serve(tmp_path, monkeypatch)
    monkeypatch.setattr(mnist, "SHA256", "0" * 64)
    with pytest.raises(OSError, match="hash"):
        load_mnist(source="mnist")
    assert not list(places[0].parent.iterdir())
    assert load_mnist() == "drawn"
    assert re.search(r"MNIST cannot be had \(.*hash", capsys.readouterr().out), "the line says why"


def test_an_interrupted_download_leaves_nothing(monkeypatch, places):
    def interrupted(name, origin, cache_dir, **_):
        with open(os.path.join(cache_dir, name), "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "ORIGIN", "file:///mnist.npz")
    monkeypatch.setattr(mnist.keras.utils, "get_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_mnist()
    assert not list(places[0].parent.iterdir())


def test_a_broken_file_in_a_known_place_is_an_error_not_a_reason_to_draw(places):
    places[1].parent.mkdir()
    places[1].write_bytes(b"")
    with pytest.raises(ValueError, match=re.escape(str(places[1]))):
        load_mnist()


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_a_named_file_must_exist(tmp_path, monkeypatch, by):
    missing = str(tmp_path / "no.npz")
    if by == "environment":
        monkeypatch.setenv("KERASOPT_MNIST", missing)
    with pytest.raises(FileNotFoundError, match=r"(`path`|`KERASOPT_MNIST`) must name a file.*no\.npz"):
        load_mnist(missing if by == "argument" else None)


@pytest.mark.parametrize("arguments", [{"source": "fashion"}, {"source": "synthetic", "path": "x.npz"}])
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match=r"Argument `(source|path)` must be .* Received: "):
        load_mnist(**arguments)


def truncated(path):
    path.write_bytes(write(path).read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def not_an_npz(path):
    path.write_text("digits")


def damaged(path):
    """Flip one byte in the middle of the compressed pixels: the archive's own checksum must notice."""
    content = bytearray(write(path).read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


def bomb(path):
    """A few hundred kilobytes that unpack to more than any MNIST."""
    write(path, x_train=None)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("x_train.npy", "w") as file:
        for _ in range(mnist.MAX_BYTES // 2**24 + 1):
            file.write(bytes(2**24))


def header_bomb(path):
    """A header that claims a trillion images in an entry of a few bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)})
    write(path, x_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", header.getvalue())


def not_an_array(path):
    write(path, x_train=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", b"digits")


BAD = {
    "truncated": (truncated, "not an .npz archive, or is damaged"),
    "empty": (empty, "not an .npz archive, or is damaged"),
    "not an npz": (not_an_npz, "not an .npz archive, or is damaged"),
    "damaged": (damaged, "damaged"),
    "bomb": (bomb, "`x_train` must unpack to at most"),
    "header bomb": (header_bomb, "`x_train` is cut short"),
    "not an array": (not_an_array, "`x_train` is not a NumPy array"),
    "pickle": (
        lambda path: write(path, x_train=np.array([print], dtype=object)),
        "`x_train` must not hold pickled Python objects",
    ),
    "missing key": (lambda path: write(path, y_test=None), "`y_test` is missing"),
    "wrong shape": (
        lambda path: write(path, x_test=np.zeros((3, 784), np.uint8)),
        r"`x_test` must be uint8 images of shape \(n, 28, 28\).*\(3, 784\)",
    ),
    "wrong dtype": (lambda path: write(path, x_train=np.zeros((3, 28, 28))), "`x_train` must be uint8.*float64"),
    "no images": (lambda path: write(path, x_train=np.zeros((0, 28, 28), np.uint8)), "n at least 1"),
    "other length": (
        lambda path: write(path, y_train=np.zeros(2, np.uint8)),
        r"`y_train` must be uint8 labels of shape \(3,\)",
    ),
    "labels out of range": (
        lambda path: write(path, y_test=np.array([0, 10, 1], np.uint8)),
        "`y_test` must hold labels from 0 to 9. Received: a label 10",
    ),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_files_are_refused(tmp_path, kind):
    make, message = BAD[kind]
    path = tmp_path / "bad.npz"
    make(path)
    with pytest.raises(ValueError, match=message) as error:
        load_mnist(path)
    assert str(path) in str(error.value)


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="must be a file"):
        load_mnist(tmp_path)


@contextlib.contextmanager
def ordinary_user():
    """Be nobody for a moment where the tests run as the superuser, who may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows knows no such permission")
def test_a_file_without_permission_is_an_error():
    # Not pytest's own folder, into which only the user who runs the tests may look.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = write(Path(folder) / "secret.npz")
        path.chmod(0o644)
        with ordinary_user():
            load_mnist(path)
        path.chmod(0)
        with ordinary_user(), pytest.raises(PermissionError):
            load_mnist(path)
