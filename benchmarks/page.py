"""The parts of the page that the measurements make: each between its mark and the next end; the page has its own words."""

import datetime
from pathlib import Path

from .as_written import ONCE
from .whole_runs import BYTES, WHOLE_RUNS
from .works import WORKS

__all__ = ["parts", "write"]

HEADS = {
    "ratios": "| work | regime | jaxtile | with JAX's draws | rival | ratio | at least | aim | measured |",
    "sides": "| work | side | time | first call takes longer by | a call adds to the peak of memory |",
    "as-written": "| work | written as | time | of the first line | measured |",
}
IN_TURN = "jaxtile, vector by vector"
LIMITS = {
    "gdp": "every cell has a train of its own for every vector: 16 random words, a quarter of the time; reading takes a third",
    "svd": (
        "products with a block of eight vectors and their decomposition take as long as the pulses; the residual and copies of "
        "the state follow"
    ),
    "half-selection": "each cell adds up what its row and its column sent",
    "many-tiles": (
        "decompositions tile by tile take more than half as long again as the pulses of all cells, half of it in the loop around "
        "LAPACK; products take as long as the pulses"
    ),
    "train-constant-10": (
        "a step of ten samples: the read of 784 x 256 takes 0.16 ms of 0.48, and the rows that pulse, sixteen at a time, 0.06; "
        "trains of all lines, counting their bits and some two hundred small kernels one after another take the rest"
    ),
    "train-soft-10": (
        "the law of the 92 of 256 rows that pulse takes 0.2 ms of a step of 0.72, on one core: some 250 operations a cell, 2.9 ns; "
        "3 % of these cells are pulsed, but to take them out one by one costs more"
    ),
    "update-0.1": "with 17 slots a vector, counting the bits of words takes more than half of the time",
    "update-dense": "with 31 slots a vector, counting the bits of words takes most of the time",
    "train-constant-64": "trains of all lines and the read; a call of `train` itself takes a tenth",
    "train-soft-64": "the pass over the cells, a quarter of a step, and trains of all lines; a call of `train` takes a tenth",
    "scaling": "from some number of tiles on they no longer fit into the caches",
    "command-line": "compiling two methods takes most of the time of a cold run; of the other, tracing them and importing JAX",
}


def write(page: Path, parts: dict[str, str]) -> None:
    """Put parts in their places on the page: of a table the rows that were measured, and the others stay."""
    text = page.read_text()
    for mark, part in parts.items():
        head, start, rest = text.partition(f"<!-- {mark} -->")
        assert start, f"{page} has no place for {mark}"
        old, end, tail = rest.partition("<!-- end -->")
        if mark in HEADS:
            rows = {_key(row): row for row in [*old.strip().splitlines(), *part.splitlines()]}
            part = "\n".join(rows.values())
        text = f"{head}{start}\n\n{part.strip()}\n\n{end}{tail}"
    page.write_text(text)


def _key(row: str) -> tuple[str, ...]:
    """What a row is about: its first two cells."""
    return tuple(cell.strip() for cell in row.split("|")[1:3])


def _table(mark: str, rows: list[str]) -> str:
    return "\n".join([HEADS[mark], (HEADS[mark].count("|") - 1) * "|---" + "|", *rows]) if rows else ""


def parts(found: dict, machine: str) -> dict[str, str]:
    """Markdown of what was found, by the mark of its place; where all works were measured, their limits too."""
    rows, details, whole, short = [], [], "", []
    for name, sides in found.items():
        if name not in WORKS:
            continue
        work = WORKS[name]
        ours, exact = (sides[side]["ms"] for side in ("jaxtile", "jaxtile, JAX's draws"))
        rival = min(work.against, key=lambda side: sides[side]["ms"])
        theirs = sides[rival]["ms"]
        ratio = theirs / ours
        verdict = "aim met" if ratio >= work.aim else "met" if ratio >= work.least else "**missed**"
        short += [name] if ratio < work.aim else []
        rows.append(
            f"| {work.title} | {work.regime} | {_ms(ours)} | {_ms(exact)} | {rival} {_ms(theirs)} | {ratio:.3g} ({verdict}) "
            f"| {work.least:.3g} | {work.aim:.3g} | {datetime.date.today()} |"
        )
        for side, figures in sides.items():
            details.append(f"| {name} | {side} | {_ms(figures['ms'])} | {figures['first_s']:.1f} s | {figures['mib']:.0f} MiB |")
    if "chips" in found:
        (alone, one), (name, each) = found["chips"].items()
        short += ["chips"] if each > 1.3 * one else []
        times = f"{alone} {_ms(one)}, {name} {_ms(each)}, {each / one:.2f} times (at most 1.3)"
        whole += f"\nTraining in one pass, a chip and sample: {times}.\n"
    if "width" in found:
        listed = ", ".join(f"{side}: {_ms(t)}" for side, t in found["width"].items())
        whole += f"\nUpdates in one pass of square tiles (x 20 % on, d 0.01), a vector, by their width: {listed}.\n"
    if "scaling" in found:
        tiles, times, exponent = (found["scaling"][name] for name in ("tiles", "ms", "exponent"))
        listed = ", ".join(f"{n}: {_ms(t)}" for n, t in zip(tiles, times, strict=True))
        short += ["scaling"] if exponent > 1.05 else []
        whole += f"\nVmapped updates of tiles of 64 x 64, by their number: {listed}. Exponent {exponent:.3f} (at most 1.05).\n"
    if "throughput" in found:
        copy, rates = found["throughput"]["copy"], {what: rate for what, rate in found["throughput"].items() if what != "copy"}
        for what, rate in rates.items():
            share = rate * BYTES / copy
            whole += f"\n{what}: {rate:.2g} cell updates a second, {rate * BYTES / 1e9:.3g} GB/s, {share:.0%} of a plain copy's.\n"
    if "command-line" in found:
        cold, cached = (found["command-line"][name] for name in ("cold", "cached"))
        short += ["command-line"] if cold["wall_s"] > 15 or cached["wall_s"] > 6 else []
        walls = f"{cold['wall_s']:.1f} s cold (under 15), {cached['wall_s']:.1f} s with compiled programs cached (6)"
        whole += f"\n`jaxtile program`: {walls}; {cold['cpu_s']:.1f} and {cached['cpu_s']:.1f} s of processor time.\n"
    made = {"ratios": _table("ratios", rows), "sides": _table("sides", details)}
    made["as-written"] = _table("as-written", _as_written(found.get("as-written", {})))
    if found.keys() >= {*WORKS, *WHOLE_RUNS}:
        limits = [f"- *{name}*: {LIMITS.get(name, 'not known yet')}." for name in short]
        made |= {"regimes": _regimes(found), "whole": whole, "limits": "\n".join(limits)}
        made["machine"] = f"The last whole run was on {datetime.date.today()}, on {machine}."
    return {mark: text for mark, text in made.items() if text}


def _as_written(found: dict) -> list[str]:
    """The fastest way to write a work, beside others that users write."""
    rows = []
    for work, sides in found.items():
        best = next(iter(sides.values()))
        for side, value in sides.items():
            time, ratio = (f"{value:.2f} s", "") if work == ONCE else (_ms(value), f"{value / best:.2f}")
            rows.append(f"| {work} | {side} | {time} | {ratio} | {datetime.date.today()} |")
    return rows


def _regimes(found: dict) -> str:
    """Where which ratio to aihwkit holds."""
    names = {"dense": "dense", "few": "update-0.01", "constant": "train-constant-10", "soft": "train-soft-10"}

    def ratio(name: str, side: str = "jaxtile") -> str:
        sides, against = found[name], WORKS[name].against
        return f"{min(sides[rival]['ms'] for rival in against) / sides[side]['ms']:.2g}"

    one, apart = ({key: ratio(name, side) for key, name in names.items() if key != "dense"} for side in ("jaxtile", IN_TURN))
    return (
        f"An update that sends 31 slots to every cell is {ratio('dense')} times as fast as aihwkit's. In training most cells get "
        f'no pulse, and an update is {one["few"]} times as fast in one pass (`order="batch"`), {apart["few"]} times vector by '
        f"vector. A whole training sample, in batches of 10, is {one['constant']} times as fast with constant steps "
        f"({apart['constant']} vector by vector), and {one['soft']} with soft bounds ({apart['soft']})."
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds / 1e3:.3g} s" if milliseconds >= 1e3 else f"{milliseconds:.3g} ms"
