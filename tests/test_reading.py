"""The stages of a read beside the default ones, each against its equation; what is drawn once; what is remembered."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, assert_std

import jaxtile as jt
from jaxtile import periphery
from jaxtile.periphery import read
from jaxtile.periphery.converter import Grid

KEY, FLOAT = jr.key(0), jnp.result_type(float)  # in either precision
OUT, IN = 5, 8
NO_STEPS = {"inp_res": 0.0, "out_res": 0.0, "out_noise": None}
EVERYTHING = {
    "mv_type": periphery.PosNegSeparateDigitalSum(w_read_asymmetry_dtod=0.1),
    **{"inp_sto_round": True, "inp_noise": 0.01, "inp_asymmetry": 0.05, "out_noise_std": 0.2, "out_sto_round": True},
    **{"out_asymmetry": 0.05, "out_scale": 1.5, "noise_management": periphery.AverageAbsMax()},
    **{
        "bound_management": periphery.IterativeWorstCase(),
        "w_noise": periphery.PCMRead(w_noise=0.01),
        "ir_drop": periphery.IRDrop(),
    },
    "v_offset": periphery.VoltageOffset(v_offset_std=0.1, r_series=0.01),
    **{"out_nonlinearity": periphery.OutputNonlinearity(out_nonlinearity=0.1, out_nonlinearity_std=0.3), "slope_calibration": 0.5},
}


read_once = jax.jit(read)


def data(k=6):
    rng = np.random.default_rng(0)
    return rng.uniform(-0.6, 0.6, (OUT, IN)).astype(FLOAT), rng.uniform(-1, 1, (k, IN)).astype(FLOAT)


def tile_of(weight, **fields) -> jt.Tile:
    io = jt.IOParameters(**fields)
    config = jt.TileConfig(device=jt.device.Ideal(), pulse=jt.pulse.NoPulse(), forward=io, backward=io)
    return jt.set_weights(jt.init(config, weight.shape, key=KEY), weight)


forward = jax.jit(lambda tile, x, key=KEY: jt.forward(tile, x, key=key))


def test_ir_drop():
    weight, u = (a.astype(float) for a in data())
    drop = periphery.IRDrop(ir_drop=1.5, ir_drop_g_ratio=100.0)
    expected = u @ weight.T
    for v in range(len(u)):
        for i in range(OUT):
            a = sum(abs(weight[i, j] * u[v, j]) for j in range(IN)) * IN / 100
            lost = sum(weight[i, j] * u[v, j] * (1 - (1 - j / IN) ** 2) for j in range(IN))
            expected[v, i] -= 1.5 * (0.05 * a**3 - 0.2 * a**2 + 0.5 * a) * lost
    weight, u = data()
    grid = Grid(step=jnp.asarray(0.1), slots=jnp.asarray(11.0))
    np.testing.assert_allclose(drop(jnp.asarray(u @ weight.T), jnp.asarray(weight), jnp.asarray(u), grid), expected, atol=1e-5)


def currents_of_a_line(plus, minus, signs, wire, drop):
    """One line by nodal analysis: a node for each row, joined by wires; the last one, by half a wire, to the ADC."""
    v_plus, v_minus = drop["rest"] + drop["pulse"] * signs, drop["rest"] - drop["pulse"] * signs
    matrix = np.diag(plus + minus).astype(float)
    source = plus * v_plus + minus * v_minus
    for node in range(len(plus) - 1):
        matrix[node : node + 2, node : node + 2] += np.array([[1, -1], [-1, 1]]) / wire
    matrix[-1, -1] += 2 / wire
    source[-1] += drop["read"] * 2 / wire
    return (np.linalg.solve(matrix, source)[-1] - drop["read"]) * 2 / wire


def test_a_ladder_is_a_circuit_that_is_solved_in_every_slot():
    """Pulse widths, slot by slot, through all wires; lines end at alternate ends, and idle rows are part of them."""
    rng = np.random.default_rng(4)
    weight, steps, rows, volts = (
        rng.uniform(-1, 1, (4, 5)),
        rng.integers(-7, 8, (3, 5)),
        8,
        {"rest": 0.4, "pulse": 0.2, "read": 0.41},
    )
    drop = periphery.LadderIRDrop(ir_drop_rs=300.0, ir_drop_segments=rows, rows=rows, v_read=volts["read"], adc_frequency=None)
    padded = np.pad(weight, ((0, 0), (1, 2))) * 25 / np.abs(weight).max()
    expected = np.zeros((3, 4))
    for v in range(3):
        for i in range(4):
            turn = slice(None, None, -1 if i % 2 else 1)
            for slot in range(8):
                signs = (np.sign(np.pad(steps[v], (1, 2))) * (np.abs(np.pad(steps[v], (1, 2))) > slot))[turn]
                plus, minus = np.maximum(padded[i], 0)[turn], np.maximum(-padded[i], 0)[turn]
                expected[v, i] += currents_of_a_line(plus, minus, signs, 300e-6, volts)
    io = jt.IOParameters(
        **{
            "inp_res": 1 / 14,
            "ir_drop": drop,
            "out_noise": None,
            "out_res": 0.0,
            "noise_management": None,
            "bound_management": None,
        }
    )
    y = read_once(io, jnp.asarray(weight, float), jnp.asarray(steps / 7, float), KEY)
    np.testing.assert_allclose(y, expected / 7 / 0.2 / (25 / np.abs(weight).max()), rtol=1e-4)
    counted = dataclasses.replace(io, ir_drop=dataclasses.replace(drop, adc_frequency=50.0))
    y = read_once(counted, jnp.asarray(weight, float), jnp.asarray(steps / 7, float), KEY)
    np.testing.assert_allclose(y, np.trunc(expected / 2) * 2 / 7 / 0.2 / (25 / np.abs(weight).max()), rtol=1e-4, atol=1e-6)
    # The offset of the ADC makes a difference to each pass, for as long as it takes.
    for mv_type, slots in ((periphery.SplitMode(split_mode_bit_shift=1), (1 * 2, 2 * 4)), (periphery.BitWise(bits=3), (2, 4, 8))):
        split = dataclasses.replace(io, mv_type=mv_type)
        idle = [read(some, jnp.asarray(weight, float), jnp.zeros((1, 5)), KEY) for some in (io, split)]
        np.testing.assert_allclose(idle[1], idle[0] * sum(slots) / 8, rtol=1e-5)


@pytest.mark.parametrize("mv_type", [periphery.SplitMode(), periphery.BitWise()])
def test_passes_of_parts_make_up_the_whole(mv_type):
    """Without noise and bounds the parts add up; the noise of the ADC counts with the weight of its part."""
    weight, u = (jnp.asarray(a) for a in data())
    io = jt.IOParameters(out_noise=None, out_res=0.0, bound_management=None)
    whole = read_once(io, weight, u, KEY)
    parts = read_once(dataclasses.replace(io, mv_type=mv_type), weight, u, KEY)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    noisy = jt.IOParameters(out_noise=0.1, out_res=0.0, bound_management=None, noise_management=None, mv_type=mv_type)
    y = read_once(noisy, weight, jnp.zeros((20000, IN)), KEY)
    shares = 1 + 8**2 if isinstance(mv_type, periphery.SplitMode) else sum(4**k for k in range(6))
    assert_std(y[:, 0], 0.1 * np.sqrt(shares))


@pytest.mark.parametrize(("w_min", "r_series"), [(0.0, 0.0), (0.0, 0.1), (-1.0, 0.0), (-1.0, 0.1)])
def test_offsets_and_series_resistance(w_min, r_series):
    """The one equation covers four cases that aihwkit writes apart."""
    weight, u = data()
    y, v, x = u @ weight.T, np.linspace(0, 0.2, OUT, dtype=FLOAT), u.sum(1, keepdims=True)
    got = periphery.VoltageOffset(v_offset_std=0.1, v_offset_w_min=w_min, r_series=r_series)(
        jnp.asarray(y), jnp.asarray(u), jnp.asarray(v)
    )
    if w_min == 0:
        expected = (1 - v) * y / (1 + r_series * abs(y))
    elif r_series == 0:
        expected = (1 - v) * y + v * 2 * w_min * x
    else:
        p, ref = y - w_min * x, -w_min * x
        expected = (1 - v) * p / (1 + r_series * abs(p)) - (1 + v) * ref / (1 + r_series * abs(ref))
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_signs_apart():
    """Each sign is converted by itself: outputs reach twice the bound; negative inputs meet weights of their own."""
    weight, x = data()
    fields = NO_STEPS | {"out_bound": 0.3, "bound_management": None, "noise_management": None}
    positive, negative = np.maximum(x, 0) @ weight.T, np.minimum(x, 0) @ weight.T
    digital = forward(tile_of(weight, mv_type=periphery.PosNegSeparateDigitalSum(), **fields), x)
    np.testing.assert_allclose(digital, np.clip(positive, -0.3, 0.3) + np.clip(negative, -0.3, 0.3), atol=1e-6)
    tile = tile_of(weight, mv_type=periphery.PosNegSeparate(w_read_asymmetry_dtod=0.5), **fields)
    negative = np.minimum(x, 0) @ (weight * np.asarray(tile.chip.forward.w_asymmetry)).T
    np.testing.assert_allclose(forward(tile, x), np.clip(positive + negative, -0.3, 0.3), atol=1e-6)


def test_worst_case_sets_out_again_from_a_safe_scale():
    """First A = max |x|, then S 0.6 / out_bound, then halved and halved."""
    fields = NO_STEPS | {"out_bound": 1.0, "bound_management": periphery.IterativeWorstCase()}
    weight, x = np.full((1, 10), 0.5, FLOAT), np.ones((1, 10), FLOAT)
    assert float(forward(tile_of(weight, **fields), x)[0, 0]) == pytest.approx(5.0)  # 6 is enough
    assert float(forward(tile_of(weight * 10, **fields), x)[0, 0]) == pytest.approx(50.0)  # 6, 12, 24, 48, 96
    # The noise tells at which scale that was: 0.01 * 6 and 0.01 * 96.
    x = np.tile(x, (4000, 1))
    for scale, used in ((1.0, 6), (10.0, 96)):
        assert_std(np.asarray(forward(tile_of(weight * scale, **fields | {"out_noise": 0.01}), x))[:, 0], 0.01 * used)


def test_noise_of_weights_and_inputs():
    weight, x = np.full((1, 4), 0.5, FLOAT), np.tile(np.array([1, -0.5, 0.25, 0], FLOAT), (4000, 1))
    norm = np.linalg.norm(x[0])
    for fields, std in (
        ({"w_noise": periphery.AdditiveConstant(w_noise=0.1)}, 0.1 * norm),
        ({"w_noise": periphery.PCMRead(w_noise=0.1)}, 0.1 * norm * np.sqrt(0.5)),
        ({"inp_noise": 0.1}, 0.1 * 2 * 0.5),
    ):
        y = np.asarray(forward(tile_of(weight, **NO_STEPS | fields), x), np.float64)[:, 0]
        assert_mean(y, 0.375)
        assert_std(y, std)


def test_stochastic_rounding_is_right_on_the_average():
    """One of the two levels next to the value."""
    x = np.tile(np.array([1.0, 0.3], FLOAT), (4000, 1))
    tile = tile_of(np.eye(2, dtype=FLOAT), **NO_STEPS | {"inp_res": 1 / 4, "inp_sto_round": True})
    y = np.asarray(forward(tile, x))
    assert set(np.unique(y[:, 1])) == {0.0, 0.5}
    assert_mean(y[:, 1], 0.3)
    assert_mean(
        np.asarray(forward(tile_of(np.eye(2, dtype=FLOAT), **NO_STEPS | {"out_res": 1 / 24, "out_sto_round": True}), x)), x[0]
    )


def test_calibration_undoes_saturation():
    """At small outputs the slope is (1 + g s B)^2, and half way to the bound it is 1."""
    fields = NO_STEPS | {
        "out_nonlinearity": periphery.OutputNonlinearity(out_nonlinearity=0.4),
        "slope_calibration": 0.5,
        "bound_management": None,
    }
    tile = tile_of(np.eye(1, dtype=FLOAT), **fields, noise_management=None, inp_bound=12.0)
    slope = jax.vmap(jax.grad(lambda x: jt.forward(tile, x[None], key=KEY)[0]))(jnp.array([0.0, 6.0]))
    np.testing.assert_allclose(slope, [1.2**2, 1.0], rtol=1e-5)


def test_an_average_is_remembered_when_asked():
    weight, x = data()
    tile = tile_of(weight, **NO_STEPS | {"noise_management": periphery.AverageAbsMax(nm_decay=0.25), "bound_management": None})
    again = jt.observe(jt.observe(tile, x=x[:4]), x=x[4:])
    average = np.abs(x[0]).max()
    for v in x[1:]:
        average = 0.75 * average + 0.25 * np.abs(v).max()
    assert float(again.now.forward) == pytest.approx(average, rel=1e-5)
    assert float(again.now.backward) == -1
    assert float(jt.observe(tile, d=np.ones(OUT)).now.backward) == 1
    # What is above the average is clipped by the DAC.
    np.testing.assert_allclose(forward(again, x * 0 + 5), np.full((6, IN), 1) @ weight.T * _grown(average, 5, 6), rtol=1e-4)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_vector_reads_as_nan_and_is_not_remembered(broken):
    """Neither in the middle nor as the first of all: all others are as without it."""
    weight, x = data()
    tile = tile_of(weight, **NO_STEPS | {"noise_management": periphery.AverageAbsMax(nm_decay=0.25), "bound_management": None})
    for at in (0, 2):
        bad = np.insert(x, at, x[0], axis=0)
        bad[at, 1] = broken
        assert float(jt.observe(tile, x=bad).now.forward) == float(jt.observe(tile, x=x).now.forward)
        reads = np.asarray(forward(tile, bad))
        assert np.isnan(reads[at]).all()
        # to rounding: a product of six vectors is another program than one of five
        np.testing.assert_allclose(np.delete(reads, at, axis=0), forward(tile, x), atol=1e-6)


def _grown(average, largest, times):
    steps = [average := 0.75 * average + 0.25 * largest for _ in range(times)]
    return np.array(steps)[:, None]


def test_everything_at_once():
    """The same key makes the same periphery in every lane, around whatever devices."""
    weight, x = data()
    io = jt.IOParameters(**EVERYTHING)
    config = jt.TileConfig(device=jt.device.Ideal(), pulse=jt.pulse.NoPulse(), forward=io, backward=io)
    chips = jax.vmap(lambda key: jt.init(config, (OUT, IN), key=key))(jr.split(KEY, 3))
    y = forward(jt.set_weights(jax.tree.map(lambda leaf: leaf[0], chips), weight), x)
    assert np.isfinite(y).all()
    assert len(np.unique(chips.chip.forward.v_offset)) > 5
    assert not np.array_equal(chips.chip.forward.out_noise, chips.chip.backward.out_noise[:, :OUT])
    assert chips.chip.backward.w_asymmetry.shape == (3, IN, OUT)
    same = jt.init(dataclasses.replace(config, device=jt.device.ConstantStep()), (OUT, IN), key=jr.split(KEY, 3)[1])
    np.testing.assert_allclose(same.chip.forward.v_offset, chips.chip.forward.v_offset[1], rtol=1e-6)


@pytest.mark.slow
def test_every_number_of_the_periphery_can_be_swept():
    weight, x = data()

    def one(io):
        config = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=io)
        return jt.forward(jt.set_weights(jt.init(config, (OUT, IN), key=KEY), weight), x, key=KEY)

    io = jt.IOParameters(**EVERYTHING)
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.01 * leaf]), io)
    alone, together = jax.jit(one)(io), jax.jit(jax.vmap(one))(several)
    np.testing.assert_allclose(together[0], alone, atol=1e-5)
    assert not np.allclose(together[1], alone, atol=1e-5)


def test_what_is_drawn_once_has_its_spread():
    io = jt.IOParameters(**EVERYTHING)
    channels = jt.init(jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=io), (4000, 2), key=KEY).chip.forward
    assert_mean(np.asarray(channels.out_noise), 0.06)
    assert_std(np.asarray(channels.out_noise), 0.06 * 0.2)
    assert_mean(np.asarray(channels.out_nonlinearity) * 12, 0.1, z=5)
    assert_std(np.asarray(channels.w_asymmetry)[:, 0], 0.1)
    offsets = np.asarray(channels.v_offset)
    assert_mean(offsets**2, 0.1**2 / 2)
    assert (offsets >= 0).all()


def test_absent_stages_leave_no_trace():
    """The default read has the same program as one that is told to leave out each stage, and draws once."""
    weight, x = data()
    program = str(jax.make_jaxpr(lambda tile: jt.forward(tile, x, key=KEY))(tile_of(weight, bound_management=None)))
    assert program.count("dot_general") == 1
    assert program.count("optimization_barrier") == 2  # of the key of the noise, and of its draw
    quiet = str(jax.make_jaxpr(lambda tile: jt.forward(tile, x, key=KEY))(tile_of(weight, bound_management=None, out_noise=None)))
    assert "optimization_barrier" not in quiet


def test_other_weights_behind_the_same_periphery():
    weight, x = data()
    tile = tile_of(weight, **NO_STEPS | {"out_noise": 0.1, "out_noise_std": 0.3})
    shown = jt.read_as(tile, 3 * weight)
    np.testing.assert_array_equal(shown.weight, 3 * weight)
    np.testing.assert_array_equal(shown.chip.forward.out_noise, tile.chip.forward.out_noise)
    assert jt.forward(shown, x, key=KEY).shape == (6, OUT)
