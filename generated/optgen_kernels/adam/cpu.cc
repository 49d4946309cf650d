// Adam (Kingma and Ba, 2015, arXiv:1412.6980).
//
//     mu' = (1 - b1)*g + b1*mu
//     mu_hat = mu'/(1 - b1**t)
//     nu' = (1 - b2)*g**2 + b2*nu
//     nu_hat = nu'/(1 - b2**t)
//     scale_by_adam = mu_hat/(sqrt(nu_hat + eps_root) + eps)
//     p' = p - learning_rate*scale_by_adam
//
// Emitted for mu_dtype=None, nesterov=False.
//
// Emitted by optgen: change the rule, not this file. Each function is one kernel of the plan; the
// launch code that cuts leaves into tiles, and combines what tiles leave, is in optgen_sweep.h.

#include "optgen_sweep.h"

// Reads g, p, mu, nu; writes p, mu, nu.
static void leaf_step_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict p_data = leaf.array<float>(1);
  float* __restrict mu_data = leaf.array<float>(2);
  float* __restrict nu_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(3));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(6));
  const auto eps_root = static_cast<Real>(leaf.scalar(7));
  const auto eps = static_cast<Real>(leaf.scalar(8));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto p = static_cast<Real>(p_data[i]);
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    p_data[i] = p + minus_learning_rate * scale_by_adam;
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
  }
}

// Reads g, mu, nu; writes mu, nu, update.
static void leaf_update_1_1(const optgen::Leaf& leaf, [[maybe_unused]] int64_t tile) {
  using Real = float;
  const float* __restrict g_data = leaf.array<const float>(0);
  float* __restrict mu_data = leaf.array<float>(1);
  float* __restrict nu_data = leaf.array<float>(2);
  float* __restrict update_data = leaf.array<float>(3);
  const auto minus_learning_rate = static_cast<Real>(leaf.scalar(0));
  const auto one_minus_b1 = static_cast<Real>(leaf.scalar(1));
  const auto b1 = static_cast<Real>(leaf.scalar(2));
  const auto bias_correction_b1 = static_cast<Real>(leaf.scalar(3));
  const auto one_minus_b2 = static_cast<Real>(leaf.scalar(4));
  const auto b2 = static_cast<Real>(leaf.scalar(5));
  const auto bias_correction_b2 = static_cast<Real>(leaf.scalar(6));
  const auto eps_root = static_cast<Real>(leaf.scalar(7));
  const auto eps = static_cast<Real>(leaf.scalar(8));
  const auto [begin, end] = leaf.elements(tile);
  OPTGEN_SIMD
  for (int64_t i = begin; i < end; ++i) {
    const auto g = static_cast<Real>(g_data[i]);
    const auto mu = static_cast<Real>(mu_data[i]);
    const auto mu_next = one_minus_b1 * g + b1 * mu;
    const auto mu_hat = mu_next / bias_correction_b1;
    const auto nu = static_cast<Real>(nu_data[i]);
    const auto nu_next = one_minus_b2 * (g * g) + b2 * nu;
    const auto nu_hat = nu_next / bias_correction_b2;
    const auto scale_by_adam = mu_hat / (std::sqrt(nu_hat + eps_root) + eps);
    update_data[i] = minus_learning_rate * scale_by_adam;
    mu_data[i] = mu_next;
    nu_data[i] = nu_next;
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
