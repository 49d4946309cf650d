"""Makes a module of emitted Python source."""

from __future__ import annotations

import itertools
import linecache
from types import ModuleType

from optgen.errors import PackageError
from optgen.runtime.unit import Unit

_serial = itertools.count(1)


def load_unit(name: str, source: str) -> Unit:
    """Runs emitted source, and returns its ``UNIT``.

    Tracebacks and debuggers show the source as if it had been a file.

    Raises:
      PackageError: if it defines none.
    """
    filename = f"<optgen {name} {next(_serial)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    module = ModuleType(f"optgen_emitted_{name}")
    exec(compile(source, filename, "exec"), module.__dict__)
    unit = getattr(module, "UNIT", None)
    if not isinstance(unit, Unit):
        raise PackageError(f"the source emitted for {name} defines no UNIT: generate it again")
    return unit
