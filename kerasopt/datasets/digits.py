"""Handwriting-like digits without a data file: what the package falls back on where MNIST cannot be had."""

import numbers

import numpy as np

# Each entry is one way to write a digit, as "weight: strokes", with "/" between strokes. A point "xy" lies on a grid of
# 10 x 10, x from left to right and y from top to bottom. A smooth curve runs through the points of a stroke. A point
# written twice in a row makes a corner; points written alike move together, so that strokes stay joined.
TEMPLATES = {
    0: """3: 50 21 04 16 49 77 94 72 50; 3: 71 40 12 05 28 59 86 93 81 60; 2: 50 22 15 28 49 68 85 72 50;
           2: 72 51 24 08 29 57 84 80 61; 2: 71 30 03 17 49 78 95 82; 2: 31 13 06 39 78 95 72 40 31;
           2: 50 20 03 06 29 69 96 93 70 50; 2: 80 52 25 08 29 57 84 91 80; 1: 43 61 40 12 05 28 59 86 93 81 60;
           1: 20 05 28 59 86 92 60 30""",
    1: """7: 60 49; 3: 50 46 59; 3: 60 64 49; 2: 60 52 46 49; 1: 70 39; 1: 40 53 56 59; 1: 50 46 48 69;
           1: 32 50 50 59; 1: 32 50 50 59 / 39 79; 1: 13 50 50 59 / 29 89""",
    2: """3: 12 30 60 72 54 08 08 58 98; 3: 13 20 50 72 64 28 09 16 36 68 99; 3: 12 40 71 64 39 19 07 26 58 98;
           3: 11 50 82 65 38 18 06 26 47 89; 2: 03 20 60 73 46 09 07 27 58 97; 2: 01 40 80 73 19 19 59 99;
           2: 22 40 62 55 28 09 17 38 79 97; 2: 12 40 71 63 36 09 09 48 88; 1: 02 30 70 83 56 18 08 27 48 89 98;
           1: 13 41 64 47 09 06 36 59 99; 1: 31 22 40 61 54 18 18 49 98; 1: 11 30 80 93 65 38 08 05 36 69 89;
           1: 20 40 61 64 37 29 29 69""",
    3: """3: 11 40 71 63 44 44 75 77 59 28 07; 3: 10 50 81 73 44 74 86 68 39 08;
           3: 02 30 71 63 34 44 34 74 86 68 39 08; 2: 00 80 80 44 44 85 77 49 08; 2: 12 30 61 53 34 34 75 88 59 28 07;
           2: 22 50 71 53 44 44 85 87 59 19 07; 2: 01 50 82 54 35 35 76 68 49 08; 2: 11 41 61 53 34 65 67 59 39 18;
           2: 11 30 71 63 44 24 44 85 87 59 29 07; 1: 00 40 61 43 33 83 86 68 39 09;
           1: 12 50 80 82 54 34 54 76 58 39 09; 1: 01 30 60 62 43 43 86 89 49 19; 1: 12 40 71 63 45 45 67 49 09""",
    4: """4: 20 14 05 05 85 / 70 64 49; 3: 10 03 15 45 74 / 80 74 69; 2: 20 14 25 64 80 / 80 64 49;
           2: 10 05 05 75 / 80 75 69; 2: 20 12 24 54 73 / 80 73 39; 2: 30 14 14 54 84 / 60 65 49;
           1: 30 03 15 55 73 / 80 73 49; 1: 40 04 04 84 / 60 59; 1: 60 05 05 85 / 60 59; 1: 60 16 16 86 / 60 49;
           1: 10 13 25 75 / 70 66 59""",
    5: """4: 80 20 20 14 14 43 74 86 68 39 08; 3: 90 40 40 14 14 54 76 58 29 08;
           3: 20 14 14 44 75 77 58 29 08 / 20 80; 2: 90 50 30 13 34 64 76 59 29 07; 2: 91 50 40 23 45 56 59 29 08;
           2: 90 60 31 31 24 24 54 66 48 19 08; 2: 92 60 31 24 24 45 66 58 29 18; 1: 80 50 21 33 64 76 58 29 08;
           1: 30 24 24 63 85 88 49 19 / 30 90; 1: 70 20 20 03 03 33 84 87 59 19 06;
           1: 80 30 30 14 14 54 76 58 29 07 16""",
    6: """3: 60 31 14 06 28 58 77 66 45 26 17; 3: 50 23 07 29 58 77 65 35 17; 3: 50 32 15 07 29 59 76 65 36 18;
           2: 20 13 07 29 79 96 74 45 37 39; 2: 40 23 16 28 59 77 65 35 26; 2: 80 41 14 07 39 78 86 55 36 28;
           1: 30 14 07 29 69 86 64 35 18; 1: 20 04 07 29 69 97 75 46 38; 1: 60 34 19 48 76 55 27 19""",
    7: """4: 01 80 80 54 39; 3: 01 81 81 66 69; 2: 03 01 01 80 80 54 39; 2: 01 40 71 73 55 39; 2: 02 30 60 72 65 59;
           3: 10 80 80 45 39 / 25 75; 2: 01 80 80 54 39 / 25 85; 1: 23 21 50 81 74 56 49; 1: 03 01 31 70 70 65 69;
           1: 00 60 83 66 29; 1: 14 11 50 70 62 55 39""",
    8: """4: 81 60 30 12 23 45 66 68 49 28 17 35 63 71 60; 3: 50 21 22 45 77 59 39 17 45 72 71 50;
           3: 90 50 21 23 55 67 59 29 17 45 73 90; 2: 50 21 23 44 73 71 50 / 44 16 18 49 78 76 44;
           2: 81 40 11 13 45 57 49 28 27 64 72 81; 2: 71 40 12 23 66 78 59 38 27 54 72 71;
           1: 82 40 11 03 44 76 68 49 28 27 45 82; 1: 72 50 31 33 54 66 58 39 28 27 45 63 72;
           1: 60 31 32 54 76 68 39 17 35 63 90""",
    9: """4: 72 50 31 24 35 64 72 / 72 68 69; 3: 71 40 12 14 35 64 72 71 65 59; 3: 61 40 22 24 44 62 61 65 59;
           3: 71 30 12 24 44 72 / 71 65 59; 2: 72 50 22 14 35 64 72 56 39; 2: 60 40 22 24 44 63 60 / 60 65 59;
           2: 80 40 12 14 44 72 80 56 29; 2: 72 60 31 23 34 63 72 66 49; 1: 82 40 12 05 26 55 82 / 82 75 89;
           1: 72 50 31 23 44 73 75 68 49 28; 1: 70 31 14 44 71 70 59; 1: 60 30 12 14 35 64 81 / 81 65 59;
           1: 61 40 12 14 35 64 61 / 61 65 69 59""",
}
# The sources of variation: standard deviations, in heights of the digit unless stated otherwise.
JITTER = 0.15  # of each control point, in mean distances between control points (taken as at most half a height)
WARP = 0.05  # of each wave of the elastic warp
WARP_WAVES, WARP_PITCH = 3, 2.5  # number of the waves; radians per height, in x and in y
ASPECT_MEAN, ASPECT = 0.84, 0.22  # width of the grid over its height, spread on a log scale
SLANT_MEAN, SLANT = 0.06, 0.24  # shift to the right per height
ROTATION = 0.08  # radians
PEN_MEAN, PEN = 1.22, 0.27  # radius in pixels, spread on a log scale
PRESSURE = 0.1  # relative change of the radius along the way of the pen

ROUNDING = 0.45  # 0: curves through the control points (Catmull-Rom); 1: rounder curves near them (B-spline)
EDGE = 1.15  # pixels over which the edge of a stroke fades
DOTS = 88  # the pen's way as dots, less than a pixel apart
CHUNK = 500  # images drawn at a time; bounds the memory and keeps it in the cache


def _spline(strokes):
    """Return a template's control points, jitter, and matrix from control points to the dots of the pen."""
    strokes = [stroke.split() for stroke in strokes.split("/")]
    names = list(dict.fromkeys(name for stroke in strokes for name in stroke))
    controls = np.array([[int(x), int(y)] for x, y in names], np.float32) / 9 - 0.5
    pieces = []  # of the spline: the one from its second to its third control point
    for stroke in strokes:
        index = [names.index(name) for name in (stroke[0], *stroke, stroke[-1])]
        pieces += [index[i : i + 4] for i in range(len(stroke) - 1) if stroke[i] != stroke[i + 1]]
    pieces = np.array(pieces)
    length = np.linalg.norm(controls[pieces[:, 2]] - controls[pieces[:, 1]], axis=1)
    stop = np.cumsum(length)
    way = np.linspace(0, stop[-1], DOTS)
    piece = np.searchsorted(stop[:-1], way, side="right")
    powers = (1 - (stop[piece] - way) / length[piece])[:, None] ** np.arange(4)
    catmull_rom = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
    b_spline = np.array([[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]]) / 6
    matrix = np.zeros((DOTS, len(names)), np.float32)
    share = powers @ (ROUNDING * b_spline + (1 - ROUNDING) * catmull_rom)
    np.add.at(matrix, (np.arange(DOTS)[:, None], pieces[piece]), share)
    return controls, JITTER * min(length.mean(), 0.5), matrix


def _families():
    """Return all templates, padded to one size, and the cumulative probabilities of each digit."""
    lines = [(digit, *line.split(":")) for digit, text in TEMPLATES.items() for line in text.split(";")]
    splines = [_spline(strokes) for _, _, strokes in lines]
    size = max(len(controls) for controls, _, _ in splines)
    jitters = np.array([jitter for _, jitter, _ in splines], np.float32)
    controls = np.stack([np.pad(points, ((0, size - len(points)), (0, 0))) for points, _, _ in splines])
    matrices = np.stack([np.pad(matrix, ((0, 0), (0, size - matrix.shape[1]))) for _, _, matrix in splines])
    weights = np.zeros((10, len(lines)))
    for i, (digit, weight, _) in enumerate(lines):
        weights[digit, i] = int(weight)
    return controls, jitters, matrices, np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)


def _write(rng, labels, families):
    """Return the pen's way for each label as (n, DOTS, 2), in heights of the digit."""
    controls, jitters, matrices, probabilities = families
    n = len(labels)

    def normal(*shape):
        return rng.standard_normal((n, *shape), dtype=np.float32)

    family = np.sum(rng.random((n, 1)) >= probabilities[labels], axis=1)
    # Uniform, not normal, so that no point strays far enough to break a digit.
    jitter = rng.uniform(-(3**0.5), 3**0.5, (n, *controls.shape[1:])).astype(np.float32)
    dots = matrices[family] @ (controls[family] + jitters[family][:, None, None] * jitter)
    waves = np.sin(WARP_PITCH * dots @ normal(2, WARP_WAVES) + np.float32(np.pi) * normal(1, WARP_WAVES))
    x, y = np.moveaxis(dots + WARP * waves @ normal(WARP_WAVES, 2), -1, 0)
    x = ASPECT_MEAN * np.exp(ASPECT * normal(1)) * x - (SLANT_MEAN + SLANT * normal(1)) * y
    angle = ROTATION * normal(1)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _ink(rng, dots):
    """Return digits drawn by an anti-aliased round pen, filling 20 pixels of height or width: (20, 20, n) in [0, 1]."""
    n = len(dots)
    radius = PEN_MEAN * np.exp(PEN * rng.standard_normal((n, 1), dtype=np.float32))
    low, high = dots.min(axis=1), dots.max(axis=1)
    side = np.max(high - low, axis=1, keepdims=True)
    # The box is centred on the mean dot as far as it then still holds all of them: _centre has less to shift.
    centre = np.clip(dots.mean(axis=1), high - side / 2, low + side / 2)
    dots = (dots - centre[:, None]) * ((20 - 2 * radius) / side)[:, None] + 9.5
    swing = PRESSURE * rng.standard_normal((n, 2), dtype=np.float32)
    turn = np.linspace(0, 2 * np.pi, DOTS, dtype=np.float32)
    pressed = radius * (1 + swing[:, :1] * np.sin(turn) + swing[:, 1:] * np.cos(turn))
    # The distance from a pixel to the nearest dot says how black it is. Squares of x and y are taken once for a column
    # and a row; what a dot's radius differs from the mean goes into them. Images come last: one fast loop over them.
    pixel = np.arange(20, dtype=np.float32)[:, None]
    squares_x = (dots[:, :, 0].T[:, None] - pixel) ** 2
    squares_y = (dots[:, :, 1].T[:, None] - pixel) ** 2 + (radius**2 - pressed**2).T[:, None]
    nearest = np.full((20, 20, n), np.inf, np.float32)
    square = np.empty_like(nearest)
    for square_x, square_y in zip(squares_x, squares_y, strict=True):
        np.minimum(nearest, np.add(square_y[:, None], square_x, out=square), out=nearest)
    return np.clip(0.5 + (radius[:, 0] - np.sqrt(np.maximum(nearest, 0))) / EDGE, 0, 1)


def _centre(ink):
    """Place each 20 x 20 box in 28 x 28 pixels, its centre of mass as near to pixel (14, 14) as whole pixels allow."""
    pixel = np.arange(20)
    mass = ink.sum(axis=(0, 1))
    top, left = (np.rint(14 - pixel @ ink.sum(axis=axis) / mass).astype(int).clip(0, 8) for axis in (1, 0))
    images = np.zeros((ink.shape[-1], 28, 28), np.uint8)
    rows, columns = top[:, None, None] + pixel[:, None], left[:, None, None] + pixel
    images[np.arange(len(images))[:, None, None], rows, columns] = np.rint(255 * ink).transpose(2, 0, 1)
    return images


def _draw(seed, n, families):
    """Return n images and their labels; every chunk has a random stream of its own and is drawn whole."""
    images, labels = np.empty((n, 28, 28), np.uint8), np.empty(n, np.uint8)
    for start, chunk_seed in zip(range(0, n, CHUNK), seed.spawn(-(-n // CHUNK)), strict=True):
        rng = np.random.default_rng(chunk_seed)
        chunk_labels = rng.permutation(np.arange(CHUNK) % 10)
        chunk_images = _centre(_ink(rng, _write(rng, chunk_labels, families)))
        stop = min(start + CHUNK, n)
        images[start:stop], labels[start:stop] = chunk_images[: stop - start], chunk_labels[: stop - start]
    return images, labels


def synthetic_digits(n_train=60000, n_test=10000, seed=0):
    """Draw a training and a test set of handwriting-like digits, in the format of MNIST.

    A digit is a curve through the control points of a template, chosen at random among several ways to write it. The
    points are jittered, the curve is bent by a smooth random warp, widened or narrowed, slanted and rotated, and drawn
    with an anti-aliased pen of random radius and pressure. As in MNIST it fills 20 pixels of height or width, and its
    centre of mass lies within half a pixel of pixel (14, 14), but for one digit in 2000 that is too lopsided.

    A network trained on these digits alone recognizes most of MNIST, but a score on them is not a score on MNIST: never
    compare the two.

    Args:
        n_train: Number of training images, an integer >= 0.
        n_test: Number of test images, an integer >= 0. The two sets come from separate random streams.
        seed: Integer >= 0. The same seed gives the same images whatever the platform, up to rounding of single pixels.
            Fewer images are the first ones of more.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of dtype uint8 and shape `(n, 28, 28)`, 0 for the background and
        255 for full ink; labels of dtype uint8 and shape `(n,)`, shuffled, every digit 50 times in each 500 images.

    Raises:
        ValueError: If an argument is not an integer >= 0.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = synthetic_digits(n_train=1000, n_test=500)
        >>> x_train.shape, x_train.dtype, y_test.shape
        ((1000, 28, 28), dtype('uint8'), (500,))
        >>> [int((y_train == digit).sum()) for digit in range(10)]
        [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    """
    for name, value in (("n_train", n_train), ("n_test", n_test), ("seed", seed)):
        if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 0:
            raise ValueError(f"Argument `{name}` must be an integer >= 0. Received: {name}={value!r}")
    families = _families()
    train, test = np.random.SeedSequence(int(seed)).spawn(2)
    return _draw(train, int(n_train), families), _draw(test, int(n_test), families)
