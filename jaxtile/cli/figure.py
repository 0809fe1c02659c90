"""Figures without a window."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .refusal import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ENDINGS", "save_figure"]

ENDINGS = (".png", ".pdf", ".svg")


def save_figure(path: Path, panels: dict[str, "Callable[[Axes], object]"]) -> None:
    """Draw panels, by title, two in a row.

    Raises:
        OSError: the file cannot be written.
    """
    # Not pyplot, which would look for a screen.
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(0.8 + 3.4 * columns, 3.0 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax, (title, draw) in zip(axes, panels.items(), strict=False):
        draw(ax)
        ax.set_title(title, fontsize="medium")
    for ax in list(axes):  # those left over
        ax.set_axis_off()
    write_whole(path, lambda file: figure.savefig(file, format=path.suffix[1:].lower(), dpi=200))
