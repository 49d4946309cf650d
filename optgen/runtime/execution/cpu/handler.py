"""The one FFI target of all CPU kernels, and the kernels that it knows."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path

import jax

from optgen.runtime.execution.cpu.compiler import NATIVE, fixed_flags
from optgen.runtime.execution.cpu.library import address, load

TARGET = "optgen_cpu"
"""Name of the target in XLA's programs."""

_opening = threading.Lock()
_handlers: list[ctypes.CDLL] = []
_entries: dict[int, int] = {}


def entry(source: str, name: str, symbol: str) -> int:
    """The key of a kernel, which is compiled, loaded and registered where that is not done yet.

    Args:
      source: the C++ text of a library of kernels, which includes ``optgen_kernel.h``.
      name: what its files and errors call it.
      symbol: the function of the type ``optgen_entry`` that is meant.

    Returns:
      A number below 2**63 which depends on the source, the flags and the symbol alone, so that
      a program that XLA kept from an earlier process finds its kernel again.

    Raises:
      CompilerError: where there is no compiler, or it cannot make this library.
      CacheError: where the library cannot be kept, or what is kept cannot be trusted.
    """
    key = _key(source, symbol, fixed_flags())
    if key not in _entries:
        function = address(load(source, name), symbol, name)
        handler().optgen_register(key, function)
        _entries[key] = function
    return key


def handler() -> ctypes.CDLL:
    """The library of the handler, which XLA knows from the first call on.

    Raises:
      CompilerError: where it cannot be compiled.
      CacheError: where it cannot be kept.
    """
    with _opening:
        if not _handlers:
            library = load((NATIVE / "handler.cc").read_text(), "handler", _headers())
            function = library[TARGET]
            library.optgen_register.argtypes = (ctypes.c_uint64, ctypes.c_void_p)
            library.optgen_register.restype = None
            jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(function), platform="cpu")
            _handlers.append(library)
        return _handlers[0]


def _headers() -> Mapping[str, Path]:
    return {"optgen_kernel.h": NATIVE, "xla/ffi/api/c_api.h": Path(jax.ffi.include_dir())}


@functools.lru_cache(maxsize=1024)
def _key(source: str, symbol: str, flags: tuple[str, ...]) -> int:
    digest = hashlib.sha256(repr((source, symbol, flags)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
