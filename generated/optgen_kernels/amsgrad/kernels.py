"""Kernel sequences of amsgrad: what its kernels, in the files beside this one, take and give.

Emitted by optgen: change the rule, not this file. A sequence says what a step, or an update, does
to the leaves of a variant: the items that it runs, in order, over buffers of a leaf.
"""

from optgen.runtime import read_kernels

KERNELS = read_kernels(
    "amsgrad",
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
  buffer mu : float32[*] leaf
  buffer nu_max : float32[*] leaf
  buffer nu : float32[*] leaf
  sweep leaf_step phase 0 flat reads g updates p, mu, nu_max, nu
        scalars minus_learning_rate, one_minus_b1, b1, bias_correction_b1, one_minus_b2, b2,
          bias_correction_b2, eps_root, eps
}

sequence variant 0 update float32 float32 float32 {
  xla leaf phase 0 because "one sweep, which XLA fuses with what takes the updates"
}
""",
)
