"""What is handed to the verbs is right, whatever its type and size, or refused by name."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import ml_dtypes
import numpy as np
import pytest
from helpers import DEVICES, mostly_slow

import jaxtile as jt
from jaxtile._linalg import leading_triplets, safe_norm, spectral_norm, starting_block

pytestmark = pytest.mark.usefixtures("unhooked")  # the gate itself is met, not the annotations before it
KEY = jr.key(0)
PERFECT = jt.IOParameters(is_perfect=True)
IDEAL = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=PERFECT, backward=PERFECT)
WEIGHT = np.arange(12).reshape(3, 4) / 8 - 0.5
TILE = jt.set_weights(jt.init(IDEAL, (3, 4), key=KEY), WEIGHT)
RAMPS = jt.noise.CustomPair(f_lst=[1.0], g_lst=[[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
CMO, UNIT = jt.noise.ReRAMCMO(prog_coeff=(0.25, 0.5)), jt.noise.Mapping(jnp.ones(()), jnp.zeros(()))
NUMBERS = np.array([[1.0, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 1]])  # exact in every type

ACCEPTED = {
    "integers": NUMBERS.astype(int),
    "short integers": NUMBERS.astype(np.int8),
    "booleans": NUMBERS.astype(bool),
    "float16": NUMBERS.astype(np.float16),
    "bfloat16": NUMBERS.astype(ml_dtypes.bfloat16),
    "float8": NUMBERS.astype(ml_dtypes.float8_e4m3fn),
    "longdouble": NUMBERS.astype(np.longdouble),
    "big-endian": NUMBERS.astype(">f8"),
    "big-endian integers": NUMBERS.astype(">i4"),
    "lists": NUMBERS.tolist(),
    "an array of JAX": jnp.asarray(NUMBERS, jnp.bfloat16),
}
REFUSED = {
    "complex": (NUMBERS * 1j, "real part"),
    "masked": (np.ma.array(NUMBERS, mask=NUMBERS > 0), "filled"),
    "objects": (NUMBERS.astype(object), "array of floats"),
    "strings": (NUMBERS.astype(str), "array of floats"),
    "dates": (NUMBERS.astype("datetime64[s]"), "array of floats"),
    "nothing": (None, "array of floats"),
    "ragged lists": ([[1.0, 2.0], [3.0]], "array of floats"),
}
VERBS = {
    # name: (what it makes of a matrix [3, 4], the same in NumPy, the argument)
    "forward": (lambda m: jt.forward(TILE, m, key=KEY), lambda m: m @ WEIGHT.T, "x"),
    "backward": (lambda m: jt.backward(jt.set_weights(jt.init(IDEAL, (4, 3), key=KEY), WEIGHT.T), m, key=KEY), lambda m: m @ WEIGHT.T, "d"),
    "update": (lambda m: jt.update(TILE, m, np.eye(3), learning_rate=1, key=KEY).weight, lambda m: WEIGHT - m, "x"),
    "observe": (lambda m: jt.observe(TILE, x=m).weight, lambda m: WEIGHT, "x"),
    "set_weights": (lambda m: jt.set_weights(TILE, m).weight, lambda m: m, "weight"),
    "map_weights": (lambda m: jt.digital.map_weights(m, 0.5)[0], lambda m: m / 2, "weight"),
    "FixedValue": (lambda m: jt.digital.FixedValue(fixed_value=0.5)(m), lambda m: np.clip(m, -0.5, 0.5), "weight"),
    "LayerwiseSymmetric": (lambda m: jt.digital.LayerwiseSymmetric(remapped_wmax=0.5)(m, np.ones(3, int))[0], lambda m: m / 2, "weight"),
    "InputRange": (lambda m: jt.digital.InputRange(input_range=2.0).scaled(m), lambda m: m / 2, "x"),
    "Discretize": (lambda m: jt.modifier.Discretize(res=0.5)(m, key=KEY), lambda m: m, "weight"),
    "NPair": (lambda m: jt.noise.NPair(g_max=2.0).conductances(m)[0][0], lambda m: 2 * m, "weight"),
    "SingleDevice": (lambda m: jt.noise.SingleDevice(g_min=1.0, g_max=3.0).conductances(m)[0][0], lambda m: 2 * m + 1, "weight"),
    "CustomPair": (lambda m: RAMPS.conductances(m)[0][0], lambda m: 1 + m, "weight"),
    "weights of conductances": (lambda m: jt.noise.SingleDevice(g_min=1.0).weight(m, UNIT), lambda m: m[0] - 1, "conductances"),
    "Branched": (lambda m: jt.noise.Branched(at=-1.0, coeffs=(0.25, 0.5))(m), lambda m: 0.25 + m / 2, "r"),
    "InversePower": (lambda m: jt.noise.InversePower(factor=0.25, high=0.5)(m), lambda m: np.where(m > 0, 0.25, 0.5), "r"),
    "programming noise": (lambda m: CMO.programming_std(m), lambda m: 0.25 + m / 2, "target"),
    "exponents": (lambda m: jt.noise.StateIndependent().nu(m)[0], lambda m: np.full_like(m, 0.1), "target"),
    "a write without noise": (lambda m: jt.noise.PCM().program(m, None), lambda m: m, "target"),
    "Linear": (lambda m: jt.nn.Linear.around(TILE)(m, key=KEY), lambda m: m @ WEIGHT.T, "x"),
    "Conductance": (lambda m: jt.device.Conductance(0.0, 2.0).weight(m), lambda m: m - 1, "conductance"),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_numbers_of_any_type_are_numbers(verb):
    call, right, _ = VERBS[verb]
    for given in ACCEPTED.values():
        result = np.asarray(call(given))
        assert result.dtype == jnp.result_type(float)
        np.testing.assert_allclose(result, right(NUMBERS), atol=1e-6)


@pytest.mark.parametrize("verb", VERBS)
def test_what_holds_no_numbers_is_refused_by_name(verb):
    call, _, name = VERBS[verb]
    for given, remedy in REFUSED.values():
        if verb == "observe" and given is None:  # there None is no vectors
            continue
        with pytest.raises(TypeError, match=rf"(?s){name}=.*is not an array of real numbers.*{remedy}"):
            call(given)


def test_tensors_of_torch_that_ask_for_gradients_are_refused_with_the_remedy():
    torch = pytest.importorskip("torch")
    given = torch.tensor(NUMBERS)
    for call, right, name in VERBS.values():
        np.testing.assert_allclose(call(given), right(NUMBERS), atol=1e-6)
        with pytest.raises(TypeError, match=rf"(?s){name}=.*detach"):
            call(given.requires_grad_(True))
        given = given.detach()


SPIKE = jt.device.ConstantStep(dw_min_dtod=0, dw_min_std=0, up_down_dtod=0, w_max_dtod=0, w_min_dtod=0)
LARGE = {
    # name: (x, d, learning rate, which cells saturate)
    "rate": ([1.0, 1, 1], [1.0, -1], 1e38, [[1, 1, 1], [1, 1, 1]]),
    "vectors": ([1e30, 1e30, 1e30], [1e30, -1e30], 1.0, [[1, 1, 1], [1, 1, 1]]),
    "all, but for a zero": ([1e30, 0, 1e30], [1e30, -1e30], 1e30, [[1, 0, 1], [1, 0, 1]]),
    "beside small ones": ([1e30, 1e-5, 1], [1e20, -1], 1.0, [[1, 0, 0], [1, 0, 0]]),
    "an x for a small d": ([1e38, 1e38, 1e38], [1e-30, -1e-30], 1.0, [[1, 1, 1], [1, 1, 1]]),
    "a rate for small ones": ([1e-30, 1e-30, 1e-30], [1e-30, -1e-30], 1e38, [[0, 0, 0], [0, 0, 0]]),
    "nothing for tiny ones": ([1e-30, 1e-30, 1e-30], [1e-30, -1e-30], 1.0, [[0, 0, 0], [0, 0, 0]]),
}


PULSES = ["StochasticCompressed", "MeanCount", "DeterministicImplicit", "MeanField"]


@pytest.mark.parametrize("pulse", mostly_slow(PULSES, "StochasticCompressed", "MeanField"))
def test_products_beyond_single_precision_saturate_as_the_trains_do(pulse):
    """A cell whose lines pulse in every slot gets `desired_bl` pulses, and never more."""
    tile = jt.init(jt.TileConfig(SPIKE, getattr(jt.pulse, pulse)()), (2, 3), key=KEY)
    for x, d, rate, saturated in LARGE.values():
        x, d = np.asarray(x), np.asarray(d)
        right = -31e-3 * np.sign(np.outer(d, x)) * np.asarray(saturated)
        np.testing.assert_allclose(jt.update(tile, x, d, learning_rate=rate, key=KEY).weight, right, atol=1e-7)


# The steps of a table are its own; its dw_min only plans trains.
@pytest.mark.parametrize("name", mostly_slow([name for name in DEVICES if name != "table"], "constant", "soft bounds"))
def test_a_step_beyond_the_range_ends_at_the_bound(name):
    """One pulse that is longer than the range: the weight is at the bound, also where a trace hides how long it is."""
    make, ways = partial(DEVICES[name], dw_min_std=0.0), jnp.asarray([1.0, -1.0])
    bits = jnp.ones((2, 1), bool), jnp.ones((3, 1), bool)

    @jax.jit
    def pulsed(size):
        tile = jt.init(jt.TileConfig(make(dw_min=size)), (3, 2), key=KEY)
        return tile, jt.send(tile, jt.pulse.Trains.from_bits(*bits, ways, jnp.ones(3)), key=KEY).weight

    for size in (1e6, 1e12, 1e20, 3e38):
        tile, weight = pulsed(size)
        np.testing.assert_allclose(weight[:, 0], tile.cells.w_min[:, 0], rtol=1e-5)
        np.testing.assert_allclose(weight[:, 1], tile.cells.w_max[:, 1], rtol=1e-5)


def test_pulses_of_any_numbers_are_those_of_their_values():
    """`encode` is a verb of its own: each x, d and rate is the same in any type, and refused if it is none."""
    pulse, one = jt.pulse.MeanCount(), {"learning_rate": 1, "granularity": 0.1, "key": KEY}
    counts = pulse.encode([1, 0, 1], np.array([1, -1], ">i4"), **one).coincidences()
    np.testing.assert_array_equal(counts, [[10, 0, 10], [10, 0, 10]])  # learning rate x d / granularity
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(pulse.encode(torch.tensor([True, False, True]), [1.0, -1.0], **one).coincidences(), counts)
    for x, words in (
        ([1j], "x="),
        ([np.nan], "x holds 1 of 1"),
        ([[1.0]], "x has shape"),
        (np.ma.masked_array([1.0], [True]), "x="),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            pulse.encode(x, [1.0], **one)
    for name, value in {"learning_rate": -1.0, "granularity": 0.0, "columns": [0.5], "key": "key"}.items():
        with pytest.raises((TypeError, ValueError), match=f"{name}="):
            pulse.encode([1.0], [1.0], **one | {name: value})


SIZES = (1e-30, 1e-20, 1e-12, 1e-9, 1.0, 1e9, 1e18, 1e30, 1e37)
RESIDUAL = np.random.default_rng(0).normal(size=(3, 4))


def test_norms_are_right_at_any_size():
    spectral, frobenius = jax.jit(spectral_norm), jax.jit(safe_norm)
    for size in SIZES:
        matrix = jnp.asarray(RESIDUAL * size, jnp.float32)
        right = np.asarray(matrix, np.float64)
        np.testing.assert_allclose(spectral(matrix), np.linalg.norm(right, 2), rtol=1e-3)
        np.testing.assert_allclose(frobenius(matrix), np.linalg.norm(right), rtol=1e-5)


def test_leading_triplets_are_found_at_any_size():
    block = starting_block(4, 3, jnp.float32)
    find = jax.jit(leading_triplets)
    for size in SIZES:
        matrix = jnp.asarray(RESIDUAL * size, jnp.float32)
        triplets, _ = find(matrix, block)
        np.testing.assert_allclose(triplets.s[0], np.linalg.norm(np.asarray(matrix, np.float64), 2), rtol=1e-4)


def test_methods_reach_targets_of_any_size():
    """Ideal devices add what they are told to, so that all that is left is rounding."""
    target = jnp.asarray(RESIDUAL, jnp.float32)
    methods, empty = (jt.SVD(), jt.PowerSVD(), jt.RiskSVD()), jt.init(IDEAL, (3, 4), key=KEY)

    @jax.jit
    def left(size):
        options = {"key": KEY, "max_steps": 12, "tolerance": 1e-6, "throw": False}
        runs = [jt.program(empty, size * target, method, **options) for method in methods]
        return [(run.weight - size * target) / size for run in runs]

    for size in (1e-30, 1e-20, 1.0, 1e20, 1e37):
        for error in left(size):
            assert float(jnp.max(jnp.abs(error))) < 1e-5, size


def test_compensations_scale_with_proposal_and_noise():
    """Both minimise |d^T x - d_0^T x_0|^2 + 2 tau |d|_1 |x|_1: with d_0 and tau so many times as large, d is, too."""
    sheet = jt.Datasheet.of(jt.TileConfig(jt.device.ConstantStep(dw_min=0.1)), (3, 4))
    x, d = jnp.asarray(RESIDUAL[:2], jnp.float32), jnp.asarray(RESIDUAL.T[:2], jnp.float32)
    weight, rate = jnp.zeros((3, 4)), jnp.ones(())
    for make in (jt.compensation.Sparsify, jt.compensation.Gain):
        _, one = make(caution=1.0)(x, d, sheet, weight, rate)
        for size in (1e-25, 1e-15, 1e15, 1e25):
            _, other = make(caution=size)(x, size * d, sheet, weight, rate)
            np.testing.assert_allclose(other / size, one, rtol=1e-4, atol=1e-6)
    order = jt.compensation.SmallestFirst()
    for size in (1e-25, 1e25):
        _, sorted_ = order(x, size * d, sheet, weight, rate)
        np.testing.assert_allclose(sorted_ / size, order(x, d, sheet, weight, rate)[1], rtol=1e-5)


def test_single_numbers_are_real_ones():
    for number in (
        1j,
        np.complex64(1),
        np.ma.masked,
        np.datetime64("2020-01-01"),
        np.bool_(True),
        jnp.asarray(True),
        np.array("1"),
    ):
        _refused(lambda number=number: jt.device.ConstantStep(dw_min=number), "ConstantStep.dw_min=", "pass a number above 0")
    assert float(jt.device.ConstantStep(dw_min=np.array(0.5, ">f8")).dw_min) == 0.5


def test_inputs_that_leave_columns_out_are_told():
    """The weights of the others stay, and the read error does not see them."""
    inputs = np.eye(4)[:3] + np.eye(4)[1:]
    inputs[:, 2] = 0
    with pytest.warns(UserWarning, match=r"GDP.inputs drives 3 of 4 columns.*neither read nor corrected"):
        method = jt.GDP(inputs=inputs)
    solution = jt.program(TILE, WEIGHT + 1.0, method, key=KEY, max_steps=2)
    np.testing.assert_array_equal(solution.weight[:, 2], WEIGHT[:, 2].astype(np.float32))


def test_nothing_to_send_changes_nothing():
    tile = jt.init(jt.TileConfig(), (2, 3), key=KEY)
    none = np.zeros((0, 2))
    for x in (np.zeros((0, 3)), jt.UnitVectors(np.zeros(0, int), 3)):
        assert not jt.update(tile, x, none, learning_rate=1, key=KEY).weight.any()
    assert jt.forward(tile, np.zeros((0, 3)), key=KEY).shape == (0, 2)
    assert not jt.reset(tile, [], key=KEY).weight.any()


def test_one_weight_is_a_matrix_too():
    one = np.full((1, 1), 0.5)
    np.testing.assert_array_equal(jt.digital.LayerGaussian()(one), one)  # a single number has no spread to be clipped to
    np.testing.assert_array_equal(jt.digital.LayerGaussian(fixed_value=0.25)(one), one / 2)
    assert float(jt.digital.InputRange().observe(one).input_range) == 3.0
    np.testing.assert_array_equal(jt.digital.map_weights(one)[0], [[1.0]])


def _refused(call, *words):
    with pytest.raises((TypeError, ValueError)) as refusal:
        call()
    for word in words:
        assert word in str(refusal.value)


def test_lengths_that_must_agree_are_compared():
    weight = np.full((2, 3), 0.1)
    tile = jt.init(jt.TileConfig(), (2, 3), key=KEY)
    for remap in (jt.digital.LayerwiseSymmetric(), jt.digital.ChannelwiseSymmetric()):
        _refused(lambda remap=remap: remap(weight, np.ones(1)), "scales has shape (1,)", "2 outputs")
    _refused(lambda: jt.digital.PerColumnDriftCompensation()(tile, np.ones(5), key=KEY), "baseline has shape (5,)", "(2,)")
    _refused(lambda: jt.digital.map_weights([1.0, 2.0]), "weight has shape (2,)", "[out, in]")
    _refused(lambda: jt.reset(tile, [0.5], key=KEY), "columns has dtype float", "whole numbers")
    _refused(lambda: jt.reset(tile, [True, False], key=KEY), "columns has dtype bool", "(2,)")
    _refused(lambda: jt.targets.low_rank((3.0, 3.0), 1, key=KEY), "shape=(3.0, 3.0)", "whole numbers")
    _refused(lambda: jt.program(tile, weight, jt.GDP(schedule=lambda step: jnp.ones(3)), key=KEY, max_steps=1), "(3,)", "schedule")


LISTS = {
    # name: (what is called, words of the refusal)
    "a number for coefficients": (lambda: jt.noise.PCM(prog_coeff=3.0), ["PCM.prog_coeff has shape ()", "one dimension"]),
    "no coefficients": (lambda: jt.modifier.Poly(coeffs=[]), ["Poly.coeffs has shape (0,)", "at least one"]),
    "coefficients in two dimensions": (lambda: jt.noise.Branched(coeffs=[[1.0]]), ["Branched.coeffs has shape (1, 1)"]),
    "three spreads of two": (lambda: jt.noise.ReRAMCMO(decay_std=[1, 2, 3]), ["decay_std has shape (3,)", "(std_0, std_1)"]),
    "bounds of a law": (lambda: jt.noise.ClippedLog(low=2.0, high=1.0), ["ClippedLog.low=2", "high=1"]),
    "bits of a coarser DAC": (
        lambda: jt.IOParameters(mv_type=jt.periphery.BitWise(bits=5)),
        ["BitWise(bits=5) sends at most 31 steps", "inp_res=0.00793651 has 63", "more bits"],
    ),
    "chances of one device": (lambda: jt.modifier.PCMNoise(pcm_prob_at_reset=0.7, pcm_prob_at_gmax=0.4), ["add up to 1.1"]),
    "gammas in two dimensions": (lambda: jt.device.VectorCell(gamma_vec=[[1.0, 1.0]]), ["gamma_vec has shape (1, 2)"]),
    "scales of a layer": (lambda: jt.nn.Linear.around(TILE, out_scales=[1.0, 2.0]), ["out_scales has shape (2,)", "3 outputs"]),
    "one bias for all": (lambda: jt.nn.Linear.around(TILE, bias=1.0), ["Linear.bias has shape ()", "each of the 3 outputs."]),
    "a part that layers have not": (lambda: jt.nn.Linear.around(TILE, scale=1.0), ["Linear has no scale", "out_scales"]),
    "a number for a range": (lambda: jt.nn.Linear.around(TILE, input_range=3.0), ["Linear.input_range=3.0", "InputRange("]),
    "a word for a switch": (lambda: jt.digital.map_weights(WEIGHT, columnwise="no"), ["columnwise='no'", "True or False"]),
    "a layer for layers": (lambda: jt.nn.Sequential(jt.nn.Linear.around(TILE)), ["Sequential is given Linear", "a list"]),
    "a pattern that is none": (lambda: jt.nn.Optimizer({"(": 0.1}), ["Optimizer.pulses names '('", "layers.0"]),
    "metrics without names": (
        lambda: jt.nn.evaluate(jt.nn.Linear.around(TILE), (WEIGHT, np.arange(3)), [jt.nn.accuracy], key=KEY),
        ["metrics=[", "functions by name"],
    ),
    "complex scales": (lambda: jt.nn.Linear.around(TILE, out_scales=1j), ["Linear.out_scales=1j", "real part"]),
    "masked columns": (lambda: jt.UnitVectors(np.ma.array([0, 1], mask=[0, 1]), 4), ["columns=", "filled"]),
    "masked labels": (lambda: jt.nn.accuracy(lambda x, key: x, jnp.eye(2), np.ma.array([0, 1], mask=[0, 1])), ["y=", "filled"]),
    "a sweep in which half pulses exceed full ones": (
        lambda: _sweep({"half_select.kappa": [100.0, 2.0]}, half_select=jt.half_select.ConstantRatio(row=0.1)),
        ["ConstantRatio(kappa=2, row=0.1)", "a kappa of at least 10"],
    ),
    "a sweep of pulses longer than their period": (
        lambda: _sweep({"pulse_width": [1e-7, 1e-6]}, run=Timed(jt.Costs())),
        ["Costs.pulse_width=1e-06", "pulse_period=2e-07"],
    ),
    "complex values of a sweep": (
        lambda: jt.sweep(lambda tile, target, key: {}, IDEAL, WEIGHT, key=KEY, over={"device.dw_min": np.array([1j])}),
        ["over['device.dw_min']", "real part"],
    ),
}  # fmt: skip


class Timed(eqx.Module):
    costs: jt.Costs

    def __call__(self, tile, target, key):
        return {"time": self.costs.pulse_period}


def _sweep(over, run=lambda tile, target, key: {"sum": jnp.sum(target)}, **config):
    over = {path if "." in path else f"costs.{path}": values for path, values in over.items()}
    return jt.sweep(run, jt.TileConfig(**config), WEIGHT, key=KEY, over=over)


@pytest.mark.parametrize("case", LISTS)
def test_lists_and_numbers_that_do_not_fit_are_refused_by_name(case):
    call, words = LISTS[case]
    _refused(call, *words)


def test_rules_between_numbers_that_are_known_are_checked_under_a_trace_too():
    def build(x):
        coarse = jt.IOParameters(mv_type=jt.periphery.BitWise(bits=6))
        laws = jt.noise.ClippedLog(low=0.1, high=0.2), jt.modifier.PCMNoise(pcm_prob_at_reset=0.5), jt.noise.ReRAMCMO()
        layer = jt.nn.Linear.around(TILE, out_scales=x, bias=[0.0, 0.0, 0.0])
        return coarse.inp_res + laws[0](x)[0], layer(WEIGHT, key=KEY)

    scales = jnp.asarray([1.0, 2.0, 3.0])
    np.testing.assert_allclose(jax.jit(build)(scales)[1], WEIGHT @ WEIGHT.T * np.arange(1, 4), atol=1e-6)
    with pytest.raises(ValueError, match="more bits"):
        jax.jit(lambda x: jt.IOParameters(mv_type=jt.periphery.BitWise(bits=5)).inp_res + x)(1.0)


def test_columns_and_labels_may_be_whole_numbers_of_any_type():
    for kind in (np.int8, np.uint64, ">i4", ">u2"):
        columns = np.array([2, 0], kind)
        np.testing.assert_array_equal(jt.UnitVectors(columns, 3).columns, [2, 0])
        assert float(jt.nn.accuracy(lambda x, key: x, jnp.eye(3)[::2], columns)) == 0
        assert float(jt.nn.accuracy(lambda x, key: x, jnp.eye(3)[::2], columns[::-1])) == 1


def test_what_would_send_nothing_is_refused():
    tile = jt.init(dataclasses.replace(IDEAL, device=SPIKE, pulse=jt.pulse.MeanCount()), (2, 3), key=KEY)
    target = np.full((2, 3), 0.2)
    _refused(lambda: jt.GDP(inputs=np.zeros((2, 3))), "GDP.inputs", "zeros", "'eye'")
    for factor in (np.nan, -1.0, None):
        method = jt.GDP(schedule=lambda step, factor=factor: factor)
        _refused(lambda method=method: jt.program(tile, target, method, key=KEY, max_steps=1), "GDP.schedule", "at least 0")
    _refused(lambda: jt.device.PiecewiseStep(piecewise_up=[1, 0, 1], piecewise_down=[1, 1, 1]), "piecewise_up is 0", "middle")
    # A schedule that is not a number only later on is seen when it is.
    late = jt.GDP(schedule=lambda step: jnp.where(step < 1, 1.0, jnp.nan))
    solution = jt.program(tile, target, late, key=KEY, max_steps=3, tolerance=0, throw=False)
    assert solution.result == jt.RESULTS.nonfinite
    assert int(solution.stats["steps"]) == 1
