"""The package: what it depends on, its extras, and the versions that its files name."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxtile as jt
from jaxtile._extras import need

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA = ("matplotlib", "rich", "tyro", "xarray", "zarr")


def test_the_package_imports_without_extras_and_the_command_names_its_own():
    code = (
        f"import sys; sys.modules |= dict.fromkeys({EXTRA}); import jaxtile, jaxtile_command; print('imported'); "
        "sys.exit(jaxtile_command.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "imported\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        'jaxtile: the extra "cli" is not installed (no matplotlib, rich, tyro): pip install "jaxtile[cli]"'
    )


@pytest.mark.parametrize("extra", ["plot", "sweep"])
def test_a_function_names_the_extra_that_it_needs(extra, monkeypatch, tmp_path):
    for library in ("matplotlib", "zarr"):
        monkeypatch.setitem(sys.modules, library, None)
    calls = {
        "plot": lambda: jt.plot.pulse_response(jt.device.ConstantStep()),
        "sweep": lambda: jt.sweep(lambda tile, target, key: {}, jt.TileConfig(), np.ones((1, 1)), key=jax.random.key(0)),
    }
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "jaxtile\[{extra}\]"'):
        calls[extra]()
    with pytest.raises(ModuleNotFoundError, match=r"jaxtile\[sweep\]"):
        jt.sweep.load(tmp_path / "store.zarr")


def test_what_is_installed_is_not_refused():
    need("cli", "json", "jax")


def test_every_extra_that_is_named_exists():
    named = set()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "jaxtile").rglob("*.py")):
        text = path.read_text()
        named |= {extra for extras in re.findall(r'pip install "(?:jaxtile|\.)\[([\w,]+)\]"', text) for extra in extras.split(",")}
        named |= set(re.findall(r'need\("(\w+)"', text))
    assert named
    assert named <= PROJECT["optional-dependencies"].keys()


def test_all_files_name_one_version():
    changes = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)[1]
    recipe = re.search(r'^  version: "?([\d.]+)"?$', (ROOT / "conda/recipe.yaml").read_text(), flags=re.MULTILINE)[1]
    assert changes == cited == recipe == jt.__version__


def test_the_conda_recipe_asks_for_what_the_package_and_its_commands_need():
    recipe = (ROOT / "conda/recipe.yaml").read_text()
    runs = re.findall(r"^    - (\S+) (>=\S+)$", recipe.partition("  run:")[2].partition("\n\n")[0], flags=re.MULTILINE)
    needed = [
        *PROJECT["dependencies"],
        *(line for extra in ("plot", "sweep", "cli") for line in PROJECT["optional-dependencies"][extra]),
    ]
    asked = {line.replace(">", " >", 1).replace("matplotlib", "matplotlib-base") for line in needed if "jaxtile" not in line}
    assert {" ".join(run) for run in runs} == asked
    assert PROJECT["requires-python"] == ">=" + re.search(r'^  python_min: "([\d.]+)"', recipe, flags=re.MULTILINE)[1]
