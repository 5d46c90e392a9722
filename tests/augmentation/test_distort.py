"""`Distort` against SciPy's interpolation and against changes that need none."""

import keras
import numpy as np
import pytest
from scipy import ndimage

import kerasopt
from kerasopt.augmentation import Distort

RNG = np.random.default_rng(3)
NONE = {"shift": 0, "angle": 0, "shear": 0, "zoom": 0, "bend": 0}


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def field_of(distort, draws):
    """The displacement in pixels, from the definition: a loop over pixels and knots in float64."""
    height, width = distort.shape
    spread = []
    for size in (height, width):
        count = int(np.ceil((size - 1) / distort.smoothing)) + 2
        knots = (size - 1) / 2 + distort.smoothing * (np.arange(count) - (count - 1) / 2)
        near = np.exp(-((np.arange(size)[:, None] - knots) ** 2) / 2 / distort.smoothing**2)
        spread.append(near / np.sqrt((near**2).sum(axis=1, keepdims=True)))
    knots = draws[:, 6:].astype("float64").reshape(-1, 2, spread[0].shape[1], spread[1].shape[1])
    return np.einsum("ik,ndkl,jl->ndij", spread[0], knots, spread[1])


def by_scipy(distort, pictures, draws):
    height, width = distort.shape
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    field, out = field_of(distort, draws), []
    for picture, a, e in zip(pictures, draws[:, :6].astype("float64"), field, strict=True):
        rows = a[0] * y + a[1] * x + a[2] + e[0] + (height - 1) / 2
        columns = a[3] * y + a[4] * x + a[5] + e[1] + (width - 1) / 2
        bordered = np.pad(picture.astype("float64"), 60)  # SciPy cuts off at the last pixel, we fade out over one more
        out.append(ndimage.map_coordinates(bordered, [rows + 60, columns + 60], order=1))
    return np.array(out)


@pytest.mark.parametrize("shape", [(28, 28), (3, 14)])
@pytest.mark.parametrize(
    "settings", [{}, {"bend": 3, "smoothing": 2.5}, {"angle": 180, "shift": 40, "shear": 1, "zoom": 1}]
)
def test_equals_interpolation_by_scipy(shape, settings):
    distort = Distort(shape, **settings)
    pictures, draws = RNG.random((7, *shape), dtype="float32"), distort.draw(7, seed=1)
    # Coordinates of some tens in float32 have errors of 1e-5 pixels; a pixel is 1 apart from its neighbour at most.
    np.testing.assert_allclose(numpy(distort(pictures, draws)), by_scipy(distort, pictures, draws), atol=2e-4)


def test_without_strengths_nothing_changes():
    distort = Distort((8, 6), **NONE)
    pictures = RNG.random((5, 8, 6), dtype="float32")
    np.testing.assert_array_equal(numpy(distort(pictures, distort.draw(5))), pictures)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ([1, 0, 1, 0, 1, 0], lambda p: np.pad(p[:, 1:], ((0, 0), (0, 1), (0, 0)))),  # from the row below
        ([1, 0, 0, 0, 1, -2], lambda p: np.pad(p[:, :, :-2], ((0, 0), (0, 0), (2, 0)))),  # two columns to the right
        ([0, 1, 0, -1, 0, 0], lambda p: np.rot90(p, axes=(1, 2))),  # against the clock
        ([-1, 0, 0, 0, 1, 0], lambda p: p[:, ::-1]),
    ],
)
def test_whole_pixels_move_as_they_are(change, expected):
    distort = Distort((7, 7), **NONE)
    pictures, draws = RNG.random((3, 7, 7), dtype="float32"), distort.draw(3)
    draws[:, :6] = change
    np.testing.assert_allclose(numpy(distort(pictures, draws)), expected(pictures), atol=1e-6)


def test_pictures_with_channels_and_pixels_in_a_row():
    distort = Distort((8, 6))
    pictures, draws = RNG.random((5, 8, 6, 3), dtype="float32"), distort.draw(5, seed=0)
    together = numpy(distort(pictures, draws))
    for channel in range(3):
        one = pictures[..., channel]
        np.testing.assert_allclose(together[..., channel], numpy(distort(one, draws)), atol=1e-6)
        in_a_row = numpy(distort(one.reshape(5, 48), draws))
        np.testing.assert_array_equal(in_a_row, numpy(distort(one, draws)).reshape(5, 48))


def test_draws_have_the_strengths_that_were_asked_for():
    distort = Distort((28, 28), shift=3, angle=20, shear=0.2, zoom=0.3, bend=1.5)
    draws = distort.draw(20_000, seed=0)
    field = field_of(distort, draws[:2000])
    # 2,000 pictures: the variance of a pixel has a relative deviation of sqrt(2 / 2000), 3 %.
    np.testing.assert_allclose(field.var(axis=0), 1.5**2, rtol=0.15)
    assert 0.5 < (field[:, 0, :, :-4] * field[:, 0, :, 4:]).mean() / 1.5**2 < 0.9, "neighbours move together"
    a, b, _, c, d, _ = draws[:, :6].T
    area = a * d - b * c  # of a piece of the old picture that becomes one pixel; the slant adds up to 0.2 * sin(20)
    np.testing.assert_allclose([area.min(), area.max()], [np.exp(-0.6), np.exp(0.6)], rtol=0.15)
    for column in (2, 5):
        assert 2.98 < np.abs(draws[:, column]).max() <= 3
    turns = Distort((28, 28), shift=0, angle=20, shear=0, zoom=0, bend=0).draw(20_000, seed=0)
    assert 19.9 < np.rad2deg(np.arcsin(turns[:, 1])).max() <= 20.001
    assert np.array_equal(draws, distort.draw(20_000, seed=np.random.default_rng(0)))


def test_a_model_is_trained_behind_it_and_used_without_it():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((48,)), keras.layers.Dense(5)])
    before = model.get_weights()[0].copy()
    distort = Distort((8, 6))
    trained = distort.before(model)
    trained.compile("sgd", "mse")
    x, y = RNG.random((64, 48), dtype="float32"), RNG.random((64, 5), dtype="float32")
    history = kerasopt.fit(trained, [x, distort.draw(64, seed=0)], y, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert np.abs(model.get_weights()[0] - before).max() > 0
    assert trained.count_params() == model.count_params() == 48 * 5 + 5
    draws = distort.draw(64, seed=1)
    expected = numpy(model(distort(x, draws)))
    np.testing.assert_allclose(numpy(trained([x, draws])), expected, atol=1e-6)


def test_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((8, 6, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    distort = Distort((8, 6), shift=1, angle=2, shear=0.3, zoom=0.4, bend=0.5, smoothing=6, name="bent")
    trained = distort.before(model)
    trained.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x, draws = RNG.random((4, 8, 6, 1), dtype="float32"), distort.draw(4, seed=0)
    np.testing.assert_array_equal(numpy(loaded([x, draws])), numpy(trained([x, draws])))
    assert loaded.get_layer("bent").get_config() == distort.get_config()


def test_half_precision_interpolates_at_full_coordinates():
    x = RNG.random((4, 28, 28), dtype="float32")
    distort, half = Distort((28, 28)), Distort((28, 28), dtype="mixed_bfloat16")
    draws = distort.draw(4, seed=0)
    # Only the result is rounded, to 8 bits.
    np.testing.assert_allclose(numpy(half(x, draws)).astype("float32"), numpy(distort(x, draws)), atol=2**-8)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"shape": 28}, "`shape` must be a height and a width. Received: shape=28"),
        ({"shape": (28, 0)}, "`shape` must be an integer >= 1"),
        ({"shift": -1}, r"`shift` must be in \[0, inf\). Received: shift=-1"),
        ({"angle": 200}, r"`angle` must be in \[0, 180\]"),
        ({"shear": float("inf")}, r"`shear` must be in \[0, inf\)"),
        ({"zoom": -0.1}, r"`zoom` must be in \[0, inf\)"),
        ({"bend": "1"}, r"`bend` must be in \[0, inf\)"),
        ({"smoothing": 0}, r"`smoothing` must be in \(0, inf\)"),
    ],
)
def test_bad_arguments(settings, text):
    with pytest.raises(ValueError, match=text):
        Distort(**({"shape": (28, 28)} | settings))


def test_bad_pictures():
    distort = Distort((8, 6))
    with pytest.raises(ValueError, match=r"must have the shape \(n, 8, 6\).* Received: pictures of the shape"):
        distort(np.zeros((3, 6, 8), "float32"), distort.draw(3))
    with pytest.raises(ValueError, match="must have the shape"):
        distort.before(keras.Sequential([keras.Input((47,)), keras.layers.Dense(2)]))
