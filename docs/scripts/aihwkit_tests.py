"""aihwkit's own tests with the bridge's tile in place of aihwkit's: how many pass, file by file, and which do not.

    pip install parameterized
    git clone --branch v1.1.0 https://github.com/IBM/aihwkit
    python docs/scripts/aihwkit_tests.py aihwkit     # writes the table of docs/explanation/bridge.md

Each file runs twice: as it is, and with this script as a plugin of pytest, which gives aihwkit's catalogue of tiles the bridge's
configuration. aihwkit draws from the clock, so a test of its own may fail now and then.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import stored

CUSTOM = "Custom and not Cuda"  # of layers, the bridge takes the place of the custom tile
PULSED = "(Ideal or ConstantStep or LinearStep or ExpStep or SoftBounds or PowStep or PiecewiseStep) and not Cuda"
FILES = {  # aihwkit's file of tests, and which of its cases
    "test_layer_base": CUSTOM,
    "test_layers": CUSTOM,
    "test_layers_linear": CUSTOM,
    "test_layers_convolution": CUSTOM,
    "test_layers_rnn": CUSTOM,
    "test_utils": CUSTOM,
    "test_simulator_tiles": PULSED,
}
OUTCOMES = ("passed", "skipped", "failed")


def pytest_configure(config) -> None:
    """As a plugin: the pulsed tiles of aihwkit's catalogue are the bridge's, with the same devices and periphery."""
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.configs.devices import IdealDevice
    from aihwkit.simulator.tiles.custom import CustomRPUConfig

    import bridge

    sys.path.insert(0, str(config.rootpath))
    from tests.helpers import tiles

    def on_the_bridge(own):
        def get_rpu_config(self):
            found = own(self)
            device = found.device if isinstance(found, SingleRPUConfig) else IdealDevice()
            return bridge.RPUConfigWithProgram(device=device, forward=found.forward, backward=found.backward, mapping=found.mapping)

        return get_rpu_config

    for name, kind in list(vars(tiles).items()):
        if isinstance(kind, type) and kind.__module__ == tiles.__name__ and not name.endswith("Cuda"):
            if isinstance(kind.get_rpu_config(kind()), SingleRPUConfig | CustomRPUConfig):
                kind.get_rpu_config = on_the_bridge(kind.get_rpu_config)
                kind.simulator_tile_class = bridge.HalfSelectedSimulatorTile


def outcomes(folder: Path, name: str, cases: str, *, beside: bool) -> dict[str, list[str]]:
    """The tests of one file by outcome; `beside`: of aihwkit's own tile."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        plugin = [] if beside else ["-p", "aihwkit_tests"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, "-k", cases, f"--junitxml={report}"]
        path = os.pathsep.join([str(stored.ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        subprocess.run([*command, f"tests/{name}.py"], cwd=folder, env=os.environ | {"PYTHONPATH": path}, capture_output=True)
        found: dict[str, list[str]] = {outcome: [] for outcome in OUTCOMES}
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag for child in case}
            outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            found[outcome].append(f"{case.get('classname', '').split('.')[-1]}.{case.get('name')}")
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of aihwkit")
    arguments = parser.parse_args()
    lines = ["| aihwkit's file | bridge: passed | skipped | failed | aihwkit: passed | skipped | failed |", "|---" * 7 + "|"]
    failed = []
    for name, cases in FILES.items():
        ours, theirs = (outcomes(arguments.checkout, name, cases, beside=beside) for beside in (False, True))
        counts = (str(len(found[outcome])) for found in (ours, theirs) for outcome in OUTCOMES)
        lines.append(f"| `{name}.py` | {' | '.join(counts)} |")
        failed += [f"`{test}`" for test in ours["failed"]]
        print(lines[-1], *failed, sep="\n", flush=True)
    lines += ["", f"Failed on the bridge: {', '.join(failed) or 'none'}."]
    stored.replace("explanation/bridge.md", "aihwkit's own tests", "\n".join(lines))


if __name__ == "__main__":
    main()
