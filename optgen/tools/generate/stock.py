"""The packages of all stock rules: written, and checked against a fresh emission."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optgen.emit.templates import template
from optgen.runtime.execution.targets import TARGETS
from optgen.tools.generate.configuration import Configuration, leaf_specs, make_instance
from optgen.tools.generate.package import package_files
from optgen.tools.generate.writing import DEFAULT_SHAPES, compile_sources, write
from optgen.zoo import STOCK

STOCK_SETTINGS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "sgd": ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": ({}, {"centered": True}, {"momentum": 0.9}),
    "adafactor": ({"learning_rate": 1e-3}, {"learning_rate": 1e-3, "momentum": 0.9}),
}
"""The settings of a stock rule's committed package, where they are not its defaults alone."""


def generate_all(out: Path, compile_now: bool = False) -> list[Path]:
    """Writes the packages of every stock rule, and the module that imports them all.

    Args:
      out: the directory that holds packages.
      compile_now: see ``generate``.
    """
    out = Path(out)
    if compile_now:
        for name, files in _stock_files().items():
            compile_sources(name, files)
    return [
        path
        for name, files in _stock_files().items()
        for path in write(out / name if name else out, files)
    ]


def check(out: Path) -> list[str]:
    """The differences of a directory of stock packages from a fresh emission, a line each."""
    out, faults = Path(out), []
    for name, files in _stock_files().items():
        directory = out / name if name else out
        for file, text in files.items():
            path = directory / file
            if not path.exists():
                faults.append(f"{path} is missing")
            elif path.read_text(encoding="utf-8") != text:
                faults.append(f"{path} differs from what optgen emits now")
        known = set(files) | {"__pycache__"}
        known |= {name for name in _stock_files() if name} if not name else set()
        extra = [p for p in sorted(directory.glob("*")) if p.name not in known]
        faults += [f"{path} is not emitted by any stock rule" for path in extra]
    return faults


def _stock_files() -> dict[str, dict[str, str]]:
    packages: dict[str, dict[str, str]] = {}
    for name, rule in sorted(STOCK.items()):
        configurations: list[Configuration] = []
        for settings in STOCK_SETTINGS.get(name, ({},)):
            leaves = leaf_specs(make_instance(rule, settings), DEFAULT_SHAPES, ("float32",))
            configurations.append(Configuration(settings, leaves))
        packages[name] = package_files(rule, configurations, tuple(TARGETS))
    packages[""] = {"__init__.py": template("kernels.py.jinja").render(names=sorted(STOCK))}
    return packages
