"""Paths in motion, as a small GIF."""

import base64
import html
import io

import numpy as np

from kerasopt.plotting.style import subplots
from kerasopt.plotting.surfaces import plot_paths, plot_problem


class Gif(bytes):
    """The bytes of an animated GIF, which a notebook shows as a picture.

    Args:
        data: The bytes.
        alt: What it shows, for those who cannot see it.
    """

    def __new__(cls, data, alt=""):
        """Attach the description to the bytes."""
        gif = super().__new__(cls, data)
        gif.alt = alt
        return gif

    def __repr__(self):
        return f"<GIF, {len(self):,} bytes: {self.alt}>"

    def _repr_html_(self):
        data = base64.b64encode(self).decode()
        return f'<img src="data:image/gif;base64,{data}" alt="{html.escape(self.alt)}">'


def animate(problem, paths, frames=30, seconds=4.0, size=(3.6, 3.0), dpi=80, alt=None):
    """Draw paths growing, step by step.

    Args:
        problem: The `kerasopt.problems.Problem` they descend.
        paths: Mapping from a name to an array of shape `(steps + 1, dimensions)`.
        frames: Number of pictures, at least 2: denser at the beginning, where paths move most.
        seconds: How long they last; then the last one stays for two seconds, and it begins anew.
        size: Width and height, in inches.
        dpi: Pixels an inch.
        alt: Description for those who cannot see it; what is drawn by default.

    Returns:
        The GIF as `bytes`, which a notebook shows as a picture. Thirty frames take about 30 kB.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    if frames < 2:
        raise ValueError(f"Argument `frames` must be an integer >= 2. Received: frames={frames}")
    if not paths:
        raise ValueError(f"Argument `paths` must hold at least one path. Received: paths={paths}")
    last = max(len(path) for path in paths.values()) - 1
    steps = np.unique(np.round(last * np.linspace(0, 1, frames) ** 1.5).astype(int))
    figure, ax = subplots(size=size, dpi=dpi)
    try:
        canvas = FigureCanvasAgg(figure)
        plot_problem(problem, ax=ax)
        kept = set(ax.lines)
        clock = ax.text(0.98, 0.03, "", transform=ax.transAxes, ha="right", fontsize=8)
        pictures = []
        for step in steps:
            plot_paths(paths, problem, ax, step)
            clock.set_text(f"step {step}")
            canvas.draw()
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy()))
            for line in set(ax.lines) - kept:
                line.remove()
    finally:
        plt.close(figure)
    # One palette for all, from the fullest picture, so that only what moves is stored again.
    palette = pictures[-1].quantize(64, dither=Image.Dither.NONE)
    pictures = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [max(20, round(1000 * seconds / len(steps)))] * (len(steps) - 1) + [2000]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True)
    if alt is None:
        alt = f"Paths on the surface {problem.name}: {', '.join(paths)}"
    return Gif(file.getvalue(), alt)
