"""The four files of MNIST are read as their format says, and a wrong file is refused by its name."""

import gzip
import struct

import mnist
import numpy as np
import pytest
import stored

IMAGES, LABELS = mnist.FILES["train"]


def idx(array):
    """The bytes of an idx file."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    return {part: (rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)) for part, n in (("train", 3), ("test", 2))}


@pytest.fixture
def folder(tmp_path, drawn):
    for part, names in mnist.FILES.items():
        for name, array in zip(names, drawn[part], strict=True):
            (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def test_the_files_give_the_bytes_that_were_written(folder, drawn):
    images = mnist.original(folder)
    for part in ("train", "test"):
        x, y = getattr(images, part)
        np.testing.assert_allclose(x, drawn[part][0].reshape(-1, 784) / 255, rtol=1e-6)
        np.testing.assert_array_equal(y, drawn[part][1])
    assert images.name == "MNIST, 3 + 2"
    for path in list(folder.iterdir()):  # the same when packed
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(mnist.original(folder).train[0], images.train[0])


WRONG = {  # what is put into a file, and what is said of it
    "cut off": (IMAGES, lambda good: good[:-1], "2367 bytes"),
    "a byte too many": (IMAGES, lambda good: good + b"0", "2369 bytes"),
    "cut off in the head": (IMAGES, lambda good: good[:7], "7 bytes"),
    "empty": (LABELS, lambda good: b"", "0x00000000"),
    "the other kind": (LABELS, lambda good: idx(np.zeros((3, 28, 28))), "0x00000803, not with the magic number 0x00000801"),
    "packed, without its ending": (IMAGES, gzip.compress, "it is packed"),
    "one label too few": (LABELS, lambda good: idx(np.zeros(2)), "has 2 labels"),
    "a label that is no digit": (LABELS, lambda good: idx(np.full(3, 10)), "the label 10"),
    "other pixels": (IMAGES, lambda good: idx(np.zeros((3, 20, 20))), "20 x 20"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused_by_its_name(folder, case):
    name, change, said = WRONG[case]
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"(?s){name}.*{said}|{said}.*{name}"):
        mnist.original(folder)


def test_scripts_take_the_folder_after_an_option_or_from_a_variable(folder, monkeypatch):
    monkeypatch.syspath_prepend(stored.ROOT / "docs/scripts/others")
    import base

    monkeypatch.setenv("MNIST", str(folder))
    assert base.images().name == "MNIST, 3 + 2"
    monkeypatch.delenv("MNIST")
    for given in (["--data", str(folder)], [f"--data={folder}", "--full"]):
        monkeypatch.setattr("sys.argv", ["script.py", *given])
        assert base.images().name == "MNIST, 3 + 2"
    monkeypatch.setattr("sys.argv", ["script.py", "--data", str(folder / "elsewhere")])
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        base.images()


def test_files_of_other_names_are_refused_with_what_is_there(folder):
    (folder / LABELS).rename(folder / "labels.bin")
    with pytest.raises(FileNotFoundError, match=f"no {LABELS} .*labels.bin"):
        mnist.original(folder)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        mnist.original(folder / "elsewhere")


@pytest.mark.parametrize(
    "broken",
    [b"not packed", gzip.compress(bytes(2000))[:-9], gzip.compress(bytes(2000))[:12] + b"zzzz"],
    ids=["no gzip", "cut off", "garbled"],
)
def test_a_packed_file_that_is_broken_is_refused_by_its_name(folder, broken):
    (folder / IMAGES).unlink()
    (folder / f"{IMAGES}.gz").write_bytes(broken)
    with pytest.raises(ValueError, match=f"{IMAGES}.gz cannot be unpacked"):
        mnist.original(folder)
