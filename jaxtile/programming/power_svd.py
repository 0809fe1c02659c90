"""Rank-one corrections from forward and backward reads."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product, starting_block, triplets_within
from .._types import Key, Scalar, Weight, number, whole
from .base import AbstractMethod, Proposal
from .reading import Reads
from .svd import BLOCK

__all__ = ["PowerSVD"]


class _Vectors(eqx.Module):
    """What is read next: right vectors forward, and orthonormal left ones backward (zero before anything has been read)."""

    x: Float[Array, "block in"]
    d: Float[Array, "block out"]


class PowerSVD(AbstractMethod[_Vectors]):
    """`SVD` by power iteration through the tile itself: forward and backward reads, and no read-out of weights.

    With a block of right vectors V and orthonormal left vectors U, a step reads both at once and knows of R = W - T

        Y = R V = forward(V) - T V,    E = R^T U = backward(U) - T^T U

    The best triplets of R within the span of U follow from E alone (R ~ U E^T; a small eigenvalue problem) and are proposed; the
    next step reads U <- orth(Y) and V <- the right vectors of U E^T. These are two power iterations that take turns, each half a
    sweep behind the other; pulses change a few directions in a step, and the block carries the others along. The first step
    only reads: nothing is known yet. (Block power iteration: Halko, Martinsson and Tropp, SIAM Review 53:217, 2011.)

    A step costs `block` forward and `block` backward reads (times `reads`) and pulses as one of `SVD`. Read noise of spread
    sigma on each entry of E goes into the weights with the triplet, sigma sqrt(in) in norm: no smaller triplets can be corrected,
    and steps that try only exchange one noise for another. More `reads` lower it.

    Attributes:
        block: how many vectors it reads in either direction.
        triplets: how many triplets a step proposes.
        reads: how often each vector is read; the mean counts.
        learning_rate: the part of a triplet that is corrected.
    """

    block: int = whole(BLOCK, low=1)
    triplets: int = whole(1, low=1)
    reads: int = whole(1, low=1)
    learning_rate: Scalar = number(1.0, low=0.0, open=True)

    def __check_init__(self) -> None:
        if self.triplets > self.block:
            raise ValueError(f"PowerSVD.triplets={self.triplets} exceeds block={self.block}; read at least as many vectors.")

    def init(self, shape: tuple[int, int], target: Weight) -> _Vectors:
        out, width = shape
        block = min(self.block, out, width)
        return _Vectors(starting_block(width, block, target.dtype).T, jnp.zeros((block, out), target.dtype))

    def probe(self, state: _Vectors) -> Reads:
        return Reads(state.x, state.d, self.reads)

    def propose(
        self, reading: tuple[Float[Array, "block out"], Float[Array, "block in"]], target: Weight, state: _Vectors, key: Key
    ) -> tuple[Proposal, _Vectors]:
        y, e = reading[0] - product(state.x, target.T), reading[1] - product(state.d, target)
        triplets, rotated = triplets_within(state.d.T, e, self.triplets)
        started = jnp.any(state.d)
        left, _ = jnp.linalg.qr(y.T)
        right = jnp.where(started, rotated.T, state.x)
        size = jnp.linalg.norm(right, axis=1, keepdims=True)
        x, d = triplets.factors()
        return (x, jnp.where(started, d, 0)), _Vectors(right / jnp.where(size > 0, size, 1), left.T)

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return 2  # the first one proposes nothing
