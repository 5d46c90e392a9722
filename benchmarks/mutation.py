"""Break every optimizer in every small way, and see whether the comparison with the oracles notices.

    python benchmarks/mutation.py                  # all optimizers, a few minutes
    python benchmarks/mutation.py Adam Lookahead   # only the files of these

In each file of `kerasopt/optimizers` every arithmetic operator, sign, comparison, condition, number, root, maximum and
assignment outside of the constructors is changed, one at a time, in memory. A change that no check notices is
printed, and makes the exit status 1, unless it is listed below as equivalent, with the reason. The checks run on Keras's NumPy
backend, which is what makes this fast; they are those of `tests/optimizers`.
"""

import ast
import copy
import os
import sys
import time
import types
from pathlib import Path

os.environ["KERAS_BACKEND"] = "numpy"
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import keras  # noqa: E402
import numpy as np  # noqa: E402
from optimizers import table  # noqa: E402

PACKAGE = ROOT / "kerasopt" / "optimizers"
# Constructors and what they call are for the tests of arguments and configuration, not for the oracles.
LEFT_OUT = {"__init__", "get_config", "from_config", "_argument_names", "within", "at_least", "flag", "_checked"}
# What only other backends or Keras's training loop call: `tests/optimizers/test_training.py` and others see to these.
LEFT_OUT |= {"_has_value", "scale_loss", "finalize_variable_values", "exclude_from_weight_decay", "learning_rate"}
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

# (file, line of code, change) -> why no test can notice.
EQUIVALENT = {}


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
        self.oracle = oracle

    def step(self, weights, gradients):  # noqa: D102
        self.t = getattr(self, "t", -1) + 1
        return self.path[self.t]


class Decayed:
    """COCOB with decoupled decay: its anchor moves along."""

    def __init__(self, oracle, factor):
        self.oracle, self.factor = oracle, factor

    def step(self, weights, gradients):  # noqa: D102
        for w, state in zip(weights, getattr(self.oracle, "state", []), strict=False):
            state.initial = state.initial - self.factor * w
        return self.oracle.step([w - self.factor * w for w in weights], gradients)


def checks(name):
    """Return functions that raise if the optimizer `name` in `table.optimizers` is not what its oracle says."""
    if name == "DecayKernelsOnly":
        return [check_decay_of_kernels]
    result = []
    for arguments in table.CASES[name]:
        recorded = Replay(table.make_oracle(name, arguments), STEPS)

        def check(arguments=arguments, recorded=recorded):
            variables = table.compare(table.make(name, arguments), copy.copy(recorded), STEPS, step=table.eager_step)
            assert len(variables) == 4

        result.append(check)
    if name == "COCOB":
        arguments = table.CASES[name][0]
        decayed = Replay(Decayed(table.make_oracle(name, arguments), 0.1), 30)
        result.append(
            lambda: table.compare(
                table.make(name, arguments, weight_decay=0.1), copy.copy(decayed), 30, step=table.eager_step
            )
        )
    return result + SPECIAL.get(name, [])


def check_decay_of_kernels():
    kernel, bias = keras.Variable([[1.0]]), keras.Variable([1.0])
    optimizer = table.optimizers.DecayKernelsOnly(table.optimizers.SGD(0.5, weight_decay=0.5))
    for decayed in (0.75, 0.5625):
        optimizer.apply([kernel * 0, bias * 0], [kernel, bias])
        assert kernel.numpy() == decayed
        assert bias.numpy() == 1.0
    assert len(optimizer.variables) == 2 + 2


def check_theta():
    # v = 3, theta = 3 - 0.5 * 3; then v = 0.25 * 3 + 2, theta = 1.5 - 0.5 * 2.75.
    variable = keras.Variable([3.0])
    optimizer = table.optimizers.Nesterov(0.5, 0.25)
    for g, theta in ((3.0, 1.5), (2.0, 0.125)):
        optimizer.apply([variable * 0 + g], [variable])
        assert optimizer.textbook_weights()[0] == theta


def check_average():
    recorded = AVERAGE[0]
    optimizer = table.make("ScheduleFreeAdamW", table.CASES["ScheduleFreeAdamW"][0])
    variables = table.compare(optimizer, copy.copy(recorded), STEPS, step=table.eager_step)
    y = table.values(variables)
    with optimizer.averaged_weights():
        for ours, state in zip(table.values(variables), recorded.oracle.state, strict=True):
            assert np.max(np.abs(ours - state.x)) < 1e-5 * np.max(np.abs(state.x))
    assert all(np.array_equal(a, b) for a, b in zip(y, table.values(variables), strict=True))


def check_rate_from_zero():
    optimizer = table.optimizers.ScheduleFreeAdamW(lambda: keras.ops.cast(optimizer.iterations, "float32"))
    variable = keras.Variable([1.0])
    optimizer.apply([variable * 0 + 1], [variable])
    assert float(variable.numpy()[0]) == 1.0


def check_zero_gradients(name):
    def check():
        variables = [keras.Variable([[1.0, 2.0]]), keras.Variable([[0.0, 0.0]])]
        optimizer = table.CASES[name][0] | {"weight_decay": None}
        optimizer = table.make(name, optimizer)
        optimizer.apply([variables[0] * 0, variables[1] * 0], variables)
        assert [v.numpy().tolist() for v in variables] == [[[1.0, 2.0]], [[0.0, 0.0]]]

    return check


def check_lars_at_zero():
    # The ratio is 1 if either norm is 0: from weights of 0 the step is the gradient, and decay alone moves the others.
    zero, still = keras.Variable([[0.0]]), keras.Variable([[1.0]])
    optimizer = table.optimizers.LARS(0.5, trust_coefficient=0.125, weight_decay=0.25)
    optimizer.apply([zero * 0 + 1, still * 0], [zero, still])
    assert (zero.numpy()[0, 0], still.numpy()[0, 0]) == (-0.5, 0.875)


AVERAGE = []
SPECIAL = {
    "Nesterov": [check_theta],
    "ScheduleFreeAdamW": [check_average, check_rate_from_zero],
    "Prodigy": [check_zero_gradients("Prodigy")],
    "LARS": [check_lars_at_zero],
}


def main(names):
    AVERAGE.append(Replay(table.make_oracle("ScheduleFreeAdamW", table.CASES["ScheduleFreeAdamW"][0]), STEPS))
    sources = {path.stem: path.read_text() for path in PACKAGE.glob("*.py")}
    trees = {stem: ast.parse(source) for stem, source in sources.items()}
    all_checks = {name: checks(name) for name in table.CLASSES}
    home = {name: cls.__module__.rpartition(".")[2] for name, cls in table.CLASSES.items()}
    table.optimizers = load(trees)
    for name in all_checks:
        for check in all_checks[name]:
            check()  # the unbroken package passes

    chosen = {home[name] for name in names} if names else set(trees) - {"__init__"}
    survivors, count, start = [], 0, time.time()
    np.seterr(all="ignore")
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
                table.optimizers = load(trees)
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

    unexplained = [s for s in survivors if s not in EQUIVALENT]
    print(f"{count} changes in {time.time() - start:.0f} s; not noticed: {len(survivors)}, of which")
    print(f"{len(survivors) - len(unexplained)} are equivalent and {len(unexplained)} are not:")
    for stem, line, change in unexplained:
        print(f"  {stem}.py: {change}: {line}")
    return bool(unexplained)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
