"""Kernel sequences of lamb: what its kernels, in the files beside this one, take and give.

Emitted by optgen: change the rule, not this file. A sequence says what a step, or an update, does
to the leaves of a variant: the items that it runs, in order, over buffers of a leaf.
"""

from optgen.runtime import read_kernels

KERNELS = read_kernels(
    "lamb",
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
  buffer nu : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  sweep leaf_sweep phase 0 flat reads p, g updates mu, nu writes param_squares, update_squares
        scalars one_minus_b1, b1, bias_correction_b1, one_minus_b2, b2, bias_correction_b2,
          eps_root, eps, weight_decay
  combine tiles phase 0 param_squares, update_squares
  sweep leaf_step phase 0 flat reads mu, nu, param_squares, update_squares updates p
        scalars minus_learning_rate, bias_correction_b1, bias_correction_b2, eps_root, eps,
          weight_decay
}

sequence variant 1 step float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer mu : float32[*] leaf
  buffer nu : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  sweep left_out_sweep phase 0 flat reads p, g updates mu, nu writes param_squares, update_squares
        scalars one_minus_b1, b1, bias_correction_b1, one_minus_b2, b2, bias_correction_b2,
          eps_root, eps
  combine tiles phase 0 param_squares, update_squares
  sweep left_out_step phase 0 flat reads mu, nu, param_squares, update_squares updates p
        scalars minus_learning_rate, bias_correction_b1, bias_correction_b2, eps_root, eps
}

sequence variant 0 update float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer mu : float32[*] leaf
  buffer nu : float32[*] leaf
  buffer update : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  buffer trust_ratio : float32[] statistic
  sweep leaf_sweep phase 0 flat reads p, g updates mu, nu writes param_squares, update_squares
        scalars one_minus_b1, b1, bias_correction_b1, one_minus_b2, b2, bias_correction_b2,
          eps_root, eps, weight_decay
  combine tiles phase 0 param_squares, update_squares
  finalize leaf_finalize phase 0 flat independent<*> reads param_squares, update_squares
        writes trust_ratio
  xla leaf_update phase 0 flat reads mu, nu, p, trust_ratio writes update
        scalars minus_learning_rate, bias_correction_b1, bias_correction_b2, eps_root, eps,
          weight_decay
}

sequence variant 1 update float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer mu : float32[*] leaf
  buffer nu : float32[*] leaf
  buffer update : float32[*] leaf
  buffer param_squares : float32[] statistic sum<*>
  buffer update_squares : float32[] statistic sum<*>
  buffer trust_ratio : float32[] statistic
  sweep left_out_sweep phase 0 flat reads p, g updates mu, nu writes param_squares, update_squares
        scalars one_minus_b1, b1, bias_correction_b1, one_minus_b2, b2, bias_correction_b2,
          eps_root, eps
  combine tiles phase 0 param_squares, update_squares
  finalize leaf_finalize phase 0 flat independent<*> reads param_squares, update_squares
        writes trust_ratio
  xla left_out_update phase 0 flat reads mu, nu, trust_ratio writes update
        scalars minus_learning_rate, bias_correction_b1, bias_correction_b2, eps_root, eps
}
""",
)
