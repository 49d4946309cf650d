// Gradient descent (Robbins and Monro, 1951), with momentum (Polyak, 1964).
//
//     p' = p - learning_rate*g
//
// Emitted for momentum=None, nesterov=False, accumulator_dtype=None.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p; writes p.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    p_data[i] = p + minus_learning_rate * g;
  }
}

// Reads g; writes update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict update_data = leaf.array<float>(1);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    update_data[i] = minus_learning_rate * g;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 1, 1},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 0, 1},
  };
  return optgen::run_phase(call, groups);
}
