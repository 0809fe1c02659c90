"""A check that the installed torch and aihwkit fit each other."""

__all__ = ["check_installation"]

_PAIRS = (
    "Pairs that work: aihwkit 1.1.0 with torch 2.10 to 2.12 (Python 3.11), aihwkit 1.2.0 with torch 2.15 (Python 3.12 and 3.13). "
    "jaxtile's extra `bridge` chooses one. There is no aihwkit for Python 3.14."
)


def check_installation() -> None:
    """Send one number through a C++ tile.

    aihwkit's wheel is bound to the C++ interface of the torch that it was built with,
    which its metadata does not say: with another torch it imports and builds tiles, but
    no tensor gets into them, and the error that follows speaks of something else.

    Raises:
        ImportError: aihwkit or torch is missing, or they do not fit each other.
    """
    try:
        import torch
        from aihwkit.simulator.rpu_base import devices
    except ImportError as error:
        raise ImportError(f"bridge needs torch and aihwkit ({error}). {_PAIRS}") from error
    try:
        devices.FloatingPointTileParameter().create_array(1, 1).forward(torch.zeros(1, 1))
    except (RuntimeError, TypeError) as error:
        import aihwkit

        raise ImportError(f"aihwkit {aihwkit.__version__} does not fit torch {torch.__version__} ({error}). {_PAIRS}") from error
