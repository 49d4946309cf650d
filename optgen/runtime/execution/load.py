"""Makes a module of emitted Python source."""

from __future__ import annotations

import itertools
import linecache
from dataclasses import replace
from types import ModuleType
from typing import TypeVar

from optgen.errors import PackageError
from optgen.runtime.vocabulary.kernels import Kernels, Native
from optgen.runtime.vocabulary.unit import Unit

_serial = itertools.count(1)


def load_unit(name: str, source: str) -> Unit:
    """Runs emitted source, and returns its ``UNIT``.

    Raises:
      PackageError: if it defines none.
    """
    return _defined(name, source, "UNIT", Unit)


def load_native(name: str, tables: str, source: str) -> Native:
    """Runs the emitted tables of native kernels, and returns their ``NATIVE`` with its C++.

    Raises:
      PackageError: if they define none.
    """
    return replace(_defined(name, tables, "NATIVE", Native), source=source)


def load_kernels(name: str, tables: str, source: str) -> Kernels:
    """Runs the emitted tables of an accelerator's kernels, and returns ``KERNELS`` with its source.

    Raises:
      PackageError: if they define none.
    """
    return replace(_defined(name, tables, "KERNELS", Kernels), source=source)


T = TypeVar("T")


def _defined(name: str, source: str, constant: str, kind: type[T]) -> T:
    found = getattr(load_module(name, source), constant, None)
    if not isinstance(found, kind):
        raise PackageError(f"what was emitted for {name} defines no {constant}: generate it again")
    return found


def load_module(name: str, source: str) -> ModuleType:
    """Runs source; tracebacks and debuggers show it as if it had been a file."""
    filename = f"<optgen {name} {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(f"optgen_emitted_{name}")
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)
    return module
