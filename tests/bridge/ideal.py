"""A tile of ideal devices in either engine, and targets of its shape."""

import numpy as np
import torch
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import IdealDevice
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.tiles.analog import AnalogTile

from bridge import RealisticTile, RPUConfigWithProgram

OUT, WIDTH = 12, 20
PERFECT = IOParameters(is_perfect=True)


def target(seed=0, rank=4, largest=0.3):
    rng = np.random.default_rng(seed)
    low_rank = rng.normal(size=(OUT, rank)) @ rng.normal(size=(rank, WIDTH))
    return torch.tensor(low_rank / np.abs(low_rank).max() * largest, dtype=torch.float32)


def ideal_tile(engine):
    if engine == "aihwkit":
        return AnalogTile(OUT, WIDTH, SingleRPUConfig(device=IdealDevice(), forward=PERFECT, backward=PERFECT), bias=False)
    return RealisticTile(OUT, WIDTH, RPUConfigWithProgram(device=IdealDevice(), forward=PERFECT, backward=PERFECT))
