"""Wires of a whole array: an exact solve, against nodal analysis written out, and against what approximates it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from reference import wires

import jaxtile as jt
from jaxtile import noise, periphery
from jaxtile.periphery.converter import Grid

KEY = jr.key(0)
GRID = Grid(step=jnp.asarray(0.1), slots=jnp.asarray(11.0))


def by_nodes(g, volts, r_in, r_out):
    """Currents at the ADCs, uA, of devices g [out, in] in uS: two nodes for each device, and Ohm's law for each segment of wire."""
    out, width = g.shape
    number = np.arange(out * width).reshape(out, width)
    matrix, source = np.zeros((2 * out * width, 2 * out * width)), np.zeros(2 * out * width)

    def join(a, b, conductance):
        for p, q in ((a, b), (b, a)):
            matrix[p, p] += conductance
            matrix[p, q] -= conductance

    for i in range(out):
        for j in range(width):
            upper, lower = number[i, j], out * width + number[i, j]  # on the input line, on the output line
            join(upper, lower, g[i, j])
            if i > 0:
                join(upper, number[i - 1, j], 1e6 / r_in)
            if j > 0:
                join(lower, out * width + number[i, j - 1], 1e6 / r_out)
    for j in range(width):
        matrix[number[0, j], number[0, j]] += 1e6 / r_in
        source[number[0, j]] = volts[j] * 1e6 / r_in
    ends = out * width + number[:, 0]
    matrix[ends, ends] += 1e6 / r_out
    return np.linalg.solve(matrix, source)[ends] * 1e6 / r_out


def an_array():
    rng = np.random.default_rng(0)
    g = rng.uniform(0, 25, (5, 7))
    g[1, 2] = 0
    return g, rng.uniform(-0.3, 0.3, (3, 7))


@pytest.mark.parametrize("wires", [(0.35, 0.35), (2000.0, 500.0), (0.0, 300.0)])
def test_currents_are_those_of_nodal_analysis(wires):
    g, volts = an_array()
    r_in, r_out = wires
    expected = np.stack([by_nodes(g, v, max(r_in, 1e-6), r_out) for v in volts])
    got = jax.jit(jax.vmap(lambda v: periphery.currents(jnp.asarray(g, float), v, r_in=r_in, r_out=r_out)))(
        jnp.asarray(volts, float)
    )
    np.testing.assert_allclose(got, expected, atol=2e-6 * np.abs(expected).max())


def test_currents_are_those_of_badcrossbar():
    g, volts = wires.array()
    here = jax.vmap(lambda v: periphery.currents(jnp.asarray(g, float), v, r_in=wires.R_IN, r_out=wires.R_OUT))(
        jnp.asarray(volts, float)
    )
    there = wires.currents()
    np.testing.assert_allclose(here, there, atol=1e-6 * np.abs(there).max())


def test_a_tile_reads_through_its_wires():
    weight = np.random.default_rng(1).uniform(-1, 1, (5, 7))
    x = np.random.default_rng(2).uniform(-1, 1, (4, 7))
    network = periphery.WireNetwork(converter=noise.NPair(g_max=20.0), r_in=200.0, r_out=400.0)
    io = jt.IOParameters(**{"inp_res": 0.0, "out_res": 0.0, "out_noise": None, "bound_management": None}, ir_drop=network)
    tile = jt.init(jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=io), (5, 7), key=KEY)
    tile = jt.set_weights(tile, weight)
    k = 20 / np.abs(weight).max()
    pairs = [np.maximum(weight * k, 0), np.maximum(-weight * k, 0)]
    expected = np.stack([by_nodes(pairs[0], v, 200.0, 400.0) - by_nodes(pairs[1], v, 200.0, 400.0) for v in x]) / k
    y = jax.jit(lambda tile: jt.forward(tile, x, key=KEY))(tile)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert np.abs(expected - x @ weight.T).max() > 0.01
    perfect = dataclasses.replace(network, r_in=0.0, r_out=0.0)
    slopes = jax.jit(jax.grad(lambda w: jnp.sum(perfect(jnp.zeros((4, 5)), w, jnp.asarray(x, float), GRID))))
    of_weight = slopes(jnp.asarray(weight, float))
    largest = np.abs(weight) == np.abs(weight).max()  # on which the mapping depends
    np.testing.assert_allclose(of_weight[~largest], np.broadcast_to(x.sum(axis=0), (5, 7))[~largest], rtol=1e-3)
    g, v = jnp.asarray(pairs[0], float), jnp.asarray(x[0], float)
    slope = jax.jit(jax.grad(lambda r: jnp.sum(periphery.currents(g, v, r_in=r, r_out=400.0))))
    step = by_nodes(pairs[0], x[0], 205.0, 400.0).sum() - by_nodes(pairs[0], x[0], 195.0, 400.0).sum()
    np.testing.assert_allclose(slope(200.0), step / 10, rtol=1e-3)


def test_the_polynomial_is_right_where_currents_are_even_and_losses_small():
    """And input 0 is at the ADC: the other way round the loss of a line whose currents fall along it is far larger."""
    n, ratio = 200, 1e6
    weight, u = jnp.ones((1, n)), jnp.ones((1, n))
    network = periphery.WireNetwork(r_in=0.0, r_out=1e6 / (ratio * 25))
    polynomial = periphery.IRDrop(ir_drop=1.0, ir_drop_g_ratio=ratio)

    @functools.partial(jax.jit)
    def of_line(drop, weight):
        y = u @ weight.T
        return (y - drop(y, weight, u, GRID))[0, 0] / y[0, 0]

    def lost(drop, weight):
        return float(of_line(drop, weight))

    assert lost(polynomial, weight) == pytest.approx(lost(network, weight), rel=0.02)
    assert 0.01 < lost(network, weight) < 0.02
    falling = jnp.linspace(1, 0, n)[None]
    assert lost(polynomial, falling) == pytest.approx(lost(network, falling), rel=0.3)
    assert lost(network, falling[:, ::-1]) > 2 * lost(network, falling)


@pytest.mark.usefixtures("unhooked")
def test_single_devices_have_no_pairs():
    for kind in (periphery.WireNetwork, periphery.LadderIRDrop):
        with pytest.raises(TypeError, match="has no pairs"):
            kind(converter=noise.SingleDevice())
