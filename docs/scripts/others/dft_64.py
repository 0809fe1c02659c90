"""DFT-64 of CrossSim's tutorial: errors of a matrix held by pairs of devices, or by one device less an offset."""

import base
import dft
import matplotlib.pyplot as plt
import numpy as np
import stored

CHIPS = 200


def small():
    holding, published = dft.HOLDINGS["pairs"]
    return base.Main(published, *stored.mean(dft.errors(holding, 8)))


def draw(found):
    """The chips, and the one of CrossSim among them."""
    fig, axes = plt.subplots(1, len(found), figsize=(7, 2.5), sharey=True, layout="constrained")
    for ax, (name, (errors, published)) in zip(axes, found.items(), strict=True):
        ax.hist(errors, bins=20, color="C0", label=f"{len(errors)} chips")
        ax.axvline(published, color="C1", label="CrossSim's chip")
        ax.set(title=name, xlabel="mean error of a weight")
    axes[0].set_ylabel("chips")
    axes[-1].legend()
    fig.savefig(base.FIGURES / "dft_64.png", dpi=120)
    plt.close(fig)


def section():
    rows, ours, theirs, drawn = [], [], [], {}
    for name, (holding, published) in dft.HOLDINGS.items():
        if published is None:
            continue
        found = base.measure("dft_64", {"held": name}, lambda holding=holding: {"errors": dft.errors(holding, CHIPS)})["errors"]
        drawn[name] = found, published
        mean, error = stored.mean(found)
        spread = np.std(found, ddof=1)
        ours.append(base.show(mean, error, 4))
        theirs.append(f"{published:.4f}")
        rows.append([name, f"{published:.5f}", ours[-1], f"{spread:.4f}", f"{(published - mean) / spread:+.1f}"])
    draw(drawn)
    head = ["held as", "CrossSim, one chip", f"mean of {CHIPS} chips", "spread of one chip", "CrossSim's chip, in spreads"]
    return {
        "result": "[DFT-64](#dft-64): mean error of a weight, pairs / digital offset",
        "source": "CrossSim, tutorial, part 2",
        "published": " / ".join(theirs),
        "ours": " / ".join(ours),
        "aihwkit": "–",
        "verdict": "agrees: theirs is one chip, within 2.5 spreads of ours",
    }, base.table(head, rows)


if __name__ == "__main__":
    base.run(small, section)
