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
import time
import types
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "numpy"
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402

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

OPERATORS = {
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.Mod: [ast.FloorDiv],
}
COMPARISONS = {
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
}
FUNCTIONS = {
    "maximum": "minimum",
    "minimum": "maximum",
    "sqrt": "square",
    "square": "abs",
    "abs": "square",
    "sign": "abs",
    "logical_and": "logical_or",
    "power": "multiply",
    "expm1": "exp",
    "log": "log2",
    "assign_sub": "assign_add",
    "assign_add": "assign_sub",
}

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


def is_equivalent(survivor):
    """Tell whether the table above holds the change."""
    stem, line, change = survivor
    return any(stem == s and part in line and change.startswith(c) for s, part, c in EQUIVALENT)


def mutants(tree):
    """Yield (node, attribute, replacement, description) for every change to be made."""
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in LEFT_OUT
        for inner in ast.walk(node)
    }
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n not in skipped]
    for node in {inner: None for function in functions for s in function.body for inner in ast.walk(s)}:
        if isinstance(node, ast.BinOp):
            for new in OPERATORS.get(type(node.op), []):
                yield node, "op", new(), f"{type(node.op).__name__} -> {new.__name__}"
        elif isinstance(node, ast.AugAssign):
            yield node, "op", OPERATORS[type(node.op)][0](), f"{type(node.op).__name__}= changed"
        elif isinstance(node, ast.UnaryOp):
            yield node, "op", ast.UAdd(), f"{type(node.op).__name__} dropped"
        elif isinstance(node, ast.Compare):
            for new in COMPARISONS[type(node.ops[0])]:
                yield node, "ops", [new()], f"{type(node.ops[0]).__name__} -> {new.__name__}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node, "value", not node.value, f"{node.value} -> {not node.value}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            for new in (node.value + 1, -node.value if node.value else -1):
                yield node, "value", new, f"{node.value} -> {new}"
        elif isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
            yield node, "attr", FUNCTIONS[node.attr], f"{node.attr} -> {FUNCTIONS[node.attr]}"
        elif isinstance(node, ast.If | ast.IfExp):
            yield node, "test", ast.UnaryOp(ast.Not(), node.test), "condition negated"
        elif isinstance(node, ast.BoolOp):
            new = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield node, "op", new(), f"{type(node.op).__name__} -> {new.__name__}"
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node, "value", ast.Constant(None), "statement dropped"


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
    survivors, count, start = [], 0, time.time()
    for stem in sorted(chosen):
        # A shared file is held to all rules; the cheapest first, since most changes break the first one.
        users = [name for name in all_checks if home[name] == stem] or list(all_checks)
        for node, attribute, replacement, change in mutants(trees[stem]):
            original = getattr(node, attribute)
            setattr(
                node,
                attribute,
                ast.fix_missing_locations(replacement) if isinstance(replacement, ast.AST) else replacement,
            )
            count += 1
            try:
                ast.fix_missing_locations(trees[stem])
                table.optimizers = meanings.optimizers = load(trees)
                for name in users:
                    for check in all_checks[name]:
                        check()
            except Exception:  # any failure at all notices the change
                pass
            else:
                line = sources[stem].splitlines()[node.lineno - 1].strip()
                survivors.append((stem, line, change))
            finally:
                setattr(node, attribute, original)

    unexplained = [s for s in survivors if not is_equivalent(s)]
    print(f"{count} changes in {time.time() - start:.0f} s; not noticed: {len(survivors)}, of which")
    print(f"{len(survivors) - len(unexplained)} are equivalent and {len(unexplained)} are not:")
    for stem, line, change in unexplained:
        print(f"  {stem}.py: {change}: {line}")
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
