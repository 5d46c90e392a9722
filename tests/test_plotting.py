"""Figures are drawn into the axes given, hold what they were given, and change nobody's style."""

import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from kerasopt import plotting, problems
from kerasopt.plotting import (
    COLORS,
    animate,
    film_strip,
    plot_bars,
    plot_confusion,
    plot_contours,
    plot_curves,
    plot_filters,
    plot_histograms,
    plot_images,
    plot_paths,
    plot_problem,
    subplots,
)

PATH = np.array([[-7.0, 2.0], [-5.0, -1.0], [-3.0, 0.5], [0.0, 0.0]])


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
        lambda ax: plot_filters(np.eye(4), ax=ax),
        lambda ax: plot_contours([0, 1], [0, 1], [[0, 1], [2, 3]], ax=ax),
        lambda ax: plot_problem(problems.valley(), ax=ax),
        lambda ax: plot_problem(problems.dent(), {"a": [[2.0], [1.0]]}, ax=ax),
        lambda ax: plot_paths({"a": PATH}, problems.valley(), ax=ax),
    ],
    ids=["bars", "confusion", "curves", "images", "filters", "contours", "problem", "one-dimensional", "paths"],
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


def test_curves_show_the_deviation_where_asked():
    ax = plot_curves({"many": [[1.0, 5.0], [3.0, 7.0]]}, band="deviation")
    bounds = ax.collections[0].get_paths()[0].get_extents().bounds
    # Two runs that differ by 2: their sample standard deviation is the root of 2.
    np.testing.assert_allclose(bounds, (1, 2 - 2**0.5, 1, 4 + 2 * 2**0.5))


def test_curves_stand_where_x_says():
    ax = plot_curves({"a": [1, 2, np.inf], "b": [5, 6]}, x={"a": [0.1, 1, 10], "b": [1, 10]}, log="xy")
    a, b = ax.get_lines()
    np.testing.assert_array_equal(a.get_xydata(), [[0.1, 1], [1, 2], [10, np.nan]])
    np.testing.assert_array_equal(b.get_xdata(), [1, 10])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert plot_curves({"a": [1, 2]}, x=[3, 9]).get_lines()[0].get_xdata().tolist() == [3, 9]


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


def test_contours_are_spaced_logarithmically_from_the_lowest_value():
    x = y = np.linspace(-3, 3, 61)
    ax = plot_contours(x, y, x**2 + y[:, None] ** 2 - 5, levels=8, xlabel="u")
    (contours,) = ax.collections
    assert contours.levels[0] == -5
    ratios = np.diff(np.log(contours.levels[1:] + 5))
    np.testing.assert_allclose(ratios, ratios[0])
    assert contours.levels[-1] == pytest.approx(18 - 5)
    shades = contours.get_facecolor()[:, :3].sum(axis=1)
    assert np.all(np.diff(shades[:-1]) < 0), "light is low"
    assert ax.get_xlabel() == "u"


def test_contours_of_a_plateau_or_with_holes_are_drawn():
    plot_contours([0, 1], [0, 1], np.ones((2, 2))).figure.canvas.draw()
    plot_contours([0, 1, 2], [0, 1], [[0, 1, np.nan], [2, np.inf, 3]]).figure.canvas.draw()


def test_a_problem_is_drawn_with_its_minima_and_names():
    ax = plot_problem(problems.himmelblau())
    (stars,) = [line for line in ax.get_lines() if line.get_marker() == "*"]
    np.testing.assert_array_equal(stars.get_xydata(), problems.himmelblau().minima)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-5.5, 5.5), (-5.5, 5.5))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    near = plot_problem(problems.himmelblau(), window=[(2, 4), (1, 3)])
    assert len(near.get_lines()[0].get_xdata()) == 1, "only what is in view"
    curve = problems.dent()
    line, stars = plot_problem(curve).get_lines()
    np.testing.assert_allclose(stars.get_xydata(), [[0, 0], [2, curve([2.0])]])
    np.testing.assert_allclose(line.get_ydata(), curve(line.get_xdata()[:, None]))


def lines_of(ax, name):
    """The path drawn under a name: its line, which the marker of that name follows."""
    lines = ax.get_lines()
    end = next(i for i, line in enumerate(lines) if line.get_label() == name)
    path = max(i for i in range(end) if lines[i].get_linestyle() == "-")
    return lines[path], lines[end]


def test_paths_run_from_a_ring_to_their_marker():
    ax = plot_problem(problems.valley(), {"a": PATH, "b": PATH + 1})
    for name, path, color in (("a", PATH, COLORS[0]), ("b", PATH + 1, COLORS[1])):
        line, end = lines_of(ax, name)
        np.testing.assert_array_equal(line.get_xydata(), path)
        np.testing.assert_array_equal(end.get_xydata(), path[-1:])
        assert line.get_color() == end.get_color() == color
    assert lines_of(ax, "a")[1].get_marker() != lines_of(ax, "b")[1].get_marker()
    rings = [line for line in ax.get_lines() if line.get_markerfacecolor() == "none"]
    np.testing.assert_array_equal(rings[0].get_xydata(), PATH[:1])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    line, _ = lines_of(plot_paths({"a": PATH}, problems.valley(), step=2), "a")
    assert len(line.get_xydata()) == 4, "a figure of its own shows the whole"
    line, _ = lines_of(plot_paths({"a": PATH}, problems.valley(), plot_problem(problems.valley()), step=2), "a")
    np.testing.assert_array_equal(line.get_xydata(), PATH[:3])


@pytest.mark.parametrize("end", [[np.inf, 0.0], [np.nan, np.nan], [1e300, -1e300]])
def test_paths_that_diverge_are_drawn_to_the_edge(end):
    path = np.array([[-7.0, 2.0], [9.0, -4.0], end, [np.nan, np.nan]])
    ax = plot_problem(problems.valley(), {"a": path})
    ax.figure.canvas.draw()
    line, _ = lines_of(ax, "a")
    assert np.isfinite(line.get_xydata()).all()
    assert np.abs(line.get_xydata()).max() < 100
    assert len(line.get_xydata()) == 2 + (not np.isnan(end).any())
    assert ax.get_xlim() == (-10, 10)


def test_a_film_strip_shows_the_steps_asked_for():
    axes = film_strip(problems.valley(), {"a": PATH}, (0, 1, 3), columns=2)
    assert len(axes) == 3
    assert [len(lines_of(ax, "a")[0].get_xydata()) for ax in axes] == [1, 2, 4]
    assert [ax.get_title() for ax in axes] == ["start", "step 1", "step 3"]
    assert [ax.get_legend() for ax in axes] == [None] * 3
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a"]
    _, own = subplots(1, 2)
    assert film_strip(problems.valley(), {"a": PATH}, (1, 3), ax=own)[1] is own[1]


def test_an_animation_is_a_small_gif_that_shows_the_whole_path():
    before = plt.get_fignums()
    path = problems.descend("sgd", problems.valley(), steps=120)
    gif = animate(problems.valley(), {"SGD <1>": path, "again": -path}, frames=30)
    assert plt.get_fignums() == before
    assert isinstance(gif, bytes)
    assert len(gif) < 150_000
    with Image.open(io.BytesIO(gif)) as film:
        assert film.n_frames == 30
        assert film.info["loop"] == 0
        first = np.asarray(film.convert("RGB")).astype(int)
        film.seek(29)
        assert film.info["duration"] == 2000
        assert np.any(np.abs(np.asarray(film.convert("RGB")).astype(int) - first) > 100)
    assert repr(gif) == f"<GIF, {len(gif):,} bytes: {gif.alt}>"
    shown = gif._repr_html_()
    assert shown.startswith('<img src="data:image/gif;base64,R0lGOD')
    assert "valley: SGD &lt;1&gt;, again" in shown


def test_histograms_share_their_interval_and_tell_mean_and_deviation():
    values = {"one": np.array([[0.0, 1.0], [2.0, 3.0]]), "two": np.array([5.0, np.inf, np.nan, 5.0])}
    one, two = plot_histograms(values, bins=5)
    assert one.get_xlim() == two.get_xlim() == (0, 5)
    assert [bar.get_height() for bar in one.patches] == [1, 1, 1, 1, 0]
    assert [bar.get_height() for bar in two.patches] == [0, 0, 0, 0, 2]
    assert one.texts[0].get_text() == "mean 1.5\nstd 1.1"
    assert two.texts[0].get_text() == "mean 5\nstd 0\n50% not finite"
    assert [ax.get_title() for ax in plot_histograms([np.ones(3)] * 2)] == ["layer 1", "layer 2"]
    assert plot_histograms([np.zeros(3)])[0].get_xlim() == (-0.5, 0.5)
    assert len(plot_histograms([np.ones(3)] * 4, columns=3)) == 4


def test_filters_are_pictures_on_one_scale_around_zero():
    kernel = np.arange(-6.0, 6.0).reshape(4, 3)
    ax = plot_filters(kernel, columns=2)
    (picture,) = ax.get_images()
    sheet = picture.get_array()
    assert sheet.shape == (2 + 1 + 2, 2 + 1 + 2)
    np.testing.assert_array_equal(sheet[:2, :2], kernel[:, 0].reshape(2, 2))
    np.testing.assert_array_equal(sheet[:2, 3:], kernel[:, 1].reshape(2, 2))
    np.testing.assert_array_equal(sheet[3:, :2], kernel[:, 2].reshape(2, 2))
    assert np.ma.getmaskarray(sheet)[2].all()
    assert picture.get_clim() == (-6, 6)
    assert plot_filters(np.zeros((6, 1)), shape=(2, 3)).get_images()[0].get_clim() == (-1, 1)
    convolution = np.random.default_rng(0).normal(size=(3, 3, 2, 5))
    sheet = plot_filters(convolution, limit=2.0).get_images()[0].get_array()
    np.testing.assert_array_equal(sheet[4:7, 8:11], convolution[:, :, 1, 2])


def test_figures_import_matplotlib_only_when_drawn():
    for path in Path(plotting.__file__).parent.glob("*.py"):  # Keras itself imports it, so sys.modules cannot tell
        assert not re.search(r"^(import|from) (matplotlib|PIL)", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    "call",
    [
        lambda: plot_curves({"a": [1, 2]}, band="both"),
        lambda: plot_curves({"a": [1, 2]}, log="z"),
        lambda: plot_curves({"a": [1, 2]}, x=[1, 2, 3]),
        lambda: plot_contours([0, 1], [0, 1, 2], np.zeros((2, 3))),
        lambda: plot_contours([0, 1], [0, 1], np.full((2, 2), np.nan)),
        lambda: plot_problem(problems.valley(), {"a": np.zeros((3, 1))}),
        lambda: plot_problem(problems.valley(), {"a": np.zeros((0, 2))}),
        lambda: film_strip(problems.valley(), {"a": PATH}, ()),
        lambda: film_strip(problems.valley(), {"a": PATH}, (-1,)),
        lambda: film_strip(problems.valley(), {"a": PATH}, (1, 2), ax=[subplots()[1]]),
        lambda: animate(problems.valley(), {"a": PATH}, frames=1),
        lambda: animate(problems.valley(), {}),
        lambda: plot_histograms({}),
        lambda: plot_histograms([[]]),
        lambda: plot_histograms([[1.0], [2.0]], ax=[subplots()[1]]),
        lambda: plot_filters(np.zeros((3, 2, 1))),
        lambda: plot_filters(np.zeros((5, 2))),
        lambda: plot_filters(np.zeros((4, 2)), shape=(3, 1)),
        lambda: plot_filters(np.zeros((4, 0))),
        lambda: plot_images(np.zeros((4, 4))),
        lambda: plot_images(np.zeros((0, 4, 4))),
        lambda: plot_images(np.zeros((2, 4, 4)), labels=["a"]),
        lambda: plot_confusion(np.zeros((2, 3))),
    ],
)
def test_bad_shapes_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()
