"""Right gradients pass, and every planted bug is caught."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasopt.diagnostics import gradient_check

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(16, 4)), RNG.normal(size=(16, 4))
MEAN, VARIANCE, EPSILON, L2 = RNG.normal(size=4), RNG.uniform(0.5, 2, 4), 1e-3, 0.05


def make_model():
    """Dense 4 -> 4 (a square kernel), batch norm, tanh, dropout, Dense 4 -> 4, with an L2 penalty."""
    keras.utils.set_random_seed(0)
    result = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4, kernel_regularizer=keras.regularizers.L2(L2)),
            layers.BatchNormalization(epsilon=EPSILON),
            layers.Activation("tanh"),
            layers.Dropout(0.5),
            layers.Dense(4),
        ]
    )
    result.compile(loss="mse")
    w1, b1, gamma, beta, _, _, w2, b2 = result.get_weights()
    result.set_weights([w1, b1 + 0.1, gamma, beta, MEAN, VARIANCE, w2, b2])
    return result


@pytest.fixture(scope="module")
def model():
    return make_model()


def by_hand(bug=None):
    """Backpropagation in NumPy, right or with one of the usual bugs."""

    def gradient(weights):
        w1, b1, gamma, beta, w2, b2 = weights
        mean = np.zeros(4) if bug == "a stale batch-norm mean" else MEAN.astype("float32").astype("float64")
        deviation = np.sqrt(VARIANCE.astype("float32").astype("float64") + EPSILON)
        normal = (X @ w1 + b1 - mean) / deviation
        hidden = np.tanh(gamma * normal + beta)
        d_out = 2 * (hidden @ w2 + b2 - Y) / Y.size
        d_hidden = d_out @ (w2 if bug == "a transposed kernel" else w2.T)
        d_pre = d_hidden * (1 - hidden if bug == "a wrong activation derivative" else 1 - hidden**2)
        d_linear = d_pre * gamma / deviation
        d_w1 = X.T @ d_linear + (0 if bug == "a missing regularizer" else 2 * L2 * w1)
        d_b2 = np.zeros(4) if bug == "a forgotten bias" else d_out.sum(0)
        parts = [d_w1, d_linear.sum(0), (d_pre * normal).sum(0), d_pre.sum(0), hidden.T @ d_out, d_b2]
        return [2 * part if bug == "a factor of 2" else part for part in parts]

    return gradient


def test_a_right_model_and_a_right_gradient_pass(model):
    weights = model.get_weights()
    backends, hands = gradient_check(model, X, Y), gradient_check(model, X, Y, gradient=by_hand())
    assert backends.verdict == hands.verdict == "right", (backends, hands)
    # Rounding of the differences, 1e-11, beside a gradient near 0.1.
    assert backends.error < 1e-8
    assert sum(backends.checked) == sum(backends.sizes) == 48
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("bug", "culprit"),
    [
        ("a missing regularizer", 0),
        ("a factor of 2", 0),
        ("a transposed kernel", 0),
        ("a forgotten bias", 5),
        ("a wrong activation derivative", 0),
        ("a stale batch-norm mean", 2),
    ],
)
def test_planted_bugs_are_caught_and_found(model, bug, culprit):
    result = gradient_check(model, X, Y, gradient=by_hand(bug))
    assert result.verdict == "wrong"
    assert result.errors[culprit] > 0.01


def test_a_trained_convolution_passes():
    keras.utils.set_random_seed(1)
    images, labels = RNG.normal(size=(16, 6, 6, 1)), RNG.integers(0, 3, 16)
    net = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.compile("adam", "sparse_categorical_crossentropy")
    assert gradient_check(net, images, labels).verdict == "right"
    net.fit(images, labels, epochs=3, verbose=0)
    result = gradient_check(net, images, labels, max_parameters=40)
    assert result.verdict == "right", result
    assert all(count >= min(size, 10) for count, size in zip(result.checked, result.sizes, strict=True))
    assert sum(result.checked) < sum(result.sizes)


def test_a_large_point_is_sampled():
    point, slope = np.arange(1.0, 101), np.zeros(100)
    point[70] = -200.0
    # A wrong derivative in one entry of a hundred, the largest by far, is never missed.
    slope[70] = -1000.0
    result = gradient_check(
        lambda w: np.sum(w**2), point, gradient=lambda w: 2 * w + slope, max_parameters=20, seed=np.int64(1)
    )
    assert (result.checked, result.sizes, result.verdict) == ([20], [100], "wrong")
    seen = []
    for seed in (0, 0, 1):
        visited = set()

        def function(w, visited=visited):
            visited.update(np.flatnonzero(w != point))
            return np.sum(w**2)

        result = gradient_check(function, point, gradient=lambda w: 2 * w, max_parameters=20, seed=seed)
        assert (result.verdict, len(visited)) == ("right", 20)
        assert 70 in visited
        seen.append(visited)
    assert seen[0] == seen[1] != seen[2]
    assert gradient_check(np.sum, point, gradient=np.ones_like, max_parameters=100).checked == [100]
    assert gradient_check(np.sum, point, gradient=np.ones_like, max_parameters=1).checked == [10]


def test_every_weight_is_sampled(model):
    result = gradient_check(model, X, Y, max_parameters=30)
    assert (result.sizes, result.checked) == ([16, 4, 4, 4, 16, 4], [10, 4, 4, 4, 10, 4])


def test_the_points_of_the_differences():
    start, visited = np.array([0.5, -200.0]), []

    def function(w):
        visited.append(w - start)
        return np.sum(w**2)

    gradient_check(function, start, gradient=lambda w: 2 * w, step=1e-3)
    offsets = np.unique(np.round(visited, 9), axis=0)
    # Steps are relative to what is above 1; each is made whole and by half, either way.
    steps = [(h, 0) for h in (-1e-3, -5e-4, 5e-4, 1e-3)] + [(0, h) for h in (-0.2, -0.1, 0, 0.1, 0.2)]
    np.testing.assert_allclose(offsets, sorted(steps), atol=1e-9)


def test_the_rounding_of_a_large_value_is_no_mistake():
    for level in (1.0, 1e6, -1e6):
        for slope in (1e-4, 1e-9):
            result = gradient_check(
                lambda w, s=slope, c=level: c + s * w.sum(), np.ones(3), gradient=lambda w, s=slope: s + 0 * w
            )
            assert (result.verdict, result.kinks) == ("right", [0])
    # What rounding makes of a slope is 4.4e-10 at this step.
    for mistake, verdict in ((3e-10, "right"), (6e-10, "wrong")):
        result = gradient_check(lambda w: 1e-9 * w.sum(), np.ones(3), gradient=lambda w, m=mistake: 1e-9 + m + 0 * w)
        assert result.verdict == verdict
        assert (result.error > 0) == (result.errors[0] > 0) == (verdict == "wrong")
    wrong = gradient_check(lambda w: 1.0 + w.sum(), np.ones(3), gradient=lambda w: 1 + 1e-4 * np.ones(3))
    assert wrong.verdict == "suspicious"
    tiny = gradient_check(lambda w: 1e-3 * w.sum(), np.ones(3), gradient=lambda w: 1.00001e-3 * np.ones(3))
    assert tiny.verdict == "suspicious"


def test_kinks_are_reported_and_excuse_nothing_else():
    w = np.array([0.0, 1.0, -1.0])
    at_kink = gradient_check(lambda w: ops.sum(ops.relu(w)) + ops.sum(w**2), w)
    assert (at_kink.verdict, at_kink.kinks) == ("right", [1])
    # A kink just beside the point, within the step: the differences mix both slopes.
    beside = gradient_check(lambda w: ops.sum(ops.relu(w)), np.array([3e-6, 1.0]))
    assert (beside.verdict, beside.kinks) == ("right", [1])
    gross = gradient_check(lambda w: np.maximum(w, 0).sum(), w, gradient=lambda w: np.array([100.0, 1.0, 0.0]))
    assert (gross.verdict, gross.kinks) == ("wrong", [0])


@pytest.mark.parametrize(
    ("level", "bend", "gradient", "verdict", "kinks"),
    [
        # At a kink of slopes 0 and 1 ten times its bend is excused,
        (0.0, 1.0, 10.4, "right", 1),
        (0.0, 1.0, 11.0, "wrong", 0),
        (0.0, 10.0, 0.0, "right", 1),
        # beside a large slope as well, but not where rounding might be the bend:
        (100.0, 1.0, 100.0, "right", 1),
        (1e6, 10.0, 1e6, "suspicious", 0),
        # beside a large one, or in itself, by ten times what rounding makes of a slope, 4.4e-10 at this step.
        (0.0, 4.6e-9, 0.0, "right", 1),
        (0.0, 4.0e-9, 0.0, "wrong", 0),
    ],
)
def test_how_much_a_kink_excuses(level, bend, gradient, verdict, kinks):
    result = gradient_check(
        lambda w: level * w[0] + bend * max(w[0], 0.0), np.zeros(1), gradient=lambda w: np.full(1, gradient)
    )
    assert (result.verdict, result.kinks) == (verdict, [kinks])


def test_a_strong_curvature_is_no_kink():
    result = gradient_check(lambda w: 1e4 * w[0] ** 2, np.zeros(1), gradient=lambda w: np.full(1, 0.5))
    assert (result.verdict, result.kinks) == ("wrong", [0])


def test_both_zero_pass_and_a_zero_gradient_of_a_slope_does_not():
    point = np.ones(3)
    assert gradient_check(lambda w: 2.0, point, gradient=np.zeros_like).error == 0.0
    assert gradient_check(np.sum, point, gradient=np.zeros_like).error == 1.0


def test_verdicts_and_the_relative_error():
    for factor, verdict in ((1, "right"), (1 + 2e-5, "suspicious"), (1.01, "wrong")):
        result = gradient_check(lambda w: np.sum(w**2), np.ones(2), gradient=lambda w, f=factor: 2 * w * f)
        assert result.verdict == verdict
        assert result.error == pytest.approx((factor - 1) / (factor + 1), abs=1e-9)


def test_a_layer_is_checked_by_weights_and_inputs():
    result = gradient_check(layers.Dense(3, activation="tanh"), X)
    assert (result.verdict, result.sizes) == ("right", [12, 3, 64])
    assert [name.split("/")[-1] for name in result.names] == ["kernel", "bias", "input"]


def _wrong_square(x):
    """The square with a derivative of x rather than 2 x."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.custom_gradient(lambda x: (x * x, lambda g: g * x))(x)
    if backend == "jax":
        import jax

        function = jax.custom_vjp(lambda x: x * x)
        function.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))
        return function(x)
    import torch

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            context.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(context, g):
            return g * context.saved_tensors[0]

    return Square.apply(x)


@keras.saving.register_keras_serializable(package="kerasopt-tests")
class WrongSquare(layers.Layer):
    def call(self, inputs):
        return _wrong_square(inputs)


def test_a_wrong_custom_gradient_is_caught():
    assert gradient_check(WrongSquare(), X).verdict == "wrong"


def test_the_table():
    result = gradient_check(lambda w: np.sum(w), np.ones(3), gradient=np.ones_like)
    assert result.rows() == [
        ("weight", "relative error", "checked", "kinks", "verdict"),
        ("point", "0.0e+00", "3 of 3", "0", "right"),
        ("all", "0.0e+00", "3 of 3", "0", "right"),
    ]
    lines = repr(result).splitlines()
    assert [line.index("3 of 3") for line in lines[1:]] == [lines[0].index("checked")] * 2
    assert result._repr_html_().count("<tr>") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step": 0.0}, "step"),
        ({"step": 0.1}, "step"),
        ({"step": None}, "step"),
        ({"max_parameters": 0}, "max_parameters"),
        ({"max_parameters": 2.5}, "max_parameters"),
        ({"y": [1.0]}, "not a model"),
        ({"gradient": lambda w: np.ones(5)}, "shaped as the point"),
        ({"x": [np.nan, 1.0]}, "point of the check must be finite"),
        ({"target": 3}, "a layer or a function"),
        ({"target": lambda w: np.random.default_rng().normal()}, "the same twice"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        gradient_check(**{"target": np.sum, "x": np.ones(2), "gradient": np.ones_like, **arguments})
