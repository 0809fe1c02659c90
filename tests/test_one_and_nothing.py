"""One weight, one row, one column, one sample, one point of a sweep: each through all that a tile goes through."""

import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np
import optax
import pytest
from helpers import mostly_slow

import jaxtile as jt
from jaxtile import compensation, device, half_select, modifier, noise, periphery

pytestmark = pytest.mark.usefixtures("unhooked")  # lists are met as users write them
KEY = jr.key(0)
PERFECT = jt.IOParameters(is_perfect=True)
STEP = device.ConstantStep(
    dw_min=0.01, **dict.fromkeys(("dw_min_dtod", "dw_min_std", "up_down_dtod", "w_max_dtod", "w_min_dtod"), 0.0)
)
EXACT = {"forward": PERFECT, "backward": PERFECT}
ONE = jt.init(jt.TileConfig(STEP, jt.pulse.DeterministicImplicit(), **EXACT), (1, 1), key=KEY)
SHAPES = {"1 x 1": (1, 1), "1 x 3": (1, 3), "3 x 1": (3, 1)}
METHODS = {
    "gdp": jt.GDP(),
    "hadamard": jt.GDP(inputs="hadamard"),
    "svd": jt.SVD(),
    "exact": jt.SVD(solver="exact"),
    "once": jt.SVD(refresh=False),
    "triplets": jt.SVD(triplets=3),
    "power": jt.PowerSVD(),
    "risk": jt.RiskSVD(),
    "verify": jt.ProgramVerify(),
    "verify rows": jt.ProgramVerify(lines="rows"),
    "verify cells": jt.ProgramVerify(lines="cells", read_out="hadamard"),
    "chain": jt.chain(jt.Stage(jt.SVD(), until=jt.After(0)), jt.ProgramVerify()),
}


@pytest.mark.parametrize("name", mostly_slow(METHODS, "svd", "verify"))
def test_one_weight_is_programmed_to_within_a_step(name):
    run = jt.program(ONE, [[-0.237]], METHODS[name], key=KEY, max_steps=12, tolerance=0)
    assert abs(float(run.weight[0, 0]) + 0.237) <= 0.01 + 1e-6
    assert float(run.stats["spectral_error"]) == pytest.approx(float(run.stats["frobenius_error"]), rel=1e-4)
    ax = jt.plot.convergence(run, against="energy")
    assert np.isfinite(ax.lines[0].get_xydata()).all()
    jt.plot.weight_error(run, [[-0.237]])
    plt.close("all")


def test_ideal_devices_are_verified_by_the_steps_of_a_constant_one():
    """Devices that take no pulses add what they are told to: whole steps of 0.001."""
    tile = jt.init(jt.TileConfig(device.Ideal(), jt.pulse.NoPulse(), **EXACT), (1, 1), key=KEY)
    run = jt.program(tile, [[0.0237]], jt.ProgramVerify(), key=KEY, max_steps=12, tolerance=0)
    assert abs(float(run.weight[0, 0]) - 0.0237) < 0.0006


MODELS = {
    "ratio": half_select.ConstantRatio(kappa=10.0),
    "active": half_select.ConstantRatio(kappa=10.0, phases="active"),
    "V/3": half_select.ConstantRatio(kappa=10.0, scheme="V/3"),
    "sinh": half_select.Sinh(),
    "threshold": half_select.Threshold(),
    "stochastic": half_select.Stochastic(kappa=10.0),
    "accumulation": half_select.Accumulation(),
}


@pytest.mark.parametrize("name", mostly_slow(MODELS, "ratio"))
def test_one_cell_that_is_fully_selected_in_every_slot_sees_no_half_pulse_of_its_phase(name):
    """Both lines pulse in all slots of one phase, and in the two others that they share one each, of opposite polarities."""
    tile = jt.init(jt.TileConfig(STEP, jt.pulse.DeterministicImplicit(), half_select=MODELS[name], **EXACT), (1, 1), key=KEY)
    tile = jt.update(tile, [1.0], [-1.0], learning_rate=0.31, key=KEY)
    assert float(tile.full_pulses) == 31
    half = 0 if MODELS[name].phases == "active" else 62
    assert float(tile.half_pulses) == half
    nothing = jt.update(tile, np.zeros((0, 1)), np.zeros((0, 1)), learning_rate=0.31, key=KEY)
    np.testing.assert_array_equal(nothing.weight, tile.weight)


CELLS = {
    "vector": device.VectorCell((STEP, STEP)),
    "vector of one": device.VectorCell((STEP,)),
    "in turn": device.VectorCell((STEP, STEP), update_policy=device.SingleSequential()),
    "at random": device.VectorCell((STEP, STEP), update_policy=device.SingleRandom()),
    "one-sided": device.OneSided(STEP, refresh=device.Refresh()),
    "reference": device.ReferenceCell((STEP, STEP)),
    "write noise": device.WriteNoise(STEP),
    "drifting": device.Drifting(STEP),
}


@pytest.mark.parametrize("name", mostly_slow(CELLS, "one-sided"))
def test_one_cell_of_every_kind_goes_through_all_verbs(name):
    tile = jt.init(jt.TileConfig(CELLS[name], jt.pulse.DeterministicImplicit(), **EXACT), (1, 1), key=KEY)
    tile = jt.set_weights(jt.update(tile, [1.0], [-1.0], learning_rate=0.31, key=KEY), [[0.2]], key=KEY)
    tile = jt.reset(jt.decay(jt.diffuse(tile, key=KEY), key=KEY), [], key=KEY)
    tile = jt.drift(tile, 10.0, key=KEY) if tile.device.drifts else tile
    weight = float(tile.weight[0, 0])
    assert float(jt.forward(tile, [0.5], key=KEY)[0]) == pytest.approx(0.5 * weight)
    assert float(jt.backward(tile, [0.5], key=KEY)[0]) == pytest.approx(0.5 * weight)
    assert jt.forward(tile, np.zeros((0, 1)), key=KEY).shape == (0, 1)


COMPENSATIONS = {
    "gain": compensation.Gain(caution=0.0),
    "sparsify": compensation.Sparsify(caution=0.0),
    "smallest first": compensation.SmallestFirst(),
    "expected": compensation.Expected(caution=0.0),
}


@pytest.mark.parametrize("name", COMPENSATIONS)
def test_compensations_of_one_pair_for_one_cell(name):
    """d x is divided by the gain 1 - 2 / kappa, or left as it is."""
    config = jt.TileConfig(STEP, jt.pulse.MeanField(), half_select=half_select.ConstantRatio(kappa=10.0))
    sheet, x, d = jt.Datasheet.of(config, (1, 1)), jnp.asarray([[0.5]]), jnp.asarray([[0.1]])
    x, d = COMPENSATIONS[name](x, d, sheet, jnp.zeros((1, 1)), jnp.ones(()))
    assert float(x[0, 0] * d[0, 0]) == pytest.approx(0.05 / (0.8 if name in ("gain", "expected") else 1), rel=0.02)


@pytest.mark.parametrize("shape", mostly_slow(SHAPES, "1 x 1"))
def test_a_sweep_of_one_point_is_drawn(shape):
    shape, costs = SHAPES[shape], jt.Costs()
    run = jt.Programming(jt.SVD(), max_steps=2, record=costs.quantities())
    data = jt.sweep(run, jt.TileConfig(STEP, **EXACT), np.full(shape, 0.2), key=KEY, over={"device.dw_min": [0.01]})
    counts = {name: data[name].item() for name in costs.OF_TIME}
    time = data["time_history"].sel(chip=0, seed=0).to_numpy().ravel()
    assert time[np.isfinite(time)][-1] == pytest.approx(float(costs.time(counts)), rel=1e-5)
    for name in ("frobenius_error", "full_pulses", "reads", "converged"):
        (line,) = jt.plot.sweep(data, name).lines
        np.testing.assert_allclose(line.get_xydata(), [[0.01, data[name].item()]], rtol=1e-5)
    plt.close("all")


def test_a_gate_of_one_weight():
    """The growth of one cell: 2 pull / (kappa s_up - 2 mean) on soft bounds, in closed form."""
    gate, weight = jt.OneHotPays(model=device.SoftBounds(w_max=1.0, w_min=-1.0), kappa=10.0), 0.5
    up, down = 1 - weight, 1 + weight
    assert bool(gate([[weight]])) == ((down - up) / (10 * up - (up + down)) < 1)
    boundary = ((down - up) + (up + down)) / up
    assert float(gate.boundary([[weight]])) == pytest.approx(boundary, rel=1e-3)


def square(model, x, y, *, key):
    return jnp.mean((model(x, key=key)[:, 0] - y) ** 2)


@pytest.mark.parametrize("batch_size", [1, 10])
def test_one_sample_trains_one_weight(batch_size):
    """A step of gradient descent, rounded to steps of the device: w - rate 2 (w x - y) x."""
    layer = jt.nn.Linear.around(jt.set_weights(ONE, [[0.1]]))
    one = (np.array([[0.5]]), np.array([0.3]))
    optimizer = jt.nn.Optimizer(0.1, optax.sgd(0.1))
    run = jt.train(layer, square, one, optimizer, key=KEY, epochs=1, batch_size=batch_size, test=one, metrics={"square": square})
    right = 0.1 - 0.1 * 2 * (0.1 * 0.5 - 0.3) * 0.5
    assert float(run.model.tile.weight[0, 0]) == pytest.approx(right, abs=0.006)
    assert float(run.stats["loss"]) == pytest.approx((0.05 - 0.3) ** 2)
    jt.plot.training(run)
    plt.close("all")


@pytest.mark.parametrize("batch", [np.zeros((0, 1)), np.zeros((1, 1))], ids=["none", "one"])
def test_batches_of_nothing_and_of_one(batch):
    layer = jt.nn.Linear(1, 1, jt.TileConfig(STEP, **EXACT), bias="tile", input_range=jt.digital.InputRange(), key=KEY)
    assert layer(batch, key=KEY).shape == batch.shape
    assert jt.observe(layer.tile, x=np.zeros((0, 2)), d=np.zeros((0, 1))).shape == (1, 2)


def test_one_device_is_measured_fitted_to_nothing_and_drawn():
    found = device.measure(STEP, [], key=KEY)
    np.testing.assert_array_equal(found, [[0.0]])
    np.testing.assert_allclose(device.measure(STEP, [1], key=KEY), [[0, 0.01]], rtol=1e-6)
    with pytest.raises(ValueError, match="pulses holds neither 1"):
        device.fit(device.SoftBounds(), found, [])
    jt.plot.pulse_response(STEP, n_pulses=1, n_cells=0)
    plt.close("all")


PERIPHERIES = {
    "IR drop": {"ir_drop": periphery.IRDrop()},
    "wires": {"ir_drop": periphery.WireNetwork(r_in=0.0, r_out=0.0)},
    "ladder": {"ir_drop": periphery.LadderIRDrop(ir_drop_segments=1, ir_drop=0.0, v_read=0.4, adc_frequency=None)},
    "bits": {"mv_type": periphery.BitWise()},
    "split": {"mv_type": periphery.SplitMode()},
    "sum": {"noise_management": periphery.AbsMaxNPSum()},
    "average": {"noise_management": periphery.AverageAbsMax()},
}


@pytest.mark.parametrize("name", mostly_slow(PERIPHERIES, "bits"))
def test_one_weight_is_read_through_every_stage(name):
    io = jt.IOParameters(out_noise=None, out_res=0.0, **PERIPHERIES[name])
    tile = jt.set_weights(jt.init(jt.TileConfig(STEP, forward=io), (1, 1), key=KEY), [[0.2]])
    np.testing.assert_allclose(jt.forward(tile, [[0.5], [0.0]], key=KEY), [[0.1], [0.0]], atol=2e-3)


def test_one_weight_is_mapped_modified_and_aged():
    for zero in (False, True):
        weight = np.array([[0.0 if zero else 0.5]])
        for one in (noise.NPair(), noise.SingleDevice()):
            conductances, mapping = one.conductances(weight)
            np.testing.assert_allclose(one.weight(conductances, mapping), weight, atol=1e-6)
        for change in (modifier.Discretize(res=0.5), modifier.DropConnect(pdrop=0.0), modifier.AddNormal(std_dev=0.0)):
            np.testing.assert_allclose(change(weight, key=KEY), weight, atol=1e-6)
    aged = jt.drift(jt.apply_programming_noise(jt.set_weights(ONE, [[0.2]]), noise.PCM(), key=KEY), 10.0, key=KEY)
    assert np.isfinite(jax.device_get(aged.weight)).all()
