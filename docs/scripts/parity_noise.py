"""Measure how well every noise model agrees with aihwkit's, and write the table of `docs/explanation/noise.md`.

    python docs/scripts/parity_noise.py

Each function measures one thing for one model; the tests call them with smaller samples.
"""

from importlib.metadata import version

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import stored
import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.custom import StateIndependentNoiseModel
from aihwkit.inference.noise.hermes import HermesNoiseModel
from aihwkit.inference.noise.pcm import CustomDriftPCMLikeNoiseModel, PCMLikeNoiseModel
from aihwkit.inference.noise.reram import ReRamCMONoiseModel, ReRamWan2022NoiseModel
from scipy.stats import ks_2samp

from bridge import noise_model_of
from jaxtile._random import Draws, arange, cell_index

DRIFT = {"g_lst": [0.0, 10.0, 25.0], "nu_mean_lst": [0.1, 0.06, 0.05], "nu_std_lst": [0.04, 0.01, 0.02]}
MODELS = {
    "PCM": PCMLikeNoiseModel,
    "PCM, 30 uS, other numbers": lambda: PCMLikeNoiseModel(
        g_max=30.0, t_0=5.0, t_read=1e-6, prog_noise_scale=1.5, drift_scale=0.8, read_noise_scale=1.3
    ),
    "PCM, g_min": lambda: PCMLikeNoiseModel(g_converter=SinglePairConductanceConverter(g_max=25.0, g_min=5.0)),
    "CustomDriftPCM": lambda: CustomDriftPCMLikeNoiseModel(DRIFT),
    "Hermes": HermesNoiseModel,
    "HermesOneDevice": lambda: HermesNoiseModel(num_devices=1),
    "StateIndependent": StateIndependentNoiseModel,
    "ReRAMWan2022": ReRamWan2022NoiseModel,
    "ReRAMCMO": lambda: ReRamCMONoiseModel(acceptance_range=2),
    "ReRAMCMO, 0.2 %": ReRamCMONoiseModel,
}
TIMES = (1.0, 86400.0, 172800.0)
LEVELS = 10
SEED = 7
MARK = "measured by scripts/parity_noise.py"


def levels(model, number: int) -> np.ndarray:
    """Conductances over the range of the devices, each many times."""
    span = np.linspace(model.g_converter.g_min, model.g_converter.g_max, LEVELS)
    return np.repeat(span[:, None], number, axis=1).astype(np.float32)


def there(name: str, number: int) -> list[np.ndarray]:
    """aihwkit's conductances after the write, and at each time."""
    torch.manual_seed(SEED)
    model = MODELS[name]()
    target = torch.tensor(levels(model, number))
    programmed, coefficient = model.apply_programming_noise_to_conductance(target), model.generate_drift_coefficients(target)
    aged = [model.apply_drift_noise_to_conductance(programmed, coefficient, time) for time in TIMES]
    return [np.asarray(g, np.float64) for g in (programmed, *aged)]


def here(name: str, number: int) -> list[np.ndarray]:
    """The same of jaxtile's model, as compatible as it gets."""
    theirs = MODELS[name]()
    model = noise_model_of(theirs, aihwkit_compatible=True)
    target = jnp.asarray(levels(theirs, number))

    def draws(n: int) -> Draws:
        return Draws(jr.key(SEED + n), cell_index(LEVELS, arange(number), number))

    programmed, coefficient = model.program(target, draws(0)), model.drift_coefficient(target, draws(0))
    age = jax.jit(lambda time, draws: model.age(target, programmed, coefficient, time, draws))
    return [np.asarray(g, np.float64) for g in (programmed, *(age(time, draws(n + 1)) for n, time in enumerate(TIMES)))]


def moments(name: str, number: int) -> dict[str, float]:
    """Samples of both engines: `number` devices at each of ten conductances, written, and at three times.

    Returns:
        mean, std: the largest difference of a mean and of a variance, in standard errors.
        p: the smallest p-value of a two-sample Kolmogorov-Smirnov test.
    """
    means, variances, ps = [], [], []
    for a, b in zip(there(name, number), here(name, number), strict=True):
        for s, t in zip(a, b, strict=True):
            fourth = [((v - v.mean()) ** 4).mean() - v.var() ** 2 for v in (s, t)]
            means.append(abs(s.mean() - t.mean()) / np.sqrt((s.var() + t.var()) / number))
            variances.append(abs(s.var() - t.var()) / np.sqrt(sum(fourth) / number))
            ps.append(ks_2samp(s, t).pvalue)
    return {"mean": max(means), "std": max(variances), "p": min(ps)}


def passes(found: dict[str, float]) -> bool:
    """Whether a figure is as good as it must be."""
    return found["mean"] < 4.5 and found["std"] < 4.5 and found["p"] > 1e-5


def write() -> None:
    """Measure everything, and replace the table of the page."""
    rows = ["| model | mean | std | p | pass |", "|---|---|---|---|---|"]
    for name in MODELS:
        found = moments(name, 100_000)
        verdict = "yes" if passes(found) else "no"
        rows.append(f"| {name} | {found['mean']:.1f} | {found['std']:.1f} | {found['p']:.2g} | {verdict} |")
    versions = ", ".join(f"{name} {version(name)}" for name in ("aihwkit", "torch", "jax"))
    note = f" with {versions}, in single precision on the CPU"
    stored.replace("explanation/noise.md", MARK, "\n".join(rows), note=note)


def small():
    """Mean and variance of two models, a thousand devices; both engines are seeded."""
    found = {name: moments(name, 1000) for name in ("PCM", "ReRAMWan2022")}
    return {f"{name}, {key}": f[key] for name, f in found.items() for key in ("mean", "std")}


if __name__ == "__main__":
    stored.run(small, write)
