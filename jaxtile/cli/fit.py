"""`jaxtile fit`: devices from the curves of a laboratory."""

import contextlib
import dataclasses
import functools
import inspect
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from .. import plot
from ..device import AbstractDevice, AbstractPulsedDevice, Conductance, Curves
from ..fitting import Fit as Found
from ..fitting import fit
from .devices import DEVICES, make_device
from .figure import ENDINGS, save_figure
from .program import warnings_as_lines
from .refusal import Refusal, check_file, check_name, check_range, check_whole, refusals, write_whole

__all__ = ["Fit"]

KINDS = {name: make for name, make in DEVICES.items() if inspect.isclass(make) and getattr(make, "response", ())}
SHOWN = 20  # devices in the table


@dataclasses.dataclass
class Fit:
    """Fit kinds of devices to measured curves; compare them, and print the device for
    `jaxtile program` and for studies.
    """

    curves: Annotated[Path, tyro.conf.Positional]
    """A text file with one line for each measurement.
    The column "pulse" says what was sent before it: 1 up, -1 down, n for n pulses, empty for a start.
    The other columns hold the readings, one column for each device."""
    device: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ("constant-step", "linear-step", "soft-bounds")
    """Kinds of devices; the one with the lowest AIC is printed."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = ()
    """Parameters of all these kinds, such as w_max=1: a start for those that are estimated, the value of the others."""
    parameters: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Parameters to estimate besides the noise. None: those that pulses determine."""
    read_std: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Read noise, in weight units, if it is known."""
    g_min: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Conductance of weight -1, in the unit of the file. None: the file holds weights."""
    g_max: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """Conductance of weight 1."""
    steps: int = 100
    """Most steps of the search."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Save estimates, standard errors and curves to this .npz file."""
    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("fit.png")
    """Where to save the plot (.png, .pdf or .svg)."""

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "Kinds that have been fitted are shown and saved; the same command begins anew."

    def run(self) -> int:
        """Run the command; the exit code."""
        with refusals():
            self._check()
            starts: dict[str, Any] = {name: self._start(name) for name in self.device}
            curves = Curves.from_csv(self.curves)
            weights = curves.weights
            if self.g_min is not None and self.g_max is not None:
                weights = Conductance(self.g_min, self.g_max).weight(weights)
        done: dict[str, Found] = {}
        failed: dict[str, Refusal] = {}
        with contextlib.ExitStack() as ending:
            ending.callback(self._draw, done)
            ending.callback(self._save, curves, done)
            ending.callback(self._print, curves, done)
            for n, (name, start) in enumerate(starts.items(), 1):
                try:
                    with (
                        warnings_as_lines(f"{name}: "),
                        refusals(name),
                        Console(stderr=True).status(f"{name} ({n} of {len(starts)})"),
                    ):
                        options: dict[str, Any] = {"read_std": self.read_std, "max_steps": self.steps}
                        done[name] = fit(start, weights, curves.pulses, parameters=self.parameters or None, **options)
                except Refusal as refusal:
                    failed[name] = refusal
            if not done:
                raise next(iter(failed.values()))
        for refusal in failed.values():
            print(f"jaxtile: {refusal}", file=sys.stderr)
        return 0

    def _start(self, kind: str) -> AbstractDevice:
        """The device that the search starts from. Bounds that it does not move, and that
        nobody set, are the ends of the range of conductances.
        """
        ends = () if self.g_min is None else (("w_min", -1), ("w_max", 1))
        response: tuple[str, ...] = getattr(KINDS[kind], "response")  # noqa: B009  declared by pulsed devices, which all kinds are
        known = {*response, *(setting.partition("=")[0] for setting in self.set)}
        return make_device(kind, (*(f"{name}={end}" for name, end in ends if name not in known), *self.set))

    def _check(self) -> None:
        check_whole("steps", self.steps, low=1)
        check_file("plot", self.plot, ENDINGS)
        check_file("out", self.out, (".npz",))
        check_range(self.g_min, self.g_max)
        if not self.device:
            raise Refusal(f"--device needs a name; choose from {', '.join(KINDS)}.")
        for name in self.device:
            check_name("kind of device to fit", name, KINDS)

    def _print(self, curves: Curves, done: dict[str, Found]) -> None:
        if not done:
            return
        console, best = Console(highlight=False, soft_wrap=True), _best(done)
        console.print(_comparison(done))
        console.print(_estimates(f"{best}, the lowest AIC" if len(done) > 1 else best, curves, done[best]))
        if len(curves.names) == 1:
            console.print("One device says nothing of a spread: _dtod is 0, and a chip of this device is of clones.")
        settings = _settings(best, done[best].device)
        console.print(f"\njaxtile program --device {best} --set {' '.join(f'{name}={value}' for name, value in settings.items())}")
        console.print(f'\n\\[device]\nkind = "{best}"')
        for name, value in settings.items():
            console.print(f"{name} = {value}")
        console.print()

    def _save(self, curves: Curves, done: dict[str, Found]) -> None:
        if self.out is None or not done:
            return
        arrays: dict[str, Any] = {"names": np.asarray(curves.names), "pulses": curves.pulses}
        for kind, found in done.items():
            parts = {name: getattr(found, name) for name in ("weights", "response", "residuals", "converged", "log_likelihood")}
            parts |= {f"estimates/{name}": value for name, value in found.estimates.items()}
            parts |= {f"standard_errors/{name}": value for name, value in found.standard_errors.items()}
            arrays |= {f"{kind}/{name}": np.asarray(value) for name, value in parts.items()}
        out = self.out
        with refusals(f"--out {out}"):
            write_whole(out, lambda file: np.savez(file, **arrays))
        Console(highlight=False).print(f"Results: {out}")

    def _draw(self, done: dict[str, Found]) -> None:
        if not done:
            return
        panels = {}
        for name, found in done.items():
            panels[name] = functools.partial(_draw_curves, found)
            panels[f"{name}: residuals"] = functools.partial(_draw_residuals, found)
        with refusals(f"--plot {self.plot}"):
            save_figure(self.plot, panels)
        Console(highlight=False).print(f"Plot: {self.plot}")


def _draw_curves(found: Found, ax) -> None:
    plot.fit(found, devices=range(min(3, len(found.weights))), ax=ax)


def _draw_residuals(found: Found, ax) -> None:
    plot.residuals(found, ax=ax)


def _best(done: dict[str, Found]) -> str:
    """The kind with the lowest AIC of all devices together."""
    return min(done, key=lambda name: float(np.sum(done[name].aic)))


def _comparison(done: dict[str, Found]) -> Table:
    table = Table(box=box.SIMPLE, padding=0, caption="AIC: of all devices together; the lower, the better")
    table.add_column("kind")
    for name in ("converged", "parameters", "log likelihood\nper measurement", "AIC"):
        table.add_column(name, justify="right")
    for name, found in done.items():
        each = float(np.sum(found.log_likelihood)) / max(int(np.sum(found.counted)), 1)
        converged = f"{int(np.sum(found.converged))} of {len(found.weights)}"
        table.add_row(name, converged, str(found.unknowns), f"{each:.4f}", f"{float(np.sum(found.aic)):.1f}")
    return table


def _estimates(title: str, curves: Curves, found: Found) -> Table:
    left = len(curves.names) - SHOWN
    table = Table(title=title, box=box.SIMPLE, padding=0, caption=f"and {left} more" if left > 0 else None)
    table.add_column("device")
    for name in found.estimates:
        table.add_column(name, justify="right")
    for n, name in enumerate(curves.names[:SHOWN]):
        values = (f"{float(found.estimates[key][n]):.4g}\n+- {float(found.standard_errors[key][n]):.2g}" for key in found.estimates)
        table.add_row(name if bool(found.converged[n]) else f"{name}\nnot converged", *values)
    return table


def _settings(kind: str, device: AbstractPulsedDevice) -> dict[str, str]:
    """The parameters that differ from the defaults of the kind, as TOML and `--set` take
    them.
    """
    default: Any = DEVICES[kind]()
    settings = {}
    for field in dataclasses.fields(device):
        value, usual = (np.asarray(getattr(each, field.name)) for each in (device, default))
        if value.ndim == 0 and value != usual:
            settings[field.name] = str(value).lower() if value.dtype == bool else f"{float(value):.6g}"
    return settings
