"""The analog matrix-vector product: DAC, array, output noise, ADC."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._linalg import product
from .._loop import iterate
from .._numerics import divide
from .._random import Source, normal, numbers, stream
from .._types import Checked, Key, Scalar, Weight, flag, number
from .bound_management import Iterative
from .noise_management import AbsMax, AbstractNoiseManagement

__all__ = ["IOParameters", "read"]


class IOParameters(Checked):
    """The periphery of one direction of reading (names and defaults are aihwkit's).

    Numbers are in normalised units: the DAC's range is +-1 after noise management, weights are normalised conductances.

    Attributes:
        is_perfect: skip all of it: y = W x.
        inp_bound: range of the DAC.
        inp_res: step of the DAC as a fraction of its full range, or number of steps if above 1; 0 or less for none.
        out_bound: range of the ADC.
        out_noise: standard deviation of Gaussian noise on each output, before the ADC.
        out_res: step of the ADC, like `inp_res`.
        noise_management: scales each vector to the range of the DAC; None leaves it as it is.
        bound_management: what to do about clipped outputs; None leaves them clipped. Forward reads only, as in aihwkit.
    """

    is_perfect: bool = flag(False)
    inp_bound: Scalar = number(1.0, low=0.0, open=True, finite=False)
    inp_res: Scalar = number(1 / 126)
    out_bound: Scalar = number(12.0, low=0.0, open=True, finite=False)
    out_noise: Scalar = number(0.06, low=0.0)
    out_res: Scalar = number(1 / 510)
    noise_management: AbstractNoiseManagement | None = eqx.field(default_factory=AbsMax)
    bound_management: Iterative | None = eqx.field(default_factory=Iterative)

    def __check_init__(self) -> None:
        for name, kind, example in (
            ("noise_management", AbstractNoiseManagement, AbsMax),
            ("bound_management", Iterative, Iterative),
        ):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                where = f"jaxtile.periphery.{example.__name__}()"
                raise TypeError(f"IOParameters.{name}={value!r} must be None or an object such as {where}.")


def read(io: IOParameters, weight: Weight, x: Float[Array, "k in"], key: Key) -> Float[Array, "k out"]:
    """Read the array through its periphery, each vector for itself.

        u = clip(round_DAC(x / (alpha r)), inp_bound)
        y = clip(round_ADC(W u + out_noise xi), out_bound) * alpha r

    with alpha from noise management and the reduction r from bound management; xi is drawn anew at every reduction. With
    noise management a vector of zeros reads as exactly zero; without, as the noise that it is.
    """
    if io.is_perfect:
        return product(x, weight.T)
    alpha = jnp.ones((x.shape[0], 1), x.dtype) if io.noise_management is None else io.noise_management.alpha(x)
    silent = alpha <= 0
    scale = 1 / jnp.where(silent, 1, alpha)
    inp_step, out_step = _step(io.inp_res, io.inp_bound), _step(io.out_res, io.out_bound)

    def one_pass(halvings: Scalar, reduction: Float[Array, "k 1"]) -> tuple[Float[Array, "k out"], Bool[Array, "k 1"]]:
        shrunk = scale / reduction
        u = jnp.clip(_quantise(x * shrunk, inp_step), -io.inp_bound, io.inp_bound)
        y = product(u, weight.T)
        xi = normal(stream(key, Source.OUTPUT_NOISE, halvings), numbers(y.size).reshape(y.shape))
        y = _quantise(y + io.out_noise * xi.astype(y.dtype), out_step)
        clipped = jnp.any(jnp.abs(y) > io.out_bound, axis=-1, keepdims=True)
        return jnp.clip(y, -io.out_bound, io.out_bound) / shrunk, clipped

    y = _until_unclipped(io.bound_management, one_pass, jnp.ones_like(alpha), inp_step)
    return jnp.where(silent, 0, y)


def _until_unclipped(management: Iterative | None, one_pass, reduction, inp_step):
    if management is None:
        return one_pass(0, reduction)[0]

    def again(state):
        halvings, reduction, y, redo = state
        reduction = jnp.where(redo, reduction * 2, reduction)
        fresh, clipped = one_pass(halvings, reduction)
        return halvings + 1, reduction, jnp.where(redo, fresh, y), redo & clipped & ~management.gives_up(reduction, inp_step)

    y, clipped = one_pass(0, reduction)
    state = (jnp.asarray(1), reduction, y, clipped & ~management.gives_up(reduction, inp_step))
    # 32 halvings exhaust any reduction that can be asked for.
    return iterate(lambda s: jnp.any(s[3]), again, state, max_steps=32)[2]


def _step(res: Scalar, bound: Scalar) -> Scalar:
    """The absolute step of a converter; 0 where there is none."""
    fraction = jnp.where(res > 1, 1 / jnp.where(res > 1, res, 1), res)
    return jnp.maximum(fraction, 0) * 2 * bound


def _quantise(value: Float[Array, "..."], step: Scalar) -> Float[Array, "..."]:
    """Round to multiples of `step`, half to even; the gradient passes straight through."""
    rounded = jnp.where(step > 0, jnp.rint(divide(value, jnp.where(step > 0, step, 1))) * step, value)
    return jax.lax.stop_gradient(rounded) + (value - jax.lax.stop_gradient(value))
