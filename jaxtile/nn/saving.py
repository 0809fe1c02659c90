"""Checkpoints of training: files from which a run that was killed goes on."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .loop import Batch, State, Training

__all__ = ["fingerprint", "restore", "save"]


def fingerprint(training: Training, state: State, data: Batch | None) -> dict[str, Any]:
    """The marks of a run: its numbers, and checksums of its arrays."""
    key, best = [int(word) for word in jax.random.key_data(training.key)], training.best
    return {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "shuffle": training.shuffle,
        "key": key,
        "metrics": list(training.metrics),
        "best": None if best is None else [best.of, best.highest, _checksum(best.patience)],
        "frozen": list(state.optimizer.frozen),
        "model": _checksum(training.model),
        "optimizer": _checksum(training.optimizer),
        "data": _checksum(data),
        "test": _checksum(training.test),
    }


def _checksum(tree: Any) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)):
        words = jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        digest.update(np.asarray(words).tobytes())
    return digest.hexdigest()[:16]


def save(path: Path, state: State, belongs: dict[str, Any]) -> None:
    """Write a state, so that a reader sees the old file or the new one."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(f"{json.dumps(belongs)}\n".encode())
        eqx.tree_serialise_leaves(file, state)
    part.replace(path)


def restore(path: Path, state: State, belongs: dict[str, Any]) -> State:
    """The state of a checkpoint, or the given one where there is no file.

    Raises:
        ValueError: the file is of another run.
    """
    if not path.exists():
        return state
    with path.open("rb") as file:
        theirs = json.loads(file.readline())
        other = [f"{name}={theirs.get(name)!r} in place of {ours!r}" for name, ours in belongs.items() if theirs.get(name) != ours]
        if other:
            raise ValueError(
                f"checkpoint={str(path)!r} is of another run, with {'; '.join(other)}: pass the same arguments to go on from it, "
                "or another path to begin anew."
            )
        return eqx.tree_deserialise_leaves(file, state)
