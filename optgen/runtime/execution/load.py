"""Loads emitted Python source as modules."""

from __future__ import annotations

import itertools
import linecache
from types import ModuleType
from typing import TypeVar

from optgen.errors import PackageError
from optgen.runtime.vocabulary.module import Module

_serial = itertools.count(1)


def load_emitted(name: str, source: str) -> Module:
    """Runs emitted source, and returns its ``MODULE``.

    Raises:
      PackageError: if it defines none.
    """
    return _defined(name, source, "MODULE", Module)


T = TypeVar("T")


def _defined(name: str, source: str, constant: str, kind: type[T]) -> T:
    value = getattr(load_module(name, source), constant, None)
    if not isinstance(value, kind):
        raise PackageError(f"what was emitted for {name} defines no {constant}: generate it again")
    return value


def load_module(name: str, source: str) -> ModuleType:
    """Runs source; tracebacks and debuggers show it as if it had been a file."""
    filename = f"<optgen {name} {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(f"optgen_emitted_{name}")
    module.__file__ = filename
    exec(compile(source, filename, "exec"), module.__dict__)
    return module
