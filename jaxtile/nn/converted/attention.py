"""Attention whose projections are on tiles."""

from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Bool, Float

from ..._random import stream
from ..._types import Key
from ..layers import AbstractConverted, Linear
from ..rule import Rule

__all__ = ["MultiheadAttention"]

Sequence = Float[Array, "..."]


class MultiheadAttention(AbstractConverted):
    """Multi-head attention: the four projections are read from tiles, and equinox's own
    attention between them is digital.

    Attributes:
        query_proj, key_proj, value_proj, output_proj: the projections.
        digital: the layer of equinox, with identities for projections.
    """

    query_proj: Linear
    key_proj: Linear
    value_proj: Linear
    output_proj: Linear
    digital: eqx.nn.MultiheadAttention

    @classmethod
    def of(cls, layer: eqx.nn.MultiheadAttention, rule: Rule, *, key: Key) -> "MultiheadAttention":
        """Attention of equinox, on tiles."""
        matrices = (rule.place(one.weight, one.bias, key=stream(key, n)) for n, one in enumerate(_projections(layer)))
        return cls(*matrices, digital=eqx.tree_at(_projections, layer, (eqx.nn.Identity(),) * 4))

    def to_digital(self) -> eqx.nn.MultiheadAttention:
        """The layer of equinox with the weights of the tiles."""
        return eqx.tree_at(_projections, self.digital, tuple(one.to_digital() for one in _projections(self)))

    def __call__(
        self,
        query: Sequence,
        key_: Sequence,
        value: Sequence,
        mask: Bool[Array, "..."] | None = None,
        *,
        key: Key | None = None,
        **options: Any,
    ) -> Sequence:
        """Read the layer.

        Args:
            query: a sequence [length, size], or a batch of them.
            key_: a sequence, or a batch of them.
            value: a sequence, or a batch of them.
            mask: positions that are seen, [query, key] or [head, query, key]: one for all
                of a batch.
            key: of the read noise and of dropout.
            **options: of equinox's layer: `inference`, `process_heads`.

        Raises:
            ValueError: a mask has as many parts as heads and as samples, and might be
                meant for either.
        """
        if mask is not None and mask.ndim > 2 and query.ndim > 2 and mask.shape[0] == query.shape[0]:
            raise ValueError(
                f"mask has shape {mask.shape}, and the batch holds {query.shape[0]} samples. One mask serves all samples, with a "
                "part for each head. For a mask of each sample call jax.vmap(layer)(query, key_, value, mask)."
            )
        reads, dropout = [None] * 4, None
        if key is not None:
            *reads, dropout = (stream(key, n) for n in range(5))
        heads = [one(x, key=own) for one, x, own in zip(_projections(self), (query, key_, value), reads, strict=False)]

        def attend(heads: Any, key: Key | None) -> Any:
            return self.digital(*heads, mask=mask, key=key, **options)

        if query.ndim > 2:
            mixed = jax.vmap(attend)(heads, None if dropout is None else jr.split(dropout, query.shape[0]))
        else:
            mixed = attend(heads, dropout)
        return self.output_proj(mixed, key=reads[3])


def _projections(layer: Any) -> tuple[Any, Any, Any, Any]:
    return layer.query_proj, layer.key_proj, layer.value_proj, layer.output_proj
