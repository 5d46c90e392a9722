"""SciPy's minimizers for a Keras model."""

import os
from numbers import Integral

import keras
import numpy as np

from kerasopt._autodiff import ModelObjective

GRADIENT = {"cg", "l-bfgs-b", "tnc"}
PRODUCT = {"newton-cg", "trust-krylov", "trust-ncg", "trust-constr"}
# These keep arrays of n x n, n being the number of parameters, or something of that size.
DENSE = {"bfgs", "slsqp", "dogleg", "trust-exact", "nelder-mead", "powell", "cobyla", "cobyqa"}
WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
HESSIAN = {"dogleg", "trust-exact"}
COPIES = 3  # of such an array that are alive at once


def minimize(
    model,
    x,
    y,
    method="L-BFGS-B",
    sample_weight=None,
    max_steps=200,
    tolerance=None,
    callback=None,
    options=None,
    batch_size=None,
    max_memory=None,
    verbose=1,
):
    """Train a model on all data at once with one of SciPy's minimizers, in float64.

    The whole loss, regularizers included, and its gradient and Hessian-vector products go to
    `scipy.optimize.minimize` as functions of all trainable weights in one vector. The loss is that of `evaluate`:
    dropout is off, and batch norm uses its present statistics and does not update them. For models and data small
    enough that a pass over everything is cheap, "L-BFGS-B" finds minima to many digits, where optimizers with a
    learning rate stop at two or three. It is no match for them on a large noisy problem, and fits noise as well as it
    fits everything else.

    At the end the model holds the best weights found, rounded to its own float type. On an exception, Ctrl-C included,
    it gets back those that it had.

    Args:
        model: A built and compiled Keras model. Its optimizer is not used.
        x: Inputs.
        y: Targets.
        method: Of `scipy.optimize.minimize`: "L-BFGS-B", "CG" and "TNC" use gradients; "Newton-CG", "trust-krylov",
            "trust-ncg" and "trust-constr" Hessian-vector products too. The others keep arrays as large as the
            Hessian: "BFGS", "SLSQP", "dogleg", "trust-exact", "Nelder-Mead", "Powell", "COBYLA" and "COBYQA".
        sample_weight: Weights of the samples.
        max_steps: Most iterations, at least 1.
        tolerance: SciPy's `tol`, whose meaning is the method's.
        callback: Called as `callback(step, loss)` after each iteration, when the model holds that step's weights; it
            ends the run by raising `StopIteration`.
        options: Further options of the method.
        batch_size: Samples a piece, where all at once would not fit memory; the result is the same.
        max_memory: Bytes that arrays as large as the Hessian may take; the machine's memory by default.
        verbose: 0 for silence, 1 for a progress bar, 2 for a line at the end.

    Returns:
        SciPy's `OptimizeResult`; its `x` holds the weights in one vector, in float64.

    Raises:
        ValueError: If an argument is out of range; if the model is not built or compiled, or cannot be rebuilt in
            float64; if the data are empty or not finite.
        MemoryError: Before anything is allocated, if the method's arrays would not fit.

    Example:
        >>> import keras, numpy as np
        >>> from kerasopt.second_order import minimize
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> x = np.linspace(0, 1, 20)[:, None]
        >>> result = minimize(model, x, 3 * x + 1, verbose=0)
        >>> print(result.success, np.round(result.x, 4))
        True [3. 1.]

    Reference:
        Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization" (1995); Nocedal and
        Wright, "Numerical optimization" (2006), chapters 4 to 7.
    """
    name = method.lower() if isinstance(method, str) else method
    if name not in GRADIENT | PRODUCT | DENSE:
        known = ", ".join(sorted(GRADIENT | PRODUCT | DENSE))
        raise ValueError(f"Argument `method` must be one of {known}. Received: method={method}")
    if not (isinstance(max_steps, Integral) and max_steps >= 1):
        raise ValueError(f"Argument `max_steps` must be an integer of at least 1. Received: max_steps={max_steps}")
    if verbose not in (0, 1, 2):
        raise ValueError(f"Argument `verbose` must be 0, 1 or 2. Received: verbose={verbose}")
    if name in DENSE and isinstance(model, keras.Model):
        _check_memory(method, sum(int(np.prod(v.shape)) for v in model.trainable_variables), max_memory)
    from scipy import optimize

    loss = ModelObjective(model, x, y, sample_weight, batch_size=batch_size)
    run = _Run(loss, callback, keras.utils.Progbar(max_steps, verbose=verbose, stateful_metrics=["loss"]))
    arguments = {"fun": loss.value} if name in WITHOUT_GRADIENT else {"fun": run.evaluate, "jac": True}
    if name in PRODUCT:
        arguments["hessp"] = loss.hessian_vector_product
    if name in HESSIAN:
        arguments["hess"] = loss.hessian
    limit = "maxfun" if name == "tnc" else "maxiter"
    try:
        result = optimize.minimize(
            x0=loss.start,
            method=method,
            tol=tolerance,
            callback=run.report,
            options={limit: max_steps, **(options or {})},
            **arguments,
        )
        if not np.isfinite(result.x).all() or not np.isfinite(result.fun):
            raise ValueError(f"The loss must stay finite. Received: {result.fun} from {method}")
        loss.assign(result.x)
        run.bar.update(run.step, [("loss", float(result.fun))], finalize=True)
        return result
    except BaseException:
        loss.assign(loss.start)
        raise


class _Run:
    """What happens in every evaluation and iteration."""

    def __init__(self, loss, callback, bar):
        self.loss, self.callback, self.bar = loss, callback, bar
        self.step = 0
        self.last = (None, None)

    def evaluate(self, point):
        """The loss and its gradient; the loss is remembered, since an iteration mostly ends where it was taken."""
        value, gradient = self.loss.value_and_gradient(point)
        self.last = (point.copy(), value)
        return value, gradient

    def report(self, point, *state):
        """Called by SciPy after an iteration; only some methods pass their state."""
        self.step += 1
        value = self.last[1] if np.array_equal(self.last[0], point) else self.loss.value(point)
        self.bar.update(self.step, [("loss", value)], finalize=False)
        if self.callback is not None:
            self.loss.assign(point)
            self.callback(self.step, value)


def _check_memory(method, parameters, limit):
    """Say before allocating that arrays of `parameters` x `parameters` would not fit."""
    if limit is None:
        if not hasattr(os, "sysconf"):  # Windows does not tell
            return
        limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    size = 8 * parameters**2
    if COPIES * size > limit:
        raise MemoryError(
            f"{method} keeps arrays as large as the full Hessian: {parameters:,} parameters make {size / 1e9:,.1f} GB "
            f"in float64 ({size / 2e9:,.1f} GB in float32), about {COPIES} of them at once, and {limit / 1e9:,.1f} GB "
            "are there. L-BFGS-B, CG, Newton-CG, trust-ncg and trust-krylov need a few vectors only."
        )
