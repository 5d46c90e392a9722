"""What the tables cannot say: identities, the switches of weights, wrappers, and Keras's rules at equal arguments."""

import keras
import numpy as np
import pytest

from kerasopt import optimizers

from . import table

BACKEND = keras.backend.backend()


def trained(optimizer, steps=6, start=None):
    """Return the weights after some steps from the common start, and the variables."""
    variables = [keras.Variable(w) for w in table.initial_weights()]
    step = table.compiled_step(optimizer, variables)
    for t in range(steps):
        step(table.gradients(table.initial_weights(), t))
    return table.values(variables), variables


def assert_equal(ours, other):
    for a, b in zip(ours, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)  # both sides round in float32


# Ours and Keras's at the arguments with which the definitions meet. Epsilon is 0 where Keras has it inside the root, so
# the first three of the common gradients, which are 0 in places, are left out below.
BUILT_IN = {
    "SGD": (lambda: optimizers.SGD(0.1), lambda: keras.optimizers.SGD(0.1)),
    "Momentum": (lambda: optimizers.Momentum(0.1, 0.8), lambda: keras.optimizers.SGD(0.1, 0.8)),
    "Nesterov": (lambda: optimizers.Nesterov(0.1, 0.8), lambda: keras.optimizers.SGD(0.1, 0.8, nesterov=True)),
    "AdaGrad": (
        lambda: optimizers.AdaGrad(0.1, epsilon=0.0),
        lambda: keras.optimizers.Adagrad(0.1, initial_accumulator_value=0.0, epsilon=0.0),
    ),
    "AdaDelta": (
        lambda: optimizers.AdaDelta(0.5, 0.8, 0.01),
        lambda: keras.optimizers.Adadelta(0.5, rho=0.8, epsilon=0.01),
    ),
    "RMSProp": (
        lambda: optimizers.RMSProp(0.01, 0.8, epsilon=0.0),
        lambda: keras.optimizers.RMSprop(0.01, rho=0.8, epsilon=0.0),
    ),
    "Adam": (
        lambda: optimizers.Adam(0.05, 0.8, 0.95, 0.0),
        lambda: keras.optimizers.Adam(0.05, 0.8, 0.95, 0.0),
    ),
    "Adam, decayed": (
        lambda: optimizers.Adam(0.05, epsilon=0.0, weight_decay=0.1),
        lambda: keras.optimizers.AdamW(0.05, epsilon=0.0, weight_decay=0.1),
    ),
    "Nadam": (
        lambda: optimizers.Nadam(0.05, 0.8, 0.95, 0.01, momentum_decay=1.0),
        lambda: keras.optimizers.Nadam(0.05, 0.8, 0.95, 0.01),
    ),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_equal_to_the_built_in_where_the_definitions_meet(name):
    weights = []
    for make in BUILT_IN[name]:
        variable = keras.Variable(table.initial_weights()[0])
        step = table.compiled_step(make(), [variable])
        for t in range(6):
            step([table.gradients(table.initial_weights(), t + 3)[0]])
        weights += table.values([variable])
    assert_equal(weights[:1], weights[1:])


def test_adagrad_is_not_held_back_by_a_first_accumulator_as_the_built_in_is():
    ours, built_in = (keras.Variable([0.0]) for _ in range(2))
    g = keras.ops.array([1e-4])
    optimizers.AdaGrad(1.0).apply([g], [ours])
    keras.optimizers.Adagrad(1.0).apply([g], [built_in])
    ratio = table.values([ours])[0] / table.values([built_in])[0]
    assert ratio == pytest.approx(np.sqrt(0.1) / 1e-4, rel=0.01)  # 3162: its docstring says "some 3000"


def test_momentum_slows_down_at_once_when_the_rate_falls():
    ours, built_in = (keras.Variable([0.0]) for _ in range(2))
    for variable, optimizer in ((ours, optimizers.Momentum(0.1)), (built_in, keras.optimizers.SGD(0.1, momentum=0.9))):
        optimizer.apply([keras.ops.array([1.0])], [variable])
        optimizer.learning_rate = 0.0
        optimizer.apply([keras.ops.array([1.0])], [variable])
    np.testing.assert_allclose(table.values([ours, built_in]), [[-0.1], [-0.19]], rtol=1e-6)  # float32


@pytest.mark.parametrize(
    ("general", "special"),
    [
        (optimizers.QHM(0.1, momentum=0.8, nu=0.0), optimizers.SGD(0.1)),
        (optimizers.QHM(0.5, momentum=0.8, nu=1.0), optimizers.Momentum(0.1, 0.8)),
        (optimizers.QHM(0.5, momentum=0.8, nu=0.8), optimizers.Nesterov(0.1, 0.8)),
        (optimizers.Momentum(0.1, 0.0), optimizers.SGD(0.1)),
        (optimizers.Nesterov(0.1, 0.0), optimizers.SGD(0.1)),
        (optimizers.RMSProp(0.1, rho=0.9), optimizers.Adam(0.1, 0.0, 0.9, 1e-7, bias_correction=False)),
        (optimizers.Lookahead(optimizers.SGD(0.1), slow_step_size=1.0), optimizers.SGD(0.1)),
        (optimizers.Lookahead(optimizers.SGD(0.1), 1, 0.5), optimizers.SGD(0.05)),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_identities(general, special):
    assert_equal(trained(general)[0], trained(special)[0])


def test_adadelta_keeps_the_units_of_the_weights():
    # Gradients 1000 times as large make the same steps, once epsilon is small against both means.
    small, large = (keras.Variable([1.0, -2.0]) for _ in range(2))
    for variable, scale in ((small, 1.0), (large, 1000.0)):
        optimizer = optimizers.AdaDelta(epsilon=1e-12)
        for g in (1.0, -0.5, 2.0):
            optimizer.apply([keras.ops.array([g * scale, scale])], [variable])
    np.testing.assert_allclose(*table.values([small, large]), rtol=1e-6)


def test_nesterov_gives_the_theta_of_the_textbook():
    # v = 3, theta = 3 - 0.5 * 3; then, at a quarter of the rate, v = 0.25 * 3 + 2: theta moves on from the stored point
    # y = 1.5 - 0.5 * 0.25 * 3 by the gradient alone, since the velocity's part is in y.
    variable = keras.Variable([3.0])
    optimizer = optimizers.Nesterov(0.5, 0.25)
    for rate, g, theta in ((0.5, 3.0, 1.5), (0.125, 2.0, 1.125 - 0.125 * 2)):
        optimizer.learning_rate = rate
        optimizer.apply([variable * 0 + g], [variable])
        np.testing.assert_array_equal(table.values(optimizer.textbook_weights()), [[theta]])
    optimizer.learning_rate = 0.0625
    np.testing.assert_array_equal(table.values(optimizer.textbook_weights(rate)), [[theta]])


def test_radam_knows_the_length_of_short_averages_to_seven_digits():
    for beta_2 in (0.4, 0.9, 0.999, 0.99999):
        optimizer = optimizers.RAdam(beta_2=beta_2)
        for t in (1, 2, 4, 5, 9, 10, 18, 1000, 10**5, 10**7):
            optimizer.iterations.assign(t - 1)
            rho = 2 / (1 - beta_2) - 1 - 2 * t * beta_2**t / (1 - beta_2**t)
            # A handful of float32 roundings of 6e-8.
            np.testing.assert_allclose(table.values([optimizer._rho()])[0], rho, rtol=4e-7)


def test_schedule_free_shows_the_average_and_puts_the_weights_back():
    optimizer = optimizers.ScheduleFreeAdamW(0.1, beta_1=0.8)
    stored, variables = trained(optimizer)
    oracle = table.make_oracle("ScheduleFreeAdamW", {"learning_rate": 0.1, "beta_1": 0.8})
    weights = [w.astype("float64") for w in table.initial_weights()]
    for t in range(6):
        weights = oracle.step(weights, table.gradients(table.initial_weights(), t))
    with optimizer.averaged_weights():
        assert_equal(table.values(variables), [state.x for state in oracle.state])
    for kept, back in zip(stored, table.values(variables), strict=True):
        np.testing.assert_array_equal(kept, back)
    with pytest.raises(KeyError), optimizer.averaged_weights():
        raise KeyError
    for kept, back in zip(stored, table.values(variables), strict=True):
        np.testing.assert_array_equal(kept, back)


def test_schedule_free_waits_for_a_rate():
    optimizer = optimizers.ScheduleFreeAdamW(lambda: 0.0)
    variable = keras.Variable([1.0])
    optimizer.apply([variable * 0 + 1], [variable])
    np.testing.assert_array_equal(*table.values([variable]), [1.0])


def test_lars_where_a_norm_is_small_or_zero():
    # The ratio is 1 if either norm is 0: from weights of 0 the step is the gradient, and decay alone moves the others.
    zero, still, small = (keras.Variable([[w]]) for w in (0.0, 1.0, 0.25))
    optimizer = optimizers.LARS(0.5, trust_coefficient=0.125, weight_decay=0.25)
    optimizer.apply([zero * 0 + 1, still * 0, small * 0 + 0.25], [zero, still, small])
    step = 0.5 * 0.125 * 0.25 / (0.25 + 0.25 * 0.25) * (0.25 + 0.25 * 0.25)
    np.testing.assert_allclose(table.values([zero, still, small]), [[[-0.5]], [[0.875]], [[0.25 - step]]], rtol=1e-6)


def test_yogi_stands_still_where_the_second_moment_is_right():
    variable = keras.Variable([1.0])
    optimizer = optimizers.Yogi(0.5, beta_1=0.0, beta_2=0.5, epsilon=0.0, initial_accumulator=0.25)
    optimizer.apply([variable * 0 + 0.5], [variable])
    np.testing.assert_array_equal(*table.values([variable]), [0.5])  # 1 - 0.5 * 0.5 / sqrt(0.25)


def test_prodigy_stands_still_until_a_gradient_comes():
    variables = [keras.Variable([[1.0, 2.0]]), keras.Variable([0.0])]
    optimizers.Prodigy().apply([0 * v for v in variables], variables)
    for ours, start in zip(table.values(variables), ([[1.0, 2.0]], [0.0]), strict=True):
        np.testing.assert_array_equal(ours, start)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_variable_without_a_gradient_stays():
    moved, kept = keras.Variable([1.0]), keras.Variable([1.0])
    optimizers.SGD(0.5).apply([moved * 0 + 1, None], [moved, kept])
    np.testing.assert_array_equal(table.values([moved, kept]), [[0.5], [1.0]])


def test_building_a_wrapper_builds_the_inner_optimizer():
    for wrapper in (optimizers.Lookahead, optimizers.DecayKernelsOnly):
        optimizer = wrapper(optimizers.Adam(weight_decay=0.1))
        assert not optimizer.built
        optimizer.build([keras.Variable([1.0])])
        assert optimizer.built
        assert optimizer.inner.built
        # Twice a step count and a rate, the two moments, and the slow weights.
        assert len(optimizer.variables) == 6 + (wrapper is optimizers.Lookahead)


def test_decay_reaches_kernels_only():
    kernel, bias = keras.Variable([[1.0]]), keras.Variable([1.0])
    optimizer = optimizers.DecayKernelsOnly(optimizers.SGD(0.5, weight_decay=0.5))
    for decayed in (0.75, 0.5625):
        optimizer.apply([kernel * 0, bias * 0], [kernel, bias])
        np.testing.assert_array_equal(table.values([kernel])[0], [[decayed]])
        np.testing.assert_array_equal(table.values([bias])[0], [1.0])


def test_prodigy_distance_never_falls_and_is_saved():
    optimizer, distances = optimizers.Prodigy(), []
    variable = keras.Variable([3.0, -4.0])
    step = table.compiled_step(optimizer, [variable])
    for _ in range(60):
        step([np.sign(table.values([variable])[0]).astype("float32")])
        distances.append(float(optimizer.d))
    assert np.all(np.diff(distances) >= 0)
    assert 0.1 < distances[-1] < 5  # from 1e-6; no more than the farthest weight is from its solution
    assert any(v is optimizer.d for v in optimizer.variables)


def test_copies_of_weights_do_not_share_their_memory():
    for optimizer in (
        optimizers.COCOB(),
        optimizers.Prodigy(),
        optimizers.ScheduleFreeAdamW(),
        optimizers.Lookahead(optimizers.SGD()),
    ):
        variable = keras.Variable([1.0, 2.0])
        optimizer.build([variable])
        copies = [v for v in optimizer.variables if v.shape == variable.shape and np.all(table.values([v])[0] > 0.5)]
        assert len(copies) == 1
        variable.assign([5.0, 6.0])
        np.testing.assert_array_equal(*table.values(copies), [1.0, 2.0])


def test_lookahead_delegates_to_its_inner_optimizer():
    inner = keras.optimizers.Adam(0.5)
    optimizer = optimizers.Lookahead(inner)
    optimizer.learning_rate = 0.25
    assert float(inner.learning_rate) == 0.25
    variable = keras.Variable([1.0])
    optimizer.apply([keras.ops.array([1.0])], [variable])
    assert int(optimizer.iterations) == int(inner.iterations) == 1
    assert {id(v) for v in inner.variables} < {id(v) for v in optimizer.variables}


def test_a_loss_scale_optimizer_takes_over_from_the_inner_loss_scale():
    optimizer = optimizers.Lookahead(optimizers.SGD(0.5, loss_scale_factor=4.0))
    assert optimizer.loss_scale_factor == 4.0
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    variable = keras.Variable([1.0])
    table.compiled_step(scaled, [variable])([np.float32([8.0])])
    np.testing.assert_array_equal(*table.values([variable]), [0.5])


@pytest.mark.parametrize(
    "optimizer",
    [optimizers.SGD(0.1, use_ema=True), optimizers.Lookahead(keras.optimizers.SGD(0.1, use_ema=True))],
    ids=lambda optimizer: optimizer.name,
)
def test_a_second_fit_with_moving_averages(optimizer):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    losses = [model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0).history["loss"][0] for _ in range(3)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow's gradients of embeddings are sparse")
def test_fit_with_an_embedding():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Embedding(5, 2), keras.layers.Flatten()])
    model.compile(optimizers.Momentum(0.5, global_clipnorm=1.0, gradient_accumulation_steps=2), "mse")
    first = table.values(model.trainable_variables)[0]
    model.fit(np.array([[1, 3, 3]] * 4), np.zeros((4, 6)), batch_size=1, verbose=0)
    moved = np.any(table.values(model.trainable_variables)[0] != first, axis=1)
    np.testing.assert_array_equal(moved, [False, True, False, True, False])


@pytest.mark.parametrize("inner", [keras.optimizers.Adam, keras.optimizers.Lion, optimizers.NovoGrad])
def test_lookahead_goes_around_any_optimizer(inner):
    fast, alone = keras.Variable([1.0, -2.0]), keras.Variable([1.0, -2.0])
    optimizer, reference = optimizers.Lookahead(inner(), sync_period=2, slow_step_size=0.25), inner()
    for _ in range(2):
        optimizer.apply([keras.ops.array([1.0, -3.0])], [fast])
        reference.apply([keras.ops.array([1.0, -3.0])], [alone])
    start = np.array([1.0, -2.0])
    ours, theirs = table.values([fast, alone])
    np.testing.assert_allclose(ours - start, 0.25 * (theirs - start), rtol=1e-3)  # a difference of float32 near 2
    assert not np.array_equal(theirs, start)


@pytest.mark.parametrize(
    "inner",
    [
        keras.optimizers.AdamW(0.5, weight_decay=0.5),
        keras.optimizers.SGD(0.5, momentum=0.9, weight_decay=0.5),
        optimizers.Adam(0.5, weight_decay=0.5),
        optimizers.COCOB(0.5, weight_decay=0.5),
        optimizers.NovoGrad(0.5, beta_1=0.0, weight_decay=0.5),
        optimizers.ScheduleFreeAdamW(0.5, weight_decay=0.5),
        optimizers.Prodigy(0.5, initial_d=1.0, weight_decay=0.5),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_decay_of_kernels_only_survives_saving(inner, tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    model.compile(optimizers.DecayKernelsOnly(inner), "mse")
    for variable in model.trainable_variables:
        variable.assign(keras.ops.ones(variable.shape))
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer.inner) is type(inner)
    for made in (model, loaded):
        zero = [keras.ops.zeros(v.shape) for v in made.trainable_variables]
        made.optimizer.apply(zero, made.trainable_variables)
        kernel, *vectors = table.values(made.trainable_variables)
        np.testing.assert_allclose(kernel, np.full((2, 2), 0.75), rtol=1e-6)
        for vector in vectors:
            np.testing.assert_array_equal(vector, np.ones(2))


def test_decay_of_kernels_only_wants_a_decay():
    with pytest.raises(ValueError, match="must have a `weight_decay` > 0"):
        optimizers.DecayKernelsOnly(keras.optimizers.Adam())


def test_excluding_by_name_reaches_through_a_wrapper():
    optimizer = optimizers.Lookahead(optimizers.SGD(0.5, weight_decay=0.5))
    kernel, bias = keras.Variable([1.0], name="kernel"), keras.Variable([1.0], name="bias")
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([keras.ops.zeros(1), keras.ops.zeros(1)], [kernel, bias])
    np.testing.assert_allclose(table.values([kernel, bias]), [[0.75], [1.0]])


@pytest.mark.parametrize("name", ["Nadam", "Prodigy", "ScheduleFreeAdamW", "Lookahead"])
def test_mixed_precision_fit(name):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    layers = [keras.Input((4,)), keras.layers.Dense(3, dtype="mixed_float16"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.LossScaleOptimizer(table.make(name, table.CASES[name][0]))
    model.compile(optimizer, "mse")
    losses = model.fit(x, x[:, :1], batch_size=16, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all(keras.backend.standardize_dtype(v.dtype) == "float32" for v in model.trainable_variables)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("jit_compile", ["auto", True])
@pytest.mark.parametrize("name", ["COCOB", "Lookahead"])
def test_copies_hold_the_first_weights_however_the_first_step_is_compiled(name, jit_compile, built):
    if jit_compile is True and (not built or BACKEND == "torch"):
        pytest.skip("XLA in TensorFlow wants a built model here, and torch would need a C++ compiler")
    first = []
    for fitted in (False, True):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,))] * built + [keras.layers.Dense(2)])
        model.compile(table.make(name, table.CASES[name][0]), "mse", jit_compile=jit_compile)
        if fitted:
            model.fit(np.ones((8, 4)), np.ones((8, 2)), batch_size=4, verbose=0)
        else:
            model.build((None, 4))
            first = table.values(model.trainable_variables)
    kept = table.values(model.optimizer.variables)
    for w in first:
        assert any(k.shape == w.shape and np.array_equal(k, w) for k in kept)
