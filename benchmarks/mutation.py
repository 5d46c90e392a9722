"""Break every optimizer in every small way, and see whether the comparison with the oracles notices.

    python benchmarks/mutation.py                  # all optimizers, a few minutes
    python benchmarks/mutation.py Adam Lookahead   # only the files of these

In each file of `kerasopt/optimizers` every arithmetic operator, sign, comparison, condition, number, root, maximum and
assignment outside of the constructors is changed, one at a time, in memory. A change that no check notices is
printed, and makes the exit status 1, unless it is listed below as equivalent, with the reason. The checks are those of
`tests/optimizers`, on Keras's NumPy backend, which is what makes this fast.
"""

import ast
import copy
import os
import sys
import types
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "numpy"
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402
from mutants import survivors, unexplained  # noqa: E402

from tests.optimizers import table  # noqa: E402
from tests.optimizers import test_meanings as meanings  # noqa: E402

PACKAGE = ROOT / "kerasopt" / "optimizers"
# Constructors and what they call are for the tests of arguments and configuration, not for the oracles.
LEFT_OUT = {"__init__", "get_config", "from_config", "_argument_names", "within", "at_least", "flag", "_checked"}
# What only other backends or Keras's training loop call: `tests/optimizers/test_training.py` and others see to these.
LEFT_OUT |= {
    "_has_value",
    "scale_loss",
    "loss_scale_factor",
    "finalize_variable_values",
    "exclude_from_weight_decay",
    "learning_rate",
}
STEPS = 50

# (file, part of the line, start of the change) -> why no test can notice.
EQUIVALENT = {
    ("_base", "with keras.StatelessScope() if _has_value(variable)", "condition negated"): (
        "matters within TensorFlow's compiled steps only, and test_meanings.py compiles them"
    ),
    ("_base", "ops.add(g, 0.0)", "0.0 -> "): "TensorFlow's sparse gradients only, with which test_training.py trains",
    ("adam", '**({"velocity_max": 0.0}', "0.0 -> -1"): "the maximum with a square that follows cannot tell",
    ("adam", "velocity_max[0]", "0 -> -1"): "a list of one entry",
    ("cocob", "reward=0.0", "0.0 -> -1"): "at the first step w = w0, and the reward is cut off at 0",
    ("nesterov", "self.slots_of(y)[0]", "0 -> -1"): "a list of one entry",
    ("nesterov", "strict=True", "True -> False"): "the lists are equally long",
    ("prodigy", '"step": 0.0', "0.0 -> "): "overwritten before use",
    ("prodigy", "ops.where(denominator > 0, denominator, 1.0)", "1.0 -> "): "the numerator is 0 then",
    ("prodigy", "scale = d / self.initial_d", "Div -> Mult"): "common to both sums; it keeps them from underflowing",
    ("prodigy", "self.assign(gradient_sum", "Add -> Sub"): "the other sign throughout; only its size is used",
    ("radam", "x**7 / 4725", "4725 -> 4726"): "below the rounding of float32",
    ("radam", "2 * x**5 / 945", "945 -> 946"): "below the rounding of float32",
    ("radam", "t * h < 1", "Lt -> LtE"): "both forms hold at 1",
    ("radam", "rho > self.rho_threshold", "Gt -> GtE"): "they are equal by accident of rounding only",
    ("radam", "ops.where(rectifiable, ratio, 0.0)", "0.0 -> "): "not selected by the `where` that follows",
}


def load(trees):
    """Execute the package's modules afresh from their syntax trees; return the package."""
    for name in [n for n in sys.modules if n.startswith("kerasopt.optimizers")]:
        del sys.modules[name]
    package = types.ModuleType("kerasopt.optimizers")
    package.__path__ = []
    sys.modules[package.__name__] = package

    class Finder:  # modules import each other by name, so they are found rather than ordered
        @staticmethod
        def find_spec(name, path=None, target=None):
            stem = name.removeprefix("kerasopt.optimizers.")
            if stem in trees and stem != name:
                from importlib.machinery import ModuleSpec

                return ModuleSpec(name, Finder)
            return None

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            exec(compile(trees[module.__name__.rpartition(".")[2]], module.__name__, "exec"), vars(module))

    sys.meta_path.insert(0, Finder)
    try:
        exec(compile(trees["__init__"], "__init__", "exec"), vars(package))
    finally:
        sys.meta_path.remove(Finder)
    return package


class Replay:
    """The recorded weights of an oracle that was fed the gradients at its own weights."""

    def __init__(self, oracle, steps):
        weights, self.path = [w.astype("float64") for w in table.initial_weights()], []
        for t in range(steps):
            g = [x.astype("float64") for x in table.gradients(weights, t)]
            weights = oracle.step(weights, g)
            self.path.append(weights)

    def step(self, weights, gradients):
        self.t = getattr(self, "t", -1) + 1
        return self.path[self.t]


class Decayed:
    """COCOB with decoupled decay: its anchor moves along."""

    def __init__(self, oracle, factor):
        self.oracle, self.factor = oracle, factor

    def step(self, weights, gradients):
        for w, state in zip(weights, getattr(self.oracle, "state", []), strict=False):
            state.initial = state.initial - self.factor * w
        return self.oracle.step([w - self.factor * w for w in weights], gradients)


def checks(name):
    """Return functions that raise if the optimizer `name` in `table.optimizers` is not what its oracle says."""
    result = []

    def add(arguments, oracle_arguments, steps, factor=None, **base_arguments):
        oracle = table.make_oracle(name, oracle_arguments)
        recorded = Replay(Decayed(oracle, factor) if factor else oracle, steps)

        def check():
            optimizer = table.make(name, arguments, **base_arguments)
            table.compare(optimizer, copy.copy(recorded), steps, step=table.eager_step)

        result.append(check)

    for arguments in table.CASES.get(name, []):
        add(arguments, arguments, STEPS)
    for arguments in table.CASES.get(name, [])[:1]:
        rate = table.rate_of(name, arguments)
        schedule = keras.optimizers.schedules.InverseTimeDecay(rate, 1, 0.1)
        falling = table.with_rate(name, arguments, lambda step, rate=rate: rate / (1 + 0.1 * step))
        add(table.with_rate(name, arguments, schedule), falling, 10)
    if name == "COCOB":
        add(arguments, arguments, 30, factor=0.1, weight_decay=0.1)
    return result + SPECIAL.get(name, [])


SPECIAL = {
    "SGD": [meanings.test_a_variable_without_a_gradient_stays],
    "Nesterov": [meanings.test_nesterov_gives_the_theta_of_the_textbook],
    "RAdam": [meanings.test_radam_knows_the_length_of_short_averages_to_seven_digits],
    "Yogi": [meanings.test_yogi_stands_still_where_the_second_moment_is_right],
    "LARS": [meanings.test_lars_where_a_norm_is_small_or_zero],
    "Prodigy": [meanings.test_prodigy_stands_still_until_a_gradient_comes],
    "ScheduleFreeAdamW": [
        meanings.test_schedule_free_shows_the_average_and_puts_the_weights_back,
        meanings.test_schedule_free_waits_for_a_rate,
    ],
    "Lookahead": [meanings.test_building_a_wrapper_builds_the_inner_optimizer],
    "DecayKernelsOnly": [
        meanings.test_building_a_wrapper_builds_the_inner_optimizer,
        meanings.test_decay_reaches_kernels_only,
    ],
}


def main(names):
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    sources = {path.stem: path.read_text() for path in PACKAGE.glob("*.py")}
    trees = {stem: ast.parse(source) for stem, source in sources.items()}
    all_checks = {name: checks(name) for name in table.CLASSES}
    home = {name: cls.__module__.rpartition(".")[2] for name, cls in table.CLASSES.items()}
    table.optimizers = meanings.optimizers = load(trees)
    for name in all_checks:
        for check in all_checks[name]:
            check()  # the unbroken package passes

    chosen = {home[name] for name in names} if names else set(trees) - {"__init__"}
    found = []
    for stem in sorted(chosen):
        # A shared file is held to all rules; the cheapest first, since most changes break the first one.
        users = [name for name in all_checks if home[name] == stem] or list(all_checks)

        def passes(users=users):
            try:
                table.optimizers = meanings.optimizers = load(trees)
                for name in users:
                    for check in all_checks[name]:
                        check()
            except Exception:  # any failure at all notices the change
                return False
            return True

        found += survivors(stem, sources[stem], trees[stem], LEFT_OUT, passes)
    return bool(unexplained(found, EQUIVALENT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
