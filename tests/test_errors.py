"""Bad input: each is refused with an error that names the argument, shows the value and says what to do."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT

import jaxtile as jt

KEY = jr.key(0)
TILE = jt.init(jt.TileConfig(), (3, 4), key=KEY)
SPREAD = jt.TileConfig(forward=jt.IOParameters(out_noise_std=0.1))
TILES = jax.vmap(lambda key: jt.init(jt.TileConfig(), (3, 4), key=key))(jr.split(KEY))
TARGET = jnp.full((3, 4), 0.1)
WITH_NAN = TARGET.at[0, 0].set(jnp.nan)
ratio = jt.half_select.ConstantRatio


def program(target=TARGET, method=None, tile=TILE, key=KEY, max_steps=2, **options):
    return jt.program(tile, target, jt.SVD() if method is None else method, key=key, max_steps=max_steps, **options)


def sweep(**options):
    return jt.sweep(jt.Programming(jt.SVD()), jt.TileConfig(), TARGET, key=KEY, **options)


def lines(width, out):
    """Trains that pulse in their only slot."""
    x, d = jnp.ones((width, 1), bool), jnp.ones((out, 1), bool)
    return jt.pulse.Trains.from_bits(x, d, jnp.ones(width, int), jnp.ones(out, int))


def circuit():
    config = jt.TileConfig(forward=jt.IOParameters(ir_drop=jt.periphery.LadderIRDrop()))
    return jt.init(config, (2, 3), key=KEY)


def table(state=(-1.0, 0.0, 1.0), up=(0.1, 0.1, 0.1), down=(0.1, 0.1, 0.1), **others):
    return jt.device.Table(state=np.asarray(state), up=np.asarray(up), down=np.asarray(down), **others)


def table_from(folder, text):
    (folder / "steps.csv").write_text(text)
    return jt.device.Table.from_csv(folder / "steps.csv")


CURVES, TRAIN = np.zeros((2, 31)), np.ones(30)


def fit(weights=CURVES, pulses=TRAIN, device=None, **options):
    return jt.device.fit(jt.device.SoftBounds() if device is None else device, weights, pulses, **options)


CASES = {
    # name: (what is called, the error, what its message must say)
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
    "digits of more than 32 bits": (lambda: jt.ProgramVerify(digits=31), ValueError, ["ProgramVerify.digits=31", "at most 30"]),
    "steps beyond 32 bits": (lambda: program(max_steps=2**31), ValueError, ["max_steps=2147483648", "below 2**31"]),
    "sweep over text": (
        lambda: sweep(over={"device.dw_min": "0.001"}),
        TypeError,
        ["over['device.dw_min']='0.001'", "[0.001, 0.01]"],
    ),
    "sweep over switches": (lambda: sweep(over={"device.dw_min": [True]}), TypeError, ["over['device.dw_min']=[True]"]),
    "sweep beyond all floats": (lambda: sweep(over={"device.dw_min": [10**400]}), TypeError, ["over['device.dw_min']=[1000"]),
    "sweep over what is not there": (
        lambda: sweep(over={"half_select.kappa": [10.0]}),
        *(ValueError, ["'half_select.kappa'", "half_select is None: configure it"]),
    ),
    "sweep of too many chips": (lambda: sweep(chips=2**31 - 1, seeds=2), ValueError, ["points; a sweep takes at most 2147483647"]),
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
    "drift of devices that stay": (lambda: jt.drift(TILE, 1.0, key=KEY), TypeError, ["ConstantStep()", "jaxtile.device.Drifting"]),
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
    "table not increasing": (lambda: table(state=(-1.0, 1.0, 0.0)), ValueError, ["Table.state", "not increasing at entry 2"]),
    "table without zero": (lambda: table(state=(1.0, 2.0, 3.0)), ValueError, ["Table.state", "1 to 3", "normalise"]),
    "table nan": (lambda: table(up=(0.1, np.nan, 0.1)), ValueError, ["Table.up", "1 of 3", "finite"]),
    "table too short": (lambda: table(down=(0.1, 0.1)), ValueError, ["Table.down has shape (2,)", "as many"]),
    "table noise negative": (lambda: table(up_noise=(0.1, -0.1, 0.1)), ValueError, ["Table.up_noise", "-0.1", "at least 0"]),
    "table of no steps": (lambda: table(up=(0.0,) * 3, down=(0.0,) * 3), ValueError, ["Table.dw_min=0", "above 0"]),
    "table from few pulses": (
        lambda: jt.device.Table.from_pulses(np.linspace(-0.5, 0.5, 31)[None], TRAIN, n_states=5),
        ValueError,
        ["no down step", "both directions", "jaxtile.device.fit"],
    ),
    "table from bursts": (lambda: jt.device.Table.from_pulses(CURVES, 2 * TRAIN), ValueError, ["pulses", "such as 2", "NaN"]),
    "fit of switches": (lambda: fit(pulses=TRAIN > 0), TypeError, ["pulses holds True and False", "-1 for down"]),
    "fit of codes": (
        lambda: fit(weights=np.cumsum(0.01 * np.r_[0, np.ones(15), -np.ones(15)])[None], pulses=np.r_[np.ones(15), np.zeros(15)]),
        ValueError,
        ["pulses holds 0, only a read, where weights change by -0.01", "-1 for a pulse down"],
    ),
    "fit of the other polarity": (
        lambda: fit(weights=np.cumsum(0.01 * np.r_[0, np.ones(15), -np.ones(15)])[None], pulses=np.r_[-np.ones(15), np.ones(15)]),
        ValueError,
        ["weights move against the pulses", "pass -pulses"],
    ),
    "fit of reads": (lambda: fit(pulses=0 * TRAIN), ValueError, ["neither 1 (up) nor -1 (down)", "after pulses"]),
    "fit of infinite weights": (lambda: fit(weights=CURVES + np.inf), ValueError, ["weights holds 62 infinite numbers", "NaN"]),
    "fit of raw conductances": (
        lambda: fit(weights=1e-6 * (30 + np.arange(31) % 2)[None], pulses=np.tile([1, -1], 15)),
        ValueError,
        ["weights run from 3e-05 to 3.1e-05, without zero", "jaxtile.device.Conductance(g_min, g_max)"],
    ),
    "fit of a lifetime": (
        lambda: fit(pulses=np.tile([1, -1], 15), parameters=("dw_min", "lifetime")),
        ValueError,
        ["pulses say nothing of lifetime", "choose from dw_min"],
    ),
    "fit of a bound that does not shape": (
        lambda: fit(pulses=np.tile([1, -1], 15), device=jt.device.ConstantStep(), parameters="w_max"),
        ValueError,
        ["pulses say nothing of w_max", "choose from dw_min, up_down"],
    ),
    "fit of the other direction": (
        lambda: fit(parameters=("dw_min", "w_min")),
        ValueError,
        ["pulses of one direction (up) say nothing of w_min", "choose from dw_min"],
    ),
    "fit of nothing": (lambda: fit(parameters=()), ValueError, ["parameters=()", "choose from dw_min"]),
    "fit in no unit": (lambda: fit(pulses=np.tile([1, -1], 15), unit=0), ValueError, ["unit=0", "above 0"]),
    "fit from a start that was not measured": (
        lambda: fit(weights=np.where(np.arange(31) == 9, np.nan, CURVES), pulses=np.where(np.arange(30) == 8, np.nan, TRAIN)),
        ValueError,
        ["weights after a pulse of NaN, a new start", "measurement"],
    ),
    "measurement of bursts": (lambda: jt.device.measure(jt.device.SoftBounds(), [2, -3], key=KEY), ValueError, ["such as 2"]),
    "measurement of a fraction": (lambda: jt.device.measure(jt.device.SoftBounds(), [0.5], key=KEY), ValueError, ["such as 0.5"]),
    "measurement of tables": (
        lambda: jt.device.measure(jt.device.SoftBounds(), np.ones((2, 3)), key=KEY),
        ValueError,
        ["pulses has shape (2, 3)", "one sequence"],
    ),
    "measurement of one number": (lambda: jt.device.measure(jt.device.SoftBounds(), 1, key=KEY), ValueError, ["shape ()"]),
    "measurement from nowhere": (
        lambda: jt.device.measure(jt.device.SoftBounds(), [1], start=np.nan, key=KEY),
        ValueError,
        ["start=nan", "a number"],
    ),
    "measurement with negative noise": (
        lambda: jt.device.measure(jt.device.SoftBounds(), [1], read_std=-1, key=KEY),
        ValueError,
        ["read_std=-1", "at least 0"],
    ),
    "fit of an ideal device": (lambda: fit(device=jt.device.Ideal()), TypeError, ["device=Ideal()", "SoftBounds()"]),
    "fit of one curve": (lambda: fit(weights=CURVES[0]), ValueError, ["weights has shape (31,)", "[device, measurement]"]),
    "fit without the first": (lambda: fit(pulses=np.ones(31)), ValueError, ["pulses has shape (31,)", "pass 30 pulses"]),
    "fit of bursts": (lambda: fit(pulses=2 * TRAIN), ValueError, ["pulses", "1 (up), -1 (down)", "every single pulse"]),
    "fit from nothing": (lambda: fit(weights=CURVES * np.nan), ValueError, ["weights[:, 0]", "measurement"]),
    "fit unknown": (lambda: fit(parameters=("w_mid",)), ValueError, ["'w_mid'", "choose from dw_min"]),
    "fit of a spread": (lambda: fit(parameters=("w_max_dtod",)), ValueError, ["'w_max_dtod'", "choose from dw_min"]),
    "read_std negative": (lambda: fit(read_std=-1), ValueError, ["read_std=-1", "at least 0"]),
    "fit of what is not known": (
        lambda: jt.device.fit(jt.device.PiecewiseStep(), jnp.zeros((2, 9)), jnp.ones(8)),
        ValueError,
        ["parameters=None", "PiecewiseStep", "Table.from_pulses", "dw_min"],
    ),
    "fit of bounds around a symmetry point": (
        lambda: fit(device=jt.device.SoftBoundsReference(subtract_symmetry_point=True)),
        ValueError,
        ["device.subtract_symmetry_point=True", "w_max and w_min", "without"],
    ),
    "fit of a device in another": (
        lambda: jt.device.fit(jt.presets.reram_sb(), jnp.zeros((2, 9)), jnp.ones(8)),
        TypeError,
        ["device=WriteNoise", "the device inside"],
    ),
    "measurement of turns": (
        lambda: jt.device.measure(jt.device.VectorCell(update_policy=jt.device.SingleSequential()), jnp.ones(3), key=KEY),
        ValueError,
        ["VectorCell", "jaxtile.send"],
    ),
    "measurement of no device": (
        lambda: jt.device.measure(jt.device.SoftBounds(), jnp.ones(3), n_devices=0, key=KEY),
        ValueError,
        ["n_devices=0", "at least 1"],
    ),
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
    "rows that do not divide": (
        lambda: jt.forward(circuit(), jnp.ones(3), key=KEY),
        *(ValueError, ["3 inputs on 3 rows", "ir_drop_segments=8"]),
    ),
    "clipping that bound management hides": (
        lambda: jt.digital.Linear(TILE, jt.digital.InputRange(output_min_percentage=0.9)),
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
    "lines that were not made": (
        lambda: jt.forward(dataclasses.replace(TILE, config=SPREAD), jnp.ones(4), key=KEY),
        ValueError,
        ["asks for out_noise", "jaxtile.init"],
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
    "empty tile": (lambda: jt.init(jt.TileConfig(), (0, 4), key=KEY), ValueError, ["shape=(0, 4)", "at least 1"]),
    "shape of one number": (lambda: jt.init(jt.TileConfig(), 5, key=KEY), ValueError, ["shape=5", "(out, in)"]),
    "config missing": (lambda: jt.init(jt.device.Ideal(), (3, 4), key=KEY), TypeError, ["config=Ideal()", "TileConfig()"]),
    "key is a seed": (lambda: jt.init(jt.TileConfig(), (3, 4), key=3), TypeError, ["key=3", "jax.random.key(seed)"]),
    "keys are many": (lambda: jt.init(jt.TileConfig(), (3, 4), key=jr.split(KEY)), TypeError, ["key=", "jax.vmap"]),
    "no tile": (lambda: jt.forward(jt.TileConfig(), jnp.ones(4), key=KEY), TypeError, ["tile=TileConfig", "init("]),
    "many tiles": (lambda: jt.forward(TILES, jnp.ones(4), key=KEY), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
    "many tiles to program": (lambda: program(tile=TILES), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
    "x nan": (
        lambda: jt.update(TILE, jnp.full(4, jnp.nan), jnp.ones(3), learning_rate=1, key=KEY),
        ValueError,
        ["x holds 4 of 4", "finite"],
    ),
    "x of three dimensions": (
        lambda: jt.update(TILE, jnp.ones((2, 2, 4)), jnp.ones((2, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["x has shape (2, 2, 4)", "[k, in]"],
    ),
    "x too short": (lambda: jt.forward(TILE, jnp.ones(3), key=KEY), ValueError, ["x has shape (3,)", "4"]),
    "d too long": (lambda: jt.backward(TILE, jnp.ones((2, 4)), key=KEY), ValueError, ["d has shape (2, 4)", "3"]),
    "x and d unequal": (
        lambda: jt.update(TILE, jnp.ones((2, 4)), jnp.ones((3, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["2 vectors", "(3, 3)"],
    ),
    "learning rate negative": (
        lambda: jt.update(TILE, jnp.ones(4), jnp.ones(3), learning_rate=-1, key=KEY),
        ValueError,
        ["learning_rate=-1", "at least 0"],
    ),
    "d infinite": (
        lambda: jt.update(TILE, jnp.ones(4), jnp.full(3, jnp.inf), learning_rate=1, key=KEY),
        ValueError,
        ["d holds 3 of 3", "finite"],
    ),
    "lines that are none": (lambda: jt.send(TILE, jnp.ones(4), key=KEY), TypeError, ["lines=", "Trains or Counts"]),
    "lines of another tile": (lambda: jt.send(TILE, lines(5, 3), key=KEY), ValueError, ["3 rows and 5 columns", "(3, 4)"]),
    "lines for ideal devices": (
        lambda: jt.send(jt.init(jt.TileConfig(device=jt.device.Ideal()), (3, 4), key=KEY), lines(4, 3), key=KEY),
        ValueError,
        ["takes no pulses", "Ideal()"],
    ),
    "unit vectors, twice the same": (lambda: jt.UnitVectors(jnp.array([1, 1]), 4), ValueError, ["[1 1]", "at most once"]),
    "unit vectors, beyond": (lambda: jt.UnitVectors(jnp.array([1, 4]), 4), ValueError, ["[4]", "columns 0 to 3"]),
    "unit vectors, too many": (lambda: jt.UnitVectors(jnp.arange(5), 4), ValueError, ["5 columns of 4", "at most once"]),
    "unit vectors, other width": (
        lambda: jt.update(TILE, jt.UnitVectors(jnp.arange(2), 5), jnp.ones((2, 3)), learning_rate=1, key=KEY),
        ValueError,
        ["width 5", "4 columns"],
    ),
    "weights transposed": (lambda: jt.set_weights(TILE, TARGET.T), ValueError, ["weight has shape (4, 3)", "transpose"]),
    "target of other shape": (lambda: program(jnp.ones((2, 2))), ValueError, ["target has shape (2, 2)", "(3, 4)"]),
    "target nan, known under jit": (
        lambda: jax.jit(lambda kappa: program(WITH_NAN))(1.0),
        ValueError,
        ["target", "1 of 12", "finite"],
    ),
    "target complex": (lambda: program(TARGET + 1j), TypeError, ["target=", "real numbers", "complex"]),
    "target none": (lambda: program(None), TypeError, ["target=None", "real numbers"]),
    "target nan": (lambda: program(WITH_NAN), ValueError, ["target", "1 of 12", "finite"]),
    "target infinite": (lambda: program(TARGET.at[:, 0].set(jnp.inf)), ValueError, ["target", "3 of 12", "finite"]),
    "target empty": (lambda: program(jnp.ones((0, 4))), ValueError, ["target has shape (0, 4)", "(3, 4)"]),
    "no steps": (lambda: program(max_steps=0), ValueError, ["max_steps=0", "at least 1"]),
    "negative steps": (lambda: program(max_steps=-5), ValueError, ["max_steps=-5", "at least 1"]),
    "tolerance negative": (lambda: program(tolerance=-0.1), ValueError, ["tolerance=-0.1", "at least 0"]),
    "method by name": (lambda: program(method="svd"), TypeError, ["method='svd'", "jaxtile.SVD()"]),
    "compensation by name": (lambda: program(compensation="gain"), TypeError, ["compensation='gain'", "Gain()"]),
    "record one name": (lambda: program(record="read_error"), TypeError, ["record='read_error'", "tuple"]),
    "record of a sweep one name": (lambda: jt.Programming(jt.SVD(), record="reads"), TypeError, ["Programming.record='reads'"]),
    "record of a sweep unknown": (lambda: jt.Programming(jt.SVD(), record=["error"]), ValueError, ["Programming.record", "error"]),
    "record a number": (lambda: program(record=(3,)), ValueError, ["record names [3]", "read_error"]),
    "record unknown": (lambda: program(record=("error",)), ValueError, ["error", "read_error"]),
    "batch too large": (lambda: program(method=jt.GDP(batch_size=5)), ValueError, ["batch_size=5", "at most 4"]),
    "batch zero": (lambda: jt.GDP(batch_size=0), ValueError, ["GDP.batch_size=0", "at least 1"]),
    "inputs unknown": (lambda: jt.GDP(inputs="gauss"), ValueError, ["inputs='gauss'", "'eye', 'hadamard', 'gaussian'"]),
    "reads zero": (lambda: jt.GDP(reads=0), ValueError, ["GDP.reads=0", "at least 1"]),
    "schedule a number": (lambda: jt.GDP(schedule=0.1), TypeError, ["GDP.schedule=0.1", "optax"]),
    "no random inputs": (lambda: jt.programming.Gaussian(n=0), ValueError, ["Gaussian.n=0", "at least 1"]),
    "more triplets than vectors": (lambda: jt.PowerSVD(triplets=9), ValueError, ["PowerSVD.triplets=9", "block=8"]),
    "triplets no number": (lambda: jt.PowerSVD(triplets="a"), ValueError, ["PowerSVD.triplets='a'", "whole number"]),
    "read noise negative": (lambda: jt.PowerSVD(read_noise=-1), ValueError, ["PowerSVD.read_noise=-1", "at least 0"]),
    "caution negative": (lambda: jt.RiskSVD(caution=-1), ValueError, ["RiskSVD.caution=-1", "at least 0"]),
    "all are outliers": (lambda: jt.RiskSVD(outlier=0), ValueError, ["RiskSVD.outlier=0", "above 0"]),
    "model a name": (lambda: jt.ProgramVerify(model="soft"), TypeError, ["ProgramVerify.model='soft'", "SoftBounds()"]),
    "lines unknown": (lambda: jt.ProgramVerify(lines="row"), ValueError, ["lines='row'", "'columns', 'rows', 'cells'"]),
    "batch of no lines": (lambda: jt.ProgramVerify(batch_size=0), ValueError, ["ProgramVerify.batch_size=0", "at least 1"]),
    "more lines than rows": (
        lambda: program(method=jt.ProgramVerify(lines="rows", batch_size=4)),
        ValueError,
        ["ProgramVerify.batch_size=4", "at most 3"],
    ),
    "empty chain": (lambda: jt.chain(), ValueError, ["chain()", "at least one method"]),
    "chain of names": (lambda: jt.chain("svd"), TypeError, ["Stage.method='svd'", "jaxtile.SVD()"]),
    "until a number": (lambda: jt.Stage(jt.SVD(), until=40), TypeError, ["Stage.until=40", "After(40)"]),
    "when a switch": (lambda: jt.Stage(jt.SVD(), when=True), TypeError, ["Stage.when=True", "OneHotPays"]),
    "residual by name": (lambda: jt.residual("svd", [1.0], until=jt.After(1)), TypeError, ["method='svd'", "SVD()"]),
    "gamma zero": (lambda: jt.residual(jt.SVD(), [1.0, 0.0], until=jt.After(1)), ValueError, ["gammas=0", "above 0"]),
    "connect negative": (lambda: jt.Stage(jt.SVD(), connect=-1), ValueError, ["Stage.connect=-1", "from 0"]),
    "connect without a choice": (
        lambda: program(method=jt.chain(jt.Stage(jt.SVD(), connect=1))),
        TypeError,
        ["connection to choose", "VectorCell"],
    ),
    "plateau in no steps": (lambda: jt.Plateau(steps=0), ValueError, ["Plateau.steps=0", "at least 1"]),
    "after negative steps": (lambda: jt.After(-1), ValueError, ["After.steps=-1", "at least 0"]),
    "kappa of a gate below one": (lambda: jt.OneHotPays(kappa=0.5), ValueError, ["OneHotPays.kappa=0.5", "at least 1"]),
    "inputs of other width": (
        lambda: program(method=jt.GDP(inputs=jnp.ones((2, 3)))),
        ValueError,
        ["inputs has shape (2, 3)", "4"],
    ),
    "inputs nan": (lambda: jt.GDP(inputs=jnp.full((2, 4), jnp.nan)), ValueError, ["inputs", "finite"]),
    "solver unknown": (lambda: jt.SVD(solver="lanczos"), ValueError, ["solver='lanczos'", "'power', 'exact'"]),
    "rank_atol negative": (lambda: jt.SVD(rank_atol=-1), ValueError, ["rank_atol=-1", "at least 0"]),
    "gain of active phases": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(phases="active")), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "phases='all'"],
    ),
    "gain that is not there": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(kappa=2.0)), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "kappa=2", "above 0"],
    ),
    "gain of a model without one": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=jt.half_select.Threshold()), (3, 4), key=KEY),
            compensation=jt.compensation.Gain(),
        ),
        ValueError,
        ["Gain()", "Threshold()", "the same for all"],
    ),
    "gain of other steps up than down": (
        lambda: program(
            tile=jt.init(jt.TileConfig(half_select=ratio(up=2.0)), (3, 4), key=KEY), compensation=jt.compensation.Gain()
        ),
        ValueError,
        ["Gain()", "up=2", "the same for all"],
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
    "energy of what was not counted": (
        lambda: jt.Costs().energy({"reads": jnp.ones(2), "full_pulses": jnp.ones(2)}, TILE),
        *(ValueError, ["counts holds reads, full_pulses", "no half_pulses", "record=jaxtile.Costs.OF_ENERGY"]),
    ),
    "count the pulses of many tiles": (lambda: jt.count_pulses(TILES), ValueError, ["tile=Tile(2 x 3 x 4", "jax.vmap"]),
}


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    call, error, words = CASES[name]
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message


@pytest.mark.parametrize(("text", "words"), [
    ("", ["no column 'state'", "state, up, down"]),
    ("state,up\n0,1", ["no column 'down'"]),
    ("state,up,down,mean\n0,1,1,1", ["unknown column 'mean'", "up_noise"]),
    ("state,up,down\n0,1,1\n1,2", ["line 3", "'1,2' is not 3 numbers"]),
    ("state,up,down\n0,1,high", ["line 2", "high"]),
    ("\nstate,up,down\n\n0,1,1\n\n1,2", ["line 6", "'1,2'"]),
])  # fmt: skip
def test_tables_that_cannot_be_read(tmp_path, text, words):
    with pytest.raises(ValueError, match=r"table .*steps.csv") as caught:
        table_from(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_targets_out_of_range_warn_and_are_counted():
    """Half of the target lies beyond the nominal range; `unreachable` counts each device's own bounds."""
    target = TARGET.at[:, :2].set(0.9)
    with pytest.warns(UserWarning, match=r"50.00% of target .* \[-0.6, 0.6\]"):
        run = program(target)
    own = np.mean((target > TILE.cells.w_max) | (target < TILE.cells.w_min))
    assert float(run.stats["unreachable"]) == pytest.approx(own)
    assert own > 0


def test_ideal_devices_reach_everything():
    tile = jt.init(jt.TileConfig(device=jt.device.Ideal()), (3, 4), key=KEY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(program(100 * TARGET, tile=tile).stats["unreachable"]) == 0


def test_numbers_of_any_kind_make_the_same_device():
    """Python, NumPy and JAX numbers, and tracers, are accepted alike."""
    made = [jt.device.ConstantStep(dw_min=kind(0.25)) for kind in (float, np.float64, np.float16, jnp.float32)]
    assert all(float(device.dw_min) == 0.25 and device.dw_min.dtype == FLOAT for device in made)
    traced = jax.jit(lambda dw_min: jt.device.ConstantStep(dw_min=dw_min).dw_min)(0.25)
    assert float(traced) == 0.25


def test_old_style_keys_are_accepted():
    old, new = jr.PRNGKey(3), jr.key(3)
    np.testing.assert_array_equal(
        jt.init(jt.TileConfig(), (3, 4), key=old).cells.w_max, jt.init(jt.TileConfig(), (3, 4), key=new).cells.w_max
    )
