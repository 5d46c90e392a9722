"""A function to minimize, with all that a picture of it needs."""

import numpy as np


class Problem:
    """A function of one or two coordinates with its gradient, its minima and a window in which it is worth a look.

    Calling it gives its values, `gradient` its gradients, for one point or for any array of points.

    Args:
        name: What it is called, for titles.
        function: Takes one argument a coordinate, arrays of one shape, and returns the values. Written with `+`, `*`
            and `**` alone it takes tensors as well.
        derivatives: Takes the same, returns a tuple of one partial derivative a coordinate.
        window: `(low, high)` for each coordinate: what to draw. It fixes the number of coordinates.
        minima: Where the function has local minima: points of as many coordinates; none by default.
        start: A point from which descending is interesting; the window's lower left quarter by default.
        names: What the coordinates are called, for axes: x and y by default.

    Attributes:
        dimensions: Number of coordinates, 1 or 2.
        best: The lowest value at any of the minima; NaN if there are none.

    Raises:
        ValueError: If the window is not one or two intervals, or if another argument does not fit it.

    Example:
        >>> from kerasopt.problems import Problem
        >>> parabola = Problem("parabola", lambda x: (x - 1) ** 2, lambda x: (2 * (x - 1),), [(-1, 3)], [[1.0]])
        >>> print(parabola([3.0]), parabola.gradient([3.0]), parabola.best)
        4.0 [4.] 0.0
        >>> parabola(parabola.grid(5)).tolist()
        [4.0, 1.0, 0.0, 1.0, 4.0]
    """

    def __init__(self, name, function, derivatives, window, minima=(), start=None, names=("x", "y")):
        self.name = name
        self.function = function
        self.derivatives = derivatives
        self.window = np.array(window, dtype=float)
        if self.window.ndim != 2 or self.window.shape[1] != 2 or len(self.window) not in (1, 2):
            raise ValueError(f"Argument `window` must hold (low, high), once or twice. Received: window={window}")
        low, high = self.window.T
        if not np.all(np.isfinite(self.window)) or not np.all(low < high):
            raise ValueError(f"Argument `window` must have low < high, both finite. Received: window={window}")
        self.dimensions = len(self.window)
        self.minima = np.array(minima, dtype=float).reshape(-1, self.dimensions) if len(minima) == 0 else None
        if self.minima is None:
            self.minima = self._points(minima=minima)
            if self.minima.ndim != 2:
                raise ValueError(f"Argument `minima` must be a list of points. Received: minima={minima}")
        self.start = low + (high - low) / 4 if start is None else self._points(start=start)
        self.names = tuple(names[: self.dimensions])
        if len(self.names) != self.dimensions:
            raise ValueError(f"Argument `names` must name every coordinate. Received: names={names}")
        self.best = float(np.min(self(self.minima))) if len(self.minima) else np.nan

    def __call__(self, points):
        """The function's values.

        Args:
            points: Array of shape `(..., dimensions)`.

        Returns:
            Array of shape `(...)`.
        """
        with np.errstate(all="ignore"):  # a path that diverges ends in infinity, which is no news
            return np.asarray(self.function(*self._coordinates(points)))

    def gradient(self, points):
        """The function's gradients.

        Args:
            points: Array of shape `(..., dimensions)`.

        Returns:
            Array of the same shape.
        """
        with np.errstate(all="ignore"):
            coordinates = self._coordinates(points)
            return np.stack(np.broadcast_arrays(*self.derivatives(*coordinates), coordinates[0])[:-1], axis=-1)

    def grid(self, number=200):
        """A regular grid over the window.

        Args:
            number: Points along each coordinate, at least 2.

        Returns:
            Array of shape `(number, 1)`, or `(number, number, 2)` whose first axis runs along y, as pictures do.
        """
        axes = [np.linspace(low, high, number) for low, high in self.window]
        return np.stack(np.meshgrid(*axes), axis=-1)

    def distance(self, points):
        """How far points are from the nearest minimum.

        Args:
            points: Array of shape `(..., dimensions)`.

        Returns:
            Array of shape `(...)`, infinite if there are no minima.
        """
        gaps = self._points(points=points)[..., None, :] - self.minima
        return np.min(np.linalg.norm(gaps, axis=-1), axis=-1, initial=np.inf)

    def _points(self, **argument):
        """Check the one argument, points of this problem; return an array."""
        ((name, points),) = argument.items()
        array = np.asarray(points, dtype=float)
        if array.ndim == 0 or array.shape[-1] != self.dimensions:
            raise ValueError(
                f"Argument `{name}` must have {self.dimensions} coordinates along its last axis. "
                f"Received: {name}={points}"
            )
        return array

    def _coordinates(self, points):
        return np.moveaxis(self._points(points=points), -1, 0)
