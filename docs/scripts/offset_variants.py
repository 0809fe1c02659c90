"""What else was tried beside the table of wrong references in docs/explanation/algorithms.md: other offsets, sizes, lengths, reads.

The setting is that of `examples/reference_offsets.py`, at 20 states. All offsets and seeds of a variant are lanes of one program.

    python docs/scripts/offset_variants.py            # measure, and write the table into the page: about two minutes
    python docs/scripts/offset_variants.py --small    # the small run that is stored beside the page
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored

import jaxtile as jt

PERFECT = jt.IOParameters(is_perfect=True)
STEPS = {"dw_min": 0.1, "dw_min_dtod": 0.3, "dw_min_dtod_log_normal": True, "dw_min_std": 0.3, "up_down_dtod": 0.1}
STEPS |= {"w_max": 1.0, "w_min": -1.0}
NUMBERS = {"auto_scale": True, "auto_granularity": 200.0, "transfer_every": 5.0}


@dataclasses.dataclass(frozen=True)
class Variant:
    """An algorithm, and the task that it learns."""

    offsets: tuple[float, ...]
    kind: type = jt.learning.ChoppedTransfer
    numbers: dict[str, Any] = dataclasses.field(default_factory=lambda: {"in_chop_prob": 0.0})
    forward: jt.IOParameters = PERFECT
    size: int = 20
    inputs: int = 10000
    seeds: int = 10


TTV2 = {"in_chop_prob": 0.0}
VARIANTS = {
    "TTv2": Variant((0.0, 0.1, 0.15, 0.16, 0.2, 0.3)),
    "TTv2, 40 x 40": Variant((0.0, 0.1), size=40),
    "TTv2, four times as many inputs": Variant((0.0, 0.1), inputs=40000),
    "TTv2, noisy forward reads": Variant((0.0, 0.1), forward=jt.IOParameters()),
    "TTv2, the rate of the fast array in that of the buffer (Eq. 14)": Variant(
        (0.0, 0.1), numbers=TTV2 | {"correct_gradient_magnitudes": True}
    ),
    "AGAD, a reading counts a fifth in the mean": Variant(
        (0.0, 0.1), jt.learning.DynamicTransfer, {"in_chop_prob": 0.1, "tail_weightening": 2.0}
    ),
}


def errors(variant: Variant) -> np.ndarray:
    """The spread of the weights around the teacher's: [offset, seed]."""
    shape = (variant.size, variant.size)
    teacher = jnp.clip(0.3 * jr.normal(jr.key(5), shape), -1, 1)

    def learn(offset, key):
        spread = {"w_max_dtod": 0.3, "w_min_dtod": 0.3, "subtract_symmetry_point": True, "reference_std": offset}
        fast, slow = (jt.device.SoftBoundsReference(**STEPS | own) for own in (spread, {"w_max_dtod": 0.0, "w_min_dtod": 0.0}))
        device = variant.kind((fast, slow), transfer_forward=PERFECT, **NUMBERS | variant.numbers)
        config = jt.TileConfig(device, jt.pulse.StochasticCompressed(desired_bl=5), forward=variant.forward)
        tile = jt.init(config, shape, key=key)

        def step(tile, n):
            x, own = jr.normal(jr.fold_in(jr.key(7), n), shape[:1]), jr.fold_in(key, n)
            d = jt.forward(tile, x, key=jr.fold_in(own, 1)) - teacher @ x
            return jt.update(tile, x, d, learning_rate=0.1, key=own), None

        tile, _ = jax.lax.scan(step, tile, jnp.arange(variant.inputs))
        return jnp.std(tile.weight - teacher)

    seeds = jax.vmap(jr.key)(np.arange(variant.seeds, dtype=np.uint32))
    over = jax.vmap(jax.vmap(learn, in_axes=(None, 0)), in_axes=(0, None))
    return np.asarray(eqx.filter_jit(over)(jnp.asarray(variant.offsets), seeds))


def small() -> dict:
    """Few inputs, and a small matrix, of the variants that differ in structure."""
    found = {}
    for name, variant in VARIANTS.items():
        if name != "TTv2" and variant.size == 20 and variant.inputs == 10000:
            tiny = dataclasses.replace(variant, size=6, inputs=600, seeds=8, offsets=(0.1,))
            found[name] = stored.mean(errors(tiny))
    return found


def full() -> None:
    """Measure, and write the table into the page."""
    rows = []
    for name, variant in VARIANTS.items():
        found = [stored.mean(100 * each) for each in errors(variant)]
        cells = ", ".join(
            f"{offset:g}: {mean:.1f} ± {error:.1f}" for offset, (mean, error) in zip(variant.offsets, found, strict=True)
        )
        rows.append(f"| {name} | {cells} |")
        print(rows[-1], flush=True)
    head = "| variant | offset: error of the weights in percent |\n|---|---|"
    stored.replace("explanation/algorithms.md", "variants", "\n".join([head, *rows]))


if __name__ == "__main__":
    stored.run(small, full)
