"""The loss along lines and planes through a model's weights."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from kerasopt._autodiff import ModelObjective
from kerasopt.diagnostics._first_layer import losses_on


@dataclass(frozen=True, eq=False)
class LossSlice:
    """What `loss_slice` measured; `kerasopt.plotting.plot_slice` draws it.

    Attributes:
        coordinates: One array of coordinates for each direction.
        losses: The losses, of shape `(points,)` or `(points, points)`: the first direction's coordinate by row.
        directions: For each direction a list of arrays, shaped as the model's trainable weights.
    """

    coordinates: tuple
    losses: np.ndarray
    directions: list

    def __repr__(self):
        shape = " x ".join(str(len(c)) for c in self.coordinates)
        return f"LossSlice({shape} points, losses from {self.losses.min():.4g} to {self.losses.max():.4g})"


def loss_slice(model, x, y, sample_weight=None, directions=2, span=(-1.0, 1.0), points=41, seed=0, batch_size=None):
    """Measure a model's whole loss on a line or a plane through its weights w: L(w + a d_1 + b d_2).

    A random direction is normal noise, scaled filter by filter to the weights it moves:

        d = d * ||w|| / ||d||      for each filter: all entries of a kernel that lead to one unit

    and zero in biases and batch norm's parameters, so that networks whose kernels differ in scale only give the same
    picture. The loss is that of `evaluate`, regularizers included, at batch norm's present statistics. The usual
    mistake is to read more from two of a hundred thousand directions than they show: curvature is visible, a barrier
    need not be.

    The weights are read once and never set, whatever happens on the way. Each point costs a pass over the data. Where
    the model is a chain of layers that starts with a dense layer or a convolution (flattening and rescaling may come
    before), that layer's products are made once, not at every point: x (W + a D) = x W + a x D.

    Args:
        model: A built and compiled Keras model.
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples.
        directions: 1 or 2 random directions, or a list of one or two: each a list of arrays shaped as the model's
            trainable weights, taken as they are.
        span: Lowest and highest coordinate: where random directions are used, 1 is as far as the weights are long.
        points: Coordinates a direction, at least 2. An odd number on a symmetric span includes the weights themselves.
        seed: Of the random directions.
        batch_size: Samples a piece, where all at once would not fit memory.

    Returns:
        A `LossSlice`.

    Raises:
        ValueError: If an argument is out of range, the model is not built or compiled, or the data are empty or not
            finite.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.diagnostics import loss_slice
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.array([[2.0]])])
        >>> model.compile(loss="mse")
        >>> result = loss_slice(model, np.ones((4, 1)), np.full((4, 1), 2.0), directions=[[np.ones((1, 1))]], points=3)
        >>> print(result.coordinates[0], result.losses)
        [-1.  0.  1.] [1. 0. 1.]

    Reference:
        Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural nets" (2018), arXiv 1712.09913,
        section 4.
    """
    if not (isinstance(points, Integral) and points >= 2):
        raise ValueError(f"Argument `points` must be an integer of at least 2. Received: points={points}")
    low, high = map(float, span)
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(f"Argument `span` must be two numbers in rising order. Received: span={span}")
    loss = ModelObjective(model, x, y, sample_weight, dtype=None, batch_size=batch_size)
    if isinstance(directions, Integral):
        if directions not in (1, 2):
            raise ValueError(f"Argument `directions` must be 1, 2 or a list. Received: directions={directions}")
        rng = np.random.default_rng(seed)
        directions = [_random_direction(loss.split(loss.start), rng) for _ in range(directions)]
    directions = [[np.asarray(part, dtype="float64") for part in direction] for direction in directions]
    shapes = [[part.shape for part in direction] for direction in directions]
    if len(directions) not in (1, 2) or any(s != loss.shapes for s in shapes):
        raise ValueError(
            f"Argument `directions` must hold one or two lists of arrays of shapes {loss.shapes}. Received: {shapes}"
        )
    axis = np.linspace(low, high, points)
    flat = np.stack([loss.flat(direction) for direction in directions])
    grid = np.stack(np.meshgrid(*[axis] * len(flat), indexing="ij"), axis=-1)
    coordinates = grid.reshape(-1, len(flat))
    losses = losses_on(loss, flat, coordinates)
    if losses is None:
        losses = np.array([loss.value(loss.start + point @ flat) for point in coordinates])
    return LossSlice((axis,) * len(flat), losses.reshape(grid.shape[:-1]), directions)


def _random_direction(weights, rng):
    """Noise scaled to the filters; a filter is what the last axis of a kernel counts."""
    direction = []
    for weight in weights:
        noise = rng.standard_normal(weight.shape)
        axes = tuple(range(weight.ndim - 1))
        if weight.ndim < 2:
            direction.append(np.zeros(weight.shape))
        else:
            length = np.sqrt(np.sum(weight**2, axis=axes) / np.sum(noise**2, axis=axes))
            direction.append(noise * length)
    return direction
