"""IR drop of whole arrays, by solving the network of their wires."""

import jax
import jax.numpy as jnp
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Float

from .._types import Scalar, Weight, real_array, real_matrix
from ..fields import Number, number, part
from ..noise import CustomPair, NPair
from .converter import Grid
from .ir_drop import AbstractIRDrop

__all__ = ["WireNetwork", "currents"]

_LEAK = 1e-9  # uS: without it the slope at a device without conductance is none


def currents(
    conductances: Float[Array, "out in"], voltages: Float[Array, " in"], *, r_in: Scalar | float, r_out: Scalar | float
) -> Float[Array, " out"]:
    """Currents out of an array with resistive wires, exactly: Kirchhoff's laws at both
    ends of every device.

    The source of each input line is before output 0. The ADC of each output line, at 0
    V, is before input 0. There is one segment of wire between neighbours, and one more
    at each source and ADC. With I_ij the current of a device, its two ends stand at

        V_j - r_in sum_(k <= i) sum_(l >= k) I_lj     and     r_out sum_(k <= j) sum_(l >= k) I_il

    of which the difference is I_ij / g_ij. With I = sqrt(g) z this is (1 + sqrt(g) R
    sqrt(g)) z = sqrt(g) V, where R takes the currents to the losses of the wires. The
    matrix is symmetric, positive, and near 1 where wires are good. So conjugate
    gradients converge in a few steps.

    Args:
        conductances: of the devices, uS.
        voltages: of the sources, V.
        r_in: resistance of a segment of input lines, Ohm.
        r_out: resistance of a segment of output lines, Ohm.

    Returns:
        The currents at the ADCs, uA.
    """
    conductances, voltages = real_matrix(conductances, "conductances"), real_array(voltages, None, "voltages")
    if voltages.shape != conductances.shape[1:]:
        raise ValueError(f"voltages has shape {voltages.shape}; pass one for each of the {conductances.shape[1]} inputs.")
    root = jnp.sqrt(conductances + _LEAK)

    def lost(current: Float[Array, "out in"]) -> Float[Array, "out in"]:
        along_input, along_output = _drop(current, axis=0), _drop(current, axis=1)
        return 1e-6 * (r_in * along_input + r_out * along_output)

    tolerance = float(jnp.finfo(root.dtype).eps) * 4
    z, _ = cg(lambda z: z + root * lost(root * z), root * voltages[None, :], tol=tolerance, maxiter=1000)
    return jnp.sum(root * z, axis=1)


def _drop(current: Float[Array, "out in"], axis: int) -> Float[Array, "out in"]:
    """Along lines that end before index 0: each segment carries what flows through all
    devices beyond it.
    """
    return jnp.cumsum(jax.lax.cumsum(current, axis=axis, reverse=True), axis=axis)


class WireNetwork(AbstractIRDrop):
    """Each read solves the network of all wires of the array exactly, as `currents`
    does; slow, and the judge of what is faster.

    The two devices of a pair are in arrays of their own with the same inputs (as are
    pairs of different significance).

    Attributes:
        converter: which pairs stand for a weight.
        r_in, r_out: resistance of a segment of input and output lines, Ohm.
    """

    converter: NPair | CustomPair = part(
        (NPair, CustomPair), "has no pairs; pass jaxtile.noise.NPair() or CustomPair()", default=NPair
    )
    r_in: Number = number(0.35, low=0.0)
    r_out: Number = number(0.35, low=0.0)

    def __call__(self, y: Float[Array, "k out"], weight: Weight, u: Float[Array, "k in"], grid: Grid) -> Float[Array, "k out"]:
        conductances, mapping = self.converter.conductances(weight)
        solve = jax.vmap(lambda g, v: currents(g, v, r_in=self.r_in, r_out=self.r_out), in_axes=(None, 0))
        read = jax.vmap(solve, in_axes=(0, None))(conductances, u)  # [device, k, out]
        pairs = self.converter.f_lst[:, None, None] * (read[0::2] - read[1::2])
        return jnp.sum(pairs, axis=0) / mapping.ratio
