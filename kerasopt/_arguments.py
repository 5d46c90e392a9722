"""Checks of arguments, each with the error that names the argument, the rule and the value."""

import numbers


def within(interval, **argument):
    """Return the one named argument as a float if it lies in `interval`, written as in "[0, 1)"; else raise."""
    ((name, value),) = argument.items()
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    inside = isinstance(value, numbers.Real) and not isinstance(value, bool) and low <= value <= high
    if not inside or (interval[0] == "(" and value == low) or (interval[-1] == ")" and value == high):
        raise ValueError(f"Argument `{name}` must be in {interval}. Received: {name}={value!r}")
    return float(value)


def at_least(minimum, **argument):
    """Return the one named argument as an int if it is a whole number not below `minimum`; else raise."""
    ((name, value),) = argument.items()
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"Argument `{name}` must be an integer >= {minimum}. Received: {name}={value!r}")
    return int(value)


def flag(**argument):
    """Return the one named argument if it is True or False; else raise."""
    ((name, value),) = argument.items()
    if not isinstance(value, bool):
        raise ValueError(f"Argument `{name}` must be True or False. Received: {name}={value!r}")
    return value
