"""The outcome of training."""

from dataclasses import replace

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Num, PyTree

from ..._types import is_concrete

__all__ = ["OUTCOMES", "Run"]


class OUTCOMES(eqx.Enumeration):
    """Code of how training ended; `OUTCOMES[code]` is the message."""

    running = "Still running."
    all_epochs = "All epochs were made."
    stopped = "The quantity that was to be best has not improved for as many epochs as its patience allows."
    nonfinite = (
        "The loss became NaN or infinite. A rate that is far too large can do this, for pulses or for what is digital; so can "
        "labels beyond the outputs of the model, and a loss that divides by zero or takes a logarithm of it."
    )


class Run(eqx.Module):
    """The outcome of `jaxtile.train`.

    Attributes:
        model: the model after the last epoch; the best one, if it was asked for.
        result: code of how training ended; `OUTCOMES[result]` is its message.
        stats: the history at its end (or at the best model), and `epochs`, those made.
        history: an entry for each epoch, NaN for epochs that were not made: "loss", the
            mean over the samples as they were trained on; each metric; and of each
            layer, as "layers.0.pulses", full pulses of the epoch, mean over the cells;
            "...saturated", share of the cells within 1 % of their range of a bound;
            "...largest", the largest |weight|.
    """

    model: PyTree
    result: OUTCOMES
    stats: dict[str, Num[Array, "*runs"]]
    history: dict[str, Float[Array, "*runs epoch"]]

    def cut(self, epochs: int) -> "Run":
        """The outcome with histories of so many entries."""
        return replace(self, history={name: values[..., :epochs] for name, values in self.history.items()})

    def __repr__(self) -> str:
        epochs = self.stats["epochs"]
        if not is_concrete(epochs):
            return f"Run({', '.join(self.history)})"
        shown = ", ".join(f"{name}={_text(value)}" for name, value in self.stats.items() if "." not in name and name != "epochs")
        low, high = int(np.min(epochs)), int(np.max(epochs))
        made = f"{low} epochs" if low == high else f"{low} to {high} epochs"
        if epochs.ndim:
            return f"Run({' x '.join(map(str, epochs.shape))} runs, {made}, mean ± standard deviation {shown})"
        return f"Run({made}, {shown}, {OUTCOMES[self.result].partition('.')[0]!r})"


def _text(value: Num[Array, "*runs"]) -> str:
    """A number, or the mean and the standard deviation of those of several runs."""
    mean = f"{float(np.mean(value)):.3g}"
    return f"{mean} ± {float(np.std(value, ddof=min(1, value.size - 1))):.2g}" if value.ndim else mean
