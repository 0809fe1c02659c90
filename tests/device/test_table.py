"""Devices given by measured steps."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from jaxtile.device import SoftBounds, Table, measure

NONE = {"dw_min_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
SOFT = SoftBounds(dw_min=0.02, dw_min_std=0.3, w_max=0.8, w_min=-0.6, **NONE)
GRID = np.linspace(-0.6, 0.8, 15)
UP, DOWN = 0.02 * (1 - GRID / 0.8), 0.02 * (1 + GRID / 0.6)
TABLE = Table(state=GRID, up=UP, down=DOWN, up_noise=0.3 * UP, down_noise=0.3 * DOWN)


@pytest.mark.parametrize("up", [True, False])
def test_a_table_of_soft_bounds_is_soft_bounds(up):
    """Whose steps are linear in the weight, so that interpolation is exact to rounding; in every device and everywhere."""
    spread = {"dw_min_dtod": 0.3, "up_down_dtod": 0.05, "up_down": 0.1}
    table, soft = (dataclasses.replace(device, **spread) for device in (TABLE, SOFT))
    weight = jnp.linspace(-0.6, 0.8, 40).reshape(5, 8)
    cells = [device.fabricate((5, 8), key=jr.key(1)) for device in (table, soft)]
    for got, expected in zip(table.step(cells[0], weight, up=up), soft.step(cells[1], weight, up=up), strict=True):
        np.testing.assert_allclose(got, expected, atol=3e-9, rtol=1e-5)


def test_defaults_come_from_the_table():
    assert float(TABLE.granularity()) == pytest.approx(0.02)
    assert [float(bound) for bound in TABLE.bounds()] == pytest.approx([-0.6, 0.8])
    assert float(dataclasses.replace(TABLE, dw_min=0.01).granularity()) == pytest.approx(0.01)
    swept = jax.vmap(lambda scale: Table(state=GRID, up=scale * UP, down=scale * DOWN).dw_min)(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(swept, [0.02, 0.04], rtol=1e-6)


def test_from_csv(tmp_path):
    path = tmp_path / "steps.csv"
    lines = ["up, state,down", *(f"{up},{state},{down}" for up, state, down in zip(UP, GRID, DOWN, strict=True))]
    path.write_text("\n".join(lines))
    table = Table.from_csv(path, dw_min_dtod=0.2)
    np.testing.assert_allclose(table.down, DOWN, rtol=1e-6)
    assert table.up_noise is None
    assert float(table.dw_min_dtod) == pytest.approx(0.2)


@pytest.mark.parametrize("read_std", [0.0, 0.02])
def test_from_pulses(read_std):
    """The steps of a soft-bounds device are found again within their standard error, also where read noise is as large as a step.

    Not at the ends: there the states are those where read noise has carried the weight.
    """
    pulses = np.tile(np.concatenate([np.ones(50), -np.ones(50)]), 4)
    weights = measure(SOFT, pulses, n_devices=100, read_std=read_std, key=jr.key(0))
    table = Table.from_pulses(weights, pulses, n_states=8)
    state = np.asarray(table.state)[1:-1]
    for column, noise, true in (
        (table.up, table.up_noise, 0.02 * (1 - state / 0.8)),
        (table.down, table.down_noise, 0.02 * (1 + state / 0.6)),
    ):
        mean, noise = np.asarray(column)[1:-1], np.asarray(noise)[1:-1]
        counted = 200 * 100 / 8 / 3  # steps near each state, at least
        assert (np.abs(mean - true) < 4.5 * noise / np.sqrt(counted)).all()
        expected = np.sqrt((0.3 * true) ** 2 + 2 * read_std**2)
        np.testing.assert_allclose(noise, expected, rtol=0.1)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_depression_may_be_written_with_its_sign(tmp_path, encoding):
    """Negative steps down, in Python and in a file of a spreadsheet; nothing else changes."""
    signed = Table(state=GRID, up=UP, down=-DOWN, up_noise=0.3 * UP, down_noise=0.3 * DOWN)
    np.testing.assert_array_equal(signed.down, TABLE.down)
    assert float(signed.dw_min) == float(TABLE.dw_min)
    path = tmp_path / "steps.csv"
    rows = "\n".join(f"{s:.4f};{u:.6f};{-d:.6f}" for s, u, d in zip(GRID, UP, DOWN, strict=True)).replace(".", ",")
    path.write_bytes(f"State;Up;Down\n{rows}".encode(encoding))
    np.testing.assert_allclose(Table.from_csv(path).down, DOWN, atol=1e-6)
    swept = jax.vmap(lambda down: Table(state=GRID, up=UP, down=down).down)(jnp.stack([DOWN, -DOWN]))
    np.testing.assert_allclose(swept, [DOWN, DOWN], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state,up,down,up\n0,1,1,2\n", ["line 1: 'up' names columns 2, 4"]),
        ("state,up,down\n-1,.1,.1\n1,nan,.1\n", ["Table.up holds 1 of 2"]),
        ("state,up,down\n-1,-.1,.1\n1,-.1,.1\n", ["Table.up sums to -0.2", "exchange up and down"]),
        ("state,up,down\n1,.1,.1\n-1,.1,.1\n", ["not increasing at entry 1", "sort the table"]),
    ],
)
def test_a_refusal_names_the_file(tmp_path, text, words):
    path = tmp_path / "steps.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^table .*steps\.csv") as caught:
        Table.from_csv(path)
    for word in words:
        assert word in str(caught.value)


def test_too_fine_a_grid_is_told_the_finest_that_works():
    """A grid as fine as the one that is named works, and a finer one does not."""
    ramp = np.concatenate([np.linspace(-0.5, 0.5, 13), np.linspace(0.5, -0.5, 13)[1:]])
    pulses = np.repeat([1, -1], 12)
    with pytest.raises(ValueError, match=r"no \w+ step was measured near weight .*; pass a smaller n_states: \d+ is") as caught:
        Table.from_pulses(ramp[None], pulses, n_states=40)
    works = int(re.search(r"(\d+) is the largest", str(caught.value))[1])
    assert Table.from_pulses(ramp[None], pulses, n_states=works).state.shape == (works,)
    with pytest.raises(ValueError, match="pass a smaller n_states"):
        Table.from_pulses(ramp[None], pulses, n_states=works + 1)
