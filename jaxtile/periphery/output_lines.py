"""Errors of output lines on the way to the ADC: voltage offsets, series resistance,
saturation.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..fields import Checked, Number, number

__all__ = ["OutputNonlinearity", "VoltageOffset"]


class VoltageOffset(Checked):
    """Offsets of the voltages across devices, and the resistance in series with a line
    that is read as a differential pair.

    The reference line carries a current R of its own:

        R   = -v_offset_w_min sum_j u_j
        y_i = (1 - v_i) p / (1 + r_series |p|) - (1 + v_i) R / (1 + r_series |R|),   p = y_i + R

    with v_i = max(v_offset_std xi_i, 0), drawn once for each line.

    Attributes:
        v_offset_std: spread of the offsets, relative to the read voltage.
        v_offset_w_min: the weight that the devices of the reference line stand at; 0:
            no reference line.
        r_series: the resistance, times the unit of the current.
    """

    v_offset_std: Number = number(0.0, low=0.0)
    v_offset_w_min: Number = number(-1.0)
    r_series: Number = number(0.0, low=0.0)

    def __call__(self, y: Float[Array, "k out"], u: Float[Array, "k in"], offset: Float[Array, " out"]) -> Float[Array, "k out"]:
        """The currents that are left of y = W u."""
        reference = -self.v_offset_w_min * jnp.sum(u, axis=-1, keepdims=True)
        total = y + reference
        kept = (1 - offset)[None, :] * total / (1 + self.r_series * jnp.abs(total))
        return kept - (1 + offset)[None, :] * reference / (1 + self.r_series * jnp.abs(reference))


class OutputNonlinearity(Checked):
    """A line saturates: y_i <- y_i / (1 + |g_i y_i|), with g_i = |out_nonlinearity /
    out_bound (1 + out_nonlinearity_std xi_i)|.

    The spread is drawn once for each line; where the ADC has no bound, g is relative to
    1.

    Attributes:
        out_nonlinearity: strength at the bound of the ADC.
        out_nonlinearity_std: its relative spread over the lines.
    """

    out_nonlinearity: Number = number(0.0, low=0.0)
    out_nonlinearity_std: Number = number(0.0, low=0.0)

    def __call__(self, y: Float[Array, "k out"], strength: Float[Array, " out"]) -> Float[Array, "k out"]:
        """The currents that are left of y."""
        return y / (1 + jnp.abs(strength[None, :] * y))
