"""The style of every figure: small, colour-blind-safe, legible."""

# Okabe and Ito's palette, which readers with any common colour blindness can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888")
MARKERS = "os^Dv<>P"  # shape as well as colour tells lines apart
STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.dpi": 96,
    "font.size": 9,
    "grid.alpha": 0.25,
}


def subplots(rows=1, columns=1, size=(3.6, 2.6), **arguments):
    """Make a figure in the house style, as `matplotlib.pyplot.subplots` does.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        size: Width and height of ONE of the axes, in inches.
        **arguments: The other arguments of `matplotlib.pyplot.subplots`.

    Returns:
        `(figure, axes)`: one Axes, or an array of them.
    """
    import matplotlib.pyplot as plt

    style = STYLE | {"axes.prop_cycle": plt.cycler(color=COLORS)}
    # Not rc_context: it would undo what a notebook's backend sets when the first figure loads it, and show nothing.
    before = {key: plt.rcParams[key] for key in style}
    plt.rcParams.update(style)
    try:
        return plt.subplots(rows, columns, figsize=(columns * size[0], rows * size[1]), **arguments)
    finally:
        plt.rcParams.update(before)
