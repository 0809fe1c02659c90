"""Pictures of programming runs and of devices. Each takes and returns matplotlib Axes,
and sets no global style.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from ._extras import need
from ._labels import check_choice, check_has, check_kind, counted, labelled, styles
from ._types import AnyArray, Key, real_array
from .costs import AbstractCosts, Costs
from .device import AbstractCrosspoint, Fit, measure
from .nn import Run
from .nn.training import label_of
from .programming import Solution
from .quantities import QUANTITIES, Quantity

if TYPE_CHECKING:  # importing matplotlib takes longer than importing the rest of this library
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "convergence", "fit", "pulse_response", "residuals", "sweep", "training", "weight_error"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

_MOST_PULSES = 50_000  # in each direction, which takes a fraction of a second
_ERRORS = ("spectral_error", "frobenius_error", "read_error")


def convergence(
    solutions: Solution | Mapping[str, Solution],
    *,
    quantity: str | Quantity | None = None,
    against: str | Quantity = "steps",
    costs: AbstractCosts | None = None,
    colours: Sequence[Any] = COLOURS,
    ax: Axes | None = None,
) -> Axes:
    """Draw a quantity of programming runs against the work done, on a logarithmic
    scale.

    A solution with leading axes (from `jax.vmap`, over chips or seeds) is drawn as its
    median. A band goes from the 10 % to the 90 % quantile. A run that has stopped is
    pulsed no further, so it keeps its last value in the median. The line ends, with a
    dot, where the last of the runs stopped. Runs that end in NaN or infinity are left
    out of both, and the label counts them.

    Args:
        solutions: one solution, or several by label.
        quantity: what of the history to draw: a name, or a `jaxtile.Quantity` of your
            own, which brings its label. None: the first error that was recorded, of
            spectral, Frobenius and read error.
        against: "steps"; a count of the history, such as "full_pulses" or "reads";
            "time" or "energy". Of several runs: the median.
        costs: model of time and energy; None: `jaxtile.Costs` with its defaults.
        colours: colours of the lines, in turn.
        ax: where to draw; None: a new figure.
    """
    costs = Costs() if costs is None else costs
    check_kind("costs", costs, AbstractCosts)
    named = labelled("solutions", solutions, Solution)
    labels = {name: name.replace("_", " ") for solution in named.values() for name in solution.history}
    if quantity is None:
        quantity = next((name for name in _ERRORS if name in labels), _ERRORS[0])
    labels |= {one.name: one.label for one in (*QUANTITIES.values(), *costs.quantities())}
    shown, ylabel = _named("quantity", quantity, labels)
    along, xlabel = _named("against", against, {"steps": labels["steps"]} | labels)
    ax = _axes(ax)
    for (label, solution), style in zip(named.items(), styles(colours), strict=False):
        values, steps = _runs(solution, shown)
        work = np.median(_work(solution, along, costs), axis=0)
        low, median, high = _quantiles(values)
        failed = int(np.sum(~np.isfinite(values[:, -1])))
        ax.plot(work, median, label=counted(label, failed, len(values)), linewidth=1.2, **style)
        if steps < solution.history[shown].shape[-1] - 1:
            ax.plot(work[-1], median[-1], ".", color=style["color"])
        if values.shape[0] > 1:
            ax.fill_between(work, low, high, color=style["color"], alpha=0.25, linewidth=0)
    _log_scale(ax)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.set_xlim(left=0)
    _legend_beside(ax)
    return ax


def _quantiles(sample: np.ndarray) -> np.ndarray:
    """The 10 %, 50 % and 90 % quantiles over the first axis, of what is finite."""
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # NaN where nothing is
        return np.nanquantile(np.where(np.isfinite(sample), sample, np.nan), (0.1, 0.5, 0.9), axis=0)


def _named(argument: str, quantity: str | Quantity, labels: Mapping[str, str]) -> tuple[str, str]:
    """The name and the label of a quantity."""
    if isinstance(quantity, Quantity):
        return quantity.name, quantity.label
    check_choice(argument, quantity, labels)
    return quantity, labels[quantity]


def _work(solution: Solution, against: str, costs: AbstractCosts) -> np.ndarray:
    """The work done after each step, as [run, step]."""
    if against == "steps":
        return np.arange(int(np.max(solution.stats["steps"])) + 1)[None]
    if against in solution.history or against not in ("time", "energy"):
        return _runs(solution, against)[0]
    counts: dict[str, Any] = {name: _runs(solution, name)[0] for name in solution.history}
    return np.asarray(costs.time(counts) if against == "time" else costs.energy(counts, solution.tile))


def _runs(solution: Solution, name: str) -> tuple[np.ndarray, int]:
    """A history as [run, step], each run held at its last value up to the step at which
    the last run stopped; and that step.
    """
    if name not in solution.history:
        raise ValueError(f"{name!r} was not recorded; run `program` with it among record=.")
    history = np.asarray(solution.history[name])
    history = history.reshape(-1, history.shape[-1])
    stop = np.asarray(solution.stats["steps"]).reshape(-1)
    last = int(stop.max())
    held = np.minimum(np.arange(last + 1)[None, :], stop[:, None])
    return np.take_along_axis(history, held, axis=1), last


def training(
    runs: Run | Mapping[str, Run], *, quantity: str = "loss", colours: Sequence[Any] = COLOURS, ax: Axes | None = None
) -> Axes:
    """Draw a quantity of training runs against the epochs.

    Leading axes of a run, from `jax.vmap` over chips or seeds, are drawn as a median
    with a band from the 10 % to the 90 % quantile. Only runs that made the epoch count.

    Args:
        runs: one run, or several by label.
        quantity: what of the history to draw, such as "accuracy" or "layers.0.pulses".
        colours: colours of the lines, in turn.
        ax: where to draw; None: a new figure.
    """
    named = labelled("runs", runs, Run)
    ax = _axes(ax)
    for (label, run), style in zip(named.items(), styles(colours), strict=False):
        check_choice("quantity", quantity, run.history)
        values = np.asarray(run.history[quantity])
        values = values.reshape(-1, values.shape[-1])
        made = ~np.all(np.isnan(values), axis=0)
        epochs, values = 1 + np.flatnonzero(made), values[:, made]
        low, median, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=0)
        ax.plot(epochs, median, label=label, linewidth=1.2, **style)
        if values.shape[0] > 1:
            ax.fill_between(epochs, low, high, color=style["color"], alpha=0.25, linewidth=0)
    ax.set_xlabel("epoch")
    ax.set_ylabel(label_of(quantity))
    if None not in named:
        ax.legend(frameon=False)
    return ax


def _log_scale(ax: Axes) -> None:
    """A logarithmic y axis, with plain numbers where it spans less than two decades."""
    from matplotlib import ticker

    if not any(np.any(np.asarray(line.get_ydata()) > 0) for line in ax.lines):
        return  # nothing but zeros, which a logarithm cannot show
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    if high / low < 100:
        ax.yaxis.set_major_locator(ticker.MaxNLocator(5) if high / low < 6 else ticker.LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(ticker.NullFormatter())


def pulse_response(
    device: AbstractCrosspoint,
    *,
    n_pulses: int | None = None,
    n_cells: int = 5,
    key: Key | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw weights under pulses up and then as many down, from the lower bounds: those
    of some fabricated cells, and of the nominal one (no spread, no noise).

    Args:
        device: the kind of device.
        n_pulses: pulses in each direction; None: as fill the range, at most 50,000.
        n_cells: how many cells to fabricate.
        key: of the cells and their noise; None: a fixed one.
        ax: where to draw; None: a new figure.
    """
    if not isinstance(device, AbstractCrosspoint):
        raise TypeError(f"device={device!r} takes no pulses; pass one such as jaxtile.device.ConstantStep().")
    low, high = map(float, device.bounds())
    whole = max(1, math.ceil((high - low) / float(device.granularity()) - 1e-3))  # 1e-3: rounding
    n_pulses = min(whole, _MOST_PULSES) if n_pulses is None else n_pulses
    if n_pulses < 1 or n_cells < 0:
        raise ValueError(f"n_pulses={n_pulses} and n_cells={n_cells} are out of range; pass at least 1 pulse and 0 cells.")
    key = jax.random.key(0) if key is None else key
    train = jnp.repeat(jnp.asarray([1.0, -1.0]), n_pulses)

    ax = _axes(ax)
    if n_cells:
        cells = measure(device, train, n_devices=n_cells, start=-math.inf, key=key)
        ax.plot(cells.T, color=COLOURS[5], linewidth=0.6, label="cells")
    ax.plot(measure(_nominal(device), train, start=-math.inf, key=key)[0], color=COLOURS[0], linewidth=1.6, label="nominal")
    for bound in (low, high):
        ax.axhline(bound, color="0.4", linestyle=":", linewidth=0.8, label="bounds", zorder=0)
    ax.set_xlim(0, 2 * n_pulses)
    part = f"; {whole:.3g} fill the range" if n_pulses < whole else ""
    ax.set_xlabel(f"pulses ({n_pulses} up, then {n_pulses} down{part})")
    ax.set_ylabel("weight (weight units)")
    bottom, top = ax.get_ylim()
    ax.set_ylim(top=top + 0.2 * (top - bottom))  # room for the legend
    lines = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))  # one of each kind
    close = {"fontsize": "small", "handlelength": 1.2, "columnspacing": 1}
    ax.legend(lines.values(), lines.keys(), frameon=False, loc="upper center", ncols=3, **close)
    return ax


def _nominal(device: AbstractCrosspoint) -> AbstractCrosspoint:
    """A device without spread and noise, and so the devices that it is made of."""
    changes = {field.name: 0.0 for field in dataclasses.fields(device) if field.name.endswith(("_dtod", "_std"))}
    parts = {name: part for name, part in vars(device).items() if isinstance(part, AbstractCrosspoint)}
    return dataclasses.replace(device, **changes, **{name: _nominal(part) for name, part in parts.items()})


def fit(result: Fit, *, devices: Sequence[int] = (0, 1, 2), colours: Sequence[Any] = COLOURS, ax: Axes | None = None) -> Axes:
    """Measured weights (dots), and what the fitted devices do without noise (lines).

    Cycle noise adds up, so a measured device strays from its line; whether the fit is
    good is for `residuals` to say.

    Args:
        result: of `jaxtile.device.fit`.
        devices: which of the measured devices to draw; those beyond the last are left
            out.
        colours: of the devices, in turn.
        ax: where to draw; None: a new figure.
    """
    check_kind("result", result, Fit)
    ax = _axes(ax)
    drawn = [device for device in devices if device < len(result.weights)]
    for device, style in zip(drawn, styles(colours), strict=False):
        dots = {"color": style["color"], "markersize": 3, "alpha": 0.5, "markeredgewidth": 0}
        measured, fitted = ("measured", "fitted, without noise") if device == drawn[0] else (None, None)
        ax.plot(result.weights[device], ".", label=measured, **dots)
        ax.plot(result.response[device], color=style["color"], linewidth=1, label=fitted)
    ax.set_xlim(0, result.weights.shape[1] - 1)
    ax.set_xlabel("pulses")
    ax.set_ylabel("weight (weight units)")
    _legend_above(ax)
    return ax


def residuals(result: Fit, *, ax: Axes | None = None) -> Axes:
    """The residuals of a fit against the standard normal that they are if the kind of
    device describes the data.

    Args:
        result: of `jaxtile.device.fit`.
        ax: where to draw; None: a new figure.
    """
    check_kind("result", result, Fit)
    used = np.asarray(result.residuals)[np.isfinite(result.weights[:, 1:]) & np.asarray(result.converged)[:, None]]
    place = np.linspace(-5, 5, 61)
    ax = _axes(ax)
    ax.hist(used.clip(-5, 5), bins=list(place), density=True, color=COLOURS[5], label="residuals")
    ax.plot(place, np.exp(-(place**2) / 2) / math.sqrt(2 * math.pi), color=COLOURS[6], linewidth=1.2, label="standard normal")
    ax.set_xlim(-5, 5)
    ax.set_xlabel("residual (expected spreads)")
    ax.set_ylabel("density")
    _legend_above(ax)
    return ax


def weight_error(solution: Solution, target: Num[AnyArray, "out in"], *, ax: Axes | None = None) -> Axes:
    """The error W - target of each cell.

    The colour scale ends at the 99.5 % quantile of |W - target|: a few cells that
    cannot reach their targets would hide the rest; the title gives the largest error.

    Args:
        solution: of a single run.
        target: what was to be programmed.
        ax: where to draw; None: a new figure.
    """
    check_kind("solution", solution, Solution)
    weight, wanted = np.asarray(solution.weight), np.asarray(real_array(target, None, "target"))
    if weight.ndim != 2 or wanted.shape != weight.shape:
        raise ValueError(
            f"target has shape {wanted.shape} and the weights {weight.shape}; pass the [out, in] of one run "
            "(of several, pick one: `jax.tree.map(lambda leaf: leaf[0], solution)`)."
        )
    error = weight - wanted
    size = float(np.quantile(np.abs(error), 0.995)) or 1.0
    ax = _axes(ax)
    image = ax.imshow(error, cmap="RdBu_r", vmin=-size, vmax=size)
    ax.figure.colorbar(image, ax=ax, extend="both", label="$W$ - target (weight units)", shrink=0.8)
    ax.set_title(f"rms {np.sqrt(np.mean(error**2)):.2g}, largest {np.max(np.abs(error)):.2g}", fontsize="small")
    ax.set_xlabel("column (in)")
    ax.set_ylabel("row (out)")
    return ax


def sweep(
    data: xr.Dataset,
    quantity: str = "frobenius_error",
    *,
    against: str | None = None,
    colours: Sequence[Any] = COLOURS,
    ax: Axes | None = None,
) -> Axes:
    """A result of a sweep against a number that was swept: the median over chips,
    targets and seeds, and the band of 10 % to 90 %.

    Each run, configuration and value of the other numbers is a line. Points that ended
    with weights that are not finite are left out, and the label counts them. Where
    blocks of a store are still missing, the label says how many runs a point has.

    Args:
        data: of `jaxtile.sweep`.
        quantity: one of its results.
        against: a dimension; None: the first number that was swept.
        colours: of the lines, in turn.
        ax: where to draw; None: a new figure.
    """
    check_has("data", data, "data_vars", "what jaxtile.sweep or jaxtile.sweep.load returns")
    check_choice("quantity", quantity, [str(name) for name in data.data_vars])
    repeated = ("chip", "target", "seed")
    swept = [str(dim) for dim in data[quantity].dims if dim not in (*repeated, "config", "run")]
    if against is None and not swept:
        raise ValueError(f"{quantity} has the dimensions {data[quantity].dims}, no number among them; sweep over one.")
    along = swept[0] if against is None else against
    check_choice("against", along, [str(dim) for dim in data[quantity].dims if dim not in ("config", "run")])
    place, values = np.asarray(data[along], float), data[quantity]
    if not np.isfinite(values.to_numpy()).any():
        raise ValueError(f"{quantity} holds no finite number to draw: all points failed, or their blocks are still to be run.")
    missing = bool(data.attrs.get("missing_blocks"))
    failed = data["finite"] == 0 if "finite" in data.data_vars else values.isnull() & (not missing)
    absent = (data["finite"] if "finite" in data.data_vars else values).isnull() & missing
    others = [dim for dim in values.dims if dim not in (*repeated, along)]
    ax = _axes(ax)
    for index, style in zip(np.ndindex(*(values.sizes[dim] for dim in others)), styles(colours), strict=False):
        place_of = dict(zip(others, index, strict=True))
        line, broken, left = (one.isel(place_of, missing_dims="ignore") for one in (values, failed, absent))
        named = {str(dim): line[dim].item() for dim in others}
        label = ", ".join(value if isinstance(value, str) else f"{name.split('.')[-1]} {value:g}" for name, value in named.items())
        low, median, high = _quantiles(line.transpose(..., along).to_numpy().reshape(-1, place.size))
        label = counted(label, int(broken.sum()), broken.size, left.transpose(..., along).to_numpy().reshape(-1, place.size))
        ax.plot(place, median, marker=".", label=label, linewidth=1.2, **style)
        ax.fill_between(place, low, high, color=style["color"], alpha=0.2, linewidth=0)
    for axis, shown in (("x", place), ("y", values.to_numpy())):
        if np.nanmin(shown) > 0 and np.nanmax(shown) > 10 * np.nanmin(shown):
            getattr(ax, f"set_{axis}scale")("log")
    ax.set_xlabel(along)
    ax.set_ylabel(values.attrs.get("label", quantity))
    _legend_beside(ax)
    return ax


def _legend_beside(ax: Axes) -> None:
    """A legend, if a line has a label: beside the axes where it would hide the lines."""
    if labels := ax.get_legend_handles_labels()[1]:
        where = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)} if len(labels) > 4 else {}
        ax.legend(frameon=False, fontsize="small", **where)


def _legend_above(ax: Axes) -> None:
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom, top + 0.2 * (top - bottom))
    ax.legend(frameon=False, fontsize="small", loc="upper center", ncols=2, handlelength=1.2, columnspacing=1)


def _axes(ax: Axes | None) -> Axes:
    """The Axes given, or those of a new figure of the width of one column of print."""
    if ax is not None:
        check_has("ax", ax, "get_ylim", "Axes of matplotlib, or None for a new figure")
        return ax
    need("plot", "matplotlib")
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(3.5, 2.6), layout="constrained")[1]
