"""All commands: their help, their refusals, and how the pages call them; `jaxtile devices`."""

import os
import re
import shlex
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxtile.cli import devices, main, study
from jaxtile.cli.words import parse


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
        ("", "Expected one of {program, devices, sweep, status, plot, fit}"),
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
        ("program --set dw_min=-1", "ConstantStep.dw_min=-1 is out of range; pass a number above 0 and at most 1e+12."),
        ("program --set dw_min=nan", "ConstantStep.dw_min=nan is out of range"),
        ("program --set dw_min=small", "ConstantStep.dw_min='small' is not a number"),
        ("program --device linear-step --set mult_noise=2", "LinearStep.mult_noise=2.0 must be True or False"),
        ("program --device ideal --set dw_min=1", "parameter of ideal 'dw_min' is unknown"),
        ("program --device ideal --kappa 10", "half_select=ConstantRatio(kappa=10) has nothing to act on"),
        ("program --target absent.npy", "target absent.npy: there is no such file."),
        (
            "program --set dw_min=0,001",
            "parameter of constant-step dw_min=0.0,1.0 holds 2 numbers; pass one, with a point as in 0.001.",
        ),
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
        ("program --device table", "device 'table' has no defaults for state, up, down; set them, as in --set state=-1,0,1."),
        ("devices --device table", "device 'table' has no defaults for state, up, down"),
        ("program --set dw_min=1 dw_min=2", "--set names dw_min twice; pass one value."),
        ("program --method svd gdp svd", "--method names svd twice; its results would have one name."),
        (
            "program --target vector.npy --rows 3",
            "--rows 3 describes the random matrix, but --target vector.npy is given; leave one of them out.",
        ),
        ("program --g-min 3 --g-max 5", "--g-min and --g-max are for a target of conductances; pass one by --target."),
        ("program --target vector.npy --g-max 5", "--g-max needs --g-min"),
        ("program --target pipe.npy", "target pipe.npy: it is a pipe or a device; write what it gives to a file, and pass that."),
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


def test_a_table_and_a_single_node_on_the_command_line():
    table = devices.make_device("table", ("state=-1,0,1", "up=.1,.2,.1", "down=.1,.1,.1"))
    assert table.up.tolist() == pytest.approx([0.1, 0.2, 0.1])
    assert devices.make_device("piecewise-step", ("piecewise_up=1.5", "piecewise_down=1,")).piecewise_up.tolist() == [1.5]


def commands(page):
    """All commands of the command line on a page, in its blocks of shell."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL))
    lines = (line.split("#")[0] for line in re.split(r"&&|\n", blocks))
    return [shlex.split(line)[1:] for line in lines if line.split()[:1] == ["jaxtile"]]


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))])
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
