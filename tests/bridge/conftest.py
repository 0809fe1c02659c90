"""These tests need aihwkit, which is an extra: without it they are skipped, and say so."""

import pytest

torch = pytest.importorskip("torch", reason="bridge: torch is not installed (the extra `bridge` installs it)")
pytest.importorskip("aihwkit", reason="bridge: aihwkit is not installed (the extra `bridge` installs it)")

import clock  # noqa: E402

# With two cores, torch's own threads only get in the way of XLA's.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    clock.seed(0)
