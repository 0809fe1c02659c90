"""`jaxtile sweep`: a study from a file, into a store; `jaxtile plot`: figures from a
store.
"""

import dataclasses
import sys
import warnings
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from .. import plot
from ..sweeping import load, sweep
from .figure import ENDINGS, save_figure
from .refusal import check_file, refusals
from .study import read_study

__all__ = ["Plot", "Sweep"]


@dataclasses.dataclass
class Sweep:
    """Run a study: methods over numbers, chips and targets, into a store that an
    interrupted run goes on with.
    """

    study: Annotated[Path, tyro.conf.Positional]
    """The study, a .toml file; docs/how_to/sweep.md describes it."""
    store: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the results go. None: beside the study, with the ending .zarr."""
    width: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Tiles in a block. None: as many as fit into memory, at most 256."""
    allow_versions: tyro.conf.FlagCreatePairsOff[bool] = False
    """Go on with a store that other versions of jaxtile or jax have written."""

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
            data = sweep(**arguments, store=store, width=self.width, allow_versions=self.allow_versions, progress=True)
        console = Console(highlight=False)
        console.print(f"{dict(data.sizes)}")
        failed = data.attrs["failed_points"]
        if failed:
            console.print(f"{failed} of {data['finite'].size} runs ended with weights that are not finite; their errors are NaN.")
        console.print(f"Results: {store}. Plot them with: jaxtile plot {store}")
        return 0


@dataclasses.dataclass
class Plot:
    """Plot the results in a store."""

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
