"""The command line, in this process; once as a process of its own."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import equinox as eqx
import jax
import matplotlib
import numpy as np
import pytest

import jaxtile
from jaxtile.cli import devices, main, program, study
from jaxtile.cli.devices import make_device
from jaxtile.cli.program import METHODS
from jaxtile.cli.words import parse
from jaxtile.programming.program import prepare
from jaxtile.sweeping import block, grid, load

ROOT = Path(__file__).parent.parent
SMALL = ["--rows", "8", "--cols", "6", "--rank", "2", "--steps", "12"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


def test_program(folder, capsys):
    code = main(["program", *SMALL, "--method", "svd", "gdp", "--kappa", "50", "--tolerance", "0", "--out", "r.npz"])
    shown = capsys.readouterr()
    assert code == 0
    assert "rank 2, 8 x 6, on constant-step, kappa 50" in shown.out
    assert "svd, gdp: All steps were used before the read error fell below the tolerance." in shown.out
    assert "100%" in shown.err, "a progress bar"
    assert (folder / "convergence.png").read_bytes().startswith(b"\x89PNG")

    with np.load(folder / "r.npz") as saved:
        assert saved["target"].shape == (8, 6)
        assert json.loads(str(saved["arguments"]))["kappa"] == 50
        for method in ("svd", "gdp"):
            error = saved[f"{method}/history/spectral_error"]
            assert error.shape == (13,)
            exact = np.linalg.norm(saved[f"{method}/weight"] - saved["target"], 2)
            np.testing.assert_allclose(error[-1], exact, rtol=1e-3)
            assert error[-1] < error[0]
            assert saved[f"{method}/stats/half_pulses"] > 0
            phases, reads = (saved[f"{method}/stats/{name}"] for name in ("phases", "reads"))
            assert saved[f"{method}/stats/time"] == pytest.approx(2e-7 * phases + 1e-7 * reads, rel=1e-5)
            assert f"{method}: the array takes {2e-4 * phases + 1e-4 * reads:.3g} ms" in shown.out
            row = next(line.split() for line in shown.out.splitlines() if line.split()[:1] == [method])
            assert row[1:4] == [f"{error[step]:.4g}" for step in (0, 10, 12)]
            assert row[4] == "12"


def test_every_method_has_a_name(capsys):
    assert {"gdp", "svd", "power-svd", "risk-svd", "program-verify"} == {*METHODS}
    code = main(["program", *SMALL, "--method", "risk-svd", "program-verify", "--device", "soft-bounds", "--kappa", "50"])
    assert code == 0
    assert "program-verify" in capsys.readouterr().out


def test_a_run_that_stops_keeps_its_last_error(capsys):
    arguments = [*SMALL, "--method", "svd", "--device", "Ideal", "--plot", "a.svg"]
    assert main(["program", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "svd: The read error fell below the tolerance." in shown
    row = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["svd"])
    assert row[2] == row[3]
    assert row[4] == "2", "as many steps as the rank"


def test_target_from_a_file(folder, capsys):
    np.savez(folder / "layers.npz", first=np.full((3, 4), 0.7), second=np.ones((2, 2)))
    arguments = [
        "--target",
        "layers.npz:first",
        "--method",
        "gdp",
        "--device",
        "soft-bounds",
        "--set",
        "w_max=0.5",
        "mult_noise=false",
    ]
    assert main(["program", *arguments, "--steps", "2", "--plot", "a.pdf"]) == 0
    shown = capsys.readouterr()
    assert "layers.npz:first, 3 x 4, on soft-bounds" in shown.out
    assert "warning: 100.00% of target lie outside the device's range" in shown.err


def test_a_state_that_is_not_finite_is_an_error(folder, capsys):
    broken = ["--device", "soft-bounds", "--set", "dw_min_dtod=500", "dw_min_dtod_log_normal=true"]
    assert main(["program", "--rows", "4", "--cols", "5", "--rank", "2", "--method", "gdp", *broken, "--steps", "2"]) == 1
    assert "gdp: The read error became NaN or infinite." in capsys.readouterr().out


def test_devices(folder, capsys):
    assert main(["devices", "--device", "SoftBounds", "reram-sb"]) == 0
    shown = capsys.readouterr().out
    for word in ("constant-step", "exp-step", "ideal", "linear-step", "soft-bounds", "dw_min=0.001", "gamma_up=0.0"):
        assert word in shown
    for word in ("soft-bounds-pmax", "p_max=1000.0", "piecewise_up=(1.0,)", "reram-array-om", "Nat. Commun.", "w_max=1.25"):
        assert word in shown
    assert (folder / "pulse_response.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments", [["--help"], ["program", "--help"], ["devices", "--help"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: jaxtile" in shown
    if arguments[0] == "program":
        options = (
            "target",
            "rows",
            "cols",
            "rank",
            "method",
            "device",
            "set",
            "kappa",
            "steps",
            "tolerance",
            "seed",
            "out",
            "plot",
        )
        assert all(f"--{option} " in shown for option in options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Expected one of {program, devices, sweep, plot, fit}"),
        ("programme", "Unrecognized options: programme"),
        ("program --row 3", "Unrecognized options: --row"),
        ("program --rows many", "--rows: invalid literal for int() with base 10: 'many'"),
        ("program --rows 0", "--rows 0 is out of range"),
        ("program --cols -3", "--cols -3 is out of range"),
        ("program --rank 0", "--rank 0 is out of range"),
        ("program --rows 8 --cols 6 --rank 7", "rank=7 is out of range; pass at least 1 and at most 6"),
        ("program --steps 0", "--steps 0 is out of range"),
        ("program --seed -1", "--seed -1 is out of range"),
        ("program --rows 8 --cols 6 --rank 2 --tolerance -1", "tolerance=-1 is out of range; pass a number of at least 0"),
        ("program --rows 8 --cols 6 --rank 2 --tolerance nan", "tolerance=nan is out of range"),
        ("program --kappa 0.5", "kappa=0.5 is out of range; pass a number of at least 1"),
        ("program --method lu", "method 'lu' is unknown; choose from gdp, svd, power-svd"),
        ("program --method", "--method needs a name"),
        ("program --device memristor", "device 'memristor' is unknown; choose from constant-step"),
        ("program --set dw=1", "parameter of constant-step 'dw' is unknown; choose from dw_min"),
        ("program --set dw_min", "--set dw_min is not of the form NAME=VALUE"),
        ("program --set dw_min=-1", "ConstantStep.dw_min=-1 is out of range; pass a number above 0."),
        ("program --set dw_min=nan", "ConstantStep.dw_min=nan is out of range"),
        ("program --set dw_min=small", "ConstantStep.dw_min='small' is not a number"),
        ("program --device linear-step --set mult_noise=2", "LinearStep.mult_noise=2.0 must be True or False"),
        ("program --device ideal --set dw_min=1", "parameter of ideal 'dw_min' is unknown"),
        ("program --device ideal --kappa 10", "half_select=ConstantRatio(kappa=10) has nothing to act on"),
        ("program --target absent.npy", "target absent.npy: there is no such file."),
        ("program --target empty.npy", "target empty.npy is empty."),
        ("program --target damaged.npy", "target damaged.npy cannot be read as .npy"),
        ("program --target nan.csv", "target nan.csv holds 1 of 2 entries that are NaN or infinite"),
        ("program --target row.txt", "target row.txt is of an unknown kind"),
        ("program --target vector.npy", "target vector.npy has shape [3]; pass a matrix [out, in]"),
        ("program --target large.npy", "target holds 4 of 4 entries that are NaN or infinite"),
        ("program --out r.txt", "--out r.txt is of an unknown kind; pass a file that ends in .npz."),
        ("program --out absent/r.npz", "--out absent/r.npz is in a folder that does not exist"),
        ("program --plot p.doc", "--plot p.doc is of an unknown kind"),
        ("devices --device memristor", "device 'memristor' is unknown; choose from constant-step"),
        ("devices --device ideal", "--device ideal takes no pulses to plot"),
        ("program --device piecewise-step --set piecewise_up=1,2", "piecewise_up has shape (2,)"),
        ("program --device soft-bounds-pmax --set dw_min=0.1", "SoftBoundsPmax.dw_min=0.1 follows from p_max"),
        ("program --device reram-sb --set dw_min=-1", "SoftBoundsReference.dw_min=-1 is out of range"),
        ("program --out folder.npz", "--out folder.npz is a folder; pass the name of a file."),
        ("program --plot folder.png", "--plot folder.png is a folder"),
        ("devices --plot folder.png", "--plot folder.png is a folder"),
        ("program --out /proc/r.npz", "--out /proc/r.npz cannot be written to"),
        ("program --plot " + "p" * 300 + ".png", "cannot be written to"),
        ("program --target vector.npy --out vector.npz --plot /proc/p.svg", "--plot /proc/p.svg cannot be written to"),
        ("program --target layers.npz --out layers.npz", "--out layers.npz is the target; choose another file."),
        ("program --method svd program-verify --kappa abc", "--kappa: 'abc' is not a number"),
        ("progam --kappa 3", "Did you mean: jaxtile program --kappa 3?"),
        ("program w.npy", "A file is passed by name, as in: jaxtile program --target w.npy."),
        ("program --tolerence 3", "Did you mean --tolerance?"),
        ("--kappa 3", "Options come after a command, as in: jaxtile program --kappa 3."),
        ("program --method svdd", "method 'svdd' is unknown; choose from gdp, svd"),
        ("program --method svdd", "Did you mean 'svd'?"),
        ("program --device table", "device 'table' has no defaults for state, up, down; say them, such as state=-1,0,1."),
        ("devices --device table", "device 'table' has no defaults for state, up, down"),
        ("program --set dw_min=1 dw_min=2", "--set names dw_min twice; pass one value."),
        ("program --method svd gdp svd", "--method names svd twice; its results would have one name."),
        ("program --target pipe.npy", "target pipe.npy: there is no such file."),
        ("program --device table --set state=-1,0 up=1", "device 'table' has no defaults for down"),
        ("program --rows 1000000 --cols 1000000", "a matrix of 1000000 x 1000000 takes 3.73e+03 GiB of memory at least"),
        ("program --steps 2147483647", "--steps 2147483647 takes"),
        ("devices --plot absent/p.png", "--plot absent/p.png is in a folder that does not exist"),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_refusals_are_one_line(folder, capsys, arguments, message):
    (folder / "empty.npy").touch()
    (folder / "damaged.npy").write_text("damaged")
    (folder / "nan.csv").write_text("1,nan")
    np.save(folder / "vector.npy", np.ones(3))
    np.savez(folder / "layers.npz", np.ones((2, 2)))
    os.mkfifo(folder / "pipe.npy")
    (folder / "folder.npz").mkdir()
    (folder / "folder.png").mkdir()
    np.save(folder / "large.npy", np.full((2, 2), 1e300))  # not finite in single precision
    files = {file.name for file in folder.iterdir()}
    assert main(arguments.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert shown.err.startswith("jaxtile: ")
    assert message in shown.err
    assert {file.name for file in folder.iterdir()} == files, "what was refused leaves nothing behind"


def test_a_method_is_refused_before_the_first_one_runs(folder, capsys, monkeypatch):
    monkeypatch.setattr(program, "_program", lambda method, run: pytest.fail(f"{method} runs"))
    monkeypatch.setitem(program.METHODS, "gdp", lambda: jaxtile.GDP(batch_size=7))
    assert main(["program", *SMALL, "--method", "svd", "gdp", "--out", "r.npz"]) == 2
    assert "jaxtile: --method gdp: GDP.batch_size=7" in capsys.readouterr().err
    assert not any(folder.iterdir())


@pytest.mark.parametrize(
    ("end", "code", "line"),
    [
        (lambda: signal.raise_signal(signal.SIGINT), 130, "Interrupted by SIGINT. Methods that have ended are shown and saved"),
        (lambda: signal.raise_signal(signal.SIGTERM), 143, "Interrupted by SIGTERM. Methods that have ended are shown and saved"),
        (lambda: {}["a"], 70, "unexpected KeyError: 'a'. The same command with JAXTILE_TRACEBACK=1 in front of it shows where."),
    ],
)
def test_methods_that_have_ended_are_kept(folder, capsys, monkeypatch, end, code, line):
    run = program._program
    monkeypatch.setattr(program, "_program", lambda method, steps: end() if method == "gdp" else run(method, steps))
    assert main(["program", *SMALL, "--method", "svd", "gdp", "--kappa", "50", "--tolerance", "0", "--out", "r.npz"]) == code
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1].startswith(f"jaxtile: {line}")
    assert "Traceback" not in shown.err
    assert "Plot: convergence.png" in shown.out
    with np.load("r.npz") as saved:
        assert "svd/weight" in saved
        assert "gdp/weight" not in saved


def test_results_are_saved_where_the_plot_fails(folder, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(program, "save_figure", full)
    assert main(["program", *SMALL, "--method", "svd", "--kappa", "50", "--tolerance", "0", "--out", "r.npz"]) == 2
    assert "--plot convergence.png: [Errno 28] No space left on device" in capsys.readouterr().err
    assert (folder / "r.npz").exists()


def test_a_run_that_uses_all_its_steps_holds_no_nan(folder):
    options = ["--rows", "3", "--cols", "2", "--rank", "1", "--steps", "1", "--tolerance", "0", "--method", "gdp", "--out", "r.npz"]
    with jax.debug_nans(True):
        assert main(["program", *options]) == 0
    with np.load("r.npz") as saved:
        exact = np.linalg.norm(saved["gdp/weight"] - saved["target"])
        np.testing.assert_allclose(saved["gdp/history/frobenius_error"][-1], exact, rtol=1e-4)


def test_a_traceback_is_shown_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("JAXTILE_TRACEBACK", "1")
    monkeypatch.setattr(program.Program, "run", lambda self: {}["a"])
    with pytest.raises(KeyError):
        main(["program"])


def test_a_run_that_ends_above_where_it_started_says_so(folder, capsys):
    np.save(folder / "small.npy", np.full((3, 4), 1e-3))
    options = ["--device", "reram-sb", "--method", "svd", "--steps", "3", "--tolerance", "0", "--out", "r.npz"]
    assert main(["program", "--target", "small.npy", *options]) == 0
    shown = capsys.readouterr().out
    with np.load("r.npz") as saved:
        error = np.linalg.norm(saved["svd/weight"] - saved["target"])
    size = np.linalg.norm(np.full((3, 4), 1e-3))
    assert error > size
    assert f"svd: ended above where it started, at {error / size:.3g} times the error of no pulse at all" in shown
    row = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["svd"])
    assert float(row[6]) == pytest.approx(100 * error / size, rel=1e-3)


@pytest.mark.parametrize("name", [*devices.PRESETS])
def test_every_method_plans_every_preset(name):
    tile = jaxtile.init(jaxtile.TileConfig(device=devices.make_device(name, ())), (3, 4), key=jax.random.key(0))
    options = {"max_steps": 2, "tolerance": 0.0, "compensation": None, "record": ()}
    for method in METHODS.values():
        run = prepare(tile, np.full((3, 4), 0.1), method(), key=jax.random.key(1), **options)
        assert eqx.filter_eval_shape(lambda run: run.start(), run).step.shape == ()


def test_a_table_and_a_single_node_on_the_command_line():
    table = devices.make_device("table", ("state=-1,0,1", "up=.1,.2,.1", "down=.1,.1,.1"))
    assert table.up.tolist() == pytest.approx([0.1, 0.2, 0.1])
    assert devices.make_device("piecewise-step", ("piecewise_up=1.5", "piecewise_down=1,")).piecewise_up.tolist() == [1.5]


@pytest.mark.parametrize("array", ["layer:0", "fc/weight", "a.npz:b"])
def test_arrays_of_any_name(folder, array):
    np.savez(folder / "f.npz", **{array: np.full((2, 3), 0.5), "other": np.ones((2, 2))})
    name, target = program.Program(target=f"f.npz:{array}")._target(jax.random.key(0))
    assert name == f"f.npz:{array}, 2 x 3,"
    np.testing.assert_array_equal(target, np.full((2, 3), 0.5))


@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interruption_while_jax_is_imported(number, code):
    """As a library sees it that catches whatever comes out of its imports."""
    script = f"""
import signal, sys, jaxtile_command
class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "jax":
            try:
                signal.raise_signal(signal.{number})
            except BaseException:
                pass
sys.meta_path.insert(0, Interrupts())
sys.exit(jaxtile_command.main())
"""
    how = {"capture_output": True, "text": True, "timeout": 60, "check": False, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    done = subprocess.run([sys.executable, "-c", script, "devices"], **how)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"jaxtile: Interrupted by {number}. Nothing was begun.\n")


def test_as_a_process(folder):
    command = [sys.executable, "-c", "import sys; from jaxtile_command import main; sys.exit(main())"]
    how = {"capture_output": True, "text": True, "timeout": 600, "check": False}
    how["env"] = os.environ | {"PYTHONPATH": str(Path(jaxtile.__path__[0]).parent)}  # also where it is not installed
    how["env"] |= {"XDG_CACHE_HOME": str(folder / "caches"), "HOME": str(folder), "MPLCONFIGDIR": matplotlib.get_configdir()}
    how["env"].pop("JAX_COMPILATION_CACHE_DIR", None)
    kept = []
    for seed in ("0", "1"):  # other numbers: the same programs, which the second run finds compiled
        done = subprocess.run([*command, "program", *SMALL, "--method", "svd", "--seed", seed], **how)
        assert done.returncode == 0, done.stderr
        assert "Plot: convergence.png" in done.stdout
        kept.append({file.name for file in folder.rglob("*-cache")})
    assert any(name.startswith("jit_advance") for name in kept[0])
    assert kept[1] == kept[0]


STUDY = """
chips = 3
steps = 2
record = ["read_error"]
method.exact = { kind = "svd", solver = "exact" }
device.few = { kind = "constant-step", dw_min = 0.01 }
pulse = { kind = "mean-count", desired_bl = 7 }
forward = { out_noise = 0.01 }
half_select = { kappa = 100 }
target = { rows = 4, cols = 5, rank = 2, seed = 1 }
over = { "half_select.kappa" = [10, 100] }
"""


def test_sweep_and_plot(folder, capsys):
    (folder / "study.toml").write_text(STUDY)
    assert main(["sweep", "study.toml"]) == 0
    shown = capsys.readouterr()
    assert "{'config': 1, 'run': 1, 'half_select.kappa': 2, 'chip': 3, 'seed': 1, 'step': 3}" in shown.out
    assert "tiles/s" in shown.err
    data = load("study.zarr")
    assert data.attrs["missing_blocks"] == 0
    few = json.loads(data.attrs["description"])["config"]["few"]
    assert few["device"]["dw_min"] == pytest.approx(0.01)
    assert few["pulse"]["class"].endswith("MeanCount")
    assert few["pulse"]["desired_bl"] == 7
    assert few["forward"]["out_noise"] == pytest.approx(0.01)
    assert main(["plot", "study.zarr", "--plot", "a.svg"]) == 0
    assert "<svg" in (folder / "a.svg").read_text()
    (folder / "study.toml").write_text(STUDY.replace("steps = 2", "steps = 3"))
    assert main(["sweep", "study.toml"]) == 2
    assert "run.exact.max_steps: 3 now, 2 in the store" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("chip = 3", ["chip", "chips"]),
        ("method.svdd = {}", ["svdd", "svd"]),
        ("method.svd = { rate = 1 }", ["method.svd", "rate"]),
        ("method.svd = 3", ["method.svd=3", "[method.svd]"]),
        ("half_select = { kapa = 1 }", ["half_select", "kapa"]),
        ("chips = x", ["study.toml", "line 1"]),
        ("pulse = { kind = 'stochastik' }", ["pulse: kind", "stochastik", "stochastic"]),
        ("forward = { out_nois = 1 }", ["forward", "out_nois"]),
        ("record = ['error']", ["record", "error", "read_error"]),
        ("record = 'read_error'", ["record='read_error'", "tuple of names"]),
        ("seed = 'a'", ["seed = 'a'", "whole number"]),
        ("target.seed = -1", ["target.seed = -1", "at least 0"]),
        ("zipped = 'no'", ["zipped='no'", "True or False"]),
        ("device.a = { kind = 'memristor' }", ["device", "memristor"]),
        ("device.kind = 3", ["device '3' is unknown"]),
        ("device.kind = 'table'", ["device 'table' has no defaults for state, up, down"]),
        ("device = { kind = 'soft-bounds', dw_min = 1{zeros} }", ["SoftBounds.dw_min=inf is out of range"]),
        ("pulse.kind = 'abstract-pulse'", ["abstract-pulse", "choose from"]),
        ("pulse.desired_bl = 1000000000", ["desired_bl=1000000000", "at most 131072"]),
        ("half_select = { kapa = 1 }", ["parameter of constant-ratio 'kapa' is unknown", "Did you mean 'kappa'?"]),
        ("half_select.kind = ['a']", ["half_select: kind ['a'] is unknown"]),
        ("steps = 99999999999", ["steps = 99999999999", "at most 2147483647"]),
        ("steps = 1{zeros}", ["steps = 10000", "at most 2147483647"]),
        ("steps = true", ["steps = True", "whole number"]),
        ("chips = 1{zeros}\n[target]\nrows=4\ncols=4\nrank=1", ["points; a sweep takes at most"]),
        ("target.rank = 2.0", ["target.rank = 2.0", "whole number"]),
        ("target.rows = 4.5", ["target.rows = 4.5", "whole number"]),
        ("target.rows = '4'", ["target.rows = '4'", "whole number"]),
        ("target = { rows = 1000000, cols = 1000000 }", ["a target of 1000000 x 1000000 takes 3.73e+03 GiB of memory at least"]),
        ("target.spectral_norm = 'a'", ["target: spectral_norm='a' is not a number"]),
        ("target.rank = 65", ["target: rank=65 is out of range"]),
        ("target.file = 3", ["target.file = 3", "must be a text"]),
        ("target = { file = 'w.npy', rows = 3 }", ["target: parameter 'rows' is unknown", "file, name"]),
        ("target.file = 'absent.npy'", ["target absent.npy: there is no such file"]),
        ("chips = 2", ["study.toml has no target", "[target]"]),
        ("[target]\nrank=1\n[over]\n'device.dw_min' = '0.001'", ["over['device.dw_min']='0.001' are not numbers"]),
        ("[target]\nrank=1\n[over]\n'device.dw_min' = [true]", ["over['device.dw_min']=[True] are not numbers"]),
        ("[target]\nrank=1\n[over]\n'device.dw_min' = [1{zeros}]", ["over['device.dw_min']=[1000", "are not numbers"]),
        ("[target]\nrank=1\n[over]\n'half_select.kappa' = [10]", ["half_select is None: configure it (in a study: [half_select])"]),
        ("[method.pv]\nkind = 'program-verify'\nmodel = 3", ["method.pv.model=3 must be a table"]),
        ("[method.pv]\nkind = 'program-verify'\nmodel = 'memristor'", ["device 'memristor' is unknown"]),
        ("[method.c]\nkind = 'chain'\nstages = 'svd'", ["method.c.stages='svd' must be a list of methods"]),
        ("method = {}", ["[method] is empty; add a table for each method"]),
        ("[method.pv]\nkind = 'program-verify'\ndigits = 100", ["digits=100", "at most 30"]),
        ("[method.c]\nkind = 'chain'", ["method.c: chain() holds no stages"]),
        ("[method.c]\nkind = 'chain'\nstages = [{kind = 'svdd'}]", ["method.c.stages.0: kind 'svdd' is unknown"]),
        ("[method.c]\nkind = 'chain'\nstages = [{kind = 'svd', until = -1}]", ["method.c.stages.0.until: After.steps=-1"]),
        ("x = " + "[" * 3000 + "]" * 3000, ["far too deep"]),
        ("a" + ".a" * 3000 + " = 1", ["table or number 'a' is unknown"]),
    ],
)
@pytest.mark.usefixtures("unhooked")
def test_mistakes_in_a_study_are_named(folder, capsys, study, words):
    (folder / "study.toml").write_text(study.replace("{zeros}", 400 * "0"))
    assert main(["sweep", "study.toml"]) == 2
    shown = capsys.readouterr().err
    for word in words:
        assert word in shown
    assert shown.count("\n") == 1
    assert [file.name for file in folder.iterdir()] == ["study.toml"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sweep .", "study .: there is no such file."),
        ("sweep absent.toml", "study absent.toml: there is no such file."),
        ("sweep w.npy", "study w.npy is no text in UTF-8; pass a .toml file, saved as UTF-8."),
        ("sweep utf16.toml", "study utf16.toml is no text in UTF-8"),
        ("sweep good.toml --width 0", "width=0 must be a whole number of at least 1."),
        ("sweep good.toml --store w.npy", "store='w.npy' is a file, and no store of a sweep"),
        ("sweep good.toml --store folder", "store='folder' is no store of a sweep"),
        ("sweep good.toml --store /proc/study.zarr", "store='/proc/study.zarr' cannot be written"),
        ("sweep good.toml --store w.npy/study.zarr", "cannot be written"),
        ("plot w.npy", "store='w.npy' is a file, and no store of a sweep"),
        ("plot absent.zarr", "store='absent.zarr': there is no store of a sweep."),
        ("plot folder", "store='folder' is no store of a sweep"),
    ],
)
def test_files_that_are_no_study_and_no_store(folder, capsys, monkeypatch, words, message):
    monkeypatch.setattr(block.Blocks, "__init__", lambda *arguments, **options: pytest.fail("something was compiled"))
    np.save(folder / "w.npy", np.ones((2, 2)))
    (folder / "utf16.toml").write_text("chips = 2", encoding="utf-16")
    (folder / "good.toml").write_text("\ufefftarget = { rows = 2, cols = 2, rank = 1 }", encoding="utf-8")
    (folder / "folder").mkdir()
    files = {file.name for file in folder.rglob("*")}
    assert main(words.split()) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert {file.name for file in folder.rglob("*")} == files


def test_failed_runs_are_counted(folder, capsys):
    text = "steps = 2\ntarget.rows = 4\ntarget.cols = 5\ntarget.rank = 2\nmethod.gdp = {}\nover.tolerance = [0.1, 0.2]\n"
    text += "device.kind = 'soft-bounds'\ndevice.dw_min_dtod = 500.0\ndevice.dw_min_dtod_log_normal = true\n"
    (folder / "study.toml").write_text(text)
    assert main(["sweep", "study.toml"]) == 0
    assert "2 of 2 runs ended with weights that are not finite; their errors are NaN." in capsys.readouterr().out
    assert load("study.zarr").attrs["failed_points"] == 2
    assert main(["plot", "study.zarr"]) == 2
    assert "frobenius_error holds no finite number to draw: all points failed" in capsys.readouterr().err


def test_parts_of_a_study(folder):
    """Models of devices, chains and numbers inside wrappers, as Python would make them."""
    (folder / "study.toml").write_text(
        """
        target = { rows = 4, cols = 5, rank = 2 }
        compensation = { kind = "gain" }
        half_select = { kappa = 100 }
        [device]
        kind = "reram-sb"
        dw_min = 0.01
        [method.pv]
        kind = "program-verify"
        model = { kind = "soft-bounds", dw_min = 0.02 }
        [method.two]
        kind = "chain"
        stages = [{ kind = "svd", solver = "exact", until = 40 }, { kind = "gdp", when = { kappa = 30 }, until = { kind = "plateau" } }]
        [over]
        "device.dw_min" = [0.01, 0.02]
        """
    )
    read = study.read_study(folder / "study.toml")
    device = jaxtile.presets.reram_sb(dw_min=0.01)
    assert eqx.tree_equal(read["config"].device, device)
    assert eqx.tree_equal(read["run"]["pv"].method, jaxtile.ProgramVerify(model=jaxtile.device.SoftBounds(dw_min=0.02)))
    first = jaxtile.Stage(jaxtile.SVD(solver="exact"), until=jaxtile.After(40))
    second = jaxtile.Stage(jaxtile.GDP(), when=jaxtile.OneHotPays(kappa=30), until=jaxtile.Plateau())
    assert eqx.tree_equal(read["run"]["two"].method, jaxtile.chain(first, second))
    assert eqx.tree_equal(read["run"]["two"].compensation, jaxtile.compensation.Gain())
    subject = grid.Subject(read["config"], read["run"]["pv"])
    subject.check("device.dw_min", np.asarray([0.01, 0.02]))
    with pytest.raises(ValueError, match="SoftBoundsReference.dw_min=-1 is out of range"):
        subject.check("device.dw_min", np.asarray([-1.0]))
    placed = subject.placed({"device.dw_min": np.asarray(0.02)}).config.device
    assert eqx.tree_equal(placed, jaxtile.presets.reram_sb(dw_min=0.02))


def test_fit(folder, capsys):
    """The curves of a laboratory in uS; what is printed is taken by `jaxtile program`, and is the population that was fitted."""
    pulses = np.tile(np.repeat([1.0, -1.0], 40), 2)
    truth = jaxtile.device.SoftBounds(dw_min=0.03, w_max=0.8, w_min=-0.7)
    weights = jaxtile.device.measure(truth, pulses, n_devices=3, read_std=0.003, key=jax.random.key(0))
    conductances = np.asarray(jaxtile.device.Conductance(10.0, 110.0).conductance(weights))
    lines = [";".join(f"{n:.6g}" for n in row) for row in np.column_stack([pulses, conductances[:, 1:].T])]
    start = ";".join(f"{g:.6g}" for g in conductances[:, 0])
    (folder / "curves.csv").write_text("\n".join(["pulse;A;B;C", f";{start}", *lines]).replace(".", ","))
    assert main(["fit", "curves.csv", "--g-min", "10", "--g-max", "110", "--device", "soft-bounds", "--out", "f.npz"]) == 0
    shown = capsys.readouterr().out
    assert "3 of 3" in shown
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG")
    command = next(line for line in shown.splitlines() if line.startswith("jaxtile program")).split()
    made = make_device("soft-bounds", tuple(command[command.index("--set") + 1 :]))
    expected = jaxtile.device.fit(jaxtile.device.SoftBounds(), weights, pulses).device
    for name in ("dw_min", "dw_min_dtod", "dw_min_std", "w_max", "w_min", "up_down"):
        assert float(getattr(made, name)) == pytest.approx(float(getattr(expected, name)), rel=0.02, abs=2e-3), name
    study = tomllib.loads(shown[shown.index("[device]") : shown.index("\nResults")])
    assert study["device"]["dw_min"] == pytest.approx(float(made.dw_min))
    with np.load(folder / "f.npz") as saved:
        assert saved["names"].tolist() == ["A", "B", "C"]
        assert saved["soft-bounds/estimates/w_max"].shape == (3,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("fit absent.csv", "absent.csv"),
        ("fit steps.csv", 'curves steps.csv: it has no column "pulse"'),
        ("fit good.csv --device ideal", "kind of device to fit 'ideal' is unknown; choose from constant-step"),
        ("fit good.csv --g-min 3", "--g-min needs --g-max"),
        ("fit good.csv --g-min 3 --g-max 1", "g_min=3 must be below g_max=1"),
        ("fit good.csv --steps 0", "--steps 0 is out of range"),
        ("fit good.csv --out f.csv", "--out f.csv is of an unknown kind; pass a file that ends in .npz"),
        ("fit good.csv --device soft-bounds", "weights has shape (1, 3); pass [device, measurement], with more than"),
        ("fit good.csv --parameters lifetime --device soft-bounds", "pulses say nothing of lifetime"),
    ],
)
def test_curves_are_refused_in_a_line(arguments, message, folder, capsys):
    (folder / "steps.csv").write_text("state,up\n0,1\n")
    (folder / "good.csv").write_text("pulse,A\n,0\n1,.1\n-1,0\n")
    assert main(arguments.split()) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert len(shown.splitlines()) == 1


def commands(page):
    """All commands of the command line on a page, in its blocks of shell."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL))
    lines = (line.split("#")[0] for line in re.split(r"&&|\n", blocks))
    return [shlex.split(line)[1:] for line in lines if line.split()[:1] == ["jaxtile"]]


@pytest.mark.parametrize("page", ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))])
def test_commands_of_the_documentation_are_understood(page):
    for words in commands(ROOT / page):
        parse(words)


def test_commands_of_the_readme_work_in_a_clone(folder, monkeypatch):
    typed = [parse(words) for words in commands(ROOT / "README.md")]
    assert [type(command).__name__ for command in typed] == ["Program", "Program", "Devices", "Sweep", "Plot"]
    monkeypatch.chdir(ROOT)
    _, own, _, sweep, plot = typed
    assert own._target(jax.random.key(0))[1].shape == (10, 64)
    assert study.read_study(sweep.study)["target"].shape == (10, 64)
    assert plot.store == sweep.store
