"""Runs launches in Triton's interpreter, on the CPU: program by program, over NumPy arrays."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import ml_dtypes
import numpy as np

from optgen.runtime.execution.triton import dispatch
from optgen.runtime.execution.triton.libraries import interpreting
from optgen.runtime.execution.triton.modules import launch_function
from optgen.runtime.execution.triton.options import Options
from optgen.runtime.vocabulary.module import Kernels


class _Array:
    """As much of a torch tensor as the interpreter asks for, over a NumPy array."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.dtype = _Dtype(array.dtype.name)

    def data_ptr(self) -> int:
        return self.array.ctypes.data

    def untyped_storage(self) -> _Array:
        return self

    def cpu(self) -> _Array:
        return self

    def new_empty(self, size: int, device: str) -> _Array:
        return _Array(self.array)

    def copy_(self, other: _Array) -> None: ...

    def set_(self, storage: _Array, *_: Any) -> None:
        self.array = storage.array

    def storage_offset(self) -> int:
        return 0

    def size(self) -> tuple[int, ...]:
        return self.array.shape

    def stride(self) -> tuple[int, ...]:
        return tuple(s // self.array.itemsize for s in self.array.strides)


class _Dtype(str):
    """A dtype by its name, which is all that Triton asks."""

    def __str__(self) -> str:
        return f"torch.{super().__str__()}"


def call(
    kernels: Kernels,
    sections: Sequence[dispatch.Section],
    inputs: Sequence[jax.Array],
    names: Sequence[str],
    outputs: Mapping[str, jax.ShapeDtypeStruct],
    aliases: Mapping[int, int],
    options: Options,
) -> list[jax.Array]:
    """See ``bridge.call``."""
    aliased = {result: i for i, result in aliases.items()}
    fresh = [name for i, name in enumerate(outputs) if i not in aliased]
    kernel = launch_function(kernels, [*names, *fresh], sections, interpreted=True)
    shapes = list(outputs.values())
    grid = (sum(section.programs for section in sections),)

    def run(*arrays: Any) -> list[np.ndarray[Any, Any]]:
        _mend()
        operands = [np.array(array) for array in arrays]  # copies, to be updated in place
        results = [_unwritten(s) for i, s in enumerate(shapes) if i not in aliased]
        with _lock, interpreting(True), _interpreted_library(), np.errstate(all="ignore"):
            kernel[grid](*(_Array(a) for a in (*operands, *results)))
        new = iter(results)
        return [operands[aliased[i]] if i in aliased else next(new) for i in range(len(shapes))]

    return list(jax.pure_callback(run, shapes, *inputs))


_lock = threading.Lock()
"""Triton's interpreter knows of one program at a time, and JAX may run launches side by side."""


def _unwritten(result: jax.ShapeDtypeStruct) -> np.ndarray[Any, Any]:
    """Array of NaN for a result: nothing may read it before it is written."""
    return np.full(result.shape, np.nan, result.dtype)


@contextmanager
def _interpreted_library() -> Iterator[None]:
    """Triton's own device functions, interpreted, wherever Triton was first imported to compile.

    The interpreter patches Triton's language when a launch begins; it need not do so again for
    each call of a device function, which takes longer than most of them.
    """
    import triton.language as tl
    from triton.runtime.interpreter import InterpretedFunction
    from triton.runtime.jit import JITFunction

    compiled = {
        (module, name): function
        for module in (tl, tl.standard)
        for name, function in vars(module).items()
        if isinstance(function, JITFunction)
    }
    for (module, name), function in compiled.items():
        setattr(module, name, InterpretedFunction(function.fn))
    patching = InterpretedFunction.__call__
    InterpretedFunction.__call__ = lambda self, *args, **kwargs: self.rewrite()(*args, **kwargs)
    try:
        yield
    finally:
        InterpretedFunction.__call__ = patching
        for (module, name), function in compiled.items():
            setattr(module, name, function)


@functools.cache
def _mend() -> None:
    """Makes the interpreter do what GPUs do.

    It cuts float32 off to bfloat16, where GPUs round to nearest, half to even; and a comparison of
    scalars becomes a number beside a tile.
    """
    from triton import language as tl
    from triton.runtime import interpreter

    convert = interpreter._convert_float

    def rounded(data: Any, given: Any, wanted: Any, mode: Any) -> Any:
        if (given, wanted) != (tl.float32, tl.bfloat16):
            return convert(data, given, wanted, mode)
        return data.astype(ml_dtypes.bfloat16).view(np.uint16)

    operate = interpreter.InterpreterBuilder.binary_op

    def typed(self: Any, a: Any, b: Any, op: Any) -> Any:
        result = operate(self, a, b, op)
        if result.data.dtype == bool:
            result.dtype = tl.int1
        return result

    interpreter._convert_float = rounded
    interpreter.InterpreterBuilder.binary_op = typed
