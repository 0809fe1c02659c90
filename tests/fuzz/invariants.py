"""Invariants of any hardware: finite or refused by name, within bounds, and counted right."""

import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from hypothesis import strategies as st

import jaxtile as jt

from .configurations import METHODS, Structure, matrices, with_other_numbers

__all__ = ["check"]

K, STEPS = 2, 3


@eqx.filter_jit
def _run(config: jt.TileConfig, method: Any, shape: tuple[int, int], x, d, rate, target, key):
    """A tile when it is made, and after an update and a read, or after a run."""
    fresh = jt.count_pulses(jt.init(config, shape, key=key))
    if method is None:
        later = jt.update(fresh, x, d, learning_rate=rate, key=key)
        later, read = (jt.drift(later, 10.0, key=key) if later.device.drifts else later), jt.forward(later, x, key=key)
    else:
        later, read = jt.program(fresh, target, method, key=key, max_steps=STEPS, throw=False).tile, jnp.zeros(())
    # Not beyond what each device can hold: to settle there moves nothing.
    return [(tile, tile.device.settle(tile.cells, tile.state)) for tile in (fresh, later)], read


def check(draw, structure: Structure) -> str:
    """Draw the numbers of a structure, run it, and assert what holds; "ran", or "refused" and why."""
    shape = structure.shape
    build, foreign = draw(with_other_numbers((structure.config(), METHODS[structure.method])))
    out, width = shape
    x, d, target = draw(matrices((K, width))), draw(matrices((K, out))), draw(matrices(shape))
    rate, key = draw(st.sampled_from([0.0, 1e-3, 0.1, 10.0])), jr.key(draw(st.integers(0, 99)))
    try:
        config, method = build()
    except (TypeError, ValueError) as error:
        return _named(error, foreign)
    assert foreign is None, f"{foreign} takes a number that is none of its own"
    try:
        tiles, read = _run(config, method, shape, *(jnp.asarray(value, float) for value in (x, d, rate, target)), key)
    except (TypeError, ValueError) as error:
        return _named(error)
    for tile, settled in tiles:
        assert np.all(np.isfinite(tile.weight)), f"{config!r} has weights {tile.weight}"
        for one, other in zip(jax.tree.leaves(tile.state), jax.tree.leaves(settled), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=f"beyond the bounds: {config!r}")
        _check_counts(tile)
    assert np.all(np.isfinite(read)), f"{config!r} reads {read}"
    if method is None and config.is_pulsed and not config.crosspoint.has_own_lines:  # an algorithm sends along others, too
        each = tiles[1][0].tally.each
        moved = np.asarray(each.full_up + each.full_down)
        assert not np.any(moved[np.all(d == 0, axis=0)]), "full pulses of rows without a value"
        assert not np.any(moved[:, np.all(x == 0, axis=0)]), "full pulses of columns without a value"
    return "ran"


def _check_counts(tile: jt.Tile) -> None:
    counts, each = tile.tally, tile.tally.each
    for count in jax.tree.leaves(counts):
        assert np.all(np.asarray(count) >= 0), f"a count below zero: {counts}"
    for mean, parts in ((counts.full, (each.full_up, each.full_down)), (counts.half, (each.half_up, each.half_down))):
        np.testing.assert_allclose(mean, np.mean(sum(map(np.asarray, parts))), rtol=1e-4, atol=1e-5)


def _named(error: Exception, foreign: str | None = None) -> str:
    """Our own errors name the argument and its value, or the field whose number is none."""
    text = str(error)
    assert re.search(r"\w=|\w+\.\w+ (has|holds|sums|is|runs)", text), f"refused without a name: {error!r}"
    assert foreign is None or foreign in text, f"{foreign} is not named: {error!r}"
    assert "Traced<" not in text, f"refused as a tracer: {error!r}"
    return f"refused: {text}"
