"""A linear layer: a tile with the digital parts around it."""

import functools
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Num

from ..._random import as_key
from ..._types import AnyArray, Key, Real, Scalar, Weight, is_concrete, is_whole, real_array
from ...digital.input_range import InputRange
from ...digital.scales import map_weights
from ...modifier import AbstractModifier
from ...tile import TileConfig, as_vectors, init, set_weights
from ..grid import forward
from ..group import AnyTile
from .base import AbstractConverted
from .modified import InTraining, modified
from .reads import mark

__all__ = ["Linear"]


class Linear(AbstractConverted):
    """y = a s o r T(x / r) + b, with T the read of the tile; every part but the tile
    may be absent.

    A pytree like any other. Outside of `jaxtile.nn.value_and_grad` it has the gradients
    of the read itself: `eqx.filter_grad` gives those of weights (`tile.state`, where
    that is the weight), range, scales and bias. Inside, its backward pass reads through
    the backward periphery, and hands out the pair (x, d) of the tile.

    Attributes:
        tile: T.
        input_range: r, which also clips the inputs.
        mapping_scales: s of each output, from `map_weights` or a remap.
        out_scales: o of each output or of all, to be learned.
        bias: b of each output.
        drift_scales: a of all outputs or of each, from a drift compensation.
        modifier: changes the weights that reads of training see; None: nothing does.
        key: of reads that are given none, from `jaxtile.nn.with_key`.
        target: the weights that programming writes; None: those that the tile holds.
        weights: "pulsed": pulses change the tile. "digital": optax trains the weights,
            and each step writes them into the tile.
        bias_on_tile: the last column of the tile is a bias, driven by 1.
        name: path of the layer, while a loss hands out its pairs.
    """

    tile: AnyTile
    input_range: InputRange | None = None
    mapping_scales: Float[Array, " out"] | None = None
    out_scales: Float[Array, "..."] | None = None
    bias: Float[Array, " out"] | None = None
    drift_scales: Float[Array, "..."] | None = None
    modifier: InTraining | None = None
    key: Key | None = None
    target: Weight | None = None
    weights: str = eqx.field(default="pulsed", static=True)
    bias_on_tile: bool = eqx.field(default=False, static=True)
    name: str | None = eqx.field(default=None, static=True)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        config: TileConfig,
        *,
        bias: Literal["digital", "tile"] | None = "digital",
        omega: Real | None = None,
        columnwise: bool = False,
        input_range: InputRange | None = None,
        out_scales: Float[Array, "..."] | None = None,
        modifier: AbstractModifier | None = None,
        weights: Literal["pulsed", "digital"] = "pulsed",
        key: Key,
    ):
        """Fabricate a tile, and put the first weights into it.

        They are uniform within 1 / sqrt(in), as those of torch and equinox, clipped to
        what each device holds.

        Args:
            in_features: width of the inputs.
            out_features: width of the outputs.
            config: the hardware of the tile.
            bias: "digital"; "tile": a column of the tile; None: no bias.
            omega: where mapping puts the largest weight; scales of the outputs make up
                for it. None: weights are conductances as they are.
            columnwise: a mapping scale for each output; otherwise one for all.
            input_range: range of the inputs.
            out_scales: scales of the outputs, to be learned.
            modifier: changes the weights that reads of training see.
            weights: "pulsed": pulses change the tile. "digital": optax trains the
                weights, and each step writes them into the tile.
            key: of the chip and of the first weights.

        Raises:
            TypeError, ValueError: an argument is of the wrong kind or size.
        """
        if not (is_whole(in_features, 1) and is_whole(out_features, 1)):
            raise ValueError(
                f"Linear({in_features!r}, {out_features!r}, ...) must be given two whole numbers of at least 1, the widths of its "
                "inputs and outputs. jaxtile.nn.Linear.around(tile) makes a layer of a tile that is there."
            )
        if bias not in ("digital", "tile", None):
            raise ValueError(f'Linear.bias={bias!r} is unknown; choose one of "digital", "tile", None.')
        chip_key, weight_key, bias_key = jr.split(as_key(key), 3)
        on_tile, limit = bias == "tile", in_features**-0.5
        weight, scales = jr.uniform(weight_key, (out_features, in_features + on_tile), float, -limit, limit), None
        if omega is not None:
            weight, scales = map_weights(weight, omega, columnwise=columnwise)
        self.tile = set_weights(init(config, weight.shape, key=chip_key), weight)
        self.input_range, self.mapping_scales = input_range, scales
        self.out_scales = _of_outputs("out_scales", out_scales, self.tile)
        self.bias = jr.uniform(bias_key, (out_features,), float, -limit, limit) if bias == "digital" else None
        self.drift_scales, self.modifier, self.key, self.name = None, InTraining.of(modifier), None, None
        self.target = None
        self.weights, self.bias_on_tile = weights, on_tile

    @classmethod
    def around(cls, tile: AnyTile, **parts: Any) -> "Linear":
        """A layer around a tile that is there.

        Args:
            tile: the tile.
            **parts: other attributes of the layer, by name; those that are not named are
                absent.

        Raises:
            TypeError, ValueError: layers have no such part, or it does not fit the tile.
        """
        bare = object.__new__(cls)
        for name in cls.__dataclass_fields__:
            object.__setattr__(bare, name, {"weights": "pulsed", "bias_on_tile": False}.get(name))
        return bare.replace(tile=tile, **parts)

    def replace(self, **parts: Any) -> "Linear":
        """The same layer with other parts, by name.

        Raises:
            TypeError, ValueError: layers have no such part, or it does not fit the tile.
        """
        unknown = parts.keys() - self.__dataclass_fields__.keys()
        if unknown:
            raise TypeError(f"Linear has no {', '.join(sorted(unknown))}; it has {', '.join(self.__dataclass_fields__)}.")
        layer = self.with_parts(**parts)
        layer.__check_init__()
        fitted = {name: _of_outputs(name, getattr(layer, name), layer.tile) for name in ("bias", *_SCALES)}
        return layer.with_parts(modifier=InTraining.of(layer.modifier), **fitted)

    def with_parts(self, **parts: Any) -> "Linear":
        """Its structure with anything in the place of its parts, as gradients have it."""
        layer = object.__new__(type(self))
        for name, value in (vars(self) | parts).items():
            object.__setattr__(layer, name, value)
        return layer

    def __check_init__(self) -> None:
        if not isinstance(self.tile, AnyTile):
            raise TypeError(f"Linear.tile={self.tile!r} is no tile; make one with jaxtile.init(config, (out, in), key=key).")
        if self.weights not in ("pulsed", "digital"):
            raise ValueError(f'Linear.weights={self.weights!r} is unknown; choose one of "pulsed", "digital".')
        if not isinstance(self.input_range, InputRange | None):
            raise TypeError(
                f"Linear.input_range={self.input_range!r} is no range; pass None, or jaxtile.digital.InputRange(input_range=3.0)."
            )
        if self.target is not None and self.target.shape[-2:] != self.tile.shape:
            raise ValueError(f"Linear.target has shape {self.target.shape}; the tile is [out, in] = {self.tile.shape}.")
        io = self.tile.config.forward
        if self.input_range is not None and not io.is_perfect and io.noise_management is None:
            if is_concrete(io.inp_bound) and jnp.any(io.inp_bound < 1):
                raise ValueError(
                    "Linear.input_range scales inputs to +-1, and the DAC of the tile ends at forward.inp_bound="
                    f"{float(jnp.min(io.inp_bound)):g}: it would clip what the range holds. Pass inp_bound=1.0."
                )
        if self.input_range is not None and self.input_range.output_min_percentage is not None:
            if io.is_perfect or io.noise_management is not None or io.bound_management is not None:
                raise ValueError(
                    "Linear.input_range has output_min_percentage, which needs a read with an ADC, noise_management=None and "
                    f"bound_management=None; the tile has forward={io!r}."
                )

    @property
    def in_features(self) -> int:
        """Width of the inputs."""
        return self.tile.shape[1] - self.bias_on_tile

    @property
    def out_features(self) -> int:
        """Width of the outputs."""
        return self.tile.shape[0]

    @property
    def _bound(self) -> Scalar:
        """The range of the outputs of the tile."""
        io = self.tile.config.forward
        return io.out_bound if io.out_scale is None else io.out_bound * jnp.abs(io.out_scale)

    def to_digital(self) -> eqx.nn.Linear:
        """The layer of equinox with the weights that the tile holds now, scaled."""
        scales = [scales.reshape(-1, 1) for scales in (getattr(self, name) for name in _SCALES) if scales is not None]
        weight, bias = functools.reduce(jnp.multiply, scales, self.tile.weight), self.bias
        if self.bias_on_tile:
            weight, bias = weight[:, :-1], weight[:, -1] * (1 if self.input_range is None else self.input_range.input_range)
        plain = eqx.nn.Linear(self.in_features, self.out_features, use_bias=bias is not None, key=jr.key(0))
        return eqx.tree_at(lambda layer: (layer.weight, layer.bias), plain, (weight, bias), is_leaf=lambda node: node is None)

    def __call__(self, x: Num[AnyArray, "... in"], *, key: Key | None = None) -> Float[Array, "... out"]:
        """Read the layer.

        Args:
            x: one vector or many.
            key: of the read noise; None: the stored one, or none where nothing is
                drawn.
        """
        y = self._read(x, key)
        if self.input_range is not None:
            y = self.input_range.unscaled(y, self._bound)
        for scales in (getattr(self, name) for name in _SCALES):
            if scales is not None:
                y = y * scales.reshape((1,) * (y.ndim - 1) + (-1,))
        return y if self.bias is None else y + self.bias.reshape((1,) * (y.ndim - 1) + (-1,))

    def driven(self, x: Float[Array, "... in"]) -> Float[Array, "... lines"]:
        """The vectors that the tile is driven by: within the range, with 1 for a bias."""
        scaled = x if self.input_range is None else self.input_range.scaled(x)
        return jnp.concatenate([scaled, jnp.ones_like(scaled[..., :1])], axis=-1) if self.bias_on_tile else scaled

    def _read(self, x: Num[AnyArray, "... in"], key: Key | None) -> Float[Array, "... out"]:
        """Read the tile: scale, and drive the column of the bias."""
        x = as_vectors("x", x, self.in_features, self.tile.weight.dtype)
        scaled = self.driven(x)
        own, traced = self.key if key is None else key, self.name is not None and self.weights == "pulsed"
        config, changes = self.tile.config, self.modifier is not None and self.modifier.inference is not True
        if own is None and (changes or config.forward.draws or (traced and config.backward.draws)):
            raise ValueError(
                f"{self.name or 'Linear'} needs a key, since its reads draw noise: pass key=, or give each layer of the model "
                "one with jaxtile.nn.with_key(model, key)."
            )
        if not traced:
            return forward(modified(self.tile, self.modifier, own), scaled, key=jr.key(0) if own is None else own)
        seen = None if self.input_range is None else x
        return mark(str(self.name), self.tile, self.modifier, scaled, seen, own, stored=key is None and own is not None)


_SCALES = ("mapping_scales", "out_scales", "drift_scales")


def _of_outputs(name: str, values: Any, tile: AnyTile) -> Float[Array, "..."] | None:
    """Numbers of the outputs of a tile, or of those of each tile of a batch; None as it is.

    Raises:
        TypeError: they are no real numbers.
        ValueError: they are neither one for each output nor, but for a bias, one for all.
    """
    if values is None:
        return None
    weight = eqx.filter_eval_shape(lambda tile: tile.weight, tile)
    numbers, lines = real_array(values, weight.dtype, f"Linear.{name}"), weight.shape[:-1]
    if numbers.shape not in (lines, lines[-1:], *(() if name == "bias" else (lines[:-1], (), (1,)))):
        one = "" if name == "bias" else ", or one for all"
        raise ValueError(f"Linear.{name} has shape {numbers.shape}; pass a number for each of the {lines[-1]} outputs{one}.")
    return numbers
