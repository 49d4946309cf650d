"""Kernel sequences of adafactor: what its kernels, in the files beside this one, take and give.

Emitted by optgen: change the rule, not this file. A sequence says what a step, or an update, does
to the leaves of a variant: the items that it runs, in order, over buffers of a leaf.
"""

from optgen.runtime import read_kernels

KERNELS = read_kernels(
    "adafactor",
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
  buffer v : float32[*] leaf
  buffer scale_by_factored_rms_square_sum : float32[] statistic sum<*>
  buffer p_square_sum : float32[] statistic sum<*>
  sweep whole_sweep phase 0 flat reads g, p updates v
        writes scale_by_factored_rms_square_sum, p_square_sum scalars decay, one_minus_decay, eps
  combine tiles phase 0 scale_by_factored_rms_square_sum, p_square_sum
  sweep whole_step phase 0 flat reads g, v, scale_by_factored_rms_square_sum, p_square_sum
        updates p scalars learning_rate, clipping_threshold
}

sequence variant 1 step float32 float32 float32 dimensions 3 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer v_row : float32[0,1] leaf
  buffer v_col : float32[0,2] leaf
  buffer square_row_sums : float32[0,1] statistic sum<*>
  buffer square_column_sums : float32[0,2] statistic sum<*>
  buffer p_square_sum : float32[] statistic sum<*>
  buffer v_row_next_batch_sums : float32[0] statistic sum<0,1>
  buffer scale_by_factored_rms_square_sum : float32[] statistic sum<*>
  sweep factored_statistics phase 0 reads g, p
        writes square_row_sums, square_column_sums, p_square_sum scalars eps
  combine tiles phase 0 square_row_sums, square_column_sums, p_square_sum
  finalize factored_finalize phase 0 independent<*> reads square_row_sums, square_column_sums
        updates v_row, v_col writes v_row_next_batch_sums scalars decay, one_minus_decay
  combine tiles phase 0 v_row_next_batch_sums
  sweep factored_statistics_2 phase 0 reads g, v_row, v_row_next_batch_sums, v_col
        writes scale_by_factored_rms_square_sum
  combine tiles phase 0 scale_by_factored_rms_square_sum
  sweep factored_step phase 0
        reads g, v_row, v_row_next_batch_sums, v_col, scale_by_factored_rms_square_sum,
          p_square_sum updates p scalars learning_rate, clipping_threshold
}

sequence variant 0 update float32 float32 float32 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer v : float32[*] leaf
  buffer update : float32[*] leaf
  buffer scale_by_factored_rms_square_sum : float32[] statistic sum<*>
  buffer p_square_sum : float32[] statistic sum<*>
  buffer factor : float32[] statistic
  buffer param_rms : float32[] statistic
  sweep whole_sweep phase 0 flat reads g, p updates v
        writes scale_by_factored_rms_square_sum, p_square_sum scalars decay, one_minus_decay, eps
  combine tiles phase 0 scale_by_factored_rms_square_sum, p_square_sum
  finalize whole_finalize phase 0 flat independent<*>
        reads scale_by_factored_rms_square_sum, p_square_sum writes factor, param_rms
        scalars clipping_threshold
  xla whole_update phase 0 flat reads g, v, factor, param_rms writes update scalars learning_rate
}

sequence variant 1 update float32 float32 float32 dimensions 3 {
  buffer g : float32[*] leaf
  buffer p : float32[*] leaf
  buffer update : float32[*] leaf
  buffer v_row : float32[0,1] leaf
  buffer v_col : float32[0,2] leaf
  buffer square_row_sums : float32[0,1] statistic sum<*>
  buffer square_column_sums : float32[0,2] statistic sum<*>
  buffer p_square_sum : float32[] statistic sum<*>
  buffer v_row_next_batch_sums : float32[0] statistic sum<0,1>
  buffer scale_by_factored_rms_square_sum : float32[] statistic sum<*>
  buffer row_factor : float32[0,1] statistic
  buffer v_col_next_rsqrt : float32[0,2] statistic
  buffer factor : float32[] statistic
  buffer param_rms : float32[] statistic
  sweep factored_statistics phase 0 reads g, p
        writes square_row_sums, square_column_sums, p_square_sum scalars eps
  combine tiles phase 0 square_row_sums, square_column_sums, p_square_sum
  finalize factored_finalize phase 0 independent<*> reads square_row_sums, square_column_sums
        updates v_row, v_col writes v_row_next_batch_sums scalars decay, one_minus_decay
  combine tiles phase 0 v_row_next_batch_sums
  sweep factored_statistics_2 phase 0 reads g, v_row, v_row_next_batch_sums, v_col
        writes scale_by_factored_rms_square_sum
  combine tiles phase 0 scale_by_factored_rms_square_sum
  finalize factored_finalize_2 phase 0 independent<*>
        reads v_row, v_row_next_batch_sums, v_col, scale_by_factored_rms_square_sum, p_square_sum
        writes row_factor, v_col_next_rsqrt, factor, param_rms scalars clipping_threshold
  xla factored_update phase 0 reads g, row_factor, v_col_next_rsqrt, factor, param_rms
        writes update scalars learning_rate
}
""",
)
