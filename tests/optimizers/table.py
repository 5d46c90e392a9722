"""The common table: every public optimizer, its oracle, and how to run both on the backend in use."""

import inspect

import keras
import numpy as np

from kerasopt import optimizers

from ..oracles import optimizers as oracles

CLASSES = {name: getattr(optimizers, name) for name in optimizers.__all__}
# It makes no step of its own, so there is no oracle: `test_decay.py` shows what it leaves to the inner optimizer.
WITHOUT_ORACLE = {"DecayKernelsOnly"}
WRAPPERS = {"Lookahead", "DecayKernelsOnly"}

# Arguments for the comparison with the oracles: a rate at which 50 steps go far, and every branch of every rule.
# Accumulators forget within the 50 steps, so that a wrong one shows.
CASES = {
    "SGD": [{"learning_rate": 0.1}],
    "Momentum": [{"learning_rate": 0.05, "momentum": 0.8}],
    "Nesterov": [{"learning_rate": 0.05, "momentum": 0.8}],
    "AdaGrad": [{"learning_rate": 0.2, "epsilon": 0.01}],
    "AdaDelta": [{"learning_rate": 0.9, "rho": 0.8, "epsilon": 0.01}],
    "RMSProp": [{"learning_rate": 0.05, "rho": 0.8, "epsilon": 0.01}],
    "Adam": [
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01},
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.01, "amsgrad": True},
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01, "bias_correction": False},
        {"learning_rate": 0.05, "beta_1": 0.0, "beta_2": 0.0, "epsilon": 0.1},
    ],
    "Nadam": [{"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01, "momentum_decay": 0.5}],
    "RAdam": [
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01},
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9999, "epsilon": 0.01, "rho_threshold": 6.0},
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.3, "epsilon": 0.01},
    ],
    "QHM": [{"learning_rate": 0.2, "momentum": 0.8, "nu": 0.6}],
    "Yogi": [
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.8, "epsilon": 0.01, "initial_accumulator": 0.43},
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.8, "initial_accumulator": 0.43, "bias_correction": True},
    ],
    "AdaBelief": [{"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.003}],
    "LARS": [
        {"learning_rate": 0.5, "momentum": 0.8, "trust_coefficient": 0.1, "epsilon": 0.1, "weight_decay": 0.3},
        {"learning_rate": 0.5, "momentum": 0.8, "trust_coefficient": 0.1},
    ],
    "NovoGrad": [
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.1, "weight_decay": 0.3},
        {"learning_rate": 0.02, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.1},
    ],
    "COCOB": [{"alpha": 5.0, "epsilon": 0.01}, {"learning_rate": 0.5, "alpha": 5.0, "epsilon": 0.7}],
    "Prodigy": [
        {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.1, "initial_d": 0.01, "d_coefficient": 2.0, "weight_decay": 0.1},
        {"beta_2": 0.95, "beta_3": 0.9, "initial_d": 0.01, "growth_rate": 1.2, "bias_correction": True},
        {"learning_rate": 0.7, "beta_2": 0.95, "initial_d": 0.01, "safeguard_warmup": True},
    ],
    "ScheduleFreeAdamW": [
        {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 0.01},
        {
            "learning_rate": 0.05,
            "beta_1": 0.8,
            "beta_2": 0.95,
            "warmup_steps": 10,
            "r": 0.5,
            "weight_lr_power": 1.5,
            "weight_decay": 0.3,
        },
    ],
    "Lookahead": [{"inner": ("Momentum", {"learning_rate": 0.05}), "sync_period": 3, "slow_step_size": 0.4}],
}


def cases(names=CASES):
    """Return (name, arguments) pairs with identifiers, for `pytest.mark.parametrize`."""
    pairs = [(name, arguments) for name in names for arguments in CASES[name]]
    return {"argvalues": pairs, "ids": [f"{name}-{CASES[name].index(arguments)}" for name, arguments in pairs]}


def _make(namespace, name, arguments):
    arguments = dict(arguments)
    if "inner" in arguments:
        arguments["inner"] = _make(namespace, *arguments["inner"])
    return getattr(namespace, name)(**arguments)


def make(name, arguments, /, **base_arguments):
    """Create our optimizer; what goes to Keras's base class goes to the inner optimizer of a wrapper."""
    if "inner" in arguments:
        inner, inner_arguments = arguments["inner"]
        arguments = arguments | {"inner": (inner, inner_arguments | base_arguments)}
        base_arguments = {}
    return _make(optimizers, name, arguments | base_arguments)


def make_oracle(name, arguments):
    return _make(oracles, name, arguments)


def with_rate(name, arguments, rate):
    """Return the arguments with another learning rate, be it that of a wrapper's inner optimizer."""
    if "inner" in arguments:
        inner, inner_arguments = arguments["inner"]
        return arguments | {"inner": (inner, inner_arguments | {"learning_rate": rate})}
    return arguments | {"learning_rate": rate}


def rate_of(name, arguments):
    if "inner" in arguments:
        return rate_of(*arguments["inner"])
    return arguments.get("learning_rate", inspect.signature(CLASSES[name]).parameters["learning_rate"].default)


def initial_weights():
    """A kernel, a bias, a convolution's kernel and a single number."""
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in ((4, 3), (3,), (2, 2, 1, 2), ())]


def gradients(weights, step):
    """Of the sum of c log cosh(w - a) and of all weights' coupling, with noise; some entries are 0 for three steps."""
    rng = np.random.default_rng(100 + step)
    coupling = np.mean([np.mean(w) for w in weights])
    result = []
    for i, w in enumerate(weights):
        fixed = np.random.default_rng(i)
        curvature, target = np.exp(fixed.normal(size=w.shape)), 3 * fixed.normal(size=w.shape)
        g = curvature * np.tanh(w - target) + 0.3 * coupling + 0.3 * rng.normal(size=w.shape)
        if step < 3 and g.ndim:
            g[..., 0] = 0.0
        result.append(np.asarray(g, "float32"))
    return result


def compiled_step(optimizer, variables, jit_compile=False):
    """Return a function of the gradients that makes one step, compiled where the backend compiles."""
    optimizer.build(variables)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        step = tf.function(lambda grads: optimizer.apply(grads, variables), jit_compile=jit_compile)
        return lambda grads: step([tf.constant(g) for g in grads])
    if backend == "jax":
        import jax

        pure = jax.jit(optimizer.stateless_apply)

        def step(grads):
            state = [v.value for v in optimizer.variables], list(grads), [v.value for v in variables]
            new_variables, new_state = pure(*state)
            for variable, value in zip([*variables, *optimizer.variables], [*new_variables, *new_state], strict=True):
                variable.assign(value)

        return step
    return eager_step(optimizer, variables)


def eager_step(optimizer, variables):
    """Return a function of the gradients that makes one step, operation by operation."""
    return lambda grads: optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)


def values(variables):
    return [keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")).astype("float64") for v in variables]


def compare(optimizer, oracle, steps=50, tolerance=1e-5, step=compiled_step, seen=lambda g, t: g, dtype="float32"):
    """Feed both the gradients at the oracle's weights, and hold every step to the oracle's.

    Float32 rounds each operation by 6e-8, and 50 steps of about 15 operations with independent signs stay below 1e-5
    of the distance travelled, to which the last step is held; on the way it is 1e-5 of the larger weights.
    """
    variables = [keras.Variable(w, dtype=dtype) for w in initial_weights()]
    start = expected = values(variables)
    make_step = step(optimizer, variables)
    for t in range(steps):
        g = gradients(expected, t)
        make_step(g)
        expected = oracle.step(expected, seen([x.astype("float64") for x in g], t))
        for ours, wanted, first in zip(values(variables), expected, start, strict=True):
            scale = max(np.max(np.abs(wanted)), np.max(np.abs(first)))
            assert np.max(np.abs(ours - wanted)) <= tolerance * scale, (t, ours, wanted)
    for ours, wanted, first in zip(values(variables), expected, start, strict=True):
        distance = np.max(np.abs(wanted - first))
        assert np.max(np.abs(ours - wanted)) <= tolerance * distance
    return variables
