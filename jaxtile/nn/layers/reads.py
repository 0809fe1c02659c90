"""Reads that hand out pairs: how they are marked in a loss, and how they are made.

A layer that trains leaves a mark in the program of the loss: a primitive of its own
that stands for the read of its tile. `jax.vmap` over samples only adds an axis to it.
Nothing else happens to it until `value_and_grad` runs the program. There each mark
becomes the read, and a probe of zeros is added to what the tile reads. The gradient of
the probe is d.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.extend.core import Primitive
from jax.interpreters import ad, batching
from jaxtyping import Array, Float

from ..._random import Source, as_key, stream
from ..._types import Key, Keys
from ..grid import backward, forward
from ..group import AnyTile
from .modified import InTraining, modified

__all__ = ["Mark", "make", "mark", "mark_p"]

Vectors = Float[Array, "... in"]
Outputs = Float[Array, "... out"]
Hardware = tuple[AnyTile, InTraining | None]

mark_p = Primitive("read_of_a_layer")


@dataclasses.dataclass(frozen=True, eq=False)
class Mark:
    """All that a mark says of a read but its numbers.

    Attributes:
        name: path of the layer.
        out: width of the outputs.
        hardware: structure of the tile and its modifier, and what of them is static.
        ranged: the inputs of the layer follow its vectors.
        keyed: the key of the read comes last.
        stored: the key is one that the layer stores.
        lanes: leading axes that `jax.vmap` has added to vectors and keys.
    """

    name: str
    out: int
    hardware: tuple[Any, Any]
    ranged: bool
    keyed: bool
    stored: bool
    lanes: int = 0

    def split(self, values: Sequence[Any]) -> tuple[Any, Any, Sequence[Any], Any]:
        """The vectors, the inputs of the layer, the numbers of the hardware and the
        key.
        """
        first, last = 2 if self.ranged else 1, len(values) - 1 if self.keyed else len(values)
        return values[0], values[1] if self.ranged else None, values[first:last], values[-1] if self.keyed else None

    def join(self, x: Any, seen: Any, hardware: Sequence[Any], key: Any) -> list[Any]:
        """The opposite of `split`."""
        return [x, *([seen] if self.ranged else []), *hardware, *([key] if self.keyed else [])]


def mark(
    name: str,
    tile: AnyTile,
    modifier: InTraining | None,
    x: Vectors,
    seen: Vectors | None,
    key: Key | None,
    *,
    stored: bool,
) -> Outputs:
    """Leave the mark of a read."""
    arrays, static = eqx.partition((tile, modifier), eqx.is_array)
    leaves, treedef = jax.tree.flatten(arrays)
    keyed = key is not None
    here = Mark(name, tile.shape[0], (treedef, static), ranged=seen is not None, keyed=keyed, stored=stored)
    return mark_p.bind(*here.join(x, seen, leaves, key), mark=here)


@mark_p.def_abstract_eval
def _outputs(x: Any, *rest: Any, mark: Mark) -> Any:
    return x.update(shape=(*x.shape[:-1], mark.out))


def _in_lanes(values: Sequence[Array], dims: Sequence[Any], *, mark: Mark) -> tuple[Array, int]:
    """Vectors and keys have a lane each; the tile is one for all."""
    size = next(value.shape[dim] for value, dim in zip(values, dims, strict=True) if dim is not None)
    if any(dim is not None for dim in mark.split(dims)[2]):
        raise ValueError(
            f"{mark.name} is mapped over its tiles inside of the loss, where it has one pair for all of them: map "
            "jaxtile.nn.value_and_grad, or jaxtile.train, over the chips instead."
        )

    def spread(value: Any, dim: Any) -> Any:
        if value is None:
            return None
        return jnp.broadcast_to(value, (size, *value.shape)) if dim is None else jnp.moveaxis(value, dim, 0)

    (x, seen, hardware, key), (x_dim, seen_dim, _, key_dim) = mark.split(values), mark.split(dims)
    mapped = mark.join(spread(x, x_dim), spread(seen, seen_dim), hardware, spread(key, key_dim))
    return mark_p.bind(*mapped, mark=dataclasses.replace(mark, lanes=mark.lanes + 1)), 0


def _refuse_inner_gradient(primals: Any, tangents: Any, *, mark: Mark) -> Any:
    raise TypeError(
        f"{mark.name} is differentiated inside of the loss, where its read has no derivative: jaxtile.nn.value_and_grad "
        "differentiates once, at the end. Leave jax.grad and jax.jvp out of the loss."
    )


batching.primitive_batchers[mark_p] = _in_lanes
ad.primitive_jvps[mark_p] = _refuse_inner_gradient


def make(mark: Mark, values: Sequence[Array], probe: Float[Array, "n out"]) -> tuple[Outputs, tuple[Vectors, Vectors | None]]:
    """Make the read of a mark: its outputs plus the probe; and its vectors [n, in], with
    the inputs of the layer.
    """
    x, seen, leaves, key = mark.split(values)
    treedef, static = mark.hardware
    hardware = eqx.combine(jax.tree.unflatten(treedef, leaves), static)
    y = _read(x, hardware, key, mark.lanes)
    return y + probe.reshape(y.shape), (_listed(x), None if seen is None else _listed(seen))


def _listed(vectors: Vectors) -> Float[Array, "n in"]:
    return jax.lax.stop_gradient(vectors).reshape(-1, vectors.shape[-1])


@eqx.filter_custom_vjp
def _read(x: Vectors, hardware: Hardware, key: Keys | None, lanes: int) -> Outputs:
    """Read forward. The gradient is read backward, with noise of its own."""
    return _each_lane(lambda x, key: forward(modified(*hardware, key), x, key=_or_any(key)), lanes)(x, key)


def _each_lane(read: Callable[..., Any], lanes: int) -> Callable[..., Any]:
    for _ in range(lanes):
        read = jax.vmap(read)
    return read


def _or_any(key: Key | None) -> Key:
    """The key; any, where nothing is drawn."""
    return jr.key(0) if key is None else as_key(key)


@_read.def_fwd
def _read_forward(perturbed: Any, x: Vectors, hardware: Hardware, key: Keys | None, lanes: int) -> tuple[Outputs, None]:
    return _read(x, hardware, key, lanes), None


@_read.def_bwd
def _read_backward(_: None, d: Outputs, perturbed: Any, x: Vectors, hardware: Hardware, key: Keys | None, lanes: int) -> Vectors:
    def read(d: Outputs, key: Key | None) -> Vectors:
        return backward(modified(*hardware, key), d, key=stream(_or_any(key), Source.BACKWARD_READ))

    return _each_lane(read, lanes)(d, key)
