"""The life of a network on its chips, against the same done tile by tile."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt

KEY = jr.key(4)
PERFECT = jt.IOParameters(is_perfect=True)
CONFIG = jt.TileConfig(forward=PERFECT, backward=PERFECT)
X = jnp.asarray(np.random.default_rng(0).normal(size=(20, 5)), float)


class Net(eqx.Module):
    first: eqx.Module
    second: eqx.Module

    def __call__(self, x, *, key=None):
        return self.second(jnp.tanh(self.first(x)))


@pytest.fixture(scope="module")
def chip():
    k0, k1 = jr.split(KEY)
    return jt.nn.convert(Net(eqx.nn.Linear(5, 4, key=k0), eqx.nn.Linear(4, 5, key=k1)), {".*": CONFIG}, key=KEY)


def test_programming_a_network_is_programming_its_tiles(chip):
    programmed, record = jt.nn.program(chip, jt.SVD(), key=KEY, max_steps=4, tolerance=0.0, with_record=True)
    assert list(record) == ["first", "second"]
    for n, (path, layer) in enumerate(jt.nn.layers.layers(chip).items()):
        chip_key, run_key = (jr.fold_in(jr.fold_in(KEY, n), m) for m in (0, 1))
        fresh = jt.init(CONFIG, layer.tile.shape, key=chip_key)
        alone = jt.program(fresh, layer.target, jt.SVD(), key=run_key, max_steps=4, tolerance=0.0)
        np.testing.assert_array_equal(getattr(programmed, path).tile.weight, alone.weight)
        np.testing.assert_array_equal(record[path].weight, alone.weight)
        np.testing.assert_array_equal(getattr(programmed, path).target, layer.target)


def test_programming_goes_on_from_the_present_state(chip, unhooked):
    away = jt.nn.layers.map_layers(lambda path, layer: layer.replace(tile=jt.set_weights(layer.tile, 0.9 * layer.target)), chip)
    present = jt.nn.program(away, jt.SVD(), key=KEY, max_steps=1, start="present")
    np.testing.assert_array_equal(present.first.tile.cells.step_up, chip.first.tile.cells.step_up)
    assert jnp.linalg.norm(present.first.tile.weight - chip.first.target) < jnp.linalg.norm(chip.first.target) * 0.5
    with pytest.raises(ValueError, match="start='new' is unknown.*'reset'"):
        jt.nn.program(chip, jt.SVD(), key=KEY, max_steps=1, start="new")


def test_a_network_on_many_chips():
    """A lane of vmap is the run of its own key."""
    chip = jt.nn.Sequential([jt.nn.Linear(5, 4, CONFIG, key=KEY)])
    keys = jr.split(KEY, 3)

    def programmed(key):
        return jt.nn.program(chip, jt.SVD(), key=key, max_steps=4, tolerance=0.0).layers[0].tile.weight

    many = jax.vmap(programmed)(keys)
    assert len({float(weight[0, 0]) for weight in many}) == 3
    np.testing.assert_allclose(many[1], programmed(keys[1]), atol=1e-5)


def test_each_thing_that_happens_to_a_network_is_pure(chip):
    """It goes under jit, and a lane of vmap over chips is the one of its own key."""

    def measured(model):
        return model.first(X, key=KEY), model.second(X[:, :4], key=KEY)

    def life(key):
        broken = jt.nn.stick(chip, 0.2, key=key)
        ranged = jt.nn.calibrate(chip, X, adc_quantile=1.0, key=key)
        written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=key)
        old = jt.nn.drift(written, 1e5, key=key)
        mended = jt.nn.compensate(old, written, key=key)
        return [measured(model) for model in (broken, ranged, written, old, mended, jt.nn.with_key(mended, key))]

    keys = jr.split(KEY, 2)
    many, alone = jax.jit(jax.vmap(life))(keys), life(keys[1])
    for lanes, one in zip(jax.tree.leaves(many), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(lanes[1], one, atol=1e-5)


def test_drift_and_its_compensation_are_those_of_the_tiles(chip):
    written = jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=KEY)
    old = jt.nn.drift(written, 1e6, key=KEY)
    mended = jt.nn.compensate(old, written, key=KEY)
    rule = jt.digital.GlobalDriftCompensation()
    for n, path in enumerate(("first", "second")):
        key, before = jr.fold_in(KEY, n), getattr(chip, path)
        alone = jt.apply_programming_noise(jt.read_as(before.tile, before.target), jt.noise.PCM(), key=key)
        np.testing.assert_allclose(getattr(written, path).tile.weight, alone.weight, atol=2e-6)
        later = jt.drift(getattr(written, path).tile, 1e6, key=key)
        np.testing.assert_array_equal(getattr(old, path).tile.weight, later.weight)
        baseline = rule.baseline(getattr(written, path).tile, key=jr.fold_in(key, 0))
        np.testing.assert_array_equal(getattr(mended, path).drift_scales, rule(later, baseline, key=jr.fold_in(key, 1)))
    assert jnp.all(mended.first.drift_scales > 1.1)
    error = [jnp.linalg.norm(model(X) - chip(X)) for model in (old, mended)]
    assert error[1] < error[0]


def test_what_does_not_drift_is_refused_by_name(chip):
    with pytest.raises(TypeError, match="no layer of model has devices that drift: first holds ConstantStep.*second holds"):
        jt.nn.drift(chip, 10.0, key=KEY)
    other = jt.nn.Sequential([jt.nn.Linear(5, 4, CONFIG, key=KEY)])
    with pytest.raises(ValueError, match=r"written has the layers layers\.0, and model has first, second"):
        jt.nn.compensate(chip, other, key=KEY)


@pytest.mark.parametrize("quantile", [1.0, 0.8])
def test_ranges_hold_a_part_of_the_inputs(chip, quantile):
    found = jt.nn.calibrate(chip, X, quantile=quantile, key=KEY)
    hidden = jnp.tanh(chip.first(X))
    for layer, inputs in ((found.first, X), (found.second, hidden)):
        np.testing.assert_allclose(layer.input_range.input_range, np.quantile(np.abs(inputs), quantile), rtol=1e-5)
    again = jt.nn.calibrate(found, 2 * X, quantile=quantile, key=KEY)
    np.testing.assert_allclose(again.first.input_range.input_range, 2 * found.first.input_range.input_range, rtol=1e-5)
    by_sample = jt.nn.calibrate(chip, X, lambda model, x, *, key: jax.vmap(model)(x), quantile=quantile, key=KEY)
    np.testing.assert_allclose(by_sample.second.input_range.input_range, found.second.input_range.input_range, rtol=1e-5)
    if quantile == 1.0:
        np.testing.assert_allclose(found(X), chip(X), atol=1e-5)


def test_layers_that_are_not_called_have_no_range(chip):
    with pytest.raises(ValueError, match="x never reaches second"):
        jt.nn.calibrate(chip, X, lambda model, x, *, key: model.first(x), key=KEY)


def test_the_summary_counts_tiles_and_cells(chip):
    found = jt.nn.summary(chip)
    assert (found.tiles, found.cells, found.utilisation) == (2, 40, 1.0)
    assert str(found).splitlines()[1].split() == ["first", "4", "x", "5", "1", "of", "4", "x", "5", "20", "100%", "ConstantStep"]


def test_stuck_devices_stay_where_they_are():
    """A share of them, chosen by the key, through pulses; all others are as they were."""
    chip = jt.nn.Sequential([jt.nn.Linear(40, 30, CONFIG, key=KEY)])
    tile = chip.layers[0].tile
    broken = jt.nn.stick(chip, 0.2, value=0.05, key=KEY).layers[0].tile
    stuck = np.asarray(broken.cells.w_min == broken.cells.w_max)
    reached = jnp.clip(jnp.asarray(0.05, tile.weight.dtype), tile.cells.w_min, tile.cells.w_max)
    np.testing.assert_array_equal(np.asarray(broken.weight)[stuck], np.asarray(reached)[stuck])
    assert abs(stuck.mean() - 0.2) < 4.5 * np.sqrt(0.2 * 0.8 / 1200)
    np.testing.assert_array_equal(np.asarray(broken.weight)[~stuck], np.asarray(tile.weight)[~stuck])
    after = jt.update(broken, jnp.ones((3, 40)), jnp.ones((3, 30)), learning_rate=0.1, key=KEY)
    np.testing.assert_array_equal(np.asarray(after.weight)[stuck], np.asarray(broken.weight)[stuck])
    assert np.all(np.asarray(after.weight)[~stuck] != np.asarray(broken.weight)[~stuck])
    ideal = jt.nn.Sequential([jt.nn.Linear(4, 3, jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse()), key=KEY)])
    with pytest.raises(TypeError, match="layers.0 has cells of Ideal.*only single pulsed devices"):
        jt.nn.stick(ideal, 0.1, key=KEY)


def test_programming_from_zero_keeps_the_devices_if_asked_to(chip):
    """By "reset" those that are stuck stay so; by "zero" there are other devices, of which none is."""
    broken = jt.nn.stick(chip, 0.3, value=0.02, key=KEY)
    how = {"key": KEY, "max_steps": 4, "tolerance": 0.0}
    kept, fresh = (jt.nn.program(broken, jt.SVD(), start=start, **how) for start in ("reset", "zero"))
    for before, after, other in zip(
        (broken.first, broken.second), (kept.first, kept.second), (fresh.first, fresh.second), strict=True
    ):
        stuck = np.asarray(before.tile.cells.w_min == before.tile.cells.w_max)
        assert 0 < stuck.sum() < stuck.size
        np.testing.assert_array_equal(np.asarray(after.tile.weight)[stuck], np.asarray(before.tile.weight)[stuck])
        np.testing.assert_array_equal(after.tile.cells.step_up, before.tile.cells.step_up)
        assert not np.any(other.tile.cells.w_min == other.tile.cells.w_max)
    alone = jt.set_weights(broken.first.tile, np.zeros((4, 5)))
    alone = jt.program(alone, broken.first.target, jt.SVD(), key=jr.fold_in(jr.fold_in(KEY, 0), 1), max_steps=4, tolerance=0.0)
    np.testing.assert_array_equal(kept.first.tile.weight, alone.weight)


def test_ranges_ask_for_a_key_only_where_reads_draw():
    """The reads backward are not made."""
    network = eqx.nn.MLP(5, 3, width_size=4, depth=1, key=KEY)
    x, each = np.random.default_rng(0).normal(size=(7, 5)), lambda model, x, *, key: jax.vmap(model)(x)
    quiet = jt.TileConfig(forward=jt.IOParameters(out_noise=None))
    chip = jt.nn.convert(network, {".*": quiet}, key=KEY)
    assert chip.layers[0].tile.config.backward.draws
    ranged = jt.nn.calibrate(chip, x, each, adc_quantile=1.0)
    np.testing.assert_allclose(ranged.layers[0].input_range.input_range, np.abs(x).max(), rtol=1e-6)
    assert ranged.layers[0].tile.config.backward.draws
    noisy = jt.nn.convert(network, {".*": jt.TileConfig()}, key=KEY)
    with pytest.raises(ValueError, match=r"layers\.0 needs a key"):
        jt.nn.calibrate(noisy, x, each)
    with pytest.raises(ValueError, match=r"reads of layers\.0 draw noise.*pass key="):
        jt.nn.calibrate(jt.nn.with_key(noisy, KEY), x, each, adc_quantile=1.0)


@pytest.mark.parametrize("management", [None, jt.periphery.AbsMax()])
def test_adcs_hold_a_part_of_what_their_tile_reads(management):
    """Of each tile its own, in front of the ADC: after the scale of noise management, before any clipping."""
    io = jt.IOParameters(
        inp_res=-1.0, out_res=1 / 254, out_noise=0.0, out_bound=0.01, noise_management=management, bound_management=None
    )
    chip = jt.nn.convert([eqx.nn.Linear(10, 4, key=KEY)], {"0": jt.TileConfig(forward=io)}, max_shape=(4, 5), key=KEY)

    def call(model, x, *, key):
        return model[0](x, key=key)

    x = jnp.asarray(np.random.default_rng(3).normal(size=(30, 10)), float)
    found = jt.nn.calibrate(chip, x, call, adc_quantile=0.9, key=KEY)[0]
    for column in range(2):
        weight = np.asarray(found.tile.tiles.weight[0, column])
        seen = np.asarray(x[:, 5 * column : 5 * column + 5]) / float(found.input_range.input_range)
        alpha = np.abs(seen).max(axis=1, keepdims=True) if management is not None else 1.0
        expected = np.quantile(np.abs(seen / alpha @ weight.T), 0.9)
        np.testing.assert_allclose(found.tile.tiles.config.forward.out_bound[0, column], expected, rtol=1e-4)
    unclipped = jt.nn.calibrate(chip, x, call, adc_quantile=1.0, key=KEY)[0]
    assert jnp.max(jnp.abs(unclipped(x, key=KEY) - x @ chip[0].to_digital().weight.T - chip[0].bias[None])) < 0.1
    assert jnp.max(jnp.abs(chip[0](x, key=KEY) - unclipped(x, key=KEY))) > 0.3


@pytest.mark.parametrize("mode", ["ema", "batch"])
def test_norms_are_measured_anew(mode):
    """Mean and variance of what the layer before reads now, as NumPy finds them."""

    class Normed(eqx.Module):
        first: eqx.Module
        norm: eqx.nn.BatchNorm

        def __call__(self, x, state):
            return self.norm(self.first(x), state)

    plain, state = eqx.nn.make_with_state(lambda: Normed(eqx.nn.Linear(5, 4, key=KEY), eqx.nn.BatchNorm(4, "batch", mode=mode)))()
    chip = jt.nn.convert(plain, {"first": CONFIG}, key=KEY)
    state = jt.nn.renormalise(chip, state, 3 * X, key=KEY)  # what it knew before is forgotten
    state = jt.nn.renormalise(chip, state, X, key=KEY)
    read = np.asarray(chip.first(X))
    found, _ = jax.vmap(eqx.nn.inference_mode(chip), in_axes=(0, None), out_axes=(0, None))(X, state)
    np.testing.assert_allclose(found, (read - read.mean(0)) / np.sqrt(read.var(0) + 1e-5), atol=1e-4)
    with pytest.raises(TypeError, match="has no equinox.nn.BatchNorm"):
        jt.nn.renormalise(chip.first, state, X, key=KEY)
