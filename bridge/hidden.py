"""aihwkit's hidden parameters: the realised numbers of every device, stacked in one array with a name for each slice."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from aihwkit.exceptions import ConfigError
from jaxtyping import Array, Float

import jaxtile as jt

__all__ = ["from_hidden", "hidden_names", "to_hidden"]

_CELLS = {
    "max_bound": "w_max",
    "min_bound": "w_min",
    "dwmin_up": "step_up",
    "dwmin_down": "step_down",
    "decay_scales": "decay_scale",
    "diffusion_rates": "diffusion_rate",
    "reset_bias": "reset_bias",
}
_SLOPES = {"slope_up": "slope_up", "slope_down": "slope_down"}
_DRIFT = "drift_nu"  # which jaxtile's devices do not have, nor aihwkit's if it is zero


def hidden_names(cells: jt.device.AbstractCells) -> list[str]:
    """The names of the slices, in aihwkit's order."""
    if not isinstance(cells, jt.device.Cells):
        return []
    return [*_CELLS, _DRIFT, *(_SLOPES if isinstance(cells, jt.device.LinearCells) else ())]


def to_hidden(cells: jt.device.AbstractCells) -> Float[Array, "name out in"]:
    """Stack the parameters of devices."""
    names = hidden_names(cells)
    if not names:
        return jnp.zeros(0)
    fields = _CELLS | _SLOPES
    return jnp.stack([getattr(cells, fields[name]) if name in fields else jnp.zeros_like(cells.w_max) for name in names])


def from_hidden(cells: jt.device.AbstractCells, hidden: Float[Array, "name out in"]) -> jt.device.AbstractCells:
    """Devices like `cells` with the parameters that are stacked in `hidden`.

    Raises:
        ConfigError: the stack has another shape, or holds devices that drift.
    """
    names = hidden_names(cells)
    if not names:
        return cells
    if hidden.shape != (len(names), *cells.w_max.shape):
        raise ConfigError(f"hidden parameters have shape {hidden.shape}; the tile has {names} for {cells.w_max.shape} devices.")
    stacked = dict(zip(names, hidden, strict=True))
    if np.any(np.asarray(stacked[_DRIFT]) != 0):
        raise ConfigError(f"hidden parameter {_DRIFT} is not zero: jaxtile's devices do not drift.")
    fields = {field: stacked[name] for name, field in (_CELLS | _SLOPES).items() if name in stacked}
    return eqx.tree_at(lambda cells: [getattr(cells, field) for field in fields], cells, list(fields.values()))
