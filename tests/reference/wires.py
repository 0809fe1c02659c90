"""Currents of a crossbar with wires, by badcrossbar 1.1.0 (Joksas and Mehonic, SoftwareX 12, 100617, 2020).

Its metadata ask for Cairo, which it draws with and computes without, so no extra installs it and
its currents are stored. Written by

    pip install --no-deps badcrossbar==1.1.0 && pip install scipy pathvalidate sigfig
    PYTHONPATH=tests python tests/reference/wires.py
"""

from pathlib import Path

import numpy as np

R_IN, R_OUT = 100.0, 50.0  # ohms of a segment of an input line, of an output line
STORED = Path(__file__).with_name("wires.csv")


def array() -> tuple[np.ndarray, np.ndarray]:
    """Conductances [out, in] in uS, and three vectors of voltages [3, in]."""
    rng = np.random.default_rng(0)
    g = rng.uniform(0, 25, (16, 24))
    g[1, 2] = 1e-6
    return g, rng.uniform(-0.3, 0.3, (3, 24))


def currents() -> np.ndarray:
    """Currents [3, out] at the ADCs, uA."""
    return np.loadtxt(STORED, delimiter=",")


if __name__ == "__main__":
    import badcrossbar

    g, volts = array()
    # There, outputs leave after the last row of inputs.
    solution = badcrossbar.compute(volts[:, ::-1].T, 1e6 / g.T[::-1], r_i_word_line=R_IN, r_i_bit_line=R_OUT)
    np.savetxt(STORED, solution.currents.output * 1e6, delimiter=",", fmt="%.17g")
