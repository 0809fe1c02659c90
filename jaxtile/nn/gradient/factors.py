"""The gradient of a tile: pairs of vectors, not their product."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..._linalg import product
from ..._types import Scalar, Weight

__all__ = ["Factors"]


class Factors(eqx.Module):
    """The gradient of a loss with respect to the weights of a tile, d^T x summed over
    the vectors. The product is never formed in training.

    A loss is the mean over a batch of n samples. So d holds a factor 1/n, and the sum
    is the gradient of the mean. aihwkit sends the same vectors.

    Attributes:
        x: vectors that the tile has read forward, in the order of the calls.
        d: gradients of the loss with respect to what they read.
        seen: inputs of the layer before its input range, for a range that observes
            them; None: it has none.
    """

    x: Float[Array, "n in"]
    d: Float[Array, "n out"]
    seen: Float[Array, "n wide"] | None = None

    @property
    def dense(self) -> Weight:
        """d^T x."""
        return product(self.d.T, self.x)

    @property
    def norm(self) -> Scalar:
        """The Frobenius norm of d^T x, by the Gram matrices: sum_kl (x_k x_l)(d_k
        d_l) is its square.
        """
        square = jnp.sum(product(self.x, self.x.T) * product(self.d, self.d.T))
        return jnp.sqrt(jnp.maximum(square, 0))
