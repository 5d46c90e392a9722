import numpy as np
import pytest

jax = pytest.importorskip("jax")
from kerasopt.training._convolutions import canonical  # noqa: E402

ORDERS = {1: ("NWC", "WIO", "NWC"), 2: ("NCHW", "OIHW", "NHWC"), 3: ("NDHWC", "DHWIO", "NCDHW")}


@pytest.mark.parametrize(
    ("dimensions", "arguments"),
    [
        (1, {}),
        (2, {}),
        (3, {}),
        (2, {"window_strides": (2, 1), "padding": "SAME"}),
        (2, {"rhs_dilation": (1, 2)}),
        (2, {"lhs_dilation": (2, 2), "padding": [(2, 2), (1, 2)]}),  # a transposed convolution
        (2, {"feature_group_count": 2}),
        (2, {"feature_group_count": 4}),  # a depthwise one
    ],
)
def test_values_and_gradients_stay(dimensions, arguments):
    order = ORDERS[dimensions]
    rng = np.random.default_rng(0)
    shape = dict.fromkeys("DHW", 7) | {"N": 5, "C": 4}
    images = rng.normal(size=[shape[axis] for axis in order[0]]).astype("float32")
    shape = dict.fromkeys("DHW", 3) | {"I": 4 // arguments.get("feature_group_count", 1), "O": 8}
    kernel = rng.normal(size=[shape[axis] for axis in order[1]]).astype("float32")
    arguments = {"window_strides": (1,) * dimensions, "padding": "VALID", "dimension_numbers": order} | arguments

    def loss(images, kernel):
        result = jax.lax.conv_general_dilated(images, kernel, **arguments)
        return (jax.nn.relu(result) ** 2).mean(), result  # relu has a derivative rule of its own

    function = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    expected, found = (jax.tree.leaves(f(images, kernel)) for f in (function, canonical(function)))
    for a, b in zip(expected, found, strict=True):
        scale = np.abs(a).max()
        np.testing.assert_allclose(b / scale, a / scale, atol=1e-5)  # float32, sums of some hundred products


def test_every_convolution_has_the_fast_order():
    """Batch, space, features, which the compiled program names b01f_01io->b01f."""
    images, kernel = np.ones((3, 4, 6, 6), "float32"), np.ones((2, 4, 3, 3), "float32")

    def loss(kernel, images):
        return (jax.lax.conv(images, kernel, (1, 1), "VALID") ** 2).sum()

    program = str(jax.make_jaxpr(canonical(jax.jit(jax.grad(loss))))(kernel, images))
    orders = [line for line in program.splitlines() if "lhs_spec" in line]
    assert len(orders) == 2  # forward, and the gradient
    assert all("lhs_spec=(0, 3, 1, 2), rhs_spec=(3, 2, 0, 1), out_spec=(0, 3, 1, 2)" in line for line in orders)
