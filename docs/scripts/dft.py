"""Two ways to hold a matrix with both signs, beside CrossSim's published numbers: the table of `docs/explanation/converting.md`.

The discrete Fourier transform of 64 points is written with errors in proportion to the conductance, sigma = 0.25 G, on devices of
on/off ratio 1000, in 8 bits: in pairs of devices (CrossSim's balanced core), and in one device less an offset.
"""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import scipy.linalg
import stored

import jaxtile as jt

ALPHA, RATIO, POINTS = 0.25, 1000.0, 64
PERFECT = jt.IOParameters(is_perfect=True)
CONFIG = jt.TileConfig(jt.device.Ideal(), jt.pulse.NoPulse(), forward=PERFECT, backward=PERFECT)
DFT = scipy.linalg.dft(POINTS)
G_MAX = 25.0
NOISE = jt.noise.StateIndependent(  # only its programming noise is drawn: c_1 r, with no constant term
    converter=jt.noise.NPair(g_max=G_MAX, g_min=G_MAX / RATIO), prog_coeff=(0.0, ALPHA * G_MAX)
)
H = jt.nn.holding
HOLDINGS = {
    "pairs": (H.BitSlices((7,)), 0.21637),
    "digital offset": (H.DigitalOffset(H.BitSlices((8,))), 0.34244),
    "offset column": (H.OffsetColumn(H.BitSlices((8,))), None),
    "pairs, 4 slices of 2 bits": (H.BitSlices((2, 2, 2, 2)), None),
}


def errors(holding, chips):
    """Mean |dW| of each chip: of the real and the imaginary part together."""
    rule = jt.nn.Rule(CONFIG, mapping=jt.nn.Mapping(holding=holding))
    parts = [jnp.asarray(part, jnp.float32) for part in (DFT.real, DFT.imag)]

    @jax.jit
    @jax.vmap
    def error(key):
        model = [rule.place(part, key=key) for part in parts]
        model = jt.nn.apply_programming_noise(model, NOISE, key=key)
        real, imaginary = (layer.to_digital().weight - part for layer, part in zip(model, parts, strict=True))
        return jnp.mean(jnp.hypot(real, imaginary))

    return error(jr.split(jr.key(0), chips))


def small():
    return {name: stored.mean(errors(holding, 8)) for name, (holding, _) in HOLDINGS.items()}


def full():
    lines = ["| held as | mean of &#124;dW&#124; over 200 chips | of one chip, spread | CrossSim, one chip |", "|---|---|---|---|"]
    for name, (holding, theirs) in HOLDINGS.items():
        found = np.asarray(errors(holding, 200))
        middle, error = stored.mean(found)
        lines.append(f"| {name} | {middle:.4f} +- {error:.4f} | {found.std(ddof=1):.4f} | {theirs or ''} |")
    print("\n".join(lines))
    stored.replace("explanation/converting.md", "dft", "\n".join(lines))


if __name__ == "__main__":
    stored.run(small, full)
