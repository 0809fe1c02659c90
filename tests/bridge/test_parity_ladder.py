"""IR drop along ladders of wires, against aihwkit's circuit of every time slot."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.inference.converter.conductance import DualPairConductanceConverter, SinglePairConductanceConverter
from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParametersIRDropT
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.tiles.analog_mvm_irdrop_t import AnalogMVMIRDropT

import bridge
import jaxtile as jt
from jaxtile import noise
from jaxtile.periphery import BitWise, LadderIRDrop, OnePass, SplitMode
from jaxtile.periphery.converter import Grid

ROWS, STEP = 64, 1 / 63
CONVERTERS = {
    "a pair": (SinglePairConductanceConverter, noise.NPair),
    "a pair, g_min": (lambda: SinglePairConductanceConverter(g_min=2.0), lambda: noise.NPair(g_min=2.0)),
    "two pairs": (lambda: DualPairConductanceConverter([1.0, 3.0]), lambda: noise.NPair(f_lst=[1.0, 3.0])),
}


@pytest.mark.parametrize("adc", [True, False])
@pytest.mark.parametrize(("segments", "counted"), [(8, True), (64, False)])
@pytest.mark.parametrize("name", CONVERTERS)
def test_slot_by_slot(name, segments, counted, adc):
    """In double precision there, with inputs half a step short: those at a step count one slot too many, by rounding."""
    rng = np.random.default_rng(0)
    weight, steps = rng.uniform(-1, 1, (6, 51)), rng.integers(-63, 64, (5, 51))
    theirs, ours = (make() for make in CONVERTERS[name])
    drop = {"ir_drop": 3.0, "ir_drop_segments": segments, "ir_drop_integration_sum": counted}
    expected = AnalogMVMIRDropT._matmul_irdrop(
        torch.tensor(weight),
        torch.tensor((steps - 0.5 * np.sign(steps)) * STEP),
        trans=False,
        io_pars=IOParametersIRDropT(**drop, adc_quantization=adc),
        **{"ir_drop": 3.0, "t_max": 1.0, "time_steps": 64, "phys_input_size": ROWS, "g_converter": theirs},
    )
    ladder = LadderIRDrop(converter=ours, rows=ROWS, adc_frequency=6.24 if adc else None, **drop)
    weight, u, grid = (
        jnp.asarray(weight, float),
        jnp.asarray(steps * STEP, float),
        Grid(jnp.asarray(STEP, float), jnp.asarray(64.0)),
    )
    got = jax.jit(lambda *of: ladder(*of))(u @ weight.T, weight, u, grid)
    assert np.abs(expected.numpy() - np.asarray(u @ weight.T)).max() > 0.05
    np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("mv_type", [AnalogMVType.ONE_PASS, AnalogMVType.SPLIT_MODE, AnalogMVType.BIT_WISE])
def test_a_tile_as_its_configuration_says(mv_type):
    """Inputs of few steps in each part: larger ones meet the rounding of slots there."""
    io = IOParametersIRDropT(
        **{"mv_type": mv_type, "ir_drop": 3.0, "out_noise": 0.0, "out_res": -1, "adc_quantization": False},
        **{"noise_management": NoiseManagementType.NONE, "bound_management": BoundManagementType.NONE},
    )
    config = TorchInferenceRPUConfigIRDropT(forward=io, mapping=MappingParameter(max_input_size=ROWS))
    rng = np.random.default_rng(1)
    weight, x = rng.uniform(-1, 1, (6, 50)).astype(np.float32), np.zeros((5, 50), np.float32)
    x[1:] = rng.choice([-1, 1], (4, 50)) * (rng.integers(0, 4, (4, 50)) + 8 * rng.integers(0, 4, (4, 50))) * STEP
    theirs = config.tile_class(6, 50, config, bias=False)
    theirs.set_weights(torch.tensor(weight))
    theirs.eval()
    hardware = bridge.inference_of(config).config
    kinds = {AnalogMVType.ONE_PASS: OnePass, AnalogMVType.SPLIT_MODE: SplitMode, AnalogMVType.BIT_WISE: BitWise}
    assert type(hardware.forward.mv_type) is kinds[mv_type]
    tile = jt.set_weights(jt.init(hardware, weight.shape, key=jr.key(0)), weight)
    ours = np.asarray(jt.forward(tile, x, key=jr.key(0)))
    np.testing.assert_allclose(ours, theirs(torch.tensor(x)).detach(), atol=5e-4)  # what its single precision leaves of 0.5 mV
    assert np.abs(ours - x @ weight.T).max() > 0.05


@pytest.mark.parametrize("field", [{"apply_xdep_pcm_read_noise": True}, {"ir_drop_time_step_resolution_scale": 0.5}])
def test_refusals_name_what_they_refuse(field):
    with pytest.raises(ConfigError, match=rf"forward\.{next(iter(field))}"):
        bridge.inference_of(TorchInferenceRPUConfigIRDropT(forward=IOParametersIRDropT(**field)))
