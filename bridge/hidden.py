"""aihwkit's hidden parameters: the realised numbers of every device, stacked in one array with a name for each slice."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from aihwkit.exceptions import ConfigError
from jaxtyping import Array, Float

import jaxtile as jt

__all__ = ["from_hidden", "hidden_names", "to_hidden"]

_DRIFT = "drift_nu"  # which jaxtile's devices do not have, nor aihwkit's if it is zero
# In aihwkit's order: what a slice holds.
_FIELDS = {
    "max_bound": "w_max",
    "min_bound": "w_min",
    "dwmin_up": "step_up",
    "dwmin_down": "step_down",
    "decay_scales": "decay_scale",
    "diffusion_rates": "diffusion_rate",
    "reset_bias": "reset_bias",
    _DRIFT: None,
    "slope_up": "slope_up",
    "slope_down": "slope_down",
    "gamma_up": "gamma_up",
    "gamma_down": "gamma_down",
    "reference": "reference",
}
_REFERRED = ("max_bound", "min_bound", "reset_bias")  # of the conductance there, of the weight less the reference here


def hidden_names(cells: jt.device.AbstractCells) -> list[str]:
    """The names of the slices, in aihwkit's order."""
    if not isinstance(cells, jt.device.Cells):
        return []
    return [name for name, field in _FIELDS.items() if field is None or hasattr(cells, field)]


def to_hidden(cells: jt.device.AbstractCells) -> Float[Array, "name out in"]:
    """Stack the parameters of devices."""
    if not isinstance(cells, jt.device.Cells):
        return jnp.zeros(0)
    reference = getattr(cells, "reference", 0)
    slices = {name: getattr(cells, _FIELDS[name] or "", jnp.zeros_like(cells.w_max)) for name in hidden_names(cells)}
    return jnp.stack([values + reference if name in _REFERRED else values for name, values in slices.items()])


def from_hidden(cells: jt.device.AbstractCells, hidden: Float[Array, "name out in"]) -> jt.device.AbstractCells:
    """Devices like `cells` with the parameters that are stacked in `hidden`.

    Raises:
        ConfigError: the stack has another shape, or holds devices that drift.
    """
    names = hidden_names(cells)
    if not isinstance(cells, jt.device.Cells):
        return cells
    if hidden.shape != (len(names), *cells.w_max.shape):
        raise ConfigError(f"hidden parameters have shape {hidden.shape}; the tile has {names} for {cells.w_max.shape} devices.")
    slices: dict[str, jax.Array] = dict(zip(names, hidden, strict=True))
    if np.any(np.asarray(slices.pop(_DRIFT)) != 0):
        raise ConfigError(f"hidden parameter {_DRIFT} is not zero: jaxtile's devices do not drift.")
    reference = slices.get("reference", 0)
    fields = {_FIELDS[name]: values - reference if name in _REFERRED else values for name, values in slices.items()}
    return eqx.tree_at(lambda cells: [getattr(cells, field) for field in fields], cells, list(fields.values()))
