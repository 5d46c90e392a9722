"""How steep and how curved the loss is around a model's weights."""

import math
from numbers import Real

import numpy as np

from kerasopt._autodiff import ModelObjective


def sharpness(model, x, y, sample_weight=None, rho=0.05, batch_size=None):
    """Measure how much the whole loss L rises at SAM's neighbouring point, in float64.

        e = rho * g / ||g||              g = gradient of L at the weights w
        sharpness = L(w + e) - L(w)

    It is the first-order estimate of the largest rise within `rho`, and at a minimum about `rho**2 / 2` times a
    curvature. Usual mistake: comparing models whose weights differ in scale, which this number does not know about.

    Args:
        model: A built and compiled Keras model.
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples.
        rho: Length of the move, positive.
        batch_size: Samples a piece, where all at once would not fit memory.

    Returns:
        The rise, a float; 0 where the gradient is 0.

    Raises:
        ValueError: If `rho` is out of range, the model is not built or compiled, or the data are empty or not finite.

    Example:
        The loss is `(w - 2)**2`, at w = 3:

        >>> import keras, numpy as np
        >>> from kerasopt.diagnostics import sharpness, top_eigenvalue
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        >>> model.set_weights([np.array([[3.0]])])
        >>> model.compile(loss="mse")
        >>> x, y = np.ones((4, 1)), np.full((4, 1), 2.0)
        >>> print(round(sharpness(model, x, y, rho=0.1), 6), round(top_eigenvalue(model, x, y), 6))
        0.21 2.0

    Reference:
        Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-aware minimization for efficiently improving generalization"
        (2021), arXiv 2010.01412, equation 2.
    """
    if not (isinstance(rho, Real) and 0 < rho < math.inf):
        raise ValueError(f"Argument `rho` must be a positive number. Received: rho={rho}")
    loss = ModelObjective(model, x, y, sample_weight, batch_size=batch_size)
    value, gradient = loss.value_and_gradient(loss.start)
    norm = np.linalg.norm(gradient)
    return loss.value(loss.start + rho * gradient / norm) - value if norm > 0 else 0.0


def top_eigenvalue(model, x, y, sample_weight=None, tolerance=1e-4, seed=0, batch_size=None):
    """Measure the largest eigenvalue of the Hessian of a model's whole loss, by Lanczos iteration in float64.

    Only products of the Hessian with vectors are taken, a few dozen of them. Gradient descent on the full batch needs
    a learning rate below 2 divided by this number.

    Args:
        model: A built and compiled Keras model.
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples.
        tolerance: Relative accuracy, in (0, 1).
        seed: Of the first vector.
        batch_size: Samples a piece, where all at once would not fit memory.

    Returns:
        The eigenvalue, a float.

    Raises:
        ValueError: If `tolerance` is out of range, the model is not built or compiled, or the data are empty or not
            finite.

    Reference:
        Lanczos, "An iteration method for the solution of the eigenvalue problem" (1950); Pearlmutter, "Fast exact
        multiplication by the Hessian" (1994), for the products.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    if not (isinstance(tolerance, Real) and 0 < tolerance < 1):
        raise ValueError(f"Argument `tolerance` must be in (0, 1). Received: tolerance={tolerance}")
    loss = ModelObjective(model, x, y, sample_weight, batch_size=batch_size)
    count = loss.start.size
    if count == 1:  # which the iteration does not take
        return float(loss.hessian(loss.start)[0, 0])
    first = np.random.default_rng(seed).standard_normal(count)
    product = LinearOperator(
        (count, count), matvec=lambda v: loss.hessian_vector_product(loss.start, np.ravel(v)), dtype="float64"
    )
    return float(eigsh(product, k=1, which="LA", v0=first, tol=tolerance, return_eigenvectors=False)[0])
