"""Curves, bars, images and tables of counts."""

import contextlib
import itertools
from collections.abc import Mapping

import numpy as np

from kerasopt.plotting._tile import tile
from kerasopt.plotting.style import COLORS, MARKERS, subplots
from kerasopt.plotting.surfaces import plot_contours


def plot_curves(curves, ax=None, xlabel="epoch", ylabel="loss", start=1, x=None, band="range", log=""):
    """Draw one line a name; where a name has several runs, their mean with a band around it.

    Args:
        curves: Mapping from a name to values of shape `(points,)` or `(runs, points)`. Values that are not finite are
            left out, as gaps.
        ax: Axes to draw into; a new figure by default.
        xlabel: What is counted along the horizontal axis.
        ylabel: What is measured, with its unit.
        start: The first point's number, where `x` is None.
        x: Where the points lie: one sequence for all names, or a mapping from a name to its own. By default they are
            numbered.
        band: `"range"`, from the lowest run to the highest, or `"deviation"`, one sample standard deviation to either
            side of the mean.
        log: Which axes are logarithmic: `""`, `"x"`, `"y"` or `"xy"`.

    Returns:
        The Axes.
    """
    if band not in ("range", "deviation"):
        raise ValueError(f'Argument `band` must be "range" or "deviation". Received: band={band!r}')
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f'Argument `log` must be "", "x", "y" or "xy". Received: log={log!r}')
    ax = ax if ax is not None else subplots()[1]
    for (name, values), marker in zip(curves.items(), itertools.cycle(MARKERS), strict=False):
        runs = np.atleast_2d(np.asarray(values, dtype=float))
        runs = np.where(np.isfinite(runs), runs, np.nan)
        places = x.get(name) if isinstance(x, Mapping) else x
        points = np.arange(start, start + runs.shape[1]) if places is None else np.asarray(places)
        if points.shape != runs.shape[1:]:
            raise ValueError(f"Argument `x` must hold {runs.shape[1]} places for {name!r}. Received: {len(points)}")
        style = {"marker": marker, "ms": 3.5, "markevery": max(1, len(points) // 15) if len(points) > 30 else 1}
        mean = runs.mean(axis=0)
        (line,) = ax.plot(points, mean, label=name, **style)
        if len(runs) > 1:
            spread = runs.std(axis=0, ddof=1)
            low, high = (mean - spread, mean + spread) if band == "deviation" else (runs.min(axis=0), runs.max(axis=0))
            ax.fill_between(points, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    if "x" in log:
        ax.set_xscale("log")
    elif x is None:
        ax.xaxis.get_major_locator().set_params(integer=True)
    if "y" in log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return ax


def plot_images(images, labels=None, columns=10, ax=None):
    """Draw grey images side by side, ink on paper, each with its label above.

    Args:
        images: Array of shape `(n, height, width)`; the smallest value is drawn white, the largest black.
        labels: `n` short texts, or none.
        columns: Images a row.
        ax: Axes to draw into; a new figure by default.

    Returns:
        The Axes.
    """
    images = np.asarray(images)
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"Argument `images` must have shape (n, height, width), n > 0. Received: {images.shape}")
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"Argument `labels` must hold one text an image, {len(images)}. Received: {len(labels)}")
    count, height, width = images.shape
    columns = min(columns, count)
    head = 0 if labels is None else height // 3  # room for a label above every image
    sheet = tile(images, columns, images.min(), head=head)
    if ax is None:
        inch = 0.62 * columns
        ax = subplots(size=(inch, inch * sheet.shape[0] / sheet.shape[1]))[1]
    ax.imshow(sheet, cmap="gray_r", interpolation="nearest")
    for index, label in enumerate(labels if labels is not None else ()):
        top, left = index // columns * (height + head), index % columns * width
        ax.text(left + width / 2, top + head / 2, label, ha="center", va="center", fontsize=9)
    ax.set_axis_off()
    return ax


def plot_bars(names, values, ax=None, xlabel="", number="{:,}"):
    """Draw horizontal bars from top to bottom, with the value beside each.

    Args:
        names: One text a bar.
        values: One number a bar.
        ax: Axes to draw into; a new figure by default.
        xlabel: What the bars measure, with its unit.
        number: Format of the values written beside the bars.

    Returns:
        The Axes.
    """
    ax = ax if ax is not None else subplots(size=(4.6, 0.4 + 0.3 * len(values)))[1]
    bars = ax.barh(names, values)
    ax.bar_label(bars, [number.format(value) for value in values], padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(xlabel)
    return ax


def plot_confusion(matrix, ax=None):
    """Draw a confusion matrix: mistakes in colour, right answers as numbers only, so that they do not drown the rest.

    Args:
        matrix: Square array of counts, true class by row, predicted class by column.
        ax: Axes to draw into; a new figure by default.

    Returns:
        The Axes.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"Argument `matrix` must be square. Received: shape {matrix.shape}")
    ax = ax if ax is not None else subplots(size=(4.4, 4.0))[1]
    mistakes = matrix - np.diag(np.diag(matrix))
    ax.imshow(mistakes, cmap="Oranges")
    for row, column in np.ndindex(*matrix.shape):
        dark = mistakes[row, column] > mistakes.max() / 2
        color = "white" if dark else "#0072B2" if row == column else "black"
        ax.text(column, row, matrix[row, column], ha="center", va="center", fontsize=7, color=color)
    classes = range(len(matrix))
    ax.set(xlabel="predicted", ylabel="true", xticks=classes, yticks=classes)
    ax.grid(False)
    return ax


def plot_schedule(schedule, steps, ax=None, steps_per_epoch=None, ylabel="learning rate"):
    """Draw the rate of each step under one schedule, or under several.

    Args:
        schedule: A `LearningRateSchedule`, any function from a step to a rate, or a mapping from names to such.
        steps: Number of steps to draw, an integer >= 1; long stretches are drawn at 1,000 of them.
        ax: Axes to draw into; a new figure by default.
        steps_per_epoch: If given, the horizontal axis counts epochs of so many steps.
        ylabel: What is drawn, with its unit.

    Returns:
        The Axes.
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"Argument `steps` must be an integer >= 1. Received: steps={steps!r}")
    schedules = schedule if isinstance(schedule, dict) else {type(schedule).__name__: schedule}
    for name, function in schedules.items():
        if not callable(function):
            raise ValueError(f"Argument `schedule` must hold schedules or functions. Received: {name}={function!r}")
    ax = ax if ax is not None else subplots()[1]
    points = np.unique(np.linspace(0, steps - 1, min(steps, 1000)).round().astype("int64"))
    for name, function in schedules.items():
        ax.plot(points / (steps_per_epoch or 1), _values(function, points), label=name)
    ax.set(xlabel="epoch" if steps_per_epoch else "step", ylabel=ylabel)
    if isinstance(schedule, dict):
        ax.legend(frameon=False)
    return ax


def _values(function, points):
    """Call a function of a number for many: at once if it can do that."""
    with contextlib.suppress(Exception):  # Whatever it is: one point at a time has the better message.
        values = np.asarray(function(points), dtype=float)
        if values.shape == points.shape:
            return values
    return [float(function(int(point))) for point in points]


def plot_slice(result, ax=None):
    """Draw a slice of a loss, as `kerasopt.diagnostics.loss_slice` returns it: a curve, or filled contours.

    Args:
        result: The slice: its `coordinates`, one array or two, and its `losses`.
        ax: Axes to draw into; a new figure by default.

    Returns:
        The Axes.
    """
    ax = ax if ax is not None else subplots()[1]
    if len(result.coordinates) == 1:
        ax.plot(result.coordinates[0], result.losses)
        ax.set(xlabel="along the direction", ylabel="loss")
    else:
        a, b = result.coordinates
        plot_contours(a, b, result.losses.T, ax, xlabel="along direction 1", ylabel="along direction 2")
        contours = ax.collections[-1]
        ax.figure.colorbar(contours, ax=ax, label="loss", ticks=contours.levels[::4], format="{x:.3g}")
    if all(c.min() <= 0 <= c.max() for c in result.coordinates):
        height = np.interp(0.0, result.coordinates[0], result.losses) if result.losses.ndim == 1 else 0.0
        ax.plot(0.0, height, "o", color=COLORS[1], ms=4)  # the model's weights
    return ax
