"""`jaxtile sweep`: a study from a file, into a store; `jaxtile status`: how far it
is; `jaxtile plot`: figures from a store.
"""

import dataclasses
import sys
import warnings
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from .. import plot
from ..sweeping import load, progress_of, sweep
from .figure import ENDINGS, save_figure
from .refusal import Refusal, check_file, refusals
from .study import read_study

__all__ = ["Plot", "Status", "Sweep"]


@dataclasses.dataclass
class Sweep:
    """Run a study: methods over numbers, chips and targets. Results go into a store,
    from which an interrupted run goes on.
    """

    study: Annotated[Path, tyro.conf.Positional]
    """The study, a .toml file; docs/how_to/sweep.md describes it."""
    store: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the results go. None: beside the study, with the ending .zarr."""
    width: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Tiles in a block. None: as many as fit into memory, at most 256."""
    part: Annotated[str | None, tyro.conf.arg(metavar="K/N")] = None
    """Run a part only, such as 3/16: the third of sixteen jobs that share the store."""
    allow_versions: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with a store that other versions of jaxtile or jax have written."""

    def _share(self) -> tuple[int, ...] | None:
        """The part, as numbers.

        Raises:
            Refusal: it is none.
        """
        if self.part is None:
            return None
        numbers = self.part.split("/")
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise Refusal(f"--part {self.part} is no part; pass one such as 3/16: the third of sixteen parts.")
        return tuple(map(int, numbers))

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "Blocks that are done are kept in the store; the same command goes on with the others."

    def run(self) -> int:
        """Run the command; the exit code."""
        arguments = read_study(self.study)
        store = self.study.with_suffix(".zarr") if self.store is None else self.store
        with refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `unreachable` counts what a warning would say of each target
            rest = {"width": self.width, "part": self._share(), "allow_versions": self.allow_versions}
            data = sweep(**arguments, store=store, **rest, progress=True)
        console = Console(highlight=False)
        console.print(f"{dict(data.sizes)}")
        failed = data.attrs["failed_points"]
        if failed:
            console.print(f"{failed} of {data['finite'].size} runs ended with weights that are not finite; their errors are NaN.")
        if data.attrs["missing_blocks"]:
            console.print(f"{data.attrs['missing_blocks']} blocks are left to other parts: jaxtile status {store}")
        console.print(f"Results: {store}. Plot them with: jaxtile plot {store}")
        return 0


@dataclasses.dataclass
class Status:
    """Say how far a sweep is: the blocks that are done, and those that are missing."""

    store: Annotated[Path, tyro.conf.Positional]
    """A store that `jaxtile sweep` has written, or is writing."""

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "The same command begins anew."

    def run(self) -> int:
        """Run the command; the exit code."""
        with refusals():
            found = progress_of(self.store)
        console = Console(highlight=False)
        console.print(f"{found.done} of {found.blocks} blocks are done, {found.blocks - found.done} are missing.")
        if found.first is not None and found.last is not None:
            took = f"{(found.last - found.first).total_seconds():.0f} s"
            console.print(
                f"The first was written at {found.first:%Y-%m-%d %H:%M:%S}, the last at {found.last:%H:%M:%S}, {took} later."
            )
        return 0


@dataclasses.dataclass
class Plot:
    """Plot the results in a store, also while it is being written.

    For example:

    - jaxtile plot study.zarr
    - jaxtile plot study.zarr --quantity half_pulses --plot pulses.pdf
    - jaxtile plot study.zarr --against device.dw_min
    """

    store: Annotated[Path, tyro.conf.Positional]
    """A store that `jaxtile sweep` has written."""
    quantity: Annotated[str, tyro.conf.arg(metavar="NAME")] = "frobenius_error"
    """The quantity to plot."""
    against: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The dimension along the axis. None: the first number that was swept."""
    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("sweep.png")
    """Where to save the plot (.png, .pdf or .svg)."""

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "The same command begins anew."

    def run(self) -> int:
        """Run the command; the exit code."""
        check_file("plot", self.plot, ENDINGS)
        with refusals():
            data = load(self.store)
            if data.attrs["missing_blocks"]:
                print(f"jaxtile: {data.attrs['missing_blocks']} blocks are still missing and left out.", file=sys.stderr)
            save_figure(self.plot, {self.store.stem: lambda ax: plot.sweep(data, self.quantity, against=self.against, ax=ax)})
        Console(highlight=False).print(f"Plot: {self.plot}")
        return 0
