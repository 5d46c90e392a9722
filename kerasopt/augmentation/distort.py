"""Shifts, turns, shears, zooms and elastic bends of pictures, in one warp."""

import math

import keras
import numpy as np
from keras import ops

from kerasopt._arguments import at_least, within


@keras.saving.register_keras_serializable(package="kerasopt")
class Distort(keras.layers.Layer):
    """Move the ink of every picture as another hand might have: shifted, turned, sheared, zoomed, and bent.

        out(y, x) = in(A (y, x) + t + bend * e(y, x))

    in pixels from the middle of the picture, between pixels by bilinear interpolation, with zeros outside. A is a turn,
    a zoom along each axis and a slant, t a shift, and e a smooth random field of variance 1 in each direction: normal
    numbers on a grid of knots, `smoothing` pixels apart, under a Gaussian of that width. One warp does it all, so that
    ink is blurred once only.

    It helps where little data, or a small network, must cope with all the ways to write a digit. The usual mistakes:
    changes that alter the label (a 6 turned by 180 degrees), a field so rough that it crumples the strokes, and changes
    in the pictures that the model is judged on.

    The random numbers are an argument. They come from `draw`, which is fast, while compiled loops on a CPU need longer
    for their own random numbers than for everything else. `before` puts the layer in front of a model:

        distort = Distort((28, 28))
        trained = distort.before(model)     # shares its weights with `model`
        trained.compile("adam", "sparse_categorical_crossentropy")
        for epoch in range(60):
            kerasopt.fit(trained, [x, distort.draw(len(x), seed=epoch)], y)

    Args:
        shape: Height and width of the pictures, in pixels.
        shift: Largest shift along each axis, in pixels, in [0, inf).
        angle: Largest turn, in degrees, in [0, 180].
        shear: Largest slant, in pixels sideways a pixel up or down, in [0, inf).
        zoom: Logarithm of the largest factor along each axis, in [0, inf): 0.1 is up to 10.5 % larger or smaller.
        bend: Standard deviation of the elastic displacement along each axis, in pixels, in [0, inf).
        smoothing: Width of the Gaussian that makes the field smooth, in pixels, in (0, inf).
        **kwargs: Of `keras.layers.Layer`, such as `name`.

    Raises:
        ValueError: If an argument is outside of its interval, or pictures or draws have the wrong shape.

    Example:
        >>> import numpy as np
        >>> from kerasopt.augmentation import Distort
        >>> distort = Distort((5, 5), shift=0, angle=0, shear=0, zoom=0, bend=0)
        >>> draws = distort.draw(1, seed=0)
        >>> draws[0, 2] = 1.0                      # take the ink from one row further down
        >>> picture = np.arange(25.0).reshape(1, 5, 5)
        >>> print(np.array(distort(picture, draws))[0, :, 0])
        [ 5. 10. 15. 20.  0.]

    Differences:
        From `keras.layers.RandomElasticTransform`: its smoothing depends on the size of the picture and is 1.4 pixels
        for digits, which crumples them; it makes one change of one kind, drawn within the layer.

    Reference:
        Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
        analysis" (2003), section 2.
    """

    def __init__(self, shape, shift=2.0, angle=12.0, shear=0.12, zoom=0.12, bend=1.0, smoothing=4.0, **kwargs):
        if not isinstance(shape, (tuple, list)) or len(shape) != 2:
            raise ValueError(f"Argument `shape` must be a height and a width. Received: shape={shape!r}")
        super().__init__(**{"autocast": False} | kwargs)  # Half precision cannot tell neighbouring pixels.
        self.shape = tuple(at_least(1, shape=size) for size in shape)
        self.shift = within("[0, inf)", shift=shift)
        self.angle = within("[0, 180]", angle=angle)
        self.shear = within("[0, inf)", shear=shear)
        self.zoom = within("[0, inf)", zoom=zoom)
        self.bend = within("[0, inf)", bend=bend)
        self.smoothing = within("(0, inf)", smoothing=smoothing)
        self._spread = [_spread(size, self.smoothing) for size in self.shape]
        self._knots = tuple(spread.shape[1] for spread in self._spread)

    def draw(self, n, seed=None):
        """Draw the random numbers of `n` changes.

        Args:
            n: Number of pictures, at least 0.
            seed: Seed, or a `numpy.random.Generator`; None draws other numbers each time.

        Returns:
            A float32 array, a row a picture: A and t, as two rows of three, and the field at its knots.
        """
        rng, n = np.random.default_rng(seed), at_least(0, n=n)
        turn, tall, wide, slant, down, right = (
            rng.uniform(-most, most, n)
            for most in (math.radians(self.angle), self.zoom, self.zoom, self.shear, self.shift, self.shift)
        )
        cos, sin, tall, wide = np.cos(turn), np.sin(turn), np.exp(-tall), np.exp(-wide)
        affine = [tall * cos, tall * sin, -down, slant - wide * sin, wide * cos, -right]
        field = rng.standard_normal((n, 2 * math.prod(self._knots)), dtype="float32")
        return np.concatenate([np.stack(affine, axis=1).astype("float32"), np.float32(self.bend) * field], axis=1)

    def before(self, model):
        """Put this layer in front of a model.

        Args:
            model: A built model with one input: pictures, with or without channels (last), or their pixels in a row.

        Returns:
            A model of two inputs, pictures and draws, that has the outputs and the weights of `model`.
        """
        pictures = keras.Input(model.input_shape[1:], name="pictures")
        draws = keras.Input((6 + 2 * math.prod(self._knots),), name="draws")
        return keras.Model([pictures, draws], model(self(pictures, draws)))

    def call(self, pictures, draws):
        """Change each picture as its row of the draws says; the result has the shape of the pictures."""
        height, width = self.shape
        draws = ops.cast(draws, "float32")
        field = ops.reshape(draws[:, 6:], (-1, 2, *self._knots))
        down, across = (ops.convert_to_tensor(spread) for spread in self._spread)
        field = ops.matmul(ops.matmul(down, field), ops.transpose(across))
        y = ops.arange(height, dtype="float32")[:, None] - (height - 1) / 2
        x = ops.arange(width, dtype="float32") - (width - 1) / 2
        a = [draws[:, i, None, None] for i in range(6)]
        rows = a[0] * y + a[1] * x + a[2] + field[:, 0] + (height - 1) / 2
        columns = a[3] * y + a[4] * x + a[5] + field[:, 1] + (width - 1) / 2
        whole = ops.reshape(ops.cast(pictures, "float32"), (-1, height, width, self._channels(pictures.shape)))
        return ops.cast(ops.reshape(_look_up(whole, rows, columns), ops.shape(pictures)), self.compute_dtype)

    def compute_output_shape(self, pictures_shape, draws_shape):
        """Return the shape of the pictures."""
        self._channels(pictures_shape)
        return pictures_shape

    def _channels(self, shape):
        height, width = self.shape
        sizes = tuple(shape[1:])
        if sizes[:2] != self.shape and sizes != (height * width,):
            raise ValueError(
                f"Argument `pictures` must have the shape (n, {height}, {width}), the same with channels, or "
                f"(n, {height * width}). Received: pictures of the shape {tuple(shape)}"
            )
        return math.prod(sizes) // (height * width)

    def get_config(self):
        """Return the arguments."""
        names = ("shape", "shift", "angle", "shear", "zoom", "bend", "smoothing")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _spread(size, smoothing):
    """Return the matrix (pixel, knot) that makes a field of variance 1 out of independent numbers of variance 1."""
    count = math.ceil((size - 1) / smoothing) + 2
    knots = smoothing * (np.arange(count) - (count - 1) / 2) + (size - 1) / 2
    weights = np.exp(-((np.arange(size)[:, None] - knots) ** 2) / (2 * smoothing**2))
    return (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype("float32")


def _look_up(pictures, rows, columns):
    """Interpolate pictures (n, height, width, channels) at fractional rows and columns (n, height, width)."""
    _, height, width, channels = pictures.shape
    tall, wide = height + 3, width + 3  # a border of zeros: what lies outside is looked up there
    ink = ops.reshape(ops.pad(pictures, ((0, 0), (1, 2), (1, 2), (0, 0))), (-1, channels))
    rows = ops.clip(rows + 1, 0.0, height + 1.0)
    columns = ops.clip(columns + 1, 0.0, width + 1.0)
    top, left = ops.cast(rows, "int32"), ops.cast(columns, "int32")  # not negative: the cast rounds down
    down, right = (rows - ops.cast(top, "float32"))[..., None], (columns - ops.cast(left, "float32"))[..., None]
    corner = ops.arange(ops.shape(rows)[0], dtype="int32")[:, None, None] * (tall * wide) + wide * top + left

    def at(place):
        return ops.take(ink, corner + place, axis=0)

    upper = (1 - right) * at(0) + right * at(1)
    lower = (1 - right) * at(wide) + right * at(wide + 1)
    return (1 - down) * upper + down * lower
