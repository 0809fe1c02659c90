"""Libraries that an extra of the package installs."""

from importlib.util import find_spec

__all__ = ["need"]


def need(extra: str, *libraries: str) -> None:
    """Check that the libraries of an extra are installed, without importing them.

    Args:
        extra: name of the extra.
        *libraries: names of modules.

    Raises:
        ModuleNotFoundError: one is missing; a line says how to install it.
    """
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise ModuleNotFoundError(
            f'the extra "{extra}" is not installed (no {", ".join(missing)}): pip install "jaxtile[{extra}]", or in a clone '
            f'pip install ".[{extra}]".',
            name=missing[0],
        )
