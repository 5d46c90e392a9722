"""Figures are drawn into the axes given, hold what they were given, and change nobody's style."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from kerasopt.plotting import plot_bars, plot_confusion, plot_curves, plot_images, subplots


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_the_house_style_stays_in_the_house():
    before = dict(plt.rcParams)
    subplots(2, 3)
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot_bars(["a", "b"], [1, 2], ax=ax),
        lambda ax: plot_confusion(np.eye(3, dtype=int), ax=ax),
        lambda ax: plot_curves({"a": [3, 2, 1]}, ax=ax),
        lambda ax: plot_images(np.zeros((3, 4, 4)), ax=ax),
    ],
    ids=["bars", "confusion", "curves", "images"],
)
def test_axes_are_given_back(draw):
    _, ax = subplots()
    assert draw(ax) is ax
    assert plt.get_fignums() == [1], "no second figure"
    assert draw(None) is not ax


def test_curves_show_mean_and_range():
    ax = plot_curves({"one": [3.0, 2.0], "many": [[1.0, 5.0], [3.0, 7.0]]}, ylabel="loss", start=0)
    one, many = ax.get_lines()
    np.testing.assert_array_equal(one.get_xydata(), [[0, 3], [1, 2]])
    np.testing.assert_array_equal(many.get_ydata(), [2, 6])
    (band,) = ax.collections
    assert band.get_paths()[0].get_extents().bounds == (0, 1, 1, 6), "from the lowest run to the highest"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "many"]
    assert not ax.get_legend().get_frame_on()


def test_images_stand_in_reading_order_under_their_labels():
    images = np.arange(1, 6, dtype=float)[:, None, None] * np.ones((1, 3, 3))
    ax = plot_images(images, labels="abcde", columns=2)
    sheet = ax.get_images()[0].get_array()
    assert sheet.shape == (3 * (3 + 1), 2 * 3), "three rows of two, with a line for the labels"
    assert [sheet[row * 4 + 2, column * 3 + 1] for row in range(3) for column in range(2)] == [1, 2, 3, 4, 5, 1]
    assert [text.get_text() for text in ax.texts] == list("abcde")


def test_confusion_shades_mistakes_only():
    ax = plot_confusion([[90, 2], [5, 80]])
    np.testing.assert_array_equal(ax.get_images()[0].get_array(), [[0, 2], [5, 0]])
    assert [text.get_text() for text in ax.texts] == ["90", "2", "5", "80"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: plot_images(np.zeros((4, 4))),
        lambda: plot_images(np.zeros((0, 4, 4))),
        lambda: plot_images(np.zeros((2, 4, 4)), labels=["a"]),
        lambda: plot_confusion(np.zeros((2, 3))),
    ],
)
def test_bad_shapes_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()
