"""IR drop: the voltage that wires lose on the way."""

import abc

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._linalg import product
from .._random import arange
from .._types import Weight
from ..fields import Checked, Number, number
from .converter import Grid

__all__ = ["AbstractIRDrop", "IRDrop"]


class AbstractIRDrop(Checked):
    """Drop of the outputs by the resistance of output lines."""

    @abc.abstractmethod
    def __call__(self, y: Float[Array, "k out"], weight: Weight, u: Float[Array, "k in"], grid: Grid) -> Float[Array, "k out"]:
        """The outputs that are left of y = W u.

        Args:
            y: the outputs without it.
            weight: W.
            u: the prepared inputs.
            grid: of the DAC in this pass, where inputs are pulse widths.
        """


class IRDrop(AbstractIRDrop):
    """The steady state along an output line of n cells, approximated by a polynomial of
    its current.

        a_i  = n / ir_drop_g_ratio sum_j |W_ij| |u_j|
        c_i  = 0.05 a_i^3 - 0.2 a_i^2 + 0.5 a_i
        y_i -= ir_drop c_i sum_j W_ij u_j (1 - (1 - j/n)^2),   j = 0 ... n-1

    As aihwkit's simulator writes it (`rpu_forward_backward_pass.cpp`, `applyIrDrop`);
    input 0 is at the ADC. It assumes that currents are spread evenly along the line;
    `WireNetwork` does not.

    Attributes:
        ir_drop: scale of the whole.
        ir_drop_g_ratio: conductance of the wire between two cells over the largest one
            of a device; the default is that of 0.35 Ohm and 5 uS.
    """

    ir_drop: Number = number(1.0, low=0.0)
    ir_drop_g_ratio: Number = number(1 / 0.35 / 5e-6, low=0.0, open=True)

    def __call__(self, y: Float[Array, "k out"], weight: Weight, u: Float[Array, "k in"], grid: Grid) -> Float[Array, "k out"]:
        n = weight.shape[1]
        a = product(jnp.abs(u), jnp.abs(weight).T) * n / self.ir_drop_g_ratio
        c = a * (a * (0.05 * a - 0.2) + 0.5)
        far = (1 - arange(n).astype(u.dtype) / n)[None, :]
        return y - self.ir_drop * c * product(u * (1 - far * far), weight.T)
