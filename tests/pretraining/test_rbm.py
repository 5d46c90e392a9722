"""The RBM against exact enumeration, where it is small enough, and against scikit-learn's where it is not.

`check_*` functions are quick and run eagerly; `test_small` calls them all.
"""

import itertools

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

import kerasopt
from kerasopt.pretraining import RBM

VISIBLE, HIDDEN, SAMPLES = 4, 3, 20_000
# The mean of 20,000 products of numbers in [0, 1] has a standard error of 0.0035 at most: four of them, and a little.
NOISE = 0.016
STATES = np.array(list(itertools.product([0.0, 1.0], repeat=VISIBLE)))
HIDDEN_STATES = np.array(list(itertools.product([0.0, 1.0], repeat=HIDDEN)))


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor), "float64")


def weights():
    rng = np.random.default_rng(3)
    return 1.5 * rng.normal(size=(VISIBLE, HIDDEN)), rng.normal(size=VISIBLE), rng.normal(size=HIDDEN)


def energies():
    """-E(v, h) of all pairs of states, as a table."""
    w, b, c = weights()
    return STATES @ w @ HIDDEN_STATES.T + (STATES @ b)[:, None] + HIDDEN_STATES @ c


def joint():
    """p(v, h) of all pairs of states."""
    table = np.exp(energies())
    return table / table.sum()


def make(**arguments):
    """An RBM with the weights above."""
    rbm = RBM(HIDDEN, **{"seed": 0} | arguments)
    rbm.build((None, VISIBLE))
    for variable, value in zip((rbm.kernel, rbm.visible_bias, rbm.hidden_bias), weights(), strict=True):
        variable.assign(value)
    return rbm


def data():
    """Samples from a distribution that the model does not have, and the chance of each state."""
    chances = np.random.default_rng(5).dirichlet(np.ones(len(STATES)))
    return STATES[np.random.default_rng(6).choice(len(STATES), SAMPLES, p=chances)]


def gradient_of_training(rbm, x):
    """What one step of plain gradient descent with a rate of 1 subtracts: the gradient, whatever the backend."""
    before = [numpy(v) for v in (rbm.kernel, rbm.visible_bias, rbm.hidden_bias)]
    rbm.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    rbm.train_on_batch(x.astype("float32"))
    return [old - numpy(v) for old, v in zip(before, (rbm.kernel, rbm.visible_bias, rbm.hidden_bias), strict=True)]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def statistics(visible, chances):
    """Means of v p(h|v), v and p(h|v) over visible states of such chances: minus the gradient of the mean of F."""
    w, _, c = weights()
    hidden = sigmoid(visible @ w + c)
    return visible.T @ (chances[:, None] * hidden), chances @ visible, chances @ hidden


def contrast(x, negative):
    """The gradient of mean F(data) - mean F(negative), negative being (states, chances)."""
    positive = statistics(x, np.full(len(x), 1 / len(x)))
    return [n - p for p, n in zip(positive, statistics(*negative), strict=True)]


def one_step(states, chances, sample_visible):
    """All states that one step of Gibbs sampling may lead to, and their chances."""
    w, b, c = weights()
    p_hidden = np.prod(np.where(HIDDEN_STATES[None] == 1, q := sigmoid(states @ w + c)[:, None], 1 - q), axis=-1)
    p_hidden = chances @ p_hidden
    p_visible = sigmoid(HIDDEN_STATES @ w.T + b)
    if not sample_visible:
        return p_visible, p_hidden
    p_states = np.prod(np.where(STATES[None] == 1, q := p_visible[:, None], 1 - q), axis=-1)
    return STATES, p_hidden @ p_states


def close(actual, desired, tolerance=NOISE):
    for a, d in zip(actual, desired, strict=True):
        np.testing.assert_allclose(a, d, atol=tolerance, rtol=0)


def check_conditional_probabilities():
    rbm, p = make(), joint()
    np.testing.assert_allclose(numpy(rbm(STATES)), p @ HIDDEN_STATES / p.sum(1)[:, None], rtol=1e-5)
    np.testing.assert_allclose(
        numpy(rbm.visible_probabilities(HIDDEN_STATES)), p.T @ STATES / p.sum(0)[:, None], rtol=1e-5
    )
    np.testing.assert_allclose(
        numpy(rbm.reconstruct(STATES)), numpy(rbm.visible_probabilities(numpy(rbm(STATES)))), rtol=1e-5
    )


def check_the_free_energy_sums_the_hidden_units_up():
    np.testing.assert_allclose(
        numpy(make().free_energy(STATES)), -np.log(np.exp(energies()).sum(1)), rtol=1e-5, atol=1e-5
    )


def check_the_pseudo_likelihood():
    """Every conditional from the table: p(v) against p(v with one unit flipped)."""
    rbm, p = make(), joint().sum(1)
    expected = np.zeros(len(STATES))
    for row, state in enumerate(STATES):
        for unit in range(VISIBLE):
            flipped = state.copy()
            flipped[unit] = 1 - flipped[unit]
            other = p[np.all(flipped == STATES, axis=1)][0]
            expected[row] += np.log(p[row] / (p[row] + other))
    np.testing.assert_allclose(rbm.pseudo_likelihood(STATES), expected, rtol=1e-4)
    many = np.repeat(STATES, 4000, axis=0)
    estimate = rbm.pseudo_likelihood(many, seed=1).reshape(len(STATES), -1)
    error = estimate.std(axis=1) / np.sqrt(4000)
    assert np.all(np.abs(estimate.mean(axis=1) - expected) < 4 * error + 1e-4)
    np.testing.assert_array_equal(rbm.pseudo_likelihood(many, seed=1), estimate.ravel())
    assert not np.array_equal(rbm.pseudo_likelihood(many, seed=2), estimate.ravel())


def check_draws():
    rbm = make()
    p = np.linspace(0, 1, 5)
    drawn = numpy(rbm.draw(keras.ops.convert_to_tensor(np.tile(p, (SAMPLES, 1)).astype("float32"))))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(axis=0), p, atol=NOISE)
    assert drawn[:, 0].max() == 0
    assert drawn[:, 4].min() == 1


def check_gibbs_sampling_keeps_the_models_distribution_and_finds_it():
    rbm, p = make(), joint().sum(1)
    exact = STATES[np.random.default_rng(0).choice(len(STATES), SAMPLES, p=p)]
    far = np.ones((SAMPLES, VISIBLE))
    for start, steps in ((exact, 1), (far, 40)):
        end = numpy(rbm.gibbs(start, steps))
        counts = [(end == state).all(axis=1).mean() for state in STATES]
        np.testing.assert_allclose(counts, p, atol=NOISE)
    once = [(numpy(rbm.gibbs(far, 1)) == state).all(axis=1).mean() for state in STATES]
    np.testing.assert_allclose(once, one_step(far[:1], np.ones(1), True)[1], atol=NOISE)
    kept = numpy(rbm.gibbs(far, 1, sample_visible=False))
    assert 2 < len(np.unique(kept.round(4), axis=0)) <= len(HIDDEN_STATES), "one for each state of the hidden units"


def check_the_gradient_of_cd(steps, sample_visible):
    """Its mean over all draws, from the table; hidden units are drawn, and enter last with their probabilities."""
    x = data()
    states, chances = x, np.full(len(x), 1 / len(x))
    for _ in range(steps):
        states, chances = one_step(states, chances, sample_visible)
    expected = contrast(x, (states, chances))
    actual = gradient_of_training(make(steps=steps, sample_visible=sample_visible), x)
    close(actual, expected)
    # Hidden probabilities in place of draws would be told apart.
    w, b, c = weights()
    mean_field = x
    for _ in range(steps):
        mean_field = sigmoid(sigmoid(mean_field @ w + c) @ w.T + b)
    wrong = contrast(x, (mean_field, np.full(len(x), 1 / len(x))))
    assert max(np.abs(r - e).max() for r, e in zip(wrong, expected, strict=True)) > 1.5 * NOISE


def check_cd_1():
    check_the_gradient_of_cd(1, False)


def check_cd_1_with_drawn_visible_units():
    check_the_gradient_of_cd(1, True)


def check_cd_3():
    check_the_gradient_of_cd(3, True)


def check_many_steps_approach_the_gradient_of_the_likelihood():
    x = data()
    exact = contrast(x, (STATES, joint().sum(1)))
    errors = []
    for steps in (1, 4, 30):
        actual = gradient_of_training(make(steps=steps, sample_visible=True), x)
        errors.append(max(np.abs(a - e).max() for a, e in zip(actual, exact, strict=True)))
    assert errors[0] > 2 * errors[1] > 2 * errors[2]
    assert errors[2] < NOISE < errors[0] / 3


def check_persistent_chains_go_on():
    x = data()[:500]
    rbm = make(persistent=True, chains=SAMPLES)
    assert len(rbm.trainable_variables) == 3
    coins = numpy(rbm.particles)
    assert set(np.unique(coins)) == {0.0, 1.0}
    np.testing.assert_allclose(coins.mean(axis=0), 0.5, atol=NOISE)
    rbm.particles.assign(np.ones((SAMPLES, VISIBLE)))
    actual = gradient_of_training(rbm, x)
    once = one_step(np.ones((1, VISIBLE)), np.ones(1), True)
    close(actual, contrast(x, once))
    moved = numpy(rbm.particles)
    counts = [(moved == state).all(axis=1).mean() for state in STATES]
    np.testing.assert_allclose(counts, once[1], atol=NOISE)
    rbm.evaluate(x.astype("float32"), verbose=0)
    np.testing.assert_array_equal(numpy(rbm.particles), moved)
    rbm.train_on_batch(x.astype("float32"))
    assert not np.array_equal(numpy(rbm.particles), moved)


def check_persistent_chains_may_keep_probabilities():
    rbm = make(persistent=True, chains=50, sample_visible=False)
    gradient_of_training(rbm, data()[:50])
    assert len(np.unique(numpy(rbm.particles))) > 2


def check_the_metrics():
    x = data()[:200].astype("float32")
    rbm = make(steps=2)
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = rbm.evaluate(x, verbose=0, return_dict=True)
    assert sorted(logs) == ["loss", "reconstruction_error"]
    assert logs["reconstruction_error"] == pytest.approx(np.mean((x - numpy(rbm.reconstruct(x))) ** 2), rel=1e-4)
    assert rbm.train_on_batch(x, return_dict=True)["reconstruction_error"] == pytest.approx(
        logs["reconstruction_error"], rel=1e-4
    )


def check_first_weights():
    rbm = RBM(300, seed=1)
    rbm.build((None, 200))
    assert numpy(rbm.kernel).std() == pytest.approx(0.01, rel=0.02)
    assert numpy(rbm.kernel).mean() == pytest.approx(0, abs=2e-4)
    assert not numpy(rbm.visible_bias).any()
    assert not numpy(rbm.hidden_bias).any()
    assert (rbm.visible_bias.shape, rbm.hidden_bias.shape, rbm.particles) == ((200,), (300,), None)


CHECKS = [value for name, value in list(globals().items()) if name.startswith("check_")]
CHECKS.remove(check_the_gradient_of_cd)


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
def test_small(check):
    check()


@pytest.fixture(scope="module")
def trained():
    """Ours and scikit-learn's, on the same binary digits, with the same units, rate, batches, epochs and chains."""
    x = (load_digits().data > 8).astype("float32")
    theirs = BernoulliRBM(n_components=32, learning_rate=0.05, batch_size=50, n_iter=15, random_state=0).fit(x)
    ours = RBM(32, persistent=True, chains=50, seed=0)
    ours.compile(keras.optimizers.SGD(0.05))
    history = kerasopt.fit(ours, x, epochs=15, batch_size=50, verbose=0, seed=0)
    return x, ours, theirs, history.history


def with_weights_of(theirs, x):
    """Our RBM with the weights of scikit-learn's."""
    copy = RBM(32)
    copy.build(x.shape)
    copy.kernel.assign(theirs.components_.T)
    copy.visible_bias.assign(theirs.intercept_visible_)
    copy.hidden_bias.assign(theirs.intercept_hidden_)
    return copy


def test_definitions_are_those_of_scikit_learn(trained):
    x, _, theirs, _ = trained
    copy = with_weights_of(theirs, x)
    np.testing.assert_allclose(numpy(copy(x)), theirs.transform(x), atol=1e-5)
    np.testing.assert_allclose(numpy(copy.free_energy(x)), theirs._free_energy(x), rtol=1e-5)
    # Their score is an estimate by one unit a sample, as ours with a seed: means over 1,797 samples.
    estimate = copy.pseudo_likelihood(x, seed=0)
    margin = 4 * np.sqrt(2) * estimate.std() / np.sqrt(len(x))
    assert theirs.score_samples(x).mean() == pytest.approx(estimate.mean(), abs=margin)
    assert copy.pseudo_likelihood(x).mean() == pytest.approx(estimate.mean(), abs=margin)


def test_it_learns_as_well_as_scikit_learns(trained):
    x, ours, theirs, history = trained
    copy = with_weights_of(theirs, x)
    scores = [rbm.pseudo_likelihood(x).mean() for rbm in (ours, copy)]
    errors = [np.mean((x - numpy(rbm.reconstruct(x))) ** 2) for rbm in (ours, copy)]
    # Both are random: measured, they are 2 % and 5 % apart.
    assert scores[0] == pytest.approx(scores[1], rel=0.08)
    assert errors[0] == pytest.approx(errors[1], rel=0.12)
    untrained = RBM(32, seed=0)
    untrained.build(x.shape)
    assert scores[0] > untrained.pseudo_likelihood(x).mean() / 1.5
    assert history["reconstruction_error"][-1] < 0.8 * history["reconstruction_error"][0]


@pytest.mark.parametrize("persistent", [False, True])
def test_it_is_saved_and_loaded_in_the_middle_of_training(tmp_path, persistent):
    x = data()[:60].astype("float32")
    rbm = RBM(HIDDEN, steps=2, persistent=persistent, chains=7, seed=4)
    rbm.compile(keras.optimizers.SGD(0.1, momentum=0.5))
    rbm.fit(x, batch_size=20, verbose=0)
    rbm.save(tmp_path / "rbm.keras")
    loaded = keras.saving.load_model(tmp_path / "rbm.keras")
    assert (loaded.get_config(), loaded.seed) == (rbm.get_config(), 4)
    for model in (rbm, loaded):
        model.fit(x, batch_size=20, shuffle=False, verbose=0)
    for one, other in zip(rbm.variables, loaded.variables, strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-6, err_msg=one.path)


def test_seeds_fix_the_training():
    ends = []
    for seed in (0, 0, 1):
        rbm = RBM(HIDDEN, seed=seed)
        rbm.compile(keras.optimizers.SGD(0.1))
        rbm.fit(data()[:60].astype("float32"), batch_size=20, shuffle=False, verbose=0)
        ends.append(numpy(rbm.kernel))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.allclose(ends[0], ends[2])


def fitted(x, **arguments):
    rbm = RBM(3)
    rbm.compile("sgd", run_eagerly=True)
    rbm.fit(x, verbose=0, **arguments)


@pytest.mark.parametrize(
    "call",
    [
        lambda: RBM(0),
        lambda: RBM(2.5),
        lambda: RBM(2, steps=0),
        lambda: RBM(2, persistent=1),
        lambda: RBM(2, chains=0),
        lambda: RBM(2, sample_visible=0),
        lambda: RBM(2, seed=-1),
        lambda: fitted(np.full((4, 3), 1.01)),
        lambda: fitted(np.full((4, 3), -0.01)),
        lambda: fitted(np.array([[0.5, np.nan]])),
        lambda: fitted(np.zeros((0, 3))),
        lambda: fitted(np.zeros((4, 3, 3))),
        lambda: make().pseudo_likelihood(2 * STATES),
    ],
)
def test_bad_arguments_are_refused(call):
    with pytest.raises(ValueError, match=r"Argument `.*` must .* Received: "):
        call()


@pytest.mark.parametrize("arguments", [{"y": np.zeros(4)}, {"sample_weight": np.ones(4)}])
def test_labels_and_weights_are_refused(arguments):
    with pytest.raises(ValueError, match="learns from `x` alone"):
        make().compute_loss(STATES[:4], y_pred=np.zeros((4, HIDDEN)), **arguments)
