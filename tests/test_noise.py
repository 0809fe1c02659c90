"""Noise models: the numbers of their sources, laws of the state, and what a tile makes of them."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import FLOAT, assert_mean, assert_std, mostly_slow

import jaxtile as jt
from jaxtile import digital, noise

KEY = jr.key(11)
DAY, YEAR = 86400.0, 3.156e7
MODELS = {
    "pcm": noise.PCM,
    "custom drift": lambda **fields: noise.CustomDriftPCM(
        g_lst=[0.0, 10.0, 25.0], nu_mean_lst=[0.1, 0.06, 0.05], nu_std_lst=[0.04, 0.01, 0.02], **fields
    ),
    "hermes": noise.Hermes,
    "hermes, one device": noise.HermesOneDevice,
    "state independent": noise.StateIndependent,
    "wan": noise.ReRAMWan2022,
    "cmo": noise.ReRAMCMO,
}
CURVES = [[0.0, 0.0, 2.0, 12.0, 22.0], [20.0, 10.0, 2.0, 2.0, 2.0], [0.0, 0.0, 1.0, 6.0, 11.0], [10.0, 5.0, 1.0, 1.0, 1.0]]
CONVERTERS = {
    "single pair": noise.NPair,
    "single pair, g_min": lambda: noise.NPair(g_min=5.0),
    "dual pair": lambda: noise.NPair(f_lst=[1.0, 3.0]),
    "three pairs": lambda: noise.NPair(f_lst=[0.5, 1.0, 4.0], g_max=20.0, g_min=1.0),
    "single device": noise.SingleDevice,
    "custom pairs": lambda: noise.CustomPair(f_lst=[1.0, 2.0], g_lst=CURVES),
}
WEIGHT = np.random.default_rng(0).uniform(-0.8, 1.0, (20, 30)).astype(FLOAT)
IDEAL = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=jt.IOParameters(is_perfect=True))
TILE = jt.set_weights(jt.init(IDEAL, WEIGHT.shape, key=KEY), WEIGHT)


def at(*values):
    return jnp.asarray(values, float)


# From the sources; the arguments are r = g / g_max.


def test_numbers_of_phase_change_memory():
    """Nandakumar et al. 2019: at r of 0.04, 0.5 and 1."""
    model = noise.PCM()
    g = 25 * at(0.04, 0.5, 1.0)
    np.testing.assert_allclose(model.programming_std(g), [0.34020304, 0.952705, 1.05538], rtol=1e-5)
    mean, spread = model.nu(g)
    np.testing.assert_allclose(mean, [0.07429258, 0.049, 0.049], rtol=2e-5)
    np.testing.assert_allclose(spread, [0.03433595, 0.008, 0.008], rtol=2e-5)
    np.testing.assert_allclose(model.read_noise(at(1e-9, 0.04, 0.5, 1.0)), [0.2, 0.0713089, 0.0138087, 0.0088], rtol=2e-5)
    # Q of the first read is sqrt(ln(20.00000025 / 5e-7)) = 4.183825, and a year later sqrt(ln(3.156002e7 / 5e-7)) = 5.637026.
    np.testing.assert_allclose(model.read_std(g[2:], jnp.zeros(())), 0.0088 * 4.183825, rtol=2e-5)
    np.testing.assert_allclose(model.read_std(g[2:], YEAR), 0.0088 * 5.637026, rtol=2e-5)
    # Twice the conductance, twice the noise.
    np.testing.assert_allclose(
        noise.PCM(converter=noise.NPair(g_max=50.0)).programming_std(2 * g), 2 * model.programming_std(g), rtol=1e-6
    )


def test_numbers_of_hermes():
    r = at(0.05, 0.2, 1.0)
    two, one = noise.Hermes(), noise.HermesOneDevice()
    np.testing.assert_allclose(two.programming_std(20.7 * r), [0.3813193, 0.8079216, 1.0926985], rtol=1e-5)
    np.testing.assert_allclose(one.programming_std(10.35 * r), [0.2687184, 0.5416890, 1.0075671], rtol=1e-5)
    for model, g_max in ((two, 20.7), (one, 10.35)):
        np.testing.assert_allclose(model.nu(g_max * r)[0], [0.0977348, 0.0693360, 0.0174], rtol=2e-5)
    np.testing.assert_allclose(two.nu(20.7 * r)[1], [0.02935007, 0.01313042, 0.0048], rtol=2e-5)
    np.testing.assert_allclose(one.nu(10.35 * r)[1], [0.03364879, 0.01701325, 0.0055], rtol=2e-5)
    np.testing.assert_allclose(two.read_noise(r), [0.02815007, 0.0154552, 0.0123], rtol=2e-5)
    np.testing.assert_allclose(one.read_noise(r), [0.02716671, 0.0192832, 0.0168], rtol=2e-5)


def test_numbers_of_resistive_memory():
    wan = noise.ReRAMWan2022(converter=noise.NPair(g_max=40.0))
    g = 40 * at(0.0, 0.25, 1.0)
    for time, expected in (
        (1.0, [0.348, 2.2582695, 1.103]),
        (DAY, [0.701, 3.7207578, 2.651]),
        (2 * DAY, [0.782, 3.6637891, 2.677]),
    ):
        np.testing.assert_allclose(wan.std(g, at(time)[0]), expected, rtol=1e-5)
    np.testing.assert_allclose(wan.std(g, at(DAY**0.5)[0]), [0.5245, 2.9895137, 1.877], rtol=1e-5)  # half-way in ln t
    np.testing.assert_allclose(wan.std(g, at(1e9)[0]), wan.std(g, at(2 * DAY)[0]))
    half = noise.ReRAMWan2022(converter=noise.NPair(g_max=20.0))
    np.testing.assert_allclose(half.std(g / 2, at(1.0)[0]), wan.std(g, at(1.0)[0]) / 2, rtol=1e-6)
    cmo = noise.ReRAMCMO()
    np.testing.assert_allclose(cmo.programming_std(at(9.0, 88.2)), [0.1128310, 1.0070207], rtol=1e-5)
    fine = noise.ReRAMCMO(prog_coeff=(0.00081107, 0.00106879))
    np.testing.assert_allclose(fine.programming_std(at(9.0, 88.2)), [0.01043018, 0.09507835], rtol=1e-5)
    np.testing.assert_allclose(cmo.relaxation(at(3600.0)[0]), [-0.7288102, 0.7558515], rtol=1e-5)
    np.testing.assert_allclose(
        cmo.read_std(at(10.0, 88.2), at(3600.0)[0]), 0.02773165 * np.array([1, 1.945469]) * 4.6163896, rtol=1e-5
    )


def test_numbers_of_noise_that_is_the_same_everywhere():
    model = noise.StateIndependent()
    g = at(0.0, 10.0, 25.0)
    np.testing.assert_allclose(model.programming_std(g), 0.2)
    np.testing.assert_allclose(model.nu(g), [[0.1] * 3, [0.05] * 3])
    np.testing.assert_allclose(model.read_std(g, jnp.zeros(())) * g, np.array([0, 0.4, 1.0]) * 4.183825, rtol=1e-5)  # of r, in uS


@pytest.mark.parametrize("name", CONVERTERS)
def test_weights_come_back_from_conductances(name):
    converter = CONVERTERS[name]()
    g, mapping = converter.conductances(jnp.asarray(WEIGHT, float))
    assert bool(jnp.all((g >= converter.g_min) & (g <= converter.g_max * (1 + 1e-6))))
    np.testing.assert_allclose(converter.weight(g, mapping), WEIGHT, atol=1e-6)
    zeros, mapping = converter.conductances(jnp.zeros((2, 3)))
    np.testing.assert_array_equal(converter.weight(zeros, mapping), np.zeros((2, 3)))


def test_significant_pairs_come_last():
    g, mapping = noise.NPair(f_lst=[1.0, 3.0]).conductances(at(1.0, 0.25, 0.1, -0.5)[None])
    np.testing.assert_allclose(mapping.ratio, 100.0)
    np.testing.assert_allclose(g[:, 0], [[25, 25, 10, 0], [0, 0, 0, 25], [25, 0, 0, 0], [0, 0, 0, 25 / 3]], atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_chip_is_written_and_ages(name):
    """Moments of the conductances of a tile, from the model's own laws; each device by itself, and time in steps as at once."""
    model = MODELS[name]()
    g = np.linspace(model.converter.g_min, model.converter.g_max, 4)
    tile = jt.init(IDEAL, (4, 5000), key=KEY)
    levels = np.repeat(g[:, None], 5000, axis=1).astype(FLOAT)
    tile = jt.set_weights(tile, levels - levels[0] if model.converter.g_min == 0 else levels)
    fresh = jt.apply_programming_noise(tile, model, key=KEY)
    state = fresh.state
    np.testing.assert_allclose(state.target[0], levels, rtol=1e-5)
    spread = model.std(state.target, model.times[0]) if name == "wan" else model.programming_std(state.target)
    for row in range(4):
        sigma = float(spread[0, row, 0])
        xi = (state.conductances - state.target)[0, row]
        if g[row] > 6 * sigma:
            assert_mean(xi, 0.0)
            assert_std(xi, sigma)
        else:
            assert float(state.conductances.min()) >= 0
    if state.coefficient is not None:
        mean, sigma = (np.asarray(a, np.float64)[0] for a in model.nu(state.target))
        for row in np.flatnonzero(mean[:, 0] > 5 * sigma[:, 0]):
            assert_mean(state.coefficient[0, row], mean[row, 0])
            assert_std(state.coefficient[0, row], sigma[row, 0])
    later, other = (jt.drift(fresh, DAY, key=jr.key(n)) for n in (1, 2))
    assert not np.array_equal(later.weight, other.weight)
    again = jt.drift(jt.drift(fresh, 0.25 * DAY, key=KEY), 0.75 * DAY, key=jr.key(1))
    np.testing.assert_array_equal(again.weight, later.weight)
    assert float(later.state.age) == DAY
    at_once = jt.drift(fresh, 0.0, key=KEY).weight
    assert np.allclose(at_once, fresh.weight, atol=1e-5) == (name in ("wan", "cmo"))  # the others have 1/f noise by then


def test_drift_and_read_noise_of_a_device():
    """r = 1: nu is 0.049 +- 0.008, q is 0.0088."""
    tile = jt.set_weights(jt.init(IDEAL, (1, 40000), key=KEY), jnp.ones((1, 40000)))
    quiet = noise.PCM(prog_noise_scale=0.0)
    fresh = jt.apply_programming_noise(tile, quiet, key=KEY)
    np.testing.assert_allclose(fresh.weight, 1.0, rtol=1e-6)
    exponents = np.asarray(fresh.state.coefficient)[0, 0]
    assert_mean(exponents, 0.049)
    assert_std(exponents, 0.008)
    late = np.asarray(jt.drift(fresh, 20 * 999.0, key=KEY).weight, np.float64)[0]
    xi = (late / 1000.0**-exponents - 1) / (0.0088 * np.sqrt(np.log((20000 + 250e-9) / 500e-9)))
    assert_mean(xi, 0.0)
    assert_std(xi, 1.0)
    silent = jt.apply_programming_noise(tile, noise.PCM(prog_noise_scale=0.0, read_noise_scale=0.0), key=KEY)
    np.testing.assert_array_equal(silent.state.coefficient, fresh.state.coefficient)  # what is switched off shifts no other draw
    np.testing.assert_allclose(jt.drift(silent, 20 * 999.0, key=KEY).weight[0], 1000.0**-exponents, rtol=2e-5)


def test_both_devices_of_a_pair_are_noisy_and_stay_so():
    """aihwkit maps the programmed weight anew before it drifts: the smaller device of each pair is at zero again, and scales move."""
    right, theirs = (jt.apply_programming_noise(TILE, noise.PCM(aihwkit_compatible=flag), key=KEY) for flag in (False, True))
    np.testing.assert_allclose(right.weight, theirs.weight, rtol=0, atol=1e-6)
    model = noise.PCM(read_noise_scale=0.0)
    (plus, minus), nu = right.state.conductances, right.state.coefficient
    assert float(jnp.mean(jnp.minimum(plus, minus))) > 0.05
    left = (DAY / 20 + 1) ** -nu
    expected = (plus * left[0] - minus * left[1]) / right.state.mapping.ratio
    quiet = jt.drift(jt.apply_programming_noise(TILE, model, key=KEY), DAY, key=KEY)
    np.testing.assert_allclose(quiet.weight, expected, atol=1e-5)
    mirrored = jt.apply_programming_noise(TILE, noise.PCM(read_noise_scale=0.0, aihwkit_compatible=True), key=KEY)
    w = mirrored.weight
    expected = jnp.where(w > 0, w * left[0], w * left[1])
    np.testing.assert_allclose(jt.drift(mirrored, DAY, key=KEY).weight, expected, atol=1e-5)


def test_what_aihwkit_makes_of_resistive_memory():
    """Coefficients that count as those of devices of any size, and what is before the first second."""
    g, second = at(10.0), at(1.0)[0]
    of_any_size = noise.ReRAMWan2022(coeff_g_max_reference=None)
    np.testing.assert_allclose(noise.ReRAMWan2022().std(g, second) * 40 / 25, of_any_size.std(g, second), rtol=1e-6)
    np.testing.assert_allclose(noise.ReRAMCMO().relaxation(at(1e-5)[0]), [0.0, 0.41183342])
    early = noise.ReRAMCMO(aihwkit_compatible=True).relaxation(at(1e-5)[0])
    np.testing.assert_allclose(early, [1.0246738, -0.07184], rtol=1e-3)


def test_chips_at_once_are_chips_one_by_one():
    def age(key, g_max, time):
        model = noise.PCM(converter=noise.NPair(g_max=g_max))
        return jt.drift(jt.apply_programming_noise(TILE, model, key=key), time, key=jr.fold_in(key, 1)).weight

    keys, g_max, times = jr.split(KEY, 3), at(20.0, 25.0, 30.0), at(1.0, DAY, YEAR)
    together = jax.jit(jax.vmap(age))(keys, g_max, times)
    for n in range(3):
        np.testing.assert_allclose(together[n], age(keys[n], g_max[n], times[n]), atol=1e-5)


@pytest.mark.parametrize("name", mostly_slow(MODELS, "pcm", "wan"))
def test_every_number_of_a_model_can_be_swept(name):
    def age(model):
        return jt.drift(jt.apply_programming_noise(TILE, model, key=KEY), DAY, key=KEY).weight

    model = MODELS[name]()
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.01 * leaf]), model)
    alone, together = jax.jit(age)(model), jax.jit(jax.vmap(age))(several)
    np.testing.assert_allclose(together[0], alone, atol=1e-5)
    assert not np.allclose(together[1], alone, atol=1e-5)


def test_a_statistical_tile_is_written_by_set_weights():
    config = jt.TileConfig(jt.device.Statistical(noise.PCM()))
    tile = jt.init(config, WEIGHT.shape, key=KEY)
    np.testing.assert_array_equal(tile.weight, np.zeros(WEIGHT.shape))
    np.testing.assert_allclose(jt.set_weights(tile, WEIGHT).weight, WEIGHT, atol=1e-6)
    written = jt.set_weights(tile, WEIGHT, key=KEY)
    np.testing.assert_array_equal(written.weight, jt.apply_programming_noise(TILE, noise.PCM(), key=KEY).weight)
    with pytest.raises(TypeError, match="are not updated"):
        jt.update(tile, jnp.ones(30), jnp.ones(20), learning_rate=0.1, key=KEY)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", [digital.GlobalDriftCompensation, digital.PerColumnDriftCompensation])
def test_drift_compensation(kind, exact):
    compensation = kind(exact_reference=exact)
    fresh = jt.apply_programming_noise(TILE, noise.PCM(), key=KEY)
    late = jt.drift(fresh, YEAR, key=KEY)
    alpha = compensation(late, compensation.baseline(fresh, key=KEY), key=KEY)
    axis = None if kind is digital.GlobalDriftCompensation else 1
    before = np.abs(WEIGHT if exact else fresh.weight).mean(axis=axis)
    np.testing.assert_allclose(alpha, before / np.abs(late.weight).mean(axis=axis), rtol=1e-5)
    layer, x = digital.Linear(late, drift_scales=alpha), jnp.ones((2, 30))
    np.testing.assert_allclose(layer(x, key=KEY), np.ones((2, 1)) * np.asarray(late.weight.sum(axis=1) * alpha), rtol=2e-5)
    dead = jt.set_weights(fresh, jnp.zeros(WEIGHT.shape))
    np.testing.assert_allclose(compensation(dead, 1e-4, key=KEY), 1.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: noise.NPair(f_lst=[1.0, -1.0]), r"NPair.f_lst=\[1.0, -1.0\]"),
        (lambda: noise.NPair(f_lst=[]), r"NPair.f_lst has shape \(0,\)"),
        (lambda: noise.NPair(g_min=30.0), "g_min=30 must be below g_max=25"),
        (lambda: noise.CustomPair(f_lst=[1.0], g_lst=[[0.0, 1.0]]), "CustomPair.g_lst has shape"),
        (lambda: noise.CustomPair(f_lst=[1.0], g_lst=[[0.0, 1.0, 9.0], [9.0, 1.0, 4.0]]), "no straight line"),
        (lambda: noise.PCM(prog_coeff=[0.1, jnp.nan]), "PCM.prog_coeff holds 1 of 2"),
        (lambda: noise.PCM(t_0=0.0), "PCM.t_0=0"),
        (lambda: noise.CustomDriftPCM(g_lst=[0.0, 20.0], nu_mean_lst=[0, 0], nu_std_lst=[0, 0]), "ends at 0 and 20 uS"),
        (lambda: noise.CustomDriftPCM(g_lst=[0.0, 20.0], nu_mean_lst=[0], nu_std_lst=[0, 0]), "the lists have shapes"),
        (lambda: noise.CustomDriftPCM(g_lst=[0.0, 0.0], nu_mean_lst=[0, 0], nu_std_lst=[0, 0]), "must increase"),
        (lambda: noise.ReRAMWan2022(times=[1.0]), "times and coeff have shapes"),
        (lambda: noise.ReRAMWan2022(times=[1.0, 0.5, 2.0]), "must be above 0 and increase"),
        (lambda: jt.drift(jt.apply_programming_noise(TILE, noise.PCM(), key=KEY), -1.0, key=KEY), "time=-1"),
    ],
)
def test_bad_values_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jt.apply_programming_noise(TILE, "pcm", key=KEY), "Statistical.noise_model='pcm' is no noise model"),
        (lambda: noise.PCM(converter="pair"), "PCM.converter='pair' is no converter"),
        (lambda: digital.GlobalDriftCompensation(exact_reference=True).baseline(TILE, key=KEY), "has no targets"),
        (lambda: jt.drift(TILE, 1.0, key=KEY), "does not drift"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_wrong_kinds_are_refused(call, words):
    with pytest.raises(TypeError, match=words):
        call()
