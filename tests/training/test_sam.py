"""Sharpness-aware training. Run with KERAS_BACKEND=jax or torch for those; test_backends.py does."""

import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.training import SAM

BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype("float32")
Y = RNG.integers(0, 3, size=12)


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def classifier(*middle):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, "tanh", bias_initializer="normal"), *middle, layers.Dense(3, "softmax")]
    )


def train(model, optimizer, x=X, y=Y, epochs=3, loss="sparse_categorical_crossentropy", fit=None, **compile_arguments):
    """Fit in the order given, in batches of 4 if `fit` does not say otherwise; the history."""
    model.compile(optimizer, loss, **compile_arguments)
    return model.fit(x, y, **{"batch_size": 4, "epochs": epochs, "shuffle": False, "verbose": 0, **(fit or {})}).history


# --- float64 NumPy oracle ---------------------------------------------------------------------------------------------


def oracle_gradient(weights, x, y, sample_weight):
    """Of mean(sample_weight * cross-entropy) of softmax(tanh(x A + a) B + b), by hand."""
    a_kernel, a_bias, b_kernel, b_bias = weights
    hidden = np.tanh(x @ a_kernel + a_bias)
    logits = hidden @ b_kernel + b_bias
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    d_logits = (p - np.eye(3)[y]) * sample_weight[:, None] / len(x)
    d_hidden = d_logits @ b_kernel.T * (1 - hidden**2)
    return [x.T @ d_hidden, d_hidden.sum(axis=0), hidden.T @ d_logits, d_logits.sum(axis=0)]


def oracle_perturbed(weights, gradients, rho, adaptive, eta=0.01):
    """Foret 2021, equation 2; Kwon 2021, Algorithm 1: rho T^2 g / ||T g|| with T = |w| + eta, T = 1 without."""
    w, g = (np.concatenate([a.ravel() for a in arrays]) for arrays in (weights, gradients))
    t = np.abs(w) + eta if adaptive else np.ones_like(w)
    moved = w + rho * t**2 * g / np.linalg.norm(t * g)
    ends = np.cumsum([a.size for a in weights])[:-1]
    return [part.reshape(a.shape) for part, a in zip(np.split(moved, ends), weights, strict=True)]


def oracle_sam(weights, rate, rho, adaptive, sample_weight, epochs=3):
    weights = [w.astype("float64") for w in weights]
    for _ in range(epochs):
        for i in range(0, len(X), 4):
            batch = X[i : i + 4].astype("float64"), Y[i : i + 4], sample_weight[i : i + 4]
            first = oracle_gradient(weights, *batch)
            second = oracle_gradient(oracle_perturbed(weights, first, rho, adaptive), *batch)
            weights = [w - rate * g for w, g in zip(weights, second, strict=True)]
    return weights


@pytest.mark.parametrize(
    ("rho", "adaptive", "weighting"),
    [(0.3, False, "none"), (0.3, False, "class_weight"), (0.6, True, "none"), (0.6, True, "sample_weight")],
)
def test_equals_oracle(rho, adaptive, weighting):
    sample_weight = np.random.default_rng(2).uniform(0.2, 2.0, len(X))
    fit = {"sample_weight": sample_weight.astype("float32")}
    if weighting == "none":
        sample_weight, fit = np.ones(len(X)), {}
    if weighting == "class_weight":
        fit = {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}}
        sample_weight = np.array([fit["class_weight"][k] for k in Y])
    model = classifier()
    start = values(model.weights)
    sam = SAM(model, rho=rho, adaptive=adaptive)
    train(sam, keras.optimizers.SGD(0.5), fit=fit)
    expected = oracle_sam(start, 0.5, rho, adaptive, sample_weight)
    for got, want in zip(values(model.weights), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)  # nine steps of float32 numbers about 1
    # The usual mistake is the first gradient taken twice, which is rho = 0: it ends far away.
    plain = oracle_sam(start, 0.5, 1e-12, adaptive, sample_weight)
    assert max(np.abs(a - b).max() for a, b in zip(plain, expected, strict=True)) > 0.02
    assert int(sam.optimizer.iterations) == 9


def test_compiled_otherwise():
    """XLA, several batches a call, and no compilation at all give the same weights."""
    ways = {"plain": {}, "eager": {"run_eagerly": True}}
    if BACKEND != "torch":
        ways |= {"several": {"steps_per_execution": 2}, "xla": {"jit_compile": True}}
    results = {}
    for way, arguments in ways.items():
        model = classifier()
        train(SAM(model, rho=0.3), keras.optimizers.Adam(0.05), **arguments)
        results[way] = values(model.weights)
    for way, result in results.items():
        for got, want in zip(result, results["plain"], strict=True):
            # Adam divides by roots of small squares: rounding grows to 1e-5.
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-4, err_msg=way)


# --- against plain training -------------------------------------------------------------------------------------------


def everything_at_once():
    averaging = {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4}
    return keras.optimizers.Adam(0.05, weight_decay=0.1, global_clipnorm=0.1, **averaging)


def accumulation():
    rate = keras.optimizers.schedules.CosineDecay(0.5, 9)
    return keras.optimizers.SGD(rate, momentum=0.9, gradient_accumulation_steps=2)


@pytest.mark.parametrize("optimizer", [everything_at_once, accumulation])
def test_rho_zero_is_plain_training_bit_for_bit(optimizer):
    """Weights, batch-norm statistics, dropout's states and the history, in the same random numbers."""
    middle = [layers.BatchNormalization, lambda: layers.Dropout(0.3), lambda: layers.Dropout(0.3, seed=3)]
    arguments = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    # Batches of 5, 5 and 2: the running loss must count samples, not batches.
    arguments["fit"] = {"batch_size": 5, "sample_weight": np.linspace(0.5, 2, 12)}
    plain = classifier(*[m() for m in middle])
    expected = train(plain, optimizer(), **arguments)
    model = classifier(*[m() for m in middle])
    history = train(SAM(model, rho=0.0), optimizer(), **arguments)
    assert history == expected
    for got, want in zip(values(model.weights), values(plain.weights), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("adaptive", [False, True])
def test_everything_but_the_weights_is_from_the_unperturbed_pass(adaptive):
    """With a rate of 0 the weights are bit for bit what they were; all else is as in plain training, once a step."""
    plain = classifier(layers.BatchNormalization(), layers.Dropout(0.3))
    expected = train(plain, keras.optimizers.SGD(0.0), metrics=["accuracy"])
    model = classifier(layers.BatchNormalization(), layers.Dropout(0.3))
    before = values(model.trainable_variables)
    sam = SAM(model, rho=2.0, adaptive=adaptive)
    history = train(sam, keras.optimizers.SGD(0.0), metrics=["accuracy"])
    for got, want in zip(values(model.trainable_variables), before, strict=True):
        np.testing.assert_array_equal(got, want)
    assert history == expected
    # Batch norm's moving statistics and dropout's seed state.
    assert len(model.non_trainable_variables) == 3
    for got, want in zip(values(model.non_trainable_variables), values(plain.non_trainable_variables), strict=True):
        np.testing.assert_array_equal(got, want)
    assert int(sam.optimizer.iterations) == 9


def test_loss_scale_changes_nothing():
    results = []
    for wrap in (lambda o: o, lambda o: keras.optimizers.LossScaleOptimizer(o, initial_scale=1024.0)):
        model = classifier()
        train(SAM(model, rho=0.3, adaptive=True), wrap(keras.optimizers.SGD(0.5)))
        results.append(values(model.weights))
    for got, want in zip(*results, strict=True):
        # A power of two is exact but in the norm's root: 1e-7 each step.
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-6)


def test_a_scaled_loss_that_overflows_skips_the_step():
    model = classifier()
    before = values(model.weights)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), initial_scale=float(np.finfo("f").max))
    train(SAM(model, rho=0.3), optimizer, epochs=1, loss_weights=100.0)
    assert int(optimizer.iterations) == 0
    for got, want in zip(values(model.weights), before, strict=True):
        np.testing.assert_array_equal(got, want)


def test_mixed_precision_trains():
    model = classifier()
    half = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config(layer.get_config() | {"dtype": "mixed_bfloat16"})
    )
    half.set_weights(values(model.weights))
    for m in (model, half):
        train(SAM(m, rho=0.3), keras.optimizers.SGD(0.5))
    assert half.layers[0].kernel.dtype == "float32"
    for got, want in zip(values(half.weights), values(model.weights), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=0.05)  # bfloat16 has 8 bits, and there are nine steps


def test_takes_over_the_precision_of_the_model():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = classifier()
    finally:
        keras.config.set_dtype_policy("float32")
    before = values(model.weights)
    sam = SAM(model)
    train(sam, keras.optimizers.SGD(0.5), epochs=1)
    assert isinstance(sam.optimizer, keras.optimizers.LossScaleOptimizer)
    assert all(np.isfinite(w).all() for w in values(model.weights))
    assert not np.array_equal(values(model.weights)[0], before[0])


# --- any model, against two plain steps -------------------------------------------------------------------------------


def embedding():
    """Masks, recurrence and sparse gradients."""
    inputs = keras.Input((6,), dtype="int32")
    h = layers.GRU(3, return_sequences=True)(layers.Embedding(7, 4, mask_zero=True)(inputs))
    return keras.Model(inputs, layers.Dense(2)(h)), RNG.integers(0, 5, (4, 6)), RNG.normal(size=(4, 6, 2)), "mse"


def penalties():
    """Losses from weights, activities and `add_loss`, and a layer that is not trained."""

    @keras.saving.register_keras_serializable("test_sam")
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(0.3 * keras.ops.mean(keras.ops.square(inputs)))
            return inputs

    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(0.2), activity_regularizer="l2"),
            layers.Dense(4, trainable=False),
            Penalty(),
            layers.Dense(1),
        ]
    )
    return model, X[:4], RNG.normal(size=(4, 1)), "mse"


def branches():
    """Two named inputs, two named outputs with a loss each, a convolution and batch norm."""
    image, vector = keras.Input((4, 4, 1), name="image"), keras.Input((5,), name="vector")
    h = layers.Flatten()(layers.BatchNormalization()(layers.Conv2D(2, 3)(image)))
    h = layers.Concatenate()([h, vector])
    outputs = [layers.Dense(1, name="a")(h), layers.Dense(3, "softmax", name="b")(h)]
    x = {"image": RNG.normal(size=(4, 4, 4, 1)), "vector": RNG.normal(size=(4, 5))}
    y = [RNG.normal(size=(4, 1)), RNG.integers(0, 3, size=4)]
    return keras.Model([image, vector], outputs), x, y, {"a": "mse", "b": "sparse_categorical_crossentropy"}


@pytest.mark.parametrize("build", [embedding, penalties, branches])
def test_any_model_equals_two_plain_steps(build):
    keras.utils.set_random_seed(4)
    model, x, y, loss = build()
    start = values(model.weights)

    def gradient(weights):
        """From a plain step of rate 1."""
        model.set_weights(weights)
        train(model, keras.optimizers.SGD(1.0), x, y, 1, loss)
        return [a - b for a, b in zip(weights, values(model.weights), strict=True)]

    trained = {id(v) for v in model.trainable_variables}
    is_trained = [id(v) in trained for v in model.weights]
    first = [g * t for g, t in zip(gradient(start), is_trained, strict=True)]
    norm = np.sqrt(sum(np.sum(g**2) for g in first))
    second = gradient([w + 0.1 / norm * g for w, g in zip(start, first, strict=True)])

    model.set_weights(start)
    sam = SAM(model, rho=0.1)
    train(sam, keras.optimizers.SGD(1.0), x, y, 1, loss)
    for w, g, t, got in zip(start, second, is_trained, values(model.weights), strict=True):
        if t:
            np.testing.assert_allclose(got, w - g, rtol=0, atol=1e-5)  # differences of float32 numbers of about 1
    assert max(np.abs(g - h).max() for g, h, t in zip(first, second, is_trained, strict=True) if t) > 1e-3


# --- details ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 3])
def test_both_passes_draw_the_same_dropout_mask(seed):
    # From weights of 0 the prediction is 0 and the gradient of (p - 1)^2 is -4 on the n inputs kept, whose values
    # dropout has doubled, so e = -rho / sqrt(n) there. With the same mask the second prediction is
    # 2 n e = -2 rho sqrt(n); another mask would keep only about half of the moved weights.
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((400,)),
            layers.Dropout(0.5, seed=seed),
            layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    sam = SAM(model, rho=0.1)
    train(sam, keras.optimizers.SGD(0.25), np.ones((1, 400)), np.ones((1, 1)), 1, "mse")
    (kernel,) = values(model.trainable_variables)
    kept = kernel != 0
    assert 150 < kept.sum() < 250
    second = -2 * 0.1 * np.sqrt(kept.sum())
    np.testing.assert_allclose(kernel[kept], -0.25 * 4 * (second - 1), rtol=1e-5)


@pytest.mark.parametrize("adaptive", [False, True])
def test_zero_gradient(adaptive):
    model = keras.Sequential([keras.Input((5,)), layers.Dense(1, kernel_initializer="zeros")])
    train(SAM(model, adaptive=adaptive), keras.optimizers.SGD(0.5), X, np.zeros((12, 1)), 1, "mse")
    for w in values(model.weights):
        np.testing.assert_array_equal(w, 0)


def test_perturbation_by_hand():
    sam = SAM(classifier(), rho=1.0)
    w, g = [np.array([1.0, -2.0], "float32"), np.array([5.0], "float32")], [np.array([3.0, 4.0], "float32"), None]
    moved = values(sam.perturbed(w, g))
    np.testing.assert_allclose(moved[0], [1.6, -1.2], rtol=1e-6)  # rho g / 5
    np.testing.assert_array_equal(moved[1], w[1])  # no gradient, no move
    # Adaptive with eta = 1: T = (2, 3), T g = (6, 12), norm sqrt(180), T^2 g = (12, 36).
    moved = values(SAM(classifier(), rho=1.0, adaptive=True, eta=1.0).perturbed(w, g))
    np.testing.assert_allclose(moved[0], w[0] + np.array([12, 36]) / np.sqrt(180), rtol=1e-6)
    # Squares of these would overflow float16.
    half = sam.perturbed([np.array([1.0, -2.0], "float16")], [np.array([3e4, 4e4], "float16")])
    np.testing.assert_allclose(values(half)[0], [1.6, -1.2], rtol=1e-3)


def test_save_in_mid_training_and_continue(tmp_path):
    # No dropout here: Keras itself does not save the states of its random generators.
    sam = SAM(classifier(layers.BatchNormalization()), rho=0.3, adaptive=True, eta=0.02, name="flat")
    train(sam, keras.optimizers.Adam(0.05), metrics=["accuracy"])
    sam.save(tmp_path / "sam.keras")
    again = keras.saving.load_model(tmp_path / "sam.keras")
    assert type(again) is SAM
    assert (again.rho, again.adaptive, again.eta, again.name) == (0.3, True, 0.02, "flat")
    for trainer in (sam, again):
        trainer.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    assert int(again.optimizer.iterations) == 12
    for got, want in zip(values(again.variables), values(sam.variables), strict=True):
        np.testing.assert_array_equal(got, want)


def test_weights_are_shared_and_outputs_equal():
    model = classifier(layers.Dropout(0.5))
    sam = SAM(model, rho=0.3)
    before = values(model.weights)
    train(sam, keras.optimizers.SGD(0.5))
    assert [v.path for v in sam.trainable_variables] == [v.path for v in model.trainable_variables]
    assert all(not np.array_equal(a, b) for a, b in zip(before, values(model.weights), strict=True))
    np.testing.assert_array_equal(sam.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_model_without_a_training_argument():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3, "softmax")

        def call(self, inputs):
            return self.dense(inputs)

    model = Plain()
    with pytest.raises(ValueError, match="`model` must be a built Keras model"):
        SAM(model)
    model(X)
    before = values(model.weights)
    train(SAM(model), keras.optimizers.SGD(0.5), epochs=1)
    assert not np.array_equal(before[0], values(model.weights)[0])


def test_bad_arguments():
    for rho in (-0.1, float("nan"), float("inf"), "large", None):
        with pytest.raises(ValueError, match=r"Argument `rho` must be a number of at least 0\. Received: rho="):
            SAM(classifier(), rho=rho)
    for eta in (0.0, -1.0, float("nan"), float("inf"), None):
        with pytest.raises(ValueError, match=r"Argument `eta` must be a positive number\. Received: eta="):
            SAM(classifier(), eta=eta)
    for model in (None, layers.Dense(2), keras.Sequential([layers.Dense(2)])):
        with pytest.raises(ValueError, match=r"Argument `model` must be a built Keras model\. Received: model="):
            SAM(model)


def test_a_model_with_its_own_training_step_is_refused():
    class Own(keras.Sequential):
        def train_step(self, *args):
            return super().train_step(*args)

    with pytest.raises(ValueError, match="its own train_step would be ignored"):
        SAM(Own([keras.Input((5,)), layers.Dense(3)]))


def test_uncompiled_and_frozen():
    sam = SAM(classifier())
    with pytest.raises(ValueError, match="compile"):
        sam.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="SAM must be compiled with an optimizer before it is trained"):
        sam.train_step((X, Y))


@pytest.mark.skipif(BACKEND == "jax", reason="on JAX plain training does not warn either")
def test_nothing_to_train_warns_as_plain_training():
    model = classifier()
    model.trainable = False
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        train(SAM(model), keras.optimizers.SGD(0.5), epochs=1)


@pytest.mark.skipif(BACKEND != "torch", reason="a torch module is a layer on torch only")
def test_a_layer_that_cannot_be_moved_is_an_error():
    import torch

    module = keras.layers.TorchModuleWrapper(torch.nn.Linear(5, 3))
    model = keras.Sequential([keras.Input((5,)), module, layers.Softmax()])
    with pytest.raises(ValueError, match="its layer does not read it through Keras"):
        train(SAM(model), keras.optimizers.SGD(0.5))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas():
    """Both replicas see the same eight samples, so the result and the history are those of one."""
    program = """
        import keras, numpy as np, tensorflow as tf
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        from kerasopt.training import SAM
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(4, 5)).astype("float32"), rng.integers(0, 3, 4)
        one, two = tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["cpu:0", "cpu:1"])
        results = []
        for strategy, copies in [(two, 2), (one, 1)]:
            keras.utils.set_random_seed(0)
            with strategy.scope():
                hidden, output = keras.layers.Dense(4, "tanh"), keras.layers.Dense(3, "softmax")
                model = keras.Sequential([keras.Input((5,)), hidden, output])
                sam = SAM(model, rho=0.3)
                optimizer = keras.optimizers.SGD(0.5, momentum=0.9)
                sam.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            data = [np.concatenate([a] * copies) for a in (x, y)]
            history = sam.fit(*data, batch_size=4 * copies, epochs=3, shuffle=False, verbose=0).history
            results.append(model.get_weights() + [history["loss"], history["accuracy"]])
        for a, b in zip(*results):
            np.testing.assert_allclose(a, b, atol=1e-5)
        assert sam.optimizer.iterations == 3
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
