"""Programming by rank-one corrections along singular vectors."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._linalg import Triplets, leading_triplets, starting_block, svd
from .._loop import any_lane
from .._types import Key, Weight
from ..datasheet import Datasheet
from ..fields import Number, OptionalNumber, choice, flag, number, optional, whole
from .base import AbstractMethod, Proposal

__all__ = ["BLOCK", "SVD"]

# Wide enough that runs end with the errors of the exact solver (targets of rank 8, 20
# and 64, to 0.3 %); 4 is not, by 1.5 %.
BLOCK = 8


class _Block(eqx.Module):
    """Vectors from which the next sweep of the power solver starts."""

    vectors: Float[Array, "in block"]


class _Walk(eqx.Module):
    """One decomposition, walked component by component."""

    d: Float[Array, "rank out"]
    x: Float[Array, "rank in"]
    values: Float[Array, " rank"]
    position: Int[Array, ""]


_State = _Block | _Walk | None


class SVD(AbstractMethod[_State]):
    """Correct the residual R = W - T along singular triplets: propose d = sqrt(s) u and
    x = sqrt(s) v, of the largest ones.

    An oracle read: it decomposes the exact weights, which no hardware can see;
    `PowerSVD` reads what hardware can. (Outer-product writing of singular vectors:
    Al-Shaarawy, Genov and Amirsoleimani, "SEVDA", 2023.)

    Attributes:
        refresh: True: the leading triplets of the fresh residual, every step; False:
            decompose once, before the first step, and walk that decomposition from the
            largest component down. Past the last one there is nothing to propose.
        solver: for `refresh`: "power": one sweep of block power iteration from where
            the last step left off, which finds a leading direction; "exact": the full
            decomposition.
        rank_atol: for `refresh=False`: components of at most this size are left out.
            None: machine epsilon times the longer side times the largest.
        triplets: how many triplets a step proposes; they are sent one after another,
            from one read.
        learning_rate: the part of them that is corrected.
    """

    refresh: bool = flag(True)
    solver: Literal["power", "exact"] = choice("power", "exact")
    rank_atol: OptionalNumber = optional(None, low=0.0)
    triplets: int = whole(1, low=1)
    learning_rate: Number = number(1.0, low=0.0, open=True)

    def init(self, sheet: Datasheet, target: Weight) -> _State:
        out, width = sheet.shape
        rank = min(sheet.shape)
        if not self.refresh:
            empty = (jnp.zeros((rank, out), target.dtype), jnp.zeros((rank, width), target.dtype), jnp.zeros(rank, target.dtype))
            return _Walk(*empty, position=jnp.asarray(0, jnp.int32))
        columns = min(max(BLOCK, self.triplets), rank)
        return _Block(starting_block(width, columns, target.dtype)) if self.solver == "power" else None

    def probe(self, state: _State) -> None:
        return None

    def propose(self, reading: Weight, target: Weight, state: Any, key: Key) -> tuple[Proposal, _State]:
        residual = reading - target
        if not self.refresh:
            return self._walk(residual, state)
        if self.solver == "power":
            triplets, vectors = leading_triplets(residual, state.vectors, self.triplets)
            return triplets.factors(), _Block(vectors)
        u, s, v = svd(residual)
        k = self.triplets
        return Triplets(u[:, :k].T, s[:k], v[:k]).factors(), state

    def _walk(self, residual: Weight, state: _Walk) -> tuple[Proposal, _Walk]:
        def decompose(state: _Walk) -> _Walk:
            u, s, v = svd(residual)
            root = jnp.sqrt(s)
            fresh = _Walk((root[None, :] * u).T, root[:, None] * v, s, state.position)
            return jax.tree.map(lambda new, old: jnp.where(state.position == 0, new, old), fresh, state)

        # In `program` all lanes of a vmap take their first step together, so the
        # decomposition is made once, in a branch.
        first = any_lane(state.position == 0)
        state = jax.lax.cond(first, decompose, lambda state: state, state)
        eps = jnp.finfo(residual.dtype).eps
        smallest = eps * max(residual.shape) * state.values[0] if self.rank_atol is None else self.rank_atol
        last = state.values.shape[0] - 1
        places = state.position + jnp.arange(self.triplets)
        here = jnp.minimum(places, last)
        there = ((places <= last) & (state.values[here] > smallest))[:, None]
        x, d = jnp.where(there, state.x[here], 0), jnp.where(there, state.d[here], 0)
        return (x, d), eqx.tree_at(lambda s: s.position, state, state.position + self.triplets)
