"""Pairs of tiles that hold the same chip: aihwkit's C++ one and jaxtile's."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import (
    ConstantStepDevice,
    ExpStepDevice,
    IdealDevice,
    LinearStepDevice,
    PiecewiseStepDevice,
    PowStepDevice,
    PowStepReferenceDevice,
    SoftBoundsDevice,
    SoftBoundsReferenceDevice,
)
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.training import UpdateParameters
from aihwkit.simulator.tiles.analog import AnalogTile

import bridge
import jaxtile as jt

PULSED = {
    "constant": ConstantStepDevice,
    "linear": partial(LinearStepDevice, gamma_up=0.5, gamma_down=0.6),
    "linear, additive noise": partial(LinearStepDevice, gamma_up=0.5, gamma_down=0.6, mult_noise=False),
    "soft bounds": SoftBoundsDevice,
    "soft bounds, additive noise": partial(SoftBoundsDevice, mult_noise=False),
    "soft bounds, reversed": partial(SoftBoundsDevice, reverse_up=True, reverse_down=True),
    "soft bounds, reference": partial(SoftBoundsReferenceDevice, reference_mean=0.05, reference_std=0.02, slope_up_dtod=0.1),
    "exp": ExpStepDevice,
    "exp, noise of three parts": partial(ExpStepDevice, dw_min_std_add=0.002, dw_min_std_slope=0.01),
    "pow": partial(PowStepDevice, pow_gamma=1.4, pow_up_down=0.1),
    "pow, reference": partial(PowStepReferenceDevice, pow_gamma=0.8, reference_mean=0.05, reference_std=0.02),
    "piecewise": partial(PiecewiseStepDevice, piecewise_up=[1.5, 1.0, 0.7, 0.2], piecewise_down=[0.3, 1.0, 0.8, 1.2]),
}
DEVICES = {"ideal": lambda **kwargs: IdealDevice(), **PULSED}


def analog_tile(out, width, device=None, *, forward=None, backward=None, **update) -> AnalogTile:
    """A fabricated C++ tile."""
    config = SingleRPUConfig(
        device=ConstantStepDevice() if device is None else device,
        update=UpdateParameters(**update),
        forward=IOParameters() if forward is None else forward,
        backward=IOParameters() if backward is None else backward,
    )
    return AnalogTile(out, width, config, bias=False)


def in_order(tile: jt.Tile, order: str) -> jt.Tile:
    """The same chip, its pulses executed in another way."""
    if not tile.device.takes_pulses:
        return tile
    config = dataclasses.replace(tile.config, device=dataclasses.replace(tile.config.device, order=order))
    return dataclasses.replace(tile, config=config)


def weights_of(tile) -> "jax.Array":
    """The weights of a C++ tile, as an array."""
    return tile.tile.get_weights().numpy()


update = eqx.filter_jit(lambda tile, x, d, learning_rate, key: jt.update(tile, x, d, learning_rate=learning_rate, key=key))
send = eqx.filter_jit(lambda tile, lines, key: jt.send(tile, lines, key=key))
__all__ = ["DEVICES", "PULSED", "analog_tile", "bridge", "in_order", "send", "update", "weights_of"]
