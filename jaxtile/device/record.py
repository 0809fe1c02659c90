"""Records of a measurement: pulses, and weights before the first and after each."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import is_concrete, number_array, real_array

__all__ = ["take_pulses", "take_record"]


def take_pulses(pulses: Any, *, starts: bool = False) -> Float[Array, "..."]:
    """Return pulses 1 (up), -1 (down) and 0 (only a read) as an array.

    Args:
        pulses: what was given.
        starts: whether NaN may stand for a new start.

    Raises:
        TypeError: they are no real numbers, or True and False.
        ValueError: there are other numbers among them.
    """
    array = real_array(pulses, float, "pulses")
    if number_array(pulses, "pulses").dtype == bool:
        raise TypeError("pulses holds True and False; pass 1 for up and -1 for down, such as np.where(pulses, 1, -1).")
    if is_concrete(array):
        known = np.asarray(array)
        strange = known[~(np.isin(known, (-1, 0, 1)) | (starts & np.isnan(known)))]
        if strange.size:
            instead = ", or pass NaN as the weight after those that were not" if starts else ""
            raise ValueError(
                f"pulses holds other numbers than 1 (up), -1 (down) and 0 (only a read), such as {strange[0]:g}; "
                f"measure after every single pulse{instead}."
            )
    return array


def take_record(weights: Any, pulses: Any) -> tuple[Float[Array, "device measurement"], Float[Array, "device pulse"]]:
    """Return a record, with pulses for each device.

    Args:
        weights: normalised conductances, [device, measurement]; NaN: not measured.
        pulses: before each measurement but the first, for all devices or for each; NaN:
            a new start.

    Raises:
        TypeError: they are no real numbers.
        ValueError: shapes do not agree, or a value cannot be used.
    """
    weights, pulses = real_array(weights, float, "weights"), take_pulses(pulses, starts=True)
    if weights.ndim != 2 or weights.shape[0] == 0:
        raise ValueError(f"weights has shape {weights.shape}; pass [device, measurement].")
    if pulses.shape not in (weights[0, 1:].shape, weights[:, 1:].shape):
        raise ValueError(
            f"pulses has shape {pulses.shape} and weights {weights.shape}; pass {weights.shape[1] - 1} pulses, one less than "
            "measurements: the first is that before any pulse."
        )
    pulses = jnp.broadcast_to(pulses, weights[:, 1:].shape)
    if is_concrete(weights) and is_concrete(pulses):
        _check_values(np.asarray(weights, np.float64), np.asarray(pulses))
    return weights, pulses


def _check_values(weights, pulses) -> None:
    if np.isinf(weights).any():
        raise ValueError(f"weights holds {int(np.isinf(weights).sum())} infinite numbers; pass NaN where nothing was measured.")
    starts = np.isnan(np.where(np.isnan(pulses), weights[:, 1:], 0))
    if np.isnan(weights[:, 0]).any() or starts.any():
        where = "weights[:, 0]" if np.isnan(weights[:, 0]).any() else "weights after a pulse of NaN, a new start,"
        raise ValueError(f"{where} is not finite; start every device with a measurement.")
    change = np.diff(weights)
    seen = np.isfinite(change) & np.isfinite(pulses)
    kinds = set(pulses[seen].tolist())
    if len(kinds) == 2 and _is_certain(drift := change[seen & (pulses == 0)]):
        raise ValueError(
            f"pulses holds 0, only a read, where weights change by {drift.mean():.3g} on average, and no {-max(kinds, key=abs):g}: "
            "pass -1 for a pulse down, and 1 for one up."
        )
    if _is_certain(gain := -(pulses * change)[seen & (pulses != 0)], above=True):
        raise ValueError(
            f"weights move against the pulses, by {gain.mean():.3g} on average; 1 is up and -1 down: pass -pulses if the "
            "polarity is the other."
        )


def _is_certain(change, *, above: bool = False) -> bool:
    """True if the mean is not zero (or is above it) by more than six standard errors."""
    if change.size < 4:
        return False
    mean, rounding = change.mean(), 1e-12 * np.abs(change).max()
    return bool((mean if above else abs(mean)) > 6 * change.std() / change.size**0.5 + rounding)
