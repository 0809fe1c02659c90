"""The tile module with its periphery, and the configuration that builds it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakSet

import torch
from aihwkit.exceptions import AnalogBiasConfigError, ConfigError, TileError
from aihwkit.simulator.configs.devices import ConstantStepDevice
from aihwkit.simulator.parameters.enums import WeightClipType, WeightRemapType
from aihwkit.simulator.parameters.inference import WeightClipParameter, WeightModifierParameter, WeightRemapParameter
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.tiles.base import SimulatorTileWrapper
from aihwkit.simulator.tiles.custom import CustomRPUConfig, CustomTile
from aihwkit.simulator.tiles.inference import InferenceTileWithPeriphery
from aihwkit.simulator.tiles.module import TileModule
from aihwkit.simulator.tiles.rpucuda import RPUCudaSimulatorTileWrapper
from torch import Tensor

from jaxtile.half_select import AbstractHalfSelect

from .programming import program_weights_gdp
from .tile import HalfSelectedSimulatorTile

__all__ = ["RPUConfigWithProgram", "RealisticTile"]


_MODULES: WeakSet["RealisticTile"] = WeakSet()  # an optimizer does not say which layers it trains


# aihwkit's own tiles have these bases, which do not agree on types.
class RealisticTile(TileModule, InferenceTileWithPeriphery, SimulatorTileWrapper):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A tile module (input range, weight scaling, digital bias) around a
    `HalfSelectedSimulatorTile`, programmed by pulses.
    """

    supports_indexed = False
    supports_ddp = False
    rpu_config: Any  # the bases declare configurations that exclude this one
    tile: Any

    def __init__(
        self,
        out_size: int,
        in_size: int,
        rpu_config: "RPUConfigWithProgram | None" = None,
        bias: bool = False,
        in_trans: bool = False,
        out_trans: bool = False,
    ):
        if in_trans or out_trans:
            raise TileError("Transposed inputs or outputs are not supported.")
        config: Any = RPUConfigWithProgram() if rpu_config is None else rpu_config
        if bias and not config.mapping.digital_bias:
            raise AnalogBiasConfigError("An analog bias is not supported: use mapping.digital_bias=True.")
        TileModule.__init__(self)
        SimulatorTileWrapper.__init__(self, out_size, in_size, config, bias, in_trans, out_trans, torch_update=True)
        InferenceTileWithPeriphery.__init__(self)

    # The custom tile's own.
    forward = CustomTile.forward
    # The C++ wrapper's own: they call the methods of the simulator tile that have these
    # names.
    decay_weights = RPUCudaSimulatorTileWrapper.decay_weights
    diffuse_weights = RPUCudaSimulatorTileWrapper.diffuse_weights
    reset_columns = RPUCudaSimulatorTileWrapper.reset_columns
    reset = RPUCudaSimulatorTileWrapper.reset

    def _create_simulator_tile(self, x_size: int, d_size: int, rpu_config: Any) -> HalfSelectedSimulatorTile:
        _MODULES.add(self)
        return rpu_config.simulator_tile_class(x_size=x_size, d_size=d_size, rpu_config=rpu_config)

    def _recreate_simulator_tile(self, x_size: int, d_size: int, rpu_config: Any) -> HalfSelectedSimulatorTile:
        # Loading a state replaces the fresh chip's devices; that there was one must not
        # show in torch's random numbers.
        with torch.random.fork_rng(devices=[]):
            return self._create_simulator_tile(x_size, d_size, rpu_config)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become what a state says; after a refusal, stay what it was."""
        before = self.__dict__.copy()
        try:
            super().__setstate__(state)
        except Exception:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def update(self, x_input: Tensor, d_input: Tensor) -> None:
        """Send the pulses of a batch.

        A batch that is refused is dropped. So is what would be refused of the traces of
        other layers: the next good batch is sent alone.
        """
        try:
            super().update(x_input, d_input)
        except (TypeError, ValueError):
            self.analog_ctx.reset()
            for module in _MODULES:
                if not all(map(_is_finite, module.analog_ctx.analog_input + module.analog_ctx.analog_grad_output)):
                    module.analog_ctx.reset()
            raise

    def program_weights(self, *args: Any, noise_model: Any = None, **kwargs: Any) -> Any:
        """Program the weights that were set, by the method of the configuration
        (`rpu_config.program_weights`).
        """
        if noise_model is not None:
            raise ConfigError(f"noise_model={noise_model!r}: this tile is programmed by pulses, not by a noise model.")
        if self.rpu_config.program_weights is None:
            raise ConfigError("rpu_config.program_weights is None: set it to a method such as bridge.program_weights_gdp.")
        return self.rpu_config.program_weights(self, *args, **kwargs)

    def drift_weights(self, t_inference: float = 0.0) -> None:
        """Refused: inference counts time from the programming, drifting devices count
        it from the last call.
        """
        raise ConfigError(
            f"t_inference={t_inference!r}: devices with a drift take the time since the last call; use tile.drift_weights(delta_t) "
            "of the simulator tile, the attribute `tile` of this one."
        )

    @torch.no_grad()
    def post_update_step(self) -> None:
        """Diffuse, decay, clip, remap and modify the weights, once per optimizer step,
        in aihwkit's order.

        The parent would hand C++ objects to the tile; this one reads the configuration
        itself.
        """
        config = self.rpu_config
        if config.device.requires_diffusion():
            self.tile.diffuse_weights()
        if config.device.requires_decay():
            self.tile.decay_weights()
        if config.clip.type != WeightClipType.NONE:
            self.tile.clip_weights(config.clip)
        if config.remap.type != WeightRemapType.NONE:
            self.set_scales(self.tile.remap_weights(config.remap, self.get_scales()))
        self.tile.modify_weights(config.modifier)
        sync: Any = getattr(self, "_sync_analog_ctx_weights", None)
        if sync is not None:  # from aihwkit 1.2 on, the context shows a copy of the weights
            sync()


def _is_finite(vectors: Tensor) -> bool:
    return bool(torch.isfinite(vectors).all())


@dataclass
class RPUConfigWithProgram(CustomRPUConfig):
    """Configuration of a `RealisticTile`: aihwkit's fields and defaults, and those of
    jaxtile.

    Attributes:
        program_weights: how weights are programmed, a function of the tile module.
        device, update: as in aihwkit's `SingleRPUConfig`.
        half_select: what half-selected cells suffer; None: nothing.
        order: how jaxtile sums pulses: "aggregate", vector by vector; "slot" by slot,
            which is exact and slow; "batch", all vectors of a call in one pass.
        clip, remap, modifier: as in aihwkit's `InferenceRPUConfig`.

    The other fields are those of `CustomRPUConfig`.
    """

    tile_class: type = RealisticTile
    simulator_tile_class: type = HalfSelectedSimulatorTile
    program_weights: Callable[..., Any] | None = program_weights_gdp
    device: Any = field(default_factory=ConstantStepDevice)
    update: UpdateParameters = field(default_factory=UpdateParameters)  # pyright: ignore[reportIncompatibleVariableOverride]
    half_select: AbstractHalfSelect | None = None
    order: Literal["aggregate", "slot", "batch"] = "aggregate"
    clip: WeightClipParameter = field(default_factory=WeightClipParameter)
    remap: WeightRemapParameter = field(default_factory=WeightRemapParameter)
    modifier: WeightModifierParameter = field(default_factory=WeightModifierParameter)
