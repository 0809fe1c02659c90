"""Paths as people give them: read and written, or refused by name with the remedy, in every verb that takes one."""

import os
from pathlib import Path

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from helpers import as_a_user

import jaxtile as jt
from jaxtile.device import Curves, Table

MATRIX = np.array([[0.1, -0.2], [0.3, 0.4]])
TEXT = "0.1,-0.2\n0.3,0.4\n"
READERS = {  # what an error calls the file, and its ending
    "target": (jt.targets.load, ".csv"),
    "table": (Table.from_csv, ".csv"),
    "curves": (Curves.from_csv, ".csv"),
    "file": (jt.load, ".jaxtile"),
    "state": (lambda path: jt.nn.from_state_dict(jnp.zeros(2), path), ".safetensors"),
}
pytestmark = pytest.mark.usefixtures("unhooked")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def no_file(name: str, ending: str) -> dict[str, tuple[type[Exception], str]]:
    """What is there under a name and is no file: the error of each, and its words."""
    Path(f"folder{ending}").mkdir()
    os.mkfifo(f"pipe{ending}")
    Path(f"device{ending}").symlink_to("/dev/zero")
    Path(f"broken{ending}").symlink_to("gone")
    Path(f"circle{ending}").symlink_to(f"circle{ending}")
    Path(f"file{ending}").touch()
    device = "it is a pipe or a device; write what it gives to a file, and pass that"
    return {
        f"folder{ending}": (IsADirectoryError, f"{name} folder{ending}: it is a folder; pass the name of a file"),
        f"pipe{ending}": (OSError, f"{name} pipe{ending}: {device}"),
        f"device{ending}": (OSError, f"{name} device{ending}: {device}"),
        f"broken{ending}": (FileNotFoundError, f"{name} broken{ending}: it is a link to gone, where there is no such file"),
        f"circle{ending}": (FileNotFoundError, f"{name} circle{ending}: it is a link to circle{ending}, where there is no"),
        f"absent{ending}": (FileNotFoundError, f"{name} absent{ending}: there is no such file"),
        f"file{ending}/x{ending}": (FileNotFoundError, f"{name} file{ending}/x{ending}: there is no such file"),
        "a" * 300 + ending: (OSError, f"{name} aaaa.*cannot be written to or read: .*; pass another path"),
        f"zero\0byte{ending}": (ValueError, f"{name}='zero.*is empty, or holds a zero byte; pass a path such as"),
        f"s3://bucket/file{ending}": (ValueError, f"{name}='s3://.*is an address; pass a path on this machine"),
        "": (ValueError, f"{name}='' is empty"),
    }


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_by_name(folder, name):
    read, ending = READERS[name]
    for path, (kind, words) in no_file(name, ending).items():
        with pytest.raises(kind, match=words):
            read(path)
    for path in (3, None, b"bytes"):
        with pytest.raises(TypeError, match=f"{name}={path!r} is no path; pass the name of"):
            read(path)


def test_a_file_that_may_not_be_read_is_refused(folder):
    Path("own.csv").write_text(TEXT)
    Path("own.csv").chmod(0)
    with as_a_user(folder), pytest.raises(PermissionError, match="target own.csv: Permission denied; pass a file that can be"):
        jt.targets.load("own.csv")


def test_names_with_spaces_letters_and_the_home_of_the_user(folder):
    for name in ("two words.csv", "Gewichte_µS_重み.csv", "[a].csv", "-1.csv", "~.csv"):
        Path(name).write_text(TEXT)
        np.testing.assert_allclose(jt.targets.load(name), MATRIX)
    np.testing.assert_allclose(jt.targets.load("~/two words.csv"), MATRIX)
    Path("link.csv").symlink_to("two words.csv")
    np.testing.assert_allclose(jt.targets.load(Path("link.csv")), MATRIX)
    jt.save("~/here it is.jaxtile", MATRIX)
    np.testing.assert_array_equal(jt.load(folder / "here it is.jaxtile"), MATRIX)


def test_what_cannot_be_written_is_refused_before_the_work(folder):
    model = jt.nn.Linear(2, 2, jt.TileConfig(), key=jr.key(0))

    optimizer = jt.nn.Optimizer(pulses=0.1, digital=optax.sgd(0.1))

    def loss(model, x, y, *, key):
        raise AssertionError("the work was begun")

    def train(path):
        jt.train(model, loss, (MATRIX, MATRIX), optimizer, key=jr.key(0), epochs=1, checkpoint=path)

    os.mkfifo("pipe")
    Path("closed").mkdir(mode=0o555)
    for path, words in {
        "pipe": "cannot be written to: it is a pipe or a device; choose another",
        "closed/x": "cannot be written to: Permission denied; choose another",
        "a" * 300: "cannot be written to or read: .*; pass another path",
        "": "is empty",
    }.items():
        with as_a_user(folder):
            with pytest.raises((OSError, ValueError), match=words):
                jt.save(path, MATRIX)
            with pytest.raises((OSError, ValueError), match=words):
                train(path)


def test_a_link_stays_a_link_when_its_file_is_written(folder):
    Path("there").mkdir()
    Path("here").symlink_to("there/file")
    jt.save("here", MATRIX)
    assert Path("here").is_symlink()
    assert [each.name for each in Path("there").iterdir()] == ["file"]
    np.testing.assert_array_equal(jt.load("there/file"), MATRIX)


def test_a_store_is_no_file_and_no_broken_link(folder):
    Path("file").touch()
    Path("link").symlink_to("gone")
    for path in ("file", "link"):
        what = {"file": "a file", "link": "a link to gone, where nothing is"}[path]
        with pytest.raises(ValueError, match=f"store='{path}' is {what}, and no store of a sweep; choose another place"):
            jt.sweep.load(path)
    with pytest.raises(TypeError, match="store=3 is no path"):
        jt.sweep.load(3)
