"""What is handed to the verbs is right, whatever its type and size, or refused by name."""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import ml_dtypes
import numpy as np
import pytest

import jaxtile as jt
from jaxtile._linalg import leading_triplets, safe_norm, spectral_norm, starting_block

pytestmark = pytest.mark.usefixtures("unhooked")  # the gate itself is met, not the annotations before it
KEY = jr.key(0)
PERFECT = jt.IOParameters(is_perfect=True)
IDEAL = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=PERFECT, backward=PERFECT)
WEIGHT = np.arange(12).reshape(3, 4) / 8 - 0.5
TILE = jt.set_weights(jt.init(IDEAL, (3, 4), key=KEY), WEIGHT)
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


@pytest.mark.parametrize("pulse", ["StochasticCompressed", "MeanCount", "DeterministicImplicit", "MeanField"])
def test_products_beyond_single_precision_saturate_as_the_trains_do(pulse):
    """A cell whose lines pulse in every slot gets `desired_bl` pulses, and never more."""
    tile = jt.init(jt.TileConfig(SPIKE, getattr(jt.pulse, pulse)()), (2, 3), key=KEY)
    for x, d, rate, saturated in LARGE.values():
        x, d = np.asarray(x), np.asarray(d)
        right = -31e-3 * np.sign(np.outer(d, x)) * np.asarray(saturated)
        np.testing.assert_allclose(jt.update(tile, x, d, learning_rate=rate, key=KEY).weight, right, atol=1e-7)


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
