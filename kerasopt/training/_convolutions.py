"""Convolutions in an order of dimensions that XLA compiles well inside of loops on a CPU.

XLA rewrites a convolution to (batch, spatial, feature), the one order for which a CPU has fast code, in the outermost
computation of a program only. In the body of a loop others stay as they are and run in one thread of plain code. The
gradient with respect to a kernel is such a convolution: batch and features change places.
"""

import numpy as np


def canonical(function):
    """Return `function` of arrays with its convolutions between transpositions, which brings them in that order."""
    import jax

    def rewritten(*arguments):
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        results = _evaluate(closed, jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return rewritten


def _evaluate(closed, arguments):
    import jax
    from jax.extend import core

    values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    values |= zip(closed.jaxpr.invars, arguments, strict=True)
    read = lambda v: v.val if isinstance(v, core.Literal) else values[v]  # noqa: E731
    for equation in closed.jaxpr.eqns:
        primitive, inputs = equation.primitive, [read(v) for v in equation.invars]
        if primitive is jax.lax.conv_general_dilated_p:
            results = [_convolve(*inputs, **equation.params)]
        elif primitive.name in ("jit", "pjit"):
            results = _evaluate(equation.params["jaxpr"], inputs)
        else:
            parameters = primitive.get_bind_params(equation.params)
            functions, parameters = parameters if isinstance(parameters, tuple) else ((), parameters)
            results = primitive.bind(*functions, *inputs, **parameters)
            results = results if primitive.multiple_results else [results]
        values |= zip(equation.outvars, results, strict=True)
    return [read(v) for v in closed.jaxpr.outvars]


def _convolve(images, kernel, *, dimension_numbers, **parameters):
    import jax

    batch, features, *space = dimension_numbers.lhs_spec
    outputs, inputs, *window = dimension_numbers.rhs_spec
    last = images.ndim - 1
    order = (0, last, *range(1, last))
    result = jax.lax.conv_general_dilated_p.bind(
        jax.numpy.transpose(images, (batch, *space, features)),
        jax.numpy.transpose(kernel, (*window, inputs, outputs)),
        dimension_numbers=jax.lax.ConvDimensionNumbers(order, (last, last - 1, *range(last - 1)), order),
        **parameters,
    )
    batch, features, *space = dimension_numbers.out_spec
    return jax.numpy.transpose(result, np.argsort((batch, *space, features)))
