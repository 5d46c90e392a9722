"""What the tests of training share."""

import pytest

from kerasopt.training import _programs, fit


@pytest.fixture
def made(monkeypatch):
    """Counts the programs that are compiled."""
    made = []

    def make_program(*arguments):
        made.append(arguments[1])
        return _programs.make_program(*arguments)

    # The package's name `fit` is the function; the module is what it was defined in.
    monkeypatch.setitem(fit.__globals__, "make_program", make_program)
    return made
