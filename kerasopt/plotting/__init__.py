"""Every figure's style: small, colour-blind-safe, labelled. matplotlib is imported only when something is drawn.

Every function takes `ax=` to draw into, or makes a figure of its own, returns the Axes and never calls `show`.
"""

from kerasopt.plotting.animation import Gif, animate
from kerasopt.plotting.figures import plot_bars, plot_confusion, plot_curves, plot_images, plot_schedule, plot_slice
from kerasopt.plotting.layers import plot_filters, plot_histograms
from kerasopt.plotting.style import COLORS, MARKERS, STYLE, subplots
from kerasopt.plotting.surfaces import film_strip, plot_contours, plot_paths, plot_problem

__all__ = [
    "COLORS",
    "MARKERS",
    "STYLE",
    "Gif",
    "animate",
    "film_strip",
    "plot_bars",
    "plot_confusion",
    "plot_contours",
    "plot_curves",
    "plot_filters",
    "plot_histograms",
    "plot_images",
    "plot_paths",
    "plot_problem",
    "plot_schedule",
    "plot_slice",
    "subplots",
]
