"""`jaxtile devices`, and devices by name."""

import dataclasses
import functools
import inspect
import re
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from .. import device, plot
from ..device import AbstractDevice, AbstractPulsedDevice
from .figure import ENDINGS, save_figure
from .refusal import Refusal, check_file, check_name

__all__ = ["DEVICES", "Devices", "make_device"]


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def _is_complete(kind: type) -> bool:
    """Whether it is a device that can be made without an argument."""
    if not (inspect.isclass(kind) and issubclass(kind, AbstractDevice)) or inspect.isabstract(kind):
        return False
    return all(field.default is not dataclasses.MISSING for field in dataclasses.fields(kind))


DEVICES: dict[str, type[AbstractDevice]] = {
    _kebab(name): kind for name in device.__all__ if _is_complete(kind := getattr(device, name))
}


def make_device(name: str, settings: tuple[str, ...]) -> AbstractDevice:
    """A device by its name, in either spelling, with settings "name=value"; values are checked by the device itself.

    Raises:
        Refusal: a name is unknown, or a setting is not of that form.
    """
    name = _kebab(name)
    check_name("device", name, DEVICES)
    known = [field.name for field in dataclasses.fields(DEVICES[name])]
    values = {}
    for setting in settings:
        parameter, equals, value = setting.partition("=")
        if not equals:
            raise Refusal(f"--set {setting} is not of the form NAME=VALUE.")
        check_name(f"parameter of {name}", parameter, known or ["none: it has no parameters"])
        values[parameter] = _value(value)
    return DEVICES[name](**values)


def _value(text: str) -> bool | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


@dataclasses.dataclass
class Devices:
    """List the kinds of devices with their parameters, and plot their response to pulses."""

    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("pulse_response.png")
    """Where to save the plot (.png, .pdf or .svg)."""

    def run(self) -> int:
        """Run the command; the exit code."""
        check_file("plot", self.plot, ENDINGS)
        shared = [field.name for field in dataclasses.fields(AbstractPulsedDevice)]
        table = Table("device", "parameters and their defaults", show_lines=True)
        for name, kind in DEVICES.items():
            own = [field.name for field in dataclasses.fields(kind) if field.name not in shared]
            table.add_row(name, _defaults(kind, own) or "-")
        table.add_row("all but ideal", _defaults(DEVICES["constant-step"], shared))
        console = Console(highlight=False)
        console.print(table)
        pulsed = {name: kind for name, kind in DEVICES.items() if issubclass(kind, AbstractPulsedDevice)}
        save_figure(self.plot, {name: functools.partial(_draw, kind) for name, kind in pulsed.items()})
        console.print(f"Pulse response: {self.plot}")
        return 0


def _draw(kind: type[AbstractPulsedDevice], ax) -> None:
    plot.pulse_response(kind(), ax=ax)


def _defaults(kind: type[AbstractDevice], names: list[str]) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    return "  ".join(f"{name}={defaults[name]}" for name in names)
