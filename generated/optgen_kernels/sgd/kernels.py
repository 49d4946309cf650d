"""Kernel sequences of sgd: what its kernels, in the files beside this one, take and give.

Emitted by optgen: change the rule, not this file. A sequence says what a step, or an update, does
to the leaves of a variant: the items that it runs, in order, over buffers of a leaf.
"""

from optgen.runtime import read_kernels

KERNELS = read_kernels(
    "sgd",
    __file__,
    {
        "cpu": "cpu.cc",
        "triton": "triton.py",
        "tpu": "tpu.py",
    },
    r"""
sequence variant 0 step float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  sweep leaf_step phase 0 flat reads g updates p scalars minus_learning_rate
}

sequence variant 0 update float32 float32 float32 {
  xla leaf phase 0 because "one sweep, which XLA fuses with what takes the updates"
}
""",
)
