// Lion (Chen et al., 2023, arXiv:2302.06675).
//
// For leaves with mask None, or mask True:
//
//     x = (1 - b1)*g + b1*mu
//     scale_by_lion = sign(x)
//     add_decayed_weights = scale_by_lion + weight_decay*p
//     mu' = (1 - b2)*g + b2*mu
//     p' = p - learning_rate*add_decayed_weights
//
// For leaves with mask False:
//
//     x = (1 - b1)*g + b1*mu
//     scale_by_lion = sign(x)
//     mu' = (1 - b2)*g + b2*mu
//     p' = p - learning_rate*scale_by_lion
//
// Emitted for mu_dtype=None.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, mu; writes p, mu.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto weight_decay = static_cast<Real>(leaf.scalar(3));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto x = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(x);
    const auto add_decayed_weights = scale_by_lion + weight_decay * p;
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    p_data[i] = p + minus_learning_rate * add_decayed_weights;
    mu_data[i] = mu_next;
  }
}

// Reads g, p, mu; writes p, mu.
static void left_out_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto x = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(x);
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    p_data[i] = p + minus_learning_rate * scale_by_lion;
    mu_data[i] = mu_next;
  }
}

// Reads g, p, mu; writes mu, update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  const float* __restrict p_data = leaf.array<const float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto weight_decay = static_cast<Real>(leaf.scalar(3));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto x = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(x);
    const auto p = static_cast<Real>(p_data[i]);
    const auto add_decayed_weights = scale_by_lion + weight_decay * p;
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    update_data[i] = minus_learning_rate * add_decayed_weights;
    mu_data[i] = mu_next;
  }
}

// Reads g, mu; writes mu, update.
static void left_out_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict mu_data = leaf.array<float>(1);
  float* __restrict update_data = leaf.array<float>(2);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto x = one_minus_b1 * g + b1 * mu;
    const auto scale_by_lion = optgen::sign(x);
    const auto mu_next = one_minus_b2 * g + b2 * mu;
    update_data[i] = minus_learning_rate * scale_by_lion;
    mu_data[i] = mu_next;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(left_out_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 2, 2},
      {kernels_1, 1, 1, 2, 2},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1),
  };
  static const optgen::Kernel kernels_1[] = {
      optgen::flat<float>(left_out_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 2, 1, 2},
      {kernels_1, 1, 1, 1, 2},
  };
  return optgen::run_phase(call, groups);
}
