"""Kernels that read each element of a leaf once, tile by tile."""

from __future__ import annotations

from optgen.emit.triton.function import Helpers, KernelFunction
from optgen.emit.triton.printer import Triton
from optgen.ir.evaluate import Dtypes
from optgen.ir.program import Program
from optgen.runtime.vocabulary.sequence import Kernel
from optgen.schedule.graph import is_reduction


class SweepFunction(KernelFunction):
    """A kernel that reads each element once, tile by tile.

    Attributes:
      printer: has printed the body.
      stores: the statements that store tiles.
      reductions: the name of each reduction, and the expression of what is reduced.
    """

    def __init__(self, kernel: Kernel, body: Program, dtypes: Dtypes, helpers: Helpers) -> None:
        super().__init__(kernel, body, dtypes, helpers)
        partial = [x.name for x in kernel.operands if x.partial]
        self.printer = Triton(self, body, [*partial, *(f"{name}_tile" for name in partial)])
        self.stores: list[str] = []
        self.reductions: list[tuple[str, str]] = []
        for output in body.outputs:
            value = output.args[0]
            if is_reduction(value):
                # A value to reduce has a name, and every element of the tile.
                self.reductions.append((output.attr, self.printer.text(value.args[0])[0]))
            else:
                self.stores.append(self.store(output.attr, self.printer.text(value)[0]))

    def store(self, name: str, text: str) -> str:
        """The statement that stores a tile of an array of the leaf."""
        raise NotImplementedError
