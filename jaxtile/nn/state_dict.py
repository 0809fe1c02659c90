"""Weights of other libraries in a model of equinox."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.tree_util as jtu
from jaxtyping import Array, PyTree

from .. import _safetensors
from .._paths import readable
from .._types import finite_array
from .layers import path_of

__all__ = ["from_state_dict"]


def from_state_dict(model: PyTree, state: Mapping[str, Any] | str | Path, names: Mapping[str, str] | None = None) -> PyTree:
    """The model with weights from a dictionary, such as the `state_dict()` of a module of
    torch.

        network = jt.nn.from_state_dict(network, module.state_dict(), {"layers.0": "fc1", "layers.2": "fc2"})

    Each array of the model takes the one of its name, such as "fc1.weight". Shapes must
    agree, but for axes of length 1, which biases of convolutions have here.

    Args:
        model: a module of equinox, whose own numbers are not used.
        state: arrays by name: of NumPy, JAX or torch; or a .safetensors file of them.
        names: for the beginnings of paths what the dictionary has in their place; paths
            that none begins are names already.

    Raises:
        TypeError: the model has a transposed convolution, whose kernels torch keeps in
            another order.
        ValueError: a name is missing or left over, shapes differ, or a weight is not
            finite; the message names it.
    """
    arrays = dict(state) if isinstance(state, Mapping) else _read(readable(state, "state"))
    taken: set[str] = set()
    _refuse_transposed(model)

    def each(path: tuple[Any, ...], leaf: Array) -> Array:
        own = path_of(path)
        name = _renamed(own, names or {})
        if name not in arrays:
            raise ValueError(f"state has no {name!r} for {own}; it has {', '.join(arrays)}. Pass names= where they differ.")
        taken.add(name)
        array = finite_array(arrays[name], leaf.dtype, f"state[{name!r}]")
        if _without_ones(array.shape) != _without_ones(leaf.shape):
            raise ValueError(f"state[{name!r}] has shape {array.shape}, and {own} has {leaf.shape}.")
        return array.reshape(leaf.shape)

    numbers, rest = eqx.partition(model, eqx.is_inexact_array)
    loaded = jtu.tree_map_with_path(each, numbers)
    if len(taken) < len(arrays):
        left = ", ".join(name for name in arrays if name not in taken)
        raise ValueError(f"state has {left}, which nothing in the model takes: leave them out, or add them to names=.")
    return eqx.combine(loaded, rest)


def _refuse_transposed(model: PyTree) -> None:
    def transposed(node: Any) -> bool:
        return isinstance(node, eqx.nn.ConvTranspose)

    for path, node in jtu.tree_leaves_with_path(model, is_leaf=transposed):
        if transposed(node):
            raise TypeError(
                f"{path_of(path)} is a {type(node).__name__}. Torch keeps its kernels as [in, out, ...], and turned round. Load "
                "the other parts of the model. Then put the kernels in by equinox.tree_at, as "
                "jnp.flip(kernels.swapaxes(0, 1), (2, ...))."
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        return _safetensors.read(path)[0]
    except Exception as error:  # what the reader raises shares no base
        raise ValueError(f"state {path} is damaged, or no file of safetensors: {error}") from None


def _renamed(path: str, names: Mapping[str, str]) -> str:
    """The name of a path: of the longest beginning that has another."""
    begins = [own for own in names if path == own or path.startswith(f"{own}.")]
    longest = max(begins, key=len, default=None)
    return path if longest is None else names[longest] + path.removeprefix(longest)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)
