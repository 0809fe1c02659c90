"""An installation that cannot work is told from one that can, at import."""

import builtins

import pytest
from aihwkit.simulator.rpu_base import devices

from bridge._check import check_installation


def test_this_installation_works():
    check_installation()


def test_a_pair_that_does_not_fit_names_the_pairs_that_do(monkeypatch):
    class Parameter:
        def create_array(self, *shape):
            return self

        def forward(self, x):
            raise RuntimeError("x_input must be a CPU tensor")

    monkeypatch.setattr(devices, "FloatingPointTileParameter", Parameter)
    with pytest.raises(
        ImportError, match=r"does not fit torch.*x_input.*aihwkit 1\.1\.0 with torch 2\.10 to 2\.12.*1\.2\.0 with torch 2\.15"
    ):
        check_installation()


def test_without_aihwkit_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("aihwkit"):
            raise ImportError("No module named 'aihwkit'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"No module named 'aihwkit'.*extra `bridge`"):
        check_installation()
