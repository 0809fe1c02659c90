"""The house: imports point down, importing is cheap, files are short."""

import ast
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parent.parent / "jaxtile"

# From bottom to top: a module may import from its own room and from those before it. A room is a file or a folder with
# all that has no room of its own. The tables of contents of `device` and `digital` list what stands above their files, too.
ROOMS = [
    "_version",
    "_begin",
    "_paths",
    "_labels",
    "_extras",
    "_show",
    "_text_table",
    "_safetensors",
    "_types",
    "fields",
    "_numerics",
    "_random",
    "_loop",
    "_describe",
    "_linalg",
    "_vectors",
    "pulse",
    "noise",
    "periphery",
    "device",
    "device/step",
    "device/around",
    "device/cell",
    "fitting",
    "device/__init__",
    "half_select",
    "modifier",
    "tile",
    "digital",
    "presets",
    "updating",
    "upkeep",
    "learning",
    "quantities",
    "nn/group",
    "nn/grid",
    "nn/holding",
    "nn/layers",
    "nn/state_dict",
    "nn/rule",
    "nn/converted",
    "nn/convert",
    "nn/gradient",
    "nn/training",
    "digital/__init__",
    "datasheet",
    "compensation",
    "costs",
    "programming",
    "nn/chip",
    "nn/__init__",
    "sweeping",
    "targets",
    "plot",
    "io",
    "cli",
    "__main__",
]


def module_files():
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(*module: str) -> str:
    """The room that a module of jaxtile stands in; a package stands where its table of contents does."""
    path = "/".join(module)
    path += "/__init__" if (ROOT / path).is_dir() else ""
    rooms = [room for room in ROOMS if f"{path}/".startswith(f"{room}/")]
    assert rooms, f"{path} has no place in the order of rooms: add it where it belongs"
    return max(rooms, key=len)


def imported_rooms(path: pathlib.Path) -> set[str]:
    """The rooms of jaxtile that a file imports from."""
    package = path.relative_to(ROOT).parent.parts
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level > 0:
            base = package[: len(package) - (node.level - 1)]
            full = base + tuple(node.module.split(".") if node.module else ())
            rooms |= {room_of(*full)} if node.module else {room_of(*full, alias.name) for alias in node.names}
    return rooms


def imported_libraries(path: pathlib.Path) -> set[str]:
    libraries = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            libraries |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            libraries.add(node.module.split(".")[0])
    return libraries


def test_imports_point_down():
    above = []
    for path in module_files():
        room = room_of(*path.relative_to(ROOT).with_suffix("").parts)
        above += [(str(path), other) for other in imported_rooms(path) if ROOMS.index(other) > ROOMS.index(room)]
    assert not above, "these import from rooms that lie above them"


def test_only_the_bridge_knows_torch_and_only_plots_draw():
    foreign = []
    for path in module_files():
        draws = path.relative_to(ROOT).parts[0].removesuffix(".py") in ("plot", "cli")
        # Of its own library, a module imports the part that it needs.
        forbidden = {"torch", "aihwkit", "bridge", "jaxtile"} | (set() if draws else {"matplotlib"})
        foreign += [(str(path), library) for library in imported_libraries(path) & forbidden]
    assert not foreign, "these import what they must not"


def test_equinox_internals_have_one_owner():
    users = [path.name for path in module_files() if "equinox.internal" in path.read_text() or "eqxi" in path.read_text()]
    assert users == ["_loop.py"]


def test_every_module_says_what_it_offers():
    for path in (ROOT / "__init__.py", *module_files()):
        targets = [target for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign) for target in node.targets]
        assert "__all__" in map(ast.unparse, targets), path


def test_every_name_that_a_module_offers_is_there():
    code = (
        "import importlib, pkgutil, jaxtile\n"
        "modules = [jaxtile, *(importlib.import_module(found.name) for found in pkgutil.walk_packages(jaxtile.__path__, 'jaxtile.')\n"
        "           if not found.name.endswith('__main__'))]\n"
        "missing = [f'{module.__name__}.{name}' for module in modules for name in module.__all__ if name not in vars(module)]\n"
        "assert not missing, missing\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_files_are_short():
    long = {path.name: lines for path in module_files() if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def test_files_of_tests_have_names_of_their_own():
    """pytest imports them by name, and refuses to collect two of one name."""
    names = [path.name for path in pathlib.Path(__file__).parent.rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)


def test_importing_starts_no_backend_and_no_torch():
    code = (
        "import sys, jaxtile\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert not {'torch', 'aihwkit', 'bridge'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT.parent)


def test_every_dependency_is_imported():
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    names = {re.match(r"[\w-]+", dependency)[0].replace("-", "_") for dependency in project["dependencies"]}
    code = "\n".join(path.read_text() for path in ROOT.rglob("*.py"))
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", code, flags=re.MULTILINE))
    assert names <= imported
