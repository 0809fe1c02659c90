"""The parameters of the periphery of one direction of reading."""

import equinox as eqx

from .._types import Checked, Scalar, flag, is_concrete, number, optional
from .bound_management import AbstractBoundManagement, Iterative
from .ir_drop import AbstractIRDrop, IRDrop
from .ladder import LadderIRDrop
from .mv_type import AbstractMVType, BitWise, OnePass, SplitMode
from .noise_management import AbsMax, AbstractNoiseManagement
from .output_lines import OutputNonlinearity, VoltageOffset
from .weight_noise import AbstractWeightNoise, AdditiveConstant

__all__ = ["IOParameters"]


class IOParameters(Checked):
    """The periphery of one direction of reading (names and defaults are aihwkit's).

    Numbers are in normalised units: the DAC's range is +-1 after noise management, weights are normalised conductances. A stage
    that is None is left out of the program. `read` says what happens in which order.

    Attributes:
        is_perfect: skip all of it but `out_scale`: y = W x.
        mv_type: inputs of both signs at once, or each sign by itself.
        inp_bound: range of the DAC; infinite: none, and no steps.
        inp_res: step of the DAC as a fraction of its full range, or number of steps if above 1; 0 or less for none.
        inp_sto_round: let the DAC round up or down by chance, to the right mean.
        inp_noise: standard deviation of Gaussian noise on each input, after the DAC.
        inp_asymmetry: negative inputs are smaller by this fraction.
        out_bound: range of the ADC, likewise.
        out_noise: standard deviation of Gaussian noise on each output, before the ADC.
        out_noise_std: its relative spread over the outputs, drawn once for each tile.
        out_res: step of the ADC, like `inp_res`.
        out_sto_round: as `inp_sto_round`, of the ADC.
        out_asymmetry: negative outputs are smaller by this fraction.
        out_scale: a digital factor on the result.
        noise_management: scales each vector to the range of the DAC; None leaves it as it is.
        bound_management: what to do about clipped outputs; None leaves them clipped. Forward reads only, as in aihwkit.
        w_noise: noise of the weights while they are read.
        ir_drop: voltage lost along the output lines.
        v_offset: voltage offsets and series resistance of the output lines.
        out_nonlinearity: saturation of the output lines.
        slope_calibration: outputs are multiplied by (1 + (mean_i g_i + r_series) slope_calibration out_bound)^2, which undoes
            `out_nonlinearity` and `r_series` where the output is that fraction of the bound.
    """

    is_perfect: bool = flag(False)
    mv_type: AbstractMVType = eqx.field(default_factory=OnePass)
    inp_bound: Scalar = number(1.0, low=0.0, open=True, finite=False)
    inp_res: Scalar = number(1 / 126)
    inp_sto_round: bool = flag(False)
    inp_noise: Scalar | None = optional(low=0.0)
    inp_asymmetry: Scalar | None = optional()
    out_bound: Scalar = number(12.0, low=0.0, open=True, finite=False)
    out_noise: Scalar | None = optional(0.06, low=0.0)
    out_noise_std: Scalar | None = optional(low=0.0)
    out_res: Scalar = number(1 / 510)
    out_sto_round: bool = flag(False)
    out_asymmetry: Scalar | None = optional()
    out_scale: Scalar | None = optional()
    noise_management: AbstractNoiseManagement | None = eqx.field(default_factory=AbsMax)
    bound_management: AbstractBoundManagement | None = eqx.field(default_factory=Iterative)
    w_noise: AbstractWeightNoise | None = None
    ir_drop: AbstractIRDrop | None = None
    v_offset: VoltageOffset | None = None
    out_nonlinearity: OutputNonlinearity | None = None
    slope_calibration: Scalar | None = optional(low=0.0)

    def __check_init__(self) -> None:
        for name, kind, example in (
            ("noise_management", AbstractNoiseManagement, AbsMax),
            ("bound_management", AbstractBoundManagement, Iterative),
            ("w_noise", AbstractWeightNoise, AdditiveConstant),
            ("ir_drop", AbstractIRDrop, IRDrop),
            ("v_offset", VoltageOffset, VoltageOffset),
            ("out_nonlinearity", OutputNonlinearity, OutputNonlinearity),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                where = f"jaxtile.periphery.{example.__name__}()"
                raise TypeError(f"IOParameters.{name}={value!r} must be None or an object such as {where}.")
        if not isinstance(self.mv_type, AbstractMVType):
            raise TypeError(f"IOParameters.mv_type={self.mv_type!r} must be an object such as jaxtile.periphery.OnePass().")
        for name, kind in (("ir_drop", LadderIRDrop), ("mv_type", SplitMode | BitWise)):
            if isinstance(getattr(self, name), kind) and is_concrete(self.inp_res) and float(self.inp_res) <= 0:
                raise ValueError(
                    f"IOParameters.{name}={getattr(self, name)!r} counts the steps of the DAC: give inp_res a number above 0."
                )
        if self.out_noise is None and self.out_noise_std is not None:
            raise ValueError("IOParameters.out_noise_std spreads out_noise, which is None: give it a number, or leave both out.")
