"""Compilers of accelerators that this machine does not have, and readers of their modules.

XLA compiles for a GPU or a TPU that is not there, given a description of the chip, and prints the
module that would run: every kernel, copy and alias can be counted on any machine.

    from optgen.tools import chips

    def step(params, state, grads):
        return tx.step(params, state, grads=grads)

    module = chips.compile_for("h200", step, params, state, grads, donate_argnums=(0, 1))
    module.launches, module.bytes                # kernels, bytes of memory that they move
    module.custom_calls["triton_kernel_call"]    # the kernels that call this, with their aliases
    module.copies                                # copies and transposes
    module.aliases                               # outputs written where arguments were
    module.memory.temporary                      # bytes that are neither
    print(module.text)                           # the optimized module

``params`` and the like are arrays or ``jax.ShapeDtypeStruct``; nothing is allocated. The chips are
``CHIPS``; ``unavailable("h200")`` says why one cannot be compiled for here, or is None. The
function is traced in this process, for ``cuda`` or ``tpu``; a child process compiles, and serves
later calls too. Give it a life of its own with ``with chips.Compiler() as compiler``.
"""

from optgen.tools.chips.chip import CHIPS, Chip
from optgen.tools.chips.compiler import Compiler, compile_for, unavailable
from optgen.tools.chips.hlo import Alias
from optgen.tools.chips.module import Kernel, Memory, Module

__all__ = [
    "CHIPS",
    "Alias",
    "Chip",
    "Compiler",
    "Kernel",
    "Memory",
    "Module",
    "compile_for",
    "unavailable",
]
