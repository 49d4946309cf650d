"""The house: who may import whom in optgen, read from the source of every module."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# The floor of each room, a room being the first name below `optgen`. Imports go strictly down,
# or stay in the room; `optgen/__init__.py` is above them all.
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


class Import(NamedTuple):
    """One module that another imports."""

    module: str
    line: int
    when_loaded: bool  # neither inside a function nor under `if TYPE_CHECKING`


class _Reader(ast.NodeVisitor):
    """Collects the imports of one module, wherever they stand."""

    def __init__(self, name: str, is_package: bool, modules: frozenset[str]):
        self.package = name if is_package else name.rpartition(".")[0]
        self.modules = modules
        self.found: list[Import] = []
        self.when_loaded = True

    def visit_Import(self, node):
        for alias in node.names:
            self.add(alias.name, node)

    def visit_ImportFrom(self, node):
        base = self.absolute("." * node.level + (node.module or ""))
        for alias in node.names:
            submodule = f"{base}.{alias.name}"
            self.add(submodule if submodule in self.modules else base, node)

    def visit_Call(self, node):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__") and node.args:
            self.add(self.absolute(_leading_text(node.args[0])), node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node):
        for outside in (*node.decorator_list, node.args):
            self.visit(outside)
        self.later(node.body)

    def visit_AsyncFunctionDef(self, node):
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node):
        self.later([node.body])

    def visit_If(self, node):
        if ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            self.later(node.body)
            for statement in node.orelse:
                self.visit(statement)
        else:
            self.generic_visit(node)

    def later(self, nodes):
        before, self.when_loaded = self.when_loaded, False
        for node in nodes:
            self.visit(node)
        self.when_loaded = before

    def absolute(self, name: str) -> str:
        tail = name.lstrip(".")
        level = len(name) - len(tail)
        if not level:
            return name
        parents = self.package.split(".")
        return ".".join([*parents[: len(parents) - level + 1], tail]).rstrip(".")

    def add(self, module: str, node):
        if module:
            self.found.append(Import(module, node.lineno, self.when_loaded))


def _leading_text(node) -> str:
    """As much of a computed module name as is written out: all of "a.b", `a.` of f"a.{b}"."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0] if node.values else node
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def read_imports(sources: Mapping[str, str]) -> Iterator[tuple[str, str, list[Import]]]:
    """For each source, by its path: path, module name, and all that it imports."""
    modules = {module_name(path) for path in sources}
    modules |= {f"optgen.{room}" for room in FLOORS}
    for path, source in sources.items():
        name = module_name(path)
        reader = _Reader(name, path.endswith("/__init__.py"), frozenset(modules))
        reader.visit(ast.parse(source, path))
        yield path, name, reader.found


def room_of(module: str) -> str | None:
    """The room of a module of optgen: "" for optgen itself, None for other packages."""
    first, *rest = module.split(".")
    if first != "optgen":
        return None
    return rest[0] if rest else ""


def floor_violations(sources: Mapping[str, str]) -> list[str]:
    """Each import that goes up, sideways, or to or from a room that has no floor."""
    faults = []
    for path, name, imports in read_imports(sources):
        room = room_of(name)
        if room and room not in FLOORS:
            faults.append(f"{path}: the room `{room}` has no floor: add it to FLOORS")
            continue
        for module, line, _ in imports:
            target = room_of(module)
            where = f"{path}:{line}: `{module}`"
            if target is None or target == room:
                continue
            if target == "":
                faults.append(f"{where} is above every room: import the room that is meant")
            elif target not in FLOORS:
                faults.append(f"{where}: the room `{target}` has no floor: add it to FLOORS")
            elif room and FLOORS[target] >= FLOORS[room]:
                faults.append(
                    f"{where} is on floor {FLOORS[target]}, and `{room}` on floor {FLOORS[room]}: "
                    "imports go strictly down"
                )
    return faults


def import_cycle(sources: Mapping[str, str]) -> list[str] | None:
    """Modules that import one another in a circle while they are loaded, or None."""
    known = {module_name(path) for path in sources}
    graph: dict[str, set[str]] = {}
    for _, name, imports in read_imports(sources):
        # Loading a.b.c loads a and a.b too; but the parents of the module that imports are being
        # loaded already, and are a dependency only where it names them.
        named = {imported.module for imported in imports if imported.when_loaded}
        parents = {parent for module in named for parent in _with_parents(module)}
        graph[name] = (named | parents - set(_with_parents(name))) & known - {name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def sources_under(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory.parent).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(directory.rglob("*.py"))
    }


# The house as it is.


def test_imports_go_strictly_down():
    assert floor_violations(sources_under(ROOT / "optgen")) == []


def test_no_module_is_loaded_in_a_circle():
    assert import_cycle(sources_under(ROOT / "optgen")) is None


def test_emitted_packages_stand_on_the_runtime_alone():
    ground = {room for room, floor in FLOORS.items() if floor <= FLOORS["runtime"]}
    used = {
        (path, line, module)
        for path, _, imports in read_imports(sources_under(ROOT / "generated" / "optgen_kernels"))
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
    ],
)
def test_a_circle_is_found(house):
    assert import_cycle(house)


@pytest.mark.parametrize(
    "late",
    [
        "def f():\n    from .a import A",
        "if TYPE_CHECKING:\n    from .a import A",
        "import typing\nif typing.TYPE_CHECKING:\n    from . import a\nelse:\n    a = None",
    ],
)
def test_what_is_imported_later_makes_no_circle(late):
    house = {
        "optgen/ir/__init__.py": "from .a import A\nfrom .b import B",
        "optgen/ir/a.py": "from . import b\nfrom optgen.ir.b import B",
        "optgen/ir/b.py": late,
    }
    assert import_cycle(house) is None
