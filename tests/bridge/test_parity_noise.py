"""Noise models against aihwkit's: with the same normals number by number, and in law."""

import pathlib
import runpy

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import torch
from aihwkit.exceptions import ConfigError
from aihwkit.inference.compensation import drift
from aihwkit.inference.converter import conductance
from aihwkit.inference.noise import custom, hermes, pcm, reram
from aihwkit.simulator.configs import InferenceRPUConfig
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.pre_post import InputRangeParameter, PrePostProcessingParameter
from aihwkit.simulator.tiles.inference import InferenceTile
from helpers import mostly_slow

import bridge
import jaxtile as jt
from jaxtile import digital, noise
from jaxtile._random import Draws

# aihwkit's own warnings.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{words}") for words in ("Using a non-tuple sequence", "__array_wrap__ must accept")
]
parity = runpy.run_path(str(pathlib.Path(__file__).parents[2] / "docs" / "scripts" / "parity_noise.py"))
MODELS, KEY, DAY = parity["MODELS"], jr.key(3), 86400.0
CURVES = [[0.0, 0.0, 2.0, 12.0, 22.0], [20.0, 10.0, 2.0, 2.0, 2.0], [0.0, 0.0, 1.0, 6.0, 11.0], [10.0, 5.0, 1.0, 1.0, 1.0]]
CONVERTERS = {
    "single pair": lambda: conductance.SinglePairConductanceConverter(g_min=5.0),
    "two pairs": lambda: conductance.DualPairConductanceConverter([1.0, 3.0]),
    "three pairs": lambda: conductance.NPairConductanceConverter([0.5, 1.0, 4.0], g_max=20.0, g_min=1.0),
    "custom pairs": lambda: conductance.CustomPairConductanceConverter([1.0, 2.0], CURVES),
    "single device": lambda: conductance.SingleDeviceConductanceConverter(),
}
WEIGHT = np.random.default_rng(1).uniform(-0.8, 1.0, (6, 9)).astype(np.float32)


def ideal(weight=WEIGHT):
    config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=jt.IOParameters(is_perfect=True))
    return jt.set_weights(jt.init(config, weight.shape, key=KEY), weight)


@pytest.fixture(params=mostly_slow([0.7, -1.3], -1.3))
def same_normals(request, monkeypatch):
    """Every normal of both engines is this number."""
    for module in (pcm, hermes, custom, reram):
        monkeypatch.setattr(module, "randn_like", lambda like: torch.full_like(like, request.param))
    monkeypatch.setattr(Draws, "normal", lambda self, dtype, count=0: jnp.full(self.index.shape, request.param, dtype))
    jax.clear_caches()  # programs with other normals
    yield
    jax.clear_caches()


VARIANTS = ("PCM, 30 uS, other numbers", "PCM, g_min", "HermesOneDevice", "ReRAMCMO, 0.2 %")
KINDS = mostly_slow(MODELS, *(name for name in MODELS if name not in VARIANTS))


@pytest.mark.parametrize("name", KINDS)
def test_number_by_number(name, same_normals):
    model = MODELS[name]()
    programmed, coefficients = model.apply_programming_noise(torch.tensor(WEIGHT))
    tile = jt.apply_programming_noise(ideal(), bridge.noise_model_of(model, aihwkit_compatible=True), key=KEY)
    np.testing.assert_allclose(tile.weight, programmed, atol=2e-5)
    for time in parity["TIMES"]:
        expected = model.apply_drift_noise(programmed, coefficients, time)
        np.testing.assert_allclose(jt.drift(tile, time, key=KEY).weight, expected, atol=2e-5)


@pytest.mark.parametrize("same_normals", [0.7], indirect=True)
@pytest.mark.parametrize("name", mostly_slow(CONVERTERS, "single pair", "custom pairs"))
def test_converters(name, same_normals):
    theirs = CONVERTERS[name]()
    there, params = theirs.convert_to_conductances(torch.tensor(WEIGHT))
    model = pcm.PCMLikeNoiseModel(g_converter=theirs)
    ours = bridge.noise_model_of(model, aihwkit_compatible=True)
    here, mapping = ours.converter.conductances(jnp.asarray(WEIGHT))
    np.testing.assert_allclose(here, np.reshape(np.stack(list(there)), here.shape), atol=2e-5)
    np.testing.assert_allclose(
        ours.converter.weight(here * 1.1, mapping), theirs.convert_back_to_weights([g * 1.1 for g in there], params), atol=1e-5
    )
    programmed, coefficients = model.apply_programming_noise(torch.tensor(WEIGHT))
    tile = jt.drift(jt.apply_programming_noise(ideal(), ours, key=KEY), DAY, key=KEY)
    np.testing.assert_allclose(tile.weight, model.apply_drift_noise(programmed, coefficients, DAY), atol=2e-5)


@pytest.mark.parametrize("name", KINDS)
def test_moments(name):
    assert parity["passes"](parity["moments"](name, 2000))


COMPENSATIONS = {
    "global": drift.GlobalDriftCompensation,
    "exact": drift.GlobalDriftCompensationWithExactReference,
    "per column": drift.PerColumnDriftCompensation,
}


@pytest.mark.parametrize("same_normals", [0.7], indirect=True)
@pytest.mark.parametrize("name", COMPENSATIONS)
def test_drift_compensation(name, same_normals):
    """aihwkit's inference tile, programmed and drifted, and what its outputs are multiplied by."""
    perfect = IOParameters(is_perfect=True)
    theirs = InferenceTile(*WEIGHT.shape, InferenceRPUConfig(forward=perfect, drift_compensation=COMPENSATIONS[name]()), bias=False)
    theirs.set_weights(torch.tensor(WEIGHT))
    theirs.eval()
    theirs.program_weights()
    theirs.drift_weights(DAY)
    parts = bridge.inference_of(theirs.rpu_config)
    tile = jt.set_weights(jt.init(parts.config, WEIGHT.shape, key=KEY), WEIGHT)
    model = bridge.noise_model_of(theirs.rpu_config.noise_model, aihwkit_compatible=True)
    fresh = jt.apply_programming_noise(tile, model, key=KEY)
    late = jt.drift(fresh, DAY, key=KEY)
    alpha = parts.drift_compensation(late, parts.drift_compensation.baseline(fresh, key=KEY), key=KEY)
    np.testing.assert_allclose(np.ravel(alpha), np.ravel(theirs.alpha), rtol=1e-5)
    x = np.random.default_rng(2).normal(size=(4, 9)).astype(np.float32)
    outputs = digital.Linear(late, drift_scales=alpha)(jnp.asarray(x), key=KEY)
    np.testing.assert_allclose(outputs, theirs(torch.tensor(x)).detach(), atol=1e-4)


def test_an_inference_configuration():
    config = InferenceRPUConfig(
        noise_model=hermes.HermesNoiseModel(num_devices=1),
        clip=WeightClipParameter(type=WeightClipType.LAYER_GAUSSIAN, sigma=2.0),
        remap=WeightRemapParameter(type=WeightRemapType.CHANNELWISE_SYMMETRIC),
        modifier=WeightModifierParameter(type=WeightModifierType.ADD_NORMAL, std_dev=0.05),
        forward=IOParameters(inp_noise=0.01),
        mapping=MappingParameter(weight_scaling_omega=0.6, weight_scaling_columnwise=True, learn_out_scaling=True),
        pre_post=PrePostProcessingParameter(input_range=InputRangeParameter(enable=True, init_value=2.0, decay=0.02)),
    )
    parts = bridge.inference_of(config)
    assert isinstance(parts.noise_model, noise.HermesOneDevice)
    assert isinstance(parts.drift_compensation, digital.GlobalDriftCompensation)
    assert isinstance(parts.clip, digital.LayerGaussian)
    assert isinstance(parts.remap, digital.ChannelwiseSymmetric)
    assert isinstance(parts.modifier, jt.modifier.AddNormal)
    assert float(parts.config.forward.inp_noise) == pytest.approx(0.01)
    assert float(parts.input_range.input_range) == 2.0
    assert float(parts.input_range.decay) == pytest.approx(0.02)
    assert parts.input_range.output_min_percentage is None
    assert parts.out_scales(6).shape == (1,)
    mapped, scales = parts.map_weights(jnp.asarray(WEIGHT))
    np.testing.assert_allclose(np.abs(mapped).max(axis=1), 0.6, rtol=1e-6)
    np.testing.assert_allclose(mapped * scales[:, None], WEIGHT, rtol=1e-5)
    assert bridge.inference_of(InferenceRPUConfig(drift_compensation=None))[2:] == (None,) * 7


def test_numbers_that_aihwkit_loses():
    """Its 40 uS of the ReRAM coefficients come back by default; a reference beside coefficients of one's own is refused."""
    lost = reram.ReRamWan2022NoiseModel()
    assert float(bridge.noise_model_of(lost).coeff_g_max_reference) == 40.0
    assert float(bridge.noise_model_of(lost, aihwkit_compatible=True).coeff_g_max_reference) == 25.0
    own = reram.ReRamWan2022NoiseModel(coeff_dic={1.0: [0.3, 1.0], 60.0: [0.5, 2.0]}, g_max=30.0)
    assert float(bridge.noise_model_of(own).coeff_g_max_reference) == 30.0
    with pytest.raises(ConfigError, match="prog_coeff_g_max_reference"):
        bridge.noise_model_of(pcm.PCMLikeNoiseModel(prog_coeff=[0.1], prog_coeff_g_max_reference=20.0))
    with pytest.raises(ConfigError, match="coeff_g_max_reference"):
        bridge.noise_model_of(reram.ReRamWan2022NoiseModel(coeff_g_max_reference=20.0))
    # The default acceptance range of 2 % is no key there, and becomes 0.2 %.
    np.testing.assert_allclose(bridge.noise_model_of(reram.ReRamCMONoiseModel()).prog_coeff, [0.00081107, 0.00106879], rtol=1e-6)
    np.testing.assert_allclose(
        bridge.noise_model_of(reram.ReRamCMONoiseModel(acceptance_range=2)).prog_coeff, noise.ReRAMCMO().prog_coeff
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bridge.noise_model_of("pcm"), "noise_model='pcm'"),
        (lambda: bridge.drift_compensation_of("global"), "drift_compensation='global'"),
        (
            lambda: bridge.inference_of(InferenceRPUConfig(mapping=MappingParameter(weight_scaling_lr_compensation=True))),
            "weight_scaling_lr_compensation=True",
        ),
        (
            lambda: bridge.inference_of(InferenceRPUConfig(modifier=WeightModifierParameter(enable_during_test=True))),
            "enable_during_test=True",
        ),
        (lambda: bridge.input_range_of(InputRangeParameter(enable=True, learn_input_range=False)), "learn_input_range=False"),
        (lambda: bridge.noise_model_of(pcm.PCMLikeNoiseModel(g_converter=Unknown())), "noise_model.g_converter"),
    ],
)
def test_refusals_name_what_they_refuse(call, words):
    with pytest.raises(ConfigError, match=words):
        call()


class Unknown(conductance.BaseConductanceConverter):
    g_max = 25.0
