"""How far do 203,530 parameters go? An ablation on MNIST with 784-256-10: one addition at a time, five seeds each.

What was chosen was chosen with `--select`: trained on the first 50,000 images and judged on the other 10,000. Then
every row trains on all 60,000 and meets the test images once. The figures and settings are written to
notebooks/capstone.json, which chapter 21 shows. What was predicted is kept in _build/capstone, so that a run that was
stopped goes on.

    python benchmarks/capstone.py [--seeds 5] [--select]
"""

import argparse
import hashlib
import json
import os
import platform
import time
from pathlib import Path

import keras
import numpy as np

import kerasopt
from kerasopt.augmentation import Distort
from kerasopt.schedules import OneCycle

HERE = Path(__file__).resolve().parents[1]
RECORD, KEPT = HERE / "notebooks" / "capstone.json", HERE / "_build" / "capstone"
BATCH = 128
PLAIN = {"epochs": 30, "rate": 0.3, "momentum": 0.0, "cycle": False, "straight": False, "distort": None}
AFFINE = {"shift": 1.0, "angle": 8.0, "shear": 0.06, "zoom": 0.08, "bend": 0.0}
BENT = AFFINE | {"bend": 0.7}
ADDITIONS = {
    "plain gradient descent": {},
    "+ Nesterov momentum": {"momentum": 0.9, "rate": 0.03},
    "+ one cycle of the rate": {"cycle": True, "rate": 0.2},
    "+ straightened digits": {"straight": True},
    "+ shifted, turned, slanted, zoomed": {"distort": AFFINE},
    "+ bent": {"distort": BENT},
    "+ 250 epochs": {"epochs": 250},
}
CANDIDATES = {  # changes to the row before the last one, with 60 epochs
    "as chosen": {},
    "rate 0.1": {"rate": 0.1},
    "rate 0.4": {"rate": 0.4},
    "bent by 1 pixel": {"distort": BENT | {"bend": 1.0}},
    "turned and slanted less": {"distort": BENT | {"angle": 5.0, "shear": 0.03}},
    "shifted and zoomed more": {"distort": BENT | {"shift": 2.0, "zoom": 0.12}},
    "not straightened": {"straight": False},
    "not straightened, changed more": {
        "straight": False,
        "distort": BENT | {"angle": 12.0, "shear": 0.12, "zoom": 0.12},
    },
}


def rows():
    """Return the settings of each row: those of the row before, and what is added."""
    settings, table = PLAIN, {}
    for name, added in ADDITIONS.items():
        settings = settings | added
        table[name] = settings
    return table


def straightened(pictures):
    """Return pictures whose ink has its mean in the middle and no slant."""
    n, height, width = pictures.shape
    y, x = np.mgrid[:height, :width].astype("float32") - (height - 1) / 2
    mean = lambda of: (pictures * of).sum(axis=(1, 2)) / pictures.sum(axis=(1, 2))  # noqa: E731
    middle_y, middle_x = mean(y), mean(x)
    dy, dx = y - middle_y[:, None, None], x - middle_x[:, None, None]
    slant = mean(dy * dx) / mean(dy * dy)
    distort = Distort((height, width), bend=0)
    draws = 0 * distort.draw(n)
    draws[:, 0] = draws[:, 4] = 1
    draws[:, 2], draws[:, 3], draws[:, 5] = middle_y, slant, middle_x
    parts = [distort(*both) for both in zip(np.array_split(pictures, 60), np.array_split(draws, 60), strict=True)]
    return np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])


def train(settings, seed, x, y, unseen):
    """Train a network and return its probabilities for the unseen pictures, and the seconds that it took."""
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(256, "relu", kernel_initializer="he_normal"), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((784,)), *layers])
    assert model.count_params() == 203_530
    distort = Distort((28, 28), **settings["distort"]) if settings["distort"] else None
    trained = distort.before(model) if distort else model
    rate, steps = settings["rate"], settings["epochs"] * -(-len(x) // BATCH)
    rate = OneCycle(rate, steps, rise=0.1) if settings["cycle"] else rate
    momentum = settings["momentum"]
    optimizer = kerasopt.optimizers.Nesterov(rate, momentum) if momentum else kerasopt.optimizers.SGD(rate)
    trained.compile(optimizer, "sparse_categorical_crossentropy")
    rng, x = np.random.default_rng(seed), x.reshape(-1, 784)
    for epoch in range(settings["epochs"]):
        inputs = [x, distort.draw(len(x), rng)] if distort else x
        kerasopt.fit(trained, inputs, y, BATCH, verbose=0, seed=1000 * seed + epoch)
    probabilities = model.predict(unseen.reshape(-1, 784), batch_size=2000, verbose=0)
    return probabilities, time.perf_counter() - start


def kept(settings, seed, *data):
    """Do as `train`, or return what an earlier run with the same settings and as many pictures found."""
    KEPT.mkdir(parents=True, exist_ok=True)
    described = json.dumps([settings, seed, len(data[0])], sort_keys=True)
    path = KEPT / f"{hashlib.sha256(described.encode()).hexdigest()[:16]}.npz"
    if path.exists():
        with np.load(path) as file:
            return file["probabilities"], float(file["seconds"])
    probabilities, seconds = train(settings, seed, *data)
    scratch = path.with_suffix(".part.npz")
    np.savez(scratch, probabilities=probabilities, seconds=seconds)
    os.replace(scratch, path)
    return probabilities, seconds


def accuracy(probabilities, y):
    """Return the share of right answers in percent, to the hundredth that 10,000 pictures allow."""
    return round(100 * float(np.mean(probabilities.argmax(axis=1) == y)), 2)


def select(data):
    """Return the accuracy of each candidate on the validation pictures."""
    (flat, straight), y = data
    base, found = rows()["+ bent"] | {"epochs": 60}, {}
    for name, change in CANDIDATES.items():
        settings = base | change
        x = straight if settings["straight"] else flat
        probabilities, _ = kept(settings, 0, x[:50_000], y[:50_000], x[50_000:])
        found[name] = accuracy(probabilities, y[50_000:])
        print(f"{name:40} {found[name]:.2f} % of the validation pictures", flush=True)
    return found


def measure(seeds, data, unseen):
    """Return a list with an entry a row: settings, accuracies on the test pictures, seconds."""
    (x, y), (x_test, y_test), table = data, unseen, []
    for name, settings in rows().items():
        of = int(settings["straight"])
        runs = [kept(settings, seed, x[of], y, x_test[of]) for seed in range(1, seeds + 1)]
        accuracies = [accuracy(probabilities, y_test) for probabilities, _ in runs]
        together = accuracy(np.mean([probabilities for probabilities, _ in runs], axis=0), y_test)
        seconds = round(float(np.median([seconds for _, seconds in runs])))
        table.append(
            {"row": name, "settings": settings, "accuracies": accuracies, "together": together, "seconds": seconds}
        )
        spread = np.std(accuracies, ddof=1) if seeds > 1 else float("nan")
        print(f"{name:40} {np.mean(accuracies):.2f} ± {spread:.2f}, together {together:.2f}, {seconds} s", flush=True)
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--select", action="store_true", help="judge the candidates on the validation pictures")
    options = parser.parse_args()
    (x, y), (x_test, y_test) = kerasopt.datasets.load_mnist(source="mnist")
    x, x_test = (part.astype("float32") / 255 for part in (x, x_test))
    x, x_test = (x, straightened(x)), (x_test, straightened(x_test))
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if options.select:
        record["validation"] = select((x, y))
    else:
        record["rows"] = measure(options.seeds, (x, y), (x_test, y_test))
        record["with"] = {
            "keras": keras.version(),
            "backend": keras.backend.backend(),
            "python": platform.python_version(),
        }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
