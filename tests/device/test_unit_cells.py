"""Unit cells: what reaches which device, what is read, and that the rest of the library takes them as it takes one device."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import assert_mean, mostly_slow, update, vectors

import jaxtile as jt
from jaxtile.device import (
    All,
    ConstantStep,
    Drifting,
    OneSided,
    ReferenceCell,
    Refresh,
    SingleFixed,
    SingleRandom,
    SingleSequential,
    SoftBounds,
    Vector,
    VectorCell,
    WriteNoise,
)

KEY, SHAPE = jr.key(0), (5, 7)
DW_MIN = 0.01
QUIET = {"dw_min": DW_MIN, "dw_min_std": 0.0}
STEP, SOFT = ConstantStep(**QUIET), SoftBounds(**QUIET)
COUNTS = jt.pulse.DeterministicImplicit()
CELLS = {
    "all": VectorCell((STEP, SOFT)),
    "fixed": VectorCell((STEP, SOFT), update_policy=SingleFixed(1)),
    "in turn": VectorCell((STEP, SOFT, STEP), update_policy=SingleSequential()),
    "at random": VectorCell((STEP, STEP), update_policy=SingleRandom(), gamma_vec=[1.0, 0.5]),
    "reference": ReferenceCell((SOFT, STEP)),
    "one-sided": OneSided(SOFT),
    "refreshed": OneSided(Drifting(SOFT, nu=0.1), refresh=Refresh()),
    "write noise": VectorCell((WriteNoise(STEP, write_noise_std=2.0), SOFT)),
}


def tile_of(device, **config):
    config = {"pulse": COUNTS, **config}
    return jt.set_weights(jt.init(jt.TileConfig(device=device, **config), SHAPE, key=KEY), 0.1 * jr.normal(jr.key(1), SHAPE))


def part(tile, k):
    """Device k of every cell, as a tile of its own."""
    config = dataclasses.replace(tile.config, device=tile.device.parts[k])
    return jt.Tile(config, jt.Chip(tile.shape, tile.cells.devices[k]), tile.now.replace(state=tile.state.devices[k]))


HALF = {"without": None, "half-selected": jt.half_select.ConstantRatio(kappa=10.0)}


@pytest.mark.parametrize("half", mostly_slow(HALF, "half-selected"))
def test_every_device_of_a_vector_cell_is_pulsed_as_on_its_own(half):
    before = tile_of(VectorCell((SOFT, SOFT)), half_select=HALF[half])
    x, d = vectors("signed")
    after = update(before, x, d, 0.05, KEY)
    for k in range(2):
        np.testing.assert_allclose(after.state.devices[k], update(part(before, k), x, d, 0.05, KEY).weight, atol=1e-6)
    np.testing.assert_allclose(after.weight, (after.state.devices[0] + after.state.devices[1]) / 2, atol=1e-7)


def test_devices_have_noise_and_spread_of_their_own():
    tile = jt.init(jt.TileConfig(device=VectorCell((ConstantStep(), ConstantStep()))), (32, 32), key=KEY)
    after = update(tile, jnp.ones(32), -jnp.ones(32), 0.01, KEY)
    for pair in (tile.cells.devices, after.state.devices):
        one, other = (np.ravel(jax.tree.leaves(device)[0]) for device in pair)
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / 32


def test_policies_choose_a_device_for_every_vector():
    x, d = np.ones((4, 7), np.float32), -np.ones((4, 5), np.float32)

    def moved(policy, gamma_vec=None):
        tile = jt.init(
            jt.TileConfig(device=VectorCell((STEP,) * 3, update_policy=policy, gamma_vec=gamma_vec), pulse=COUNTS), SHAPE, key=KEY
        )
        after = update(tile, x, d, DW_MIN, KEY)
        steps = [state / cells.step_up for state, cells in zip(after.state.devices, tile.cells.devices, strict=True)]
        return np.rint(np.stack(steps)[:, 0, 0]).astype(int).tolist(), after

    assert moved(SingleSequential())[0] == [1, 2, 1]  # device 1 begins, as in aihwkit
    counts, after = moved(SingleRandom(), [1.0, 2.0, 3.0])
    assert sum(counts) == 4
    np.testing.assert_allclose(after.weight, sum(g * w for g, w in zip((1, 2, 3), after.state.devices, strict=True)), atol=1e-6)
    assert [SingleFixed(1).connected(k, None) for k in range(3)] == [False, True, False]
    assert all(All().connected(k, None) for k in range(3))
    assert int(SingleSequential(first_update_idx=2).next(SingleSequential(first_update_idx=2).start(), 3, key=KEY)) == 0


def test_random_turns_are_even():
    drawn = np.asarray(jax.vmap(lambda key: SingleRandom().next(jnp.asarray(0), 3, key=key))(jr.split(KEY, 3000)))
    for k in range(3):
        assert_mean((drawn == k).astype(float), 1 / 3)


def test_a_weight_is_put_into_every_device_or_into_the_connected_one():
    w = jnp.full(SHAPE, 0.05)
    assert np.allclose(jt.set_weights(tile_of(VectorCell((STEP, STEP), gamma_vec=[1.0, 1.0])), w).weight, 0.1)
    tile = jt.set_weights(jt.init(jt.TileConfig(device=VectorCell((STEP, STEP), update_policy=SingleFixed())), SHAPE, key=KEY), w)
    assert [float(state[0, 0]) for state in tile.state.devices] == pytest.approx([0.05, 0.0])


def test_a_reference_is_set_subtracted_and_not_pulsed():
    tile = jt.init(jt.TileConfig(device=CELLS["reference"], pulse=COUNTS), SHAPE, key=KEY)
    tile = jt.set_weights(jt.connect(tile, 1), jnp.full(SHAPE, 0.03))
    tile = jt.set_weights(jt.connect(tile, 0), jnp.full(SHAPE, 0.1))
    np.testing.assert_allclose(tile.weight, 0.07, atol=1e-7)
    x, d = vectors("signed")
    after = update(tile, x, d, 0.05, KEY)
    assert np.array_equal(after.state.devices[1], tile.state.devices[1])
    np.testing.assert_allclose(after.state.devices[0], update(part(tile, 0), x, d, 0.05, KEY).weight, atol=1e-7)


def test_connect_is_refused_where_there_is_no_choice():
    with pytest.raises(TypeError, match="no connection"):
        jt.connect(tile_of(CELLS["all"]), 1)
    with pytest.raises(ValueError, match=r"SingleFixed\(index=2\)"):
        jt.connect(tile_of(CELLS["reference"]), 2)


@pytest.mark.parametrize("half", mostly_slow(HALF, "half-selected"))
def test_one_sided_pairs_are_pulsed_up_only(half):
    before = tile_of(OneSided(STEP), half_select=HALF[half])
    w = np.asarray(0.1 * jr.normal(jr.key(1), SHAPE))
    minus, plus = before.state.devices
    np.testing.assert_allclose(plus, np.maximum(w, 0), atol=1e-7)
    np.testing.assert_allclose(minus, np.maximum(-w, 0), atol=1e-7)
    x, d = vectors("signed")
    after = update(before, x, d, 0.03, KEY)
    assert all(bool(jnp.all(new >= old)) for new, old in zip(after.state.devices, (minus, plus), strict=True))
    lower, upper = (jnp.minimum(new, one.w_max) for new, one in zip(after.state.devices, before.cells.devices, strict=True))
    np.testing.assert_allclose(after.weight, upper - lower, atol=1e-7)


@pytest.mark.parametrize(
    "pulse", [pytest.param(jt.pulse.StochasticCompressed(), marks=pytest.mark.slow), jt.pulse.DeterministicImplicit()]
)
def test_a_refresh_keeps_the_difference_and_empties_both(pulse):
    """aihwkit writes it the wrong way with deterministic pulses: the pair reads 0."""
    nominal = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0, "reset_std": 0.0, "w_max": 1.0}
    nominal |= {"dw_min": 2**-7}  # numbers that any precision holds: no train is a slot longer for a last bit
    refresh = Refresh(forward=jt.IOParameters(is_perfect=True), update=dataclasses.replace(pulse, desired_bl=40))
    tile = jt.init(jt.TileConfig(device=OneSided(ConstantStep(**QUIET | nominal), refresh=refresh)), SHAPE, key=KEY)
    minus, plus = jnp.full(SHAPE, 0.625).at[0].set(0.2), jnp.full(SHAPE, 0.875).at[:, 0].set(0.7)
    state = dataclasses.replace(tile.state, devices=(minus, plus))
    tile = tile.with_state(state)
    after = update(tile, jnp.zeros(7), jnp.zeros(5), 0.01, KEY)
    full = np.ones(SHAPE, bool)
    full[0], full[:, 0] = False, False
    np.testing.assert_allclose(np.asarray(after.weight)[~full], np.asarray(tile.weight)[~full], atol=1e-7)
    np.testing.assert_allclose(np.asarray(after.weight)[full], 0.25, atol=1e-5)
    assert np.all(np.asarray(after.state.devices[0])[full] == 0)
    assert float(after.full_pulses) == pytest.approx(32 * full.mean(), rel=1e-5)


def test_when_a_refresh_is_due():
    def due(refresh):
        cell, vectors = OneSided(STEP, refresh=refresh), jnp.arange(1, 13)
        states = (dataclasses.replace(cell.start(SHAPE), turn=turn) for turn in vectors)
        vector = Vector(jnp.zeros(7), jnp.zeros(5), jnp.asarray(0.1), 3)
        return [int(state.turn) for state in states if cell.routines[0].due(cell, state, vector)]

    assert due(Refresh(every=2)) == [6, 12]
    assert due(Refresh(every=4, units_in_mbatch=False)) == [4, 8, 12]
    cell = OneSided(STEP, refresh=Refresh())
    after, _ = cell.routines[0].before(cell, cell.fabricate(SHAPE, key=None), cell.start(SHAPE), None, key=KEY)
    assert int(after.turn) == 1


@pytest.mark.parametrize(
    ("device", "half"), [(OneSided(STEP), "half-selected"), (CELLS["write noise"], "without")], ids=["pair", "noise"]
)
def test_unit_vectors_at_once_are_those_one_by_one(device, half):
    tile = tile_of(device, half_select=HALF[half])
    x, (_, d) = jt.UnitVectors(jnp.arange(4), 7), vectors("signed")
    together, apart = (update(tile, x, d, 0.05, KEY) for x in (x, x.dense(jnp.float32)))
    np.testing.assert_allclose(together.weight, apart.weight, atol=2e-6)
    assert float(together.full_pulses) == pytest.approx(float(apart.full_pulses))


@pytest.mark.parametrize("half", mostly_slow(HALF, "half-selected"))
def test_in_slot_order(half):
    """Counts, one pulse after another, without noise: as the aggregate, for constant steps away from bounds."""
    x, d = vectors("signed")
    slot, aggregate = (
        update(tile_of(OneSided(dataclasses.replace(STEP, order=order)), half_select=HALF[half]), x, d, 0.01, KEY).weight
        for order in ("slot", "aggregate")
    )
    np.testing.assert_allclose(slot, aggregate, atol=1e-6)


@pytest.mark.parametrize("name", mostly_slow(["fixed", "in turn", "one-sided", "write noise"], "in turn", "write noise"))
def test_without_pulses_the_update_is_not_lost(name):
    """aihwkit takes the weight of a unit cell from its devices again, which the update has not reached."""
    tile = tile_of(CELLS[name], pulse=jt.pulse.NoneWithDevice())
    x, d = jnp.ones((1, 7)), -jnp.ones((1, 5))
    moved = np.mean(update(tile, x, d, 1e-3, KEY).weight - tile.weight)
    gain = {"fixed": 1 / 2, "in turn": 1 / 3}.get(name, 1.0)
    if name == "write noise":
        moved = np.mean(update(tile, x, d, 1e-3, KEY).state.devices[1] - tile.state.devices[1])
    assert moved == pytest.approx(1e-3 * gain, rel=1e-3)


@pytest.mark.parametrize("name", mostly_slow(["in turn", "refreshed"], "in turn"))
def test_they_are_programmed_and_vmapped(name):
    target = 0.05 * jr.normal(jr.key(3), SHAPE)

    def run(key):
        tile = jt.init(jt.TileConfig(device=CELLS[name], half_select=HALF["half-selected"]), SHAPE, key=key)
        return jt.program(tile, target, jt.SVD(), key=key, max_steps=20, tolerance=0.0, record=("frobenius_error",))

    sol = jax.jit(jax.vmap(run))(jr.split(KEY, 2))
    errors = np.asarray(sol.history["frobenius_error"])
    assert np.all(errors[:, -1] < 0.7 * errors[:, 0])
    assert sol.weight.shape == (2, *SHAPE)


def test_gradients_are_finite():
    """With expected counts, also where pairs are refreshed."""
    device = OneSided(SOFT, refresh=Refresh(update=jt.pulse.MeanField(), lower_thres=0.0, upper_thres=0.1))

    tile = jt.init(jt.TileConfig(device=device, pulse=jt.pulse.MeanField()), SHAPE, key=KEY)
    x, d = vectors("signed")

    def read(gain):
        return jnp.sum(jt.update(tile, x, gain * d, learning_rate=0.05, key=KEY).weight)

    slope = float(jax.jit(jax.grad(read))(1.0))
    assert np.isfinite(slope)
    assert slope != 0


@pytest.mark.parametrize("name", ["all", "reference", "one-sided", "write noise"])
def test_what_cells_can_hold(name):
    device = CELLS[name]
    low, high = map(float, device.bounds())
    assert (low, high) == pytest.approx({"reference": (-1.2, 1.2)}.get(name, (-0.6, 0.6)))
    cells = device.fabricate(SHAPE, key=KEY)
    held = device.clip(cells, jnp.full(SHAPE, 9.0))
    highs = [one.w_max for one in cells.devices]
    expected = {"reference": highs[0] - cells.devices[1].w_min, "one-sided": highs[1]}.get(name, (highs[0] + highs[1]) / 2)
    np.testing.assert_allclose(held, expected, atol=1e-6)


def test_upkeep_reaches_every_device():
    device = VectorCell((ConstantStep(lifetime=10.0, lifetime_dtod=0.0), ConstantStep(diffusion=0.01)))
    tile = tile_of(device)
    after = jt.diffuse(jt.decay(tile), key=KEY)
    np.testing.assert_allclose(after.state.devices[0], 0.9 * tile.state.devices[0], atol=1e-6)
    assert bool(jnp.all(after.state.devices[1] != tile.state.devices[1]))
    gone = jt.reset(tile, jnp.arange(7), key=KEY)
    assert float(jnp.abs(gone.weight).max()) < 0.05


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: VectorCell(()), "VectorCell holds no devices"),
        (lambda: VectorCell((jt.device.Ideal(),)), r"holds Ideal\(\)"),
        (lambda: VectorCell((VectorCell(), STEP)), "holds VectorCell"),
        (lambda: VectorCell((STEP, ConstantStep(order="slot"))), "order='aggregate' and of order='slot'"),
        (lambda: VectorCell((STEP, STEP), gamma_vec=[1.0]), r"gamma_vec has shape \(1,\)"),
        (lambda: VectorCell((STEP, STEP), update_policy="all"), "update_policy='all'"),
        (lambda: VectorCell((STEP, STEP), update_policy=SingleFixed(2)), r"SingleFixed\(index=2\)"),
        (lambda: ReferenceCell((STEP,)), "holds 1 devices"),
        (lambda: ReferenceCell((STEP, STEP), update_policy=All()), r"All\(\)"),
        (lambda: OneSided(STEP, refresh=True), "refresh=True"),
        (lambda: OneSided(WriteNoise(STEP, write_noise_std=1.0), refresh=Refresh()), "without write noise"),
        (lambda: OneSided(Drifting(WriteNoise(STEP, write_noise_std=1.0)), refresh=Refresh()), "without write noise"),
        (lambda: Refresh(update=jt.pulse.NoPulse()), r"NoPulse\(\)"),
        (lambda: Refresh(every=0), "every=0"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_bad_cells_are_refused_by_name(build, words):
    with pytest.raises((TypeError, ValueError), match=words):
        build()
