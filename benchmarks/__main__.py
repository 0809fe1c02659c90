"""The table of ratios: `python -m benchmarks` prints it, `--only dense gdp` some works, `--out FILE` writes them on the page."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import jax

from .jax_draws import use_jax_draws
from .page import parts, write
from .timing import measure
from .training import TRAINING
from .whole_runs import WHOLE_RUNS
from .works import WORKS

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Measure, and print the page."""
    everything, groups = (*WORKS, *WHOLE_RUNS), {"training": (*TRAINING, "chips", "width")}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=(*everything, *groups), default=everything)
    parser.add_argument("--out", type=Path, help="the page whose tables are written anew, docs/records/benchmarks.md")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--jax-draws", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print(json.dumps(run(arguments.work, jax_draws=arguments.jax_draws)))
        return
    found = {}
    for name in (name for only in arguments.only for name in groups.get(only, (only,))):
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = apart(name)
        if name in WORKS:
            found[name] |= apart(name, "--jax-draws")
    made = parts(found, machine())
    print("\n\n".join(made.values()))
    if arguments.out:
        write(arguments.out, made)


def apart(name: str, *options: str) -> dict:
    """One work in a process of its own: memory and threads of one do not touch the next."""
    command = [sys.executable, "-m", "benchmarks", "--work", name, *options]
    # Of torch and aihwkit, one thread is the faster at these sizes: two wait for one another in each small decomposition.
    environment = {"OMP_NUM_THREADS": "1"} | os.environ
    if name in WORKS and WORKS[name].flags:
        environment["XLA_FLAGS"] = WORKS[name].flags
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def run(name: str, *, jax_draws: bool) -> dict:
    """One work, measured; with JAX's draws that side alone."""
    if name in WHOLE_RUNS:
        return WHOLE_RUNS[name]()
    work = WORKS[name]
    if not jax_draws:
        return measure({side: make() for side, make in work.sides().items()}, seconds=work.seconds)
    use_jax_draws()
    return measure({"jaxtile, JAX's draws": work.sides()["jaxtile"]()}, seconds=work.seconds / 3)


def machine() -> str:
    """The machine that it ran on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        named = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        cpu = named[1] if named else cpu
    accelerator = "" if jax.default_backend() == "cpu" else f", {jax.devices()[0].device_kind}"
    load = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores of {cpu}{accelerator}, jax {jax.__version__}, load {load:.1f} at the end"


if __name__ == "__main__":
    main()
