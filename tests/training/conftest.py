"""What the tests of `fit` and `compare` share."""

import pytest

from kerasopt.training import _programs
from kerasopt.training.fit import fit


@pytest.fixture
def made(monkeypatch):
    """The kinds of the programs that were compiled, in order."""
    made = []

    def make_program(*arguments):
        made.append(arguments[1])
        return _programs.make_program(*arguments)

    # The package's name `fit` is the function; the module's names are the function's globals.
    monkeypatch.setitem(fit.__globals__, "make_program", make_program)
    return made
