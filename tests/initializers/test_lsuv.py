"""LSUV reaches unit variance in every layer of any kind of model, changes nothing but kernels, and tells what it did.

`check_*` functions are quick and need no fixtures; `pytest` finds them through the tests that call them.
"""

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.initializers import lsuv


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def normal(*shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).normal(size=shape)


def dense():
    """Saturating, dead-ish and plain activations, dropout that must be off, biases that must stay."""
    hidden = [layers.Dense(30, name=f"d{i}", activation=a) for i, a in enumerate(("relu", "tanh", "sigmoid", None))]
    stack = [keras.Input((20,)), *hidden[:2], layers.Dropout(0.5), *hidden[2:], layers.Dense(10, "softmax", name="out")]
    return keras.Sequential(stack), normal(200, 20, scale=30), ["d0", "d1", "d2", "d3", "out"]


def convolutional():
    image = keras.Input((10, 10, 2))
    h = layers.Conv2D(8, 3, activation="relu", name="conv")(image)
    h = layers.DepthwiseConv2D(3, padding="same", activation=layers.LeakyReLU(), name="depthwise")(h)
    h = layers.SeparableConv2D(8, 3, name="separable")(h)
    h = layers.BatchNormalization()(h)
    h = layers.Conv2DTranspose(6, 3, activation=layers.PReLU(), name="transposed")(h)
    h = layers.GlobalMaxPooling2D()(h)
    model = keras.Model(image, layers.Dense(3, name="head")(h))
    return (
        model,
        0.01 * np.random.default_rng(0).uniform(size=(64, 10, 10, 2)),
        [
            "conv",
            "depthwise",
            "separable",
            "transposed",
            "head",
        ],
    )


def residual():
    """Sums double the variance of a plain draw in every block."""
    x = keras.Input((16,))
    h, names = x, []
    for block in range(3):
        inner = layers.Dense(16, "relu", name=f"b{block}_in")(h)
        h = layers.Add()([h, layers.Dense(16, name=f"b{block}_out")(inner)])
        names += [f"b{block}_in", f"b{block}_out"]
    return keras.Model(x, h), normal(300, 16, scale=4), names


def branched():
    """Two inputs, two branches, a model within a model within the model."""
    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    a, b = layers.Dense(4, "tanh", name="a")(left), layers.Dense(5, "elu", name="b")(right)
    deep = keras.Sequential([keras.Input((7,)), layers.Dense(6, name="deepest")])
    nested = keras.Sequential([keras.Input((9,)), layers.Dense(7, "selu", name="nested"), deep])
    model = keras.Model([left, right], nested(layers.Concatenate()([a, b])))
    return model, [normal(100, 6, scale=9), normal(100, 4, seed=1, scale=0.1)], ["a", "b", "nested", "deepest"]


@keras.saving.register_keras_serializable(package="tests")
class Block(keras.layers.Layer):
    """A layer that holds layers, in a list and in a dictionary."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(8, "relu", name="in_a_list")]
        self.more = {"part": layers.Dense(8, name="in_a_dictionary")}

    def call(self, x):
        return self.more["part"](self.parts[0](x))


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        # Created in another order than that in which the data pass.
        self.last = layers.Dense(3, name="last")
        self.block = Block()
        self.attention = layers.MultiHeadAttention(2, 4, name="attention")
        self.recurrent = layers.LSTM(4)

    def call(self, x):
        return self.last(self.recurrent(self.attention(self.block(x), x)))


def subclassed():
    model, x = Subclassed(), normal(50, 5, 8, scale=3)
    model(x)
    names = ["in_a_list", "in_a_dictionary", "query", "value", "key", "attention_output", "last"]
    return model, x, names


MODELS = [dense, convolutional, residual, branched, subclassed]


def variances(model, x, names):
    """The variances of the named layers' outputs before the activation, found in another way: one layer at a time.

    The layers' activations are replaced by the identity one by one, and their outputs read by a model in between.
    """
    found = {}
    for layer in flatten(model):
        if layer.name in names:
            outputs = []
            call = layer.call

            def spy(inputs, *_, call=call, outputs=outputs, layer=layer, **__):
                own = {name: value for name, value in vars(layer).items() if name == "activation"}
                vars(layer)["activation"] = keras.activations.linear  # torch takes no assignment for a layer
                outputs.append(numpy(call(inputs)))
                del vars(layer)["activation"]
                vars(layer).update(own)
                return call(inputs)

            layer.call = spy
            model(x, training=False)
            layer.call = call
            found[layer.name] = np.var(np.concatenate([o.ravel() for o in outputs]))
    return found


def flatten(layer):
    """All layers below, for the kinds of models above."""
    inner = getattr(layer, "layers", None)
    if inner is None and isinstance(layer, Block):
        inner = [*layer.parts, *layer.more.values()]
    if inner is None and isinstance(layer, layers.MultiHeadAttention):
        inner = [layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense]
    return [layer] if inner is None else [below for one in inner for below in flatten(one)]


@pytest.mark.parametrize("make", MODELS)
def test_every_layer_reaches_unit_variance(make):
    model, x, names = make()
    others = [(v, numpy(v)) for v in model.variables if "kernel" not in v.name or "lstm" in v.path]
    activations = {layer.name: getattr(layer, "activation", None) for layer in flatten(model)}
    report = lsuv(model, x)
    assert sorted(layer.name for layer in report) == sorted(names)
    measured = variances(model, x, names)
    for layer in report:
        assert abs(layer.after - 1) < 0.1
        assert layer.reached
        assert measured[layer.name] == pytest.approx(layer.after, rel=1e-3), layer.name
    for v, value in others:
        np.testing.assert_array_equal(numpy(v), value, err_msg=v.path)
    assert {layer.name: getattr(layer, "activation", None) for layer in flatten(model)} == activations


def test_layers_are_reported_in_the_order_of_the_data():
    for make in (dense, residual, subclassed):
        model, x, names = make()
        reported = [layer.name for layer in lsuv(model, x)]
        assert [n for n in reported if n not in ("key", "value")] == [n for n in names if n not in ("key", "value")]


def small(activation="relu", units=6, **arguments):
    stack = [layers.Dense(units, activation, name=f"d{i}", **arguments) for i in range(3)]
    return keras.Sequential([keras.Input((5,)), *stack])


def check_kernels_are_orthonormal_up_to_their_scale():
    model = small()
    lsuv(model, normal(40, 5))
    for i, layer in enumerate(model.layers):
        kernel = numpy(layer.kernel)
        product = kernel @ kernel.T
        np.testing.assert_allclose(product / product[0, 0], np.eye(len(kernel)), atol=1e-5)
        draw = numpy(keras.initializers.Orthogonal(seed=i)(kernel.shape))
        np.testing.assert_allclose(kernel * draw[0, 0] / kernel[0, 0], draw, atol=1e-5)


def check_the_arithmetic_step_by_step():
    """Algorithm 1 in NumPy, for a network of dense ReLU layers with biases."""
    model, x = small(bias_initializer=keras.initializers.RandomNormal(stddev=0.7, seed=1)), normal(40, 5, scale=0.2)
    for layer in model.layers:
        layer.kernel.assign(3 * numpy(layer.kernel))
    before, h = [], x
    for layer in model.layers:
        z = h @ numpy(layer.kernel) + numpy(layer.bias)
        before.append(z.var())
        h = np.maximum(z, 0)
    report = lsuv(model, x, tolerance=0.01, max_iterations=7, seed=4)
    h = x
    for i, (layer, told) in enumerate(zip(model.layers, report, strict=True)):
        kernel = numpy(keras.initializers.Orthogonal(seed=4 + i)(layer.kernel.shape))
        scalings = 0
        z = h @ kernel + numpy(layer.bias)
        while abs(z.var() - 1) >= 0.01 and scalings < 7:
            kernel, scalings = kernel / np.sqrt(z.var()), scalings + 1
            z = h @ kernel + numpy(layer.bias)
        np.testing.assert_allclose(numpy(layer.kernel), kernel, rtol=1e-4, atol=1e-6)
        assert told == (f"d{i}", pytest.approx(before[i], rel=1e-4), pytest.approx(z.var(), rel=1e-4), scalings, True)
        h = np.maximum(z, 0)
    assert max(told.scalings for told in report) > 1, "the bias makes one step too few"


def check_kernels_that_are_there_can_be_kept():
    model, x = small(), normal(40, 5)
    kernels = [numpy(layer.kernel) for layer in model.layers]
    for layer, factor in zip(model.layers, (50.0, 0.001, 7.0), strict=True):
        layer.kernel.assign(factor * numpy(layer.kernel))
    lsuv(model, x, tolerance=1e-3, orthonormal=False)
    for kernel, layer in zip(kernels, model.layers, strict=True):
        after = numpy(layer.kernel)
        np.testing.assert_allclose(after / np.linalg.norm(after), kernel / np.linalg.norm(kernel), atol=1e-6)
    again = [numpy(layer.kernel) for layer in model.layers]
    assert [layer.scalings for layer in lsuv(model, x, tolerance=0.01, orthonormal=False)] == [0, 0, 0]
    np.testing.assert_array_equal([numpy(layer.kernel) for layer in model.layers][2], again[2])


def check_the_number_of_scalings_is_limited():
    # A bias whose variance alone is 100 cannot be scaled away.
    model = small(bias_initializer=keras.initializers.RandomNormal(stddev=10, seed=1))
    assert [layer.scalings for layer in lsuv(model, normal(40, 5), max_iterations=1)] == [1, 1, 1]
    report = lsuv(model, normal(40, 5), max_iterations=3)
    assert [layer.scalings for layer in report] == [3, 3, 3]
    assert not any(layer.reached for layer in report)
    assert all(layer.after > 1.1 for layer in report)
    assert str(report).count("tolerance not reached") == 3


def check_a_tolerance_is_kept_from_both_sides():
    for scale in (0.97, 1.03):
        model = keras.Sequential([keras.Input((5,)), layers.Dense(5, name="only")])
        x = normal(400, 5)
        x = scale * x / np.sqrt((x**2).mean()) @ np.eye(5)
        x -= x.mean(axis=0)
        assert lsuv(model, x, tolerance=0.1)[0].scalings == 0
        assert lsuv(model, x, tolerance=0.02)[0].scalings == 1


def check_frozen_layers_stay():
    model, x = small(), normal(40, 5)
    model.layers[1].trainable = False
    kernel = numpy(model.layers[1].kernel)
    assert [layer.name for layer in lsuv(model, x)] == ["d0", "d2"]
    np.testing.assert_array_equal(numpy(model.layers[1].kernel), kernel)


def check_a_shared_layer_is_scaled_once_for_all_its_uses():
    x = keras.Input((5,))
    shared = layers.Dense(5, name="shared")
    model = keras.Model(x, layers.Add()([shared(x), shared(layers.Rescaling(3.0)(x))]))
    data = normal(40, 5)
    (told,) = lsuv(model, data, tolerance=0.01)
    z = data @ numpy(shared.kernel)
    assert np.var([z, 3 * z]) == pytest.approx(told.after, rel=1e-4)


def check_a_separable_convolution_is_scaled_at_its_last_kernel():
    layer = layers.SeparableConv2D(4, 3)
    lsuv(keras.Sequential([keras.Input((6, 6, 2)), layer]), normal(20, 6, 6, 2, scale=5.0))
    depthwise = layer.depthwise_kernel
    np.testing.assert_allclose(
        numpy(depthwise), numpy(keras.initializers.Orthogonal(seed=0)(depthwise.shape)), atol=1e-6
    )


def check_errors_leave_the_model_as_it_was():
    model = small()
    kernels = [numpy(layer.kernel) for layer in model.layers]
    activations = [layer.activation for layer in model.layers]
    model.layers[1].bias.assign(-1e6 * np.ones(6))  # the ReLU behind it lets nothing through
    with pytest.raises(ValueError, match=r"Received: a variance of 0.0 in layer 'd2'"):
        lsuv(model, normal(40, 5))
    with pytest.raises(ValueError, match="must hold finite numbers"):
        lsuv(model, normal(40, 5) * np.nan)
    for layer, kernel, activation in zip(model.layers, kernels, activations, strict=True):
        np.testing.assert_array_equal(numpy(layer.kernel), kernel)
        assert layer.activation is activation


def check_the_report():
    model = small(activation=None)
    report = lsuv(model, normal(40, 5, scale=2.0))
    lines = str(report).splitlines()
    assert lines[0].startswith("layer  variance before")
    assert lines[0].split() == ["layer", "variance", "before", "after", "scalings"]
    assert len({len(line) for line in lines}) == 1, "columns stand below each other"
    name, before, after, scalings = lines[1].split()
    assert (name, int(scalings)) == ("d0", 1)
    assert float(before) == pytest.approx(report[0].before, rel=1e-3)
    assert float(after) == pytest.approx(1, abs=1e-3)


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
def test_small(check):
    check()


def test_the_model_trains_and_is_saved_afterwards(tmp_path):
    model, x, _ = convolutional()
    lsuv(model, x)
    model.compile("adam", "mse", run_eagerly=True)
    history = model.fit(x, numpy(model(x)) * 0, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(x)), numpy(model(x)), rtol=1e-5, atol=1e-6)


def test_seeds():
    kernels = []
    for seed in (0, 0, 1):
        model = small()
        lsuv(model, normal(40, 5), seed=seed)
        kernels.append(numpy(model.layers[0].kernel))
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


@pytest.mark.parametrize(
    "call",
    [
        lambda: lsuv(layers.Dense(3), normal(4, 5)),
        lambda: lsuv(keras.Sequential([keras.Input((5,)), layers.BatchNormalization()]), normal(4, 5)),
        lambda: lsuv(small(), normal(0, 5)),
        lambda: lsuv(small(), []),
        lambda: lsuv(small(), np.full((4, 5), np.inf)),
        lambda: lsuv(small(), np.array([[0, 1, 2, 3, np.nan]])),
        lambda: lsuv(branched()[0], [normal(4, 6), np.full((4, 4), np.nan)]),
        lambda: lsuv(small(), np.zeros((4, 5))),
        lambda: lsuv(small(), normal(4, 5), tolerance=0.0),
        lambda: lsuv(small(), normal(4, 5), tolerance=1.0),
        lambda: lsuv(small(), normal(4, 5), max_iterations=0),
        lambda: lsuv(small(), normal(4, 5), orthonormal=1),
        lambda: lsuv(small(), normal(4, 5), seed=-1),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()


def test_an_unbuilt_model_is_told_so():
    with pytest.raises(ValueError, match="must be a built Keras model"):
        lsuv(keras.Sequential([layers.Dense(3)]), normal(4, 5))
