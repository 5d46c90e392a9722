"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import kerasopt

MODULES = ["kerasopt", *(info.name for info in pkgutil.walk_packages(kerasopt.__path__, "kerasopt."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
