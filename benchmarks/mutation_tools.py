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
    "diagnostics.gradient_check": ("gradient_check", {"test_a_trained_convolution_passes", "test_other_backends"}),
    "second_order.newton": ("newton", {"test_keras_is_left_in_float32"}),
    "initializers.lsuv": ("lsuv", set()),
    "pretraining.rbm": ("RBM", set()),
}
# Constructors are for the tests of arguments and configuration.
LEFT_OUT = {"__init__", "get_config"}

# (file, part of the line, start of the change) -> why no test can notice.
EQUIVALENT = {
    ("lsuv", "while abs(now[layer] - 1) >= tolerance", "GtE -> Gt"): "they are equal by accident of rounding only",
    ("lsuv", "abs(v - 1) < tolerance", "Lt -> LtE"): "they are equal by accident of rounding only",
    ("lsuv", "0 < now[layer] < math.inf", "Lt -> LtE"): "the variance of float32 numbers is finite or NaN",
    ("lsuv", "found[layer] = True", "True -> False"): "a dictionary for the order of its keys",
    ("newton", "objective.value_and_gradient(w)[1]", "1 -> -1"): "a pair",
    ("newton", "eigenvalues.min() > 0", "Gt -> GtE"): "zero is flat, one line above",
    ("newton", "eigenvalues.max() < 0", "Lt -> LtE"): "zero is flat, one line above",
}


class EndlessError(Exception):
    """A change made a loop endless."""


def end(*_):
    raise EndlessError


def calls(module, slow):
    """Return the calls that pytest makes of a module's tests, but of the slow ones and those that train and save."""
    result = []
    for name, test in vars(module).items():
        if not name.startswith("test_") or name in slow:
            continue
        fixtures = {"model", "tmp_path", "trained"} & set(inspect.signature(test).parameters)
        if fixtures - {"model"}:
            continue
        fixed = {"model": module.make_model()} if fixtures else {}
        sets = [{}]
        for mark in getattr(test, "pytestmark", []):
            names, values = mark.args
            names = names.split(",") if isinstance(names, str) else names
            values = [(value,) if len(names) == 1 else value for value in values]
            sets = [one | dict(zip(names, value, strict=True)) for one in sets for value in values]
        result += [functools.partial(test, **fixed, **one) for one in sets]
    return result


def main(names):
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, end)
    found = []
    for path, (public, slow) in TOOLS.items():
        folder, stem = path.split(".")
        if names and stem not in names:
            continue
        tests = importlib.import_module(f"tests.{folder}.test_{stem}")
        source = (ROOT / "kerasopt" / folder / f"{stem}.py").read_text()
        tree = ast.parse(source)
        checks = calls(tests, slow)

        def passes(limit, path=path, public=public, tests=tests, tree=tree, checks=checks):
            signal.alarm(limit)
            try:
                module = types.ModuleType(f"kerasopt.{path}")
                exec(compile(tree, path, "exec"), vars(module))
                setattr(tests, public, getattr(module, public))
                for check in checks:
                    check()
            except (Exception, pytest.fail.Exception):  # any failure at all notices the change
                return False
            finally:
                signal.alarm(0)
            return True

        start = time.time()
        if not passes(600):
            raise AssertionError(f"The tests of {path} fail without any change.")
        limit = 10 + 5 * int(time.time() - start)
        found += survivors(stem, source, tree, LEFT_OUT, functools.partial(passes, limit))
    return bool(unexplained(found, EQUIVALENT))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
