// RMSProp (Tieleman and Hinton, 2012, Coursera lecture 6.5).
//
//     nu' = (1 - decay)*g**2 + decay*nu
//     mu' = (1 - decay)*g + decay*mu
//     variance = nu' - mu'**2
//     scaling = rsqrt(variance + eps)
//     scale_by_stddev = scaling*g
//     p' = p - learning_rate*scale_by_stddev
//
// Emitted for eps_in_sqrt=True, centered=True, momentum=None, nesterov=False,
// bias_correction=False.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, nu, mu; writes p, nu, mu.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict nu_data = leaf.array<float>(2);
  float* __restrict mu_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
  const auto decay = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = one_minus_decay * (g * g) + decay * nu;
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_hat = one_minus_decay * g + decay * mu;
    const auto variance = nu_hat - mu_hat * mu_hat;
    const auto scaling = (Real(1) / std::sqrt(variance + eps));
    const auto scale_by_stddev = scaling * g;
    p_data[i] = p + minus_learning_rate * scale_by_stddev;
    mu_data[i] = mu_hat;
    nu_data[i] = nu_hat;
  }
}

// Reads g, nu, mu; writes nu, mu, update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict nu_data = leaf.array<float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_decay = static_cast<Real>(leaf.scalar(1));
  const auto decay = static_cast<Real>(leaf.scalar(2));
  const auto eps = static_cast<Real>(leaf.scalar(3));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_hat = one_minus_decay * (g * g) + decay * nu;
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_hat = one_minus_decay * g + decay * mu;
    const auto variance = nu_hat - mu_hat * mu_hat;
    const auto scaling = (Real(1) / std::sqrt(variance + eps));
    const auto scale_by_stddev = scaling * g;
    update_data[i] = minus_learning_rate * scale_by_stddev;
    mu_data[i] = mu_hat;
    nu_data[i] = nu_hat;
  }
}

OPTGEN_EXPORT const char* optgen_step_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_step_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 3, 3},
  };
  return optgen::run_phase(call, groups);
}

OPTGEN_EXPORT const char* optgen_update_1(const optgen_call* call) {
  static const optgen::Kernel kernels_0[] = {
      optgen::flat<float>(leaf_update_1_1),
  };
  static const optgen::Group groups[] = {
      {kernels_0, 1, 1, 2, 3},
  };
  return optgen::run_phase(call, groups);
}
