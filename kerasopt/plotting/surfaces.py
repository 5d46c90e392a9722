"""Surfaces as filled contours, curves as lines, and the paths of optimizers on them."""

import itertools

import numpy as np

from kerasopt.plotting.style import COLORS, MARKERS, subplots

# From low to high: pale, so that paths stand out, and lightest at the minima.
_SURFACE = ("#fffdf2", "#eaf1f5", "#cfdee9", "#a5bfd3")
_CURVE = "#7f9bb2"


def plot_contours(x, y, values, ax=None, lowest=None, levels=16, xlabel="x", ylabel="y"):
    """Draw filled contours whose levels are spaced logarithmically above the lowest value: light is low.

    Args:
        x: Coordinates of the columns.
        y: Coordinates of the rows.
        values: Array of shape `(len(y), len(x))`.
        ax: Axes to draw into; a new figure by default.
        lowest: The value from which the levels count; the lowest on the grid by default.
        levels: Number of levels.
        xlabel: What the columns are.
        ylabel: What the rows are.

    Returns:
        The Axes.
    """
    from matplotlib.colors import LinearSegmentedColormap

    values = np.asarray(values, dtype=float)
    if values.shape != (len(y), len(x)) or not np.any(np.isfinite(values)):
        raise ValueError(
            f"Argument `values` must have shape {(len(y), len(x))}, and finite numbers. Received: shape {values.shape}"
        )
    ax = ax if ax is not None else subplots()[1]
    finite = values[np.isfinite(values)]
    lowest = finite.min() if lowest is None else lowest
    above = finite[finite > lowest] - lowest
    # The first level holds a five-hundredth of the window, at most four decades below the last.
    top = above.max() if above.size else 1.0
    bottom = max(np.quantile(above, 0.002), top / 1e4) if above.size else 0.1
    edges = lowest + np.r_[0, np.geomspace(bottom, top, levels)]
    colors = LinearSegmentedColormap.from_list("surface", _SURFACE)(np.linspace(0, 1, levels))
    ax.contourf(x, y, values, levels=edges, colors=colors, extend="max", antialiased=False)
    ax.grid(False)
    ax.set(xlabel=xlabel, ylabel=ylabel, xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    return ax


def plot_problem(problem, paths=None, ax=None, window=None, levels=16):
    """Draw a problem: contours or, with one coordinate, its curve; a star at each minimum; and the paths, if any.

    Args:
        problem: A `kerasopt.problems.Problem`.
        paths: Mapping from names to what `kerasopt.problems.descend` returns, as in `plot_paths`.
        ax: Axes to draw into; a new figure by default.
        window: `(low, high)` for each coordinate; the problem's own by default.
        levels: Number of contours.

    Returns:
        The Axes.
    """
    ax = ax if ax is not None else subplots(size=(4.2, 3.4) if problem.dimensions == 2 else (4.2, 2.8))[1]
    window = problem.window if window is None else np.asarray(window, dtype=float)
    axes = [np.linspace(low, high, 240) for low, high in window]
    minima = problem.minima[np.all((problem.minima >= window[:, 0]) & (problem.minima <= window[:, 1]), axis=1)]
    if problem.dimensions == 2:
        values = problem(np.stack(np.meshgrid(*axes), axis=-1))
        lowest = None if np.isnan(problem.best) else problem.best
        plot_contours(*axes, values, ax, lowest, levels, *problem.names)
    else:
        values = problem(axes[0][:, None])
        ax.plot(axes[0], values, color=_CURVE, linewidth=2)
        ax.set(xlabel=problem.names[0], ylabel=f"f({problem.names[0]})", xlim=window[0])
        ax.margins(y=0.08)
        ax.autoscale(enable=False)
    ax.plot(*_places(problem, minima), "*", ms=11, mfc="#ffffff80", mec="black", mew=0.9, zorder=7, clip_on=False)
    return plot_paths(paths, problem, ax) if paths else ax


def plot_paths(paths, problem, ax=None, step=None):
    """Draw paths: a ring where they start, a dot a step while there are at most 60, the name's marker at the end.

    A path that leaves the picture, or ends in infinity or NaN, is drawn up to the edge.

    Args:
        paths: Mapping from a name to an array of shape `(steps + 1, dimensions)`.
        problem: The `Problem` they descend.
        ax: Axes that already show the problem; a new figure with the problem by default.
        step: Up to which step to draw; to the end by default.

    Returns:
        The Axes.
    """
    from matplotlib.patheffects import Normal, Stroke

    if ax is None:
        return plot_problem(problem, paths)
    halo = [Stroke(linewidth=2.6, foreground="#ffffffc0"), Normal()]
    for (name, path), color, marker in zip(
        paths.items(), itertools.cycle(COLORS), itertools.cycle(MARKERS), strict=False
    ):
        points = _visible(problem, path, ax)[: None if step is None else step + 1]
        places = _places(problem, points)
        ax.plot(*places, color=color, linewidth=1.3, path_effects=halo, zorder=3)
        if len(path) <= 61:
            ax.plot(*places, ".", color=color, ms=4, zorder=4)
        ax.plot(*places[:, :1], "o", ms=7, mfc="none", mec="black", mew=1.2, zorder=5)
        ax.plot(*places[:, -1:], marker, color=color, ms=7, mec="white", mew=0.8, zorder=6, label=name)
    # Above the picture, in as many columns as its width allows at some 0.08 inches a letter.
    room = ax.get_window_extent().width / ax.figure.dpi / (0.3 + 0.08 * max(map(len, paths)))
    legend = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": min(len(paths), max(1, int(room)))}
    ax.legend(**legend, frameon=False, handletextpad=0.1, columnspacing=0.8, borderpad=0.2)
    return ax


def film_strip(problem, paths, steps=(1, 5, 20, 100), ax=None, columns=4, size=(2.1, 2.1)):
    """Draw one picture after another: the paths as they are after so many steps.

    Args:
        problem: The `Problem` they descend.
        paths: Mapping from a name to an array of shape `(steps + 1, dimensions)`.
        steps: After which steps to show them: numbers of at least 0.
        ax: As many Axes as there are steps; a new figure by default.
        columns: Pictures a row.
        size: Width and height of one picture, in inches.

    Returns:
        Array of the Axes, one a step.
    """
    steps = list(steps)
    if not steps or any(step < 0 for step in steps):
        raise ValueError(f"Argument `steps` must hold numbers of at least 0. Received: steps={steps}")
    if ax is None:
        columns = min(columns, len(steps))
        _, ax = subplots(-(-len(steps) // columns), columns, size, sharex=True, sharey=True, squeeze=False)
    axes = np.ravel(ax)
    if len(axes) < len(steps):
        raise ValueError(f"Argument `ax` must hold {len(steps)} Axes. Received: {len(axes)}")
    for one, step in zip(axes, steps, strict=False):
        plot_paths(paths, problem, plot_problem(problem, ax=one), step)
        one.get_legend().remove()
        one.set_title(f"step {step}" if step else "start", fontsize=9)
        one.label_outer()
    for spare in axes[len(steps) :]:
        spare.set_axis_off()
    handles, names = axes[0].get_legend_handles_labels()
    axes[0].figure.legend(handles, names, loc="outside upper center", ncols=len(names), frameon=False)
    return axes[: len(steps)]


def _places(problem, points):
    """Return where points lie in the picture: x and y, or x and the curve's height."""
    return points.T if problem.dimensions == 2 else np.stack([points[:, 0], problem(points)])


def _visible(problem, path, ax):
    """Return the path up to the first point far outside the picture, which is brought near enough to be drawn."""
    path = np.asarray(path, dtype=float)
    if path.ndim != 2 or path.shape[1] != problem.dimensions or len(path) == 0:
        raise ValueError(
            f"Argument `paths` must hold arrays of shape (steps + 1, {problem.dimensions}). Received: {path.shape}"
        )
    low, high = np.sort(np.array([ax.get_xlim(), ax.get_ylim()][: problem.dimensions])).T
    low, high = low - 3 * (high - low), high + 3 * (high - low)
    near = np.all((path >= low) & (path <= high), axis=1)
    end = len(path) if near.all() else int(np.argmin(near))
    outside = path[end : end + 1]
    return np.concatenate([path[:end], np.clip(outside[~np.isnan(outside).any(axis=1)], low, high)])
