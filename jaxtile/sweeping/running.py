"""Running the blocks of a sweep: here, on all local devices, or wherever an executor
sends them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pickle import PicklingError
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from .._describe import difference
from .._types import Key
from .block import Blocks
from .grid import Grid, Subject
from .layout import Layout, Task
from .one_by_one import OneByOne, keeps_checkpoints
from .part import Part
from .processes import PATIENCE, wait_for_all
from .store import Store
from .threads import side_by_side
from .unstored import Unstored
from .versions import versions

__all__ = ["Executor", "Program", "Work", "as_executor", "refuse_others", "run_elsewhere", "run_here"]


Program = Blocks | OneByOne


@runtime_checkable
class Executor(Protocol):
    """Anything that runs a function elsewhere, as `concurrent.futures.Executor` does.

    The jobs that `submit` returns have a `result` and can be cancelled.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Any:
        """Begin a job."""


@dataclasses.dataclass(frozen=True)
class Work:
    """All that the blocks of a sweep are computed from."""

    subjects: Sequence[Subject]
    targets: Array | None
    grid: Grid
    key: Key

    def compile(self, group: int, width: int, devices: Sequence[Any]) -> Program:
        """The program of one kind of hardware with one function."""
        subject = self.subjects[group]
        kind = OneByOne if keeps_checkpoints(subject.run) else Blocks
        return kind(subject, self.targets, self.grid, self.key, width=width, devices=devices)


def run_here(kept: Unstored | Store, work: Work, made: Mapping[int, Program], part: Part, *, progress: bool) -> None:
    """Run the blocks that are missing, those of this part and process."""
    start, layout = time.perf_counter(), kept.layout
    with kept.locked(shared=part.of > 1) if jax.process_index() == 0 else contextlib.nullcontext():
        missing = kept.missing(part)
        kept.sign(versions())
        wait_for_all("listed")  # before one of them writes what another would miss in its list
        mine = missing[jax.process_index() :: jax.process_count()]
        with _bar(layout, part, missing, mine, show=progress) as advance:
            for group in range(len(work.subjects)):
                todo = [task for task in mine if layout.group(task.block) == group]
                if not todo:
                    continue
                program = made[group] if group in made else work.compile(group, layout.width, jax.local_devices())
                refuse_others(program, layout.results)
                side_by_side([program.compile])
                n = len(program.devices)
                calls = (todo[first : first + n] for first in range(0, len(todo), n))
                started = ((call, program(_points(layout, call), kept.folder(call[0]))) for call in calls)
                for call, results in started if program.waits else _one_ahead(started):
                    for task, values in _each(layout, call, results):
                        kept.write(task, values)
                        advance(len(task.lanes))
        # The others have as many blocks: those that take more than twice as long as
        # this one are taken for lost.
        wait_for_all("done", PATIENCE + time.perf_counter() - start)


def run_elsewhere(kept: Unstored | Store, work: Work, executor: Executor, part: Part, *, progress: bool) -> None:
    """Let an executor run the blocks that are missing: each writes its own chunks, or
    sends its results where nothing is stored.
    """
    # Workers may stand in another folder.
    place = kept.path.absolute() if isinstance(kept, Store) else None
    errand = Errand(work, kept.layout, kept.about["description"], place, versions())
    if isinstance(executor, ProcessPoolExecutor):  # it pickles in a thread of its own, and would fail block by block
        with _sending(executor, work):
            ForkingPickler.dumps(errand)
    with kept.locked(shared=part.of > 1):
        missing = kept.missing(part)
        kept.sign(versions())
        with _bar(kept.layout, part, missing, missing, show=progress) as advance:
            jobs = []
            try:
                for task in missing:
                    with _losses(executor, RuntimeError), _sending(executor, work):
                        job = executor.submit(errand, task)
                    if not (hasattr(job, "result") and hasattr(job, "cancel")):
                        raise TypeError(
                            f"executor={executor!r} returns {job!r:.80} from submit, which has no `result` or no `cancel`; pass "
                            "such as concurrent.futures.ProcessPoolExecutor."
                        )
                    jobs.append((job.result, job.cancel))
                for task, (result, _) in zip(missing, jobs, strict=True):
                    with _losses(executor, BrokenExecutor, CancelledError):
                        results = result()
                        if results is None:
                            raise CancelledError("it returned nothing")
                    if place is None:
                        kept.write(task, results)
                    advance(len(task.lanes))
            except BaseException:
                for _, cancel in jobs:
                    cancel()
                raise


@dataclasses.dataclass(frozen=True)
class Errand:
    """A block as a function of its number alone: it can be sent to another process, and
    run twice without harm.
    """

    work: Work
    layout: Layout
    description: str
    store: pathlib.Path | None
    versions: dict[str, str]

    def __call__(self, task: Task) -> Mapping[str, np.ndarray]:
        """Run a block, and write it if there is a store; otherwise return it."""
        group = self.layout.group(task.block)
        name = json.dumps([self.description, dataclasses.asdict(self.layout), group])
        program = _COMPILED.get(name)  # a thread beside this one may clear the table
        if program is None:
            self._refuse_another_place()
            _COMPILED.clear()  # of the sweep before, or of another group: those come in turn
            program = _COMPILED[name] = self.work.compile(group, self.layout.width, jax.local_devices()[:1])
        kept = None if self.store is None else Store.open(self.store)
        if kept is not None:
            kept.sign(versions())
        elif self.store is not None:
            raise FileNotFoundError(f"store={str(self.store)!r} is not there for a worker; pass a folder that all workers share.")
        folder = None if kept is None else kept.folder(task)
        ((_, results),) = _each(self.layout, [task], program(_points(self.layout, [task]), folder))
        if kept is None:
            return results
        kept.write(task, results)
        return {}  # and not None, which executors return that have lost a job

    def _refuse_another_place(self) -> None:
        """Refuse a worker whose results would be of another precision, or of other code."""
        asked = {name: json.loads(self.description)[name] for name in ("platform", "precision")} | self.versions
        here = {"platform": jax.default_backend(), "precision": str(jnp.zeros(0, float).dtype)} | versions()
        lines = difference(asked, here, where="worker")
        if lines:
            raise RuntimeError(
                "executor has a worker that would compute other results; give it the same packages and settings, such as "
                "JAX_ENABLE_X64, in its environment.\n  " + "\n  ".join(lines)
            )


_COMPILED: dict[str, Program] = {}  # of this process


def as_executor(executor: Any) -> Executor:
    """Refuse what cannot run blocks.

    Raises:
        TypeError, ValueError: it has no `submit`, or its processes would hang.
    """
    if not isinstance(executor, Executor) or isinstance(executor, type):
        raise TypeError(f"executor={executor!r} has no submit; pass such as concurrent.futures.ProcessPoolExecutor.")
    context = getattr(executor, "_mp_context", None) if isinstance(executor, ProcessPoolExecutor) else None
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            f"executor={executor!r} forks this process, and the threads of JAX would hang in the fork; pass "
            "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn'))."
        )
    return executor


@contextlib.contextmanager
def _losses(executor: Executor, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of an executor say whose they are, and how to go on; those of the run stay
    as they are.

    Raises:
        RuntimeError: the executor has dropped a block.
    """
    try:
        yield
    except kinds as error:
        raise RuntimeError(
            f"executor={executor!r} has dropped a block ({error!r:.200}). Call again with an executor that runs; what is done is "
            "kept in the store, if there is one."
        ) from error


@contextlib.contextmanager
def _sending(executor: Executor, work: Work) -> Iterator[None]:
    """Errors of pickling say which function cannot be sent, and how it can.

    Raises:
        TypeError: it cannot be sent.
    """
    try:
        yield
    except (PicklingError, AttributeError, TypeError) as error:  # pickle raises each of them
        runs = ", ".join(dict.fromkeys(getattr(subject.run, "__qualname__", f"{subject.run!r:.80}") for subject in work.subjects))
        raise TypeError(
            f"run={runs} cannot be sent to the workers of executor={executor!r} ({error!r:.200}). Define it at the top of a module "
            "that they can import, and let neither it nor the configuration hold locks, open files or functions within functions."
        ) from error


def refuse_others(blocks: Program, results: dict[str, Any]) -> None:
    """Refuse a function whose results are not those of the others.

    Raises:
        ValueError: they are not.
    """
    if blocks.results() != results:
        raise ValueError(
            f"run={blocks.run!r} returns {blocks.results()}, but the first run returns {results}; let all runs return the same."
        )


def _points(layout: Layout, call: list[Task]) -> np.ndarray:
    """The points of the tasks of one call, each filled up with its own."""
    return np.concatenate([np.resize(layout.points(task), layout.width) for task in call])


def _one_ahead(items: Iterator[Any]) -> Iterator[Any]:
    """Each item after the next one was made: devices work on that one meanwhile."""
    previous = next(items)
    for item in items:
        yield previous
        previous = item
    yield previous


def _each(layout: Layout, call: list[Task], results: dict[str, Array]) -> list[tuple[Task, dict[str, np.ndarray]]]:
    """The results of one call, task by task."""
    (arrays,) = side_by_side([lambda: {name: np.asarray(values) for name, values in results.items()}])
    cut = {name: values.reshape(-1, layout.width, *values.shape[1:]) for name, values in arrays.items()}
    return [(task, {name: values[n, : len(task.lanes)] for name, values in cut.items()}) for n, task in enumerate(call)]


@contextlib.contextmanager
def _bar(layout: Layout, part: Part, missing: list[Task], mine: list[Task], *, show: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar of the tiles of a part; of several processes it takes the others
    to be as fast as this one.
    """
    if not show:
        yield lambda tiles: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    total = sum(math.prod(layout.box(block)) for block in part.among(layout.blocks()))
    columns = (TextColumn("sweep"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        done = total - sum(len(task.lanes) for task in missing)
        task, start, since = bar.add_task("sweep", total=total, completed=done, rate=""), time.perf_counter(), 0
        shares = len(missing) / max(1, len(mine))

        def advance(tiles: int) -> None:
            nonlocal since
            since += tiles * shares
            bar.update(task, advance=tiles * shares, rate=f"{since / (time.perf_counter() - start):.3g} tiles/s")

        yield advance
