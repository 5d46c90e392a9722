"""Averages and votes of models against NumPy, on inputs and outputs of several kinds."""

import keras
import numpy as np
import pytest
from keras import layers

from kerasopt.ensembles import average, majority_vote

X = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")


def classifier(seed, activation="softmax", classes=3, name=None):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), layers.Dense(classes, activation)], name=name)


def reloaded(model, path):
    model.save(path)
    return keras.models.load_model(path)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_average_of_probabilities(count, tmp_path):
    models = [classifier(seed, name="same") for seed in range(count)]
    ensemble = average(models)
    expected = np.mean([m.predict(X, verbose=0).astype("float64") for m in models], axis=0)
    models[0].set_weights([w * 0 for w in models[0].get_weights()])  # the ensemble has copies
    for model in (ensemble, reloaded(ensemble, tmp_path / "m.keras")):
        assert model.predict(X, verbose=0) == pytest.approx(expected, abs=1e-6)


def test_logits_pass_through_a_softmax():
    models = [classifier(seed, None) for seed in range(3)]
    logits = np.array([m.predict(X, verbose=0).astype("float64") for m in models])
    expected = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).mean(0)
    assert average(models, logits=True).predict(X, verbose=0) == pytest.approx(expected, abs=1e-6)
    models[1].compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="`logits` must be True"):
        average(models)


def test_several_inputs_and_outputs():
    def build(seed):
        keras.utils.set_random_seed(seed)
        a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
        hidden = layers.Concatenate()([a, b])
        outputs = {"one": layers.Dense(2, "softmax")(hidden), "two": layers.Dense(3, "softmax")(hidden)}
        return keras.Model({"a": a, "b": b}, outputs)

    models, data = [build(seed) for seed in range(2)], {"a": X[:, :2], "b": X[:, 2:]}
    predicted = average(models).predict(data, verbose=0)
    for name in ("one", "two"):
        expected = np.mean([m.predict(data, verbose=0)[name] for m in models], axis=0)
        assert predicted[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_majority_vote(count, tmp_path):
    models = [classifier(seed) for seed in range(count)]
    probabilities = np.array([m.predict(X, verbose=0).astype("float64") for m in models])
    votes = np.zeros((len(X), 3))
    for p in probabilities:
        votes[np.arange(len(X)), p.argmax(1)] += 1
    mean = probabilities.mean(0)
    winner = [max(range(3), key=lambda c: (votes[i, c], mean[i, c])) for i in range(len(X))]
    ensemble = majority_vote(models)
    for model in (ensemble, reloaded(ensemble, tmp_path / "m.keras")):
        output = model.predict(X, verbose=0)
        assert output == pytest.approx((votes + mean) / (count + 1), abs=1e-6)
        assert output.argmax(1).tolist() == winner
    ties = (votes == votes.max(1, keepdims=True)).sum(1) > 1
    assert ties.any() or count != 2  # the case is there


def test_refusals():
    for function in (average, majority_vote):
        with pytest.raises(ValueError, match="at least one"):
            function([])
        with pytest.raises(ValueError, match="built models"):
            function([classifier(0), keras.Sequential([layers.Dense(3)])])
        with pytest.raises(ValueError, match="same inputs and outputs"):
            function([classifier(0), classifier(0, classes=4)])
    with pytest.raises(ValueError, match="two classes or more"):
        majority_vote([classifier(0, classes=1)])
