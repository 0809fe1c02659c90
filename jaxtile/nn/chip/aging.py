"""Time on the devices of a network, and making up for it."""

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..._random import stream
from ..._types import Key, Real
from ...digital.drift_compensation import AbstractDriftCompensation, GlobalDriftCompensation
from ...upkeep import drift as drift_tile
from ..grid import forward
from ..group import AnyTile
from ..layers import Linear, layers, map_layers_with_keys

__all__ = ["compensate", "drift"]


def drift(model: PyTree, seconds: Real, *, key: Key) -> PyTree:
    """Let time pass for all layers whose devices drift, as `jaxtile.drift` does for a
    tile.

    Args:
        model: a model with layers on tiles.
        seconds: what has passed since the last call, or since the weights were written;
            for `jaxtile.device.Drifting`, in the units of its `t_0`.
        key: of this drift; layer n draws from `fold_in(key, n)`.

    Raises:
        TypeError: no layer has devices that drift.
    """
    still = {path: repr(layer.tile.device) for path, layer in layers(model).items() if not layer.tile.device.drifts}
    if len(still) == len(layers(model)):
        raise TypeError(
            f"no layer of model has devices that drift: {'; '.join(map(' holds '.join, still.items()))}. Write the model by "
            "jaxtile.nn.apply_programming_noise(model, jaxtile.noise.PCM(), key=key), or convert it with devices such as "
            "jaxtile.device.Drifting(jaxtile.device.SoftBounds(), nu=0.05) and program these."
        )

    def each(path: str, layer: Linear, key: Key) -> Linear:
        return layer if path in still else layer.replace(tile=layer.tile.change(drift_tile, options={"time": seconds}, key=key))

    return map_layers_with_keys(each, model, key)


def compensate(model: PyTree, written: PyTree, compensation: AbstractDriftCompensation | None = None, *, key: Key) -> PyTree:
    """The model whose outputs are scaled, layer by layer, by what its devices have lost.

        alpha = readout of the layer as it was written / readout now

    Of a layer on a grid of tiles, the sums of its rows are read out.

    Args:
        model: the model as it is now.
        written: the same model right after the write.
        compensation: one of `jaxtile.digital`; None: one factor for each layer.
        key: of the readouts; layer n draws from `fold_in(key, n)`.

    Raises:
        ValueError: the two have other layers.
    """
    rule, before = GlobalDriftCompensation() if compensation is None else compensation, layers(written)
    if list(before) != list(layers(model)):
        raise ValueError(
            f"written has the layers {', '.join(before)}, and model has {', '.join(layers(model))}; pass the same model twice."
        )

    def each(path: str, layer: Linear, key: Key) -> Linear:
        first, target = before[path].tile, before[path].target
        reference = target.T if rule.exact_reference and target is not None else _columns(first, stream(key, 0))
        return layer.replace(drift_scales=rule.floored(reference) / rule.floored(_columns(layer.tile, stream(key, 1))))

    return map_layers_with_keys(each, model, key)


def _columns(tile: AnyTile, key: Key) -> Float[Array, "in out"]:
    """Read the columns of a tile, one by one."""
    width = tile.shape[1]
    return forward(tile, jnp.eye(width, dtype=tile.weight.dtype), key=key)
