"""The contract of routines holds what algorithms of several arrays ask for: AGAD and mixed precision, beside NumPy.

Both are throw-away versions, written against what users have: the contract's shape is on trial here, not the algorithms.
(AGAD: Rasch, Carta, Fagbohungbe and Gokmen, Nat. Commun. 15:7133, 2024; mixed precision: Nandakumar et al., Front. Neurosci.
14:406, 2020.)
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import jaxtile as jt
from jaxtile.device import AbstractRoutine, AbstractUnitCell, ConstantStep, Sending, UnitState, Vector

OUT, WIDTH, VECTORS = 4, 3, 90
G = 0.0137  # incommensurate, so that no product falls on a threshold
PERFECT = jt.IOParameters(is_perfect=True)
ONE_PULSE = jt.pulse.MeanCount(desired_bl=1, update_management=False, update_bl_management=False)
COUNTS = jt.pulse.MeanCount(desired_bl=31)


def plain_device():
    spreads = [field.name for field in dataclasses.fields(ConstantStep) if field.name.endswith(("_dtod", "_std"))]
    return ConstantStep(dw_min=G, w_max=2.0, w_min=-2.0, **dict.fromkeys(spreads, 0.0))


class AgadState(UnitState):
    buffer: jax.Array
    mean: jax.Array
    past: jax.Array
    chopped: jax.Array
    switched: jax.Array
    column: jax.Array
    passes: jax.Array


class Agad(AbstractRoutine):
    fast_lr: jax.Array
    transfer_lr: jax.Array
    every: int = eqx.field(static=True)
    period: int = eqx.field(static=True)
    tail: float = eqx.field(static=True)

    def before(self, device, cells, state, vector, *, key):
        sign = jnp.where(state.chopped, -1.0, 1.0)
        chopped = Vector(vector.x * sign, vector.d, self.fast_lr, vector.batch)
        return dataclasses.replace(state, turn=state.turn + 1), chopped

    def due(self, device, state, vector):
        return state.turn % self.every == 0

    def act(self, device, cells, state, vector, draws):
        i, (fast, slow) = state.column, device.parts
        width = state.chopped.shape[0]
        unit = (jnp.arange(width) == i).astype(float)
        r = jt.periphery.read(PERFECT, fast.weight(state.devices[0]), unit[None], draws.key)[0]
        past = jnp.where(state.switched[i], state.mean[:, i], state.past[:, i])
        chop = jnp.where(state.chopped[i], -1.0, 1.0)
        scale = self.transfer_lr * vector.learning_rate / fast.granularity()
        omega = state.buffer[:, i] + chop * (r - past) * scale
        n = jnp.clip(jnp.trunc(omega), -1, 1)
        smooth = min(self.tail / self.period, 1)
        flips, last = state.passes % self.period + 1 == self.period, (i == width - 1).astype(jnp.int32)
        state = dataclasses.replace(
            state,
            buffer=state.buffer.at[:, i].set(jnp.where(n != 0, 0, omega)),
            mean=state.mean.at[:, i].set(state.mean[:, i] * (1 - smooth) + r * smooth),
            past=state.past.at[:, i].set(past),
            chopped=state.chopped.at[i].set(state.chopped[i] ^ flips),
            switched=state.switched.at[i].set(flips),
            column=(i + 1) % width,
            passes=state.passes + last,
        )
        warm = jnp.where(state.passes - last > self.period, n, 0)
        return state, Sending(jt.UnitVectors(i[None], width), -warm[None], slow.granularity(), ONE_PULSE, part=1)


class TwoArrays(AbstractUnitCell):
    devices: tuple
    transfer: AbstractRoutine

    @property
    def parts(self):
        return self.devices

    @property
    def gammas(self):
        return (0.0, 1.0)

    @property
    def routines(self):
        return (self.transfer,)

    def connected(self, k, turn):
        return k == 0

    def written(self, k):
        return k == 1

    def turn(self):
        return jnp.asarray(0, jnp.int32)

    def start(self, shape):
        zero, none, width = jnp.zeros(shape), jnp.asarray(0, jnp.int32), shape[1]
        no = jnp.zeros(width, bool)
        start = super().start(shape)
        return AgadState(start.devices, start.turn, zero, zero, zero, no, no, none, none)


def counts(x, d, rate, longest):
    """Pulses of `MeanCount`, with their signs."""
    largest_x, largest_d = np.abs(x).max(), np.abs(d).max()
    k = rate * largest_x * largest_d / G
    length = min(np.ceil(k), longest)
    largest_d *= min(longest / k, 1)
    base = np.sqrt(rate / (G * length))
    of_x = np.minimum(np.rint(length * np.abs(x) * base * np.sqrt(largest_d / largest_x)), length)
    of_d = np.minimum(np.rint(length * np.abs(d) * base * np.sqrt(largest_x / largest_d)), length)
    return np.rint(of_d[:, None] / length * of_x[None, :]) * np.sign(np.outer(d, x))


def agad_by_numpy(xs, ds, rate, routine):
    fast_lr, transfer_lr = float(routine.fast_lr), float(routine.transfer_lr)
    a, c, h, m, p = (np.zeros((OUT, WIDTH)) for _ in range(5))
    chopped, switched, i, passes = np.zeros(WIDTH, bool), np.zeros(WIDTH, bool), 0, 0
    for v, (x, d) in enumerate(zip(xs, ds, strict=True)):
        a -= G * counts(np.where(chopped, -x, x), d, fast_lr, 31)
        if (v + 1) % routine.every:
            continue
        r, now = a[:, i].copy(), passes % routine.period + 1
        if switched[i]:
            p[:, i], switched[i] = m[:, i], False
        omega = h[:, i] + (-1 if chopped[i] else 1) * (r - p[:, i]) * transfer_lr * rate / G
        n = np.clip(np.trunc(omega), -1, 1)
        h[:, i] = np.where(n != 0, 0, omega)
        smooth = min(routine.tail / routine.period, 1)
        m[:, i] = m[:, i] * (1 - smooth) + r * smooth
        if passes > routine.period:
            c[:, i] += G * n
        if now == routine.period:
            chopped[i], switched[i] = not chopped[i], True
        passes += i == WIDTH - 1
        i = (i + 1) % WIDTH
    return a, c, h


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (VECTORS, WIDTH)), rng.uniform(-1, 1, (VECTORS, OUT)) + 0.3


def agad(**config):
    routine = Agad(jnp.asarray(0.0513), jnp.asarray(1.713), every=2, period=3, tail=2.0)
    cell = TwoArrays((plain_device(), plain_device()), routine)
    return jt.init(jt.TileConfig(device=cell, pulse=COUNTS, **config), (OUT, WIDTH), key=jr.key(0)), routine


def test_agad_moves_weights_from_array_to_array(batch):
    x, d = batch
    tile, routine = agad()
    after = jt.update(tile, x, d, learning_rate=0.173, key=jr.key(1))
    fast, slow, buffer = agad_by_numpy(x, d, 0.173, routine)
    np.testing.assert_allclose(after.state.devices[0], fast, atol=3e-6)
    np.testing.assert_allclose(after.weight, slow, atol=1e-6)
    np.testing.assert_allclose(after.state.buffer, buffer, atol=2e-5)
    assert np.count_nonzero(slow) > 5


@pytest.mark.slow
def test_each_array_is_disturbed_by_its_own_lines_only(batch):
    """A half-selected update moves the slow array only where a transfer sends pulses: never in its first, silent passes."""
    x, d = batch
    tile, _ = agad(half_select=jt.half_select.ConstantRatio(kappa=5.0))
    after = jt.update(tile, x[:18], d[:18], learning_rate=0.173, key=jr.key(1))
    assert np.all(np.asarray(after.weight) == 0)
    assert np.all(np.asarray(after.state.devices[0]) != 0)
    later = jt.update(tile, x, d, learning_rate=0.173, key=jr.key(1))
    alone = jt.update(agad()[0], x, d, learning_rate=0.173, key=jr.key(1))
    assert not np.allclose(later.weight, alone.weight)


@pytest.mark.slow
def test_a_number_of_an_algorithm_is_a_leaf(batch):
    x, d = batch

    def final(rate):
        tile, routine = agad()
        tile = eqx.tree_at(lambda tile: tile.config.device.transfer.transfer_lr, tile, rate)
        return jt.update(tile, x, d, learning_rate=0.173, key=jr.key(1)).weight

    weights = jax.jit(jax.vmap(final))(jnp.asarray([1.713, 0.4]))
    np.testing.assert_allclose(weights[0], agad_by_numpy(x, d, 0.173, agad()[1])[1], atol=1e-6)
    assert not np.allclose(weights[0], weights[1])


class Digital(UnitState):
    chi: jax.Array


class Accumulate(AbstractRoutine):
    every: int = eqx.field(static=True)

    def before(self, device, cells, state, vector, *, key):
        chi = state.chi + vector.learning_rate * jnp.outer(vector.d, vector.x)
        return dataclasses.replace(state, chi=chi, turn=state.turn + 1), None

    def due(self, device, state, vector):
        seen = state.turn - 1  # a transfer lags one vector, as in aihwkit
        return (seen > 0) & (seen % (self.every * vector.batch) == 0)

    def act(self, device, cells, state, vector, draws):
        granularity = device.granularity()
        n = jnp.trunc(state.chi / granularity)
        rows = jnp.eye(n.shape[0], dtype=n.dtype)
        return dataclasses.replace(state, chi=state.chi - n * granularity), Sending(n, rows, granularity, COUNTS)


class MixedPrecision(AbstractUnitCell):
    device: ConstantStep
    transfer: AbstractRoutine

    @property
    def parts(self):
        return (self.device,)

    @property
    def gammas(self):
        return (1.0,)

    @property
    def routines(self):
        return (self.transfer,)

    def turn(self):
        return jnp.asarray(0, jnp.int32)

    def start(self, shape):
        start = super().start(shape)
        return Digital(start.devices, start.turn, jnp.zeros(shape))


def test_mixed_precision_accumulates_and_sends_rows(batch):
    x, d = (one.reshape(-1, 3, one.shape[1]) for one in batch)
    tile = jt.init(jt.TileConfig(device=MixedPrecision(plain_device(), Accumulate(2))), (OUT, WIDTH), key=jr.key(0))
    weight, chi, seen = np.zeros((OUT, WIDTH)), np.zeros((OUT, WIDTH)), 0
    for part, (xs, ds) in enumerate(zip(x, d, strict=True)):
        tile = jt.update(tile, xs, ds, learning_rate=0.0173, key=jr.key(part))
        for one_x, one_d in zip(xs, ds, strict=True):
            chi += 0.0173 * np.outer(one_d, one_x)
            if seen > 0 and seen % 6 == 0:
                n = np.trunc(chi / G)
                weight, chi = weight - G * n, chi - G * n
            seen += 1
    np.testing.assert_allclose(tile.weight, weight, atol=1e-6)
    np.testing.assert_allclose(tile.state.chi, chi, atol=1e-6)
    assert np.count_nonzero(weight) > 8
