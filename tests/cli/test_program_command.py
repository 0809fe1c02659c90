"""`jaxtile program`, in this process; once as a process of its own."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import matplotlib
import numpy as np
import pytest
from helpers import mostly_slow

import jaxtile
from jaxtile.cli import devices, main, program
from jaxtile.cli.program import METHODS
from jaxtile.programming.program import prepare

SMALL = ["--rows", "8", "--cols", "6", "--rank", "2", "--steps", "12"]


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


@pytest.mark.slow
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


def test_a_target_of_conductances_becomes_weights(folder, capsys):
    np.savetxt("g.csv", [[10.0, 60.0], [110.0, 85.0]], delimiter=",")
    command = program.Program(target="g.csv", g_min=10.0, g_max=110.0)
    target = command._target(jax.random.key(0))[1]
    np.testing.assert_allclose(target, [[-1.0, 0.0], [1.0, 0.5]], atol=1e-6)
    tile = jaxtile.init(jaxtile.TileConfig(), (2, 2), key=jax.random.key(0))
    with program.warnings_as_lines():
        command._prepare("svd", tile, 60.0 + target, jax.random.key(0))
    assert "If these are conductances, pass --g-min and --g-max." in capsys.readouterr().err


def test_a_state_that_is_not_finite_is_an_error(folder, capsys, monkeypatch):
    late = jaxtile.GDP(schedule=lambda step: jax.numpy.where(step < 1, 1.0, jax.numpy.nan))
    monkeypatch.setitem(program.METHODS, "gdp", lambda: late)
    assert main(["program", *SMALL, "--method", "gdp", "--tolerance", "0"]) == 1
    assert "gdp: The read error became NaN or infinite." in capsys.readouterr().out


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


@pytest.mark.parametrize("name", mostly_slow(devices.PRESETS, "pcm-unit-cell"))
def test_every_method_plans_every_preset(name):
    tile = jaxtile.init(jaxtile.TileConfig(device=devices.make_device(name, ())), (3, 4), key=jax.random.key(0))
    options = {"max_steps": 2, "tolerance": 0.0, "compensation": None, "record": ()}
    for method in METHODS.values():
        run = prepare(tile, np.full((3, 4), 0.1), method(), key=jax.random.key(1), **options)
        assert eqx.filter_eval_shape(lambda run: run.start(), run).step.shape == ()


@pytest.mark.parametrize("array", ["layer:0", "fc/weight", "a.npz:b"])
def test_arrays_of_any_name(folder, array):
    np.savez(folder / "f.npz", **{array: np.full((2, 3), 0.5), "other": np.ones((2, 2))})
    name, target = program.Program(target=f"f.npz:{array}")._target(jax.random.key(0))
    assert name == f"f.npz:{array}, 2 x 3,"
    np.testing.assert_array_equal(target, np.full((2, 3), 0.5))


@pytest.mark.parametrize("command", [["-m", "jaxtile"], ["-c", "import sys, jaxtile_command; sys.exit(jaxtile_command.main())"]])
@pytest.mark.parametrize(("number", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interruption_while_jax_is_imported(tmp_path, number, code, command):
    """As a library sees it that catches whatever comes out of its imports."""
    (tmp_path / "sitecustomize.py").write_text(f"""
import signal, sys
class Interrupts:
    def find_spec(self, name, path, target=None):
        if name == "jax":
            try:
                signal.raise_signal(signal.{number})
            except BaseException:
                pass
sys.meta_path.insert(0, Interrupts())
""")
    root = str(Path(__file__).parents[2])
    how = {"capture_output": True, "text": True, "timeout": 60, "check": False}
    how["env"] = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), root])}
    done = subprocess.run([sys.executable, *command, "devices"], **how)
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
