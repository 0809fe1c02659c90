"""Gradients of a read, with its ranges and scales, against aihwkit's torch tile."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.simulator.configs import SingleRPUConfig, TorchInferenceRPUConfig
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.pre_post import InputRangeParameter, PrePostProcessingParameter
from aihwkit.simulator.tiles.analog import AnalogTile
from helpers import mostly_slow

import jaxtile as jt
from bridge.periphery import from_io

OUT, WIDTH, BATCH = 5, 7, 20
NONE = {"noise_management": NoiseManagementType.NONE, "bound_management": BoundManagementType.NONE}
IO = {
    "defaults": {},
    "no steps": {"inp_res": -1, "out_res": -1},
    "clipped at the ADC": {"out_bound": 0.4, "bound_management": BoundManagementType.NONE},
    "no management": NONE,
    "threshold": {"nm_thres": 0.8, "bound_management": BoundManagementType.NONE},
    "asymmetries": {"inp_asymmetry": 0.1, "out_asymmetry": 0.2, "out_scale": 1.3},
}


@pytest.mark.parametrize("ranged", mostly_slow([False, True], True))
@pytest.mark.parametrize("name", IO)
def test_gradients_are_those_of_aihwkits_torch_tile(name, ranged):
    """Gradients of inputs, weights, input range and output scales."""
    io = IOParameters(**{"out_noise": 0.0} | IO[name])
    config = TorchInferenceRPUConfig(forward=io)
    config.mapping = MappingParameter(
        weight_scaling_omega=0.7, weight_scaling_columnwise=True, learn_out_scaling=True, out_scaling_columnwise=True
    )
    config.pre_post = PrePostProcessingParameter(input_range=InputRangeParameter(enable=ranged, init_value=0.8, init_from_data=0))
    theirs = config.tile_class(OUT, WIDTH, config, bias=False)
    weight = torch.rand(OUT, WIDTH) - 0.5
    theirs.set_weights(weight)
    theirs.set_learned_out_scales(torch.linspace(0.5, 1.5, OUT))
    x, g = (torch.rand(BATCH, WIDTH) * 2 - 1).requires_grad_(), torch.rand(BATCH, OUT) - 0.5
    theirs.train()
    y = theirs(x)
    y.backward(g)

    mapped, scales = jt.digital.map_weights(jnp.asarray(weight.numpy()), 0.7, columnwise=True)
    hardware = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=from_io(io, "forward"))
    tile = jt.set_weights(jt.init(hardware, (OUT, WIDTH), key=jr.key(0)), mapped)
    parts = {"input_range": jt.digital.InputRange(input_range=0.8)} if ranged else {}
    layer = jt.digital.Linear(tile, mapping_scales=scales, out_scales=jnp.linspace(0.5, 1.5, OUT), **parts)

    def loss(layer, x):
        y = layer(x, key=jr.key(0))
        return jnp.sum(y * g.numpy()), y

    both = (layer, jnp.asarray(x.detach().numpy()))
    gradient = jax.jit(lambda both: eqx.filter_grad(lambda both: loss(*both), has_aux=True)(both))
    (of_layer, of_x), ours = gradient(both)
    close = {"atol": 2e-5, "rtol": 1e-4}
    np.testing.assert_allclose(ours, y.detach(), **close)
    np.testing.assert_allclose(of_x, x.grad, **close)
    # aihwkit divides the gradient of mapped weights by the squares of their scales, as if logical ones made the step.
    np.testing.assert_allclose(of_layer.tile.state / scales[:, None] ** 2, theirs.tile.weight.grad, **close)
    np.testing.assert_allclose(of_layer.out_scales, theirs.out_scaling_alpha.grad, **close)
    if ranged:
        np.testing.assert_allclose(of_layer.input_range.input_range, theirs.input_range.grad[0], **close)


def test_a_range_finds_itself_as_aihwkits_does():
    config = TorchInferenceRPUConfig(forward=IOParameters(is_perfect=True))
    config.pre_post = PrePostProcessingParameter(input_range=InputRangeParameter(enable=True, init_from_data=3))
    theirs = config.tile_class(OUT, WIDTH, config, bias=False)
    ours = jt.digital.InputRange(init_from_data=3)
    theirs.train()
    for _ in range(5):
        x = torch.randn(BATCH, WIDTH)
        theirs(x)
        ours = ours.observe(jnp.asarray(x.numpy()))
        assert float(ours.input_range) == pytest.approx(float(theirs.input_range.detach()[0]), rel=1e-5)


@pytest.mark.parametrize("out_bound", [0.3, 1.2])
def test_clipped_outputs_widen_the_range(out_bound):
    """The term that `manage_output_clipping` adds to the gradient of aihwkit's C++ tile (which counts outputs as parts of the inputs)."""
    x, g = (np.random.default_rng(0).uniform(-1, 1, (BATCH, WIDTH)).astype(np.float32) for _ in range(2))
    weight, added = np.random.default_rng(1).uniform(-0.5, 0.5, (WIDTH, WIDTH)).astype(np.float32), {}
    io = IOParameters(out_noise=0.0, out_bound=out_bound, out_scale=1.3, **NONE)
    hardware = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=from_io(io, "forward"))
    tile = jt.set_weights(jt.init(hardware, weight.shape, key=jr.key(0)), weight)
    for managed in (True, False):
        ranges = InputRangeParameter(enable=True, init_value=0.8, init_from_data=0, manage_output_clipping=managed)
        config = SingleRPUConfig(
            device=IdealDevice(),
            forward=io,
            backward=IOParameters(is_perfect=True),
            pre_post=PrePostProcessingParameter(input_range=ranges),
        )
        theirs = AnalogTile(WIDTH, WIDTH, config, bias=False)
        theirs.set_weights(torch.tensor(weight))
        theirs(torch.tensor(x)).backward(torch.tensor(g))
        layer = jt.digital.Linear(
            tile, input_range=jt.digital.InputRange(input_range=0.8, output_min_percentage=0.95 if managed else None)
        )
        gradient = eqx.filter_grad(lambda layer: jnp.sum(layer(jnp.asarray(x), key=jr.key(0)) * g))(layer)
        added[managed] = np.array([float(theirs.input_range.grad[0]), float(gradient.input_range.input_range)])
    there, here = added[True] - added[False]
    assert here == pytest.approx(there, rel=1e-3, abs=1e-6)
    assert (there < 0) == (out_bound < 1)
