"""A study: the arguments of `sweep` in a .toml file."""

import inspect
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax

from .. import compensation, half_select, programming, pulse, targets
from .._paths import as_path, readable
from .._types import Key, is_whole
from ..device import AbstractDevice
from ..periphery import IOParameters
from ..programming import AbstractGate, AbstractMethod, AbstractSwitch, Chain, Stage
from ..sweeping import Programming
from ..tile import TileConfig
from .devices import device_of, kebab, makers
from .program import METHODS, Program
from .refusal import Refusal, check_name, check_room, refusals

__all__ = ["read_study"]

PULSES = makers(pulse, pulse.AbstractPulse)
MODELS = makers(half_select, half_select.AbstractHalfSelect)
HELPERS = makers(compensation, compensation.AbstractCompensation)
SWITCHES = makers(programming, AbstractSwitch)
GATES = makers(programming, AbstractGate)
_NUMBERS = ("seed", "chips", "seeds", "zipped", "steps", "tolerance", "compensation", "record")
_TABLES = ("target", "device", "pulse", "half_select", "forward", "backward", "method", "over")
_RANDOM = ("rows", "cols", "rank", "spectral_norm", "seed")
_FILE = ("file", "name")

Table = Mapping[str, Any]


def read_study(path: Path) -> dict[str, Any]:
    """The arguments of `sweep` that a study stands for.

    Raises:
        Refusal: there is no such file, or it is no study; where in it what is wrong.
    """
    with refusals():
        study = _load(path)
        for name, value in study.items():
            check_name(f"{path}: table or number", name, (*_NUMBERS, *_TABLES))
            if name in _TABLES and not isinstance(value, dict):
                raise Refusal(f"{path}: {name} = {value!r:.80} must be a table, [{name}].")
        for name, value in study.get("over", {}).items():
            if isinstance(value, dict):
                raise Refusal(
                    f'{path}: over.{name} is a table; put the path in quotation marks, as in "half_select.kappa" = [10, 100].'
                )
        if not isinstance(study.get("zipped", False), bool):
            raise Refusal(f"zipped={study['zipped']!r:.80} must be True or False.")
        devices = study.get("device", {})
        several = bool(devices) and all(isinstance(table, dict) for table in devices.values())
        configs = {name: _config(table, study) for name, table in (devices if several else {"": devices}).items()}
        rest = {name: study[name] for name in ("chips", "seeds", "zipped", "over") if name in study}
        methods = study.get("method", dict.fromkeys(Program.method, {}))
        if not methods:
            raise Refusal(f"{path}: [method] is empty; add a table for each method, such as [method.svd].")
        return rest | {
            "run": {name: _run(name, numbers, study) for name, numbers in methods.items()},
            "config": configs if several else configs[""],
            "key": _key("seed", study.get("seed", Program.seed)),
            "target": _target(path, study.get("target", {})),
        }


def _load(path: Path) -> dict[str, Any]:
    path = readable(path, "study")
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refusal(f"study {path} is no text in UTF-8; pass a .toml file, saved as UTF-8.") from None
    except RecursionError:
        raise Refusal(f"study {path} holds tables in tables in tables, far too deep.") from None
    except ValueError as error:
        raise Refusal(f"study {path} is not TOML: {error}") from error


def _config(device: Table, study: Table) -> TileConfig:
    parts: dict[str, Any] = {"device": _device("device", device)}
    if "pulse" in study:
        parts["pulse"] = _made("pulse", study["pulse"], PULSES, "stochastic-compressed")
    if "half_select" in study:
        parts["half_select"] = _made("half_select", study["half_select"], MODELS, "constant-ratio")
    parts |= {name: _made(name, study[name], {"io": IOParameters}, "io") for name in ("forward", "backward") if name in study}
    return TileConfig(**parts)


def _device(where: str, table: Any) -> AbstractDevice:
    kind, parameters = _parted(where, table, Program.device)
    return device_of(str(kind), parameters)


def _made(where: str, table: Any, known: Mapping[str, Callable[..., Any]], default: str) -> Any:
    """The object that a table of a kind and its parameters stands for, or a kind alone."""
    kind, parameters = _parted(where, table, default)
    check_name(f"{where}: kind", kind, known)
    for name in parameters:
        check_name(f"{where}: parameter of {kind}", name, inspect.signature(known[kind]).parameters)
    parts = {name: _PARTS[name](f"{where}.{name}", value) for name, value in parameters.items() if name in _PARTS}
    with refusals(where):
        return known[kind](**parameters | parts)


def _parted(where: str, table: Any, default: str) -> tuple[str, dict[str, Any]]:
    """The kind, in whichever spelling, and the parameters."""
    table = {"kind": table} if isinstance(table, str) else table
    if not isinstance(table, dict):
        raise Refusal(f"{where}={table!r:.80} must be a table: [{where}], with its parameters below.")
    kind = table.get("kind", default)
    return kebab(kind) if isinstance(kind, str) else kind, {name: value for name, value in table.items() if name != "kind"}


def _method(where: str, table: Any, default: str) -> AbstractMethod | Chain:
    kind, parameters = _parted(where, table, default)
    if kind != "chain":
        return _made(where, table, METHODS, default)
    for name in parameters:
        check_name(f"{where}: parameter of chain", name, ("stages",))
    stages = parameters.get("stages", [])
    if not isinstance(stages, list):
        raise Refusal(f"{where}.stages={stages!r:.80} must be a list of methods, as in [{{ kind = 'svd', until = 40 }}, 'gdp'].")
    with refusals(where):
        return Chain(tuple(_stage(f"{where}.stages.{n}", stage) for n, stage in enumerate(stages)))


def _stage(where: str, table: Any) -> Stage:
    kind, parameters = _parted(where, table, "svd")
    until, when, connect = (parameters.pop(name, None) for name in ("until", "when", "connect"))
    if until is not None:
        table = {"kind": "after", "steps": until} if isinstance(until, int | float) else until
        until = _made(f"{where}.until", table, SWITCHES, "after")
    if when is not None:
        when = _made(f"{where}.when", when, GATES, "one-hot-pays")
    with refusals(where):
        return Stage(_made(where, {"kind": kind, **parameters}, METHODS, kind), until=until, when=when, connect=connect)


_PARTS = {"model": _device}  # parameters that are objects, by name


def _run(name: str, numbers: Any, study: Table) -> Programming:
    options: dict[str, Any] = {"tolerance": Program.tolerance} | {
        name: study[name] for name in ("tolerance", "record") if name in study
    }
    if study.get("compensation", "none") != "none":
        options["compensation"] = _made("compensation", study["compensation"], HELPERS, "gain")
    steps = _whole("steps", study.get("steps", Program.steps), 1)
    method = _method(f"method.{name}", numbers, name)
    return Programming(method, max_steps=steps, **options)


def _target(path: Path, table: Table) -> Any:
    if not table:
        raise Refusal(f"{path} has no target; add a table [target], with file = 'weights.csv', or with rows, cols and rank.")
    for name in table:
        check_name("target: parameter", name, _FILE if "file" in table else _RANDOM)
    if "file" in table:
        for name, value in table.items():
            if not isinstance(value, str):
                raise Refusal(f"target.{name} = {value!r:.80} must be a text, in quotation marks.")
        return targets.load(path.parent / as_path(table["file"], "target.file"), table.get("name"))
    rows, cols, rank = (_whole(f"target.{name}", table.get(name, getattr(Program, name)), 1) for name in ("rows", "cols", "rank"))
    check_room(f"a target of {rows} x {cols}", rows * cols)
    key = _key("target.seed", table.get("seed", Program.seed))
    with refusals("target"):
        return targets.low_rank((rows, cols), rank, spectral_norm=table.get("spectral_norm", 3.0), key=key)


def _key(name: str, seed: Any) -> Key:
    return jax.random.key(_whole(name, seed, 0))


def _whole(name: str, value: Any, low: int) -> int:
    if not is_whole(value, low) or value >= 2**31:
        raise Refusal(f"{name} = {value!r:.80} must be a whole number of at least {low} and at most {2**31 - 1}.")
    return value
