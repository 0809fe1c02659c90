"""aihwkit's layers and optimizer train through the bridge."""

import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim import AnalogSGD

from bridge import RPUConfigWithProgram


def test_linear_layer_trains_with_the_default_configuration():
    layer = AnalogLinear(4, 2, rpu_config=RPUConfigWithProgram())
    optimizer = AnalogSGD(layer.parameters(), lr=0.1)
    x = torch.randn(10, 4)
    y = x @ torch.rand(4, 2) * 0.2
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.mean((layer(x) - y) ** 2)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.1 * sum(losses[:10])
