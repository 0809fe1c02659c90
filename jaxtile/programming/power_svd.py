"""Rank-one corrections from forward and backward reads."""

import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product, qr, starting_block, triplets_within
from .._types import Key, Scalar, Weight
from ..datasheet import Datasheet
from ..fields import Number, OptionalNumber, number, whole
from .base import AbstractMethod, Proposal
from .reading import Reads
from .svd import BLOCK

__all__ = ["PowerSVD"]


class _State(eqx.Module):
    """The vectors to read next: right ones forward, and orthonormal left ones backward
    (zero before anything has been read).
    """

    x: Float[Array, "block in"]
    d: Float[Array, "block out"]
    read_noise: Scalar


class PowerSVD(AbstractMethod[_State]):
    """`SVD` by power iteration through the tile itself: forward and backward reads, and
    no read-out of weights.

    With a block of right vectors V and orthonormal left vectors U, a step reads both at
    once and knows of R = W - T

        Y = R V = forward(V) - T V,    E = R^T U = backward(U) - T^T U

    The best triplets of R within the span of U follow from E alone (R ~ U E^T; a small
    eigenvalue problem), and are proposed. The next step reads U <- orth(Y) and V <- the
    right vectors of U E^T. These are two power iterations that take turns, each half a
    sweep behind the other; pulses change a few directions in a step, and the block
    carries the others along. The first step only reads: nothing is known yet. (Block
    power iteration: Halko, Martinsson and Tropp, SIAM Review 53:217, 2011.)

    Read noise of spread sigma on each entry of E goes into the weights with the
    triplet, sigma sqrt(in) in norm: steps along small triplets exchange one noise for
    another. Noise alone would show triplets of size up to b = sigma (sqrt(in) +
    sqrt(block)). The part 1 - (b / s)^2 of a triplet seen with size s is taken for real
    and corrected. That is little where noise prevails, and nothing below b, where the
    run stops by itself (stalled). `reads` divide sigma^2.

    A step costs `block` forward and `block` backward reads (times `reads`) and pulses
    as one of `SVD`.

    Attributes:
        block: how many vectors it reads in either direction.
        triplets: how many triplets a step proposes.
        reads: how often each vector is read; the mean counts.
        read_noise: of one backward read, relative to the largest entry of its vector
            (`IOParameters.out_noise` with noise management by the largest entry). None:
            as the datasheet says; 0 takes everything for real.
        learning_rate: the part of a triplet that is corrected.
    """

    block: int = whole(BLOCK, low=1)
    triplets: int = whole(1, low=1)
    reads: int = whole(1, low=1)
    read_noise: OptionalNumber = number(None, low=0.0)
    learning_rate: Number = number(1.0, low=0.0, open=True)

    def __check_init__(self) -> None:
        if self.triplets > self.block:
            raise ValueError(f"PowerSVD.triplets={self.triplets} exceeds block={self.block}; read at least as many vectors.")

    def init(self, sheet: Datasheet, target: Weight) -> _State:
        out, width = sheet.shape
        block = min(self.block, out, width)
        noise = sheet.read_noise if self.read_noise is None else self.read_noise
        return _State(starting_block(width, block, target.dtype).T, jnp.zeros((block, out), target.dtype), noise)

    def probe(self, state: _State) -> Reads:
        return Reads(state.x, state.d, self.reads)

    def propose(
        self, reading: tuple[Float[Array, "block out"], Float[Array, "block in"]], target: Weight, state: _State, key: Key
    ) -> tuple[Proposal, _State]:
        y, e = reading[0] - product(state.x, target.T), reading[1] - product(state.d, target)
        triplets, rotated = triplets_within(state.d.T, e, self.triplets)
        started = jnp.any(state.d)  # if not, e is zero, and nothing is proposed
        left, _ = qr(y.T)
        right = jnp.where(started, rotated.T, state.x)
        size = jnp.linalg.norm(right, axis=1, keepdims=True)
        x, d = triplets.factors()
        real = self._real_part(triplets.s, state).astype(d.dtype)
        right = right / jnp.where(size > 0, size, 1)
        return (x, jnp.where(started, real[:, None] * d, 0)), _State(right, left.T, state.read_noise)

    def _real_part(self, s: Float[Array, " k"], state: _State) -> Float[Array, " k"]:
        """The part that is not noise of triplets seen with these sizes."""
        sigma = state.read_noise * jnp.sqrt(jnp.mean(jnp.max(jnp.abs(state.d), axis=1) ** 2) / self.reads)
        noise = sigma * sum(math.sqrt(side) for side in state.x.shape)
        return jnp.maximum(1 - (noise / jnp.where(s > 0, s, 1)) ** 2, 0)

    def steps_in_pass(self, shape: tuple[int, int]) -> int:
        return 2  # the first one proposes nothing
