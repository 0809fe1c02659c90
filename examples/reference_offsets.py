"""What a wrong reference costs each algorithm: the setting of Rasch et al., Nat. Commun. 15:7133 (2024), Fig. 4.

One layer learns the matrix of a teacher from Gaussian inputs. The error is the spread of the weights around the teacher's. It
depends on the number of states of the devices, and on how far references lie from symmetry points. All states, offsets and seeds
of an algorithm are lanes of one program.
"""

# %% Size
import os
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import matplotlib.pyplot as plt
import numpy as np

import jaxtile as jt

SMALL = bool(os.environ.get("JAXTILE_SMALL"))  # as in the tests
states = (20.0,) if SMALL else (10.0, 20.0, 50.0, 100.0, 200.0)
offsets = (0.0, 0.5) if SMALL else (0.0, 0.05, 0.1, 0.5)
seeds, inputs, size = (4, 1000, 6) if SMALL else (10, 10000, 20)
RATE, READ_EVERY, SLOTS, FLIPS, VECTORS_A_STEP = 0.1, 5.0, 5, 0.1, 200.0
TEACHER = jnp.clip(0.3 * jr.normal(jr.key(5), (size, size)), -1, 1)
DOCS = Path(__file__).parents[1] / "docs"


# %% The devices of the paper's Eq. 4, and its algorithms
def array(n_states, bounds, **reference):
    """Soft bounds, whose noise is not in proportion to the step; `bounds` is their spread."""
    steps = {"dw_min": 2 / n_states, "dw_min_dtod": 0.3, "dw_min_dtod_log_normal": True, "dw_min_std": 0.3, "up_down_dtod": 0.1}
    return jt.device.SoftBoundsReference(**steps, w_max=1.0, w_min=-1.0, w_max_dtod=bounds, w_min_dtod=bounds, **reference)


def algorithms(n_states, offset):
    slow = array(n_states, 0.0)
    fast = array(n_states, 0.3, subtract_symmetry_point=True, reference_std=offset)
    numbers = {"auto_scale": True, "auto_granularity": VECTORS_A_STEP, "transfer_every": READ_EVERY}
    make = partial(jt.learning.ChoppedTransfer, (fast, slow), transfer_forward=jt.IOParameters(is_perfect=True), **numbers)
    agad = partial(jt.learning.DynamicTransfer, (fast, slow), transfer_forward=jt.IOParameters(is_perfect=True), **numbers)
    return {
        "SGD": lambda: slow,
        "TTv2": lambda: make(in_chop_prob=0.0),
        "c-TTv2": lambda: make(in_chop_prob=FLIPS),
        "c-TTv2, short turns": lambda: make(in_chop_prob=0.3, in_chop_random=False),
        "AGAD": lambda: agad(in_chop_prob=FLIPS),  # a reading counts tail_weightening / period = 0.5 in the mean, the paper's beta
        "AGAD, slow mean": lambda: agad(in_chop_prob=FLIPS, tail_weightening=1.0),
    }


# %% One layer
def learn(name, n_states, offset, key):
    """The error of the weights after all inputs."""
    device = algorithms(n_states, offset)[name]()
    tile = jt.init(jt.TileConfig(device, jt.pulse.StochasticCompressed(desired_bl=SLOTS)), TEACHER.shape, key=key)

    def step(tile, n):
        x = jr.normal(jr.fold_in(jr.key(7), n), (size,))  # the same for all
        d = (tile.weight - TEACHER) @ x
        return jt.update(tile, x, d, learning_rate=RATE, key=jr.fold_in(key, n)), None

    tile, _ = jax.lax.scan(step, tile, jnp.arange(inputs))
    return jnp.std(tile.weight - TEACHER)


# %% All of it
grid = np.array([(n, offset, seed) for n in states for offset in offsets for seed in range(seeds)])
keys = jax.vmap(jr.key)(grid[:, 2].astype(np.uint32))
errors = {}
for name in algorithms(states[0], offsets[0]):
    run = eqx.filter_jit(jax.vmap(partial(learn, name)))
    errors[name] = np.asarray(run(grid[:, 0], grid[:, 1], keys)).reshape(len(states), len(offsets), seeds)
    for n, by_offset in zip(states, errors[name], strict=True):
        print(name, f"{n:g} states:", ", ".join(f"{100 * e:.1f} %" for e in by_offset.mean(-1)), "at offsets", offsets, flush=True)

# %% The figure
fig, axes = plt.subplots(1, len(errors), figsize=(13, 2.8), sharey=True, layout="constrained")
for ax, (name, error) in zip(axes, errors.items(), strict=True):
    for k, offset in enumerate(offsets):
        ax.errorbar(states, 100 * error[:, k].mean(-1), 100 * error[:, k].std(-1), marker=".", label=f"{offset:g}")
    ax.set(title=name, xscale="log", xlabel="number of states", ylim=(0, 60))
axes[0].set_ylabel("error of the weights / %")
axes[-1].legend(title="offset of the reference")
if not SMALL:
    fig.savefig(DOCS / "figures/reference_offsets.png", dpi=120)
