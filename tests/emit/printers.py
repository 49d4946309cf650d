"""Printers of C++ and Triton for a body that no kernel has."""

from types import SimpleNamespace

from optgen.emit.cpu.printer import Cpp
from optgen.emit.triton.printer import Triton
from optgen.ir.evaluate import Dtypes


class _Cpp(Cpp):
    def load(self, n):
        return n.attr

    def scalar(self, n):
        return n.attr


class _Triton(Triton):
    def scalar(self, n):
        return n.attr


def cpp(program):
    """A printer of C++ of this body, as of a sweep over a vector."""
    return _Cpp(SimpleNamespace(operands=(), dimensions=1), program, Dtypes())


def triton(program, real="float32"):
    """The same of Triton, in this arithmetic."""
    function = SimpleNamespace(
        dtypes=Dtypes(real, real, real),
        dimensions=1,
        reserved=(),
        real=real,
        load=lambda n: n.attr,
    )
    return _Triton(function, program)
