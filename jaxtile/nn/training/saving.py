"""Checkpoints of training: files from which a run that was killed goes on."""

import json
from pathlib import Path
from typing import Any

import equinox as eqx

from ..._describe import describe, difference
from ..._paths import readable, whole, writable
from ..._version import __version__
from .loop import Batch, State, Training

__all__ = ["fingerprint", "restore", "save"]


_FORMAT = 2
_SHOWN = 8  # differences that a refusal lists


def fingerprint(training: Training, frozen: tuple[str, ...], data: Batch | None) -> dict[str, Any]:
    """All that has an effect on a run, by name and as plain data: the run that a
    checkpoint belongs to. The order of the numbers in the file follows from it.
    """
    names = dict.fromkeys(("key", *training.__dataclass_fields__))
    own = {"format": _FORMAT, "jaxtile": __version__, "frozen": describe(frozen), "data": describe(data)}
    return own | {name: describe(getattr(training, name)) for name in names}


def save(path: Path, state: State, belongs: dict[str, Any]) -> None:
    """Write a state, so that a reader sees the old file or the new one."""
    with whole(path) as part, part.open("wb") as file:
        file.write(f"{json.dumps(belongs)}\n".encode())
        eqx.tree_serialise_leaves(file, state)


def restore(path: Path, state: State, belongs: dict[str, Any]) -> State:
    """The state of a checkpoint, or the given one where there is no file.

    Raises:
        ValueError: the file is of another run, or cannot be read; or there cannot be one.
    """
    name = f"checkpoint={str(path)!r}"
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{name} is a folder, or in one that does not exist; pass the name of a file in a folder that does.")
    writable(path, "checkpoint")
    if not path.exists():
        return state
    readable(path, "checkpoint")
    with path.open("rb") as file:
        try:
            theirs = json.loads(file.readline())
        except ValueError:
            raise ValueError(f"{name} is no checkpoint of jaxtile.train; pass another path.") from None
        other = difference(belongs, theirs, where="file")
        if other:
            more = [f"... {len(other) - _SHOWN} more"] if len(other) > _SHOWN else []
            listed = "\n  ".join([*other[:_SHOWN], *more])
            raise ValueError(
                f"{name} is of another run: pass the same arguments to go on from it, or another path to begin anew.\n  {listed}"
            )
        try:
            return eqx.tree_deserialise_leaves(file, state)
        except Exception as error:  # of NumPy and of equinox, which share no base
            raise ValueError(f"{name} is damaged ({error}): delete it to begin anew, or pass another path.") from error
