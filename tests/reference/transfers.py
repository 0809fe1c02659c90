"""Algorithms of several arrays in plain NumPy, one vector and one line at a time: the judge of `jaxtile.learning`.

Written from the papers and from aihwkit's measured behaviour, in double precision. Pulses are deterministic, reads perfect.
"""

import numpy as np
from reference.simulator import PHASES


class Array:
    """Devices of constant step: their weights, and the update by pulses that `DeterministicImplicit` computes.

    Trains are planned with `step`; pulses move a weight by `up` and `down` (None: as much), half-selected ones by 1 / kappa of it.
    """

    def __init__(self, shape, step, bound=np.inf, *, up=None, down=None, kappa=np.inf):
        self.weight, self.step, self.bound, self.kappa = np.zeros(shape), step, bound, kappa
        self.up, self.down = step if up is None else up, step if down is None else down

    def update(self, x, d, rate, granularity=None, longest=31, managed=True):
        """Change the weights by about -rate d x^T, in whole steps."""
        g = self.step if granularity is None else granularity
        largest_x, largest_d = np.abs(x).max(), np.abs(d).max()
        if rate == 0 or largest_x == 0 or largest_d == 0:
            return
        needed = rate * largest_x * largest_d / g
        length = min(np.ceil(needed), longest) if managed else longest
        scale, balance = np.sqrt(rate / (g * length)), 1.0
        if managed:
            balance = np.sqrt(largest_x / (largest_d * min(1.0, longest / needed)))
        of_d, of_x = np.minimum(np.abs(d) * scale * balance, 1), np.minimum(np.abs(x) * scale / balance, 1)
        both, rows, columns = np.rint(np.outer(of_d * length, of_x)), np.rint(of_d * length), np.rint(of_x * length)
        moved = np.zeros_like(both)
        for s_d, s_x in PHASES:  # the lines of these signs fire; a cell with one of them is half selected
            fires_d, fires_x = np.sign(d)[:, None] == s_d, np.sign(x)[None, :] == s_x
            full = np.where(fires_d & fires_x, both, 0)
            half = np.where(fires_d, rows[:, None], 0) + np.where(fires_x, columns[None, :], 0) - 2 * full
            moved += (self.up if s_d * s_x < 0 else -self.down) * (full + half / self.kappa)
        self.weight = np.clip(self.weight + moved, -self.bound, self.bound)

    def pulse(self, i, n):
        """Send n, which is -1, 0 or 1 for each cell, to a column: single pulses."""
        self.update(unit(i, self.weight.shape[1]), -n, self.step, longest=1, managed=False)


def unit(i, size):
    return np.eye(size)[i]


def transfer(arrays, xs, ds, rate, *, fast_lr, transfer_lr, every, columns=True, reads=1, routes=None, together=1):
    """Tiki-Taka over any number of arrays; `every[k]` vectors lie between two transfers of array k.

    `routes(v)` are the arrays that lines are carried from, and to, after vector v; by default from each to the next. So many
    vectors are sent `together`, before any transfer that falls due with one of them.
    """
    out, width = arrays[0].weight.shape
    chain = [(k, k + 1) for k in range(len(arrays) - 1)]
    size = width if columns else out
    planned, line = np.mean([array.step for array in arrays]), np.zeros(len(arrays), int)
    for v in range(1, len(xs) + 1):
        for n in range(v - 1, v - 1 + together) if v % together == 1 % together else ():
            arrays[0].update(xs[n], ds[n], fast_lr, planned)
        for k, to in chain if routes is None else routes(v):
            target = arrays[to]
            for _ in range(reads if v % every[k] == 0 else 0):
                i = line[k]
                e = unit(i, size)
                if columns:
                    target.update(e, -arrays[k].weight[:, i], transfer_lr * rate)
                else:
                    target.update(-arrays[k].weight[i], e, transfer_lr * rate)
                line[k] = (i + 1) % size


def chopped(fast, slow, xs, ds, *, fast_lr, scale, period, dynamic=False, tail=5.0):
    """c-TTv2 by columns, one a vector, with signs that turn every `period` passes; `dynamic`: AGAD. Returns the buffer."""
    out, width = fast.weight.shape
    buffer, mean, past = (np.zeros((out, width)) for _ in range(3))
    turned, switched, i, passes = np.zeros(width, bool), np.zeros(width, bool), 0, 0
    share = min(tail / period, 1)
    for x, d in zip(xs, ds, strict=True):
        fast.update(np.where(turned, -x, x), d, fast_lr)
        read = fast.weight[:, i].copy()
        if switched[i]:
            past[:, i], switched[i] = mean[:, i], False
        omega = buffer[:, i] + (-1 if turned[i] else 1) * (read - past[:, i] * dynamic) * scale
        n = np.clip(np.trunc(omega), -1, 1)
        buffer[:, i] = np.where(n != 0, 0, omega)
        mean[:, i] = (1 - share) * mean[:, i] + share * read
        if passes > period or not dynamic:
            slow.pulse(i, n)
        if passes % period + 1 == period:
            turned[i], switched[i] = not turned[i], True
        passes += i == width - 1
        i = (i + 1) % width
    return buffer


def buffered(fast, slow, xs, ds, *, fast_lr, rate, momentum=0.1, filtered=False):
    """TTv2 by columns, one a vector; `filtered`: residual learning, version 2. Returns the buffer."""
    buffer, width, i = np.zeros_like(fast.weight), fast.weight.shape[1], 0
    for x, d in zip(xs, ds, strict=True):
        fast.update(x, d, fast_lr)
        omega = (1 - rate if filtered else 1) * buffer[:, i] + rate * fast.weight[:, i]
        n = np.clip(np.trunc(omega / slow.step), -1, 1)
        buffer[:, i] = np.where(n != 0, omega - n * slow.step if filtered else momentum * omega, omega)
        slow.pulse(i, n)
        i = (i + 1) % width
    return buffer


def e_rider(fast, slow, xs, ds, rate, *, fast_lr, transfer_lr, tracking_rate, turns, reads):
    """E-RIDER by columns, which turn after each reading; otherwise RIDER. Returns the mean, the reference and the signs."""
    width, planned, i = fast.weight.shape[1], (fast.step + slow.step) / 2, 0
    mean, past, sign = np.zeros_like(fast.weight), np.zeros_like(fast.weight), np.ones(width)
    for x, d in zip(xs, ds, strict=True):
        fast.update(sign * x, d, fast_lr, planned)
        for _ in range(reads):
            read = fast.weight[:, i].copy()
            slow.update(unit(i, width), -sign[i] * (read - past[:, i]), transfer_lr * rate)
            mean[:, i] = (1 - tracking_rate) * mean[:, i] + tracking_rate * read
            past[:, i] = mean[:, i]
            sign[i] *= -1 if turns else 1
            i = (i + 1) % width
    return mean, past, sign


def mixed_precision(array, xs, ds, rate, *, batch, rows, together=False):
    """Mixed precision; a transfer comes with the first vector of each batch but the first. Returns the sum.

    The vectors of a batch may be summed up `together`, before the transfer.
    """
    out, _ = array.weight.shape
    chi, row = np.zeros_like(array.weight), 0
    for v in range(len(xs)):
        n = slice(v, v + batch if v % batch == 0 else v) if together else slice(v, v + 1)
        chi += rate * ds[n].T @ xs[n]
        for _ in range(rows if v > 0 and v % batch == 0 else 0):
            n = np.trunc(chi[row] / array.step)
            chi[row] -= n * array.step
            array.update(n, unit(row, out), array.step)
            row = (row + 1) % out
    return chi
