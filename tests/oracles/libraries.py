"""The same rules as other libraries compute them: `python -m tests.oracles.libraries torch out.npz`, from the root.

Each library runs in its own process, in float64, on one problem, and leaves its weights after every step.
A case is an oracle and the library's optimizer with the arguments that make the two agree.
"""

import importlib
import sys

import numpy as np

from . import optimizers as oracles

STEPS = 50


def initial_weights():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, 3)), rng.normal(size=3)]


def gradients(weights, step):
    """Of the mean of log cosh(X W + b - Y) over one of seven small batches: two variables, noise, changes of sign."""
    rng = np.random.default_rng(100 + step % 7)
    x = rng.normal(size=(5, 4)) * [3.0, 1.0, 0.3, 0.1]
    residual = np.tanh(x @ weights[0] + weights[1] - 2 * rng.normal(size=(5, 3)))
    return [x.T @ residual / 5, residual.mean(axis=0)]


def trajectory(step):
    """The weights after each step of `step(weights, gradients, t)`, t from 0."""
    weights, path = initial_weights(), []
    for t in range(STEPS):
        weights = step(weights, gradients(weights, t), t)
        path.append([np.array(w, "float64") for w in weights])
    return path


def falling_rate(step):
    return 0.1 / (1 + step)


def cooling_rate(step):
    """For Prodigy, whose estimate of the distance needs a rate near 1 to grow."""
    return 1 - 0.02 * step


TORCH = {
    "SGD": (oracles.SGD(0.05), lambda o, p: o.SGD(p, 0.05)),
    "Momentum": (oracles.Momentum(0.05, 0.8), lambda o, p: o.SGD(p, 0.05, momentum=0.8)),
    "Momentum, falling rate": (oracles.Momentum(falling_rate, 0.8), lambda o, p: o.SGD(p, 0.1, momentum=0.8)),
    "Nesterov": (oracles.Nesterov(0.05, 0.8), lambda o, p: o.SGD(p, 0.05, momentum=0.8, nesterov=True)),
    "Nesterov, falling rate": (
        oracles.Nesterov(falling_rate, 0.8),
        lambda o, p: o.SGD(p, 0.1, momentum=0.8, nesterov=True),
    ),
    "AdaGrad": (oracles.AdaGrad(0.1, epsilon=0.01), lambda o, p: o.Adagrad(p, 0.1, eps=0.01)),
    "AdaDelta": (oracles.AdaDelta(0.9, 0.8, 0.01), lambda o, p: o.Adadelta(p, 0.9, rho=0.8, eps=0.01)),
    "RMSProp": (oracles.RMSProp(0.01, 0.8, 0.01), lambda o, p: o.RMSprop(p, 0.01, alpha=0.8, eps=0.01)),
    "Adam": (oracles.Adam(0.1, 0.8, 0.95, 0.01), lambda o, p: o.Adam(p, 0.1, betas=(0.8, 0.95), eps=0.01)),
    "Adam, amsgrad": (
        oracles.Adam(0.1, 0.8, 0.9, 0.01, amsgrad=True),
        lambda o, p: o.Adam(p, 0.1, betas=(0.8, 0.9), eps=0.01, amsgrad=True),
    ),
    "Nadam": (
        oracles.Nadam(0.1, 0.8, 0.95, 0.01, momentum_decay=0.02),
        lambda o, p: o.NAdam(p, 0.1, betas=(0.8, 0.95), eps=0.01, momentum_decay=0.02),
    ),
    # torch's threshold is 5, and its epsilon stands before the bias correction of the root: left out here.
    "RAdam": (
        oracles.RAdam(0.05, 0.8, 0.95, 0.0, rho_threshold=5.0),
        lambda o, p: o.RAdam(p, 0.05, betas=(0.8, 0.95), eps=0.0),
    ),
    # Quasi-hyperbolic momentum with nu = momentum is Nesterov's, at a rate (1 - momentum) times as large.
    "QHM": (oracles.QHM(0.5, 0.8, nu=0.8), lambda o, p: o.SGD(p, 0.1, momentum=0.8, nesterov=True)),
}

OPTAX = {
    "RAdam": (
        oracles.RAdam(0.05, 0.8, 0.95, 0.01, rho_threshold=4.0),
        lambda o: o.radam(0.05, 0.8, 0.95, eps=0.01, threshold=4.0),
    ),
    # optax corrects the biases, which the paper does not, and starts the FIRST moment at the initial value too.
    "Yogi": (
        oracles.Yogi(0.05, 0.8, 0.95, 0.01, initial_accumulator=0.0, bias_correction=True),
        lambda o: o.chain(
            o.scale_by_yogi(0.8, 0.95, eps=0.01, initial_accumulator_value=0.0), o.scale_by_learning_rate(0.05)
        ),
    ),
    # The paper's two epsilons are one number; optax has two arguments.
    "AdaBelief": (
        oracles.AdaBelief(0.05, 0.8, 0.95, 1e-4),
        lambda o: o.adabelief(0.05, 0.8, 0.95, eps=1e-4, eps_root=1e-4),
    ),
    # With decay optax divides by ||g + decay w|| where the paper has ||g|| + decay ||w||: no decay here.
    "LARS": (
        oracles.LARS(0.5, 0.8, trust_coefficient=0.1, epsilon=0.01),
        lambda o: o.lars(
            0.5, momentum=0.8, trust_coefficient=0.1, eps=0.01, weight_decay=0.0, trust_ratio_mask=[True, False]
        ),
    ),
    "NovoGrad": (
        oracles.NovoGrad(0.02, 0.8, 0.9, 0.01, weight_decay=0.1),
        lambda o: o.novograd(0.02, b1=0.8, b2=0.9, eps=0.01, weight_decay=0.1),
    ),
    "COCOB": (oracles.COCOB(alpha=10.0, epsilon=1e-3), lambda o: o.contrib.cocob(1.0, alpha=10.0, eps=1e-3)),
    # optax always corrects the biases of the rate.
    "Prodigy": (
        oracles.Prodigy(0.9, 0.8, 0.95, epsilon=1e-4, initial_d=1e-3, bias_correction=True, weight_decay=0.1),
        lambda o: o.contrib.prodigy(0.9, (0.8, 0.95), eps=1e-4, estim_lr0=1e-3, weight_decay=0.1),
    ),
    "Prodigy, safeguarded": (
        oracles.Prodigy(cooling_rate, 0.8, 0.95, 0.9, 1e-4, 1e-3, 2.0, bias_correction=True, safeguard_warmup=True),
        lambda o: o.contrib.prodigy(
            cooling_rate, (0.8, 0.95), 0.9, 1e-4, 1e-3, estim_lr_coef=2.0, safeguard_warmup=True
        ),
    ),
    "ScheduleFreeAdamW": (
        oracles.ScheduleFreeAdamW(0.05, 0.8, 0.95, 0.01, weight_decay=0.1),
        lambda o: o.contrib.schedule_free_adamw(0.05, b1=0.8, b2=0.95, eps=0.01, weight_decay=0.1),
    ),
    "Lookahead": (
        oracles.Lookahead(oracles.Momentum(0.05, 0.8), sync_period=3, slow_step_size=0.4),
        lambda o: o.lookahead(o.sgd(0.05, momentum=0.8), sync_period=3, slow_step_size=0.4),
    ),
}

# The authors' own packages, for the options that optax does not have.
PRODIGYOPT = {
    "Prodigy": (
        oracles.Prodigy(cooling_rate, 0.8, 0.95, None, 1e-4, 1e-3, 3.0, growth_rate=1.5, weight_decay=0.1),
        lambda o, p: o.Prodigy(
            p, 1.0, betas=(0.8, 0.95), eps=1e-4, d0=1e-3, d_coef=3.0, growth_rate=1.5, weight_decay=0.1
        ),
    ),
}
SCHEDULEFREE = {
    "ScheduleFreeAdamW": (
        oracles.ScheduleFreeAdamW(0.05, 0.8, 0.95, 0.01, 10, r=0.5, weight_lr_power=1.5, weight_decay=0.1),
        lambda o, p: o.AdamWScheduleFree(
            p, 0.05, betas=(0.8, 0.95), eps=0.01, warmup_steps=10, r=0.5, weight_lr_power=1.5, weight_decay=0.1
        ),
    ),
}
LIBRARIES = {"torch": TORCH, "optax": OPTAX, "prodigyopt": PRODIGYOPT, "schedulefree": SCHEDULEFREE}


def run_torch(oracle, build):
    import torch

    torch.set_default_dtype(torch.float64)  # NAdam keeps its running product in the default type
    parameters = [torch.nn.Parameter(torch.tensor(w)) for w in initial_weights()]
    optimizer = build(parameters)
    if hasattr(optimizer, "train"):
        optimizer.train()

    def step(weights, gradients, t):
        if callable(oracle.learning_rate):
            optimizer.param_groups[0]["lr"] = oracle.learning_rate(t)
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        return [p.detach().numpy() for p in parameters]

    return trajectory(step)


def run_optax(build):
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    transform = build(optax)
    params = jax.tree.map(jax.numpy.asarray, initial_weights())
    if transform.init.__qualname__.startswith("lookahead"):
        params = optax.LookaheadParams.init_synced(params)
    state = transform.init(params)
    update = jax.jit(transform.update)

    def step(weights, gradients, t):
        nonlocal params, state
        updates, state = update([jax.numpy.asarray(g) for g in gradients], state, params)
        params = optax.apply_updates(params, updates)
        return getattr(params, "fast", params)

    return trajectory(step)


def main(library, path):
    module = importlib.import_module({"torch": "torch.optim"}.get(library, library))
    paths = {}
    for name, (oracle, build) in LIBRARIES[library].items():
        if library == "optax":
            paths[name] = run_optax(build)
        else:
            paths[name] = run_torch(oracle, lambda p, build=build: build(module, p))
    np.savez(
        path, **{f"{name} {i}": np.stack(w) for name, p in paths.items() for i, w in enumerate(zip(*p, strict=True))}
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
