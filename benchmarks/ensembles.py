"""What ensembles gain on MNIST, 784-256-10: one model, snapshots of one run, averaged weights, independent models.

Every method trains for 20 epochs, the independent models for 20 each, with momentum and batches of 128. Its rate is
chosen on the last 10,000 training images, then it is trained on all 60,000 with five seeds and tested. The table
replaces what stands in README.md between `<!-- ensembles:begin -->` and `<!-- ensembles:end -->`.

    python benchmarks/ensembles.py [--seeds 5] [--epochs 20] [--no-readme]
"""

import argparse
import math
import sys

import keras
import numpy as np
from readme import write_table

import kerasopt
from kerasopt.ensembles import SWA, SnapshotEnsemble, average

MEMBERS, BATCH = 5, 128
RATES = (0.05, 0.1, 0.2, 0.4)
SINGLE, SNAPSHOTS, LAST, WEIGHTS, INDEPENDENT = METHODS = (
    "one model, cosine decay",
    f"{MEMBERS} snapshots of one run, averaged",
    "its last snapshot alone",
    "SWA: the weights of epochs 10 to 20, averaged",
    f"{MEMBERS} models, cosine decay, averaged",
)


def network():
    return keras.Sequential(
        [keras.Input((784,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(10, "softmax")], name="network"
    )


def initial_weights(seed):
    keras.utils.set_random_seed(seed)
    return network().get_weights()


class Trainer:
    """A compiled model that trains again and again from other weights: it is compiled once."""

    def __init__(self, callback, rate, epochs, data):
        self.callback, self.epochs, self.data = callback, epochs, data
        self.model = network()
        self.model.compile(kerasopt.optimizers.Momentum(rate), "sparse_categorical_crossentropy")
        self.model.optimizer.build(self.model.trainable_variables)
        self.start = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def __call__(self, seed):
        """Return the model, trained with this seed."""
        self.model.set_weights(initial_weights(seed))
        for variable, value in zip(self.model.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        callbacks = [self.callback] if self.callback else []
        kerasopt.fit(self.model, *self.data, BATCH, self.epochs, verbose=0, seed=seed, callbacks=callbacks)
        return self.model


def trainers(method, rate, epochs, data):
    """Return the trainer of a method."""
    steps = epochs * math.ceil(len(data[0]) / BATCH)
    if method == WEIGHTS:
        return Trainer(SWA(epochs // 2 - 1), rate, epochs, data)
    snapshots = SnapshotEnsemble(1 if method == SINGLE else MEMBERS, rate)
    return Trainer(snapshots, snapshots.schedule(steps), epochs, data)


def scores(probabilities, y):
    """Return accuracy in percent and the cross-entropy."""
    right = probabilities.argmax(1) == y
    return 100 * right.mean(), -np.log(np.maximum(probabilities[np.arange(len(y)), y], 1e-12)).mean()


def predict(model, x):
    return model.predict(x, batch_size=2000, verbose=0).astype("float64")


def ensemble_of(trainer, model):
    return trainer.callback.average() if isinstance(trainer.callback, SnapshotEnsemble) else model


def choose(method, epochs, train, validation):
    """Return the rate with the best cross-entropy on the validation images."""
    results = {}
    for rate in RATES:
        trainer = trainers(method, rate, epochs, train)
        results[rate] = scores(predict(ensemble_of(trainer, trainer(0)), validation[0]), validation[1])
        print(f"{method}: rate {rate}: validation {results[rate][0]:.2f} % {results[rate][1]:.4f}", file=sys.stderr)
    return min(results, key=lambda rate: results[rate][1])


def measure(seeds, epochs):
    """Return the chosen rates, and the scores of each method and seed."""
    (x, y), (x_test, y_test) = kerasopt.datasets.load_mnist(source="mnist")
    x, x_test = (a.reshape(-1, 784).astype("float32") / 255 for a in (x, x_test))
    y, y_test = y.astype("int32"), y_test.astype("int32")
    train, validation = (x[:-10_000], y[:-10_000]), (x[-10_000:], y[-10_000:])
    rates = {method: choose(method, epochs, train, validation) for method in (SINGLE, SNAPSHOTS, WEIGHTS)}
    runs = {method: trainers(method, rate, epochs, (x, y)) for method, rate in rates.items()}
    table = {method: [] for method in METHODS}
    for seed in range(1, seeds + 1):
        for method in (SINGLE, SNAPSHOTS, WEIGHTS):
            model = runs[method](seed)
            table[method].append(scores(predict(ensemble_of(runs[method], model), x_test), y_test))
            if method == SNAPSHOTS:
                table[LAST].append(scores(predict(model, x_test), y_test))
            if method == SINGLE:
                models = [runs[method].callback.models()[0]]
        models += [runs[SINGLE](1000 * seed + i) and runs[SINGLE].callback.models()[0] for i in range(1, MEMBERS)]
        table[INDEPENDENT].append(scores(predict(average(models), x_test), y_test))
        print({m: f"{s[-1][0]:.2f} {s[-1][1]:.4f}" for m, s in table.items()}, file=sys.stderr, flush=True)
    return rates, table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--no-readme", action="store_true", help="only print")
    options = parser.parse_args()
    rates, results = measure(options.seeds, options.epochs)
    lines = ["| | epochs | rate | test accuracy, % | test cross-entropy |", "|---|---:|---:|---:|---:|"]
    for method, values in results.items():
        epochs = options.epochs * (MEMBERS if method == INDEPENDENT else 1)
        rate = rates.get(method, rates[SNAPSHOTS if method == LAST else SINGLE])
        (accuracy, entropy), (a, e) = np.mean(values, axis=0), np.std(values, axis=0, ddof=1)
        lines.append(f"| {method} | {epochs} | {rate} | {accuracy:.2f} ± {a:.2f} | {entropy:.4f} ± {e:.4f} |")
    text = "\n".join(lines)
    print(text)
    if not options.no_readme:
        write_table("ensembles", text)


if __name__ == "__main__":
    main()
