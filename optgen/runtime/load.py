"""Makes a module of emitted Python source."""

from __future__ import annotations

import itertools
import linecache
from dataclasses import replace
from types import ModuleType

from optgen.errors import PackageError
from optgen.runtime.kernels import Native
from optgen.runtime.unit import Unit

_serial = itertools.count(1)


def load_unit(name: str, source: str) -> Unit:
    """Runs emitted source, and returns its ``UNIT``.

    Raises:
      PackageError: if it defines none.
    """
    unit = getattr(_module(name, source), "UNIT", None)
    if not isinstance(unit, Unit):
        raise PackageError(f"the source emitted for {name} defines no UNIT: generate it again")
    return unit


def load_native(name: str, tables: str, source: str) -> Native:
    """Runs the emitted tables of native kernels, and returns their ``NATIVE`` with its C++.

    Raises:
      PackageError: if they define none.
    """
    native = getattr(_module(name, tables), "NATIVE", None)
    if not isinstance(native, Native):
        raise PackageError(f"the tables emitted for {name} define no NATIVE: generate them again")
    return replace(native, source=source)


def _module(name: str, source: str) -> ModuleType:
    """Runs source; tracebacks and debuggers show it as if it had been a file."""
    filename = f"<optgen {name} {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(f"optgen_emitted_{name}")
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)
    return module
