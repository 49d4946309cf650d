"""The modules of emitted kernels, and of the launches made for them."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from optgen.runtime.execution.load import load_module
from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.libraries import interpreting, replace_libraries
from optgen.runtime.vocabulary.module import Kernels

CONSTANTS = {"BLOCK": "block", "OUTER": "outer", "INNER": "inner", "STAGES": "stages"}
"""Compile-time arguments of emitted functions, and the options that they are."""


_IMPORTS = """import triton
import triton.language as tl

from optgen.runtime.execution.triton import device"""
"""Imports at the top of a launch's source."""


@functools.lru_cache(maxsize=256)
def emitted(kernels: Kernels, interpreted: bool = False) -> ModuleType:
    """The module of emitted kernels."""
    return _module(f"{kernels.name}_{kernels.target}", kernels.text, interpreted)


def _module(name: str, source: str, interpreted: bool) -> ModuleType:
    _import_to_compile()
    with interpreting(interpreted):
        module = load_module(name, source)
        if interpreted:
            replace_libraries(module)
    return module


@functools.cache
def _import_to_compile() -> None:
    """Imports what has device functions of its own, before anything is interpreted.

    What is imported while ``TRITON_INTERPRET`` is set can never be compiled in this process.
    """
    with interpreting(False):
        importlib.import_module("triton.language")
        importlib.import_module("optgen.runtime.execution.triton.device")


@functools.lru_cache(maxsize=256)
def _signatures(text: str) -> dict[str, tuple[str, ...]]:
    functions = (n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef))
    return {f.name: tuple(x.arg for x in f.args.args) for f in functions}


def arguments_of(kernels: Kernels, function: str) -> tuple[str, ...]:
    """Names of an emitted function's arguments, read from the text, without Triton."""
    return _signatures(kernels.text)[function]


def launch_source(
    kernels: Kernels, parameters: Sequence[str], sections: Sequence[dispatch.Section]
) -> str:
    """The source of the kernel that runs emitted functions on leaves."""
    return dispatch.source(_name(kernels, sections), parameters, sections)


def launch_function(
    kernels: Kernels,
    parameters: Sequence[str],
    sections: Sequence[dispatch.Section],
    interpreted: bool = False,
) -> Any:
    """That kernel."""
    text = launch_source(kernels, parameters, sections)
    functions = tuple(dict.fromkeys(section.function for section in sections))
    return _loaded(kernels, _name(kernels, sections), functions, text, interpreted)


def _name(kernels: Kernels, sections: Sequence[dispatch.Section]) -> str:
    return f"optgen_{kernels.name}_{sections[0].function}"


@functools.lru_cache(maxsize=256)
def _loaded(
    kernels: Kernels, name: str, functions: tuple[str, ...], text: str, interpreted: bool
) -> Any:
    module = _module(name, f"{_IMPORTS}\n\n\n{text}", interpreted)
    for function in functions:
        setattr(module, function, getattr(emitted(kernels, interpreted), function))
    return getattr(module, name)
