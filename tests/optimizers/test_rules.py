"""Every optimizer against its oracle, on the backend in use."""

import inspect

import keras
import pytest

from ..oracles import optimizers as oracles
from . import table


def test_every_public_class_has_an_oracle_and_a_case():
    assert set(table.CLASSES) == set(table.CASES) | table.WITHOUT_ORACLE


@pytest.mark.parametrize("name", table.CASES)
def test_arguments_and_defaults_are_the_agreed_ones(name):
    ours, agreed = (inspect.signature(cls).parameters.values() for cls in (table.CLASSES[name], getattr(oracles, name)))
    own = [(p.name, p.default) for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "name"]
    assert own == [(p.name, p.default) for p in agreed]


@pytest.mark.parametrize(("name", "arguments"), **table.cases())
def test_fifty_steps_equal_the_oracle(name, arguments):
    table.compare(table.make(name, arguments), table.make_oracle(name, arguments))


@pytest.mark.parametrize("name", table.CASES)
def test_a_schedule_equals_the_oracle(name):
    arguments = table.CASES[name][0]
    rate = table.rate_of(name, arguments)
    schedule = keras.optimizers.schedules.InverseTimeDecay(rate, 1, 0.1)
    oracle = table.make_oracle(name, table.with_rate(name, arguments, lambda step: rate / (1 + 0.1 * step)))
    table.compare(table.make(name, table.with_rate(name, arguments, schedule)), oracle, steps=10)
