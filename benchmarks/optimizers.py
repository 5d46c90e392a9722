"""Time a compiled training step with each optimizer against the built-in of its name, or the nearest one.

    python benchmarks/optimizers.py                           # TensorFlow and JAX; prints, and writes README.md
    python benchmarks/optimizers.py --backend jax Adam SGD    # one backend, some optimizers; prints only

A step is the forward pass, the gradients and the update, many steps in one XLA program (`tf.while_loop`,
`lax.fori_loop`). Ours and the built-in take turns in one process; times are medians of the turns, and so is their
ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from readme import write_table

ROOT = Path(__file__).parents[1]
# Layers, batch size, steps a turn. The second network has 10 million parameters.
NETWORKS = {"784-256-10": ((784, 256, 10), 32, 200), "10 M": ((784, 2048, 2048, 2048, 10), 32, 4)}
TURNS = 9
NEAREST = {
    "SGD": ("SGD", {}),
    "Momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "AdaGrad": ("Adagrad", {}),
    "AdaDelta": ("Adadelta", {}),
    "RMSProp": ("RMSprop", {}),
    "Adam": ("Adam", {}),
    "Nadam": ("Nadam", {}),
    "ScheduleFreeAdamW": ("ScheduleFreeAdamW", {}),
    "RAdam": ("Adam", {}),
    "QHM": ("SGD", {"momentum": 0.9}),
    "Yogi": ("Adam", {}),
    "AdaBelief": ("Adam", {}),
    "LARS": ("Lamb", {}),
    "NovoGrad": ("Lamb", {}),
    "COCOB": ("Adam", {}),
    "Prodigy": ("Adam", {}),
    "Lookahead": ("SGD", {}),
}


def trainer(optimizer, layers, batch_size):
    """Return a function that makes a number of steps in one compiled program, and the slots a parameter."""
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(n, "relu") for n in layers[1:-1]]
    model = keras.Sequential([keras.Input((layers[0],)), *hidden, keras.layers.Dense(layers[-1])])
    weights = model.trainable_variables
    optimizer.build(weights)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch_size, layers[0])).astype("float32")
    y = rng.integers(layers[-1], size=batch_size)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    parameters = sum(np.prod(v.shape) for v in weights)
    slots = sum(np.prod(v.shape) for v in optimizer.variables if len(v.shape)) / parameters

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x, y = tf.constant(x), tf.constant(y)

        def step(i):
            with tf.GradientTape() as tape:
                loss = cross_entropy(y, model(x))
            optimizer.apply(tape.gradient(loss, [v.value for v in weights]), weights)
            return (i + 1,)

        @tf.function(jit_compile=True)
        def run(n):
            return tf.while_loop(lambda i: i < n, step, [0])[0]

        return lambda n: run(tf.constant(n)).numpy(), slots

    import jax

    def step(_, state):
        values, slots = state
        grads = jax.grad(lambda v: cross_entropy(y, model.stateless_call(v, [], x)[0]))(values)
        return optimizer.stateless_apply(slots, grads, values)

    loop = jax.jit(lambda n, state: jax.lax.fori_loop(0, n, step, state), donate_argnums=1)
    state = [v.value for v in weights], [v.value for v in optimizer.variables]

    def run(n):
        nonlocal state
        state = jax.block_until_ready(loop(n, state))

    return run, slots


def measure(names):
    """Return one row for each optimizer and network, timed on the backend in use."""
    import keras

    from kerasopt import optimizers

    rows = []
    for name in names:
        cls, arguments = NEAREST[name]
        for network, (layers, batch_size, steps) in NETWORKS.items():
            inner = (optimizers.SGD(),) if name == "Lookahead" else ()
            pair = getattr(optimizers, name)(*inner), getattr(keras.optimizers, cls)(**arguments)
            runs, slots = zip(*(trainer(optimizer, layers, batch_size) for optimizer in pair), strict=True)
            for run in runs:
                run(1)
            times = [[], []]
            for turn in range(TURNS):
                for which in (0, 1) if turn % 2 else (1, 0):
                    start = time.perf_counter()
                    runs[which](steps)
                    times[which].append((time.perf_counter() - start) / steps * 1000)
            rows.append(
                {
                    "name": name,
                    "nearest": cls,
                    "network": network,
                    "ms": [statistics.median(t) for t in times],
                    "ratio": statistics.median(a / b for a, b in zip(*times, strict=True)),
                    "slots": slots,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def table(results):
    """Return the Markdown table of `{backend: rows}`."""
    backends = {"tensorflow": "TensorFlow", "jax": "JAX"}
    columns = [(backend, network) for backend in results for network in NETWORKS]
    cells = {(b, r["name"], r["network"]): r for b, rows in results.items() for r in rows}
    header = ["optimizer", "built-in", "slots", *(f"{backends[b]}, {n}" for b, n in columns)]
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for name, (nearest, _) in NEAREST.items():
        row = [cells.get((b, name, n)) for b, n in columns]
        if all(row):
            times = [f"{r['ms'][0]:.3g} ms ({r['ratio']:.2f})" for r in row]
            ours, theirs = (round(n, 2) for n in row[0]["slots"])
            lines.append(f"| {name} | {nearest} | {ours:g} ({theirs:g}) | " + " | ".join(times) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=["tensorflow", "jax"], help="time on this one, and write nothing")
    parser.add_argument("names", nargs="*", metavar="optimizer", help="only these, and write nothing")
    options = parser.parse_args()
    names = options.names or list(NEAREST)
    if options.backend and os.environ.get("KERAS_BACKEND") == options.backend:
        measure(names)
        return
    results = {}
    for backend in [options.backend] if options.backend else ["tensorflow", "jax"]:
        command = [sys.executable, __file__, "--backend", backend, *names]
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        results[backend] = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    text = table(results)
    print(text)
    if not options.backend and not options.names:
        write_table("optimizers", text)


if __name__ == "__main__":
    main()
