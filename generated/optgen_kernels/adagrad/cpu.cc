// Adagrad (Duchi, Hazan and Singer, 2011, JMLR 12).
//
//     sum_of_squares' = g**2 + sum_of_squares
//     scale_by_rss = where(sum_of_squares' > 0, rsqrt(sum_of_squares' + eps), 0)*g
//     p' = p - learning_rate*scale_by_rss
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, sum_of_squares; writes p, sum_of_squares.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict sum_of_squares_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto eps = static_cast<Real>(leaf.scalar(1));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto sum_of_squares = static_cast<Real>(sum_of_squares_data[i]);
    const auto sum_of_squares_next = g * g + sum_of_squares;
    const auto term = (Real(1) / std::sqrt(sum_of_squares_next + eps));
    const auto scale_by_rss = (sum_of_squares_next > Real(0) ? term : Real(0)) * g;
    p_data[i] = p + minus_learning_rate * scale_by_rss;
    sum_of_squares_data[i] = sum_of_squares_next;
  }
}

// Reads g, sum_of_squares; writes sum_of_squares, update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict sum_of_squares_data = leaf.array<float>(1);
  float* __restrict update_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto eps = static_cast<Real>(leaf.scalar(1));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto sum_of_squares = static_cast<Real>(sum_of_squares_data[i]);
    const auto sum_of_squares_next = g * g + sum_of_squares;
    const auto term = (Real(1) / std::sqrt(sum_of_squares_next + eps));
    const auto scale_by_rss = (sum_of_squares_next > Real(0) ? term : Real(0)) * g;
    update_data[i] = minus_learning_rate * scale_by_rss;
    sum_of_squares_data[i] = sum_of_squares_next;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 2, 2},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 1, 2},
  };
  return optgen::run_phase(call, groups);
}
