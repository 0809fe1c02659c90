"""Tests the random numbers and writes docs/records/random_numbers.md.

    python docs/scripts/random_numbers.py

Each test runs on this library's generator and, as a control, on JAX's own. About ten minutes.
"""

from functools import partial

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored
from scipy import stats

from jaxtile._random import bits, following, normal, stream
from jaxtile.pulse.stochastic import bernoulli_words, first_slots

N = 1 << 22  # words of a stream
STREAMS = 16
BASE = jr.key(2026)

OURS = jax.jit(lambda key, count=0: bits(key, jnp.arange(N, dtype=jnp.int32), count))
INDEX = 2 * jnp.arange(N, dtype=jnp.int32)
SERIES = jax.jit(lambda key, count=0: following(bits(key, INDEX), bits(key, INDEX + 1), count))
JAX = jax.jit(lambda key, count=0: jr.bits(jr.fold_in(key, count), (N,), jnp.uint32))


def keys(k: int):
    """Consecutive steps of one run: keys that differ as little as keys do."""
    return stream(BASE, k, 20)


# Pairs of words that a tile uses side by side.
PAIRS = {
    "neighbouring columns": lambda words, k: (words(keys(k))[:-1], words(keys(k))[1:]),
    "neighbouring rows of 512": lambda words, k: (words(keys(k))[:-512], words(keys(k))[512:]),
    "neighbouring rows of 4096": lambda words, k: (words(keys(k))[:-4096], words(keys(k))[4096:]),
    "steps of a run": lambda words, k: (words(keys(2 * k)), words(keys(2 * k + 1))),
    "sources of a step": lambda words, k: (words(stream(BASE, k, 20)), words(stream(BASE, k, 21))),
    "chips of a sweep": lambda words, k: (words(stream(BASE, 2 * k)), words(stream(BASE, 2 * k + 1))),
    "pulses of a burst": lambda words, k: (words(keys(k), 2 * k), words(keys(k), 2 * k + 1)),
}
# Likewise of the series of words that make a pulse train.
IN_SERIES = {
    "digits of a line": lambda words, k: (words(keys(k), k % 16), words(keys(k), k % 16 + 1)),
    "digits two apart": lambda words, k: (words(keys(k), k % 16), words(keys(k), k % 16 + 2)),
    "neighbouring lines": lambda words, k: (words(keys(k), k % 16)[:-1], words(keys(k), k % 16)[1:]),
}


@jax.jit
def agreements(a, b):
    """How often bit i of a is bit j of b, [32, 32]."""
    place = jnp.arange(32, dtype=jnp.uint32)

    def one(i):
        same = ~(((a >> i) & 1)[:, None] ^ ((b[:, None] >> place) & 1)) & 1
        return jnp.sum(same.astype(jnp.int32), axis=0)

    return jax.lax.map(one, place)


@partial(jax.jit, static_argnames="shift")
def pairs_of_bytes(a, b, shift):
    return jnp.zeros(1 << 16, jnp.int32).at[((a >> shift) & 255) * 256 + ((b >> shift) & 255)].add(1)


def bit_pairs(words, pair, streams=4) -> float:
    """p of the largest of 1024 agreements between bits."""
    total = sum(np.asarray(agreements(*pair(words, k)), np.float64) for k in range(streams))
    count = sum(pair(words, k)[0].size for k in range(streams))
    z = np.abs(total - count / 2).max() / np.sqrt(count / 4)
    return 1 - (1 - 2 * stats.norm.sf(z)) ** 1024


def byte_pairs(words, pair, shift) -> float:
    counts = sum(np.asarray(pairs_of_bytes(*pair(words, k), shift), np.float64) for k in range(STREAMS))
    return stats.chisquare(counts).pvalue


def birthdays(words) -> float:
    """Spacings of 4096 birthdays in 2^32 days: repeated ones are Poisson of mean 4."""
    repeated = []
    for k in range(STREAMS):
        days = np.sort(np.asarray(words(keys(k))).reshape(-1, 4096), axis=1)
        spacings = np.sort(np.diff(days, axis=1), axis=1)
        repeated += list((np.diff(spacings, axis=1) == 0).sum(1))
    seen = np.bincount(np.minimum(repeated, 12), minlength=13)
    expected = stats.poisson.pmf(np.arange(13), 4.0)
    expected[12] = stats.poisson.sf(11, 4.0)
    return stats.chisquare(seen, expected * len(repeated)).pvalue


def ranks(words) -> float:
    """P-value of the ranks of binary matrices of 32 words."""
    rows = np.concatenate([np.asarray(words(keys(k)))[: 1 << 19] for k in range(16)]).reshape(-1, 32).copy()
    rank, alive = np.zeros(len(rows), int), rows
    for bit in range(32):
        has = (alive >> bit) & 1
        found = has.any(1)
        pivot = np.where(found, has.argmax(1), 0)
        row = np.where(found, alive[np.arange(len(alive)), pivot], 0).astype(np.uint32)
        alive = alive ^ (has.astype(np.uint32) * row[:, None])  # the pivot's own row becomes zero
        rank += found
    share = np.array([0.2887880951, 0.5775761902, 0.1283502644, 0.0052854502])  # full rank, one less, two less, fewer
    seen = np.bincount(np.minimum(32 - rank, 3), minlength=4)
    return stats.chisquare(seen, share * seen.sum()).pvalue


@partial(jax.jit, static_argnames="draw")
def moments(key, draw):
    z = draw(key)
    tails = jnp.array([jnp.sum((jnp.abs(z) > t).astype(jnp.int32)) for t in (3.0, 4.0, 4.5, 5.0)])
    return jnp.array([jnp.mean(z**n) for n in (1, 2, 3, 4)]), tails, jnp.mean(z[1:] ** 2 * z[:-1] ** 2)


def normals(draw, streams=240) -> tuple[list[str], str]:
    """Moments in standard errors, and tails over what is expected."""
    parts = [moments(stream(BASE, k, 7), draw) for k in range(streams)]
    mean, tails = np.mean([p[0] for p in parts], axis=0, dtype=np.float64), np.sum([p[1] for p in parts], axis=0, dtype=np.float64)
    n = N * streams
    errors = (mean - [0, 1, 0, 3]) * np.sqrt(n / np.array([1, 2, 15, 96]))
    squares = (np.mean([p[2] for p in parts], dtype=np.float64) - 1) * np.sqrt(n / 8)
    expected = np.array([2 * stats.norm.sf(t) * n for t in (3, 4, 4.5, 5)])
    return [f"{e:+.1f}" for e in (*errors, squares)], " ".join(f"{t:.3f}" for t in tails / expected)


OUR_NORMAL = lambda key: normal(key, jnp.arange(N, dtype=jnp.int32))  # noqa: E731
JAX_NORMAL = lambda key: jr.normal(key, (N,))  # noqa: E731


def kolmogorov(draw) -> float:
    z = np.concatenate([np.asarray(jax.jit(draw)(stream(BASE, k, 9))) for k in range(5)])
    return stats.kstest(z, "norm").pvalue


def trains() -> tuple[float, float, float]:
    """p of the counts of 1024 lines over 4000 trains: their means, variances, and covariances of neighbours."""
    p = jnp.asarray(np.random.default_rng(0).uniform(0, 1, 1024) ** 2, jnp.float32)
    slots = first_slots(jnp.asarray(31.0), 31)

    @jax.jit
    def count(k):
        words = bernoulli_words(p, jnp.arange(1024), slots, stream(BASE, k, 16))
        return jax.lax.population_count(words)[:, 0]

    counts = np.stack([np.asarray(count(k), np.float64) for k in range(4000)])
    q = np.asarray(p, np.float64)
    off = counts - 31 * q
    scale = np.sqrt(31 * q * (1 - q))
    used = scale > 0.5
    n, used_off = len(counts), off[:, used] / scale[used]
    mean = stats.chi2.sf(np.sum(used_off.mean(0) ** 2) * n, used.sum())
    kurtosis = 3 + (1 - 6 * q * (1 - q))[used] / (31 * (q * (1 - q))[used])
    variance = stats.chi2.sf(np.sum((np.mean(used_off**2, 0) - 1) ** 2 * n / (kurtosis - 1)), used.sum())
    beside = np.mean(used_off[:, 1:] * used_off[:, :-1], 0)
    return mean, variance, stats.chi2.sf(np.sum(beside**2) * n, beside.size)


def main() -> None:
    rows = ["| test | words | jaxtile | `jax.random` |", "|---|---|---|---|"]
    for (place, pair), ours in [*((item, OURS) for item in PAIRS.items()), *((item, SERIES) for item in IN_SERIES.items())]:
        for name, test in {
            "bits": bit_pairs,
            "high bytes": partial(byte_pairs, shift=24),
            "middle bytes": partial(byte_pairs, shift=12),
            "low bytes": partial(byte_pairs, shift=0),
        }.items():
            rows.append(f"| {name} | {place} | {test(ours, pair):.2g} | {test(JAX, pair):.2g} |")
            print(rows[-1], flush=True)
    for name, test in {"birthday spacings": birthdays, "rank": ranks}.items():
        rows.append(f"| {name} | of a stream | {test(OURS):.2g} | {test(JAX):.2g} |")
    (ours, tails), (theirs, their_tails) = normals(OUR_NORMAL), normals(JAX_NORMAL, streams=48)
    mean, variance, beside = trains()
    stored.replace("records/random_numbers.md", "measured", "\n".join(rows), note=f" with jax {jax.__version__}")
    normals_of_both = (
        f"For {240 * N:.1e} normals, mean, variance, third and fourth moment, and the product of neighbouring squares, in "
        f"standard errors: {', '.join(ours)}; `jax.random`: {', '.join(theirs)} of {48 * N:.0e}. Beyond 3, 4, 4.5 and 5 sigma "
        f"lie {tails} of what is expected ({their_tails}). Kolmogorov and Smirnov's p over {5 * N:.0e}: "
        f"{kolmogorov(OUR_NORMAL):.2g} ({kolmogorov(JAX_NORMAL):.2g}). Normals end at 5.42 sigma."
    )
    of_trains = (
        f"Pulse trains, 1024 probabilities in 4000 trains of 31 slots: p of the means {mean:.2g}, of the variances {variance:.2g}, "
        f"of the covariances of neighbouring lines {beside:.2g}."
    )
    stored.replace("records/random_numbers.md", "normals and trains", f"{normals_of_both}\n\n{of_trains}")


def small():
    """Pairs of bits of short streams, and the mean and variance of some normals."""

    def words(draw):
        return lambda key, count=0: draw(key, count)[: 1 << 14]

    pairs = {f"bits, {name}": bit_pairs(words(OURS), PAIRS[name], streams=1) for name in ("neighbouring columns", "steps of a run")}
    pairs["bits, digits of a line"] = bit_pairs(words(SERIES), IN_SERIES["digits of a line"], streams=1)
    z = normal(stream(BASE, 0, 7), jnp.arange(1 << 14, dtype=jnp.int32))
    return pairs | {"mean of normals": stored.mean(z), "variance of normals": stored.mean(z**2)}


if __name__ == "__main__":
    stored.run(small, main)
