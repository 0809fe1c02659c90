"""Run the blocks of docs/tutorials/program_a_matrix.md, and put its figures where the page shows them."""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "tutorials/program_a_matrix.md"

names = {}
with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    for figure in ("device", "methods", "time"):
        shutil.copy(f"{figure}.png", PAGE.parent / "figures" / f"tutorial_{figure}.png")
