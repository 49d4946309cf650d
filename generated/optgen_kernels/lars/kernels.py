"""Kernel sequences of lars: what its kernels, in the files beside this one, take and give.

Emitted by optgen: change the rule, not this file. A sequence says what a step, or an update, does
to the leaves of a variant: the items that it runs, in order, over buffers of a leaf.
"""

from optgen.runtime import read_kernels

KERNELS = read_kernels(
    "lars",
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
  buffer trace : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  sweep leaf_statistics phase 0 flat reads p, g writes param_squares, update_squares
        scalars weight_decay
  combine tiles phase 0 param_squares, update_squares
  sweep leaf_step phase 0 flat reads g, param_squares, update_squares updates p, trace
        scalars minus_learning_rate, weight_decay, trust_coefficient, eps, momentum
}

sequence variant 1 step float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer trace : float32[*] leaf
  sweep chosen_left_out_step phase 0 flat reads g updates p, trace
        scalars minus_learning_rate, weight_decay, momentum
}

sequence variant 2 step float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer trace : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  sweep left_out_chosen_statistics phase 0 flat reads p, g writes param_squares, update_squares
  combine tiles phase 0 param_squares, update_squares
  sweep left_out_chosen_step phase 0 flat reads g, param_squares, update_squares updates p, trace
        scalars minus_learning_rate, trust_coefficient, eps, momentum
}

sequence variant 3 step float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer trace : float32[*] leaf
  sweep left_out_left_out_step phase 0 flat reads g updates p, trace
        scalars minus_learning_rate, momentum
}

sequence variant 0 update float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer trace : float32[*] leaf
  buffer update : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  buffer trust_ratio : float32[] statistic
  sweep leaf_statistics phase 0 flat reads p, g writes param_squares, update_squares
        scalars weight_decay
  combine tiles phase 0 param_squares, update_squares
  finalize leaf_finalize phase 0 flat independent<*> reads param_squares, update_squares
        writes trust_ratio scalars trust_coefficient, eps
  xla leaf_update phase 0 flat reads g, p, trust_ratio updates trace writes update
        scalars minus_learning_rate, weight_decay, momentum
}

sequence variant 2 update float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer trace : float32[*] leaf
  buffer update : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  buffer trust_ratio : float32[] statistic
  sweep left_out_chosen_statistics phase 0 flat reads p, g writes param_squares, update_squares
  combine tiles phase 0 param_squares, update_squares
  finalize leaf_finalize phase 0 flat independent<*> reads param_squares, update_squares
        writes trust_ratio scalars trust_coefficient, eps
  xla left_out_chosen_update phase 0 flat reads g, trust_ratio updates trace writes update
        scalars minus_learning_rate, momentum
}

sequence variant 1 update float32 float32 float32 {
  xla chosen_left_out phase 0 because "one sweep, which XLA fuses with what takes the updates"
}

sequence variant 3 update float32 float32 float32 {
  xla left_out_left_out phase 0 because "one sweep, which XLA fuses with what takes the updates"
}
""",
)
