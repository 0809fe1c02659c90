"""Compiled programs, kept from one run of the command line to the next."""

import os
import sys
from pathlib import Path

import jax

__all__ = ["keep_compiled_programs"]


def keep_compiled_programs() -> None:
    """Use JAX's persistent cache: where JAX_COMPILATION_CACHE_DIR says, or else in the
    platform's folder for caches.

    Only in a process of its own: the cache is a setting of JAX for all of a process.
    """
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(_caches() / "jaxtile"))
    # From many small programs, too, or they are compiled again each time: 1.5 s of the
    # default run.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
