"""Seconds an epoch: `kerasopt.fit` against stock `fit`, a plain torch loop and a hand-written `jax.lax.scan`.

Each backend lives in a process of its own; the rounds go through all contenders in turn, so that a busy machine slows
all of them, and a row shows medians. The table replaces what stands in README.md between `<!-- training:begin -->` and
`<!-- training:end -->`.

    python benchmarks/training.py [--rounds 5] [--samples 60000] [--cases NAME ...] [--backends NAME ...]
        [--compare] [--no-readme]
"""

import argparse
import gc
import itertools
import multiprocessing
import os
import statistics
import sys
import time

import numpy as np
from readme import write_table

EPOCHS = 5  # of one call of `fit`, which has a cost of its own
DEEP = (256, *[128] * 9)
CASES = {  # name: (hidden widths, or None for the convolutional net; batch size; part of the samples)
    "784-256-10, batch 32": ((256,), 32, 1.0),
    "784-256-10, batch 128": ((256,), 128, 1.0),
    "784-256-10, batch 1024": ((256,), 1024, 1.0),
    "10 hidden layers, batch 32": (DEEP, 32, 1.0),
    "10 hidden layers, batch 1024": (DEEP, 1024, 1.0),
    "2 convolutions, batch 32": (None, 32, 0.1),
}
CONTENDERS = {  # column: (process, contender)
    "TF ours": ("tensorflow", "ours"),
    "TF stock": ("tensorflow", "stock"),
    "TF stock, 125 steps a call": ("tensorflow", "steps"),
    "JAX ours": ("jax", "ours"),
    "JAX stock": ("jax", "stock"),
    "JAX stock, 125 steps a call": ("jax", "steps"),
    "torch loop": ("torch", "loop"),
    "JAX scan": ("jax", "scan"),
}
BACKENDS = ["tensorflow", "jax", "torch"]
COMPARED = ["sgd", "rmsprop", "adam", "adamw", "adagrad", "adamax", "nadam", "lion"]


def data(samples):
    """Return digits as `(x, y)`: only their shape matters here, so noise does as well."""
    rng = np.random.default_rng(0)
    return rng.random((samples, 784), dtype="float32"), rng.integers(0, 10, samples).astype("int32")


def keras_model(hidden, **arguments):
    import keras
    from keras import layers

    if hidden is None:
        stack = [layers.Reshape((28, 28, 1))]
        for filters in (8, 16):
            stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
        stack.append(layers.Flatten())
    else:
        stack = [layers.Dense(width, "relu") for width in hidden]
    model = keras.Sequential([keras.Input((784,)), *stack, layers.Dense(10, "softmax")])
    arguments = {"optimizer": "adam", "metrics": ["accuracy"]} | arguments
    model.compile(loss="sparse_categorical_crossentropy", **arguments)
    return model


def keras_epoch(contender, hidden, batch_size, x, y):
    """Return a function that trains for `EPOCHS` epochs with Keras."""
    import keras

    import kerasopt.training

    steps = {"steps_per_execution": 125} if contender == "steps" else {}
    model = keras_model(hidden, **steps)
    train = kerasopt.training.fit if contender == "ours" else keras.Model.fit
    return lambda: train(model, x, y, batch_size, EPOCHS, verbose=0)


def torch_epoch(hidden, batch_size, x, y):
    """Return a function that trains for an epoch in the loop that torch's tutorials write."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if hidden is None:
        stack = [nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)]
        stack += [nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)]
    else:
        widths = (784, *hidden)
        stack = [part for i, o in zip(widths, hidden, strict=False) for part in (nn.Linear(i, o), nn.ReLU())]
        stack.append(nn.Linear(widths[-1], 10))
    model, loss = nn.Sequential(*stack), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.from_numpy(x), torch.from_numpy(y).long()

    def epoch():
        total = right = 0.0
        for indices in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            prediction = model(x[indices])
            error = loss(prediction, y[indices])
            error.backward()
            optimizer.step()
            total += error.item()
            right += (prediction.argmax(1) == y[indices]).sum().item()
        return total, right

    return epoch


def scan_epoch(hidden, batch_size, x, y):
    """Return a function that trains for an epoch in one hand-written program: the yardstick."""
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    widths = (784, *hidden, 10)
    weights = [
        (jnp.asarray(rng.normal(0, np.sqrt(2 / i), (i, o)), "float32"), jnp.zeros(o))
        for i, o in itertools.pairwise(widths)
    ]
    x, y = jnp.asarray(x), jnp.asarray(y)

    def loss(weights, x, y):
        for kernel, bias in weights[:-1]:
            x = jax.nn.relu(x @ kernel + bias)
        logits = x @ weights[-1][0] + weights[-1][1]
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1)
        return -picked.mean(), (logits.argmax(1) == y).mean()

    @jax.jit
    def run(state, x, y, order):
        def step(state, indices):
            weights, m, v, t = state
            (value, accuracy), gradients = jax.value_and_grad(loss, has_aux=True)(weights, x[indices], y[indices])
            t += 1
            rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, gradients)
            v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, gradients)
            weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, m, v)
            return (weights, m, v, t), value + accuracy

        return jax.lax.scan(step, state, order)

    zeros = jax.tree.map(jnp.zeros_like, weights)
    box = [(weights, zeros, zeros, jnp.float32(0))]

    def epoch():
        order = rng.permutation(len(x))[: len(x) // batch_size * batch_size].astype("int32")
        box[0], logs = run(box[0], x, y, order.reshape(-1, batch_size))
        return float(logs.mean())

    return epoch


def first_call(contender):
    """Return the seconds until a fresh model has taken its first two steps."""
    x, y = data(64)
    epoch = keras_epoch(contender, (256,), 32, x, y)
    start = time.perf_counter()
    epoch()
    return time.perf_counter() - start


def compared(contender, samples, seeds):
    """Return the seconds of a comparison of eight optimizers over five epochs."""
    import keras

    import kerasopt.training

    x, y = data(samples)
    start = time.perf_counter()
    if contender == "ours":
        kerasopt.training.compare(
            lambda: keras_model((256,)), {name: name for name in COMPARED}, (x, y), epochs=5, seeds=seeds, verbose=0
        )
    else:
        for name in COMPARED:
            for seed in range(seeds):
                keras.utils.set_random_seed(seed)
                keras_model((256,), optimizer=name).fit(x, y, epochs=5, verbose=0)
    return time.perf_counter() - start


def serve(pipe):
    """Answer requests of the main process: prepare a contender, run its epoch, or measure something else."""
    import kerasopt  # noqa: F401  (starts Keras quietly)

    epochs = {}
    while (request := pipe.recv()) is not None:
        what, *arguments = request
        if what == "prepare":
            key, contender, hidden, batch_size, samples = arguments
            build = {"loop": torch_epoch, "scan": scan_epoch}.get(contender)
            build = build or (lambda *rest, name=contender: keras_epoch(name, *rest))
            epochs[key] = build(hidden, batch_size, *data(samples))
            answer = epochs[key]()  # compiles
        elif what == "epoch":
            start = time.perf_counter()
            epochs[arguments[0]]()
            answer = (time.perf_counter() - start) / (1 if arguments[1] in ("loop", "scan") else EPOCHS)
        elif what == "forget":
            epochs.clear()
            answer = gc.collect()
        else:
            answer = {"first_call": first_call, "compared": compared}[what](*arguments)
        pipe.send(answer if isinstance(answer, float) else None)


class Backend:
    """A process with one Keras backend."""

    def __init__(self, name):
        os.environ["KERAS_BACKEND"] = name
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, *request):
        """Ask, and wait for the answer."""
        self._pipe.send(request)
        return self._pipe.recv()

    def stop(self):
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def measure(backends, names, samples, rounds):
    """Return medians by case and column."""
    results = {}
    for name in names:
        hidden, batch_size, part = CASES[name]
        columns = [
            column
            for column, (process, contender) in CONTENDERS.items()
            if process in backends and (hidden is not None or contender != "scan")
        ]
        seconds = {column: [] for column in columns}
        for column in columns:
            process, contender = CONTENDERS[column]
            backends[process]("prepare", column, contender, hidden, batch_size, int(samples * part))
        for _ in range(rounds):
            for column in columns:
                seconds[column].append(backends[CONTENDERS[column][0]]("epoch", column, CONTENDERS[column][1]))
        for backend in backends.values():
            backend("forget")
        results[name] = {column: statistics.median(values) for column, values in seconds.items()}
        print(name, {column: round(value, 3) for column, value in results[name].items()}, file=sys.stderr, flush=True)
    return results


def table(results, samples, rounds):
    """Return the results in Markdown."""
    head = [*CONTENDERS, "TF: stock / ours", "JAX: stock / ours", "TF ours / scan"]
    lines = [f"| seconds an epoch | {' | '.join(head)} |", "|---" + "|---:" * len(head) + "|"]
    for name, row in results.items():
        cells = [f"{row[column]:.2f}" if column in row else "" for column in CONTENDERS]
        for upper, lower in (("TF stock", "TF ours"), ("JAX stock", "JAX ours"), ("TF ours", "JAX scan")):
            cells.append(f"**{row[upper] / row[lower]:.1f}**" if {upper, lower} <= set(row) else "")
        part = CASES[name][2]
        lines.append(f"| {name}{'' if part == 1 else f', {int(samples * part):,} images'} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Adam, {samples:,} images of 784 pixels, {os.cpu_count()} cores; medians of {rounds} rounds in turn,",
    ]
    lines.append(f"`fit` called for {EPOCHS} epochs each.")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--backends", nargs="*", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--compare", action="store_true", help="time a comparison of optimizers, too (ten minutes)")
    parser.add_argument("--no-readme", action="store_true", help="only print")
    options = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    backends = {name: Backend(name) for name in options.backends}
    text = table(measure(backends, options.cases, options.samples, options.rounds), options.samples, options.rounds)
    if tensorflow := backends.get("tensorflow"):
        calls = {c: [tensorflow("first_call", c) for _ in range(3)] for c in ("stock", "ours")}
        extra = statistics.median(calls["ours"]) - statistics.median(calls["stock"])
        text += f"\nThe first call of `fit` on a new model takes {extra:.1f} s more than stock's (TensorFlow)."
    if tensorflow and options.compare:
        ours = tensorflow("compared", "ours", options.samples, 3)
        # Stock builds every model anew, so one seed stands for the three.
        stock = 3 * tensorflow("compared", "stock", options.samples, 1)
        text += f"\n`compare` of 8 optimizers, 3 seeds, 5 epochs: {ours:.0f} s; in stock `fit` {stock:.0f} s"
        text += f" ({stock / ours:.1f} times as long; one seed timed, times three)."
    for backend in backends.values():
        backend.stop()
    print(text)
    if not options.no_readme:
        write_table("training", text)


if __name__ == "__main__":
    main()
