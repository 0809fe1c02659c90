"""Weights of torch in models of equinox: the same outputs, and names and shapes that must agree."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from safetensors.numpy import save_file

import jaxtile as jt

KEY = jr.key(0)
NAMES = {"conv": "features.0", "fc": "head"}


class Net(eqx.Module):
    conv: eqx.nn.Conv2d
    fc: eqx.nn.Linear

    def __init__(self):
        self.conv, self.fc = eqx.nn.Conv2d(2, 3, 3, key=KEY), eqx.nn.Linear(27, 4, key=KEY)

    def __call__(self, x):
        return self.fc(jax.nn.relu(self.conv(x)).ravel())


def state():
    rng = np.random.default_rng(0)
    shapes = {"features.0.weight": (3, 2, 3, 3), "features.0.bias": (3,), "head.weight": (4, 27), "head.bias": (4,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_a_module_of_torch_gives_the_same_outputs(tmp_path):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential()
    module.add_module("features", torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3)))
    module.add_module("rest", torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()))
    module.add_module("head", torch.nn.Linear(27, 4))
    x = np.random.default_rng(1).normal(size=(2, 5, 5)).astype(np.float32)
    expected = module(torch.tensor(x)[None])[0].detach().numpy()
    arrays = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    save_file(arrays, tmp_path / "weights.safetensors")
    for given in (module.state_dict(), arrays, tmp_path / "weights.safetensors"):
        np.testing.assert_allclose(jt.nn.from_state_dict(Net(), given, NAMES)(x), expected, atol=1e-5)


def test_names_and_shapes_must_agree():
    with pytest.raises(ValueError, match=r"state has no 'conv.weight' for conv.weight; it has features.0.weight"):
        jt.nn.from_state_dict(Net(), state())
    with pytest.raises(ValueError, match=r"state has more, which nothing in the model takes"):
        jt.nn.from_state_dict(Net(), state() | {"more": np.ones(3)}, NAMES)
    with pytest.raises(ValueError, match=r"state\['head.weight'\] has shape \(27, 4\), and fc.weight has \(4, 27\)"):
        jt.nn.from_state_dict(Net(), state() | {"head.weight": np.ones((27, 4))}, NAMES)
    with pytest.raises(ValueError, match=r"state\['head.bias'\] holds 4 of 4 entries that are NaN"):
        jt.nn.from_state_dict(Net(), state() | {"head.bias": np.full(4, np.nan)}, NAMES)


def test_kernels_of_a_transposed_convolution_are_refused_and_the_remedy_is_right():
    """As many inputs as outputs: the shapes agree, and the kernels are others."""
    torch = pytest.importorskip("torch")
    module, ours = torch.nn.ConvTranspose1d(2, 2, 3), eqx.nn.ConvTranspose1d(2, 2, 3, key=KEY)
    with pytest.raises(
        TypeError, match=r"model is a ConvTranspose1d. Torch keeps its kernels .* jnp.flip\(kernels.swapaxes\(0, 1\)"
    ):
        jt.nn.from_state_dict(ours, module.state_dict())
    kernels, bias = (jnp.asarray(module.state_dict()[name].numpy()) for name in ("weight", "bias"))
    where = lambda layer: (layer.weight, layer.bias)  # noqa: E731
    ours = eqx.tree_at(where, ours, (jnp.flip(kernels.swapaxes(0, 1), (2,)), bias[:, None]))
    x = np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32)
    np.testing.assert_allclose(ours(x), module(torch.tensor(x)).detach().numpy(), atol=1e-5)
