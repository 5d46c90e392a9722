"""Break the tools that compute in every small way, as `mutation.py` does with the optimizers: does a test notice?

    python benchmarks/mutation_tools.py            # all of them, some minutes; needs torch (`make backends`)
    python benchmarks/mutation_tools.py newton     # only this one

The checks are the quick ones of `tests`, on the torch backend, which has nothing to compile.
"""

import ast
import functools
import importlib
import inspect
import os
import signal
import sys
import tempfile
import time
import types
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from mutants import survivors, unexplained  # noqa: E402

# Module -> (its public name that the tests call, and the tests that are too slow for hundreds of runs).
TOOLS = {
    "diagnostics.gradient_check": (
        "gradient_check",
        {"test_a_trained_convolution_passes", "test_other_backends"},
    ),
    "second_order.newton": ("newton", {"test_keras_is_left_in_float32"}),
    "initializers.lsuv": ("lsuv", {"test_the_model_trains_and_is_saved_afterwards"}),
    "pretraining.rbm": ("RBM", set()),
}
# Constructors are for the tests of arguments and configuration.
LEFT_OUT = {"__init__", "get_config"}

# (file, part of the line, start of the change) -> why no test can notice.
EQUIVALENT = {
    ("gradient_check", "strict=True", "True -> False"): "the lists are equally long",
    ("gradient_check", "start.size <= max_parameters", "LtE -> Lt"): "the other branch gives the same then",
    ("gradient_check", "indices[0] = largest", "0 -> "): "no matter which of the sample makes room",
    ("gradient_check", ".argmax()", "abs -> square"): "the largest in size has the largest square",
    ("gradient_check", "reshape(-1, 2)", "1 -> 2"): "NumPy takes any negative length for the rest",
    ("gradient_check", "value_and_gradient(point)[1]", "1 -> -1"): "a pair",
    ("gradient_check", "clone(x[:1])", "1 -> "): "any samples build it",
    ("gradient_check", "difference <= noise", "LtE -> Lt"): "they are equal by accident of rounding only",
    ("gradient_check", "error <= FINE", "LtE -> Lt"): "they are equal by accident of rounding only",
    ("gradient_check", "kink = (bend >", "Gt -> GtE"): "they are equal by accident of rounding only",
    ("gradient_check", "kink = (bend >", "LtE -> Lt"): "they are equal by accident of rounding only",
    ("rbm", "visible = input_shape[-1]", ""): "there are two axes: 1 and -1 are the same",
    ("rbm", "self.hidden_bias), axis=-1", ""): "there are two axes: 1 and -1 are the same",
    ("rbm", "ops.mean(error, axis=-1)", ""): "there are two axes: 1 and -1 are the same",
    ("rbm", "self.built = True", "True -> False"): "Keras sets it again",
    ("rbm", "uniform < probabilities", "Lt -> LtE"): "they are equal once in 2**24 draws",
    ("lsuv", "while abs(now[layer] - 1) >= tolerance", "GtE -> Gt"): "they are equal by accident of rounding only",
    ("lsuv", "abs(v - 1) < tolerance", "Lt -> LtE"): "they are equal by accident of rounding only",
    ("lsuv", "0 < now[layer] < math.inf", "Lt -> LtE"): "the variance of float32 numbers is finite or NaN",
    ("newton", "objective.value_and_gradient(w)[1]", "1 -> -1"): "a pair",
    ("newton", "eigenvalues.min() > 0", "Gt -> GtE"): "zero is flat, one line above",
    ("newton", "eigenvalues.max() < 0", "Lt -> LtE"): "zero is flat, one line above",
}


class EndlessError(Exception):
    """A change made a loop endless."""


def end(*_):
    raise EndlessError


def calls(module, slow, folder):
    """Return the calls that pytest makes of a module's tests but the slow ones, one for each set of parameters."""
    result = []
    fixtures = {"model": lambda: module.make_model(), "tmp_path": lambda: Path(folder)}
    for name, test in vars(module).items():
        if not name.startswith("test_") or name in slow:
            continue
        wanted = inspect.signature(test).parameters
        if "trained" in wanted:  # which is slow too
            continue
        fixed = {key: make() for key, make in fixtures.items() if key in wanted}
        sets = [{}]
        for mark in getattr(test, "pytestmark", []):
            names, values = mark.args
            names = names.split(",") if isinstance(names, str) else names
            values = [(value,) if len(names) == 1 else value for value in values]
            sets = [one | dict(zip(names, value, strict=True)) for one in sets for value in values]
        result += [functools.partial(test, **fixed, **one) for one in sets]
    return result


def examine(path, scratch):
    """Return the changes to one tool that no test notices."""
    (public, slow), (folder, stem) = TOOLS[path], path.split(".")
    tests = importlib.import_module(f"tests.{folder}.test_{stem}")
    source = (ROOT / "kerasopt" / folder / f"{stem}.py").read_text()
    tree = ast.parse(source)
    checks = calls(tests, slow, scratch)

    def use(tree):
        module = types.ModuleType(f"kerasopt.{path}")
        exec(compile(tree, path, "exec"), vars(module))
        setattr(tests, public, getattr(module, public))

    def duration(check):
        start = time.time()
        check()
        return time.time() - start

    use(tree)
    durations = {check: duration(check) for check in checks}  # the unbroken tool passes
    checks.sort(key=durations.get)  # the cheapest first, since most changes break many
    limit = 10 + 5 * int(sum(durations.values()))

    def passes():
        signal.alarm(limit)
        try:
            use(tree)
            for check in checks:
                check()
        except (Exception, pytest.fail.Exception):  # any failure at all notices the change
            return False
        finally:
            signal.alarm(0)
        return True

    return survivors(stem, source, tree, LEFT_OUT, passes)


def main(names):
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, end)
    with tempfile.TemporaryDirectory() as scratch:
        found = [s for path in TOOLS if not names or path.split(".")[1] in names for s in examine(path, scratch)]
    return bool(unexplained(found, EQUIVALENT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
