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
    nan = np.array([np.nan, 1.0])
    for g, h in ((nan, A), (B, A * nan)):
        result = newton(np.sum, [1.0, 1.0], gradient=lambda w, g=g: g, hessian=lambda w, h=h: h)
        assert (result.verdict, len(result.path)) == ("diverged", 1)


@pytest.mark.parametrize(
    ("eigenvalues", "vanished", "otherwise"),
    [
        # Zero is what is below 1e-12 of the largest, whatever their scale and sign.
        ((1e6, 1e-7), "flat", "singular"),
        ((-1e6, 1e-7), "flat", "singular"),
        ((1e-6, 1e-7), "minimum", "not converged"),
        ((1e3, 1e-8), "minimum", "not converged"),
        ((0.5, 0.7), "minimum", "not converged"),
        ((-0.5, 0.5), "saddle", "not converged"),
        ((-0.5, -0.7), "maximum", "not converged"),
    ],
)
def test_eigenvalues_decide(eigenvalues, vanished, otherwise):
    for slope, verdict in ((0.0, vanished), (1.0, otherwise)):
        result = newton(
            lambda w: 0.0,
            np.ones(2),
            gradient=lambda w, slope=slope: np.full(2, slope),
            hessian=lambda w: np.diag(eigenvalues),
            max_steps=1,
        )
        assert result.verdict == verdict


@pytest.mark.parametrize(
    ("hessian", "accepted"),
    [
        ([[1.0, 1 + 5e-7], [1.0, 1.0]], True),
        ([[1.0, 0.5], [0.4, 1.0]], False),
        # Beside large entries, small ones are rounded.
        ([[1e3, 5e-6], [0.0, 1e3]], True),
        ([[1e3, 1e-4], [0.0, 1e3]], False),
        ([[-1e3, 5e-6], [0.0, -1e3]], True),
    ],
)
def test_a_hessian_is_symmetric_but_for_rounding(hessian, accepted):
    def run():
        return newton(np.sum, [1.0, 1.0], gradient=np.ones_like, hessian=lambda w: np.array(hessian), max_steps=1)

    if accepted:
        run()
    else:
        with pytest.raises(ValueError, match="symmetric"):
            run()


def test_it_prints_its_last_value():
    assert repr(newton(start=[1.0, 0.1], saddle_free=True, **SADDLE)) == "NewtonResult(minimum after 10 steps: -0.25)"
    assert repr(solve([1.0, 1.0])) == f"NewtonResult(minimum after 1 steps: {quadratic(MINIMUM):.6g})"


def test_a_tolerance_ends_it():
    loose, strict = newton(start=[1.0, 1.0], tolerance=0.1, **SADDLE), newton(start=[1.0, 1.0], **SADDLE)
    assert len(loose.path) < len(strict.path)
    assert np.linalg.norm(SADDLE["gradient"](loose.path[-1])) <= 0.1
    bowl = {"gradient": lambda w: w, "hessian": lambda w: np.eye(1)}
    assert len(newton(lambda w: w @ w / 2, [0.125], tolerance=0.125, **bowl).path) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": []}, "start"),
        ({"start": [np.nan, 1.0]}, "start"),
        ({"start": [[1.0]]}, "start"),
        ({"hessian": None}, "both"),
        ({"damping": -1.0}, "damping"),
        ({"damping": np.inf}, "damping"),
        ({"max_steps": 0}, "max_steps"),
        ({"tolerance": 0}, "tolerance"),
        ({"tolerance": np.inf}, "tolerance"),
        ({"hessian": lambda w: np.array([[1.0, 2.0], [0.0, 1.0]])}, "symmetric"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        newton(**{"start": [1.0, 2.0], **SADDLE, **arguments})


def test_keras_is_left_in_float32():
    assert keras.config.floatx() == "float32"
