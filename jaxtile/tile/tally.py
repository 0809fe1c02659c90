"""Pulses of cells and lines that have been sent."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar

__all__ = ["PulseCounts", "Tally"]


class PulseCounts(eqx.Module):
    """Pulses of each cell and of each line, by the direction in which they move cells.
    Single precision counts to 2^24 = 1.7e7.

    Attributes:
        full_up, full_down: pulses at the full voltage.
        half_up, half_down: pulses of one of the cell's two lines alone.
        row_up, row_down: pulses that each row sent, in every sub-phase anew.
        column_up, column_down: likewise of each column.
    """

    full_up: Float[Array, "out in"]
    full_down: Float[Array, "out in"]
    half_up: Float[Array, "out in"]
    half_down: Float[Array, "out in"]
    row_up: Float[Array, " out"]
    row_down: Float[Array, " out"]
    column_up: Float[Array, " in"]
    column_down: Float[Array, " in"]

    @classmethod
    def start(cls, out: int, width: int) -> "PulseCounts":
        """None yet."""
        shapes = 4 * [(out, width)] + 2 * [(out,)] + 2 * [(width,)]
        return cls(*(jnp.zeros(shape, float) for shape in shapes))


class Tally(eqx.Module):
    """Pulses that have been sent: means, which do not overflow where totals do.

    Attributes:
        full, half: pulses at the full voltage, and of one line alone, mean over the
            cells; half ones are 0 without half-selection.
        row, column: pulses that the lines sent, in every sub-phase anew, mean over the
            rows and over the columns.
        phases: sub-phases driven, in every slot anew; all four where nothing says
            otherwise.
        reads: vectors read while programming, and for transfers; not those of a refresh.
        each: the pulses of each cell and line, if they are counted.
    """

    full: Scalar
    half: Scalar
    row: Scalar
    column: Scalar
    phases: Scalar
    reads: Scalar
    each: PulseCounts | None = None

    @classmethod
    def start(cls) -> "Tally":
        """Nothing yet."""
        full, half, row, column, phases, reads = (jnp.zeros((), float) for _ in range(6))
        return cls(full, half, row, column, phases, reads)

    def restart(self) -> "Tally":
        """Nothing yet, of the same counts."""
        return jax.tree.map(jnp.zeros_like, self)

    def __add__(self, other: "Tally") -> "Tally":
        return jax.tree.map(jnp.add, self, other)
