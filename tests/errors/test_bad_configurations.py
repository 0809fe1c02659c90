"""Wrong numbers, names and parts of a configuration are refused by an error that says what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import FLOAT
from refusals import TILE, assert_refused, ratio

import jaxtile as jt

CASES = {
    "dw_min negative": (lambda: jt.device.ConstantStep(dw_min=-1e-3), ValueError, ["ConstantStep.dw_min=-0.001", "above 0"]),
    "dw_min zero": (lambda: jt.device.SoftBounds(dw_min=0), ValueError, ["SoftBounds.dw_min=0", "above 0"]),
    "dw_min text": (lambda: jt.device.ConstantStep(dw_min="small"), TypeError, ["dw_min='small'", "pass a number"]),
    "dw_min several": (lambda: jt.device.ConstantStep(dw_min=jnp.ones(3)), ValueError, ["dw_min", "(3,)", "jax.vmap"]),
    "dw_min nan": (lambda: jt.device.ConstantStep(dw_min=np.nan), ValueError, ["dw_min=nan", "above 0"]),
    "dw_min infinite": (lambda: jt.device.ConstantStep(dw_min=np.inf), ValueError, ["dw_min=inf", "above 0"]),
    "dw_min a switch": (lambda: jt.device.ConstantStep(dw_min=True), TypeError, ["dw_min=True", "pass a number"]),
    "dw_min beyond all floats": (
        lambda: jt.device.ConstantStep(dw_min=10**400),
        ValueError,
        ["ConstantStep.dw_min=inf", "above 0"],
    ),
    "nodes beyond all floats": (lambda: jt.device.PiecewiseStep(piecewise_up=[10**400]), TypeError, ["PiecewiseStep.piecewise_up"]),
    "train of a billion slots": (
        lambda: jt.pulse.MeanCount(desired_bl=10**9),
        ValueError,
        ["desired_bl=1000000000", "at most 131072"],
    ),
    "w_min above zero": (lambda: jt.device.ConstantStep(w_min=0.1), ValueError, ["w_min=0.1", "at most 0"]),
    "spread negative": (lambda: jt.device.LinearStep(gamma_up_dtod=-1), ValueError, ["gamma_up_dtod=-1", "at least 0"]),
    "order unknown": (lambda: jt.device.ExpStep(order="fast"), ValueError, ["order='fast'", "'aggregate', 'slot'"]),
    "mult_noise not a switch": (lambda: jt.device.SoftBounds(mult_noise=1), TypeError, ["mult_noise=1", "True or False"]),
    "reversed steps, additive noise": (
        lambda: jt.device.LinearStep(reverse_up=True, mult_noise=False),
        ValueError,
        ["LinearStep.mult_noise=False", "reverse_up=False"],
    ),
    "corrupt more than all": (
        lambda: jt.device.ConstantStep(corrupt_devices_prob=1.1),
        ValueError,
        ["corrupt_devices_prob=1.1", "at most 1"],
    ),
    "a step beyond all weights": (
        lambda: jt.device.ConstantStep(dw_min=1e20),
        ValueError,
        ["ConstantStep.dw_min=1e+20", "above 0 and at most 1e+12"],
    ),
    "a step that programs take for zero": (
        lambda: jt.device.SoftBounds(dw_min=1e-39),
        ValueError,
        ["SoftBounds.dw_min=1e-39", "above 0"],
    ),
    "a bound beyond all weights": (lambda: jt.device.PowStep(w_min=-1e30), ValueError, ["PowStep.w_min=-1e+30", "at least -1e+12"]),
    "noise beyond all weights": (
        lambda: jt.device.WriteNoise(jt.device.SoftBounds(), write_noise_std=1e30),
        ValueError,
        ["WriteNoise.write_noise_std=1e+30", "at most 1e+12"],
    ),
    "cycle noise beyond all": (
        lambda: jt.device.ExpStep(dw_min_std=1e30),
        ValueError,
        ["ExpStep.dw_min_std=1e+30", "at most 1e+06"],
    ),
    "a spread beyond all": (lambda: jt.device.LinearStep(gamma_up_dtod=1e30), ValueError, ["gamma_up_dtod=1e+30", "at most 1e+06"]),
    "a table beyond all weights": (
        lambda: jt.device.Table(state=[-1, 0, 1e20], up=[1, 1, 1], down=[1, 1, 1]),
        ValueError,
        ["Table.state holds numbers beyond 1e+12", "normalised"],
    ),
    "a range that the converter cuts": (
        lambda: jt.nn.Linear(
            2,
            2,
            jt.TileConfig(forward=jt.IOParameters(inp_bound=0.5, noise_management=None)),
            input_range=jt.digital.InputRange(),
            key=jax.random.key(0),
        ),
        *(ValueError, ["Linear.input_range scales inputs to +-1", "forward.inp_bound=0.5", "inp_bound=1.0"]),
    ),
    "a datasheet of no hardware": (
        lambda: jt.Datasheet.of(jt.device.SoftBounds(), (2, 3)),
        TypeError,
        ["config=SoftBounds()", "TileConfig"],
    ),
    "a datasheet of no shape": (lambda: jt.Datasheet.of(jt.TileConfig(), (2, 0)), ValueError, ["shape=(2, 0)", "(out, in)"]),
    "exponent zero": (lambda: jt.device.PowStep(pow_gamma=0), ValueError, ["PowStep.pow_gamma=0", "above 0"]),
    "estimation in no steps": (
        lambda: jt.device.PowStepReference(n_estimation_steps=-2),
        ValueError,
        ["n_estimation_steps=-2", "at least -1"],
    ),
    "reference several": (lambda: jt.device.SoftBoundsReference(reference_mean=[0, 1]), ValueError, ["reference_mean", "(2,)"]),
    "drift of ideal devices": (
        lambda: jt.device.Drifting(jt.device.Ideal()),
        TypeError,
        ["Drifting.device=Ideal()", "SoftBounds()"],
    ),
    "nodes, unequal": (
        lambda: jt.device.PiecewiseStep(piecewise_up=[1, 2]),
        ValueError,
        ["piecewise_up has shape (2,)", "piecewise_down (1,)"],
    ),
    "nodes, none": (
        lambda: jt.device.PiecewiseStep(piecewise_up=[], piecewise_down=[]),
        ValueError,
        ["piecewise_up has shape (0,)", "[1.5, 1.0, 1.5]"],
    ),
    "nodes, one number": (
        lambda: jt.device.PiecewiseStep(piecewise_down=1.0),
        ValueError,
        ["piecewise_down has shape ()", "[1.5, 1.0, 1.5]"],
    ),
    "nodes, nan": (lambda: jt.device.PiecewiseStep(piecewise_up=[np.nan]), ValueError, ["piecewise_up", "finite"]),
    "pulses below one": (lambda: jt.device.SoftBoundsPmax(p_max=0), ValueError, ["SoftBoundsPmax.p_max=0", "above 0"]),
    "a number that follows": (
        lambda: jt.device.SoftBoundsPmax(dw_min=0.1),
        ValueError,
        ["SoftBoundsPmax.dw_min=0.1", "leave it out"],
    ),
    "preset out of range": (lambda: jt.presets.reram_sb(dw_min=-1), ValueError, ["SoftBoundsReference.dw_min=-1"]),
    "kappa below one": (lambda: ratio(kappa=0.5), ValueError, ["ConstantRatio.kappa=0.5", "at least 1"]),
    "scheme unknown": (lambda: ratio(scheme="V/4"), ValueError, ["ConstantRatio.scheme='V/4'", "'V/2', 'V/3'"]),
    "phases unknown": (lambda: ratio(phases="some"), ValueError, ["phases='some'", "'all', 'active'"]),
    "desired_bl zero": (lambda: jt.pulse.MeanField(desired_bl=0), ValueError, ["desired_bl=0", "at least 1"]),
    "desired_bl fraction": (lambda: jt.pulse.MeanCount(desired_bl=3.5), ValueError, ["desired_bl=3.5", "whole number"]),
    "res above one": (lambda: jt.pulse.Stochastic(res=4), ValueError, ["res=4", "at most 1"]),
    "no passes": (lambda: jt.IOParameters(mv_type="one_pass"), TypeError, ["IOParameters.mv_type='one_pass'", "OnePass()"]),
    "a circuit without slots": (
        lambda: jt.IOParameters(inp_res=0.0, ir_drop=jt.periphery.LadderIRDrop()),
        *(ValueError, ["IOParameters.ir_drop=", "LadderIRDrop()", "inp_res"]),
    ),
    "bits without steps": (lambda: jt.IOParameters(inp_res=0.0, mv_type=jt.periphery.BitWise()), ValueError, ["mv_type=BitWise()"]),
    "segments of no length": (
        lambda: jt.periphery.LadderIRDrop(ir_drop_segments=0),
        *(ValueError, ["LadderIRDrop.ir_drop_segments=0", "whole number"]),
    ),
    "clipping that bound management hides": (
        lambda: jt.digital.Linear(TILE, input_range=jt.digital.InputRange(output_min_percentage=0.9)),
        *(ValueError, ["output_min_percentage", "noise_management=None"]),
    ),
    "no stage": (lambda: jt.IOParameters(ir_drop=1.0), TypeError, ["IOParameters.ir_drop=", "IRDrop()"]),
    "spread of nothing": (lambda: jt.IOParameters(out_noise=None, out_noise_std=0.1), ValueError, ["out_noise_std", "None"]),
    "negative noise": (lambda: jt.IOParameters(inp_noise=-1), ValueError, ["IOParameters.inp_noise=-1", "at least 0"]),
    "refresh with lines of its own": (
        lambda: jt.device.Refresh(forward=jt.IOParameters(out_noise_std=0.1)),
        ValueError,
        ["Refresh.forward", "drawn once"],
    ),
    "out_bound zero": (lambda: jt.IOParameters(out_bound=0), ValueError, ["IOParameters.out_bound=0", "above 0"]),
    "management by name": (
        lambda: jt.IOParameters(noise_management="abs_max"),
        TypeError,
        ["noise_management='abs_max'", "AbsMax()"],
    ),
    "device by name": (lambda: jt.TileConfig(device="ideal"), TypeError, ["device='ideal'", "ConstantStep()"]),
    "half-select without pulses": (
        lambda: jt.TileConfig(device=jt.device.Ideal(), half_select=ratio()),
        ValueError,
        ["half_select", "None"],
    ),
    "half-select, type none": (
        lambda: jt.TileConfig(pulse=jt.pulse.NoPulse(), half_select=ratio()),
        ValueError,
        ["NoPulse", "None"],
    ),
    "mean field in slots": (
        lambda: jt.TileConfig(device=jt.device.SoftBounds(order="slot"), pulse=jt.pulse.MeanField()),
        ValueError,
        ["MeanField()", "order='aggregate'"],
    ),
    "pulse type without a law": (
        lambda: jt.TileConfig(pulse=jt.pulse.AbstractPulse()),
        TypeError,
        ["pulse=AbstractPulse()", "StochasticCompressed()"],
    ),
    "ratio of a line": (lambda: ratio(row=0.0), ValueError, ["ConstantRatio.row=0", "above 0"]),
    "spread of kappa": (lambda: ratio(kappa_dtod=-0.1), ValueError, ["kappa_dtod=-0.1", "at least 0"]),
    "sinh": (lambda: jt.half_select.Sinh(v_0=0.0), ValueError, ["Sinh.v_0=0", "above 0"]),
    "threshold": (lambda: jt.half_select.Threshold(alpha=0.0), ValueError, ["Threshold.alpha=0", "above 0"]),
    "stochastic": (lambda: jt.half_select.Stochastic(kappa=0.5), ValueError, ["Stochastic.kappa=0.5", "at least 1"]),
    "dead band": (lambda: jt.half_select.Accumulation(dead_band=0.0), ValueError, ["Accumulation.dead_band=0", "at least 1"]),
    "dead band of a fraction": (
        lambda: jt.half_select.Accumulation(dead_band=2.5),
        ValueError,
        ["Accumulation.dead_band=2.5", "a whole number of at least 1"],
    ),
    "half pulses of more than a full step": (
        lambda: ratio(kappa=2.0, row=0.5, column=0.8, down=0.1),
        *(ValueError, ["ConstantRatio(kappa=2, row=0.5, column=0.8, down=0.1)", "a kappa of 0.1", "at least 20"]),
    ),
    "ratios that are text": (lambda: ratio(kappa="high", row=0.5), TypeError, ["ConstantRatio.kappa='high'", "pass a number"]),
    "pulses longer than their period": (
        lambda: jt.Costs(pulse_width=1e-6),
        *(ValueError, ["Costs.pulse_width=1e-06", "pulse_period=2e-07", "at least the width"]),
    ),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    assert_refused(*CASES[name])


def test_numbers_of_any_kind_make_the_same_device():
    """Python, NumPy and JAX numbers, and tracers, are accepted alike."""
    made = [jt.device.ConstantStep(dw_min=kind(0.25)) for kind in (float, np.float64, np.float16, jnp.float32)]
    assert all(float(device.dw_min) == 0.25 and device.dw_min.dtype == FLOAT for device in made)
    traced = jax.jit(lambda dw_min: jt.device.ConstantStep(dw_min=dw_min).dw_min)(0.25)
    assert float(traced) == 0.25
