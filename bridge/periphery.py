"""aihwkit's I/O parameters as jaxtile's, and back; and the numbers of a periphery that
are drawn once for each tile.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType, WeightNoiseType
from aihwkit.simulator.parameters.io import IOParameters, IOParametersIRDropT

import jaxtile as jt
from jaxtile import periphery

from ._fields import named_alike, numbers, refuse, refuse_rest

__all__ = ["from_extra", "from_io", "from_ladder", "to_extra", "to_io"]

_NOISE_MANAGEMENT = {
    NoiseManagementType.NONE: type(None),
    NoiseManagementType.ABS_MAX: periphery.AbsMax,
    NoiseManagementType.ABS_MAX_NP_SUM: periphery.AbsMaxNPSum,
    NoiseManagementType.MAX: periphery.Max,
    NoiseManagementType.CONSTANT: periphery.Constant,
    NoiseManagementType.AVERAGE_ABS_MAX: periphery.AverageAbsMax,
}
_BOUND_MANAGEMENT = {
    BoundManagementType.NONE: type(None),
    BoundManagementType.ITERATIVE: periphery.Iterative,
    BoundManagementType.ITERATIVE_WORST_CASE: periphery.IterativeWorstCase,
}
_MV_TYPES = {
    AnalogMVType.ONE_PASS: periphery.OnePass,
    AnalogMVType.POS_NEG_SEPARATE: periphery.PosNegSeparate,
    AnalogMVType.POS_NEG_SEPARATE_DIGITAL_SUM: periphery.PosNegSeparateDigitalSum,
}
_WEIGHT_NOISE = {WeightNoiseType.ADDITIVE_CONSTANT: periphery.AdditiveConstant, WeightNoiseType.PCM_READ: periphery.PCMRead}

# Numbers of stages that are None here where aihwkit's value is the second of the pair,
# which does nothing.
_OPTIONAL = {"inp_noise": 0, "inp_asymmetry": 0, "out_noise": 0, "out_noise_std": 0, "out_asymmetry": 0, "out_scale": 1}
_OPTIONAL |= {"slope_calibration": 0}
_PLAIN = ("inp_bound", "inp_res", "inp_sto_round", "out_bound", "out_res", "out_sto_round")
# What aihwkit has no parameter for, at the values that its C++ code has.
_FIXED = {"nm_decay", "nm_assumed_wmax"}

# aihwkit's name of what is drawn once, and jaxtile's.
_DRAWN = {"out_noise_values": "out_noise", "v_offset": "v_offset", "out_nonlinearity": "out_nonlinearity"}
_ASYMMETRY, _AVERAGE = "w_asymmetry", "rpu.fb_pass.aux_nm_value"
_DIRECTIONS = {"forward": "fwd", "backward": "bwd"}


def from_io(io: Any, name: str) -> jt.IOParameters:
    """Translate the parameters of one direction of reading.

    Raises:
        ConfigError: they ask for what jaxtile does not have; the message names it.
    """
    if not isinstance(io, IOParameters):
        refuse(name, type(io).__name__, "pass IOParameters")
    fields = {field.name for field in dataclasses.fields(IOParameters)}
    refuse_rest(io, IOParameters, name, fields)
    out_scale = None if io.out_scale == 1 else io.out_scale
    if io.is_perfect or io.mv_type == AnalogMVType.IDEAL:
        return jt.IOParameters(is_perfect=True, out_scale=out_scale)
    values = {field: getattr(io, field) for field in _PLAIN}
    for bound, res in (("inp_bound", "inp_res"), ("out_bound", "out_res")):
        if values[bound] <= 0 or math.isinf(values[bound]):  # no bound, and a converter without a range has no steps
            values |= {bound: math.inf, res: 0.0}
    values |= {field: None if getattr(io, field) == idle else getattr(io, field) for field, idle in _OPTIONAL.items()}
    if values["out_noise"] is None:  # then there is nothing to spread
        values["out_noise_std"] = None
    if io.w_noise_type in _WEIGHT_NOISE and io.w_noise != 0:
        values["w_noise"] = _WEIGHT_NOISE[io.w_noise_type](w_noise=io.w_noise)
    if io.ir_drop != 0:
        values["ir_drop"] = periphery.IRDrop(ir_drop=io.ir_drop, ir_drop_g_ratio=io.ir_drop_g_ratio)
    if io.v_offset_std != 0 or io.r_series != 0:
        values["v_offset"] = periphery.VoltageOffset(
            v_offset_std=io.v_offset_std, v_offset_w_min=io.v_offset_w_min, r_series=io.r_series
        )
    if io.out_nonlinearity != 0:
        values["out_nonlinearity"] = periphery.OutputNonlinearity(
            out_nonlinearity=io.out_nonlinearity, out_nonlinearity_std=io.out_nonlinearity_std
        )
    return jt.IOParameters(
        **values,
        mv_type=_mv_type(io, name),
        noise_management=_noise_management(io, name),
        bound_management=_bound_management(io, name),
    )


def from_ladder(io: IOParametersIRDropT, name: str, converter: Any, rows: int | None) -> jt.IOParameters:
    """Translate parameters with the IR drop of a circuit, as they are in evaluation
    (aihwkit trains without).

    Args:
        io: the parameters.
        name: of them, for errors.
        converter: pairs of devices that stand for a weight (`LadderIRDrop` refuses
            others).
        rows: of the array; None: as many as inputs.

    Raises:
        ConfigError: they ask for what jaxtile does not have; the message names it.
    """
    plain: dict[str, Any] = {field.name: getattr(io, field.name) for field in dataclasses.fields(IOParameters)}
    passes = {
        AnalogMVType.SPLIT_MODE: lambda: periphery.SplitMode(split_mode_bit_shift=io.split_mode_bit_shift),
        AnalogMVType.BIT_WISE: lambda: periphery.BitWise(bits=math.floor(math.log2(max(io.inp_res, 1 / io.inp_res) + 2)) - 1),
    }
    in_parts = passes.get(io.mv_type)
    if in_parts is not None:
        plain["mv_type"] = AnalogMVType.ONE_PASS
    plain["ir_drop"] = 0.0
    ours = from_io(IOParameters(**plain), name)
    shared = {field.name for field in dataclasses.fields(periphery.LadderIRDrop)} & vars(io).keys()
    taken = {*plain, *shared, "adc_quantization", "ir_drop_v_read", "split_mode_bit_shift"}
    refuse_rest(io, IOParametersIRDropT, name, taken)
    values = {field: getattr(io, field) for field in shared}
    values["adc_frequency"] = io.adc_frequency if io.adc_quantization else None
    ladder = periphery.LadderIRDrop(converter=converter, rows=rows, v_read=io.ir_drop_v_read, **values)
    return dataclasses.replace(ours, ir_drop=ladder if io.ir_drop > 0 else None, mv_type=in_parts() if in_parts else ours.mv_type)


def _mv_type(io: IOParameters, name: str) -> periphery.AbstractMVType:
    if io.mv_type not in _MV_TYPES:
        refuse(f"{name}.mv_type", io.mv_type, "aihwkit's C++ tiles do not have it either")
    kind = _MV_TYPES[io.mv_type]
    return kind() if kind is periphery.OnePass else kind(w_read_asymmetry_dtod=io.w_read_asymmetry_dtod or None)


def _noise_management(io: IOParameters, name: str) -> periphery.AbstractNoiseManagement | None:
    if io.noise_management == NoiseManagementType.NONE:
        return None
    worst_case = io.bound_management == BoundManagementType.ITERATIVE_WORST_CASE
    if io.noise_management == NoiseManagementType.AVERAGE_ABS_MAX:
        if worst_case and io.nm_thres > 0:
            refuse(f"{name}.nm_thres", io.nm_thres, "with AVERAGE_ABS_MAX only the worst case would use it")
        return periphery.AverageAbsMax()
    limit = io.nm_thres if io.nm_thres > 0 else None
    if io.noise_management == NoiseManagementType.ABS_MAX_NP_SUM:
        return periphery.AbsMaxNPSum(nm_thres=limit, max_bm_res=io.max_bm_res)
    return _NOISE_MANAGEMENT[io.noise_management](nm_thres=limit)


def _bound_management(io: IOParameters, name: str) -> periphery.AbstractBoundManagement | None:
    if io.bound_management == BoundManagementType.NONE:
        return None
    if io.bound_management not in _BOUND_MANAGEMENT:
        refuse(f"{name}.bound_management", io.bound_management, "aihwkit's C++ tiles do not have it either")
    return _BOUND_MANAGEMENT[io.bound_management](
        max_bm_factor=io.max_bm_factor, max_bm_res=io.max_bm_res, bm_test_negative_bound=io.bm_test_negative_bound
    )


def to_io(io: jt.IOParameters) -> IOParameters:
    """The aihwkit parameters that `from_io` translates into these.

    Raises:
        ConfigError: aihwkit's have no place for something.
    """
    ours = numbers(io)
    values: dict[str, Any] = {field: ours[field] for field in ("is_perfect", *_PLAIN)}
    values |= {field: idle if ours[field] is None else ours[field] for field, idle in _OPTIONAL.items()}
    values |= {
        "noise_management": named_alike(_NOISE_MANAGEMENT, io.noise_management, "noise_management"),
        "bound_management": named_alike(_BOUND_MANAGEMENT, io.bound_management, "bound_management"),
        "mv_type": named_alike(_MV_TYPES, io.mv_type, "mv_type"),
    }
    if io.w_noise is not None:
        values["w_noise_type"] = named_alike(_WEIGHT_NOISE, io.w_noise, "w_noise")
    # Bound management last: its `max_bm_res` is the one that aihwkit's noise management
    # uses, too.
    stages = (io.mv_type, io.w_noise, io.ir_drop, io.v_offset, io.out_nonlinearity, io.noise_management, io.bound_management)
    for stage in stages:
        own = {} if stage is None else {name: value for name, value in numbers(stage).items() if value is not None}
        for name in _FIXED & own.keys():
            default = numbers(type(stage)())[name]  # pyright: ignore[reportCallIssue] (those that have it have defaults)
            if own.pop(name) != default:
                refuse(name, getattr(stage, name), f"aihwkit's is {default}")
        if own.get("max_bm_res", 0) != values.get("max_bm_res", own.get("max_bm_res", 0)):
            refuse("max_bm_res", own["max_bm_res"], "aihwkit has one for noise and bound management")
        values |= own
    if "max_bm_factor" in values:
        values["max_bm_factor"] = int(values["max_bm_factor"])
    return IOParameters(**values)


def from_extra(tile: jt.Tile, extra: dict[str, Any]) -> jt.Tile:
    """The same tile with the peripheries that aihwkit drew: those in the `dump_extra`
    of a C++ tile.
    """
    chip, now, dtype = tile.chip, tile.now, tile.weight.dtype
    for field, direction in _DIRECTIONS.items():
        channels, prefix = getattr(chip, field), f"rpu.fb_pass.{direction}."
        drawn = {ours: extra[prefix + theirs] for theirs, ours in _DRAWN.items() if getattr(channels, ours) is not None}
        if channels.w_asymmetry is not None:  # aihwkit keeps those of both directions as [out, in]
            matrix = np.reshape(extra[prefix + _ASYMMETRY], tile.shape)
            drawn["w_asymmetry"] = matrix if direction == "fwd" else matrix.T
        channels = dataclasses.replace(channels, **{name: jnp.asarray(value, dtype) for name, value in drawn.items()})
        chip = dataclasses.replace(chip, **{field: channels})
        if getattr(now, field) is not None:  # one average of both directions there
            now = now.replace(**{field: jnp.asarray(extra[_AVERAGE][0], dtype)})
    return jt.Tile(tile.config, chip, now)


def to_extra(tile: jt.Tile) -> dict[str, list[float]]:
    """The state that a C++ tile must load to have the peripheries of this one."""
    extra = {}
    for field, direction in _DIRECTIONS.items():
        channels, prefix = getattr(tile.chip, field), f"rpu.fb_pass.{direction}."
        drawn = {theirs: getattr(channels, ours) for theirs, ours in _DRAWN.items()}
        matrix = channels.w_asymmetry
        drawn[_ASYMMETRY] = matrix if matrix is None or direction == "fwd" else matrix.T
        extra |= {prefix + name: np.ravel(value).tolist() for name, value in drawn.items() if value is not None}
    # Aihwkit has one average for both directions.
    average = tile.now.backward if tile.now.forward is None else tile.now.forward
    return extra if average is None else extra | {_AVERAGE: [float(average)]}
