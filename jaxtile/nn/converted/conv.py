"""A convolution whose kernels are the rows of a matrix on tiles."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Num

from ..._random import stream
from ..._types import AnyArray, Key, real_array
from ..layers import AbstractConverted, Linear, sample_axes
from ..rule import Rule

__all__ = ["Conv"]

_PADDED = {"REFLECT": "reflect", "REPLICATE": "edge", "CIRCULAR": "wrap"}


class Conv(AbstractConverted):
    """A convolution in one, two or three dimensions, by im2col: each patch of the input
    is a vector, which the matrix [out, in * kernel] reads.

    Attributes:
        linear: the matrix.
        digital: the layer of equinox, without its numbers.
    """

    linear: Linear
    digital: eqx.nn.Conv

    @classmethod
    def of(cls, layer: eqx.nn.Conv, rule: Rule, *, key: Key) -> "Conv":
        """A convolution of equinox, on tiles.

        Raises:
            TypeError: it has groups, whose matrix would be mostly zeros.
        """
        if layer.groups != 1:
            raise TypeError(f"has groups={layer.groups}, whose matrix would be mostly zeros; leave it digital by a rule with None")
        bias = None if layer.bias is None else layer.bias.ravel()
        linear = rule.place(layer.weight.reshape(layer.out_channels, -1), bias, key=stream(key, 0))
        return cls(linear, eqx.tree_at(lambda conv: (conv.weight, conv.bias), layer, (None, None), is_leaf=_is_none))

    def to_digital(self) -> eqx.nn.Conv:
        """The layer of equinox with the weights of the tiles."""
        linear, like = self.linear.to_digital(), self.digital
        weight = linear.weight.reshape(like.out_channels, like.in_channels, *like.kernel_size)
        bias = None if linear.bias is None else linear.bias.reshape(-1, *(1,) * like.num_spatial_dims)
        return eqx.tree_at(lambda conv: (conv.weight, conv.bias), like, (weight, bias), is_leaf=_is_none)

    def __call__(self, x: Num[AnyArray, "..."], *, key: Key | None = None) -> Float[Array, "..."]:
        """Read the layer.

        Args:
            x: one sample [in, *space], or a batch [n, in, *space].
            key: of the read noise.
        """
        axes, x = self.digital.num_spatial_dims + 1, real_array(x, float, "x")
        if x.ndim not in (axes, axes + 1):
            raise ValueError(f"x has shape {x.shape}; pass one sample [in, *space] with {axes} axes, or a batch of them.")
        patches = self._patches(x if x.ndim > axes else x[None])
        y = jnp.moveaxis(self.linear(jnp.moveaxis(patches, 1, -1), key=key), -1, 1)
        return y if x.ndim > axes else y[0]

    def _patches(self, x: Float[Array, "n in *space"]) -> Float[Array, "n wide *places"]:
        conv, padding = self.digital, self.digital.padding
        if conv.padding_mode != "ZEROS":
            if isinstance(padding, str):
                extent = tuple(d * (k - 1) + 1 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
                padding = jax.lax.padtype_to_pads(x.shape[2:], extent, conv.stride, padding)
            x, padding = jnp.pad(x, [(0, 0), (0, 0), *padding], _PADDED[conv.padding_mode]), "VALID"
        exactly = jax.lax.Precision.HIGHEST  # patches are copies, also where products are cut to few bits
        return jax.lax.conv_general_dilated_patches(
            x, conv.kernel_size, conv.stride, padding, rhs_dilation=conv.dilation, precision=exactly
        )


@sample_axes.register
def _of_images(layer: Conv) -> int:
    return layer.digital.num_spatial_dims + 1


def _is_none(node: object) -> bool:
    return node is None
