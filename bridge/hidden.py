"""aihwkit's hidden parameters: the realised numbers of every device, stacked in one array with a name for each slice."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from aihwkit.exceptions import ConfigError
from jaxtyping import Array, Float

import jaxtile as jt

__all__ = ["from_hidden", "hidden_names", "to_hidden"]

_CELLS = {"max_bound": "w_max", "min_bound": "w_min", "dwmin_up": "step_up", "dwmin_down": "step_down"}
_SLOPES = {"slope_up": "slope_up", "slope_down": "slope_down"}
# What jaxtile's devices do not have, and the value with which aihwkit's do not have it either.
_ABSENT = {"decay_scales": 1.0, "diffusion_rates": 0.0, "reset_bias": 0.0, "drift_nu": 0.0}


def hidden_names(cells: jt.device.AbstractCells) -> list[str]:
    """The names of the slices, in aihwkit's order."""
    if not isinstance(cells, jt.device.Cells):
        return []
    return [*_CELLS, *_ABSENT, *(_SLOPES if isinstance(cells, jt.device.LinearCells) else ())]


def to_hidden(cells: jt.device.AbstractCells) -> Float[Array, "name out in"]:
    """Stack the parameters of devices."""
    names = hidden_names(cells)
    if not names:
        return jnp.zeros(0)
    fields = _CELLS | _SLOPES
    filled = [getattr(cells, fields[name]) if name in fields else jnp.full_like(cells.w_max, _ABSENT[name]) for name in names]
    return jnp.stack(filled)


def from_hidden(cells: jt.device.AbstractCells, hidden: Float[Array, "name out in"]) -> jt.device.AbstractCells:
    """Devices like `cells` with the parameters that are stacked in `hidden`.

    Raises:
        ConfigError: the stack has another shape, or holds devices that decay, diffuse, drift or have a reset bias.
    """
    names = hidden_names(cells)
    if not names:
        return cells
    if hidden.shape != (len(names), *cells.w_max.shape):
        raise ConfigError(f"hidden parameters have shape {hidden.shape}; the tile has {names} for {cells.w_max.shape} devices.")
    stacked = dict(zip(names, hidden, strict=True))
    for name, value in _ABSENT.items():
        if np.any(np.asarray(stacked[name]) != value):
            raise ConfigError(f"hidden parameter {name} differs from {value:g}, which is not supported by jaxtile's devices.")
    fields = {field: stacked[name] for name, field in (_CELLS | _SLOPES).items() if name in stacked}
    return eqx.tree_at(lambda cells: [getattr(cells, field) for field in fields], cells, list(fields.values()))
