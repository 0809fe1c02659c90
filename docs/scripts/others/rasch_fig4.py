"""Weight errors of algorithms whose references are off: Rasch et al. (2024), Fig. 4, at 20 states.

The setting is that of `examples/reference_offsets.py`: its cells are run up to the one that sweeps.
"""

from functools import partial

import base
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

EXAMPLE = stored.ROOT / "examples/reference_offsets.py"
STATES, OFFSETS, SEEDS = 20.0, (0.0, 0.1, 0.5), 10
PUBLISHED = {"SGD": "> 25 / – / –", "TTv2": "5 / 9 / –", "c-TTv2": "as TTv2 without offset", "AGAD": "no effect of offsets"}


def setting():
    """The names that the example defines before its sweep, at its full size."""
    names = {"__file__": str(EXAMPLE)}
    exec(EXAMPLE.read_text().split("# %% All of it")[0], names)  # noqa: S102
    return names


def errors(algorithm, offsets, seeds):
    """In percent, of each offset and seed."""
    keys = jax.vmap(jr.key)(jnp.arange(seeds))
    run = jax.vmap(jax.vmap(partial(setting()["learn"], algorithm, STATES), (None, 0)), (0, None))
    return 100 * np.asarray(eqx.filter_jit(run)(jnp.asarray(offsets), keys))


def small():
    return base.Main(5.0, *stored.mean(errors("TTv2", (0.0,), 3)))


def full():
    rows, shown = [], {}
    for name, published in PUBLISHED.items():
        found = base.measure("rasch_fig4", {"algorithm": name}, lambda name=name: {"error": errors(name, OFFSETS, SEEDS)})["error"]
        shown[name] = [base.show(*stored.mean(error), 1) for error in found]
        rows.append([name, published, *shown[name]])
    head = ["algorithm", "published, percent", *(f"offset {offset:g}" for offset in OFFSETS)]
    return {
        "result": "[Wrong references](#wrong-references): error of the weights at 20 states, percent: SGD; TTv2 at offsets 0 / 0.1",
        "source": "Rasch 2024, Fig. 4 and text",
        "published": "> 25; 5 / 9",
        "ours": f"{shown['SGD'][0]}; {' / '.join(shown['TTv2'][:2])}",
        "aihwkit": "–",
        "verdict": "agrees, but at 0.1: see there",
    }, base.table(head, rows)


if __name__ == "__main__":
    base.run(small, full)
