"""Measure the offline digits: their statistics, the time they take, and what a network learns from them.

A 784-256-10 network is trained on the generated digits alone and scored on the generated test set and, if the
environment variable KERASOPT_MNIST names the real file (`mnist.npz`), on the real test images, which it never sees
in training.
"""

import argparse
import os
import time

from kerasopt.datasets import synthetic_digits  # isort: skip  (first, so that Keras starts quietly)

import keras
import numpy as np


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, help="epochs of training (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=128, help="images in a batch (default: %(default)s)")
    parser.add_argument(
        "--learning-rate",
        type=float,
        default=1e-3,
        help="of Adam at the start; it falls linearly to 0 (default: %(default)s)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="number of networks trained (default: %(default)s)")
    parser.add_argument(
        "--split",
        choices=["test", "validation"],
        default="test",
        help="real images to score: the test set, or, while tuning, the last 10,000 training images (default: test)",
    )
    return parser.parse_args()


def real_images(split):
    """Return the real images to score, or None where there is no real file."""
    path = os.environ.get("KERASOPT_MNIST")
    if not path:
        return None
    with np.load(path, allow_pickle=False) as file:
        if split == "validation":
            return file["x_train"][-10000:], file["y_train"][-10000:]
        return file["x_test"], file["y_test"]


def prepare(images):
    return images.reshape(len(images), 784).astype("float32") / 255


def train(images, labels, seed, arguments):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(10, "softmax")])
    steps = arguments.epochs * -(-len(labels) // arguments.batch_size)
    # Falling to 0, so that the score is not that of a last noisy step.
    learning_rate = keras.optimizers.schedules.PolynomialDecay(arguments.learning_rate, steps, end_learning_rate=0.0)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="sparse_categorical_crossentropy")
    # Permuted here because a seeded TensorFlow backend would show the same order in every epoch.
    rng = np.random.default_rng(seed)
    for _ in range(arguments.epochs):
        order = rng.permutation(len(labels))
        model.fit(images[order], labels[order], batch_size=arguments.batch_size, shuffle=False, verbose=0)
    return model


def row(name, value):
    print(f"{name:<52} {value}", flush=True)


def main():
    arguments = parse_arguments()
    real = real_images(arguments.split)

    wall, cpu = time.perf_counter(), time.process_time()
    (x_train, y_train), (x_test, y_test) = synthetic_digits()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    row("70,000 images", f"{wall:.1f} s, of which processor {cpu:.1f} s")

    pixels = prepare(x_train)
    row("pixel mean and deviation", f"{pixels.mean():.4f} {pixels.std():.4f}")

    scored = {"generated test images": (x_test, y_test)}
    if real:
        scored[f"real {arguments.split} images"] = real
    scores = {name: [] for name in scored}
    for seed in range(arguments.seeds):
        model = train(pixels, y_train, seed, arguments)
        for name, (images, labels) in scored.items():
            predicted = model.predict(prepare(images), batch_size=1000, verbose=0).argmax(axis=1)
            scores[name].append(100 * np.mean(predicted == labels))
    setting = f"Adam {arguments.learning_rate:g} falling to 0, batch {arguments.batch_size}, {arguments.epochs} epochs"
    row("784-256-10 on generated digits alone", f"{setting}, {arguments.seeds} seeds")
    for name, values in scores.items():
        row(f"  accuracy on {name}", f"{np.mean(values):.2f} % (from {min(values):.2f} to {max(values):.2f})")
    if not real:
        print("KERASOPT_MNIST is not set: the score on real images is skipped.")


if __name__ == "__main__":
    main()
