"""Programming by rank-one corrections along singular vectors."""

from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._linalg import leading_triplet, starting_block, svd
from .._loop import any_lane
from .._types import Key, Scalar, Weight, check_number, choice, flag, scalar
from .base import AbstractMethod, Proposal

__all__ = ["SVD"]

# Wide enough that runs end with the errors of the exact solver (targets of rank 8, 20 and 64, to 0.3 %); 4 is not, by 1.5 %.
_BLOCK = 8


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
    """Correct the residual R = W - T along one singular triplet a step: propose d = sqrt(s) u and x = sqrt(s) v.

    An oracle read: it decomposes the exact weights, which no hardware can see. (Outer-product writing of singular vectors:
    Al-Shaarawy, Genov and Amirsoleimani, "SEVDA", 2023.)

    Attributes:
        refresh: True: the leading triplet of the fresh residual, every step; False: decompose once, before the first step, and walk
            that decomposition from the largest component down. Past the last one there is nothing to propose.
        solver: for `refresh`: "power": one sweep of block power iteration from where the last step left off, which finds a leading
            direction; "exact": the full decomposition.
        rank_atol: for `refresh=False`: components of at most this size are left out. None: machine epsilon times the longer side
            times the largest.
    """

    refresh: bool = flag(True)
    solver: Literal["power", "exact"] = choice("power", "exact")
    rank_atol: Scalar | None = eqx.field(default=None, converter=lambda value: None if value is None else scalar(value))

    @property
    def learning_rate(self) -> Scalar:
        return jnp.asarray(1.0, float)

    def __check_init__(self) -> None:
        if self.rank_atol is not None:
            check_number("SVD.rank_atol", self.rank_atol, low=0.0)

    def init(self, shape: tuple[int, int], target: Weight) -> _State:
        out, width = shape
        rank = min(shape)
        if not self.refresh:
            empty = (jnp.zeros((rank, out), target.dtype), jnp.zeros((rank, width), target.dtype), jnp.zeros(rank, target.dtype))
            return _Walk(*empty, position=jnp.asarray(0, jnp.int32))
        return _Block(starting_block(width, min(_BLOCK, rank), target.dtype)) if self.solver == "power" else None

    def probe(self, state: _State) -> None:
        return None

    def propose(self, reading: Weight, target: Weight, state: Any, key: Key) -> tuple[Proposal, _State]:
        residual = reading - target
        if not self.refresh:
            return self._walk(residual, state)
        if self.solver == "power":
            u, s, v, vectors = leading_triplet(residual, state.vectors)
            state = _Block(vectors)
        else:
            us, ss, vs = svd(residual)
            u, s, v = us[:, 0], ss[0], vs[0]
        root = jnp.sqrt(s)
        return ((root * v)[None], (root * u)[None]), state

    def _walk(self, residual: Weight, state: _Walk) -> tuple[Proposal, _Walk]:
        def decompose(state: _Walk) -> _Walk:
            u, s, v = svd(residual)
            root = jnp.sqrt(s)
            fresh = _Walk((root[None, :] * u).T, root[:, None] * v, s, state.position)
            return jax.tree.map(lambda new, old: jnp.where(state.position == 0, new, old), fresh, state)

        # In `program` all lanes of a vmap take their first step together, so the decomposition is made once, in a branch.
        first = any_lane(state.position == 0)
        state = jax.lax.cond(first, decompose, lambda state: state, state)
        eps = jnp.finfo(residual.dtype).eps
        smallest = eps * max(residual.shape) * state.values[0] if self.rank_atol is None else self.rank_atol
        last = state.values.shape[0] - 1
        value = state.values[jnp.minimum(state.position, last)]
        there = (state.position <= last) & (value > smallest)
        here = jnp.minimum(state.position, last)
        x, d = jnp.where(there, state.x[here], 0), jnp.where(there, state.d[here], 0)
        return (x[None], d[None]), eqx.tree_at(lambda s: s.position, state, state.position + 1)
