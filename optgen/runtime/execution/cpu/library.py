"""Loads compiled libraries into this process."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

from optgen.errors import CompilerError
from optgen.runtime.execution.cache import discard
from optgen.runtime.execution.cpu.compiler import HEADERS, compile_library


def load(source: str, name: str, headers: Mapping[str, Path] = HEADERS) -> ctypes.CDLL:
    """The library of a C++ source, compiled where that is needed; it is never unloaded.

    Raises:
      CompilerError: where it cannot be compiled, or what the compiler made is no library.
      CacheError: where it cannot be kept.
    """
    first = compile_library(source, name, headers)
    try:
        return ctypes.CDLL(str(first))
    except OSError:
        # A cache may be shared by systems whose C++ libraries differ: what another one made does
        # not load here, and what is made here does.
        discard(first)
    again = compile_library(source, name, headers)
    try:
        return ctypes.CDLL(str(again))
    except OSError as error:
        discard(again)
        raise CompilerError(
            f"what the compiler made of {name} cannot be loaded: {error}. Name another compiler "
            f"in CXX, or, where programs may not run from there, another directory in "
            "OPTGEN_CACHE_DIR."
        ) from error


def address(library: ctypes.CDLL, symbol: str, name: str) -> int:
    """Address of a function of a library.

    Raises:
      CompilerError: where it has none of this name.
    """
    try:
        function = library[symbol]
    except AttributeError as error:
        discard(Path(library._name))
        raise CompilerError(
            f"the library made of {name} has no function {symbol}: it must be marked OPTGEN_EXPORT"
        ) from error
    pointer = ctypes.cast(function, ctypes.c_void_p).value
    assert pointer is not None  # a function that was found is somewhere
    return pointer
