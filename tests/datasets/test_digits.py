"""The offline digits: format, geometry, statistics, and that a classifier can learn them."""

import numpy as np
import pytest

from kerasopt.datasets import digits as generator
from kerasopt.datasets import synthetic_digits
from kerasopt.datasets.digits import CHUNK, TEMPLATES


@pytest.fixture(scope="module")
def digits():
    return synthetic_digits(n_train=6000, n_test=2000, seed=3)


@pytest.fixture(scope="module")
def images(digits):
    return digits[0][0]


def centres_of_mass(images):
    """Mean row and mean column of the ink, per image."""
    ink = images.astype(np.float64)
    mass = ink.sum(axis=(1, 2))
    pixel = np.arange(28)
    return ink.sum(axis=2) @ pixel / mass, ink.sum(axis=1) @ pixel / mass


def extents(images):
    """Height and width of the box around the pixels that are not background."""

    def extent(inked):
        return 28 - inked.argmax(axis=1) - inked[:, ::-1].argmax(axis=1)

    inked = images > 0
    return extent(inked.any(axis=2)), extent(inked.any(axis=1))


def design(images):
    """Pixels of 14 x 14 blocks and a constant: the features of the linear classifier."""
    blocks = images.reshape(len(images), 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1) / 255
    return np.hstack([blocks, np.ones((len(images), 1))])


@pytest.mark.parametrize(("n_train", "n_test"), [(60, 10), (CHUNK, 1), (2 * CHUNK + 1, 0), (0, 0)])
def test_format_is_that_of_mnist(n_train, n_test):
    for (x, y), n in zip(synthetic_digits(n_train, n_test), (n_train, n_test), strict=True):
        assert x.shape == (n, 28, 28)
        assert y.shape == (n,)
        assert x.dtype == y.dtype == np.uint8


def test_default_sizes_are_those_of_mnist():
    assert synthetic_digits.__defaults__ == (60000, 10000, 0)


def test_same_seed_same_digits(digits):
    again = synthetic_digits(n_train=6000, n_test=2000, seed=3)
    for (x, y), (x_again, y_again) in zip(digits, again, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)


def test_numpy_integers_are_integers():
    (x, _), _ = synthetic_digits(np.int64(7), np.uint8(1), np.int32(3))
    np.testing.assert_array_equal(x, synthetic_digits(7, 1, 3)[0][0])


def test_fewer_images_are_the_first_of_more(digits):
    (x_train, y_train), (x_test, y_test) = synthetic_digits(n_train=CHUNK + 3, n_test=5, seed=3)
    np.testing.assert_array_equal(x_train, digits[0][0][: CHUNK + 3])
    np.testing.assert_array_equal(y_train, digits[0][1][: CHUNK + 3])
    np.testing.assert_array_equal(x_test, digits[1][0][:5])
    np.testing.assert_array_equal(y_test, digits[1][1][:5])


def test_another_seed_draws_other_digits(digits):
    (x, y), _ = synthetic_digits(n_train=CHUNK, n_test=0, seed=4)
    assert not np.array_equal(y, digits[0][1][:CHUNK])
    assert not {image.tobytes() for image in x} & {image.tobytes() for image in digits[0][0]}


def test_no_image_is_drawn_twice(digits):
    # Thousands of pixels' grey values: two equal images would mean a random stream used twice.
    together = [image.tobytes() for x, _ in digits for image in x]
    assert len(set(together)) == len(together)


def test_the_global_random_state_is_left_alone():
    np.random.seed(1)  # noqa: NPY002  (the legacy state is what must not move)
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    synthetic_digits(10, 10)
    assert np.random.random() == expected  # noqa: NPY002


def test_every_500_images_hold_each_digit_50_times(digits):
    for start in range(0, 6000, CHUNK):
        np.testing.assert_array_equal(np.bincount(digits[0][1][start : start + CHUNK]), np.full(10, CHUNK // 10))


def test_labels_are_shuffled(digits):
    # Of 5999 neighbours a tenth is equal by chance: 600 with a deviation of 23. Sorted or cyclic labels give 5990 or 0.
    assert abs((np.diff(digits[0][1].astype(int)) == 0).sum() - 600) < 5 * 23


def test_centre_of_mass_is_pixel_14(images):
    # Shifts are whole pixels, so at most half a pixel remains; rounding to 256 grey levels moves it by under 0.01. One
    # digit in two thousand is so lopsided that its box would leave the image: that one stays at the image's edge.
    for centres in centres_of_mass(images):
        assert (np.abs(centres - 14) < 0.51).mean() > 0.995
        assert np.abs(centres - 14).max() < 2
        # Uniform in the half pixel either way: the mean of 6000 has a deviation of 0.29 / sqrt(6000) = 0.004.
        assert abs(centres.mean() - 14) < 0.02


def test_digits_fill_a_box_of_20_pixels(images):
    longest = np.maximum(*extents(images))
    assert longest.max() == 20
    # A pen pressed lightly at the outermost point could leave the last row or column of the box empty.
    assert (longest == 20).mean() > 0.99


def test_pixel_statistics_are_those_of_handwriting(images):
    # MNIST has 0.1307 and 0.3081. The mean of 6000 images has a standard error below 0.001.
    scaled = images / np.float32(255)
    assert 0.12 < scaled.mean() < 0.14
    assert 0.30 < scaled.std() < 0.32
    assert images.min() == 0
    assert images.max() == 255


def test_pens_differ_and_none_leaves_a_digit_blank_or_blotted(images):
    ink = images.mean(axis=(1, 2)) / 255
    assert ink.min() > 0.02  # the thinnest of the ones
    assert ink.max() < 0.45
    assert ink.std() > 0.03  # MNIST: 0.043


def test_digits_stand_the_right_way_up_and_round(digits):
    # The sign of the third moment says on which side of its centre a digit is long and thin. A 7 is below, a 6 above;
    # a 3 is on the left, a 6 on the right. The means over the classes are twelve standard errors or more from 0.
    x, y = digits[0]
    ink = x / x.sum(axis=(1, 2), keepdims=True)
    offset = (np.arange(28) - 14.0) ** 3
    down, right = ink.sum(axis=2) @ offset, ink.sum(axis=1) @ offset
    assert down[y == 7].mean() > 0 > down[y == 6].mean()
    assert right[y == 6].mean() > 0 > right[y == 3].mean()


@pytest.mark.parametrize("source", ["JITTER", "WARP", "ASPECT", "SLANT", "ROTATION", "PEN", "PRESSURE"])
def test_every_source_of_variation_acts(digits, monkeypatch, source):
    monkeypatch.setattr(generator, source, 0.0)
    (x, y), _ = synthetic_digits(n_train=100, n_test=0, seed=3)
    np.testing.assert_array_equal(y, digits[0][1][:100])
    changed = (x != digits[0][0][:100]).any(axis=(1, 2))
    assert changed.all()


def test_ones_are_upright_and_narrow(digits):
    x, y = digits[0]
    height, width = extents(x)
    assert np.median((height / width)[y == 1]) > 1.5
    assert np.median((height / width)[y == 0]) < 1.4


def test_a_linear_classifier_learns_them_but_not_perfectly(digits):
    # Least squares on 14 x 14 blocks scores 0.80 to 0.81 over seeds, chance is 0.1. Digits without variation would
    # score 1: the upper bound sees to it that they are varied.
    (x_train, y_train), (x_test, y_test) = digits
    weights, *_ = np.linalg.lstsq(design(x_train), np.eye(10)[y_train], rcond=None)
    correct = (design(x_test) @ weights).argmax(axis=1) == y_test
    assert 0.77 < correct.mean() < 0.88
    assert min(correct[y_test == digit].mean() for digit in range(10)) > 0.5


def test_every_template_is_a_drawing():
    assert sorted(TEMPLATES) == list(range(10))
    for text in TEMPLATES.values():
        entries = [entry.split(":") for entry in text.split(";")]
        assert len(entries) >= 8
        assert len({strokes.strip() for _, strokes in entries}) == len(entries)
        for weight, strokes in entries:
            assert int(weight) > 0
            for stroke in strokes.split("/"):
                points = stroke.split()
                assert len(set(points)) >= 2
                assert all(len(point) == 2 and point.isdecimal() for point in points)


@pytest.mark.parametrize("name", ["n_train", "n_test", "seed"])
@pytest.mark.parametrize("value", [-1, 2.0, "10", None, True, [3]])
def test_bad_arguments_are_refused(name, value):
    arguments = {"n_train": 1, "n_test": 1, name: value}
    with pytest.raises(ValueError, match=f"^Argument `{name}` must be an integer >= 0. Received: {name}="):
        synthetic_digits(**arguments)
