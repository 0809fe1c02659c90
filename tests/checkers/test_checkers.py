"""Type checkers are silent on a user's script, and find every mistake of another."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import mostly_slow

HERE = Path(__file__).parent
COMMANDS = {
    "mypy": ["--follow-imports", "silent", "--cache-dir", "{tmp}", "user.py", "mistakes.py"],
    "basedpyright": ["--project", ".", "--pythonpath", sys.executable, "--level", "error"],
}


@pytest.mark.parametrize("checker", mostly_slow(COMMANDS, "basedpyright"))
def test_numbers_are_accepted_and_words_refused(checker, tmp_path, monkeypatch):
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed (the extra `dev` installs it)")
    monkeypatch.setenv("MYPYPATH", str(HERE.parent.parent))
    command = [sys.executable, "-m", checker, *(part.format(tmp=tmp_path) for part in COMMANDS[checker])]
    said = subprocess.run(command, cwd=HERE, capture_output=True, text=True).stdout
    lines = (HERE / "mistakes.py").read_text().splitlines()
    found = re.findall(r"(\w+)\.py:(\d+):.*error", said)
    assert found == [("mistakes", str(n)) for n, line in enumerate(lines, 1) if line.startswith("jt.")], said
