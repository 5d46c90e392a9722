"""What goes on within a network: the spread of its layers' values, and weights as pictures."""

import math
from collections.abc import Mapping

import numpy as np

from kerasopt.plotting._tile import tile
from kerasopt.plotting.style import COLORS, subplots


def plot_histograms(values, ax=None, bins=50, limits=None, columns=6, size=(1.7, 1.5), xlabel="activation"):
    """Draw one small histogram a layer, all over the same interval, with each one's mean and standard deviation.

    Args:
        values: Mapping from a layer's name to its values, arrays of any shape, or a sequence of such arrays.
        ax: As many Axes as there are layers; a new figure by default.
        bins: Number of bars.
        limits: `(low, high)`, the interval; by default what holds all values.
        columns: Histograms a row.
        size: Width and height of one histogram, in inches.
        xlabel: What the values are.

    Returns:
        Array of the Axes, one a layer.
    """
    if not isinstance(values, Mapping):
        values = {f"layer {number}": array for number, array in enumerate(values, start=1)}
    values = {name: np.ravel(np.asarray(array, dtype=float)) for name, array in values.items()}
    if not values or not all(array.size for array in values.values()):
        raise ValueError(f"Argument `values` must hold at least one value a layer. Received: {list(values)}")
    finite = {name: array[np.isfinite(array)] for name, array in values.items()}
    if limits is None:
        everything = np.concatenate([*finite.values(), [0.0]])
        limits = everything.min(), everything.max()
        limits = limits if limits[0] < limits[1] else (limits[0] - 0.5, limits[1] + 0.5)
    if ax is None:
        columns = min(columns, len(values))
        rows = -(-len(values) // columns)
        _, ax = subplots(rows, columns, size, sharex=True, squeeze=False)
    axes = np.ravel(ax)
    if len(axes) < len(values):
        raise ValueError(f"Argument `ax` must hold {len(values)} Axes. Received: {len(axes)}")
    for one, (name, array) in zip(axes, finite.items(), strict=False):
        counts, *_ = one.hist(array, bins=bins, range=limits, color=COLORS[0])
        one.set_ylim(0, 1.5 * max(counts.max(), 1))  # room for the numbers
        one.set_title(name, fontsize=9)
        text = f"mean {np.mean(array):.2g}\nstd {np.std(array):.2g}" if array.size else "none finite"
        if 0 < array.size < values[name].size:
            text += f"\n{1 - array.size / values[name].size:.0%} not finite"
        one.text(0.97, 0.97, text, transform=one.transAxes, ha="right", va="top", fontsize=7)
        one.set(yticks=[], xlim=limits, xlabel=xlabel)
        one.spines["left"].set_visible(False)
        one.grid(False)
        one.label_outer()
    for spare in axes[len(values) :]:
        spare.set_axis_off()
    return axes[: len(values)]


def plot_filters(kernel, shape=None, columns=10, ax=None, limit=None):
    """Draw weights as pictures, one a unit: white is 0, red positive, blue negative, on the same scale in all.

    Args:
        kernel: A dense layer's, of shape `(inputs, units)`, or a convolution's, `(height, width, channels, units)`,
            of which one row of pictures shows each channel.
        shape: Height and width of the picture that a dense layer's inputs are; a square by default.
        columns: Pictures a row, for dense layers.
        ax: Axes to draw into; a new figure by default.
        limit: The absolute value drawn in full colour; the largest by default.

    Returns:
        The Axes.
    """
    kernel = np.asarray(kernel, dtype=float)
    if kernel.ndim == 4:
        images = kernel.transpose(2, 3, 0, 1).reshape(-1, *kernel.shape[:2])
        columns = kernel.shape[3]
    elif kernel.ndim == 2:
        side = math.isqrt(kernel.shape[0])
        height, width = (side, side) if shape is None else shape
        if height * width != kernel.shape[0]:
            raise ValueError(
                f"Argument `shape` must have {kernel.shape[0]} pixels, one for each input. Received: shape={shape}"
            )
        images = kernel.T.reshape(-1, height, width)
    else:
        images = kernel[:0]
    if not images.size:
        raise ValueError(
            "Argument `kernel` must have shape (inputs, units) or (height, width, channels, units), and none may be 0. "
            f"Received: shape {kernel.shape}"
        )
    columns = min(columns, len(images))
    gap = max(1, round(images.shape[1] / 14))
    sheet = tile(images, columns, np.nan, gap=gap)
    limit = float(np.nanmax(np.abs(images))) if limit is None else limit
    limit = limit if limit > 0 else 1.0
    if ax is None:
        inch = 0.62 * columns
        ax = subplots(size=(inch + 0.6, 0.12 + inch * sheet.shape[0] / sheet.shape[1]))[1]
    picture = ax.imshow(sheet, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    bar = ax.figure.colorbar(picture, ax=ax, ticks=[-limit, 0, limit], aspect=25, pad=0.02, fraction=0.05)
    bar.ax.set_yticklabels([f"{-limit:.2g}", "0", f"{limit:.2g}"], fontsize=8)
    bar.outline.set_visible(False)
    ax.set_axis_off()
    return ax
