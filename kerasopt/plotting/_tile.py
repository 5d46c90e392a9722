"""Many images on one sheet."""

import numpy as np


def tile(images, columns, background, head=0, gap=0):
    """Lay images of shape `(n, height, width)` on one sheet, each with `head` rows above it and `gap` between them."""
    count, height, width = images.shape
    rows = -(-count // columns)
    down, right = height + head + gap, width + gap
    sheet = np.full((rows * down - gap, columns * right - gap), background, dtype=images.dtype)
    for index, image in enumerate(images):
        top, left = index // columns * down + head, index % columns * right
        sheet[top : top + height, left : left + width] = image
    return sheet
