"""The life of a network on twenty chips: what `chip_digits.py`, `chip_cnn.py` and `chip_transformer.py` have in common.

A network is written into its devices, in one go into phase-change devices or by pulses. Then time passes, and it is read: as it is,
and with one digital factor for each layer that makes up for what all of its devices lose alike.
"""

import os

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
CHIPS = 2 if SMALL else 20
TIMES = {"1 day": 8.64e4} if SMALL else {"1 s": 1.0, "1 h": 3.6e3, "1 day": 8.64e4, "1 month": 2.6e6, "1 year": 3.16e7}

# Phase-change devices, which are written in one go, without pulses.
PCM = jt.nn.Rule(jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse()))

# Soft bounds devices, which pulses write, which disturb half-selected cells, and which drift from the first second on.
_SOFT_BOUNDS = jt.device.SoftBounds(dw_min=0.005, w_max_dtod=0.1, w_min_dtod=0.1)
_DRIFTING = jt.device.Drifting(_SOFT_BOUNDS, nu=0.03, nu_dtod=0.2)
_POOR = jt.half_select.ConstantRatio(kappa=3000.0)
PULSED = jt.nn.Rule(jt.TileConfig(_DRIFTING, half_select=_POOR), mapping=jt.nn.Mapping(omega=0.3))
COSTS = jt.Costs()


def in_one_go(chip, key):
    """The chip after a write without pulses, and the costs of that."""
    return jt.nn.apply_programming_noise(chip, jt.noise.PCM(), key=key), {}


def by_pulses(chip, key):
    """The chip that program and verify has written from zero, and the costs of that."""
    verify = jt.ProgramVerify()
    options = {"max_steps": 20, "tolerance": 0.02, "with_record": True, "record": (), "throw": False}
    written, record = jt.nn.program(chip, verify, key=key, **options)
    pulses = sum(jnp.sum(solution.stats["full_pulses"]) * np.prod(solution.tile.shape) for solution in record.values())
    joules = sum(jnp.sum(COSTS.energy(solution.stats, solution.tile)) for solution in record.values())
    return written, {"pulses": pulses / jt.nn.summary(chip).cells, "joules": joules}


def lives(chip, write, accuracies):
    """Accuracies [chip, time, kind of accuracy], those right after the write, [chip, kind], and costs of each chip.

    `accuracies(old, mended, key)` measures a chip as it is and compensated.
    """

    def life(key):
        write_key, drift_key, read_key = jax.random.split(key, 3)
        written, costs = write(chip, write_key)

        def measure(old):
            mended = jt.nn.compensate(old, written, key=read_key)
            return accuracies(jt.nn.with_key(old, read_key), jt.nn.with_key(mended, read_key), read_key)

        def at(time):
            return measure(jt.nn.drift(written, time, key=drift_key))

        return jax.lax.map(at, jnp.array(list(TIMES.values()))), measure(written), costs

    return jax.jit(lambda keys: jax.lax.map(life, keys))(jax.random.split(jax.random.key(0), CHIPS))


def report(name, chip, kinds, survived, fresh, costs):
    """Print the hardware, the costs and the means over the chips."""
    print(f"{name}:\n{jt.nn.summary(chip)}")
    if costs:
        print(f"{costs['pulses'].mean():.0f} pulses for each cell, {costs['joules'].mean():.2g} J for the network")
    for label, means in zip(("just written", *TIMES), [fresh.mean(axis=0), *survived.mean(axis=0)], strict=True):
        print(f"{label}: " + ", ".join(f"{kind} {mean:.3f}" for kind, mean in zip(kinds, means, strict=True)))
    print(f"spread of the chips, just written: {fresh[:, 0].std():.3f}", flush=True)


def picture(survived, kinds, in_digital):
    """Medians and the middle 80 % of the chips against time: a panel for each way to write or to hold the network."""
    fig, axes = plt.subplots(
        1, len(survived), figsize=(1.5 + 2.5 * len(survived), 3), sharey=True, squeeze=False, layout="constrained"
    )
    seconds = list(TIMES.values())
    for ax, (name, accuracies) in zip(axes[0], survived.items(), strict=True):
        for each, colour, kind in zip(np.moveaxis(accuracies, -1, 0), jt.plot.COLOURS, kinds, strict=False):
            ax.plot(seconds, np.median(each, axis=0), "o-", color=colour, linewidth=1.2, markersize=3, label=kind)
            ax.fill_between(seconds, *np.quantile(each, (0.1, 0.9), axis=0), color=colour, alpha=0.2, linewidth=0)
        ax.axhline(in_digital, color="black", linewidth=0.8, linestyle=":", label="floating point")
        ax.set_xscale("log")
        ax.set_xticks(seconds, list(TIMES), rotation=45)
        ax.minorticks_off()
        ax.set_title(name, fontsize="medium")
    fig.supxlabel("time after the write", fontsize="medium")
    axes[0, 0].set_ylabel(f"accuracy of {CHIPS} chips")
    axes[0, -1].legend(frameon=False, loc="lower left", fontsize="small")
    return fig
