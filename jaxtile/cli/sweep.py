"""`jaxtile sweep`: a study from a file, into a store; `jaxtile plot`: figures from a
store.
"""

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

from .. import compensation, half_select, plot, pulse, targets
from .._types import Key, is_whole
from ..periphery import IOParameters
from ..sweeping import Programming, load, sweep
from ..tile import TileConfig
from .devices import device_of, makers
from .figure import ENDINGS, save_figure
from .program import METHODS
from .refusal import Refusal, check_file, check_name, refusals

__all__ = ["Plot", "Sweep"]

PULSES = makers(pulse, pulse.AbstractPulse)
MODELS = makers(half_select, half_select.AbstractHalfSelect)
HELPERS = makers(compensation, compensation.AbstractCompensation)
_NUMBERS = ("seed", "chips", "seeds", "zipped", "steps", "tolerance", "compensation", "record")
_TABLES = ("target", "device", "pulse", "half_select", "forward", "backward", "method", "over")


@dataclasses.dataclass
class Sweep:
    """Run a study: methods over numbers, chips and targets, into a store that an
    interrupted run goes on with.
    """

    study: Annotated[Path, tyro.conf.Positional]
    """The study, a .toml file; docs/sweep.md describes it."""
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
        store = self.study.with_suffix(".zarr") if self.store is None else self.store
        with refusals():
            arguments = _read(self.study)
        with refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # `unreachable` counts what a warning would say of each target
            data = sweep(**arguments, store=store, width=self.width, allow_versions=self.allow_versions, progress=True)
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


def _read(path: Path) -> dict[str, Any]:
    """The arguments of `sweep` that a study stands for."""
    with path.open("rb") as file, _named(str(path)):
        study = tomllib.load(file)
    for name, value in study.items():
        check_name("table or number", name, (*_NUMBERS, *_TABLES))
        if name in _TABLES and not isinstance(value, dict):
            raise Refusal(f"{path}: {name} = {value!r} must be a table, [{name}].")
    for name, value in study.get("over", {}).items():
        if isinstance(value, dict):
            raise Refusal(
                f'{path}: over.{name} is a table; put the path in quotation marks, as in "half_select.kappa" = [10, 100].'
            )
    devices = study.get("device", {})
    several = bool(devices) and all(isinstance(table, dict) for table in devices.values())
    configs = {name: _config(table, study) for name, table in (devices if several else {"": devices}).items()}
    rest = {name: study[name] for name in ("chips", "seeds", "zipped", "over") if name in study}
    return rest | {
        "run": {name: _run(name, numbers, study) for name, numbers in study.get("method", {"svd": {}, "gdp": {}}).items()},
        "config": configs if several else configs[""],
        "target": _target(dict(study.get("target", {})), path.parent),
        "key": _key("seed", study.get("seed", 0)),
    }


def _config(device: dict[str, Any], study: dict[str, Any]) -> TileConfig:
    kind = device.get("kind", "constant-step")
    parts: dict[str, Any] = {"device": device_of(kind, {name: value for name, value in device.items() if name != "kind"})}
    if "pulse" in study:
        parts["pulse"] = _made("pulse", study["pulse"], PULSES, "stochastic-compressed")
    if "half_select" in study:
        parts["half_select"] = _made("half_select", study["half_select"], MODELS, "constant-ratio")
    for name in ("forward", "backward"):
        if name in study:
            with _named(name):
                parts[name] = IOParameters(**study[name])
    return TileConfig(**parts)


def _made(where: str, table: dict[str, Any], known: dict[str, Callable[..., Any]], default: str) -> Any:
    """The object that a table of a kind and its parameters stands for."""
    if not isinstance(table, dict):
        raise Refusal(f"{where}={table!r} must be a table: [{where}], with its parameters below.")
    kind = table.get("kind", default)
    check_name(f"{where}: kind", kind, known)
    with _named(where):
        return known[kind](**{name: value for name, value in table.items() if name != "kind"})


def _run(method: str, numbers: dict[str, Any], study: dict[str, Any]) -> Programming:
    options = {"max_steps" if name == "steps" else name: study[name] for name in ("steps", "tolerance", "record") if name in study}
    if study.get("compensation", "none") != "none":
        options["compensation"] = _made("compensation", {"kind": study["compensation"]}, HELPERS, "")
    return Programming(_made(f"method.{method}", numbers, METHODS, method), **options)


def _target(table: dict[str, Any], folder: Path) -> Any:
    if "file" in table:
        return targets.load(folder / table["file"], table.get("name"))
    shape = (table.pop("rows", 64), table.pop("cols", 64))
    key = _key("target.seed", table.pop("seed", 0))
    with _named("target"):
        make: Callable[..., Any] = targets.low_rank
        return make(shape, table.pop("rank", 8), key=key, **table)


def _key(name: str, seed: Any) -> Key:
    if not is_whole(seed, 0) or seed >= 2**31:
        raise Refusal(f"{name} = {seed!r} must be a whole number of at least 0 and at most {2**31 - 1}.")
    return jax.random.key(seed)


@contextlib.contextmanager
def _named(where: str):
    """Say where in the study a word is wrong."""
    try:
        yield
    except (TypeError, tomllib.TOMLDecodeError) as error:
        raise Refusal(f"{where}: {error}") from error
