"""Draws are as large as the papers say, keep signals alive as theory says, and no two layers get the same one."""

import math

import keras
import numpy as np
import pytest

from kerasopt.initializers import He, LeCun, PerLayer, Xavier

CLASSES = [He, LeCun, Xavier]


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


# (shape, fan in, fan out): receptive field times channels in and out; Keras has (..., in, out) for all kernels.
SHAPES = [((300, 500), 300, 500), ((3, 5, 40, 60), 600, 900), ((7, 30, 90), 210, 630), ((3, 3, 400, 5), 3600, 45)]
VARIANCES = {
    He: lambda n_in, n_out: 2 / n_in,
    LeCun: lambda n_in, n_out: 1 / n_in,
    Xavier: lambda n_in, n_out: 2 / (n_in + n_out),
}


@pytest.mark.parametrize(("shape", "n_in", "n_out"), SHAPES)
@pytest.mark.parametrize("cls", CLASSES)
def test_deviations(cls, shape, n_in, n_out):
    deviation = math.sqrt(VARIANCES[cls](n_in, n_out))
    normal = numpy(cls(seed=1)(shape)) / deviation
    # 18,000 draws at the least: the standard error of a deviation is 0.5 %, that of a mean 0.7 %.
    assert normal.std() == pytest.approx(1, abs=0.02)
    assert normal.mean() == pytest.approx(0, abs=0.03)
    assert np.abs(normal).max() > 3, "not truncated"
    assert (np.abs(normal) < 1).mean() == pytest.approx(0.6827, abs=0.02), "normal"
    uniform = numpy(cls("uniform", seed=1)(shape)) / deviation
    assert uniform.std() == pytest.approx(1, abs=0.02)
    assert np.abs(uniform).max() == pytest.approx(math.sqrt(3), rel=1e-3)
    assert np.abs(uniform).max() <= math.sqrt(3) + 1e-6
    assert (np.abs(uniform) < 1).mean() == pytest.approx(1 / math.sqrt(3), abs=0.02)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_first_draw_is_that_of_keras(cls):
    scale, mode = {He: (2.0, "fan_in"), LeCun: (1.0, "fan_in"), Xavier: (1.0, "fan_avg")}[cls]
    for distribution, in_keras in (("normal", "untruncated_normal"), ("uniform", "uniform")):
        theirs = keras.initializers.VarianceScaling(scale, mode, in_keras, seed=5)
        np.testing.assert_array_equal(cls(distribution, seed=5)((4, 6)), theirs((4, 6)))


def flips(shape, seed):
    return np.random.default_rng(seed).choice([-1.0, 1.0], shape)


def signal(initializer, activation, layers=30, width=1024, samples=256):
    """The mean square of the output of every layer, before the activation, from an input whose mean square is 1.

    A draw's distribution does not change when signs flip, so flipping signs at random gives every sample a network
    of its own, nearly. The mean over all samples then comes close to the mean over draws that theory speaks of.
    """
    h, squares = flips((samples, width), 0), []
    for layer in range(layers):
        z = (h * flips(h.shape, [1, layer])).astype("float32") @ keras.ops.convert_to_numpy(initializer((width, width)))
        squares.append(np.mean(np.square(z, dtype="float64")))
        h = activation(z)
    return np.array(squares)


def test_he_keeps_the_size_of_the_signal_through_thirty_relu_layers():
    """He 2015, equation 9: E[z_l^2] = n Var(w) E[z_(l-1)^2] / 2, which He's variance makes the same in all layers.

    The first layer's input is not a ReLU's: it has the factor of 2 and not the half. One network's mean square has a
    deviation of sqrt(5 * 30 / 1024) = 0.38 by then, so the mean over 256 has one of 0.026.
    """
    relu = lambda z: np.maximum(z, 0)  # noqa: E731
    squares = signal(He(seed=3), relu)
    np.testing.assert_allclose(squares, 2, rtol=0.1)
    np.testing.assert_allclose(signal(He("uniform", seed=4), relu), 2, rtol=0.1)
    # The mistake: Xavier's variance of 1 / n halves it in every layer.
    np.testing.assert_allclose(signal(Xavier(seed=3), relu) * 2.0 ** np.arange(30), 1, rtol=0.1)


def test_lecun_under_tanh_follows_the_map_of_the_variance():
    """Poole 2016 (arXiv 1606.05340), equation 3 with a weight variance of 1 / n: q_(l+1) = E[tanh(sqrt(q_l) z)^2].

    z is standard normal; the mean is an integral, here by Gauss and Hermite. The input is as large in every unit and
    passes through no tanh, so q_1 = 1. Since tanh(u)^2 is about u^2 - 2 u^4 / 3, q shrinks, ever more slowly.
    """
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    q = [1.0]
    for _ in range(29):
        q.append(float(np.sum(weights * np.tanh(math.sqrt(q[-1]) * z) ** 2) / math.sqrt(2 * math.pi)))
    assert 0.01 < q[-1] < 0.03 < q[5] < 0.2
    np.testing.assert_allclose(signal(LeCun(seed=5), np.tanh), q, rtol=0.1)
    np.testing.assert_allclose(signal(Xavier(seed=6), np.tanh), q, rtol=0.1)  # the same, where all widths are equal


def test_one_instance_serves_a_model():
    he = He(seed=7)
    layers = [keras.layers.Dense(256, "relu", kernel_initializer=he) for _ in range(10)]
    model = keras.Sequential([keras.Input((256,)), *layers])
    x = np.random.default_rng(0).normal(size=(64, 256))
    # Behind a ReLU half of the mean square of 2 is left; sqrt(5 * 10 / 256) = 0.44 is one deviation.
    assert 0.3 < np.mean(np.square(numpy(model(x)))) < 3
    kernels = [numpy(layer.kernel) for layer in layers]
    for i, kernel in enumerate(kernels):
        assert all(abs(np.corrcoef(kernel.ravel(), other.ravel())[0, 1]) < 0.03 for other in kernels[:i])


MAKERS = {
    **{cls.__name__: lambda cls=cls: cls(seed=2) for cls in CLASSES},
    "uniform": lambda: He("uniform", seed=2),
    "unseeded": He,
    "generator": lambda: He(seed=keras.random.SeedGenerator(2)),
    "PerLayer": lambda: PerLayer("glorot_uniform"),
    "PerLayer seeded": lambda: PerLayer(keras.initializers.Orthogonal(), seed=2),
    "PerLayer of a seeded one": lambda: PerLayer(keras.initializers.TruncatedNormal(seed=2)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
def test_every_call_draws_afresh(make):
    initializer = make()
    draws = [numpy(initializer((20, 20))) for _ in range(4)]
    for i, draw in enumerate(draws):
        for other in draws[:i]:
            assert abs(np.corrcoef(draw.ravel(), other.ravel())[0, 1]) < 0.2  # four deviations of 1 / sqrt(400)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("unseeded", "PerLayer")])
def test_seeds_fix_all_draws_and_survive_saving(name):
    initializer = MAKERS[name]()
    config = keras.saving.serialize_keras_object(initializer)
    draws = [numpy(initializer((3, 4))) for _ in range(3)]
    again = MAKERS[name]()
    loaded = keras.saving.deserialize_keras_object(config)
    for draw in draws:
        np.testing.assert_array_equal(again((3, 4)), draw)
        np.testing.assert_array_equal(loaded((3, 4)), draw)
    assert keras.saving.serialize_keras_object(loaded) == config or name == "generator"


def test_unseeded_draws_follow_the_global_seed():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(11)
        draws.append([numpy(make()((3, 4))) for make in (He, He, lambda: PerLayer("he_normal"))])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0][0], draws[0][1])


def test_the_hazard_that_per_layer_is_for():
    shared = keras.initializers.HeNormal()
    first, second = (keras.layers.Dense(4, kernel_initializer=shared) for _ in range(2))
    first.build((None, 3)), second.build((None, 3))
    np.testing.assert_array_equal(first.kernel, second.kernel)  # if this fails, Keras has been repaired
    shared = PerLayer(shared)
    first, second = (keras.layers.Dense(4, kernel_initializer=shared) for _ in range(2))
    first.build((None, 3)), second.build((None, 3))
    assert not np.array_equal(first.kernel, second.kernel)


def test_per_layer_draws_what_the_inner_one_draws_and_leaves_it_alone():
    inner = keras.initializers.Orthogonal(gain=3.0, seed=4)
    shared = PerLayer(inner)
    np.testing.assert_array_equal(shared((5, 5)), inner((5, 5)))
    second = numpy(shared((5, 5)))
    np.testing.assert_allclose(second @ second.T, 9 * np.eye(5), atol=1e-4)
    assert inner.get_config()["seed"] == 4
    assert not np.array_equal(PerLayer(inner, seed=5)((5, 5)), inner((5, 5)))


def test_models_are_saved_and_loaded_with_them(tmp_path):
    path = tmp_path / "model.keras"
    layers = [
        keras.layers.Dense(5, kernel_initializer=initializer)
        for initializer in (He("uniform", seed=1), LeCun(), Xavier(), PerLayer(keras.initializers.Orthogonal()))
    ]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert [type(layer.kernel_initializer) for layer in loaded.layers] == [He, LeCun, Xavier, PerLayer]
    assert loaded.layers[0].kernel_initializer.get_config() == {"distribution": "uniform", "seed": 1}


@pytest.mark.parametrize(
    "call",
    [
        *(lambda cls=cls: cls(distribution="truncated_normal") for cls in CLASSES),
        lambda: He(distribution=None),
        lambda: PerLayer("zeros"),
        lambda: PerLayer(lambda shape, dtype=None: keras.ops.ones(shape, dtype)),
        lambda: PerLayer("he_normal", seed=-1),
        lambda: PerLayer("he_normal", seed=True),
        lambda: PerLayer("he_normal", seed="0"),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()
