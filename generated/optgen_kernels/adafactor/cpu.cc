// Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).
//
// For leaves with factored_axes(128) = None:
//
//     decay = 1 - (t - decay_offset)**-decay_rate
//     square = g**2 + eps
//     v' = decay*v + (1 - decay)*square
//     scale_by_factored_rms = g*rsqrt(v')
//     clip_by_block_rms = scale_by_factored_rms/maximum(1,
//         sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
//     scale_by_learning_rate = learning_rate*clip_by_block_rms
//     rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
//     scale_by_param_block_rms = scale_by_learning_rate*rms
//     p' = p - scale_by_param_block_rms
//
// For leaves with factored_axes(128) = (0, 1) and ndim 2:
//
//     decay = 1 - (t - decay_offset)**-decay_rate
//     square = g**2 + eps
//     over_rows = mean(square, axis=1)
//     v_row' = decay*v_row + (1 - decay)*over_rows
//     row_factor = rsqrt(v_row'/mean(v_row'))
//     over_columns = mean(square, axis=0)
//     v_col' = decay*v_col + (1 - decay)*over_columns
//     scale_by_factored_rms = g*row_factor*rsqrt(v_col')
//     clip_by_block_rms = scale_by_factored_rms/maximum(1,
//         sqrt(mean(scale_by_factored_rms**2))/clipping_threshold)
//     scale_by_learning_rate = learning_rate*clip_by_block_rms
//     rms = sqrt(where(mean(p**2) <= 1e-06, 1e-06, mean(p**2)))
//     scale_by_param_block_rms = scale_by_learning_rate*rms
//     p' = p - scale_by_param_block_rms
//
// Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True, momentum=None,
// dtype_momentum='float32', weight_decay_rate=None, factored=True.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, v; writes v, sum_1, sum_2.
static void whole_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict v_data = leaf.array<float>(2);
  float* __restrict sum_1_data = leaf.array<float>(3);
  float* __restrict sum_2_data = leaf.array<float>(4);
  const auto decay = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
  const auto eps = static_cast<Real>(leaf.scalar(2));
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_2_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.elements(tile);
  double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
  double sum_2_total = optgen::identity<double>(optgen::Combine::sum);
  OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_2_total))
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto v = static_cast<Real>(v_data[i]);
    const auto square = g * g + eps;
    const auto v_next = decay * v + one_minus_decay * square;
    const auto scale_by_factored_rms = g * (Real(1) / std::sqrt(v_next));
    const auto term = scale_by_factored_rms * scale_by_factored_rms;
    const auto p = static_cast<Real>(p_data[i]);
    const auto p_squared = p * p;
    sum_1_total += double(term);
    sum_2_total += double(p_squared);
    v_data[i] = v_next;
  }
  sum_1_part[0] = sum_1_total;
  sum_2_part[0] = sum_2_total;
}

static const optgen::Reduction whole_step_1_1_reductions[] = {
    {3, 0b0, optgen::Combine::sum},  // sum_1
    {4, 0b0, optgen::Combine::sum},  // sum_2
};

// Reads g, p, v, sum_1, sum_2; writes p.
static void whole_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict v_data = leaf.array<const float>(2);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto size = leaf.extent<Real>(0b1);
  const auto rms = std::sqrt(sum_1 / size);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto factor_2 = sum_2 / size;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto v = static_cast<Real>(v_data[i]);
    const auto scale_by_factored_rms = g * (Real(1) / std::sqrt(v));
    const auto clip_by_block_rms = scale_by_factored_rms / factor;
    const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
    const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
    p_data[i] = p + -scale_by_param_block_rms;
  }
}

// Reads g, p; writes sum_1, sum_3, sum_5.
static void factored_0_1_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_3_data = leaf.array<float>(5);
  float* __restrict sum_5_data = leaf.array<float>(6);
  const auto eps = static_cast<Real>(leaf.scalar(2));
  double* sum_3_part = leaf.partial(0, tile);
  double* sum_5_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  optgen::Columns<Real> sum_3_rows(optgen::Combine::sum, width);
  Real* __restrict sum_3_columns = sum_3_rows.values.data();
  for (int64_t row = begin; row < end; ++row) {
    double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
    double sum_5_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_5_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto square = g * g + eps;
      const auto p = static_cast<Real>(p_data[i]);
      const auto p_squared = p * p;
      sum_1_total += double(square);
      sum_3_columns[column] += square;
      sum_5_total += double(p_squared);
    }
    sum_1_data[row] = static_cast<Real>(sum_1_total);
    if ((row + 1 - begin) % optgen::kRows == 0 || row + 1 == end || leaf.layout.varies(0b10)) {
      sum_3_rows.flush(sum_3_part + (leaf.layout.varies(0b10) ? (row - begin) * width : 0));
    }
    sum_5_part[0] += sum_5_total;
  }
}

static const optgen::Reduction factored_0_1_step_1_1_reductions[] = {
    {5, 0b10, optgen::Combine::sum},  // sum_3
    {6, 0b0, optgen::Combine::sum},  // sum_5
};

// Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2.
static void factored_0_1_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict v_row_data = leaf.array<float>(2);
  float* __restrict v_col_data = leaf.array<float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_3_data = leaf.array<const float>(5);
  float* __restrict sum_2_data = leaf.array<float>(7);
  const auto strides_0b1 = leaf.layout.strides(0b1);
  const auto strides_0b10 = leaf.layout.strides(0b10);
  Real reduced_1;
  {
    double total = optgen::identity<double>(optgen::Combine::sum);
    for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b1[0]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b1[0]]);
      const auto size = leaf.extent<Real>(0b10);
      const auto over_columns = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_columns;
      total += double(v_row_next);
    }
    reduced_1 = static_cast<Real>(total);
  }
  {
    sum_2_data[0] = reduced_1;
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    const auto decay = static_cast<Real>(leaf.scalar(0));
    const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b1[0]]);
    const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
    const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b1[0]]);
    const auto size = leaf.extent<Real>(0b10);
    const auto over_columns = sum_1 / size;
    const auto v_row_next = decay * v_row + one_minus_decay * over_columns;
    v_row_data[d0 * strides_0b1[0]] = v_row_next;
  }
  for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
    const auto decay = static_cast<Real>(leaf.scalar(0));
    const auto v_col = static_cast<Real>(v_col_data[d1 * strides_0b10[1]]);
    const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
    const auto sum_3 = static_cast<Real>(sum_3_data[d1 * strides_0b10[1]]);
    const auto size = leaf.extent<Real>(0b1);
    const auto over_rows = sum_3 / size;
    const auto v_col_next = decay * v_col + one_minus_decay * over_rows;
    v_col_data[d1 * strides_0b10[1]] = v_col_next;
  }
}

// Reads g, v_row, v_col, sum_2; writes sum_4.
static void factored_0_1_step_1_3(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  float* __restrict sum_4_data = leaf.array<float>(8);
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b1);
  const auto factor = sum_2 / size;
  double* sum_4_part = leaf.partial(0, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / factor));
    const int64_t v_col_at = leaf.layout.offset(0b10, row);
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    double sum_4_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_4_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto term_2 = scale_by_factored_rms * scale_by_factored_rms;
      sum_4_total += double(term_2);
    }
    sum_4_part[0] += sum_4_total;
  }
}

static const optgen::Reduction factored_0_1_step_1_3_reductions[] = {
    {8, 0b0, optgen::Combine::sum},  // sum_4
};

// Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p.
static void factored_0_1_step_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b1);
  const auto factor = sum_2 / size;
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b11);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor_2 = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_3 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_3 <= Real(1e-06) ? Real(1e-06) : factor_3));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / factor));
    const int64_t v_col_at = leaf.layout.offset(0b10, row);
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto p = static_cast<Real>(p_data[i]);
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto clip_by_block_rms = scale_by_factored_rms / factor_2;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      p_data[i] = p + -scale_by_param_block_rms;
    }
  }
}

// Reads g, p; writes sum_1, sum_3, sum_5.
static void factored_1_0_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_3_data = leaf.array<float>(5);
  float* __restrict sum_5_data = leaf.array<float>(6);
  const auto eps = static_cast<Real>(leaf.scalar(2));
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_5_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  optgen::Columns<Real> sum_1_rows(optgen::Combine::sum, width);
  Real* __restrict sum_1_columns = sum_1_rows.values.data();
  for (int64_t row = begin; row < end; ++row) {
    double sum_3_total = optgen::identity<double>(optgen::Combine::sum);
    double sum_5_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_3_total) reduction(+ : sum_5_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto square = g * g + eps;
      const auto p = static_cast<Real>(p_data[i]);
      const auto p_squared = p * p;
      sum_1_columns[column] += square;
      sum_3_total += double(square);
      sum_5_total += double(p_squared);
    }
    if ((row + 1 - begin) % optgen::kRows == 0 || row + 1 == end || leaf.layout.varies(0b10)) {
      sum_1_rows.flush(sum_1_part + (leaf.layout.varies(0b10) ? (row - begin) * width : 0));
    }
    sum_3_data[row] = static_cast<Real>(sum_3_total);
    sum_5_part[0] += sum_5_total;
  }
}

static const optgen::Reduction factored_1_0_step_1_1_reductions[] = {
    {4, 0b10, optgen::Combine::sum},  // sum_1
    {6, 0b0, optgen::Combine::sum},  // sum_5
};

// Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2.
static void factored_1_0_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict v_row_data = leaf.array<float>(2);
  float* __restrict v_col_data = leaf.array<float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_3_data = leaf.array<const float>(5);
  float* __restrict sum_2_data = leaf.array<float>(7);
  const auto strides_0b1 = leaf.layout.strides(0b1);
  const auto strides_0b10 = leaf.layout.strides(0b10);
  Real reduced_1;
  {
    double total = optgen::identity<double>(optgen::Combine::sum);
    for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d1 * strides_0b10[1]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d1 * strides_0b10[1]]);
      const auto size = leaf.extent<Real>(0b1);
      const auto over_rows = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_rows;
      total += double(v_row_next);
    }
    reduced_1 = static_cast<Real>(total);
  }
  {
    sum_2_data[0] = reduced_1;
  }
  for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
    const auto decay = static_cast<Real>(leaf.scalar(0));
    const auto v_row = static_cast<Real>(v_row_data[d1 * strides_0b10[1]]);
    const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
    const auto sum_1 = static_cast<Real>(sum_1_data[d1 * strides_0b10[1]]);
    const auto size = leaf.extent<Real>(0b1);
    const auto over_rows = sum_1 / size;
    const auto v_row_next = decay * v_row + one_minus_decay * over_rows;
    v_row_data[d1 * strides_0b10[1]] = v_row_next;
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    const auto decay = static_cast<Real>(leaf.scalar(0));
    const auto v_col = static_cast<Real>(v_col_data[d0 * strides_0b1[0]]);
    const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
    const auto sum_3 = static_cast<Real>(sum_3_data[d0 * strides_0b1[0]]);
    const auto size = leaf.extent<Real>(0b10);
    const auto over_columns = sum_3 / size;
    const auto v_col_next = decay * v_col + one_minus_decay * over_columns;
    v_col_data[d0 * strides_0b1[0]] = v_col_next;
  }
}

// Reads g, v_row, v_col, sum_2; writes sum_4.
static void factored_1_0_step_1_3(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  float* __restrict sum_4_data = leaf.array<float>(8);
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b10);
  const auto factor = sum_2 / size;
  double* sum_4_part = leaf.partial(0, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b10, row);
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b1, row)]);
    const auto term = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / factor));
      }
    }
    double sum_4_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_4_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term;
      const auto term_2 = scale_by_factored_rms * scale_by_factored_rms;
      sum_4_total += double(term_2);
    }
    sum_4_part[0] += sum_4_total;
  }
}

static const optgen::Reduction factored_1_0_step_1_3_reductions[] = {
    {8, 0b0, optgen::Combine::sum},  // sum_4
};

// Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p.
static void factored_1_0_step_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b10);
  const auto factor = sum_2 / size;
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b11);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor_2 = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_3 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_3 <= Real(1e-06) ? Real(1e-06) : factor_3));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b10, row);
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b1, row)]);
    const auto term = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / factor));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto p = static_cast<Real>(p_data[i]);
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term;
      const auto clip_by_block_rms = scale_by_factored_rms / factor_2;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      p_data[i] = p + -scale_by_param_block_rms;
    }
  }
}

// Reads g, p; writes sum_1, sum_3, sum_5.
static void factored_1_2_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_3_data = leaf.array<float>(5);
  float* __restrict sum_5_data = leaf.array<float>(6);
  const auto eps = static_cast<Real>(leaf.scalar(2));
  double* sum_3_part = leaf.partial(0, tile);
  double* sum_5_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  optgen::Columns<Real> sum_3_rows(optgen::Combine::sum, width);
  Real* __restrict sum_3_columns = sum_3_rows.values.data();
  for (int64_t row = begin; row < end; ++row) {
    double sum_1_total = optgen::identity<double>(optgen::Combine::sum);
    double sum_5_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_1_total) reduction(+ : sum_5_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto square = g * g + eps;
      const auto p = static_cast<Real>(p_data[i]);
      const auto p_squared = p * p;
      sum_1_total += double(square);
      sum_3_columns[column] += square;
      sum_5_total += double(p_squared);
    }
    sum_1_data[row] = static_cast<Real>(sum_1_total);
    if ((row + 1 - begin) % optgen::kRows == 0 || row + 1 == end || leaf.layout.varies(0b101)) {
      sum_3_rows.flush(sum_3_part + (leaf.layout.varies(0b101) ? (row - begin) * width : 0));
    }
    sum_5_part[0] += sum_5_total;
  }
}

static const optgen::Reduction factored_1_2_step_1_1_reductions[] = {
    {5, 0b101, optgen::Combine::sum},  // sum_3
    {6, 0b0, optgen::Combine::sum},  // sum_5
};

// Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2.
static void factored_1_2_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict v_row_data = leaf.array<float>(2);
  float* __restrict v_col_data = leaf.array<float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_3_data = leaf.array<const float>(5);
  float* __restrict sum_2_data = leaf.array<float>(7);
  const auto strides_0b1 = leaf.layout.strides(0b1);
  const auto strides_0b101 = leaf.layout.strides(0b101);
  const auto strides_0b11 = leaf.layout.strides(0b11);
  std::vector<Real> reduced_1(leaf.layout.elements(0b1));
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    double total = optgen::identity<double>(optgen::Combine::sum);
    for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto size = leaf.extent<Real>(0b100);
      const auto over_columns = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_columns;
      total += double(v_row_next);
    }
    reduced_1[d0 * strides_0b1[0]] = static_cast<Real>(total);
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    sum_2_data[d0 * strides_0b1[0]] = reduced_1[d0 * strides_0b1[0]];
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto size = leaf.extent<Real>(0b100);
      const auto over_columns = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_columns;
      v_row_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]] = v_row_next;
    }
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    for (int64_t d2 = 0; d2 < leaf.layout.extents[2]; ++d2) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_col = static_cast<Real>(v_col_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_3 = static_cast<Real>(sum_3_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto size = leaf.extent<Real>(0b10);
      const auto over_rows = sum_3 / size;
      const auto v_col_next = decay * v_col + one_minus_decay * over_rows;
      v_col_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]] = v_col_next;
    }
  }
}

// Reads g, v_row, v_col, sum_2; writes sum_4.
static void factored_1_2_step_1_3(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  float* __restrict sum_4_data = leaf.array<float>(8);
  const auto size = leaf.extent<Real>(0b10);
  double* sum_4_part = leaf.partial(0, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b11, row)]);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / (sum_2 / size)));
    const int64_t v_col_at = leaf.layout.offset(0b101, row);
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    double sum_4_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_4_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto term_2 = scale_by_factored_rms * scale_by_factored_rms;
      sum_4_total += double(term_2);
    }
    sum_4_part[0] += sum_4_total;
  }
}

static const optgen::Reduction factored_1_2_step_1_3_reductions[] = {
    {8, 0b0, optgen::Combine::sum},  // sum_4
};

// Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p.
static void factored_1_2_step_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto size = leaf.extent<Real>(0b10);
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b111);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_2 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b11, row)]);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / (sum_2 / size)));
    const int64_t v_col_at = leaf.layout.offset(0b101, row);
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto p = static_cast<Real>(p_data[i]);
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto clip_by_block_rms = scale_by_factored_rms / factor;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      p_data[i] = p + -scale_by_param_block_rms;
    }
  }
}

// Reads g, p; writes sum_1, sum_3, sum_5.
static void factored_2_1_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict sum_1_data = leaf.array<float>(4);
  float* __restrict sum_3_data = leaf.array<float>(5);
  float* __restrict sum_5_data = leaf.array<float>(6);
  const auto eps = static_cast<Real>(leaf.scalar(2));
  double* sum_1_part = leaf.partial(0, tile);
  double* sum_5_part = leaf.partial(1, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  optgen::Columns<Real> sum_1_rows(optgen::Combine::sum, width);
  Real* __restrict sum_1_columns = sum_1_rows.values.data();
  for (int64_t row = begin; row < end; ++row) {
    double sum_3_total = optgen::identity<double>(optgen::Combine::sum);
    double sum_5_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_3_total) reduction(+ : sum_5_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto square = g * g + eps;
      const auto p = static_cast<Real>(p_data[i]);
      const auto p_squared = p * p;
      sum_1_columns[column] += square;
      sum_3_total += double(square);
      sum_5_total += double(p_squared);
    }
    if ((row + 1 - begin) % optgen::kRows == 0 || row + 1 == end || leaf.layout.varies(0b101)) {
      sum_1_rows.flush(sum_1_part + (leaf.layout.varies(0b101) ? (row - begin) * width : 0));
    }
    sum_3_data[row] = static_cast<Real>(sum_3_total);
    sum_5_part[0] += sum_5_total;
  }
}

static const optgen::Reduction factored_2_1_step_1_1_reductions[] = {
    {4, 0b101, optgen::Combine::sum},  // sum_1
    {6, 0b0, optgen::Combine::sum},  // sum_5
};

// Reads v_row, v_col, sum_1, sum_3; writes v_row, v_col, sum_2.
static void factored_2_1_step_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  float* __restrict v_row_data = leaf.array<float>(2);
  float* __restrict v_col_data = leaf.array<float>(3);
  const float* __restrict sum_1_data = leaf.array<const float>(4);
  const float* __restrict sum_3_data = leaf.array<const float>(5);
  float* __restrict sum_2_data = leaf.array<float>(7);
  const auto strides_0b1 = leaf.layout.strides(0b1);
  const auto strides_0b101 = leaf.layout.strides(0b101);
  const auto strides_0b11 = leaf.layout.strides(0b11);
  std::vector<Real> reduced_1(leaf.layout.elements(0b1));
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    double total = optgen::identity<double>(optgen::Combine::sum);
    for (int64_t d2 = 0; d2 < leaf.layout.extents[2]; ++d2) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto size = leaf.extent<Real>(0b10);
      const auto over_rows = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_rows;
      total += double(v_row_next);
    }
    reduced_1[d0 * strides_0b1[0]] = static_cast<Real>(total);
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    sum_2_data[d0 * strides_0b1[0]] = reduced_1[d0 * strides_0b1[0]];
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    for (int64_t d2 = 0; d2 < leaf.layout.extents[2]; ++d2) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_row = static_cast<Real>(v_row_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_1 = static_cast<Real>(sum_1_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]]);
      const auto size = leaf.extent<Real>(0b10);
      const auto over_rows = sum_1 / size;
      const auto v_row_next = decay * v_row + one_minus_decay * over_rows;
      v_row_data[d0 * strides_0b101[0] + d2 * strides_0b101[2]] = v_row_next;
    }
  }
  for (int64_t d0 = 0; d0 < leaf.layout.extents[0]; ++d0) {
    for (int64_t d1 = 0; d1 < leaf.layout.extents[1]; ++d1) {
      const auto decay = static_cast<Real>(leaf.scalar(0));
      const auto v_col = static_cast<Real>(v_col_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
      const auto sum_3 = static_cast<Real>(sum_3_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]]);
      const auto size = leaf.extent<Real>(0b100);
      const auto over_columns = sum_3 / size;
      const auto v_col_next = decay * v_col + one_minus_decay * over_columns;
      v_col_data[d0 * strides_0b11[0] + d1 * strides_0b11[1]] = v_col_next;
    }
  }
}

// Reads g, v_row, v_col, sum_2; writes sum_4.
static void factored_2_1_step_1_3(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  float* __restrict sum_4_data = leaf.array<float>(8);
  const auto size = leaf.extent<Real>(0b100);
  double* sum_4_part = leaf.partial(0, tile);
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b101, row);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto term = sum_2 / size;
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b11, row)]);
    const auto term_2 = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / term));
      }
    }
    double sum_4_total = optgen::identity<double>(optgen::Combine::sum);
    OPTGEN_SIMD_REDUCING(reduction(+ : sum_4_total))
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term_2;
      const auto term_3 = scale_by_factored_rms * scale_by_factored_rms;
      sum_4_total += double(term_3);
    }
    sum_4_part[0] += sum_4_total;
  }
}

static const optgen::Reduction factored_2_1_step_1_3_reductions[] = {
    {8, 0b0, optgen::Combine::sum},  // sum_4
};

// Reads g, p, v_row, v_col, sum_2, sum_4, sum_5; writes p.
static void factored_2_1_step_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto size = leaf.extent<Real>(0b100);
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b111);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_2 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b101, row);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto term = sum_2 / size;
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b11, row)]);
    const auto term_2 = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / term));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto p = static_cast<Real>(p_data[i]);
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term_2;
      const auto clip_by_block_rms = scale_by_factored_rms / factor;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      p_data[i] = p + -scale_by_param_block_rms;
    }
  }
}

// Reads g, v, sum_1, sum_2; writes update.
static void whole_update_1_2(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict v_data = leaf.array<const float>(2);
  float* __restrict update_data = leaf.array<float>(5);
  const float* __restrict sum_1_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(4);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_1 = static_cast<Real>(sum_1_data[0]);
  const auto size = leaf.extent<Real>(0b1);
  const auto rms = std::sqrt(sum_1 / size);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto factor_2 = sum_2 / size;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto v = static_cast<Real>(v_data[i]);
    const auto scale_by_factored_rms = g * (Real(1) / std::sqrt(v));
    const auto clip_by_block_rms = scale_by_factored_rms / factor;
    const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
    const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
    update_data[i] = -scale_by_param_block_rms;
  }
}

// Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update.
static void factored_0_1_update_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict update_data = leaf.array<float>(9);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b1);
  const auto factor = sum_2 / size;
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b11);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor_2 = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_3 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_3 <= Real(1e-06) ? Real(1e-06) : factor_3));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / factor));
    const int64_t v_col_at = leaf.layout.offset(0b10, row);
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto clip_by_block_rms = scale_by_factored_rms / factor_2;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      update_data[i] = -scale_by_param_block_rms;
    }
  }
}

// Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update.
static void factored_1_0_update_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict update_data = leaf.array<float>(9);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto sum_2 = static_cast<Real>(sum_2_data[0]);
  const auto size = leaf.extent<Real>(0b10);
  const auto factor = sum_2 / size;
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b11);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor_2 = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_3 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_3 <= Real(1e-06) ? Real(1e-06) : factor_3));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b10, row);
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b1, row)]);
    const auto term = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b10)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / factor));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term;
      const auto clip_by_block_rms = scale_by_factored_rms / factor_2;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      update_data[i] = -scale_by_param_block_rms;
    }
  }
}

// Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update.
static void factored_1_2_update_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict update_data = leaf.array<float>(9);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto size = leaf.extent<Real>(0b10);
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b111);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_2 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> term(width);
  for (int64_t row = begin; row < end; ++row) {
    const auto v_row = static_cast<Real>(v_row_data[leaf.layout.offset(0b11, row)]);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto row_factor = (Real(1) / std::sqrt(v_row / (sum_2 / size)));
    const int64_t v_col_at = leaf.layout.offset(0b101, row);
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        term[column] = (Real(1) / std::sqrt(static_cast<Real>(v_col_data[v_col_at + column])));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor * term[column];
      const auto clip_by_block_rms = scale_by_factored_rms / factor;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      update_data[i] = -scale_by_param_block_rms;
    }
  }
}

// Reads g, v_row, v_col, sum_2, sum_4, sum_5; writes update.
static void factored_2_1_update_1_4(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict update_data = leaf.array<float>(9);
  const float* __restrict v_row_data = leaf.array<const float>(2);
  const float* __restrict v_col_data = leaf.array<const float>(3);
  const float* __restrict sum_2_data = leaf.array<const float>(7);
  const float* __restrict sum_4_data = leaf.array<const float>(8);
  const float* __restrict sum_5_data = leaf.array<const float>(6);
  const auto learning_rate = static_cast<Real>(leaf.scalar(3));
  const auto size = leaf.extent<Real>(0b100);
  const auto sum_4 = static_cast<Real>(sum_4_data[0]);
  const auto size_2 = leaf.extent<Real>(0b111);
  const auto rms = std::sqrt(sum_4 / size_2);
  const auto clipping_threshold = static_cast<Real>(leaf.scalar(4));
  const auto factor = optgen::maximum(Real(1), rms / clipping_threshold);
  const auto sum_5 = static_cast<Real>(sum_5_data[0]);
  const auto factor_2 = sum_5 / size_2;
  const auto rms_2 = std::sqrt((factor_2 <= Real(1e-06) ? Real(1e-06) : factor_2));
  const auto [begin, end] = leaf.rows(tile);
  const int64_t width = leaf.layout.columns();
  std::vector<Real> row_factor(width);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t v_row_at = leaf.layout.offset(0b101, row);
    const auto sum_2 = static_cast<Real>(sum_2_data[leaf.layout.offset(0b1, row)]);
    const auto term = sum_2 / size;
    const auto v_col = static_cast<Real>(v_col_data[leaf.layout.offset(0b11, row)]);
    const auto term_2 = (Real(1) / std::sqrt(v_col));
    if (row == begin || leaf.layout.varies(0b101)) {
      for (int64_t column = 0; column < width; ++column) {
        row_factor[column] = (Real(1) / std::sqrt(static_cast<Real>(v_row_data[v_row_at + column]) / term));
      }
    }
    OPTGEN_SIMD
    for (int64_t column = 0; column < width; ++column) {
      const int64_t i = row * width + column;
      const auto g = static_cast<Real>(g_data[i]);
      const auto scale_by_factored_rms = g * row_factor[column] * term_2;
      const auto clip_by_block_rms = scale_by_factored_rms / factor;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * rms_2;
      update_data[i] = -scale_by_param_block_rms;
    }
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(whole_step_1_1, whole_step_1_1_reductions),
      optgen::flat<float>(whole_step_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::matrix<float>(factored_0_1_step_1_1, factored_0_1_step_1_1_reductions),
      optgen::settle<float>(factored_0_1_step_1_2),
      optgen::matrix<float>(factored_0_1_step_1_3, factored_0_1_step_1_3_reductions),
      optgen::matrix<float>(factored_0_1_step_1_4),
  };
  static const optgen::Kernel kernels_2[] = {
      optgen::matrix<float>(factored_1_0_step_1_1, factored_1_0_step_1_1_reductions),
      optgen::settle<float>(factored_1_0_step_1_2),
      optgen::matrix<float>(factored_1_0_step_1_3, factored_1_0_step_1_3_reductions),
      optgen::matrix<float>(factored_1_0_step_1_4),
  };
  static const optgen::Kernel kernels_3[] = {
      optgen::matrix<float>(factored_1_2_step_1_1, factored_1_2_step_1_1_reductions),
      optgen::settle<float>(factored_1_2_step_1_2),
      optgen::matrix<float>(factored_1_2_step_1_3, factored_1_2_step_1_3_reductions),
      optgen::matrix<float>(factored_1_2_step_1_4),
  };
  static const optgen::Kernel kernels_4[] = {
      optgen::matrix<float>(factored_2_1_step_1_1, factored_2_1_step_1_1_reductions),
      optgen::settle<float>(factored_2_1_step_1_2),
      optgen::matrix<float>(factored_2_1_step_1_3, factored_2_1_step_1_3_reductions),
      optgen::matrix<float>(factored_2_1_step_1_4),
  };
  static const optgen::Kernel kernels_5[] = {
      optgen::matrix<float>(factored_1_2_step_1_1, factored_1_2_step_1_1_reductions),
      optgen::settle<float>(factored_1_2_step_1_2),
      optgen::matrix<float>(factored_1_2_step_1_3, factored_1_2_step_1_3_reductions),
      optgen::matrix<float>(factored_1_2_step_1_4),
  };
  static const optgen::Kernel kernels_6[] = {
      optgen::matrix<float>(factored_2_1_step_1_1, factored_2_1_step_1_1_reductions),
      optgen::settle<float>(factored_2_1_step_1_2),
      optgen::matrix<float>(factored_2_1_step_1_3, factored_2_1_step_1_3_reductions),
      optgen::matrix<float>(factored_2_1_step_1_4),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 1, 2, 4},
      {kernels_1, 4, 1, 3, 8},
      {kernels_2, 4, 1, 3, 8},
      {kernels_3, 4, 1, 3, 8},
      {kernels_4, 4, 1, 3, 8},
      {kernels_5, 4, 1, 3, 8},
      {kernels_6, 4, 1, 3, 8},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(whole_step_1_1, whole_step_1_1_reductions),
      optgen::flat<float>(whole_update_1_2),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::matrix<float>(factored_0_1_step_1_1, factored_0_1_step_1_1_reductions),
      optgen::settle<float>(factored_0_1_step_1_2),
      optgen::matrix<float>(factored_0_1_step_1_3, factored_0_1_step_1_3_reductions),
      optgen::matrix<float>(factored_0_1_update_1_4),
  };
  static const optgen::Kernel kernels_2[] = {
      optgen::matrix<float>(factored_1_0_step_1_1, factored_1_0_step_1_1_reductions),
      optgen::settle<float>(factored_1_0_step_1_2),
      optgen::matrix<float>(factored_1_0_step_1_3, factored_1_0_step_1_3_reductions),
      optgen::matrix<float>(factored_1_0_update_1_4),
  };
  static const optgen::Kernel kernels_3[] = {
      optgen::matrix<float>(factored_1_2_step_1_1, factored_1_2_step_1_1_reductions),
      optgen::settle<float>(factored_1_2_step_1_2),
      optgen::matrix<float>(factored_1_2_step_1_3, factored_1_2_step_1_3_reductions),
      optgen::matrix<float>(factored_1_2_update_1_4),
  };
  static const optgen::Kernel kernels_4[] = {
      optgen::matrix<float>(factored_2_1_step_1_1, factored_2_1_step_1_1_reductions),
      optgen::settle<float>(factored_2_1_step_1_2),
      optgen::matrix<float>(factored_2_1_step_1_3, factored_2_1_step_1_3_reductions),
      optgen::matrix<float>(factored_2_1_update_1_4),
  };
  static const optgen::Kernel kernels_5[] = {
      optgen::matrix<float>(factored_1_2_step_1_1, factored_1_2_step_1_1_reductions),
      optgen::settle<float>(factored_1_2_step_1_2),
      optgen::matrix<float>(factored_1_2_step_1_3, factored_1_2_step_1_3_reductions),
      optgen::matrix<float>(factored_1_2_update_1_4),
  };
  static const optgen::Kernel kernels_6[] = {
      optgen::matrix<float>(factored_2_1_step_1_1, factored_2_1_step_1_1_reductions),
      optgen::settle<float>(factored_2_1_step_1_2),
      optgen::matrix<float>(factored_2_1_step_1_3, factored_2_1_step_1_3_reductions),
      optgen::matrix<float>(factored_2_1_update_1_4),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 2, 2, 1, 4},
      {kernels_1, 4, 2, 2, 8},
      {kernels_2, 4, 2, 2, 8},
      {kernels_3, 4, 2, 2, 8},
      {kernels_4, 4, 2, 2, 8},
      {kernels_5, 4, 2, 2, 8},
      {kernels_6, 4, 2, 2, 8},
  };
  return optgen::run_phase(call, groups);
}
