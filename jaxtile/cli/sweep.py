"""`jaxtile sweep`: a study from a file, into a store; `jaxtile plot`: figures from a store."""

import contextlib
import dataclasses
import sys
import tomllib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import jax
import tyro
from rich.console import Console

from .. import compensation, half_select, plot, programming, targets
from ..sweep import Programming, load, sweep
from ..tile import TileConfig
from .devices import device_of
from .figure import ENDINGS, save_figure
from .refusal import Refusal, check_file, check_name, refusals

__all__ = ["Plot", "Sweep"]

METHODS = {"gdp": programming.GDP, "svd": programming.SVD}
_TABLES = ("target", "device", "half_select", "method", "over")
_KNOWN = {
    "seed",
    "chips",
    "seeds",
    "zipped",
    "steps",
    "tolerance",
    "target",
    "device",
    "half_select",
    "compensation",
    "method",
    "over",
}


@dataclasses.dataclass
class Sweep:
    """Run a study: methods over numbers, chips and targets, into a store that an interrupted run goes on with."""

    study: Annotated[Path, tyro.conf.Positional]
    """The study, a .toml file; docs/sweep.md describes it."""
    store: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Where the results go. None: beside the study, with the ending .zarr."""
    width: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Tiles in a block. None: as many as fit into memory, at most 256."""

    def run(self) -> int:
        """Run the command; the exit code."""
        store = self.study.with_suffix(".zarr") if self.store is None else self.store
        with refusals():
            arguments = _read(self.study)
        with refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `unreachable` counts what a warning would say of each target
            data = sweep(**arguments, store=store, width=self.width, progress=True)
        console = Console(highlight=False)
        console.print(f"{dict(data.sizes)}")
        console.print(f"Results: {store}. Plot them with: jaxtile plot {store}")
        return 0


@dataclasses.dataclass
class Plot:
    """Plot the results in a store."""

    store: Annotated[Path, tyro.conf.Positional]
    """A store that `jaxtile sweep` has written."""
    quantity: Annotated[str, tyro.conf.arg(metavar="NAME")] = "frobenius_error"
    """What to plot."""
    against: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The dimension along the axis. None: the first number that was swept."""
    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("sweep.png")
    """Where to save the plot (.png, .pdf or .svg)."""

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


def _read(path: Path) -> dict[str, Any]:
    """The arguments of `sweep` that a study stands for."""
    with path.open("rb") as file, _named(str(path)):
        study = tomllib.load(file)
    for name, value in study.items():
        check_name("table or number", name, _KNOWN)
        if name in _TABLES and not isinstance(value, dict):
            raise Refusal(f"{path}: {name} = {value!r} must be a table, [{name}].")
    for name, value in study.get("over", {}).items():
        if isinstance(value, dict):
            raise Refusal(
                f'{path}: over.{name} is a table; put the path in quotation marks, as in "half_select.kappa" = [10, 100].'
            )
    device, cell = dict(study.get("device", {})), study.get("half_select")
    kind = device.pop("kind", "constant-step")
    with _named("half_select"):
        disturbed = None if cell is None else half_select.ConstantRatio(**cell)
    rest = {name: study[name] for name in ("chips", "seeds", "zipped", "over") if name in study}
    return rest | {
        "run": {name: _run(name, numbers, study) for name, numbers in study.get("method", {"svd": {}, "gdp": {}}).items()},
        "config": TileConfig(device=device_of(kind, device), half_select=disturbed),
        "target": _target(dict(study.get("target", {})), path.parent),
        "key": jax.random.key(study.get("seed", 0)),
    }


def _run(name: str, numbers: dict[str, Any], study: dict[str, Any]) -> Programming:
    kind = numbers.get("kind", name)
    check_name("method", kind, METHODS)
    with _named(f"method.{name}"):
        method = METHODS[kind](**{key: value for key, value in numbers.items() if key != "kind"})
    helper = study.get("compensation", "none")
    check_name("compensation", helper, ("none", "gain"))
    return Programming(
        method,
        max_steps=study.get("steps", 100),
        tolerance=study.get("tolerance", 1e-2),
        compensation=compensation.Gain() if helper == "gain" else None,
    )


def _target(table: dict[str, Any], folder: Path) -> Any:
    if "file" in table:
        return targets.load(folder / table["file"], table.get("name"))
    shape = (table.pop("rows", 64), table.pop("cols", 64))
    key = jax.random.key(table.pop("seed", 0))
    with _named("target"):
        make: Callable[..., Any] = targets.low_rank
        return make(shape, table.pop("rank", 8), key=key, **table)


@contextlib.contextmanager
def _named(where: str):
    """Say where in the study a word is wrong."""
    try:
        yield
    except (TypeError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"{where}: {error}") from error
