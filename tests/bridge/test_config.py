"""Configurations go over field by field: total or loud."""

import dataclasses
import math

import jax
import numpy as np
import pytest
from aihwkit.exceptions import ConfigError
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.compensation.drift import PerColumnDriftCompensation
from aihwkit.inference.noise.base import BaseNoiseModel
from aihwkit.simulator.configs import InferenceRPUConfig, SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.configs import FloatingPointRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, PowStepReferenceDevice, SoftBoundsPmaxDevice
from aihwkit.simulator.parameters.enums import (
    AnalogMVType,
    BoundManagementType,
    NoiseManagementType,
    PulseType,
    RPUDataType,
    WeightClipType,
    WeightNoiseType,
    WeightRemapType,
)
from aihwkit.simulator.parameters.inference import (
    DriftParameter,
    WeightClipParameter,
    WeightModifierParameter,
    WeightRemapParameter,
)
from aihwkit.simulator.parameters.io import IOParameters, IOParametersIRDropT
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.pre_post import InputRangeParameter, PrePostProcessingParameter
from aihwkit.simulator.parameters.runtime import RuntimeParameter
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.presets import configs as preset_configs
from aihwkit.simulator.presets import devices as preset_devices
from aihwkit.simulator.presets.utils import PresetIOParameters, PresetUpdateParameters, StandardIOParameters
from chips import DEVICES
from helpers import mostly_slow

import jaxtile as jt
from bridge import RPUConfigWithProgram, inference_of, tile_config
from bridge.periphery import from_io, to_io

NONE = UpdateParameters(pulse_type=PulseType.NONE)
PULSES = {
    PulseType.NONE: jt.pulse.NoPulse,
    PulseType.NONE_WITH_DEVICE: jt.pulse.NoneWithDevice,
    PulseType.STOCHASTIC_COMPRESSED: jt.pulse.StochasticCompressed,
    PulseType.STOCHASTIC: jt.pulse.Stochastic,
    PulseType.MEAN_COUNT: jt.pulse.MeanCount,
    PulseType.DETERMINISTIC_IMPLICIT: jt.pulse.DeterministicImplicit,
}


def changed(field, value):
    """Another value for a field, inside its range."""
    others = {
        AnalogMVType: AnalogMVType.POS_NEG_SEPARATE,
        NoiseManagementType: NoiseManagementType.MAX,
        BoundManagementType: BoundManagementType.ITERATIVE_WORST_CASE,
        WeightNoiseType: WeightNoiseType.PCM_READ,
        PulseType: PulseType.MEAN_COUNT,
        DriftParameter: DriftParameter(nu=0.1),
    }
    if type(value) in others:
        return others[type(value)]
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [2 * v for v in value]
    if isinstance(value, int):
        return value + 3
    return value * 0.75 if value else 0.25


def same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(map(np.array_equal, jax.tree.leaves(a), jax.tree.leaves(b)))


# Fields without a meaning for this pulse type, here and in aihwkit, or that are no property of the hardware.
INERT = {"construction_seed", "apply_write_noise_on_set", "fixed_bl", "x_res_implicit", "d_res_implicit"}
# Numbers of stages that another number switches on.
INERT |= {"w_noise", "w_noise_type", "ir_drop_g_ratio", "out_nonlinearity_std", "v_offset_w_min", "w_read_asymmetry_dtod"}


@pytest.mark.parametrize("name", mostly_slow([*DEVICES, "update", "forward", "backward"], "soft bounds", "update", "forward"))
def test_every_field_is_translated_or_refused_by_name(name):
    def config(part):
        where = name if name in ("update", "forward", "backward") else "device"
        return tile_config(SingleRPUConfig(**{where: part}))

    part = {"update": UpdateParameters, "forward": IOParameters, "backward": IOParameters}.get(name) or DEVICES[name]
    default, seen = config(part()), 0
    for field in dataclasses.fields(part()):
        altered = part()
        setattr(altered, field.name, changed(field.name, getattr(altered, field.name)))
        translated, refusal = translate(config, altered)
        if refusal is None:
            seen += 1
            assert (field.name in INERT) == same(translated, default), field.name
        else:
            assert field.name in refusal
    assert seen > 0


def translate(config, part):
    try:
        return config(part), None
    except (ConfigError, ValueError) as error:
        return None, str(error)


@pytest.mark.parametrize("device", ["ideal", "constant", "linear", "soft bounds", "exp"])
def test_defaults_are_jaxtiles(device):
    numbers = {"gamma_up": 0.5, "gamma_down": 0.6} if "linear" in device else {}
    kinds = {"ideal": "Ideal", "constant": "ConstantStep", "linear": "LinearStep", "soft bounds": "SoftBounds", "exp": "ExpStep"}
    expected = getattr(jt.device, kinds[device])(**numbers)
    assert same(tile_config(SingleRPUConfig(device=DEVICES[device]())), jt.TileConfig(device=expected))


@pytest.mark.parametrize("pulse_type", PulseType)
def test_pulse_types(pulse_type):
    pulse = tile_config(SingleRPUConfig(update=UpdateParameters(pulse_type=pulse_type, desired_bl=12))).pulse
    assert type(pulse) is PULSES[pulse_type]
    assert not pulse.sends_pulses or pulse.desired_bl == 12


def test_grids_of_zero_or_less_are_none():
    update = UpdateParameters(pulse_type=PulseType.DETERMINISTIC_IMPLICIT, x_res_implicit=-1, d_res_implicit=0.1)
    pulse = tile_config(SingleRPUConfig(update=update)).pulse
    assert float(pulse.x_res_implicit) == 0
    assert float(pulse.d_res_implicit) == pytest.approx(0.1)


def test_read_parameters():
    io = IOParameters(
        inp_res=-1, out_bound=0, noise_management=NoiseManagementType.NONE, bound_management=BoundManagementType.NONE, nm_thres=0.0
    )
    config = tile_config(SingleRPUConfig(forward=io, backward=IOParameters(mv_type=AnalogMVType.IDEAL, out_noise=1.0)))
    assert math.isinf(config.forward.out_bound)
    assert float(config.forward.out_res) == 0
    assert config.forward.noise_management is None
    assert config.forward.bound_management is None
    assert config.backward.is_perfect
    assert config.backward.out_scale is None
    # The one number that a perfect read of aihwkit's honours.
    assert float(tile_config(SingleRPUConfig(forward=IOParameters(is_perfect=True, out_scale=2.0))).forward.out_scale) == 2


def test_stages_that_are_switched_off_are_absent():
    forward = tile_config(SingleRPUConfig(forward=IOParameters(out_noise=0.0, out_noise_std=0.3))).forward
    assert [name for name, value in vars(forward).items() if value is None] == [
        *("inp_noise", "inp_asymmetry", "out_noise", "out_noise_std", "out_asymmetry", "out_scale", "w_noise", "ir_drop"),
        *("v_offset", "out_nonlinearity", "slope_calibration"),
    ]


def test_read_parameters_and_back():
    """Every stage at once."""
    io = IOParameters(
        mv_type=AnalogMVType.POS_NEG_SEPARATE,
        w_read_asymmetry_dtod=0.1,
        inp_noise=0.01,
        inp_sto_round=True,
        inp_asymmetry=0.02,
        out_noise_std=0.1,
        out_asymmetry=0.03,
        out_scale=1.5,
        noise_management=NoiseManagementType.ABS_MAX_NP_SUM,
        nm_thres=0.7,
        bound_management=BoundManagementType.ITERATIVE_WORST_CASE,
        max_bm_res=0.2,
        bm_test_negative_bound=False,
        w_noise=0.01,
        w_noise_type=WeightNoiseType.PCM_READ,
        ir_drop=1.0,
        v_offset_std=0.1,
        v_offset_w_min=-0.5,
        r_series=0.01,
        out_nonlinearity=0.1,
        out_nonlinearity_std=0.2,
        slope_calibration=0.5,
    )
    ours = from_io(io, "forward")
    assert None not in vars(ours).values()
    assert same(from_io(to_io(ours), "forward"), ours)
    assert same(from_io(to_io(jt.IOParameters()), "forward"), jt.IOParameters())


def test_jaxtiles_own_fields():
    half_select = jt.half_select.ConstantRatio(kappa=30.0)
    config = tile_config(RPUConfigWithProgram(half_select=half_select, order="slot"))
    assert config.half_select is half_select
    assert config.device.order == "slot"


PRESETS = {
    **{"Idealized": jt.presets.idealized, "GokmenVlasov": jt.presets.gokmen_vlasov, "Capacitor": jt.presets.capacitor},
    **{"EcRam": jt.presets.ecram, "EcRamMO": jt.presets.ecram_mo, "PCM": jt.presets.pcm},
    **{"ReRamES": jt.presets.reram_es, "ReRamSB": jt.presets.reram_sb},
    **{"ReRamArrayOM": jt.presets.reram_array_om, "ReRamArrayHfO2": jt.presets.reram_array_hfo2},
}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_devices_are_aihwkits(name):
    theirs = getattr(preset_devices, f"{name}PresetDevice")()
    ours = tile_config(SingleRPUConfig(device=theirs)).device
    assert type(ours) is type(PRESETS[name]())
    assert same(ours, PRESETS[name]())


def test_every_preset_device_of_aihwkit_is_there():
    assert {f"{name}PresetDevice" for name in PRESETS} == {name for name in dir(preset_devices) if name.endswith("PresetDevice")}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_configurations_are_aihwkits(name):
    """aihwkit has none of the arrays: the preset periphery around them. That of PCM is of pairs."""
    if name.startswith("ReRamArray"):
        theirs = SingleRPUConfig(
            device=getattr(preset_devices, f"{name}PresetDevice")(),
            **{"forward": PresetIOParameters(), "backward": PresetIOParameters(), "update": PresetUpdateParameters()},
        )
    else:
        theirs = getattr(preset_configs, f"{name}Preset")()
    ours = jt.presets.pcm_unit_cell() if name == "PCM" else PRESETS[name]()
    assert same(tile_config(theirs), jt.presets.config(ours))


@pytest.mark.parametrize("name", ["ReRamES", "ReRamSB", "Capacitor", "EcRam", "EcRamMO", "Idealized"])
@pytest.mark.parametrize("n", [2, 4])
def test_presets_of_several_devices_are_vector_cells(name, n):
    theirs = getattr(preset_configs, f"{name}{n}Preset")()
    ours = jt.device.VectorCell((PRESETS[name](),) * n, update_policy=jt.device.SingleRandom())
    assert same(tile_config(theirs), jt.presets.config(ours))


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("ReRam")])
def test_presets_may_be_set_without_write_noise(name):
    theirs = getattr(preset_devices, f"{name}PresetDevice")(apply_write_noise_on_set=False)
    ours = PRESETS[name](apply_write_noise_on_set=False)
    assert not ours.apply_write_noise_on_set
    assert same(tile_config(SingleRPUConfig(device=theirs)).device, ours)


def test_standard_periphery_is_aihwkits():
    assert same(tile_config(SingleRPUConfig(forward=StandardIOParameters())).forward, jt.presets.standard_io())


def test_soft_bounds_by_pulses():
    device = SoftBoundsPmaxDevice(p_max=300, alpha=0.01, range_min=-0.5, dw_min_dtod=0.1)
    expected = jt.device.SoftBoundsPmax(p_max=300, alpha=0.01, range_min=-0.5, dw_min_dtod=0.1)
    assert same(tile_config(SingleRPUConfig(device=device)).device, expected)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (FloatingPointRPUConfig(), "update"),
        (SingleRPUConfig(device=ConstantStepDevice(lifetime=5.0), update=NONE), r"device\.lifetime=5"),
        (SingleRPUConfig(device=ConstantStepDevice(diffusion=0.1), update=NONE), r"device\.diffusion=0\.1"),
        (RPUConfigWithProgram(clip=WeightClipParameter(type=WeightClipType.FIXED_VALUE)), r"RPUConfigWithProgram\.clip="),
        (RPUConfigWithProgram(modifier=WeightModifierParameter(pdrop=0.1)), r"modifier="),
        (InferenceRPUConfig(remap=WeightRemapParameter(type=WeightRemapType.CHANNELWISE_SYMMETRIC)), r"remap="),
        (InferenceRPUConfig(noise_model=BaseNoiseModel()), r"noise_model="),
        (InferenceRPUConfig(drift_compensation=PerColumnDriftCompensation()), r"drift_compensation=.*bridge\.inference_of"),
        (SingleRPUConfig(mapping=MappingParameter(weight_scaling_omega=0.6)), r"mapping="),
        (SingleRPUConfig(pre_post=PrePostProcessingParameter(InputRangeParameter(enable=True))), r"pre_post="),
        (UnitCellRPUConfig(), "device='UnitCell'"),
        (SingleRPUConfig(device=ConstantStepDevice(count_pulses=True)), r"device\.count_pulses"),
        (SingleRPUConfig(device=SoftBoundsPmaxDevice(dw_min=0.1)), r"SoftBoundsPmax\.dw_min"),
        (SingleRPUConfig(device=PowStepReferenceDevice(n_estimation_steps=-5)), "n_estimation_steps=-5"),
        (SingleRPUConfig(update=UpdateParameters(update_bl_management=False, fixed_bl=False)), r"update\.fixed_bl"),
        (SingleRPUConfig(update=UpdateParameters(res=4)), "res=4"),
        (SingleRPUConfig(runtime=RuntimeParameter(data_type=RPUDataType.DOUBLE)), "data_type"),
        (SingleRPUConfig(update=IOParameters()), "update='IOParameters'"),
        (SingleRPUConfig(forward=IOParameters(mv_type=AnalogMVType.BIT_WISE)), r"forward\.mv_type=.*BitWise"),
        (SingleRPUConfig(backward=IOParameters(bound_management=BoundManagementType.SHIFT)), r"backward\.bound_management=.*Shift"),
        (SingleRPUConfig(forward=IOParametersIRDropT()), r"forward\.ir_drop_rs"),
        (
            SingleRPUConfig(
                forward=IOParameters(
                    noise_management=NoiseManagementType.AVERAGE_ABS_MAX,
                    bound_management=BoundManagementType.ITERATIVE_WORST_CASE,
                    nm_thres=0.5,
                )
            ),
            r"forward\.nm_thres=0\.5",
        ),
        (SingleRPUConfig(forward=UpdateParameters()), "forward='UpdateParameters'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_name_what_they_refuse(config, named):
    with pytest.raises((ConfigError, ValueError), match=named):
        tile_config(config)


def test_a_misspelt_field_is_refused():
    config = SingleRPUConfig()
    config.device.dw_mim = 0.1
    with pytest.raises(ConfigError, match=r"device\.dw_mim"):
        tile_config(config)


def test_an_inference_configuration_is_that_of_the_chip():
    """Its noise model is the device; without one, weights stay what they are."""
    theirs = InferenceRPUConfig(noise_model=PCMLikeNoiseModel(g_max=10.0), drift_compensation=None)
    config = tile_config(theirs)
    assert same(config.device, jt.device.Statistical(jt.noise.PCM(converter=jt.noise.NPair(g_max=10.0))))
    assert config.backward.is_perfect
    weight = np.random.default_rng(0).uniform(-1, 1, (4, 5))
    key = jax.random.key(0)
    chip = jt.set_weights(jt.init(config, weight.shape, key=key), weight, key=key)
    hardware = jt.init(inference_of(theirs).config, weight.shape, key=key)
    written = jt.apply_programming_noise(jt.set_weights(hardware, weight), inference_of(theirs).noise_model, key=key)
    np.testing.assert_array_equal(chip.weight, written.weight)
    assert isinstance(tile_config(InferenceRPUConfig(noise_model=None)).device, jt.device.Ideal)
