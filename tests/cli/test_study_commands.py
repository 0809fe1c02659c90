"""`jaxtile sweep` and `jaxtile plot`, in this process."""

import json
import signal
import threading

import equinox as eqx
import numpy as np
import pytest

import jaxtile
from jaxtile.cli import devices, main, study
from jaxtile.cli.program import Program
from jaxtile.sweeping import block, grid, load, store

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
        ("target.rank = 301", ["target: rank=301 is out of range"]),
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
        ("sweep .", "study .: it is a folder; pass the name of a file."),
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
    text = "steps = 2\ntarget.rows = 4\ntarget.cols = 5\ntarget.rank = 2\nover.tolerance = [0.1, 0.2]\n"
    text += "device.kind = 'ideal'\nforward.is_perfect = true\nmethod.gdp.learning_rate = 1e30\n"
    (folder / "study.toml").write_text(text)
    assert main(["sweep", "study.toml"]) == 0
    assert "2 of 2 runs ended with weights that are not finite; their errors are NaN." in capsys.readouterr().out
    assert load("study.zarr").attrs["failed_points"] == 2
    assert main(["plot", "study.zarr"]) == 2
    assert "frobenius_error holds no finite number to draw: all points failed" in capsys.readouterr().err


def test_what_a_study_does_not_say_is_what_the_command_program_takes(folder):
    (folder / "study.toml").write_text("target.seed = 0")
    read, program = study.read_study(folder / "study.toml"), Program()
    assert read["target"].shape == (program.rows, program.cols)
    assert np.linalg.matrix_rank(read["target"]) == program.rank
    assert tuple(read["run"]) == program.method
    assert Program(method=("SVD", "ProgramVerify", "risk_svd")).method == ("svd", "program-verify", "risk-svd")
    for run in read["run"].values():
        assert (run.max_steps, float(run.tolerance)) == (program.steps, pytest.approx(program.tolerance))
    assert eqx.tree_equal(read["config"].device, devices.make_device(program.device, ()))


def test_parts_of_a_study(folder):
    """Models of devices, chains and numbers inside wrappers, as Python would make them; kinds in either spelling."""
    (folder / "study.toml").write_text(
        """
        target = { rows = 4, cols = 5, rank = 2 }
        compensation = { kind = "gain" }
        half_select = { kappa = 100 }
        [device]
        kind = "reram-sb"
        dw_min = 0.01
        [method.pv]
        kind = "ProgramVerify"
        model = { kind = "soft_bounds", dw_min = 0.02 }
        [method.two]
        kind = "chain"
        stages = [{ kind = "SVD", solver = "exact", until = 40 }, { kind = "gdp", when = { kappa = 30 }, until = { kind = "plateau" } }]
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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 75)])
def test_a_stop_keeps_blocks_and_says_how_to_go_on(folder, capsys, monkeypatch, number, code):
    """Within a block, and within a compilation, which goes on in a thread of its own."""
    (folder / "study.toml").write_text(STUDY + "\n[method.svd]")
    write, compile_, ended, written, compiled = store.Store.write, block.Blocks.compile, threading.Event(), [], []

    def stopped(kept, task, results):
        if written:
            signal.raise_signal(number)
        written.append(task)
        write(kept, task, results)

    def endless(blocks):
        signal.pthread_kill(threading.main_thread().ident, number)
        ended.wait(60)
        compiled.append(blocks)
        return compile_(blocks)

    line = f"jaxtile: Interrupted by {number.name}. Blocks that are done are kept in the store; the same command goes on with the others."
    with monkeypatch.context() as patched:
        patched.setattr(block.Blocks, "compile", endless)
        assert main(["sweep", "study.toml"]) == code
        assert not compiled, "the command waited for the compiler"
        ended.set()
    assert line in capsys.readouterr().err.splitlines()
    if number == signal.SIGUSR1:  # one of them is enough: the way is the same
        monkeypatch.setattr(store.Store, "write", stopped)
        assert main(["sweep", "study.toml"]) == code
        shown = capsys.readouterr().err
        assert line in shown.splitlines()
        assert "Traceback" not in shown
        assert load("study.zarr").attrs["missing_blocks"] == 1
        monkeypatch.undo()
        monkeypatch.chdir(folder)
        assert main(["sweep", "study.toml"]) == 0
        assert load("study.zarr").attrs["missing_blocks"] == 0
