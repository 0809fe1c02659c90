"""`jaxtile program`."""

import contextlib
import dataclasses
import functools
import json
import re
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from .. import plot, programming, targets
from .._paths import as_path
from .._types import Key, Weight
from ..costs import Costs
from ..device import Conductance
from ..half_select import ConstantRatio
from ..programming import RESULTS, AbstractMethod, Solution
from ..programming.program import prepare
from ..programming.run import Run
from ..quantities import RECORD
from ..sweeping.threads import side_by_side
from ..tile import Tile, TileConfig, init
from .devices import kebab, make_device, makers
from .figure import ENDINGS, save_figure
from .refusal import Refusal, check_file, check_name, check_range, check_room, check_whole, refusals, write_whole

__all__ = ["Program", "warnings_as_lines"]

METHODS = makers(programming, AbstractMethod)
BAR = 50  # times that the bar moves
CAPTION = (
    "error: spectral, in weight units, the last one once a run has stopped\npulses: mean per cell\n"
    "%: Frobenius norm of the error at the end, over that of the target"
)
OPTIONS = {
    "more steps (max_steps)": "more --steps",
    "a larger tolerance ends": "a larger --tolerance ends",
    "map them by jaxtile.device.Conductance(g_min, g_max).weight": "pass --g-min and --g-max",
}  # what messages call an option


class Programmed(NamedTuple):
    """The solution of one method, and the seconds that it took."""

    solution: Solution
    compiling: float
    running: float


@dataclasses.dataclass
class Program:
    """Program a matrix into a simulated crossbar; compare methods in a table and a
    plot.

    Without an argument:

    - a random 300 x 500 matrix of rank 20 and spectral norm 3;
    - constant-step devices, no disturb of half-selected cells;
    - GDP against SVD, from weights of zero;
    - 100 pulse steps.
    """

    target: Annotated[str | None, tyro.conf.arg(metavar="FILE[:NAME]")] = None
    """Matrix to program, [out, in]: a .npy, .npz, .safetensors or .csv file. NAME picks one array of several. None: random."""
    g_min: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Conductance of weight -1, in the unit of the target. None: the target holds weights."""
    g_max: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Conductance of weight 1."""
    rows: int = 300
    """Rows of the random matrix."""
    cols: int = 500
    """Columns of the random matrix."""
    rank: int = 20
    """Rank of the random matrix."""
    method: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("gdp", "svd")
    """Programming methods: gdp, svd, power-svd, risk-svd, program-verify."""
    device: Annotated[str, tyro.conf.arg(metavar="NAME")] = "constant-step"
    """Kind of device; `jaxtile devices` lists them."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = ()
    """Parameters of the device, such as dw_min=0.002 w_max=1."""
    kappa: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Half-selected cells move by 1/KAPPA of a step. None: they do not move."""
    steps: int = 100
    """Most pulse steps of each method."""
    tolerance: float = 1e-2
    """Stop when the read error, relative to the largest number read, is below this. 0: never."""
    seed: int = 0
    """Seed of the random matrix, the devices and all noise."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Save target, weights and histories to this .npz file."""
    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("convergence.png")
    """Where to save the plot (.png, .pdf or .svg)."""

    def __post_init__(self) -> None:
        self.method = tuple(map(kebab, self.method))

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "Methods that have ended are shown and saved; the same command begins anew."

    def run(self) -> int:
        """Run the command; the exit code."""
        with refusals():
            self._check()
            half_select = None if self.kappa is None else ConstantRatio(kappa=self.kappa)
            config = TileConfig(device=make_device(self.device, self.set), half_select=half_select)
            target_key, tile_key, run_key = jax.random.split(jax.random.key(self.seed), 3)
            name, target = self._target(target_key)
            tile = init(config, target.shape, key=tile_key)
        with warnings_as_lines():
            runs = {method: self._prepare(method, tile, target, run_key) for method in self.method}
        title = f"{name} on {self.device}" + ("" if self.kappa is None else f", kappa {self.kappa:g}")
        done: dict[str, Programmed] = {}
        # What ends a run early, or one of these, keeps nothing from being shown: the
        # last one comes first.
        with contextlib.ExitStack() as ending:
            ending.callback(self._draw, title, done)
            ending.callback(self._save, target, done)
            ending.callback(self._print, title, target, done)
            for method, run in runs.items():
                done[method] = _program(method, run)
        return int(any(bool(run.solution.result == RESULTS.nonfinite) for run in done.values()))

    def _print(self, title: str, target: Weight, done: dict[str, Programmed]) -> None:
        if not done:
            return
        console = Console(highlight=False)
        console.print(_table(title, target, done, self.steps))
        solutions = {method: run.solution for method, run in done.items()}
        for message in dict.fromkeys(RESULTS[solution.result] for solution in solutions.values()):
            ended_so = [method for method, solution in solutions.items() if RESULTS[solution.result] == message]
            console.print(f"{', '.join(ended_so)}: {_with_options(message)}")
        for method, solution in solutions.items():
            time, energy = _costs(solution)
            console.print(
                f"{method}: the array takes {1e3 * time:.3g} ms and {1e6 * energy:.3g} uJ by the assumptions of jaxtile.Costs; "
                f"the simulation took {done[method].running:.2f} s, and {done[method].compiling:.2f} s to compile."
            )
            if solution.remark is not None:
                console.print(f"{method}: {solution.remark}")

    def _save(self, target: Weight, done: dict[str, Programmed]) -> None:
        if self.out is None or not done:
            return
        arrays = _arrays(target, done, json.dumps(dataclasses.asdict(self), default=str))
        with refusals(f"--out {self.out}"):
            write_whole(self.out, lambda file: np.savez(file, **arrays))
        Console(highlight=False).print(f"Results: {self.out}")

    def _draw(self, title: str, done: dict[str, Programmed]) -> None:
        if not done:
            return
        solutions = {method: run.solution for method, run in done.items()}
        with refusals(f"--plot {self.plot}"):
            save_figure(self.plot, {title: lambda ax: plot.convergence(solutions, ax=ax)})
        Console(highlight=False).print(f"Plot: {self.plot}")

    def _check(self) -> None:
        for name in ("rows", "cols", "rank", "steps"):
            check_whole(name, getattr(self, name), low=1)
        check_whole("seed", self.seed, low=0)
        check_room(f"--steps {self.steps}", self.steps * (len(RECORD) + 1))
        if self.target is None:
            check_room(f"a matrix of {self.rows} x {self.cols}", self.rows * self.cols)
        check_file("plot", self.plot, ENDINGS)
        check_file("out", self.out, (".npz",))
        if not self.method:
            raise Refusal(f"--method needs a name; choose from {', '.join(METHODS)}.")
        for method in self.method:
            check_name("method", method, METHODS)
            if self.method.count(method) > 1:
                raise Refusal(f"--method names {method} twice; its results would have one name.")
        given = [name for name in ("rows", "cols", "rank") if getattr(self, name) != getattr(Program, name)]
        if self.target is not None and given:
            raise Refusal(
                f"--{given[0]} {getattr(self, given[0])} describes the random matrix, but --target {self.target} is given; leave "
                "one of them out."
            )
        check_range(self.g_min, self.g_max)
        if self.target is None and self.g_min is not None:
            raise Refusal("--g-min and --g-max are for a target of conductances; pass one by --target.")
        if self.out is not None and self.target is not None and as_path(self.out, "--out").resolve() == Path(self.target).resolve():
            raise Refusal(f"--out {self.out} is the target; choose another file.")

    def _target(self, key: Key) -> tuple[str, Weight]:
        """The matrix, and what to call it."""
        if self.target is None:
            target = jax.jit(lambda key: targets.low_rank((self.rows, self.cols), self.rank, key=key))(key)
            name = f"rank {self.rank}"
        else:
            path, array = self.target, None
            named = re.match(rf"(.*?({'|'.join(map(re.escape, targets.ENDINGS))})):(.+)", path, re.IGNORECASE | re.DOTALL)
            if named is not None and not Path(path).exists():
                path, _, array = named.groups()
            with np.errstate(over="ignore"):  # `program` refuses what is not finite in single precision
                target = jnp.asarray(targets.load(path, array), float)
            if self.g_min is not None and self.g_max is not None:
                target = jnp.asarray(Conductance(self.g_min, self.g_max).weight(target))
            name = Path(path).name + (f":{array}" if array else "")
        return f"{name}, {target.shape[0]} x {target.shape[1]},", target

    def _prepare(self, method: str, tile: Tile, target: Weight, key: Key) -> Run:
        """The run of a method, refused if it does not go with the tile or the target."""
        with refusals(f"--method {method}"):
            options = {"max_steps": self.steps, "tolerance": self.tolerance, "compensation": None}
            run = prepare(tile, target, METHODS[method](), key=key, record=(*RECORD, "spectral_error"), **options)
            # Traced, not compiled: all that a method refuses, it refuses here.
            eqx.filter_eval_shape(lambda run: run.advance(run.start(), 1), run)
        return run


def _program(method: str, run: Run) -> Programmed:
    begun, max_steps = time.perf_counter(), int(run.max_steps)
    if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
        # Nothing is compiled ahead then.
        solution = eqx.filter_jit(lambda run: run.end(run.advance(run.start(), run.max_steps + 1)))(run)
        return Programmed(solution.cut(max_steps), 0.0, time.perf_counter() - begun)
    state = eqx.filter_jit(Run.start)(run)
    console = Console(stderr=True)
    with console.status(f"{method}: compiling"):
        begun = time.perf_counter()
        # Numbers are arguments, and the bar moves outside: so other numbers find the
        # compiled program in JAX's cache.
        jitted: Any = eqx.filter_jit(Run.advance)
        (advance,) = side_by_side([jitted.lower(run, state, jnp.asarray(0)).compile])
        compiling = time.perf_counter() - begun
    begun = time.perf_counter()
    with Progress(TextColumn(method), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(method, total=max_steps)
        while state.result == RESULTS.running:
            steps = int(state.step)
            bar.update(task, completed=steps)
            state = advance(run, state, jnp.asarray(steps + max(1, max_steps // BAR)))
        bar.update(task, completed=max_steps)
    running = time.perf_counter() - begun
    with jax.debug_nans(False):  # a history is NaN after its end
        return Programmed(eqx.filter_jit(Run.end)(run, state).cut(max_steps), compiling, running)


@contextlib.contextmanager
def warnings_as_lines(where: str = "") -> Iterator[None]:
    """Print warnings on stderr, each once and in one line, after `where`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):  # each once
        print(f"jaxtile: warning: {where}{_with_options(message)}", file=sys.stderr)


def _with_options(message: str) -> str:
    """A message of the library, with the names of options."""
    return functools.reduce(lambda text, name: text.replace(name, OPTIONS[name]), OPTIONS, message)


def _costs(solution: Solution) -> tuple[float, float]:
    """Seconds and joules that the array takes, by the default model."""
    costs = Costs()
    return float(costs.time(solution.stats)), float(costs.energy(solution.stats, solution.tile))


def _table(title: str, target: Weight, runs: dict[str, Programmed], max_steps: int) -> Table:
    at = [step for step in (0, 10, 20, 50, 100) if step < max_steps] + [max_steps]
    table = Table(title=title, caption=CAPTION, box=box.SIMPLE, padding=0)
    table.add_column("method")
    for name in (
        *(f"error\nat {step}" for step in at),
        "\nsteps",
        "full\npulses",
        "half\npulses",
        "error\n(%)",
    ):
        table.add_column(name, justify="right")
    size = float(np.linalg.norm(np.asarray(target, float)))
    for method, run in runs.items():
        stats = {name: float(value) for name, value in run.solution.stats.items()}
        steps = int(stats["steps"])
        errors = [float(run.solution.history["spectral_error"][min(step, steps)]) for step in at]
        numbers = [*map(_short, errors), str(steps), *map(_short, (stats["full_pulses"], stats["half_pulses"]))]
        relative = _short(100 * stats["frobenius_error"] / size) if size else "-"
        table.add_row(method, *numbers, relative)
    return table


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 1e4 else f"{value:.4g}" if value >= 1e-3 else f"{value:.2g}"


def _arrays(target: Weight, runs: dict[str, Programmed], arguments: str) -> dict[str, Any]:
    """Arrays by name: "target", "arguments" (JSON), and of each method, such as svd,
    "svd/weight", "svd/history/..." and so on.
    """
    arrays: dict[str, Any] = {"target": target, "arguments": arguments}
    for method, (solution, _, _) in runs.items():
        arrays[f"{method}/weight"] = solution.weight
        arrays[f"{method}/result"] = RESULTS[solution.result]
        arrays |= {f"{method}/history/{name}": values for name, values in solution.history.items()}
        stats = solution.stats | dict(zip(("time", "energy"), _costs(solution), strict=True))
        arrays |= {f"{method}/stats/{name}": value for name, value in stats.items()}
    return {name: np.asarray(value) for name, value in arrays.items()}
