"""A crossbar in plain NumPy, one pulse of one cell at a time: the judge of `jaxtile.update`.

Written to be read, not to be fast. It knows what fires and nothing else: no popcounts, no sums over phases. It is fed the trains
(or counts) of a tile, the parameters of its devices and, if wanted, the very normals of its cycle noise.
"""

import numpy as np
from reference.laws import law_of, plain

PHASES = ((+1, +1), (+1, -1), (-1, +1), (-1, -1))  # (sign of d, sign of x), in the order in which they are driven
OTHER = {"up": "down", "down": "up"}


def unpack(words: np.ndarray, n_slots: int) -> np.ndarray:
    """Bits [line, slot] of trains that are packed 32 slots to a word."""
    bits = np.zeros((words.shape[0], n_slots), bool)
    for line in range(words.shape[0]):
        for t in range(n_slots):
            bits[line, t] = (int(words[line, t // 32]) >> (t % 32)) & 1
    return bits


class Crossbar:
    """Devices, their weights, and how many pulses each has seen.

    Attributes:
        weight: [out, in], double precision.
        full, half, idle: pulses at the full voltage, of one line alone, and of neither (under V/3) that each cell has seen,
            {"up": [out, in], "down": [out, in]}.
        row, column: pulses sent by each line, likewise.
        clips: pulses that met a bound.
    """

    def __init__(self, tile, disturb=None, phases: str = "all", scheme: str = "V/2"):
        """disturb(i, j, way, line, chance) is the size of a step at less than the full voltage; None: there are none."""
        self.law = law_of(tile.device, tile.cells)
        self.cells = {name: np.asarray(value, np.float64) for name, value in vars(tile.cells).items()}
        self.weight = np.array(tile.weight, np.float64)
        self.disturb, self.phases, self.scheme = disturb, phases, scheme
        self.full, self.half, self.idle = ({way: np.zeros(tile.shape, int) for way in ("up", "down")} for _ in range(3))
        self.row, self.column = ({way: np.zeros(size, int) for way in ("up", "down")} for size in tile.shape)
        self.clips = 0

    def send_trains(self, x_bits, d_bits, x_sign, d_sign, full_xi=None, half_xi=None, chance=None, length=None) -> None:
        """Send trains of bits [line, slot], slot by slot and sub-phase by sub-phase.

        full_xi(t) and half_xi(t, phase) are the normals [out, in] of the pulses of that slot; None: no cycle noise. chance(t, phase,
        way) are numbers in [0, 1). `length` slots are in use; None: all.
        """
        for t in range(x_bits.shape[1] if length is None else length):
            for p, (s_d, s_x) in enumerate(PHASES):
                if not self._is_driven(s_d, s_x, x_sign, d_sign):
                    continue
                row_fires = d_bits[:, t] & (d_sign == s_d)
                column_fires = x_bits[:, t] & (x_sign == s_x)
                way = "up" if s_d * s_x < 0 else "down"
                self.row[way] += row_fires
                self.column[way] += column_fires
                xi = None if full_xi is None else full_xi(t), None if half_xi is None else half_xi(t, p)
                for i, j in np.ndindex(self.weight.shape):
                    if row_fires[i] and column_fires[j]:
                        self._full_pulse(i, j, way, xi[0])
                    else:
                        line = "row" if row_fires[i] else "column" if column_fires[j] else "idle"
                        felt = OTHER[way] if line == "idle" else way
                        self._weak_pulse(i, j, felt, line, xi[1], None if chance is None else chance(t, p, felt)[i, j])

    def send_counts(self, x_count, d_count, both, x_sign, d_sign, length) -> None:
        """Send numbers of pulses without slots: first every coincidence, then what is left of each phase, line by line."""
        for i, j in np.ndindex(self.weight.shape):
            for _ in range(both[i, j]):
                self._full_pulse(i, j, "up" if d_sign[i] * x_sign[j] < 0 else "down", None)
        for s_d, s_x in PHASES:
            if not self._is_driven(s_d, s_x, x_sign, d_sign):
                continue
            way = "up" if s_d * s_x < 0 else "down"
            for i, j in np.ndindex(self.weight.shape):
                row_pulses = d_count[i] if d_sign[i] == s_d else 0
                column_pulses = x_count[j] if x_sign[j] == s_x else 0
                together = both[i, j] if d_sign[i] == s_d and x_sign[j] == s_x else 0
                row_alone, column_alone = row_pulses - together, column_pulses - together
                for line, count in (("row", row_alone), ("column", column_alone)):
                    for _ in range(count):
                        self._weak_pulse(i, j, way, line, None, None)
                for _ in range(length - row_alone - column_alone - together):
                    self._weak_pulse(i, j, OTHER[way], "idle", None, None)
            self.row[way] += np.where(d_sign == s_d, d_count, 0)
            self.column[way] += np.where(x_sign == s_x, x_count, 0)

    def _is_driven(self, s_d: int, s_x: int, x_sign, d_sign) -> bool:
        return self.phases == "all" or (bool(np.any(d_sign == s_d)) and bool(np.any(x_sign == s_x)))

    def _full_pulse(self, i: int, j: int, way: str, xi) -> None:
        self.full[way][i, j] += 1
        self._move(i, j, way, 1.0, xi)

    def _weak_pulse(self, i: int, j: int, way: str, line: str, xi, chance) -> None:
        if self.disturb is None or (line == "idle" and self.scheme == "V/2"):
            return
        count = self.idle if line == "idle" else self.half
        count[way][i, j] += 1
        self._move(i, j, way, self.disturb(i, j, way, line, chance), xi)

    def _move(self, i: int, j: int, way: str, size: float, xi) -> None:
        cell = {name: value[i, j] if value.ndim else value for name, value in self.cells.items()}
        w = self.weight[i, j]
        step = self.law(cell, w, way, 0.0 if xi is None else float(xi[i, j]))
        moved = w + size * step if way == "up" else w - size * step
        self.weight[i, j] = min(max(moved, cell["w_min"]), cell["w_max"])
        self.clips += self.weight[i, j] != moved


def disturb_of(half_select, half_cells):
    """The law of a disturb model of jaxtile, from its numbers and from what was drawn for each cell."""
    kind, n = type(half_select).__name__, {"V/2": 2, "V/3": 3}[half_select.scheme]
    numbers = {name: plain(value) for name, value in vars(half_select).items() if value is not None}
    cells = None if half_cells is None else np.asarray(half_cells, np.float64)

    if kind == "ConstantRatio":

        def disturb(i, j, way, line, chance):
            kappa = numbers["kappa"] * numbers.get(line, 1.0) * numbers.get(way, 1.0)
            return 1 / (kappa if cells is None else kappa * cells[i, j])

    elif kind == "Sinh":
        u = numbers["voltage"] / numbers["v_0"]

        def disturb(i, j, way, line, chance):
            return np.sinh(u / n) / np.sinh(u)

    elif kind == "Threshold":

        def rate(voltage, threshold):
            return max(voltage / threshold - 1, 0) ** numbers["alpha"]

        def disturb(i, j, way, line, chance):
            slow = rate(numbers["voltage"] / n, cells[i, j])
            return slow and slow / rate(numbers["voltage"], cells[i, j])

    elif kind == "Stochastic":

        def disturb(i, j, way, line, chance):
            return float(chance <= 1 / numbers["kappa"])

    elif kind == "Accumulation":
        counter = {}

        def disturb(i, j, way, line, chance):
            moved = counter.get((i, j), 0) + (1 if way == "up" else -1)
            if abs(moved) > numbers["dead_band"]:
                return 1 / numbers["kappa"]
            counter[i, j] = moved
            return 0.0

    else:
        raise NotImplementedError(f"write the law of {kind} down here, from its definition and not from jaxtile")
    return disturb
