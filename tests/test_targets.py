"""Matrices to program: random ones, and ones from files, with an error that names the file where it cannot be used."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.flax import save_file

from jaxtile import targets

MATRIX = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("norm", [3.0, None])
def test_low_rank(norm):
    matrix = targets.low_rank((12, 20), 4, spectral_norm=norm, key=jax.random.key(0))
    values = np.linalg.svd(matrix, compute_uv=False)
    assert matrix.shape == (12, 20)
    np.testing.assert_allclose(values[4:], 0, atol=1e-5)
    assert values[3] > 0.1
    largest = np.linalg.norm(jax.random.normal(jax.random.key(0), (12, 20)), 2) if norm is None else norm
    np.testing.assert_allclose(values[0], largest, rtol=1e-5)


@pytest.mark.parametrize("rank", [0, 13])
def test_low_rank_refuses_a_rank(rank):
    with pytest.raises(ValueError, match=f"rank={rank} is out of range.*at most 12"):
        targets.low_rank((12, 20), rank, key=jax.random.key(0))


def save(folder, name):
    """One file of each kind that can be read."""
    path = folder / name
    match path.suffix.lower():
        case ".npy":
            np.save(folder / "matrix.npy", MATRIX)
            (folder / "matrix.npy").rename(path)
        case ".npz":
            np.savez(path, bias=np.ones(3), weight=MATRIX)
        case ".safetensors":
            save_file({"bias": jnp.ones(3), "weight": jnp.asarray(MATRIX, jnp.bfloat16)}, path)
        case ".csv":
            path.write_text("\ufeff0,1,2\n3, 4 ,5.0\n", encoding="utf-8")  # with the mark that spreadsheets put first
    return path


@pytest.mark.parametrize("name", ["m.npy", "M.NPY", "m.npz", "m.safetensors", "m.csv"])
def test_load(tmp_path, name):
    loaded = targets.load(save(tmp_path, name))
    assert loaded.dtype == float
    np.testing.assert_array_equal(loaded, MATRIX)


def test_load_by_name(tmp_path):
    path = tmp_path / "m.npz"
    np.savez(path, a=MATRIX, b=2 * MATRIX)
    np.testing.assert_array_equal(targets.load(path, "b"), 2 * MATRIX)
    with pytest.raises(ValueError, match=r"several arrays; name one of these: a \[2, 3\], b \[2, 3\]"):
        targets.load(path)
    with pytest.raises(ValueError, match="no array 'c'; name one of these"):
        targets.load(path, "c")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.npy", None, "there is no such file"),
        ("m.txt", b"1,2", "unknown kind.*npy"),
        ("empty.npy", b"", "is empty"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n\n", "cannot be read as .csv"),
        ("damaged.npy", b"damaged", "cannot be read as .npy"),
        ("damaged.npz", b"damaged", "cannot be read as .npz"),
        ("damaged.safetensors", b"damaged", "cannot be read as .safetensors"),
        ("header.csv", b"a,b\n1,2\n", "cannot be read as .csv: could not convert string 'a'"),
        ("ragged.csv", b"1,2\n3\n", "number of columns changed"),
        ("binary.csv", bytes(range(128, 255)), "cannot be read as .csv"),
        ("nan.csv", b"1,nan\n2,3\n", "1 of 4 entries that are NaN or infinite"),
        ("infinite.npy", np.array([[np.inf]]), "1 of 1 entries that are NaN or infinite"),
        ("vector.npy", np.ones(3), r"shape \[3\]; pass a matrix"),
        ("stack.npy", np.ones((2, 3, 4)), r"shape \[2, 3, 4\]; pass a matrix"),
        ("none.npy", np.ones((0, 3)), "not empty"),
        ("complex.npy", np.ones((2, 2), complex), "complex128; pass real numbers"),
        ("text.npy", np.array([["a"]]), "pass real numbers"),
        ("objects.npy", np.array([[{}]]), "cannot be read as .npy"),
    ],
)
def test_load_refuses(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content, allow_pickle=True)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        targets.load(path)
    assert str(path) in str(error.value)


def test_load_refuses_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        targets.load(tmp_path / "..npy")


@pytest.mark.parametrize(
    "dtype", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float32", "int8", "uint8", "int32", "bool"]
)
def test_every_type_of_a_safetensors_file_is_read(tmp_path, dtype):
    matrix = MATRIX.astype(jnp.dtype(dtype))
    save_file({"w": jnp.asarray(matrix)}, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(targets.load(tmp_path / "m.safetensors"), matrix.astype(float))


@pytest.mark.parametrize("options", [{"rank": 2.0}, {"rank": True}, {"rank": 10**400}])
@pytest.mark.usefixtures("unhooked")
def test_low_rank_refuses_what_is_no_whole_number(options):
    with pytest.raises(ValueError, match="rank=.* is out of range; pass at least 1 and at most 6"):
        targets.low_rank((6, 8), **options, key=jax.random.key(0))


@pytest.mark.parametrize("norm", [-1, np.nan, 10**400])
def test_low_rank_refuses_a_norm(norm):
    with pytest.raises(ValueError, match="spectral_norm=.* is out of range; pass a number of at least 0"):
        targets.low_rank((6, 8), 2, spectral_norm=norm, key=jax.random.key(0))
