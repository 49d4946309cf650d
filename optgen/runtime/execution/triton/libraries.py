"""Device functions for interpreted kernels, in the place of those that are compiled."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from optgen.runtime.execution.load import load_module

_NUMPY = {"pow": "power", "atan2": "arctan2"}
"""Functions of CUDA's mathematical library that NumPy calls otherwise."""


@contextmanager
def interpreting(wanted: bool) -> Iterator[None]:
    """Context in which ``triton.jit`` makes functions for its interpreter, or for its compiler."""
    before = os.environ.get("TRITON_INTERPRET")
    os.environ["TRITON_INTERPRET"] = "1" if wanted else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TRITON_INTERPRET"]
        else:
            os.environ["TRITON_INTERPRET"] = before


def replace_libraries(module: ModuleType) -> None:
    """Gives interpreted kernels device functions that are interpreted too."""
    if hasattr(module, "device"):
        module.device = _device()  # type: ignore[attr-defined]
    if hasattr(module, "libdevice"):
        module.libdevice = _library()  # type: ignore[attr-defined]


@functools.cache
def _device() -> ModuleType:
    from optgen.runtime.execution.triton import device

    with interpreting(True):
        module = load_module("device", Path(device.__file__).read_text("utf-8"))
    module.found = lambda comment: None  # type: ignore[attr-defined]  # assembly is not interpreted
    return module


@functools.cache
def _library() -> Any:
    """NumPy's functions in the place of CUDA's mathematical library."""
    import triton.language as tl
    from triton.runtime.interpreter import TensorHandle

    class Library:
        def __getattr__(self, name: str) -> Any:
            function = getattr(np, _NUMPY.get(name, name))

            def apply(*args: Any) -> Any:
                data = function(*(arg.handle.data for arg in args))
                data = data.astype(args[0].handle.data.dtype)
                scalar = args[0].dtype
                block = any(arg.type.is_block() for arg in args)
                kind = tl.block_type(scalar, list(data.shape)) if block else scalar
                return tl.tensor(TensorHandle(data, scalar), kind)

            return apply

    return Library()
