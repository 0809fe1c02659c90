"""An aihwkit simulator tile whose physics is jaxtile."""

from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from aihwkit.exceptions import AnalogBiasConfigError, ConfigError, TileError
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter
from aihwkit.simulator.tiles.base import SimulatorTile
from torch import Tensor

import jaxtile as jt

from ._convert import fresh_seed, to_inputs, to_jax, to_torch
from .config import hardware
from .extra import from_named, refuse_other_versions, sample, to_named
from .hidden import from_hidden, hidden_names, is_weight, to_hidden
from .weights import clip_of, modifier_of, remap_of

__all__ = ["HalfSelectedSimulatorTile"]


class HalfSelectedSimulatorTile(SimulatorTile):
    """A simulator tile that aihwkit's layers, optimizers and tile modules drive.

    It owns a `jaxtile.Tile`, the key of its random stream and the number of draws made
    from it; every call that needs randomness uses `fold_in(key, number)`. The devices
    are fabricated once, from `device.construction_seed` if that is not 0.

    Attributes:
        jax_tile: the tile as it stands.
        jax_modified: the weights of training reads, if a modifier is at work.
    """

    def __init__(self, x_size: int, d_size: int, rpu_config: Any, bias: bool = False):
        if bias:
            raise AnalogBiasConfigError("An analog bias is not supported: use mapping.digital_bias=True.")
        config, chip, stream = hardware(rpu_config), fresh_seed(), fresh_seed()
        chip = getattr(rpu_config.device, "construction_seed", 0) or chip
        self.jax_tile: jt.Tile = jt.init(config, (d_size, x_size), key=jr.key(chip))
        self.jax_modified: jax.Array | None = None
        self._key = jr.key(stream)
        self._calls = 0
        self._learning_rate = 0.1
        self._read_during_test = False
        self._settings = deepcopy(_settings(rpu_config))

    def set_config(self, rpu_config: Any) -> None:
        """Follow a change of the read and update parameters.

        Raises:
            ConfigError: what was fabricated would have to change: devices or
                half-selection.
        """
        if _settings(rpu_config) == self._settings:
            return
        new, old = hardware(rpu_config), self.jax_tile.config
        for name in ("device", "half_select"):
            ours, theirs = getattr(new, name), getattr(old, name)
            if not eqx.tree_equal(ours, theirs):
                raise ConfigError(f"{name}={ours!r}: the tile was built with {theirs!r}; `replace_with` builds another.")
        if new.pulse.uses_device != old.pulse.uses_device:
            raise ConfigError(
                "update.pulse_type cannot change to or from NONE, which takes devices as ideal: `replace_with` builds another."
            )
        drawn = [sample(config, self.jax_tile.shape) for config in (new, old)]
        for name in ("forward", "backward"):
            if not eqx.tree_equal(*(one[name] for one in drawn)):
                raise ConfigError(
                    f"{name}: numbers of the read parameters that are drawn once cannot change; `replace_with` builds another."
                )
        config = jt.TileConfig(old.device, new.pulse, half_select=old.half_select, forward=new.forward, backward=new.backward)
        self.jax_tile = eqx.tree_at(lambda tile: tile.config, self.jax_tile, config)
        self._settings = deepcopy(_settings(rpu_config))

    # Reading and writing.

    def forward(
        self,
        x_input: Tensor,
        bias: bool = False,
        in_trans: bool = False,
        out_trans: bool = False,
        is_test: bool = False,
        non_blocking: bool = False,
    ) -> Tensor:
        """Read `[..., in]` to `[..., out]`."""
        _refuse_transposed(bias, in_trans, out_trans)
        tile, x = self._tile_to_read(is_test=is_test), to_jax(x_input, "x_input")
        self.jax_tile = jt.observe(self.jax_tile, x=x)
        return to_torch(jt.forward(tile, x, key=self._draw()), like=x_input)

    def backward(
        self, d_input: Tensor, bias: bool = False, in_trans: bool = False, out_trans: bool = False, non_blocking: bool = False
    ) -> Tensor:
        """Read `[..., out]` to `[..., in]`, the other way round."""
        _refuse_transposed(bias, in_trans, out_trans)
        tile, d = self._tile_to_read(is_test=False), to_jax(d_input, "d_input")
        self.jax_tile = jt.observe(self.jax_tile, d=d)
        return to_torch(jt.backward(tile, d, key=self._draw()), like=d_input)

    def update(  # pyright: ignore[reportIncompatibleMethodOverride] (aihwkit's tiles return nothing, either)
        self,
        x_input: Tensor,
        d_input: Tensor,
        bias: bool = False,
        in_trans: bool = False,
        out_trans: bool = False,
        non_blocking: bool = False,
    ) -> None:
        """Send the pulses of `[..., in]` and `[..., out]`, one pair of vectors after
        another.
        """
        _refuse_transposed(bias, in_trans, out_trans)
        x, d = to_inputs(x_input, "x_input"), to_jax(d_input, "d_input")
        d = d.reshape(-1, d.shape[-1])
        self.jax_tile = jt.update(self.jax_tile, x, d, learning_rate=self._learning_rate, key=self._draw())

    def get_weights(self, as_ref: bool = False) -> Tensor:
        """A copy of the weights, on the CPU; there is no tensor to refer to."""
        return to_torch(self.jax_tile.weight)

    def set_weights(self, weight: Tensor) -> None:
        """Put weights in exactly, clipped to what each device can hold."""
        self._put(to_jax(weight, "weight"))

    def set_weights_uniform_random(self, bmin: float, bmax: float) -> None:
        """Put in uniform random weights between two numbers, clipped to what each
        device can hold.
        """
        low, high = min(bmin, bmax), max(bmin, bmax)
        self._put(jr.uniform(self._draw(), self.jax_tile.shape, self.jax_tile.weight.dtype, low, high))

    # Once per optimizer step, or on demand.

    def decay_weights(self, alpha: float = 1.0) -> None:
        """Let every device decay, once or a fraction or multiple of that."""
        self.jax_tile = jt.decay(self.jax_tile, alpha=alpha, key=self._write_key())

    def drift_weights(self, delta_t: float = 1.0) -> None:
        """Let `delta_t` pass since the last call, for devices that drift; others stay."""
        if self.jax_tile.device.drifts:
            self.jax_tile = jt.drift(self.jax_tile, delta_t, key=self._draw())

    def diffuse_weights(self) -> None:
        """Let every device diffuse once."""
        self.jax_tile = jt.diffuse(self.jax_tile, key=self._draw())

    def reset_columns(self, start: int, n_columns: int, probability: float) -> None:
        """Reset the devices of `n_columns` columns from `start` on and around the end
        (-1: of all), each with a probability.
        """
        width = self.get_x_size()
        columns = (start + np.arange(width if n_columns < 0 else n_columns)) % width
        self.jax_tile = jt.reset(self.jax_tile, jnp.asarray(columns), probability=probability, key=self._draw())

    def clip_weights(self, clip: WeightClipParameter) -> None:
        """Clip the weights."""
        limit = clip_of(clip)
        if limit is not None:
            self._put(limit(self.jax_tile.weight))

    def remap_weights(self, remap: WeightRemapParameter, scales: Tensor) -> Tensor:
        """Stretch the weights to the range of the array; returns the scales of the
        outputs that make up for it.
        """
        stretch = remap_of(remap)
        if stretch is None:
            return scales
        weight, new_scales = stretch(self.jax_tile.weight, to_jax(scales, "scales"))
        self._put(weight)
        return to_torch(new_scales, like=scales)

    def modify_weights(self, modifier: WeightModifierParameter) -> None:
        """Draw the modified weights that training reads see until the next call;
        updates act on the true ones.
        """
        modify = modifier_of(modifier)  # first, since it may refuse
        self.jax_modified = None if modify is None else modify(self.jax_tile.weight, key=self._draw())
        self._read_during_test = modifier.enable_during_test

    # What it is made of, and its state.

    def get_x_size(self) -> int:
        return self.jax_tile.shape[1]

    def get_d_size(self) -> int:
        return self.jax_tile.shape[0]

    def get_brief_info(self) -> str:
        return f"{type(self).__name__}({self.jax_tile!r})"

    def get_meta_parameters(self) -> Any:
        """The read and update parameters in use, under the names of the C++ tile."""
        forward_io, backward_io, update, *_ = self._settings
        return SimpleNamespace(forward_io=forward_io, backward_io=backward_io, update=update)

    def get_learning_rate(self) -> float:
        return self._learning_rate

    def set_learning_rate(self, learning_rate: float | None) -> None:
        """Set the learning rate; None keeps it."""
        if learning_rate is not None:
            if learning_rate < 0:
                raise TileError(f"learning_rate={learning_rate!r} must not be negative: reverse the sign of d instead.")
            self._learning_rate = float(learning_rate)

    def get_hidden_update_index(self) -> int:
        """Number of the device of each unit cell that takes the pulses; 0 where there
        is no choice.
        """
        return getattr(getattr(self.jax_tile.device, "update_policy", None), "index", 0)

    def set_hidden_update_index(self, index: int) -> None:
        """Connect the lines to another device of each unit cell, as `jaxtile.connect`
        does.
        """
        self.jax_tile = jt.connect(self.jax_tile, index)

    def get_hidden_parameter_names(self) -> list[str]:
        return hidden_names(self.jax_tile)

    def get_hidden_parameters(self) -> Tensor:
        """The realised devices, `[name, out, in]`."""
        return to_torch(to_hidden(self.jax_tile))

    def set_hidden_parameters(self, params: Tensor) -> None:
        """Become the chip with these devices; the weights are clipped to what they can
        hold.
        """
        self.jax_tile = from_hidden(self.jax_tile, to_jax(params, "params"), self.jax_tile.weight)
        if is_weight(self.jax_tile.state):
            self._put(self.jax_tile.weight)

    def dump_extra(self) -> dict[str, np.ndarray]:
        """The arrays that hidden parameters and weights leave out: where the random
        stream stands, counters, modified weights.
        """
        modified_weight = np.zeros(0) if self.jax_modified is None else self.jax_modified
        return {
            "bridge.random_key": np.array(jr.key_data(self._key)),
            "bridge.random_calls": np.array([self._calls], np.int64),
            "bridge.modified_weight": np.array(modified_weight),
            "bridge.read_during_test": np.array([self._read_during_test]),
            **to_named(self.jax_tile),
        }

    def load_extra(self, extra: dict[str, Any], strict: bool = False) -> None:
        """Take up a state of `dump_extra`; what it lacks stays as it is, and keys of
        another kind of tile are ignored.

        Raises:
            RuntimeError: `strict`, and a key is missing.
            TileError: an array does not fit, or another version wrote the state. The
                tile stays as it is.
        """
        refuse_other_versions(extra)
        mine = {name: extra[name] for name in self.dump_extra() if name in extra}
        if strict and len(mine) < len(self.dump_extra()):
            raise RuntimeError(f"The state lacks {', '.join(sorted(self.dump_extra().keys() - mine.keys()))}.")
        state = self.dump_extra() | mine
        modified_weight = jnp.asarray(state["bridge.modified_weight"], self.jax_tile.weight.dtype)
        if modified_weight.size and modified_weight.shape != self.jax_tile.shape:
            raise TileError(
                f"bridge.modified_weight has shape {modified_weight.shape}; the tile is [out, in] = {self.jax_tile.shape}."
            )
        self.jax_tile = from_named(self.jax_tile, state)  # first, since it may refuse
        self._key = jr.wrap_key_data(jnp.asarray(state["bridge.random_key"], "uint32"))
        self._calls = int(state["bridge.random_calls"][0])
        self.jax_modified = modified_weight if modified_weight.size else None
        self._read_during_test = bool(state["bridge.read_during_test"][0])

    def _put(self, weight: jax.Array) -> None:
        tile = self.jax_tile
        if weight.shape != tile.shape:
            raise TileError(f"weights have shape {tuple(weight.shape)}; the tile is [out, in] = {tile.shape}.")
        # Not `jaxtile.set_weights`, which refuses NaN: some layers of aihwkit first
        # write memory that is not initialised.
        key = self._write_key()
        noise = None if key is None else tile.chip.draws(key)
        self.jax_tile = tile.with_state(tile.device.write(tile.cells, tile.state, weight, noise=noise))

    def _write_key(self) -> jax.Array | None:
        """The key of the write noise, if there can be any."""
        return None if is_weight(self.jax_tile.state) else self._draw()

    def _draw(self) -> jax.Array:
        """The key of the next draw."""
        key = jr.fold_in(self._key, np.uint32(self._calls))
        self._calls += 1
        return key

    def _tile_to_read(self, *, is_test: bool) -> jt.Tile:
        if self.jax_modified is None or (is_test and not self._read_during_test):
            return self.jax_tile
        return jt.read_as(self.jax_tile, self.jax_modified)


def _settings(rpu_config: Any) -> tuple[Any, ...]:
    own = (getattr(rpu_config, name, None) for name in ("half_select", "order"))
    return rpu_config.forward, rpu_config.backward, rpu_config.update, rpu_config.device, *own


def _refuse_transposed(bias: bool, in_trans: bool, out_trans: bool) -> None:  # noqa: FBT001 (aihwkit's order of arguments)
    if bias or in_trans or out_trans:
        raise TileError("An analog bias and transposed inputs or outputs are not supported.")
