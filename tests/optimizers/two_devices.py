"""Every optimizer on two virtual CPUs; `test_backends.py` runs this file in a process that has them.

TensorFlow: a `MirroredStrategy`, whose replicas see different gradients, which are summed. JAX: `DataParallel`, with
every variable and slot on both devices.
"""

import keras
import numpy as np
import pytest

from . import table

BACKEND = keras.backend.backend()


def check(name, variables, step, optimizer, steps=7):
    """Hold the steps to the oracle, which sees the sum of what `step` gives the two devices."""
    oracle = table.make_oracle(name, table.CASES[name][0])
    expected = table.values(variables)
    for t in range(steps):
        g = table.gradients(expected, t)
        step(g)
        expected = oracle.step(expected, g)
    for ours, wanted in zip(table.values(variables), expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-5)  # float32


if BACKEND == "tensorflow":
    import tensorflow as tf

    @pytest.fixture(scope="module")
    def strategy():
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    @pytest.mark.parametrize("name", table.CASES)
    def test_mirrored(name, strategy):
        with strategy.scope():
            variables = [keras.Variable(w) for w in table.initial_weights()]
            optimizer = table.make(name, table.CASES[name][0])
            optimizer.build(variables)

        @tf.function
        def run(halves):
            strategy.run(lambda g: optimizer.apply(g, variables), args=(halves,))

        def step(gradients):
            # A quarter to the one replica, the rest to the other.
            parts = [[x * tf.constant(share) for x in gradients] for share in (0.25, 0.75)]
            run(strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group]))

        check(name, variables, step, optimizer)
        for variable in optimizer.variables:
            copies = [c.numpy() for c in strategy.experimental_local_results(variable.value)]
            assert len(copies) == 2
            np.testing.assert_array_equal(*copies)

    def test_mirrored_fit_with_slow_weights(strategy):
        x, y = np.random.default_rng(0).normal(size=(32, 4)), np.ones((32, 1))
        with strategy.scope():
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            model.compile(table.make("Lookahead", table.CASES["Lookahead"][0]), "mse")
        losses = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


if BACKEND == "jax":

    @pytest.fixture(scope="module", autouse=True)
    def distribution():
        devices = keras.distribution.list_devices()
        assert len(devices) == 2
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
        yield
        keras.distribution.set_distribution(None)

    @pytest.mark.parametrize("name", table.CASES)
    def test_data_parallel(name):
        variables = [keras.Variable(w) for w in table.initial_weights()]
        optimizer = table.make(name, table.CASES[name][0])
        check(name, variables, table.compiled_step(optimizer, variables), optimizer)
        for variable in [*variables, *optimizer.variables]:
            assert len(variable.value.sharding.device_set) == 2, variable.path

    @pytest.mark.parametrize("name", ["Nadam", "Prodigy", "Lookahead"])
    def test_data_parallel_fit(name):
        keras.utils.set_random_seed(0)
        x, y = np.random.default_rng(0).normal(size=(32, 4)), np.ones((32, 1))
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(table.make(name, table.CASES[name][0]), "mse")
        losses = model.fit(x, y, batch_size=16, epochs=8, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
