"""What optimizers accept, refuse, store and give back."""

import inspect
import json

import keras
import numpy as np
import pytest

from kerasopt import optimizers

from . import table

NOT_A_NUMBER = ["0.5", None, True, float("nan")]
UNIT = [-0.1, 1.0, *NOT_A_NUMBER]  # for [0, 1)
POSITIVE = [0.0, float("inf"), *NOT_A_NUMBER]  # for (0, inf)
NOT_NEGATIVE = [-1e-9, float("inf"), *NOT_A_NUMBER]  # for [0, inf)
# What each argument must refuse, in every class that has it; where classes differ, the class is named.
REFUSED = {
    "learning_rate": NOT_NEGATIVE,
    "momentum": UNIT,
    "beta_1": UNIT,
    "beta_1 of ScheduleFreeAdamW": [0.0, *UNIT],
    "beta_2": UNIT,
    "beta_2 of RAdam": [0.0, *UNIT],
    "beta_3": [-0.1, 1.0, "0.5"],
    "rho": UNIT,
    "nu": [-0.1, 1.1, *NOT_A_NUMBER],
    "epsilon": NOT_NEGATIVE,
    "epsilon of AdaDelta": POSITIVE,
    "epsilon of COCOB": POSITIVE,
    "bias_correction": [1, None, "yes"],
    "amsgrad": [1, None, "yes"],
    "safeguard_warmup": [1, None, "yes"],
    "momentum_decay": NOT_NEGATIVE,
    "rho_threshold": [3.9, float("inf"), *NOT_A_NUMBER],
    "initial_accumulator": NOT_NEGATIVE,
    "trust_coefficient": POSITIVE,
    "alpha": POSITIVE,
    "initial_d": POSITIVE,
    "d_coefficient": POSITIVE,
    "growth_rate": [0.9, *NOT_A_NUMBER],
    "warmup_steps": [-1, 1.5, True, None],
    "r": NOT_NEGATIVE,
    "weight_lr_power": NOT_NEGATIVE,
    "weight_decay": [-0.1, float("inf"), "0.1", True],
    "inner": [None, "adam", keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), keras.optimizers.SGD],
    "sync_period": [0, 2.0, True, None],
    "slow_step_size": [0.0, 1.1, *NOT_A_NUMBER],
}
REFUSED_BASE = {
    "weight_decay": [-0.1, float("inf"), "0.1", True],
    "clipnorm": [0.0, -1.0, "1"],
    "clipvalue": [0.0, -1.0, "1"],
    "global_clipnorm": [0.0, -1.0, "1"],
    "ema_momentum": [-0.1, 1.1, "0.9"],
    "ema_overwrite_frequency": [0, 1.5, True],
    "loss_scale_factor": [0.0, -1.0, "8"],
    "gradient_accumulation_steps": [0, 1, 2.5, True],
}
# The ends of closed intervals.
ACCEPTED = {
    "learning_rate": [0, 0.0, 1, np.float32(0.5)],
    "momentum": [0, 0.0],
    "beta_1": [0.0],
    "beta_2": [0.0],
    "beta_3": [None, 0.0],
    "rho": [0.0],
    "nu": [0, 1],
    "epsilon": [0.0],
    "rho_threshold": [4],
    "growth_rate": [1, float("inf")],
    "weight_decay": [None, 0.0],
    "warmup_steps": [0, np.int64(3)],
    "sync_period": [1],
    "slow_step_size": [1],
}
SMALLEST = {("ScheduleFreeAdamW", "beta_1"), ("RAdam", "beta_2"), ("AdaDelta", "epsilon"), ("COCOB", "epsilon")}


def arguments_of(cls):
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "name"]


def create(cls, **arguments):
    if "inner" in arguments_of(cls):
        arguments = {"inner": keras.optimizers.AdamW()} | arguments
    return cls(**arguments)


@pytest.mark.parametrize("cls", table.CLASSES.values())
def test_arguments_out_of_range_are_refused(cls):
    for name in arguments_of(cls):
        for value in REFUSED.get(f"{name} of {cls.__name__}", REFUSED[name]):
            with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: .*{name}="):
                create(cls, **{name: value})
        for value in ACCEPTED.get(name, []):
            if (cls.__name__, name) not in SMALLEST:
                create(cls, **{name: value})


@pytest.mark.parametrize("name", [name for name in table.CLASSES if name not in table.WRAPPERS])
def test_base_arguments_out_of_range_are_refused(name):
    for argument, refused in REFUSED_BASE.items():
        for value in refused:
            with pytest.raises(ValueError, match=rf"^Argument `{argument}` must .*Received: {argument}="):
                table.CLASSES[name](**{argument: value})


def test_the_error_text_names_argument_interval_and_value():
    with pytest.raises(ValueError, match=r"^Argument `beta_1` must be in \[0, 1\). Received: beta_1=1.2$"):
        optimizers.Adam(beta_1=1.2)
    with pytest.raises(ValueError, match=r"^Argument `sync_period` must be an integer >= 1. Received: sync_period=0$"):
        optimizers.Lookahead(optimizers.SGD(), sync_period=0)
    with pytest.raises(ValueError, match=r"^Argument `amsgrad` must be True or False. Received: amsgrad=1$"):
        optimizers.Adam(amsgrad=1)
    with pytest.raises(ValueError, match="not recognized"):
        optimizers.SGD(momentum=0.9)


@pytest.mark.parametrize(("name", "arguments"), **table.cases())
def test_configuration_round_trip(name, arguments):
    base = {"clipnorm": 0.5, "use_ema": True, "ema_momentum": 0.75, "gradient_accumulation_steps": 4, "name": "other"}
    optimizer = table.make(name, arguments, **base)
    assert type(optimizer).__name__ == name
    # Through text, as in a saved model, and without `custom_objects`.
    text = json.dumps(keras.optimizers.serialize(optimizer))
    again = keras.optimizers.deserialize(json.loads(text))
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    config = again.get_config()
    for argument, value in arguments.items():
        if argument == "inner":
            config_of_inner = config["inner"]["config"]
            assert config_of_inner["clipnorm"] == 0.5
            assert config_of_inner["learning_rate"] == pytest.approx(value[1]["learning_rate"], rel=1e-7)
        else:  # the rate is a float32 variable, and comes back as its value
            assert config[argument] == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize("name", table.CASES)
def test_learning_rate_can_be_an_int_a_schedule_or_a_function_and_be_assigned(name):
    def make(rate):
        return table.make(name, table.with_rate(name, table.CASES[name][0], rate))

    optimizer = make(1)
    assert float(optimizer.learning_rate) == 1.0
    optimizer.learning_rate = 0.25
    assert float(optimizer.learning_rate) == 0.25
    assert float(keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)).learning_rate) == 0.25
    assert float(make(lambda: 0.125).learning_rate) == 0.125
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.9)
    assert float(make(schedule).learning_rate) == 0.5
    again = keras.optimizers.deserialize(keras.optimizers.serialize(make(schedule)))
    assert float(again.learning_rate) == 0.5
