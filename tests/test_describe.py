"""Descriptions by which a store knows a run."""

import importlib.util
import json
import pathlib
import sys
from functools import partial

import jax
import jax.random as jr
from scipy.optimize import minimize

import jaxtile
from jaxtile._describe import describe
from jaxtile.sweeping.versions import checksum_of, versions

STEPS = 3


def twice(x):
    return 2 * x


def test_a_description_tells_functions_apart():
    """What a function closes over, its defaults, what it uses of its module, what it is bound to, and what is behind a `jit`."""

    def make(rate, default=1):
        def run(tile, target, key, more=default):
            return {"error": rate * twice(target) * more * STEPS}

        return run

    class Owner:
        def __init__(self, rate):
            self.rate = rate

        def run(self, tile, target, key):
            return {"error": self.rate * target}

    kinds = [make(1.0), make(2.0), make(1.0, default=2), Owner(1.0).run, Owner(2.0).run, partial(make(1.0), more=3), describe]
    kinds += [jax.jit(kind) for kind in kinds[:2]]
    described = [json.dumps(describe(kind), sort_keys=True) for kind in kinds]
    assert len(set(described)) == len(kinds) - 2, "a function and the same function under jit are one"
    assert described == [json.dumps(describe(kind), sort_keys=True) for kind in kinds]
    assert "STEPS" in described[0]
    assert "twice" in described[0]
    assert describe(float("nan")) == describe(float("nan"))
    assert describe(jr.key(1)) != describe(jr.key(2))


RATE = 1.0


def inner(tile, target, key):
    return {"sum": jax.lax.scan(lambda total, row: (total + RATE * row.sum(), None), 0.0, target)[0]}


class Plain:
    def __init__(self, rate):
        self.rate = rate

    def method(self):
        return RATE * self.rate


def test_what_a_run_uses_is_described_however_deep_it_stands(monkeypatch):
    """Globals of functions inside of functions and of methods; functions of one line; objects by what they hold, not by address."""
    two = [lambda target: 1.0 * target, lambda target: 2.0 * target]
    assert describe(two[0]) != describe(two[1])
    assert describe(Plain(1.0)) == describe(Plain(1.0)) != describe(Plain(2.0))
    assert describe({"a", "b"}) == describe({"b", "a"})
    assert describe(object()) == describe(object())
    before = describe(inner), describe(Plain(1.0))
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert all(now != then for now, then in zip((describe(inner), describe(Plain(1.0))), before, strict=True))


def test_library_functions_are_described_by_name_and_closure():
    """By name, since a walk through a library does not end; but a closure may hold numbers of the user's."""

    def run(tile, target, key):
        return {"row": minimize(target)}

    assert len(json.dumps(describe(run))) < 1000
    normal = jax.nn.initializers.normal
    assert describe(normal(0.1)) == describe(normal(0.1)) != describe(normal(0.2))


def test_a_checksum_tells_files_from_one_another(tmp_path):
    def checksum(**files):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            path = folder / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "notes.md").write_text(folder.name)
        return checksum_of(folder)

    first = checksum(a="x = 1", room__b="y = 2")
    assert first == checksum(room__b="y = 2", a="x = 1")
    others = [
        checksum(a="x = 1", room__b="y = 3"),
        checksum(a="x = 1", room__c="y = 2"),
        checksum(a="x = 1", b="y = 2"),
        checksum(a="x = 1y", room__b=" = 2"),
        checksum(a="x = 1"),
    ]
    assert len({first, *others}) == 6
    assert versions()["code of jaxtile"] == checksum_of(pathlib.Path(jaxtile.__file__).parent)


def test_constants_of_a_class_are_part_of_it(tmp_path, monkeypatch):
    described = []
    for scale in (1.0, 2.0):
        path = tmp_path / f"{scale}.py"
        path.write_text(f"class Study:\n    SCALE = {scale}\n")
        spec = importlib.util.spec_from_file_location("study", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "study", module)
        spec.loader.exec_module(module)
        described.append(describe(module.Study()))
    assert described[0] != described[1]
