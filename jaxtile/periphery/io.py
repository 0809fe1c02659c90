"""The parameters of the periphery of one direction of reading."""

from collections.abc import Callable
from typing import Any

from .._types import is_concrete
from ..fields import Checked, Number, OptionalNumber, flag, number, optional, part
from .bound_management import AbstractBoundManagement, Iterative
from .ir_drop import AbstractIRDrop
from .ladder import LadderIRDrop
from .mv_type import AbstractMVType, BitWise, OnePass, SplitMode
from .noise_management import AbsMax, AbstractNoiseManagement
from .output_lines import OutputNonlinearity, VoltageOffset
from .weight_noise import AbstractWeightNoise

__all__ = ["IOParameters"]


def _stage(kind: type, example: str, *, default: Callable[[], Any] | None = None) -> Any:
    """Declare a stage, which None leaves out."""
    return part(kind, f"must be None or an object such as jaxtile.periphery.{example}()", default=default, optional=True)


class IOParameters(Checked):
    """The periphery of one direction of reading (names and defaults are aihwkit's).

    Numbers are in normalised units: the DAC's range is +-1 after noise management,
    weights are normalised conductances. A stage that is None is left out of the
    program. `read` gives the order of the stages.

    Attributes:
        is_perfect: skip all of it but `out_scale`: y = W x.
        mv_type: inputs of both signs at once, or each sign by itself.
        inp_bound: range of the DAC; infinite: no limit and no steps.
        inp_res: step of the DAC as a fraction of its full range, or number of steps if
            above 1; 0 or less for none.
        inp_sto_round: let the DAC round up or down by chance, to the right mean.
        inp_noise: standard deviation of Gaussian noise on each input, after the DAC.
        inp_asymmetry: negative inputs are smaller by this fraction.
        out_bound: range of the ADC, like `inp_bound`.
        out_noise: standard deviation of Gaussian noise on each output, before the ADC.
        out_noise_std: its relative spread over the outputs, drawn once for each tile.
        out_res: step of the ADC, like `inp_res`.
        out_sto_round: as `inp_sto_round`, for the ADC.
        out_asymmetry: negative outputs are smaller by this fraction.
        out_scale: a digital factor on the result.
        noise_management: scales each vector to the range of the DAC; None leaves it as
            it is.
        bound_management: what to do about clipped outputs; None leaves them clipped.
            Forward reads only, as in aihwkit.
        w_noise: noise of the weights while they are read.
        ir_drop: voltage lost along the output lines.
        v_offset: voltage offsets and series resistance of the output lines.
        out_nonlinearity: saturation of the output lines.
        slope_calibration: outputs are multiplied by (1 + (mean_i g_i + r_series)
            slope_calibration out_bound)^2. This undoes `out_nonlinearity` and
            `r_series` where the output is that fraction of the bound.
    """

    is_perfect: bool = flag(False)
    mv_type: AbstractMVType = part(AbstractMVType, "must be an object such as jaxtile.periphery.OnePass()", default=OnePass)
    inp_bound: Number = number(1.0, low=0.0, open=True, finite=False)
    inp_res: Number = number(1 / 126)
    inp_sto_round: bool = flag(False)
    inp_noise: OptionalNumber = optional(low=0.0)
    inp_asymmetry: OptionalNumber = optional()
    out_bound: Number = number(12.0, low=0.0, open=True, finite=False)
    out_noise: OptionalNumber = optional(0.06, low=0.0)
    out_noise_std: OptionalNumber = optional(low=0.0)
    out_res: Number = number(1 / 510)
    out_sto_round: bool = flag(False)
    out_asymmetry: OptionalNumber = optional()
    out_scale: OptionalNumber = optional()
    noise_management: AbstractNoiseManagement | None = _stage(AbstractNoiseManagement, "AbsMax", default=AbsMax)
    bound_management: AbstractBoundManagement | None = _stage(AbstractBoundManagement, "Iterative", default=Iterative)
    w_noise: AbstractWeightNoise | None = _stage(AbstractWeightNoise, "AdditiveConstant")
    ir_drop: AbstractIRDrop | None = _stage(AbstractIRDrop, "IRDrop")
    v_offset: VoltageOffset | None = _stage(VoltageOffset, "VoltageOffset")
    out_nonlinearity: OutputNonlinearity | None = _stage(OutputNonlinearity, "OutputNonlinearity")
    slope_calibration: OptionalNumber = optional(low=0.0)

    @property
    def draws(self) -> bool:
        """True if a read draws random numbers."""
        noises = (self.inp_noise, self.out_noise, self.w_noise)
        return not self.is_perfect and (self.inp_sto_round or self.out_sto_round or any(noise is not None for noise in noises))

    def __check_init__(self) -> None:
        for name, kind in (("ir_drop", LadderIRDrop), ("mv_type", SplitMode | BitWise)):
            if isinstance(getattr(self, name), kind) and is_concrete(self.inp_res) and float(self.inp_res) <= 0:
                raise ValueError(
                    f"IOParameters.{name}={getattr(self, name)!r} counts the steps of the DAC: give inp_res a number above 0."
                )
        if isinstance(self.mv_type, BitWise) and is_concrete(self.inp_res):
            res, most = float(self.inp_res), 2**self.mv_type.bits - 1
            steps = (res if res > 1 else 1 / res) / 2
            if steps > most * (1 + 1e-3):
                raise ValueError(
                    f"IOParameters.mv_type={self.mv_type!r} sends at most {most} steps in either direction, and the DAC of inp_res="
                    f"{res:g} has {steps:g}: pass more bits, or a coarser inp_res."
                )
        if self.out_noise is None and self.out_noise_std is not None:
            raise ValueError("IOParameters.out_noise_std spreads out_noise, which is None: give it a number, or leave both out.")
