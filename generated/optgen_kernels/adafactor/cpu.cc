// Adafactor (Shazeer and Stern, 2018, arXiv:1804.04235).
//
// For leaves with factored_axes(128) = None:
//
//     decay = 1 - (t - decay_offset)**-decay_rate
//     square = g**2 + eps
//     v' = decay*v + (1 - decay)*square
//     scale_by_factored_rms = g*rsqrt(v')
//     update_rms = sqrt(mean(scale_by_factored_rms**2))
//     clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
//     scale_by_learning_rate = learning_rate*clip_by_block_rms
//     param_mean_square = mean(p**2)
//     param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
//     scale_by_param_block_rms = scale_by_learning_rate*param_rms
//     p' = p - scale_by_param_block_rms
//
// For leaves with factored_axes(128) = (0, 1) and ndim 2, or factored_axes(128) = (1, 0) and ndim
// 2, or factored_axes(128) = (1, 2) and ndim 3, or more:
//
//     decay = 1 - (t - decay_offset)**-decay_rate
//     square = g**2 + eps
//     over_rows = mean(square, axis=columns)
//     v_row' = decay*v_row + (1 - decay)*over_rows
//     row_factor = rsqrt(v_row'/mean(v_row', axis=rows))
//     over_columns = mean(square, axis=rows)
//     v_col' = decay*v_col + (1 - decay)*over_columns
//     scale_by_factored_rms = g*row_factor*rsqrt(v_col')
//     update_rms = sqrt(mean(scale_by_factored_rms**2))
//     clip_by_block_rms = scale_by_factored_rms/maximum(1, update_rms/clipping_threshold)
//     scale_by_learning_rate = learning_rate*clip_by_block_rms
//     param_mean_square = mean(p**2)
//     param_rms = sqrt(where(param_mean_square <= 1e-06, 1e-06, param_mean_square))
//     scale_by_param_block_rms = scale_by_learning_rate*param_rms
//     p' = p - scale_by_param_block_rms
//
// Emitted for min_dim_size_to_factor=128, multiply_by_parameter_scale=True, momentum=None,
// dtype_momentum='float32', weight_decay_rate=None, factored=True.
//
// Emitted by optgen: change the rule, not this file. Each function is a kernel of the sequences in
// the tables beside it; the launch code that cuts leaves into tiles, and combines what tiles leave
// of reductions, is in optgen_launch.h. A function of tiles serves matrices in either order in
// memory: what it computes for each row, and for each column, stands before its loop over elements.

#include "optgen_launch.h"

// What is the same for every leaf.
struct optgen::Scalars {
  double decay;
  double one_minus_decay;
  double eps;
  double learning_rate;
  double clipping_threshold;
};
using optgen::Scalars;

// Reads g, p, v; writes v, scale_by_factored_rms_square_sum, p_square_sum.
static void whole_sweep(
    const optgen::Leaf&, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, const float* __restrict p_data, float* __restrict v_data,
    optgen::PerLeaf<float, optgen::sum> scale_by_factored_rms_square_sum_part,
    optgen::PerLeaf<float, optgen::sum> p_square_sum_part) {
  using Real = float;
  const auto decay = static_cast<Real>(scalars.decay);
  const auto one_minus_decay = static_cast<Real>(scalars.one_minus_decay);
  const auto eps = static_cast<Real>(scalars.eps);
  double scale_by_factored_rms_square_sum = 0;
  double p_square_sum = 0;
  OPTGEN_SIMD_REDUCING(reduction(+ : scale_by_factored_rms_square_sum, p_square_sum))
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto g = g_data[i];
    const auto v = v_data[i];
    const auto square = g * g + eps;
    const auto v_next = decay * v + one_minus_decay * square;
    const auto scale_by_factored_rms = g * (Real(1) / std::sqrt(v_next));
    const auto scale_by_factored_rms_square = scale_by_factored_rms * scale_by_factored_rms;
    const auto p = p_data[i];
    const auto p_square = p * p;
    scale_by_factored_rms_square_sum += double(scale_by_factored_rms_square);
    p_square_sum += double(p_square);
    v_data[i] = v_next;
  }
  scale_by_factored_rms_square_sum_part.store(scale_by_factored_rms_square_sum);
  p_square_sum_part.store(p_square_sum);
}

// Reads g, p, v, scale_by_factored_rms_square_sum, p_square_sum; writes p.
static void whole_step(
    const optgen::Leaf& leaf, const optgen::Slice& slice, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, const float* __restrict v_data,
    const float* __restrict scale_by_factored_rms_square_sum_data,
    const float* __restrict p_square_sum_data) {
  using Real = float;
  const auto learning_rate = static_cast<Real>(scalars.learning_rate);
  const auto scale_by_factored_rms_square_sum = scale_by_factored_rms_square_sum_data[0];
  const auto size = static_cast<Real>(leaf.size);
  const auto update_rms = std::sqrt(scale_by_factored_rms_square_sum / size);
  const auto clipping_threshold = static_cast<Real>(scalars.clipping_threshold);
  const auto factor = optgen::maximum(Real(1), update_rms / clipping_threshold);
  const auto p_square_sum = p_square_sum_data[0];
  const auto param_mean_square = p_square_sum / size;
  const auto param_rms = std::sqrt((param_mean_square <= Real(1e-06) ? Real(1e-06) : param_mean_square));
  OPTGEN_SIMD
  for (int64_t i = slice.begin; i < slice.end; ++i) {
    const auto p = p_data[i];
    const auto g = g_data[i];
    const auto v = v_data[i];
    const auto scale_by_factored_rms = g * (Real(1) / std::sqrt(v));
    const auto clip_by_block_rms = scale_by_factored_rms / factor;
    const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
    const auto scale_by_param_block_rms = scale_by_learning_rate * param_rms;
    p_data[i] = p - scale_by_param_block_rms;
  }
}

// Reads g, p; writes square_row_sums, square_column_sums, p_square_sum.
template <class Order>
static void factored_statistics(
    const optgen::Leaf&, const optgen::Tile<Order>& tile, const Scalars& scalars,
    const float* __restrict g_data, const float* __restrict p_data,
    optgen::PerRow<Order, float, optgen::sum> square_row_sums_part,
    optgen::PerColumn<Order, float, optgen::sum> square_column_sums_part,
    optgen::PerLeaf<float, optgen::sum> p_square_sum_part) {
  using Real = float;
  const auto eps = static_cast<Real>(scalars.eps);
  auto* __restrict square_row_sums_across = square_row_sums_part.across();
  auto* __restrict square_column_sums_across = square_column_sums_part.across();
  double p_square_sum = 0;
  for (int64_t line = 0; line < tile.lines; ++line) {
    const int64_t start = tile.at(line, 0);
    double square_row_sum = 0;
    double square_column_sum = 0;
    OPTGEN_SIMD_REDUCING(reduction(+ : p_square_sum, square_row_sum, square_column_sum))
    for (int64_t position = 0; position < tile.width; ++position) {
      const int64_t i = start + position;
      const auto g = g_data[i];
      const auto square = g * g + eps;
      const auto p = p_data[i];
      const auto p_square = p * p;
      p_square_sum += double(p_square);
      if constexpr (Order::kRowsAreLines) {
        square_row_sum += double(square);
        square_column_sums_across[position] += square;
      } else {
        square_row_sums_across[position] += square;
        square_column_sum += double(square);
      }
    }
    square_row_sums_part.end_line(line, square_row_sum);
    square_column_sums_part.end_line(line, square_column_sum);
  }
  p_square_sum_part.store(p_square_sum);
}

// Reads v_row, v_col, square_row_sums, square_column_sums; writes v_row, v_col,
// v_row_next_batch_sums.
static void factored_finalize(
    const optgen::Leaf& leaf, const Scalars& scalars, float* __restrict v_row_data,
    float* __restrict v_col_data, const float* __restrict square_row_sums_data,
    const float* __restrict square_column_sums_data, float* __restrict v_row_next_batch_sums_data) {
  using Real = float;
  const auto decay = static_cast<Real>(scalars.decay);
  const auto one_minus_decay = static_cast<Real>(scalars.one_minus_decay);
  const auto columns = static_cast<Real>(leaf.columns);
  const auto rows = static_cast<Real>(leaf.rows);
  for (int64_t batch = 0; batch < leaf.batches; ++batch) {
    const optgen::Matrix matrix(leaf, batch);
    double v_row_next_batch_sum = 0;
    for (int64_t row = 0; row < leaf.rows; ++row) {
      const auto v_row = v_row_data[matrix.at_row(row)];
      const auto square_row_sum = square_row_sums_data[matrix.at_row(row)];
      const auto over_rows = square_row_sum / columns;
      const auto v_row_next = decay * v_row + one_minus_decay * over_rows;
      v_row_next_batch_sum += double(v_row_next);
      v_row_data[matrix.at_row(row)] = v_row_next;
    }
    v_row_next_batch_sums_data[matrix.at_batch()] = static_cast<Real>(v_row_next_batch_sum);
    for (int64_t column = 0; column < leaf.columns; ++column) {
      const auto v_col = v_col_data[matrix.at_column(column)];
      const auto square_column_sum = square_column_sums_data[matrix.at_column(column)];
      const auto over_columns = square_column_sum / rows;
      const auto v_col_next = decay * v_col + one_minus_decay * over_columns;
      v_col_data[matrix.at_column(column)] = v_col_next;
    }
  }
}

// Reads g, v_row, v_col, v_row_next_batch_sums; writes scale_by_factored_rms_square_sum.
template <class Order>
static void factored_statistics_2(
    const optgen::Leaf& leaf, const optgen::Tile<Order>& tile, const Scalars&,
    const float* __restrict g_data, const float* __restrict v_row_data,
    const float* __restrict v_col_data, const float* __restrict v_row_next_batch_sums_data,
    optgen::PerLeaf<float, optgen::sum> scale_by_factored_rms_square_sum_part) {
  using Real = float;
  const auto v_row_next_batch_sum = v_row_next_batch_sums_data[tile.at_batch()];
  const auto rows = static_cast<Real>(leaf.rows);
  const auto v_row_next_batch_mean = v_row_next_batch_sum / rows;
  std::vector<Real> row_factor(tile.rows);
  OPTGEN_SIMD
  for (int64_t row = 0; row < tile.rows; ++row) {
    const auto v_row = v_row_data[tile.at_row(row)];
    row_factor[row] = (Real(1) / std::sqrt(v_row / v_row_next_batch_mean));
  }
  std::vector<Real> v_col_rsqrt(tile.columns);
  OPTGEN_SIMD
  for (int64_t column = 0; column < tile.columns; ++column) {
    const auto v_col = v_col_data[tile.at_column(column)];
    v_col_rsqrt[column] = (Real(1) / std::sqrt(v_col));
  }
  double scale_by_factored_rms_square_sum = 0;
  for (int64_t line = 0; line < tile.lines; ++line) {
    const int64_t start = tile.at(line, 0);
    OPTGEN_SIMD_REDUCING(reduction(+ : scale_by_factored_rms_square_sum))
    for (int64_t position = 0; position < tile.width; ++position) {
      const int64_t i = start + position;
      const int64_t row = tile.row(line, position);
      const int64_t column = tile.column(line, position);
      const auto g = g_data[i];
      const auto scale_by_factored_rms = g * row_factor[row] * v_col_rsqrt[column];
      const auto scale_by_factored_rms_square = scale_by_factored_rms * scale_by_factored_rms;
      scale_by_factored_rms_square_sum += double(scale_by_factored_rms_square);
    }
  }
  scale_by_factored_rms_square_sum_part.store(scale_by_factored_rms_square_sum);
}

// Reads g, p, v_row, v_col, p_square_sum, v_row_next_batch_sums, scale_by_factored_rms_square_sum;
// writes p.
template <class Order>
static void factored_step(
    const optgen::Leaf& leaf, const optgen::Tile<Order>& tile, const Scalars& scalars,
    const float* __restrict g_data, float* __restrict p_data, const float* __restrict v_row_data,
    const float* __restrict v_col_data, const float* __restrict p_square_sum_data,
    const float* __restrict v_row_next_batch_sums_data,
    const float* __restrict scale_by_factored_rms_square_sum_data) {
  using Real = float;
  const auto learning_rate = static_cast<Real>(scalars.learning_rate);
  const auto v_row_next_batch_sum = v_row_next_batch_sums_data[tile.at_batch()];
  const auto rows = static_cast<Real>(leaf.rows);
  const auto v_row_next_batch_mean = v_row_next_batch_sum / rows;
  const auto scale_by_factored_rms_square_sum = scale_by_factored_rms_square_sum_data[0];
  const auto size = static_cast<Real>(leaf.size);
  const auto update_rms = std::sqrt(scale_by_factored_rms_square_sum / size);
  const auto clipping_threshold = static_cast<Real>(scalars.clipping_threshold);
  const auto factor = optgen::maximum(Real(1), update_rms / clipping_threshold);
  const auto p_square_sum = p_square_sum_data[0];
  const auto param_mean_square = p_square_sum / size;
  const auto param_rms = std::sqrt((param_mean_square <= Real(1e-06) ? Real(1e-06) : param_mean_square));
  std::vector<Real> row_factor(tile.rows);
  OPTGEN_SIMD
  for (int64_t row = 0; row < tile.rows; ++row) {
    const auto v_row = v_row_data[tile.at_row(row)];
    row_factor[row] = (Real(1) / std::sqrt(v_row / v_row_next_batch_mean));
  }
  std::vector<Real> v_col_rsqrt(tile.columns);
  OPTGEN_SIMD
  for (int64_t column = 0; column < tile.columns; ++column) {
    const auto v_col = v_col_data[tile.at_column(column)];
    v_col_rsqrt[column] = (Real(1) / std::sqrt(v_col));
  }
  for (int64_t line = 0; line < tile.lines; ++line) {
    const int64_t start = tile.at(line, 0);
    OPTGEN_SIMD
    for (int64_t position = 0; position < tile.width; ++position) {
      const int64_t i = start + position;
      const int64_t row = tile.row(line, position);
      const int64_t column = tile.column(line, position);
      const auto p = p_data[i];
      const auto g = g_data[i];
      const auto scale_by_factored_rms = g * row_factor[row] * v_col_rsqrt[column];
      const auto clip_by_block_rms = scale_by_factored_rms / factor;
      const auto scale_by_learning_rate = learning_rate * clip_by_block_rms;
      const auto scale_by_param_block_rms = scale_by_learning_rate * param_rms;
      p_data[i] = p - scale_by_param_block_rms;
    }
  }
}

// Reads scale_by_factored_rms_square_sum, p_square_sum; writes factor, param_rms.
static void whole_finalize(
    const optgen::Leaf& leaf, const Scalars& scalars,
    const float* __restrict scale_by_factored_rms_square_sum_data,
    const float* __restrict p_square_sum_data, float* __restrict factor_data,
    float* __restrict param_rms_data) {
  using Real = float;
  const auto size = static_cast<Real>(leaf.size);
  const auto clipping_threshold = static_cast<Real>(scalars.clipping_threshold);
  const auto scale_by_factored_rms_square_sum = scale_by_factored_rms_square_sum_data[0];
  const auto update_rms = std::sqrt(scale_by_factored_rms_square_sum / size);
  const auto p_square_sum = p_square_sum_data[0];
  const auto param_mean_square = p_square_sum / size;
  const auto param_rms = std::sqrt((param_mean_square <= Real(1e-06) ? Real(1e-06) : param_mean_square));
  factor_data[0] = optgen::maximum(Real(1), update_rms / clipping_threshold);
  param_rms_data[0] = param_rms;
}

// Reads v_row, v_col, p_square_sum, v_row_next_batch_sums, scale_by_factored_rms_square_sum; writes
// row_factor, v_col_next_rsqrt, factor, param_rms.
static void factored_finalize_2(
    const optgen::Leaf& leaf, const Scalars& scalars, const float* __restrict v_row_data,
    const float* __restrict v_col_data, const float* __restrict p_square_sum_data,
    const float* __restrict v_row_next_batch_sums_data,
    const float* __restrict scale_by_factored_rms_square_sum_data,
    float* __restrict row_factor_data, float* __restrict v_col_next_rsqrt_data,
    float* __restrict factor_data, float* __restrict param_rms_data) {
  using Real = float;
  const auto rows = static_cast<Real>(leaf.rows);
  const auto size = static_cast<Real>(leaf.size);
  const auto clipping_threshold = static_cast<Real>(scalars.clipping_threshold);
  for (int64_t batch = 0; batch < leaf.batches; ++batch) {
    const optgen::Matrix matrix(leaf, batch);
    const auto v_row_next_batch_sum = v_row_next_batch_sums_data[matrix.at_batch()];
    const auto v_row_next_batch_mean = v_row_next_batch_sum / rows;
    for (int64_t row = 0; row < leaf.rows; ++row) {
      const auto v_row = v_row_data[matrix.at_row(row)];
      const auto row_factor = (Real(1) / std::sqrt(v_row / v_row_next_batch_mean));
      row_factor_data[matrix.at_row(row)] = row_factor;
    }
  }
  for (int64_t batch = 0; batch < leaf.batches; ++batch) {
    const optgen::Matrix matrix(leaf, batch);
    for (int64_t column = 0; column < leaf.columns; ++column) {
      const auto v_col = v_col_data[matrix.at_column(column)];
      v_col_next_rsqrt_data[matrix.at_column(column)] = (Real(1) / std::sqrt(v_col));
    }
  }
  const auto scale_by_factored_rms_square_sum = scale_by_factored_rms_square_sum_data[0];
  const auto update_rms = std::sqrt(scale_by_factored_rms_square_sum / size);
  const auto p_square_sum = p_square_sum_data[0];
  const auto param_mean_square = p_square_sum / size;
  const auto param_rms = std::sqrt((param_mean_square <= Real(1e-06) ? Real(1e-06) : param_mean_square));
  factor_data[0] = optgen::maximum(Real(1), update_rms / clipping_threshold);
  param_rms_data[0] = param_rms;
}

// The kernels, in the order in which the tables name them.
static const optgen::Kernel kernels[] = {
    {.vector = optgen::declare<whole_sweep>()},
    {.vector = optgen::declare<whole_step>()},
    {.row_major = optgen::declare<factored_statistics<optgen::RowMajor>>(),
     .column_major = optgen::declare<factored_statistics<optgen::ColumnMajor>>()},
    {.finalize = optgen::declare<factored_finalize>()},
    {.row_major = optgen::declare<factored_statistics_2<optgen::RowMajor>>(),
     .column_major = optgen::declare<factored_statistics_2<optgen::ColumnMajor>>()},
    {.row_major = optgen::declare<factored_step<optgen::RowMajor>>(),
     .column_major = optgen::declare<factored_step<optgen::ColumnMajor>>()},
    {.finalize = optgen::declare<whole_finalize>()},
    {.finalize = optgen::declare<factored_finalize_2>()},
};

OPTGEN_EXPORT const char* optgen_launch(const optgen_call* call) {
  Scalars scalars{};
  return optgen::launch(call, kernels, scalars);
}
