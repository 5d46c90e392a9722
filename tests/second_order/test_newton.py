"""Newton's method against what is known of its functions."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasopt.second_order import newton

A, B = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -4.0])
MINIMUM = np.linalg.solve(A, -B)


def quadratic(w):
    return 0.5 * w @ A @ w + B @ w


def solve(start, **arguments):
    return newton(quadratic, start, gradient=lambda w: A @ w + B, hessian=lambda w: A, **arguments)


def test_a_quadratics_minimum_is_one_step_away():
    by_hand = solve([10.0, -7.0])
    automatic = newton(
        lambda w: ops.sum(w * (ops.sum(ops.convert_to_tensor(A) * w, axis=1) / 2 + ops.convert_to_tensor(B))),
        [10.0, -7.0],
    )
    for result in (by_hand, automatic):
        assert result.verdict == "minimum"
        assert result.path.shape == (2, 2)
        np.testing.assert_allclose(result.path[-1], MINIMUM, atol=1e-10)
    np.testing.assert_allclose(by_hand.values, [quadratic(w) for w in by_hand.path])
    np.testing.assert_allclose(by_hand.eigenvalues, np.linalg.eigvalsh(A))


def test_damping_shortens_the_step():
    start = np.array([10.0, -7.0])
    result = solve(start, damping=0.5, max_steps=1)
    np.testing.assert_allclose(result.path[1], start - np.linalg.solve(A + 0.5 * np.eye(2), A @ start + B))
    assert result.verdict == "not converged"
    assert solve(start, damping=0.5).verdict == "minimum"


SADDLE = {
    "function": lambda w: w[0] ** 2 - w[1] ** 2 + w[1] ** 4,
    "gradient": lambda w: np.array([2 * w[0], -2 * w[1] + 4 * w[1] ** 3]),
    "hessian": lambda w: np.diag([2.0, -2 + 12 * w[1] ** 2]),
}


def test_only_the_saddle_free_form_leaves_a_saddle():
    plain = newton(start=[1.0, 0.1], **SADDLE)
    assert plain.verdict == "saddle"
    np.testing.assert_allclose(plain.path[-1], 0, atol=1e-10)
    free = newton(start=[1.0, 0.1], saddle_free=True, **SADDLE)
    assert free.verdict == "minimum"
    np.testing.assert_allclose(free.path[-1], [0, np.sqrt(0.5)], atol=1e-10)
    # |H| = diag(2, 1.88), g = (2, -0.196)
    np.testing.assert_allclose(free.path[1], [0, 0.1 + 0.196 / 1.88], rtol=1e-12)


def test_the_other_verdicts():
    def verdict(power, start=1.0, sign=1.0, **arguments):
        return newton(
            lambda w: sign * w[0] ** power,
            [start],
            gradient=lambda w: sign * power * w ** (power - 1),
            hessian=lambda w: np.array([sign * power * (power - 1) * w ** (power - 2)]),
            **arguments,
        ).verdict

    assert verdict(2, sign=-1.0) == "maximum"
    assert verdict(4, start=0.0) == "flat"
    assert verdict(4, max_steps=3) == "not converged"
    assert verdict(1) == "singular"
    assert newton(np.sum, [1.0], gradient=lambda w: w * np.nan, hessian=lambda w: A[:1, :1]).verdict == "diverged"
    assert "minimum after 1 steps" in repr(solve([1.0, 1.0]))


def test_a_tolerance_ends_it():
    loose, strict = newton(start=[1.0, 1.0], tolerance=0.1, **SADDLE), newton(start=[1.0, 1.0], **SADDLE)
    assert len(loose.path) < len(strict.path)
    assert np.linalg.norm(SADDLE["gradient"](loose.path[-1])) <= 0.1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": []}, "start"),
        ({"start": [np.nan]}, "start"),
        ({"start": [[1.0]]}, "start"),
        ({"hessian": None}, "both"),
        ({"damping": -1.0}, "damping"),
        ({"max_steps": 0}, "max_steps"),
        ({"tolerance": 0}, "tolerance"),
        ({"hessian": lambda w: np.array([[1.0, 2.0], [0.0, 1.0]])}, "symmetric"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        newton(**{"start": [1.0, 2.0], **SADDLE, **arguments})


def test_keras_is_left_in_float32():
    assert keras.config.floatx() == "float32"
