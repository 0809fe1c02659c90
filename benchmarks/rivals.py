"""Rivals: aihwkit's tile, the notebook's loops in torch, and JAX written naively."""

import copy
import functools
import math

import jax
import jax.numpy as jnp
import jax.random as jr

DW_MIN, BL = 0.001, 31


# aihwkit


def aihwkit_tile(shape, device=None):
    """A C++ tile with fabricated devices; a device of aihwkit's defaults unless another is given."""
    from aihwkit.simulator.configs import ConstantStepDevice, SingleRPUConfig
    from aihwkit.simulator.tiles.analog import AnalogTile

    return AnalogTile(*shape, SingleRPUConfig(device=device or ConstantStepDevice()))


def aihwkit_update(tile, x, d, rate):
    """One update of a batch."""
    import torch

    x, d = (torch.tensor(jax.device_get(v)).reshape(-1, v.shape[-1]) for v in (x, d))
    tile.set_learning_rate(rate)
    return lambda: tile.update(x, d)


def aihwkit_gdp_step(tile, target):
    """Read all columns and correct them, as `program_weights` does."""
    import torch

    eye, target = torch.eye(target.shape[1]), torch.tensor(jax.device_get(target))
    tile.set_learning_rate(1.0)
    return lambda: tile.update(eye, tile.forward(eye) - target.T)


def aihwkit_svd_step(tile, target):
    """Decompose the residual and send its leading triplet, as the notebook does."""
    import torch

    target = torch.tensor(jax.device_get(target))
    tile.set_learning_rate(1.0)

    def step():
        u, s, v = torch.linalg.svd(tile.tile.get_weights() - target, full_matrices=False)
        root = torch.sqrt(s[0])
        tile.update((root * v[0])[None], (root * u[:, 0])[None])

    return step


def aihwkit_forward(tile, x):
    """One read of a batch."""
    import torch

    x = torch.tensor(jax.device_get(x))
    return lambda: tile.forward(x)


def aihwkit_epoch(widths, device, x, y, rate, batch):
    """The first epoch of a network with sigmoids, by AnalogSGD."""
    import torch
    from aihwkit.nn import AnalogLinear, AnalogSequential
    from aihwkit.optim import AnalogSGD
    from aihwkit.simulator import configs

    layers, config = [], configs.SingleRPUConfig(device=getattr(configs, device)())
    for width, out in zip(widths, widths[1:], strict=False):
        layers += [AnalogLinear(width, out, rpu_config=config), torch.nn.Sigmoid()]
    model, loss, x, y = AnalogSequential(*layers[:-1]), torch.nn.CrossEntropyLoss(), torch.tensor(x), torch.tensor(y)
    optimizer = AnalogSGD(model.parameters(), lr=rate)
    optimizer.regroup_param_groups(model)
    start_from = copy.deepcopy(model.state_dict())

    def epoch():
        model.load_state_dict(start_from)
        for start in range(0, len(y), batch):
            optimizer.zero_grad()
            loss(model(x[start : start + batch]), y[start : start + batch]).backward()
            optimizer.step()

    return epoch


# torch


class TorchTile:
    """The notebook's idea of a tile in vectorised torch: trains as bits, coincidences as a matrix product, noise, clip."""

    def __init__(self, shape):
        import torch

        self.weight = torch.zeros(shape)
        self.step_up, self.step_down = (DW_MIN * (1 + 0.3 * torch.randn(shape)).abs() for _ in range(2))
        self.w_max, self.w_min = 0.6 * (1 + 0.3 * torch.randn(shape)).abs(), -0.6 * (1 + 0.3 * torch.randn(shape)).abs()

    def update(self, x, d, rate):
        """One pair of vectors."""
        import torch

        scale = math.sqrt(rate / (DW_MIN * BL))
        x_bits = (torch.rand(BL, x.numel()) < x.abs() * scale).float()
        d_bits = (torch.rand(BL, d.numel()) < d.abs() * scale).float()
        count = d_bits.T @ x_bits
        up = (d.sign()[:, None] * x.sign()[None, :]) < 0
        size, sign = torch.where(up, self.step_up, self.step_down), torch.where(up, 1.0, -1.0)
        move = size * (sign * count + 0.3 * count.sqrt() * torch.randn_like(count))
        self.weight = torch.clamp(self.weight + move, self.w_min, self.w_max)


def torch_update(shape, x, d, rate):
    """One update of a batch, one vector after another."""
    import torch

    tile, x, d = TorchTile(shape), *(torch.tensor(jax.device_get(v)).reshape(-1, v.shape[-1]) for v in (x, d))

    def call():
        for one_x, one_d in zip(x, d, strict=True):
            tile.update(one_x, one_d, rate)

    return call


def torch_svd_step(target):
    """The notebook's step on such a tile."""
    import torch

    tile, target = TorchTile(target.shape), torch.tensor(jax.device_get(target))

    def step():
        u, s, v = torch.linalg.svd(tile.weight - target, full_matrices=False)
        root = torch.sqrt(s[0])
        tile.update(root * v[0], root * u[:, 0], 1.0)

    return step


# JAX, naively


def naive_cells(shape, key):
    """Weights, steps and bounds."""
    keys = jr.split(key, 4)
    up, down, high, low = (jnp.abs(1 + 0.3 * jr.normal(k, shape)) for k in keys)
    return jnp.zeros(shape), DW_MIN * up, DW_MIN * down, 0.6 * high, -0.6 * low


@functools.partial(jax.jit, donate_argnums=0)
def naive_update(weight, cells, x, d, rate, key):
    """One pair of vectors, as one would write it down."""
    step_up, step_down, w_max, w_min = cells
    x_key, d_key, noise_key = jr.split(key, 3)
    scale = jnp.sqrt(rate / (DW_MIN * BL))
    x_bits = (jr.uniform(x_key, (BL, x.size)) < jnp.abs(x) * scale).astype(jnp.float32)
    d_bits = (jr.uniform(d_key, (BL, d.size)) < jnp.abs(d) * scale).astype(jnp.float32)
    count = d_bits.T @ x_bits
    up = jnp.sign(d)[:, None] * jnp.sign(x)[None, :] < 0
    size, sign = jnp.where(up, step_up, step_down), jnp.where(up, 1.0, -1.0)
    move = size * (sign * count + 0.3 * jnp.sqrt(count) * jr.normal(noise_key, count.shape))
    return jnp.clip(weight + move, w_min, w_max)
