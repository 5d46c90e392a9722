"""Draw the README's picture: the offline digits, and four optimizers in a ravine."""

from pathlib import Path

import keras
import numpy as np

from kerasopt import optimizers
from kerasopt.datasets import synthetic_digits
from kerasopt.plotting import plot_images, subplots

RACE = {
    "SGD": optimizers.SGD(0.95),
    "Momentum": optimizers.Momentum(0.1),
    "AdaGrad": optimizers.AdaGrad(1.5),
    "Adam": optimizers.Adam(0.3),
}


def path(optimizer, start, steps):
    """Follow an optimizer down x^2/20 + y^2."""
    point = keras.Variable(start)
    visited = [point.numpy().copy()]
    for _ in range(steps):
        optimizer.apply([point * np.array([0.1, 2.0])], [point])
        visited.append(point.numpy().copy())
    return np.array(visited).T


def main():
    """Draw the two panels side by side."""
    (images, labels), _ = synthetic_digits(n_train=400, n_test=0, seed=1)
    figure, (left, right) = subplots(1, 2, size=(4.6, 3.0))
    rows = [images[labels == digit][:14] for digit in range(10)]
    plot_images(np.concatenate(rows), columns=14, ax=left)
    left.set_title("drawn by the offline generator")

    x, y = np.meshgrid(np.linspace(-8, 3, 200), np.linspace(-3.2, 3.2, 200))
    right.contourf(x, y, np.sqrt(x**2 / 20 + y**2), levels=16, cmap="Greys", alpha=0.5)
    for (name, optimizer), style in zip(RACE.items(), ("o-", "s-", "^-", "v-"), strict=True):
        right.plot(*path(optimizer, [-7.0, 2.0], 30), style, ms=3, lw=1.2, label=name)
    right.plot(0, 0, "*", color="black", ms=11)
    right.set(xlabel="x", ylabel="y", xlim=(-8, 3), ylim=(-3.2, 3.2), title="30 steps down $x^2/20 + y^2$")
    right.grid(False)
    right.legend(ncols=2, loc="lower right")
    figure.savefig(Path(__file__).parents[1] / "notebooks" / "cover.png", dpi=110)


if __name__ == "__main__":
    main()
