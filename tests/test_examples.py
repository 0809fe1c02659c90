"""The examples run from top to bottom, at a small size."""

import pathlib
import runpy

import jax
import matplotlib.pyplot as plt
import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("path", [path for path in EXAMPLES if "bridge" not in path.name], ids=lambda path: path.stem)
def test_example_runs(path, monkeypatch):
    monkeypatch.setenv("JAXTILE_SMALL", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    with jax.numpy_dtype_promotion("standard"):  # optax leans on it
        names = runpy.run_path(str(path))
    assert names["fig"].axes
    plt.close("all")
