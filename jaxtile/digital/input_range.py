"""The range of inputs that a DAC of fixed range is scaled to: first found in the data,
then learned.
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._types import Scalar, real_array
from ..fields import Checked, Number, OptionalNumber, flag, number, optional
from ..periphery.converter import clip

__all__ = ["InputRange"]

Vectors = Float[Array, "... in"]


class InputRange(Checked):
    """Inputs are clipped to +-input_range, divided by it, and the outputs multiplied by
    it (aihwkit's names and defaults).

    `observe` moves the range with the data of the first `init_from_data` batches:

        input_range <- |input_range n + init_std_alpha std(x)| / (n + 1),   n = 0, 1, ...

    The range has the gradient of the division and the multiplication, and one of its
    own from the gradient g of the clipped inputs x. This widens it where clipping
    hurts, and lets it decay where it hardly happens:

        sum_(x = +range) min(g, 0) - sum_(x = -range) max(g, 0)     times input_range gradient_scale, if `gradient_relative`
        + decay input_range, if more than `input_min_percentage` of the inputs are within the range

    The range can manage the clipping of outputs, too, of a read without noise and bound
    management. It then widens if a part p of them, more than 1 -
    `output_min_percentage`, is at the bound of the ADC:

        - p input_range

    Attributes:
        input_range: the range.
        updates: how many batches it has been moved by.
        init_from_data: number of batches that move the range.
        init_std_alpha: range in standard deviations of the inputs, while they move it.
        decay: rate at which the range shrinks where inputs are hardly clipped.
        input_min_percentage: part of the inputs that must be within the range for that.
        gradient_scale: factor on the first line of the gradient, if it is relative.
        gradient_relative: multiply that line by the range and by `gradient_scale`.
        output_min_percentage: part of the outputs that is to be below the bound of the
            ADC; None: outputs are let be. (aihwkit's 0.95, with
            `manage_output_clipping`.)
        learn_input_range: `jaxtile.nn` trains the range by its gradient.
    """

    input_range: Number = number(3.0, low=0.0, open=True)
    updates: Number = number(0.0, low=0.0)
    init_from_data: Number = number(100.0, low=0.0)
    init_std_alpha: Number = number(3.0, low=0.0, open=True)
    decay: Number = number(0.001, low=0.0)
    input_min_percentage: Number = number(0.95, low=0.0, high=1.0)
    gradient_scale: Number = number(1.0, low=0.0)
    gradient_relative: bool = flag(True)
    output_min_percentage: OptionalNumber = optional(low=0.0, high=1.0)
    learn_input_range: bool = flag(True)

    def observe(self, x: Vectors) -> "InputRange":
        """The range after one more batch of training data."""
        x = real_array(x, None, "x")
        std = jnp.std(x, ddof=1) if x.size > 1 else jnp.zeros((), x.dtype)  # a single number has none
        due = (self.updates < self.init_from_data) & (std > 0)
        moved = jnp.abs(self.input_range * self.updates + self.init_std_alpha * std) / (self.updates + 1)
        return dataclasses.replace(
            self,
            input_range=jnp.where(due, moved, self.input_range).astype(self.input_range.dtype),
            updates=self.updates + due.astype(self.updates.dtype),
        )

    def only_learned(self) -> "InputRange":
        """The range alone, as a pytree: its other numbers are None."""
        return eqx.tree_at(lambda rule: rule.input_range, jax.tree.map(lambda _: None, self), self.input_range, is_leaf=_is_none)

    def scaled(self, x: Vectors) -> Vectors:
        """Inputs of the tile: x / input_range within +-1."""
        clipped = clip(real_array(x, None, "x"), jax.lax.stop_gradient(self.input_range))
        return _learning(self, clipped, self.input_range) / self.input_range

    def unscaled(self, y: Float[Array, "... out"], bound: Scalar) -> Float[Array, "... out"]:
        """Outputs of the tile times the range; `bound` is that of the ADC."""
        if self.output_min_percentage is not None:
            at_bound = jnp.mean((jnp.abs(y) >= 0.999 * bound).astype(y.dtype))
            y = _widening(y, self.input_range, jnp.where(at_bound > 1 - self.output_min_percentage, at_bound, 0))
        return y * self.input_range


def _is_none(node: Any) -> bool:
    return node is None


@jax.custom_vjp
def _learning(rule: InputRange, x: Vectors, input_range: Scalar) -> Vectors:
    """x, with the gradient of the range that is its own."""
    return x


def _learning_forward(rule: InputRange, x: Vectors, input_range: Scalar):
    return x, (rule, x, input_range)


def _learning_backward(kept, g: Vectors):
    rule, x, input_range = kept
    wider = jnp.sum(jnp.where(x >= input_range, jnp.minimum(g, 0), 0)) - jnp.sum(jnp.where(x <= -input_range, jnp.maximum(g, 0), 0))
    if rule.gradient_relative:
        wider = wider * input_range * rule.gradient_scale
    within = jnp.mean((jnp.abs(x) < input_range).astype(x.dtype))
    narrower = jnp.where(within > rule.input_min_percentage, rule.decay * input_range, 0)
    return jax.tree.map(jnp.zeros_like, rule), g, wider + narrower


_learning.defvjp(_learning_forward, _learning_backward)


@jax.custom_vjp
def _widening(y: Vectors, input_range: Scalar, clipped: Scalar) -> Vectors:
    """y, with the gradient of the range that clipped outputs ask for."""
    return y


def _widening_forward(y: Vectors, input_range: Scalar, clipped: Scalar):
    return y, (input_range, clipped)


def _widening_backward(kept, g: Vectors):
    input_range, clipped = kept
    return g, -clipped * input_range, jnp.zeros_like(clipped)


_widening.defvjp(_widening_forward, _widening_backward)
