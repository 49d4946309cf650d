"""The wheel: what it ships, that it works where it is installed, and what it says it needs."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Where each directory of the repository lands in the wheel.
SHIPPED = {
    "optgen": "optgen",
    "templates": "optgen/templates",
    "examples": "optgen/examples",
    "generated/optgen_kernels": "optgen_kernels",
    "bench/optgen_bench": "optgen_bench",
}

# Packages that come with a stated dependency, by their import name.
BROUGHT_BY = {"jaxlib": "jax", "ml_dtypes": "jax", "mpmath": "sympy", "triton": "jax-triton"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel built from the working tree, without a network."""
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    build = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", directory, ROOT],
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    (path,) = directory.glob("*.whl")
    return path


def files_under(directory: Path) -> set[str]:
    return {
        path.relative_to(directory).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_the_wheel_ships_the_four_directories_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name for name in names if ".dist-info/" not in name}
    expected = {
        f"{there}/{name}" for here, there in SHIPPED.items() for name in files_under(ROOT / here)
    }
    assert packed == expected
    assert "optgen/py.typed" in packed
    for directory in SHIPPED.values():
        assert any(name.startswith(f"{directory}/") for name in packed), f"{directory} is empty"
    assert not any("test" in part for name in packed for part in name.split("/")[:-1])
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_registers_the_command_of_the_benchmark(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    result = subprocess.run(
        [sys.executable, "-m", "optgen", "bench", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.stdout.startswith("Usage: optgen bench "), result.stderr


@pytest.mark.slow
def test_what_the_wheel_installs_works_without_the_repository(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = """
import optgen, optgen_bench, optgen_kernels
print(optgen.__file__, optgen_bench.__file__, optgen_kernels.__file__, flush=True)
from optgen.cli import main
main(["show", "adamw", "--ir", "jnp"])  # fills a skeleton from the templates
"""
    # PYTHONPATH comes before the repository, which is installed in place.
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    paths, emitted = result.stdout.split("\n", 1)
    assert all(Path(path).is_relative_to(tmp_path) for path in paths.split())
    assert "def " in emitted


def imported_names() -> set[str]:
    """The top-level names of all that optgen imports from elsewhere, late imports too."""
    names = set()
    for path in (ROOT / "optgen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
    tops = {name.partition(".")[0] for name in names} - {"optgen", "optgen_bench", "optgen_kernels"}
    return tops - sys.stdlib_module_names


def distributions(name: str) -> set[str]:
    """Distributions that provide a name; itself where none that is installed does."""
    name = BROUGHT_BY.get(name, name)
    return {normalized(found) for found in packages_distributions().get(name, [name])}


def normalized(requirement: str) -> str:
    """The distribution that a requirement names, as package indexes spell it."""
    return re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")


def test_every_stated_dependency_is_imported():
    stated = {normalized(requirement) for requirement in PROJECT["dependencies"]}
    used = {found for name in imported_names() for found in distributions(name)}
    assert stated - used == set()


def test_everything_imported_is_stated():
    extras = PROJECT["optional-dependencies"]
    stated = {
        normalized(requirement)
        for requirements in [PROJECT["dependencies"], *(extras[e] for e in extras if e != "dev")]
        for requirement in requirements
    }
    unstated = {name for name in imported_names() if not distributions(name) & stated}
    assert unstated == set()
