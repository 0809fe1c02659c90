"""Leading singular triplets and norms of a residual, by a few products with a small block of vectors."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._random import normal, numbers
from ._types import Scalar, Weight

__all__ = ["leading_triplet", "safe_norm", "spectral_norm", "starting_block"]

_HIGHEST = jax.lax.Precision.HIGHEST


def starting_block(width: int, columns: int, dtype: jnp.dtype) -> Float[Array, "in block"]:
    """A block of fixed pseudo-random vectors to start from."""
    return normal(jax.random.key(0), numbers(width * columns)).reshape(width, columns).astype(dtype)


def leading_triplet(
    matrix: Weight, block: Float[Array, "in block"]
) -> tuple[Float[Array, " out"], Scalar, Float[Array, " in"], Float[Array, "in block"]]:
    """A leading singular triplet (u, s, v) by one sweep of block power iteration, and the block to start the next one from.

    The sweep finds the best triplet within the span of `matrix.T @ matrix @ block` (Halko, Martinsson and Tropp, SIAM Review
    53:217, 2011): the exact one if the block is as wide as the rank, otherwise a direction of nearly the largest gain.
    """
    range_, _ = jnp.linalg.qr(jnp.matmul(matrix, block, precision=_HIGHEST))  # [out, block]
    core = jnp.matmul(range_.T, matrix, precision=_HIGHEST)  # [block, in]
    squares, vectors = jnp.linalg.eigh(jnp.matmul(core, core.T, precision=_HIGHEST))  # ascending
    rotated = jnp.matmul(core.T, vectors[:, ::-1], precision=_HIGHEST)  # columns s_i v_i, largest first
    s = jnp.sqrt(jnp.maximum(squares[-1], 0))
    v = rotated[:, 0] / jnp.where(s > 0, s, 1)
    return range_ @ vectors[:, -1], s, v, rotated


def spectral_norm(matrix: Weight, steps: int = 24) -> Scalar:
    """The largest singular value: the best estimate within what power iteration has visited (Lanczos, reorthogonalised).

    Right to 1e-3 also for flat spectra (tested on Gaussian matrices); exact if a side is not longer than `steps`.
    """
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    width = matrix.shape[1]
    steps = min(steps, width)
    start = starting_block(width, 1, matrix.dtype)[:, 0]

    def step(carry, i):
        basis, q = carry
        basis = basis.at[i].set(q)
        image = jnp.matmul(q @ matrix.T, matrix, precision=_HIGHEST)
        before = jnp.linalg.norm(image)
        for _ in range(2):  # twice is enough to be orthogonal to rounding
            image = image - (basis @ image) @ basis
        size = jnp.linalg.norm(image)
        new = size > 1e-5 * before  # otherwise everything there is has been visited, and what is left is rounding
        return (basis, jnp.where(new, image / jnp.where(new, size, 1), 0)), None

    (basis, _), _ = jax.lax.scan(step, (jnp.zeros((steps, width), matrix.dtype), start / jnp.linalg.norm(start)), numbers(steps))
    core = jnp.matmul(basis, matrix.T, precision=_HIGHEST)
    return jnp.sqrt(_largest_eigenvalue(jnp.matmul(core, core.T, precision=_HIGHEST)))


def _largest_eigenvalue(matrix: Float[Array, "n n"], squarings: int = 20) -> Scalar:
    """The largest eigenvalue of a positive semidefinite matrix, by repeated squaring: too small by n / (e 2^squarings) at most.

    Without LAPACK: jaxlib runs a batch of decompositions on the very threads that wait for them, so on a CPU of two cores two
    batches side by side (this one and that of a method, under `vmap`) wait for ever.
    """

    def product(a, b):
        return jnp.matmul(a, b, precision=_HIGHEST)

    def normalise(power):
        trace = jnp.trace(power)
        return power / jnp.where(trace > 0, trace, 1)

    power = jax.lax.fori_loop(0, squarings, lambda _, power: normalise(product(power, power)), normalise(matrix))
    return jnp.trace(product(matrix, power))  # the mean of the eigenvalues, weighted by their powers


def safe_norm(matrix: Weight) -> Scalar:
    """The Frobenius norm, with gradient zero where it is zero."""
    squared = jnp.sum(matrix**2)
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1)), 0)
