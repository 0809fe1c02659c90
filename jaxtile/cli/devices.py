"""`jaxtile devices`, and devices by name."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table

from .. import device, plot, presets
from ..device import AbstractCrosspoint, AbstractDevice, AbstractPulsedDevice, Ideal, WriteNoise
from .figure import ENDINGS, save_figure
from .refusal import Refusal, check_file, check_name, refusals

__all__ = ["DEVICES", "PRESETS", "Devices", "device_of", "kebab", "make_device", "makers"]

Maker = Callable[..., AbstractDevice]


def kebab(name: str) -> str:
    """The command line's spelling of a name of Python; one that has it stays."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower().replace("_", "-")


def makers(module: ModuleType, kinds: Any) -> dict[str, Callable[..., Any]]:
    """Makers of objects of some kinds in a module, classes or functions, by name."""
    found = {}
    for name in [name for name in module.__all__ if not name.startswith("Abstract")]:
        make = getattr(module, name)
        kind = inspect.get_annotations(make).get("return") if inspect.isfunction(make) else make
        if inspect.isclass(kind) and issubclass(kind, kinds) and not inspect.isabstract(kind):
            found[kebab(name)] = make
    return found


DEVICES = dict(sorted(makers(device, AbstractPulsedDevice | Ideal).items()))
PRESETS = makers(presets, AbstractDevice)


def make_device(name: str, settings: tuple[str, ...]) -> AbstractDevice:
    """A device or preset by its name, in either spelling, with settings "name=value";
    values are checked by the device itself.

    Raises:
        Refusal: a name is unknown, or a setting is not of that form.
    """
    values = {}
    for setting in settings:
        parameter, equals, value = setting.partition("=")
        if not equals:
            raise Refusal(f"--set {setting} is not of the form NAME=VALUE.")
        if parameter in values:
            raise Refusal(f"--set names {parameter} twice; pass one value.")
        values[parameter] = _value(value)
    return device_of(name, values)


def device_of(name: str, values: dict[str, Any]) -> AbstractDevice:
    """A device or preset by its name, in either spelling, with other values of its
    parameters.

    Raises:
        Refusal: a name is unknown.
    """
    name, known_makers = kebab(name), DEVICES | PRESETS
    check_name("device", name, known_makers)
    make = known_makers[name]
    known = _parameters(make)
    if inspect.isfunction(make):  # a preset, whose settings reach the device inside
        made = make()
        known |= _parameters(type(getattr(made, "device", made)))
    for parameter in values:
        check_name(f"parameter of {name}", parameter, known or ["none: it has no parameters"])
    missing = [parameter for parameter in _required(make) if parameter not in values]
    if missing:
        raise Refusal(f"device {name!r} has no defaults for {', '.join(missing)}; set them, as in --set {missing[0]}=-1,0,1.")
    for parameter, value in values.items():
        if isinstance(value, list) and isinstance(known[parameter], int | float):
            shown = f"{parameter}={','.join(map(str, value))}"
            raise Refusal(f"parameter of {name} {shown} holds {len(value)} numbers; pass one, with a point as in 0.001.")
    several = {parameter for parameter, default in known.items() if isinstance(default, tuple)}  # of which there may be one
    return make(
        **{name: (value,) if name in several and isinstance(value, int | float) else value for name, value in values.items()}
    )


def _parameters(make: Maker) -> dict[str, Any]:
    """The parameters of a device, with defaults."""
    named = inspect.signature(make).parameters.values()
    return {parameter.name: parameter.default for parameter in named if parameter.kind is not inspect.Parameter.VAR_KEYWORD}


def _required(make: Maker) -> list[str]:
    """The parameters that have no default."""
    return [name for name, default in _parameters(make).items() if default is inspect.Parameter.empty]


def _value(text: str) -> bool | float | str | list:
    if "," in text:
        return [_value(part) for part in text.removesuffix(",").split(",")]
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


@dataclasses.dataclass
class Devices:
    """List devices with their parameters, and presets, and plot how they respond to
    pulses.
    """

    device: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """Devices and presets to plot; none: all kinds of devices."""
    plot: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("pulse_response.png")
    """Where to save the plot (.png, .pdf or .svg)."""

    @property
    def again(self) -> str:
        """How to go on after an interruption."""
        return "The same command begins anew."

    def run(self) -> int:
        """Run the command; the exit code."""
        check_file("plot", self.plot, ENDINGS)
        drawn = self.device or [name for name, make in DEVICES.items() if not _required(make)]
        made = {kebab(name): make_device(name, ()) for name in drawn}
        pulsed = {name: device for name, device in made.items() if isinstance(device, AbstractCrosspoint)}
        if not pulsed:
            raise Refusal(f"--device {' '.join(self.device)} takes no pulses to plot; choose from {', '.join(DEVICES)}.")
        shared = {field.name for field in dataclasses.fields(AbstractPulsedDevice)}
        table = Table("device", "parameters and their defaults (those without one must be given)", show_lines=True)
        for name, make in DEVICES.items():
            own = {parameter: value for parameter, value in _parameters(make).items() if parameter not in shared}
            table.add_row(name, _listed(own) or "-")
        everywhere = {name: value for name, value in _parameters(DEVICES["constant-step"]).items() if name in shared}
        table.add_row("all but ideal", _listed(everywhere))
        recipes = Table("preset", "what it is", show_lines=True)
        for name, make in PRESETS.items():
            recipes.add_row(name, f"{inspect.getdoc(make)}\n{make()!r}{_caution(make())}")
        console = Console(highlight=False)
        console.print(table)
        console.print(recipes)
        with refusals():
            save_figure(self.plot, {name: functools.partial(_draw, device) for name, device in pulsed.items()})
        console.print(f"Pulse response: {self.plot}")
        return 0


def _caution(made: AbstractDevice) -> str:
    if not isinstance(made, WriteNoise):
        return ""
    steps = f"{float(made.write_noise_std):.3g} steps"
    return f"\nEach write leaves an error of {steps}: by this physics, a run may well end above where it started."


def _draw(device: AbstractCrosspoint, ax) -> None:
    plot.pulse_response(device, ax=ax)


def _listed(values: dict[str, Any]) -> str:
    return "  ".join(name if value is inspect.Parameter.empty else f"{name}={value}" for name, value in values.items())
