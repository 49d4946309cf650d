"""The house: who may import whom, and how long a file may be, read from every source.

All imports count: late ones, inside functions; guarded ones, under `TYPE_CHECKING` or in a `try`;
and those by `import_module`, as far as their names are written out.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# The floor of each room of optgen, a room being the first name below `optgen`. Imports go strictly
# down, or stay in the room.
FLOORS = {
    "cli": 9,
    "tools": 8,
    "compat": 8,
    "optimizer": 7,
    "zoo": 7,
    "fuse": 7,
    "compile": 6,
    "emit": 5,
    "schedule": 4,
    "passes": 4,
    "dsl": 3,
    "ir": 2,
    "runtime": 1,
    "errors": 0,
    "factory": 0,
    "config": 0,
}

# Above the rooms is optgen's face (`optgen` and `python -m optgen`), and above that its users, none
# of which imports another.
FACE = 10
USERS = {"optgen_bench": 11, "examples": 11, "optgen_kernels": 11}

# Rooms with rooms of their own: there too, imports go strictly down.
INNER_FLOORS = {"runtime": {"execution": 1, "vocabulary": 0}}

LONGEST_FILE = 300  # lines
LONGEST_FUNCTION = 60


class Import(NamedTuple):
    """One module that another imports."""

    module: str
    line: int
    family: bool = False  # any module below this one, as in import_module(f"optgen.cli.{name}")


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module, wherever they stand."""

    def __init__(self, name: str, is_package: bool, modules: frozenset[str]):
        self.package = name if is_package else name.rpartition(".")[0]
        self.modules = modules
        self.imports: list[Import] = []

    def visit_Import(self, node):
        for alias in node.names:
            self.add(alias.name, node)

    def visit_ImportFrom(self, node):
        base = self.absolute("." * node.level + (node.module or "")).rstrip(".")
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self.add(submodule if submodule in self.modules else base, node)

    def visit_Call(self, node):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__") and node.args:
            text = self.absolute(_leading_text(node.args[0]))
            if isinstance(node.args[0], ast.JoinedStr):
                self.add(text.rpartition(".")[0] if "." in text else text, node, family=True)
            else:
                self.add(text, node)
        self.generic_visit(node)

    def absolute(self, name: str) -> str:
        tail = name.lstrip(".")
        level = len(name) - len(tail)
        if not level:
            return name
        parents = self.package.split(".")
        return ".".join([*parents[: len(parents) - level + 1], tail])

    def add(self, module: str, node, family: bool = False):
        if module := module.rstrip("."):
            self.imports.append(Import(module, node.lineno, family))


def _leading_text(node) -> str:
    """As much of a computed module name as is written out: all of "a.b", `a.` of f"a.{b}"."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0] if node.values else node
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def module_name(path: str) -> str:
    path = path.removeprefix("bench/").removeprefix("generated/")
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_imports(sources: Mapping[str, str]) -> Iterator[tuple[str, str, list[Import]]]:
    """For each source, by its path: path, module name, and all that it imports."""
    modules = {module_name(path) for path in sources}
    modules |= {f"optgen.{room}" for room in FLOORS}
    for path, source in sources.items():
        name = module_name(path)
        reader = _Reader(name, path.endswith("/__init__.py"), frozenset(modules))
        reader.visit(ast.parse(source, path))
        yield path, name, reader.imports


def room_of(module: str) -> str | None:
    """The room of a module of optgen: "" for optgen's face, None for other packages."""
    first, *rest = module.split(".")
    if first != "optgen":
        return None
    return rest[0] if rest and rest != ["__main__"] else ""


def floor_of(module: str) -> int | None:
    """The floor of a module: None outside the house; -1 for a room that has none."""
    room = room_of(module)
    if room is None:
        return USERS.get(module.split(".")[0])
    return FACE if room == "" else FLOORS.get(room, -1)


def floor_violations(sources: Mapping[str, str]) -> list[str]:
    """Each import that goes up, sideways, or to or from a room that has no floor."""
    faults = []
    for path, name, imports in read_imports(sources):
        if floor_of(name) == -1:
            faults.append(f"{path}: the room `{room_of(name)}` has no floor: add it to FLOORS")
            continue
        for module, line, _ in imports:
            fault = _violation(name, module)
            faults += [f"{path}:{line}: `{module}`{fault}"] if fault else []
    return faults


def _violation(name: str, module: str) -> str | None:
    """A sentence where one module may not import another."""
    floor, target = floor_of(name), floor_of(module)
    if target is None or name.split(".")[0] == module.split(".")[0] != "optgen":
        return None
    if target == -1:
        return f": the room `{room_of(module)}` has no floor: add it to FLOORS"
    if room_of(name) == room_of(module) is not None:
        return _inner_violation(name, module)
    if module.split(".")[0] == "optgen" and target == FACE and floor < FACE:
        return " is above every room: import the room that is meant"
    if target >= floor:
        here, there = room_of(name) or name.split(".")[0], f" is on floor {target}"
        return f"{there}, and `{here}` on floor {floor}: imports go strictly down"
    return None


def _inner_violation(name: str, module: str) -> str | None:
    """The same within a room that has rooms of its own; the room's face is above those."""
    floors = INNER_FLOORS.get(room_of(name), {})
    here, there = (m.split(".")[2] if m.count(".") > 1 else "" for m in (name, module))
    if not floors or here == there or here == "":
        return None
    for inner in (here, there):
        if inner and inner not in floors:
            return f": the room `{inner}` has no floor: add it to INNER_FLOORS"
    if there == "":
        return f" is above the room `{here}` in it: import the room that is meant"
    if floors[there] >= floors[here]:
        return f" is above `{here}`: imports go strictly down"
    return None


def circles(sources: Mapping[str, str]) -> list[str]:
    """Each set of modules that import one another, with the imports that make it."""
    known = {module_name(path) for path in sources}
    graph: dict[str, set[str]] = {}
    places: dict[tuple[str, str], str] = {}
    for path, name, imports in read_imports(sources):
        # Loading a.b.c loads a and a.b too; but the parents of the module that imports are loaded
        # already, and are a dependency only where it names them.
        graph[name] = set()
        parents = set(_with_parents(name))
        for module, line, family in imports:
            below = {m for m in known if family and m.startswith(f"{module}.")}
            named = below if family else {module}
            loaded = named | (set(_with_parents(module)) - parents)
            for target in (loaded & known) - {name}:
                graph[name].add(target)
                places.setdefault((name, target), f"{path}:{line} imports {target}")
    reachable = {name: _reachable(graph, name) for name in graph}
    groups = {
        frozenset(other for other in reachable[name] if name in reachable[other])
        for name in graph
        if name in reachable[name]
    }
    return [
        "\n  ".join(
            [
                f"a circle of {len(group)} modules:",
                *(place for (a, b), place in sorted(places.items()) if {a, b} <= group),
            ]
        )
        for group in sorted(groups, key=sorted)
    ]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """The modules that loading one brings with it; itself only if it is in a circle."""
    reached: set[str] = set()
    ahead = list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += graph[name]
    return reached


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def limit_violations(sources: Mapping[str, str]) -> list[str]:
    """Each file and function that is too long."""
    faults = []
    for path, source in sources.items():
        lines = len(source.splitlines())
        if lines > LONGEST_FILE:
            faults.append(f"{path}: {lines} lines, and a file may have {LONGEST_FILE}")
        for node in ast.walk(ast.parse(source, path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = node.end_lineno - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    faults.append(
                        f"{path}:{node.lineno}: `{node.name}` has {lines} lines, and a function "
                        f"may have {LONGEST_FUNCTION}"
                    )
    return faults


def sources_of(*directories: str) -> dict[str, str]:
    """The sources below some directories of the repository, by path."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for directory in directories
        for path in sorted((ROOT / directory).rglob("*.py"))
    }


# The house as it is.


def test_imports_go_strictly_down():
    house = sources_of("optgen", "bench", "examples", "generated/optgen_kernels")
    assert floor_violations(house) == []


def test_no_modules_import_one_another_in_a_circle():
    in_circles = circles(sources_of("optgen", "bench"))
    assert not in_circles, "\n".join(in_circles)


def test_files_and_functions_are_short():
    too_long = limit_violations(sources_of("optgen", "bench"))
    assert not too_long, "\n".join(["too long:", *too_long])


def test_emitted_packages_stand_on_the_runtime_alone():
    ground = {room for room, floor in FLOORS.items() if floor <= FLOORS["runtime"]}
    used = {
        (path, line, module)
        for path, _, imports in read_imports(sources_of("generated/optgen_kernels"))
        for module, line, _ in imports
        if room_of(module) is not None and room_of(module) not in ground
    }
    assert not used


def test_importing_optgen_leaves_the_heavy_libraries_alone():
    heavy = {"click", "jinja2", "matplotlib", "rich", "sklearn", "sympy"}
    program = "import sys, optgen; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert not heavy & set(loaded.split())


# The checkers, on houses that break the rule.


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("optgen/ir/node.py", "import optgen.dsl"),
        ("optgen/ir/node.py", "import optgen.dsl.symbol as s"),
        ("optgen/ir/node.py", "from optgen import dsl"),
        ("optgen/ir/node.py", "from optgen.dsl import rule"),
        ("optgen/ir/node.py", "from .. import dsl"),
        ("optgen/ir/node.py", "from ..dsl.symbol import Symbol"),
        ("optgen/ir/__init__.py", "from ..dsl import rule"),
        ("optgen/ir/deep/__init__.py", "from ...dsl import rule"),
        ("optgen/errors.py", "from .ir import node"),
        ("optgen/ir/node.py", "def late():\n    from optgen import dsl"),
        ("optgen/ir/node.py", "class A:\n    async def late(self):\n        import optgen.dsl"),
        ("optgen/ir/node.py", "if TYPE_CHECKING:\n    from ..dsl import Symbol"),
        ("optgen/ir/node.py", "try:\n    import optgen.dsl\nexcept ImportError:\n    pass"),
        ("optgen/ir/node.py", "import importlib\nimportlib.import_module('optgen.dsl')"),
        ("optgen/ir/node.py", "import_module('..dsl', __package__)"),
        ("optgen/ir/node.py", "import_module(f'optgen.dsl.{name}')"),
        ("optgen/ir/node.py", "f = lambda: __import__('optgen.dsl')"),
        ("optgen/zoo/adamw.py", "from optgen.optimizer import Optimizer"),  # the same floor
        ("optgen/tools/verify.py", "from optgen import cli"),
        ("optgen/cli/__init__.py", "import optgen"),
        ("optgen/zoo/adamw.py", "from optgen import adamw"),
        ("optgen/__init__.py", "import optgen_bench"),
        ("optgen/tools/tune.py", "def late():\n    from optgen_bench.rounds import measure"),
        ("optgen/zoo/adamw.py", "import optgen_kernels.adamw"),
        ("optgen/runtime/vocabulary/leaf.py", "from optgen.runtime.execution import cpu"),
        ("optgen/runtime/vocabulary/leaf.py", "if TYPE_CHECKING:\n    from ..execution import cpu"),
        ("optgen/runtime/vocabulary/leaf.py", "from optgen import runtime"),
        ("optgen/runtime/vocabulary/leaf.py", "import optgen.ir"),
        ("optgen/runtime/attic.py", "from optgen.runtime.vocabulary import leaf"),
        ("examples/train.py", "from optgen_bench import workloads"),
        ("bench/optgen_bench/peers.py", "import examples.train"),
        ("optgen/attic/junk.py", "x = 1"),
        ("optgen/cli/__init__.py", "import optgen.attic"),
    ],
)
def test_what_breaks_the_rule_is_found(path, source):
    assert len(floor_violations({path: source})) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("optgen/dsl/trace.py", "from optgen.ir import node\nfrom . import symbol\nimport jax"),
        ("optgen/ir/__init__.py", "from .node import Node\nfrom . import types\nimport optgen.ir"),
        ("optgen/emit/load.py", "import_module(f'.{target}', __package__)"),
        ("optgen/tools/verify.py", "from optgen.zoo import adamw"),
        ("optgen/tools/demo.py", "from optgen.tools import verify\nfrom optgen import zoo"),
        ("optgen/__init__.py", "from optgen import cli, dsl\nfrom .optimizer import Optimizer"),
        ("optgen/ir/node.py", "import optgenius\nimport_module(name)"),
        ("optgen/__main__.py", "from optgen.cli import main"),
        ("optgen/runtime/__init__.py", "from optgen.runtime.execution import package"),
        ("optgen/runtime/execution/cpu/call.py", "from optgen.runtime.vocabulary import leaf"),
        ("optgen/runtime/execution/load.py", "from . import cpu\nfrom optgen.errors import Error"),
        ("bench/optgen_bench/peers.py", "import optgen\nfrom optgen_bench.cases import Case"),
        ("bench/optgen_bench/command.py", "from optgen.cli import options"),
        ("examples/train.py", "import optgen\nfrom optgen import dsl"),
    ],
)
def test_what_keeps_the_rule_passes(path, source):
    assert floor_violations({path: source}) == []


def test_a_violation_names_the_line_and_the_remedy():
    house = {"optgen/ir/node.py": "import sys\n\nfrom ..dsl import rule", "optgen/attic.py": ""}
    assert floor_violations(house) == [
        "optgen/ir/node.py:3: `optgen.dsl` is on floor 3, and `ir` on floor 2: "
        "imports go strictly down",
        "optgen/attic.py: the room `attic` has no floor: add it to FLOORS",
    ]


@pytest.mark.parametrize(
    "house",
    [
        {"optgen/ir/a.py": "from . import b", "optgen/ir/b.py": "from .a import A"},
        {"optgen/ir/a.py": "class A:\n    import optgen.ir.b", "optgen/ir/b.py": "from . import a"},
        {
            "optgen/ir/__init__.py": "from .a import A",
            "optgen/ir/a.py": "from optgen.ir import B\nfrom optgen.ir.b import C",
            "optgen/ir/b.py": "",
        },
        {
            "optgen/dsl/__init__.py": "from optgen.ir.a import A",
            "optgen/ir/__init__.py": "from optgen import dsl",
            "optgen/ir/a.py": "",
        },
        {
            "optgen/ir/a.py": "from . import b",
            "optgen/ir/b.py": "def late():\n    from .a import A",
        },
        {
            "optgen/ir/a.py": "from . import b",
            "optgen/ir/b.py": "if TYPE_CHECKING:\n    from .a import A",
        },
        {
            "optgen/ir/a.py": "from . import b",
            "optgen/ir/b.py": "try:\n    from .a import A\nexcept ImportError:\n    A = None",
        },
        {"optgen/ir/a.py": "from . import b", "optgen/ir/b.py": "import_module('optgen.ir.a')"},
        {"optgen/ir/a.py": "from . import b", "optgen/ir/b.py": "import_module(f'.{x}', __name__)"},
        {
            "bench/optgen_bench/cases.py": "from optgen_bench import peers",
            "bench/optgen_bench/peers.py": "from optgen_bench.cases import Case",
        },
    ],
)
def test_a_circle_is_found(house):
    assert len(circles(house)) == 1


def test_a_circle_is_told_with_its_imports():
    house = {
        "optgen/ir/a.py": "\nfrom . import b, c",
        "optgen/ir/b.py": "def late():\n    from .a import A",
        "optgen/ir/c.py": "",
    }
    assert circles(house) == [
        "a circle of 2 modules:\n"
        "  optgen/ir/a.py:2 imports optgen.ir.b\n"
        "  optgen/ir/b.py:2 imports optgen.ir.a"
    ]


def test_a_package_may_gather_its_modules():
    house = {
        "optgen/ir/__init__.py": "from .a import A\nfrom .b import B",
        "optgen/ir/a.py": "from . import b\nfrom optgen.ir.b import B",
        "optgen/ir/b.py": "import jax",
        "optgen/cli/__init__.py": "def main():\n    from optgen.cli.app import app",
        "optgen/cli/app.py": "import_module(f'optgen.cli.{name}')",
        "optgen/cli/list.py": "from optgen.cli import output\nfrom optgen.ir import a",
        "optgen/cli/output.py": "",
    }
    assert circles(house) == []


def test_what_is_too_long_is_told():
    body = "    x = 1\n" * LONGEST_FUNCTION
    fits = f"def f():\n{body.removesuffix('    x = 1' + chr(10))}"
    house = {"optgen/a.py": f"\ndef f():\n{body}", "bench/b.py": "x = 1\n" * 301, "c.py": fits}
    assert limit_violations(house) == [
        "optgen/a.py:2: `f` has 61 lines, and a function may have 60",
        "bench/b.py: 301 lines, and a file may have 300",
    ]
